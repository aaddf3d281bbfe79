"""Trains many series block by block, so that memory holds one block, and joins the blocks to one model.

A block is a fixed part of the sorted series and is trained independently, on days that all blocks share. Its result is
therefore the same to the last bit, whether blocks are trained one after the other or in parallel.
"""

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import pandas as pd

from forecasting_platform.errors import InsufficientHistoryError
from forecasting_platform.forecasting.models.recipes.recipe import Recipe
from forecasting_platform.forecasting.models.trained.first_days import FirstDays
from forecasting_platform.forecasting.models.trained.joining import join_models
from forecasting_platform.forecasting.models.trained.model import ForecastModel
from forecasting_platform.forecasting.models.training.backtest import MIN_HISTORY_DAYS
from forecasting_platform.forecasting.models.training.training import train
from forecasting_platform.forecasting.monitoring.control.references import add_control_references
from forecasting_platform.forecasting.promotion.kept_evidence import KEPT, join_kept, keep_evidence
from forecasting_platform.forecasting.reports.plots import training_plots
from forecasting_platform.forecasting.series.days.date_range import DateRange

BLOCK_SERIES = 100
"""Enough that products fill the processor, few enough that 2,000 days of them take half a gigabyte to train."""


@dataclass(frozen=True, slots=True)
class TrainedModel:
    """A model with what control compares with in its metadata.

    Attributes:
        plots: file name -> PNG, of the first series.
    """

    model: ForecastModel
    plots: dict[str, bytes] = field(default_factory=dict)


def series_blocks(unique_ids: Iterable[str], size: int = BLOCK_SERIES) -> list[list[str]]:
    """The series, sorted, in blocks.

    >>> series_blocks(["c", "a", "b"], 2)
    [['a', 'b'], ['c']]
    """
    ordered = sorted(unique_ids)
    return [ordered[start : start + size] for start in range(0, len(ordered), size)]


def days_to_train(span: DateRange | None) -> DateRange:
    """The days that all blocks share: those of the whole table.

    Raises:
        InsufficientHistoryError: fewer than `MIN_HISTORY_DAYS`, or none.
    """
    if span is None or len(span) < MIN_HISTORY_DAYS:
        raise InsufficientHistoryError(len(span) if span else 0, MIN_HISTORY_DAYS)
    return span


def train_block(
    features: pd.DataFrame, days: DateRange, recipe: Recipe, *, code_version: str, with_plots: bool
) -> TrainedModel:
    """Train the series of one block.

    Args:
        features: their rows of `FEATURE_TABLE`.
        days: of all series, not of these alone; its end is the cutoff.

    Raises:
        InsufficientHistoryError: fewer than `MIN_HISTORY_DAYS` days.
    """
    training = train(features, days.end, recipe, code_version=code_version, first=days.start)
    metadata = add_control_references(training.model.metadata, training.results, training.panel)
    metadata = keep_evidence(metadata, training.results, training.panel, training.intervals, training.model.is_new)
    model = replace(training.model, metadata=metadata)
    return TrainedModel(model, training_plots(training) if with_plots else {})


def join_blocks(models: Sequence[ForecastModel]) -> ForecastModel:
    """One model of all the series of several that were trained by one recipe at one cutoff.

    Args:
        models: at least one; their series follow each other.
    """
    if len(models) == 1:
        return models[0]
    first_days = FirstDays.join([model.first_days for model in models])
    return replace(join_models(models), first_days=first_days, metadata=_joined([model.metadata for model in models]))


def join_fingerprints(of_blocks: Sequence[str]) -> str:
    """The fingerprint of all data from those of the blocks, in their order; at least one.

    The same blocks give the same one wherever they were trained.
    """
    return of_blocks[0] if len(of_blocks) == 1 else hashlib.sha256("".join(of_blocks).encode()).hexdigest()


def _joined(documents: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    control = {key: value for document in documents for key, value in document["control"]["series"].items()}
    # Where the evidence of a block is not kept, that of the others decides nothing.
    kept = [document[KEPT] for document in documents if KEPT in document]
    return {
        **{key: value for key, value in documents[0].items() if key != KEPT},
        "data_fingerprint": join_fingerprints([document["data_fingerprint"] for document in documents]),
        "exogenous_known": {
            name: max(document["exogenous_known"][name] for document in documents)
            for name in documents[0]["exogenous_known"]
        },
        "series": {key: value for document in documents for key, value in document["series"].items()},
        "control": {**documents[0]["control"], "series": control},
        **({KEPT: join_kept(kept)} if len(kept) == len(documents) else {}),
    }

"""Learns the widths of intervals from the forecasts that matured, for many series block by block on an engine."""

import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from functools import partial

import numpy as np
import pandas as pd

from forecasting_platform.forecasting.block_training import series_blocks
from forecasting_platform.forecasting.models.issuing import LearnedWidths, learn_widths, match_actuals
from forecasting_platform.forecasting.series.arrays import Days, Floats
from forecasting_platform.forecasting.series.days.date_range import DateRange
from forecasting_platform.forecasting.series.days.not_normal import NotNormal
from forecasting_platform.forecasting.series.days.series_calendars import Calendars
from forecasting_platform.forecasting.series.frames import (
    FORECASTS,
    HELD_OBSERVATIONS,
    OBSERVATIONS,
    interval_columns,
)
from forecasting_platform.forecasting.series.quality.holding import without_held
from forecasting_platform.ports.engine import BlockWork, Engine, Files, Read

Widths = Mapping[str, Floats]
"""By model version, `log_widths` at the end of each cutoff."""
_FORECASTS = FORECASTS.only(*interval_columns())


@dataclass(frozen=True, slots=True)
class Learner:
    """A model version whose intervals learn.

    Attributes:
        trained_until: its cutoff; it has issued no forecast before.
        calendars: days on which its series are closed teach nothing.
        not_normal: periods that teach nothing.
    """

    version: str
    trained_until: date
    calendars: Calendars
    not_normal: NotNormal


def learn_from_matured(
    engine: Engine, learners: Sequence[Learner], cutoffs: DateRange, unique_ids: Sequence[str]
) -> dict[str, LearnedWidths]:
    """What the intervals of some versions have learnt at the end of each cutoff, by version.

    Args:
        unique_ids: the series whose forecasts are to be issued.

    Raises:
        StoreUnavailableError, UnavailableError: see `Engine`.
    """
    if not learners or not unique_ids:
        return {}
    period = DateRange(min(cutoffs.start, *(learner.trained_until for learner in learners)), cutoffs.end)
    days = np.arange(np.datetime64(cutoffs.start), np.datetime64(cutoffs.end) + 1)
    names = sorted(unique_ids)
    reads = [Read(table, period) for table in (_FORECASTS, OBSERVATIONS, HELD_OBSERVATIONS)]
    blocks = series_blocks(names)
    run = partial(learn_block, learners=learners, period=period, days=days, blocks=blocks)
    found = list(engine.map_blocks(BlockWork(run, _files, _widths), reads, blocks))
    return {
        learner.version: LearnedWidths(
            tuple(names), days, np.concatenate([of_block[learner.version] for of_block in found], axis=1)
        )
        for learner in learners
    }


def learn_block(
    number: int,
    forecasts: pd.DataFrame,
    observations: pd.DataFrame,
    held: pd.DataFrame,
    *,
    learners: Sequence[Learner],
    period: DateRange,
    days: Days,
    blocks: Sequence[Sequence[str]],
) -> Widths:
    """What the intervals of one block have learnt at the end of each of `days`, from its rows of three tables."""
    newest = observations.drop_duplicates(["unique_id", "ds"], keep="last", ignore_index=True)
    actuals = without_held(newest, held)[["unique_id", "ds", "y"]]
    found = {}
    for learner in learners:
        own = forecasts[forecasts["model_version"] == learner.version].reset_index(drop=True)
        matured = match_actuals(own, actuals, period, learner.calendars)
        matured = matured[~learner.not_normal.rows(matured, "cutoff", "ds")]
        learned = learn_widths(matured, blocks[number])
        # Of a version's whole life only what it knew at the cutoffs goes on.
        found[learner.version] = np.stack([learned.at(day, blocks[number]) for day in days])
    return found


def _files(widths: Widths) -> Files:
    numbers = io.BytesIO()
    np.savez(numbers, allow_pickle=False, **widths)
    return {"widths.npz": numbers.getvalue()}


def _widths(files: Files) -> Widths:
    with np.load(io.BytesIO(files["widths.npz"]), allow_pickle=False) as stored:
        return {version: stored[version] for version in stored.files}

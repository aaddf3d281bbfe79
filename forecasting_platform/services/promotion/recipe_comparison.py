"""Backtests two recipes on the stored features, block by block, on an engine; what the losses mean: `evidence`."""

import io
import json
from collections.abc import Sequence
from functools import partial

import numpy as np
import pandas as pd

from forecasting_platform.errors import MissingMetricError
from forecasting_platform.forecasting.block_training import series_blocks
from forecasting_platform.forecasting.models.recipes.recipe import Recipe
from forecasting_platform.forecasting.promotion.block_evidence import BlockEvidence, SeriesLosses, measure_recipes
from forecasting_platform.forecasting.promotion.evidence import Comparison, join_evidence
from forecasting_platform.forecasting.series.days.date_range import DateRange
from forecasting_platform.forecasting.series.features.panel import panel_from
from forecasting_platform.forecasting.series.frames import FEATURE_TABLE
from forecasting_platform.ports.engine import BlockWork, Engine, Files, Read
from forecasting_platform.ports.table_store import TableStore

NAMES, LOSSES = "names.json", "losses.npz"


def compare_on_stored_series(
    store: TableStore, engine: Engine, unique_ids: Sequence[str], challenger: Recipe, champion: Recipe | None
) -> Comparison:
    """Compare two recipes on some series of `feature_table`; those without rows are left out.

    Raises:
        InsufficientHistoryError: too few days to evaluate.
        MissingMetricError: nothing could be scored.
        StoreUnavailableError, UnavailableError: see `Engine`.
    """
    found = store.read_newest(FEATURE_TABLE.only(), unique_ids=unique_ids)["unique_id"]
    days = store.span(FEATURE_TABLE, unique_ids=found.tolist())
    if days is None:
        raise MissingMetricError("the loss", "a recipe", "measured on no series")
    run = partial(_measure, days=days, challenger=challenger, champion=champion)
    work = BlockWork(run, evidence_files, evidence_from)
    return join_evidence(
        list(engine.map_blocks(work, [Read(FEATURE_TABLE, days)], series_blocks(found))), challenger, champion
    )


def _measure(
    _number: int, rows: pd.DataFrame, *, days: DateRange, challenger: Recipe, champion: Recipe | None
) -> BlockEvidence:
    return measure_recipes(panel_from(rows, days), challenger, champion)


def evidence_files(block: BlockEvidence) -> Files:
    """The evidence of a block as files: its numbers, and the names of its series."""
    arrays = {"cutoffs": block.cutoffs, "constant": block.constant, "unit": block.unit, "left_out": block.left_out}
    for name, of in block.losses.items():
        arrays |= {f"by_series {name}": of.by_series, f"rmse {name}": of.rmse, f"covered {name}": of.covered}
        arrays |= {f"by_step {name} {steps}": sums for steps, sums in of.by_step.items()}
    numbers = io.BytesIO()
    np.savez(numbers, allow_pickle=False, **arrays)
    by_step = {name: [*of.by_step] for name, of in block.losses.items()}
    names = {"unique_ids": block.unique_ids, "by_step": by_step, "left_out_series": block.left_out_series}
    return {NAMES: json.dumps(names).encode(), LOSSES: numbers.getvalue()}


def evidence_from(files: Files) -> BlockEvidence:
    """The evidence of `evidence_files`."""
    names = json.loads(files[NAMES])
    with np.load(io.BytesIO(files[LOSSES]), allow_pickle=False) as stored:
        losses = {
            name: SeriesLosses(
                by_series=stored[f"by_series {name}"],
                by_step={group: stored[f"by_step {name} {group}"] for group in steps},
                rmse=stored[f"rmse {name}"],
                covered=stored[f"covered {name}"],
            )
            for name, steps in names["by_step"].items()
        }
        of_block = {name: stored[name] for name in ("cutoffs", "constant", "unit", "left_out")}
    unique_ids, left_out_series = tuple(names["unique_ids"]), names["left_out_series"]
    return BlockEvidence(unique_ids=unique_ids, losses=losses, left_out_series=left_out_series, **of_block)

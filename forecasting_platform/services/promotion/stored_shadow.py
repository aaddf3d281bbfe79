"""Compares the stored forecasts of two recipes, block by block, on an engine; what the losses mean: `shadow`."""

import io
from collections.abc import Collection, Mapping, Sequence
from functools import partial

import numpy as np
import pandas as pd

from forecasting_platform.forecasting.block_training import series_blocks
from forecasting_platform.forecasting.models.losses import Loss
from forecasting_platform.forecasting.promotion.decision_inputs import Shadow
from forecasting_platform.forecasting.promotion.shadow import BlockShadow, join_shadow, measure_block
from forecasting_platform.forecasting.series.days.date_range import DateRange
from forecasting_platform.forecasting.series.days.not_normal import NotNormal
from forecasting_platform.forecasting.series.frames import FORECAST_ERRORS
from forecasting_platform.ports.engine import BlockWork, Engine, Files, Read

LOSSES = "losses.npz"


def measure_stored_shadow(
    engine: Engine,
    days: DateRange,
    unique_ids: Sequence[str],
    challengers: Collection[str],
    champions: Collection[str],
    loss: Loss,
    *,
    not_normal: NotNormal,
    unit: Mapping[str, float] | None = None,
) -> Shadow | None:
    """Compare two recipes on the matured forecasts of some days; None when they have none in common.

    Args:
        unique_ids: the series that decide.
        challengers, champions: model versions of the two recipes.
        not_normal: periods of which no error decides.
        unit: as of `measure_block`.

    Raises:
        StoreUnavailableError, UnavailableError: see `Engine`.
    """
    run = partial(_measure, challengers=challengers, champions=champions, loss=loss, not_normal=not_normal, unit=unit)
    work, reads = BlockWork(run, _files, _shadow), [Read(FORECAST_ERRORS, days)]
    return join_shadow(list(engine.map_blocks(work, reads, series_blocks(unique_ids))))


def _measure(
    _number: int,
    errors: pd.DataFrame,
    *,
    challengers: Collection[str],
    champions: Collection[str],
    loss: Loss,
    not_normal: NotNormal,
    unit: Mapping[str, float] | None,
) -> BlockShadow:
    normal = errors[~not_normal.rows(errors, "cutoff", "ds")]
    return measure_block(normal, challengers, champions, unit, loss)


def _files(block: BlockShadow) -> Files:
    numbers = io.BytesIO()
    np.savez(numbers, allow_pickle=False, days=block.days, losses=block.losses, series=block.series)
    return {LOSSES: numbers.getvalue()}


def _shadow(files: Files) -> BlockShadow:
    with np.load(io.BytesIO(files[LOSSES]), allow_pickle=False) as stored:
        return BlockShadow(**{name: stored[name] for name in stored.files})

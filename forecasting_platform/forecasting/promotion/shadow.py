"""The shadow evidence for a promotion: how well versions that did not serve forecast the champion's days."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from forecasting_platform.forecasting.models.losses import Loss, interval_score, losses_of
from forecasting_platform.forecasting.promotion.decision_inputs import Shadow
from forecasting_platform.forecasting.series.arrays import Days, Floats
from forecasting_platform.forecasting.series.frames import LEVELS

_KEY = ["unique_id", "cutoff", "ds"]


@dataclass(frozen=True, slots=True)
class BlockShadow:
    """Daily losses of two recipes on some series, which add up over blocks of series.

    Attributes:
        days: that both forecast, ascending; shape (D,).
        losses: of the challenger and the champion, added up over the series; shape (2, D).
        series: how many series each sum is of; shape (D,).
    """

    days: Days
    losses: Floats
    series: Floats


def measure_shadow(
    errors: pd.DataFrame,
    challengers: Collection[str],
    champions: Collection[str],
    unit: Mapping[str, float] | None = None,
    loss: Loss = "squared",
) -> Shadow | None:
    """Daily losses of two recipes on the days that both forecast from the same cutoff; see `measure_block`.

    Returns:
        One loss a day (`Evidence` says of what), in the order of days; None when the two have no forecast in
        common.
    """
    return join_shadow([measure_block(errors, challengers, champions, unit, loss)])


def join_shadow(blocks: Sequence[BlockShadow]) -> Shadow | None:
    """The daily losses of two recipes on the series of all blocks; None when they have no forecast in common."""
    every = [day for block in blocks for day in block.days]
    if not every:
        return None
    days, position = np.unique(np.array(every), return_inverse=True)
    series = np.bincount(position, np.concatenate([block.series for block in blocks]))
    losses = np.concatenate([block.losses for block in blocks], axis=1)
    challenger, champion = (np.bincount(position, of) / series for of in losses)
    return Shadow(tuple(days.tolist()), challenger, champion)


def measure_block(
    errors: pd.DataFrame,
    challengers: Collection[str],
    champions: Collection[str],
    unit: Mapping[str, float] | None = None,
    loss: Loss = "squared",
) -> BlockShadow:
    """Daily losses of two recipes on the days that both forecast from the same cutoff.

    A recipe is followed through its versions, as retraining replaces a version long before it has enough shadow days to
    be judged. Of several versions that forecast the same day from the same cutoff, the one issued first counts.

    Args:
        errors: rows of `FORECAST_ERRORS`.
        challengers, champions: model versions of the two recipes.
        unit: RMSE, or mean loss, of each series' seasonal naive forecast; a series without one is left out. By default
            that of the champions' forecasts.
        loss: what both are judged by.
    """
    if set(challengers) & set(champions):
        return _NOTHING
    champion = _first_issued(errors, champions)
    units = naive_loss(champion, loss) if unit is None else unit
    pairs = _first_issued(errors, challengers).merge(champion, on=_KEY, suffixes=("", "_champion"))
    pairs = pairs[pairs["unique_id"].map(units).fillna(0) > 0]
    if pairs.empty:
        return _NOTHING
    by_day = [_losses(pairs, suffix, units, loss).groupby(level="ds") for suffix in ("", "_champion")]
    days = by_day[0].sum().index.to_numpy().astype("datetime64[D]")
    series = by_day[0].count().to_numpy().astype(np.float64)
    return BlockShadow(days, np.stack([of.sum() for of in by_day]), series)


_NOTHING = BlockShadow(np.array([], dtype="datetime64[D]"), np.empty((2, 0)), np.empty(0))


def naive_loss(errors: pd.DataFrame, loss: Loss) -> dict[str, float]:
    """RMSE, or mean loss, of each series' seasonal naive forecast in rows of `FORECAST_ERRORS`."""
    error = errors["y"] - errors["y_hat_seasonal_naive"]
    if loss == "squared":
        return dict((error**2).groupby(errors["unique_id"]).mean() ** 0.5)
    return dict(error.abs().groupby(errors["unique_id"]).mean())


def _first_issued(errors: pd.DataFrame, versions: Collection[str]) -> pd.DataFrame:
    own = errors[errors["model_version"].isin(list(versions))]
    return own.sort_values([*_KEY, "issued_at"], na_position="first", kind="stable").drop_duplicates(_KEY)


def _losses(pairs: pd.DataFrame, suffix: str, unit: Mapping[str, float], loss: Loss) -> pd.Series:
    y = pairs["y"].to_numpy()
    scores = {
        level: interval_score(
            y, *(pairs[f"y_hat_{side}_{level}{suffix}"].to_numpy() for side in ("lo", "hi")), level=level
        )
        for level in LEVELS
    }
    cells = pd.Series(losses_of(y - pairs[f"y_hat{suffix}"].to_numpy(), loss, scores), index=pairs.index)
    # First the mean of each series and day: a series with more forecasts of a day counts no more than others.
    by_day = (cells**2 if loss == "squared" else cells).groupby([pairs["unique_id"], pairs["ds"]]).mean()
    found = by_day**0.5 if loss == "squared" else by_day
    units = found.index.get_level_values("unique_id").map(unit)
    return found / units.to_numpy()

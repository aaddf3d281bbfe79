"""The shadow evidence for a promotion: how well versions that did not serve forecast the champion's days."""

from collections.abc import Collection, Mapping

import pandas as pd

from forecasting_platform.forecasting.models.losses import Loss, interval_score, losses_of
from forecasting_platform.forecasting.promotion.decision_inputs import Shadow
from forecasting_platform.forecasting.series.frames import LEVELS

_KEY = ["unique_id", "cutoff", "ds"]


def measure_shadow(
    errors: pd.DataFrame,
    challengers: Collection[str],
    champions: Collection[str],
    unit: Mapping[str, float],
    loss: Loss = "squared",
) -> Shadow | None:
    """Daily losses of two recipes on the days that both forecast from the same cutoff.

    A recipe is followed through its versions, as retraining replaces a version long before it has enough shadow days to
    be judged. Of several versions that forecast the same day from the same cutoff, the one issued first counts.

    Args:
        errors: rows of `FORECAST_ERRORS`.
        challengers, champions: model versions of the two recipes.
        unit: RMSE, or mean loss, of each series' seasonal naive forecast; a series without one is left out.
        loss: what both are judged by.

    Returns:
        One loss a day (`Evidence` says of what), in the order of days; None when the two have no forecast in
        common.
    """
    if set(challengers) & set(champions):
        return None
    pairs = _first_issued(errors, challengers).merge(
        _first_issued(errors, champions), on=_KEY, suffixes=("", "_champion")
    )
    pairs = pairs[pairs["unique_id"].map(unit).fillna(0) > 0]
    if pairs.empty:
        return None
    challenger, champion = (_daily_loss(pairs, suffix, unit, loss) for suffix in ("", "_champion"))
    days = pd.DatetimeIndex(challenger.index).date
    return Shadow(tuple(days.tolist()), challenger.to_numpy(), champion.to_numpy())


def _first_issued(errors: pd.DataFrame, versions: Collection[str]) -> pd.DataFrame:
    own = errors[errors["model_version"].isin(list(versions))]
    return own.sort_values([*_KEY, "issued_at"], na_position="first", kind="stable").drop_duplicates(_KEY)


def _daily_loss(pairs: pd.DataFrame, suffix: str, unit: Mapping[str, float], loss: Loss) -> pd.Series:
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
    return (found / units.to_numpy()).groupby(level="ds").mean().sort_index()

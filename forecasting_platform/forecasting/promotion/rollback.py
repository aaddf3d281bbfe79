"""When the champion is rolled back without a person: it fails a tripwire, or the version before it is proven better."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import pandas as pd

from forecasting_platform.forecasting.promotion.decision_inputs import Shadow
from forecasting_platform.forecasting.promotion.decisions import AUTOMATIC, PromotionDecision
from forecasting_platform.forecasting.promotion.paired_tests import confidence_sequence
from forecasting_platform.forecasting.promotion.policy import PromotionPolicy

TRIPWIRE_DAYS = 7
BROKEN = "broken"
"""Key of the numbers of a rollback from a champion whose artifact could not be loaded: no fault of the forecasts."""


@dataclass(frozen=True, slots=True)
class RollbackTrigger:
    """Why the champion must be rolled back, with the numbers."""

    reason: str
    numbers: dict[str, Any]


def find_rollback_trigger(errors: pd.DataFrame, impossible: int, policy: PromotionPolicy) -> RollbackTrigger | None:
    """A trigger where the champion is worse than chance or a hard week explains; None otherwise.

    Args:
        errors: rows of `FORECAST_ERRORS` of the champion's own version, of the series that decide.
        impossible: forecasts it would now issue that are not finite, or leave the physical range.
    """
    if impossible:
        return RollbackTrigger(
            f"{impossible} of its forecasts are not finite or not physically possible", {"impossible": impossible}
        )
    week = errors[errors["ds"] > errors["ds"].max() - timedelta(days=TRIPWIRE_DAYS)] if len(errors) else errors
    # A forecast may be bad on one weekday: all seven are needed to judge it.
    if week["ds"].nunique() < TRIPWIRE_DAYS:
        return None
    ratio, coverage = _ratio_to_naive(week), float(week["y"].between(week["y_hat_lo_95"], week["y_hat_hi_95"]).mean())
    numbers = {"days": TRIPWIRE_DAYS, "rmse_to_naive": ratio, "coverage_95": coverage}
    if ratio > policy.tripwire_rmse_to_naive:
        return RollbackTrigger(f"its RMSE of a week is {ratio:.1f} times the naive forecast's", numbers)
    if coverage < policy.tripwire_coverage_95:
        return RollbackTrigger(f"its 95 % interval held {coverage:.0%} of a week's actuals", numbers)
    return None


def _ratio_to_naive(week: pd.DataFrame) -> float:
    """Mean over series of RMSE / RMSE of the naive forecast; a series without naive error is left out."""
    squares = pd.DataFrame(
        {
            "unique_id": week["unique_id"],
            "own": (week["y"] - week["y_hat"]) ** 2,
            "naive": (week["y"] - week["y_hat_naive"]) ** 2,
        }
    )
    means = squares.groupby("unique_id").mean()
    ratios = (means["own"] / means["naive"].where(means["naive"] > 0)).dropna() ** 0.5
    return float(ratios.mean()) if len(ratios) else 0.0


def find_better_version(shadow: Shadow | None, policy: PromotionPolicy, horizon: int) -> RollbackTrigger | None:
    """A trigger where the other version of a shadow is better, by evidence that may be looked at every day.

    Args:
        shadow: with the champion as `champion`, the other version as `challenger`.
    """
    if shadow is None:
        return None
    difference, mean = shadow.champion - shadow.challenger, float(shadow.champion.mean()) or 1.0
    lower = float(confidence_sequence(difference, policy.shadow_alpha, horizon=horizon)[0][-1]) / mean
    gain = float(difference.mean()) / mean
    if lower <= 0 or gain < policy.min_gain:
        return None
    reason = f"another version had a {gain:.1%} lower loss on {len(difference)} shadow days"
    return RollbackTrigger(reason, {"days": len(difference), "relative_gain": gain, "lower": lower})


def may_roll_back(decisions: Iterable[PromotionDecision], now: datetime, policy: PromotionPolicy) -> bool:
    """Whether one more automatic rollback is allowed; after too many, a person decides.

    Rollbacks from a champion that could not be loaded do not count.
    """
    since = now - timedelta(days=policy.cool_down_days)
    moves = [found for found in decisions if found.verdict == "rollback" and AUTOMATIC in found.evidence]
    judged = [found for found in moves if BROKEN not in found.evidence[AUTOMATIC]]
    return sum(found.decided_at > since for found in judged) < policy.max_automatic_rollbacks

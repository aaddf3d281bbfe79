"""Whether a challenger becomes champion. Pure: evidence in, decision out. Moving the alias is elsewhere.

Both recipes are scored anew on identical (`cutoff`, `ds`) pairs, refitted at the same past days, so
neither is judged on rows it was fitted on, and neither by a number somebody stored earlier.
"""

import math
from dataclasses import asdict, dataclass
from datetime import date, datetime
from typing import Any

import numpy as np

from forecasting_platform.errors import MissingMetricError
from forecasting_platform.forecasting.calendar import Floats
from forecasting_platform.forecasting.decisions import PromotionDecision, Verdict


@dataclass(frozen=True, slots=True)
class PromotionPolicy:
    """What a promotion takes.

    Attributes:
        least_gain: smallest relative gain in loss worth a change.
        significance: of the one-sided Diebold–Mariano test.
        refresh_after_days: a champion of the same recipe is replaced by newer data after this many days.
        coverage_80: least and most measured coverage of the 80 % interval, mean over series.
        most_loss_to_naive: a challenger's loss may be this many times the naive one's.
    """

    least_gain: float = 0.02
    significance: float = 0.05
    refresh_after_days: int = 15
    coverage_80: tuple[float, float] = (0.6, 0.95)
    most_loss_to_naive: float = 1.05


@dataclass(frozen=True, slots=True)
class Evidence:
    """One recipe's losses on the cutoffs that every recipe was scored on.

    Attributes:
        loss: per cutoff, the mean over series of squared errors in units of each series' seasonal
            naive mean squared error; shape (C,).
        rmse: per series.
        coverage_80: measured, mean over series; None where it could not be measured.
    """

    loss: Floats
    rmse: dict[str, float]
    coverage_80: float | None = None

    @property
    def mean_loss(self) -> float:
        """Mean over cutoffs; 1 is as good as the seasonal naive forecast, lower is better."""
        return float(np.mean(self.loss))


@dataclass(frozen=True, slots=True)
class Candidacy:
    """A version that stands for champion: who it is, and its evidence."""

    version: str
    cutoff: date
    recipe_fingerprint: str
    evidence: Evidence


def diebold_mariano(champion: Floats, challenger: Floats, horizon: int) -> float:
    """One-sided p-value of "the challenger's loss is not smaller", small when it clearly is smaller.

    Losses of consecutive cutoffs share days, so the variance is a Bartlett sum over `horizon` - 1
    lags (Newey & West 1987), with the small-sample correction and t distribution of Harvey, Leybourne
    & Newbold (1997, doi:10.1016/S0169-2070(96)00719-4). 1.0 when the losses are equal or too few.

    >>> diebold_mariano(np.ones(50), np.ones(50), 15)
    1.0
    """
    difference = champion - challenger
    count = len(difference)
    lags = min(horizon - 1, count // 4)
    centred = difference - difference.mean()
    covariances = [float(centred[lag:] @ centred[: count - lag]) / count for lag in range(lags + 1)]
    weighted = (2 * (1 - lag / (lags + 1)) * covariance for lag, covariance in enumerate(covariances[1:], start=1))
    variance = (covariances[0] + sum(weighted)) / count
    if count < 2 or variance <= 0:
        return 1.0
    from scipy import stats  # the app reads decisions without it

    correction = math.sqrt((count + 1 - 2 * (lags + 1) + lags * (lags + 1) / count) / count)
    return float(stats.t.sf(correction * float(difference.mean()) / math.sqrt(variance), df=count - 1))


def decide(
    challenger: Candidacy,
    champion: Candidacy | None,
    naive: dict[str, Evidence],
    policy: PromotionPolicy,
    *,
    horizon: int,
    decided_at: datetime,
    decided_by: str,
) -> PromotionDecision:
    """The verdict on a challenger. A tie keeps the champion.

    Args:
        champion: None when nothing serves yet: then the challenger serves, unless its loss is not a
            number; a series that nothing beats is served by its naive forecast anyway.
        naive: evidence of `naive` and `seasonal_naive` on the same cutoffs.

    Raises:
        MissingMetricError: a loss is not a finite number, or the two were scored on different cutoffs.
    """
    _refuse_unmeasured(challenger, champion, naive)
    numbers = _numbers(challenger, champion, naive, policy, horizon)
    verdict, reason = _verdict(challenger, champion, numbers, policy)
    return PromotionDecision(
        verdict=verdict,
        reason=reason,
        challenger_version=challenger.version,
        champion_version=champion.version if champion else None,
        challenger_cutoff=challenger.cutoff,
        decided_at=decided_at,
        decided_by=decided_by,
        evidence=numbers,
    )


def _refuse_unmeasured(challenger: Candidacy, champion: Candidacy | None, naive: dict[str, Evidence]) -> None:
    judged = {f"version {c.version}": c.evidence for c in (challenger, champion) if c is not None} | naive
    for subject, evidence in judged.items():
        if not len(evidence.loss) or not np.isfinite(evidence.loss).all():
            raise MissingMetricError("the loss", subject, float(np.mean(evidence.loss)) if len(evidence.loss) else None)
        if len(evidence.loss) != len(challenger.evidence.loss):
            raise MissingMetricError("the loss on the challenger's cutoffs", subject, f"{len(evidence.loss)} cutoffs")


def _numbers(
    challenger: Candidacy, champion: Candidacy | None, naive: dict[str, Evidence], policy: PromotionPolicy, horizon: int
) -> dict[str, Any]:
    evidence = challenger.evidence
    numbers: dict[str, Any] = {
        "cutoffs": len(evidence.loss),
        "challenger": _summary(challenger),
        "naive_loss": {name: baseline.mean_loss for name, baseline in naive.items()},
        "policy": asdict(policy),
    }
    if champion is None:
        return numbers
    return numbers | {
        "champion": _summary(champion),
        "relative_gain": 1 - evidence.mean_loss / champion.evidence.mean_loss if champion.evidence.mean_loss else 0.0,
        "p_better": diebold_mariano(champion.evidence.loss, evidence.loss, horizon),
        "p_worse": diebold_mariano(evidence.loss, champion.evidence.loss, horizon),
        "days_newer": (challenger.cutoff - champion.cutoff).days,
        "same_recipe": challenger.recipe_fingerprint == champion.recipe_fingerprint,
    }


def _summary(candidacy: Candidacy) -> dict[str, Any]:
    evidence = candidacy.evidence
    return {
        "version": candidacy.version,
        "cutoff": candidacy.cutoff.isoformat(),
        "recipe_fingerprint": candidacy.recipe_fingerprint,
        "mean_loss": evidence.mean_loss,
        "rmse": evidence.rmse,
        "coverage_80": evidence.coverage_80,
    }


def _verdict(
    challenger: Candidacy, champion: Candidacy | None, numbers: dict[str, Any], policy: PromotionPolicy
) -> tuple[Verdict, str]:
    if champion is None:
        return "promote", f"there is no champion yet; version {challenger.version} is the first"
    if challenger.version == champion.version:
        return "hold", f"version {challenger.version} is the champion already"
    unfit = _unfitness(challenger.evidence, numbers["naive_loss"], policy)
    if unfit:
        return "reject", unfit
    gain, p_better, p_worse = numbers["relative_gain"], numbers["p_better"], numbers["p_worse"]
    if gain >= policy.least_gain and p_better < policy.significance:
        return "promote", f"its loss is {gain:.1%} lower (p = {p_better:.3f}) than version {champion.version}'s"
    if gain < 0 and p_worse < policy.significance:
        return "reject", f"its loss is {-gain:.1%} higher (p = {p_worse:.3f}) than version {champion.version}'s"
    if numbers["same_recipe"] and numbers["days_newer"] >= policy.refresh_after_days:
        return "refresh", f"same recipe as version {champion.version}, fitted on {numbers['days_newer']} newer days"
    return "hold", (
        f"not shown to be better than version {champion.version}: gain {gain:.1%} (p = {p_better:.3f}); "
        f"{policy.least_gain:.0%} with p < {policy.significance} is needed"
    )


def _unfitness(evidence: Evidence, naive_loss: dict[str, float], policy: PromotionPolicy) -> str | None:
    best_naive = min(naive_loss.values())
    if evidence.mean_loss > policy.most_loss_to_naive * best_naive:
        return f"its loss {evidence.mean_loss:.3f} is behind the naive forecast's {best_naive:.3f}"
    least, most = policy.coverage_80
    if evidence.coverage_80 is not None and not least <= evidence.coverage_80 <= most:
        return f"its 80 % interval covered {evidence.coverage_80:.1%} of days; {least:.0%} to {most:.0%} is accepted"
    return None

"""Whether a challenger becomes champion. Pure: evidence in, decision out. Moving the alias is elsewhere.

Two kinds of evidence count. The *recipe* backtest: both recipes scored anew on identical (`cutoff`, `ds`)
pairs, refitted at the same past days, so neither is judged on rows it was fitted on, nor by a number somebody
stored earlier. The *shadow*: both frozen versions on days that came after both cutoffs, as they forecast them.
Each is judged so that asking again and again does not make chance look like skill (`paired_tests`). What a
decision was made from is plain JSON; `judge_again` makes it anew from that.
"""

import hashlib
import json
import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import Any

import numpy as np
import numpy.typing as npt

from forecasting_platform.errors import MissingMetricError
from forecasting_platform.forecasting.promotion.decisions import PromotionDecision, Verdict
from forecasting_platform.forecasting.promotion.paired_tests import (
    block_bootstrap_bound,
    chance_in_a_year,
    confidence_sequence,
    diebold_mariano,
    least_detectable,
    long_run_variance,
)
from forecasting_platform.forecasting.promotion.policy import PromotionPolicy
from forecasting_platform.forecasting.series.arrays import Floats

SEASONS = ("winter", "spring", "summer", "autumn")
Numbers = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Evidence:
    """One recipe's losses on the cutoffs that every recipe was scored on.

    The loss at a cutoff is the mean over series of the RMSE over its horizon, in units of the RMSE that the
    seasonal naive forecast of that series has over all cutoffs.

    Attributes:
        loss: per cutoff, shape (C,).
        rmse: per series, over all cutoffs.
        coverage_80: measured, mean over series, bounds included; None where it could not be measured.
        cutoffs: the days; empty where nobody asks for seasons.
        by_step: the loss of some steps alone, named such as `1-3`; each of shape (C,).
        by_series: the loss of each series alone, shape (C,), NaN where it was not scored.
        within_80: coverage with the bounds excluded: what lies on a bound is no sign of too wide an interval.
        constant: the series that never changed; they count in none of these numbers.
    """

    loss: Floats
    rmse: dict[str, float]
    coverage_80: float | None = None
    cutoffs: tuple[date, ...] = ()
    by_step: dict[str, Floats] = field(default_factory=dict)
    by_series: dict[str, Floats] = field(default_factory=dict)
    within_80: float | None = None
    constant: tuple[str, ...] = ()

    @property
    def mean_loss(self) -> float:
        """Mean over cutoffs; about 1 is as good as the seasonal naive forecast, lower is better."""
        return float(np.mean(self.loss))


@dataclass(frozen=True, slots=True)
class ScoredVersion:
    """A version with its evidence, as challenger or champion."""

    version: str
    cutoff: date
    recipe_fingerprint: str
    evidence: Evidence


@dataclass(frozen=True, slots=True)
class Shadow:
    """Losses of both frozen versions, in the unit of `Evidence`, on days after both cutoffs; each of shape (D,)."""

    days: tuple[date, ...]
    challenger: Floats
    champion: Floats


@dataclass(frozen=True, slots=True)
class Fitness:
    """What was found when the version was loaded as the app would load it.

    Attributes:
        impossible: forecasts of the next horizon that are not finite or leave the physical range.
        load_seconds: in a clean process.
        megabytes: of the artifact.
    """

    impossible: int
    load_seconds: float
    megabytes: float


def decide(
    challenger: ScoredVersion,
    champion: ScoredVersion | None,
    naive: Mapping[str, Evidence],
    policy: PromotionPolicy,
    *,
    horizon: int,
    decided_at: datetime,
    decided_by: str,
    shadow: Shadow | None = None,
    fitness: Fitness | None = None,
    provenance: Numbers | None = None,
) -> PromotionDecision:
    """The verdict on a challenger. A tie keeps the champion.

    Args:
        champion: None when nothing serves yet: then the challenger serves; a series that nothing beats is
            served by its naive forecast anyway.
        naive: evidence of `naive` and `seasonal_naive` on the same cutoffs.
        provenance: what else the ledger should know, such as checksums; JSON-ready.

    Returns:
        The decision, whose evidence holds `inputs`, `policy`, `statistics` and `provenance`.

    Raises:
        MissingMetricError: a loss is not a finite number, or the two were scored on different cutoffs.
    """
    _refuse_unmeasured(challenger, champion, naive, shadow)
    inputs = _inputs(challenger, champion, naive, horizon, shadow, fitness)
    verdict, reason, statistics = _judge(inputs, policy)
    return PromotionDecision(
        verdict=verdict,
        reason=reason,
        challenger_version=challenger.version,
        champion_version=champion.version if champion else None,
        challenger_cutoff=challenger.cutoff,
        decided_at=decided_at,
        decided_by=decided_by,
        evidence={
            "inputs": inputs,
            "policy": policy.record(),
            "statistics": statistics,
            "provenance": provenance or {},
        },
    )


def judge_again(evidence: Mapping[str, Any]) -> tuple[Verdict, str, Numbers]:
    """Verdict, reason and statistics, from what a decision recorded: exactly the same, whenever it is asked.

    Raises:
        KeyError: the decision holds no inputs, such as a rollback.
    """
    return _judge(evidence["inputs"], PromotionPolicy.recorded(evidence["policy"]))


def verify_decision(decision: PromotionDecision) -> str:
    """`same` or `differs` after judging again; `not judged` for a decision that was not made from evidence.

    Verdict and statistics are compared, to the last bit; how a later release words the reason is its own.
    A sensor's decision may be a `hold` only because a person rolled the version back.
    """
    if "inputs" not in decision.evidence:
        return "not judged"
    verdict, _, statistics = judge_again(decision.evidence)
    held = decision.verdict == "hold" and "was rolled back" in decision.reason
    same = statistics == decision.evidence["statistics"] and (held or verdict == decision.verdict)
    return "same" if same else "differs"


def _refuse_unmeasured(
    challenger: ScoredVersion, champion: ScoredVersion | None, naive: Mapping[str, Evidence], shadow: Shadow | None
) -> None:
    judged = {f"version {c.version}": c.evidence for c in (challenger, champion) if c is not None} | dict(naive)
    for subject, evidence in judged.items():
        if not len(evidence.loss) or not np.isfinite(evidence.loss).all():
            raise MissingMetricError("the loss", subject, float(np.mean(evidence.loss)) if len(evidence.loss) else None)
        if any(of is not None and math.isnan(of) for of in (evidence.coverage_80, evidence.within_80)):
            raise MissingMetricError("the coverage", subject, math.nan)
        if len(evidence.loss) != len(challenger.evidence.loss):
            raise MissingMetricError("the loss on the challenger's cutoffs", subject, f"{len(evidence.loss)} cutoffs")
    if shadow is not None and not np.isfinite([shadow.challenger, shadow.champion]).all():
        raise MissingMetricError("the loss", "the shadow forecasts", math.nan)


# ---- what a decision is made from, as JSON


def _inputs(
    challenger: ScoredVersion,
    champion: ScoredVersion | None,
    naive: Mapping[str, Evidence],
    horizon: int,
    shadow: Shadow | None,
    fitness: Fitness | None,
) -> Numbers:
    return {
        "horizon": horizon,
        "cutoffs": [day.isoformat() for day in challenger.evidence.cutoffs],
        "challenger": _recorded(challenger),
        "champion": None if champion is None else _recorded(champion),
        "naive_loss": {name: evidence.mean_loss for name, evidence in naive.items()},
        "constant": list(challenger.evidence.constant),
        "series": {} if champion is None else _by_series(challenger.evidence, champion.evidence, horizon),
        "shadow": None
        if shadow is None
        else {
            "days": [day.isoformat() for day in shadow.days],
            "challenger": shadow.challenger.tolist(),
            "champion": shadow.champion.tolist(),
        },
        "fitness": None
        if fitness is None
        else {
            "impossible": fitness.impossible,
            "load_seconds": fitness.load_seconds,
            "megabytes": fitness.megabytes,
        },
    }


def _recorded(scored: ScoredVersion) -> Numbers:
    evidence = scored.evidence
    return {
        "version": scored.version,
        "cutoff": scored.cutoff.isoformat(),
        "recipe_fingerprint": scored.recipe_fingerprint,
        "loss": evidence.loss.tolist(),
        "by_step": {steps: loss.tolist() for steps, loss in evidence.by_step.items()},
        "rmse": evidence.rmse,
        "coverage_80": evidence.coverage_80,
        "within_80": evidence.within_80,
    }


def _by_series(challenger: Evidence, champion: Evidence, horizon: int) -> Numbers:
    """How much better each series' forecast is, and how sure that is: a number a series, not one a day."""
    found = {}
    for unique_id, loss in challenger.by_series.items():
        difference = champion.by_series[unique_id] - loss
        difference = difference[np.isfinite(difference)]
        if len(difference):
            error = math.sqrt(float(long_run_variance(difference, horizon)) / len(difference))
            found[unique_id] = {"difference": float(difference.mean()), "standard_error": error}
    return found


# ---- the verdict


def _judge(inputs: Numbers, policy: PromotionPolicy) -> tuple[Verdict, str, Numbers]:
    statistics = _statistics(inputs, policy)
    verdict, reason = _verdict(inputs, statistics, policy)
    if inputs["champion"] is not None and inputs["champion"]["version"] != inputs["challenger"]["version"]:
        reason = f"{reason}: {_power(statistics, policy, inputs['horizon'])}"
    return verdict, reason, statistics


def _statistics(inputs: Numbers, policy: PromotionPolicy) -> Numbers:
    challenger = np.array(inputs["challenger"]["loss"])
    statistics: Numbers = {
        "cutoffs": len(challenger),
        "challenger_loss": float(challenger.mean()),
        "naive_loss": inputs["naive_loss"],
    }
    if inputs["champion"] is None:
        return statistics
    champion = np.array(inputs["champion"]["loss"])
    age = date.fromisoformat(inputs["challenger"]["cutoff"]) - date.fromisoformat(inputs["champion"]["cutoff"])
    return statistics | {
        "champion_loss": float(champion.mean()),
        "days_newer": age.days,
        # Versions that do not say what they were made by are not taken for alike.
        "same_recipe": inputs["challenger"]["recipe_fingerprint"] == inputs["champion"]["recipe_fingerprint"] != "",
        **_of_recipes(champion, challenger, inputs, policy),
        "clearly_worse": _clearly_worse(inputs, policy),
        "shadow": _of_shadow(inputs, policy),
    }


def _of_recipes(champion: Floats, challenger: Floats, inputs: Numbers, policy: PromotionPolicy) -> Numbers:
    difference, horizon, mean = champion - challenger, inputs["horizon"], float(champion.mean()) or 1.0
    p_better, p_worse = (float(diebold_mariano(sign * difference, horizon)) for sign in (1, -1))
    return {
        "relative_gain": float(difference.mean()) / mean,
        "p_better": p_better,
        "p_worse": p_worse,
        "chance_better": float(chance_in_a_year(p_better, len(difference))),
        "chance_worse": float(chance_in_a_year(p_worse, len(difference))),
        "bootstrap_gain": block_bootstrap_bound(difference, policy.bootstrap_level, horizon, _seed(inputs)) / mean,
        "least_detectable_gain": least_detectable(difference, policy.recipe_alpha, horizon) / mean,
    }


def _seed(inputs: Numbers) -> int:
    """A seed that is always the same for the same losses."""
    losses = json.dumps([inputs["challenger"]["loss"], inputs["champion"]["loss"]]).encode()
    return int.from_bytes(hashlib.sha256(losses).digest()[:4], "big")


def _of_shadow(inputs: Numbers, policy: PromotionPolicy) -> Numbers | None:
    shadow, horizon = inputs["shadow"], inputs["horizon"]
    if shadow is None or not shadow["days"]:
        return None
    champion = np.array(shadow["champion"])
    difference, mean = champion - np.array(shadow["challenger"]), float(champion.mean()) or 1.0
    lower, upper = (
        float(bound[-1]) / mean for bound in confidence_sequence(difference, policy.shadow_alpha, horizon=horizon)
    )
    gain, bounded = float(difference.mean()) / mean, math.isfinite(lower)
    return {
        "days": len(difference),
        "relative_gain": gain,
        "lower": lower if bounded else None,
        "upper": upper if bounded else None,
        "least_detectable_gain": gain - lower if bounded else None,
        "days_to_decide": _days_to_decide(len(difference), gain, gain - lower, horizon),
    }


def _days_to_decide(days: int, gain: float, width: float, horizon: int) -> int | None:
    """About how many more days at the present gain; None where it is none. Bounds narrow as 1 / sqrt(days)."""
    if not math.isfinite(width):
        return 4 * horizon - days
    if gain == 0:
        return None
    return max(0, math.ceil(days * (width / abs(gain)) ** 2) - days)


def _clearly_worse(inputs: Numbers, policy: PromotionPolicy) -> list[str]:
    """Series, groups of steps and seasons in which the challenger is clearly worse, each kind sharing its chance."""
    from scipy import stats

    horizon, challenger, champion = inputs["horizon"], inputs["challenger"], inputs["champion"]
    series = {
        f"series {name}": float(stats.norm.sf(-one["difference"] / one["standard_error"]))
        for name, one in inputs["series"].items()
        if one["standard_error"] > 0
    }
    steps = {
        f"steps {name}": _p_worse(np.array(champion["by_step"][name]) - np.array(loss), horizon)
        for name, loss in challenger["by_step"].items()
    }
    difference = np.array(champion["loss"]) - np.array(challenger["loss"])
    of = _seasons(inputs["cutoffs"])
    judged = [name for name in SEASONS if (of == name).sum() >= policy.season_cutoffs]
    seasons = {name: _p_worse(difference[of == name], horizon) for name in judged}
    kinds = (series, steps, seasons)
    return [name for kind in kinds for name, p in kind.items() if p < policy.worse_alpha / len(kind)]


def _p_worse(difference: Floats, horizon: int) -> float:
    return float(diebold_mariano(-difference, horizon))


def _seasons(cutoffs: list[str]) -> npt.NDArray[np.str_]:
    return np.array([SEASONS[int(day[5:7]) % 12 // 3] for day in cutoffs], dtype=str)


def _verdict(inputs: Numbers, statistics: Numbers, policy: PromotionPolicy) -> tuple[Verdict, str]:
    challenger, champion = inputs["challenger"], inputs["champion"]
    unserveable = _unserveable(inputs["fitness"], policy)
    if unserveable:
        return "reject", unserveable
    if champion is None:
        return "promote", f"there is no champion yet; version {challenger['version']} is the first"
    if challenger["version"] == champion["version"]:
        return "hold", f"version {challenger['version']} is the champion already"
    unfit = _unfitness(challenger, statistics, policy)
    if unfit:
        return "reject", unfit
    worse = _shown_worse(statistics, policy)
    if worse:
        return "reject", f"{worse} than version {champion['version']}'s"
    better = _shown_better(statistics, policy)
    if better and challenger["coverage_80"] is None:
        return "hold", f"{better} than version {champion['version']}'s, but coverage of its intervals is not measured"
    if better and statistics["clearly_worse"]:
        return "hold", f"{better} than version {champion['version']}'s, but worse in {_listed(statistics)}"
    if better:
        return "promote", f"{better} than version {champion['version']}'s"
    if statistics["same_recipe"] and statistics["days_newer"] >= policy.refresh_after_days:
        return "refresh", f"same recipe as version {champion['version']}, {statistics['days_newer']} days newer"
    return "hold", f"not shown to be better than version {champion['version']}"


def _unserveable(fitness: Numbers | None, policy: PromotionPolicy) -> str | None:
    if fitness is None:
        return None
    if fitness["impossible"]:
        return f"{fitness['impossible']} of its forecasts are not finite or not physically possible"
    if fitness["load_seconds"] > policy.max_load_seconds:
        return f"it took {fitness['load_seconds']:.0f} s to load; {policy.max_load_seconds:.0f} s are accepted"
    if fitness["megabytes"] > policy.max_megabytes:
        return f"it weighs {fitness['megabytes']:.0f} MB; {policy.max_megabytes:.0f} MB are accepted"
    return None


def _unfitness(challenger: Numbers, statistics: Numbers, policy: PromotionPolicy) -> str | None:
    loss, best_naive = statistics["challenger_loss"], min(statistics["naive_loss"].values())
    if loss > policy.max_loss_to_naive * best_naive:
        return f"its loss {loss:.3f} is behind the naive forecast's {best_naive:.3f}"
    least, most = policy.min_coverage_80, policy.max_coverage_80
    covered, within = challenger["coverage_80"], challenger.get("within_80")
    if covered is not None and covered < least:
        return f"its 80 % interval covered {covered:.1%} of days; {least:.0%} to {most:.0%} is accepted"
    # Older decisions know no coverage without the bounds, and were made by the other.
    widest = covered if within is None else within
    if widest is not None and widest > most:
        return f"its 80 % interval covered {widest:.1%} of days; {least:.0%} to {most:.0%} is accepted"
    return None


def _shown_worse(statistics: Numbers, policy: PromotionPolicy) -> str | None:
    gain, shadow = statistics["relative_gain"], statistics["shadow"]
    if gain < 0 and statistics["chance_worse"] < policy.recipe_alpha:
        return f"its backtest loss is {-gain:.1%} higher (chance {statistics['chance_worse']:.3f})"
    if shadow and shadow["upper"] is not None and shadow["upper"] < 0:
        return f"its loss on {shadow['days']} shadow days is {-shadow['relative_gain']:.1%} higher"
    return None


def _shown_better(statistics: Numbers, policy: PromotionPolicy) -> str | None:
    gain, shadow = statistics["relative_gain"], statistics["shadow"]
    certain = statistics["chance_better"] < policy.recipe_alpha and statistics["bootstrap_gain"] > 0
    if gain >= policy.min_gain and certain:
        return f"its backtest loss is {gain:.1%} lower (chance {statistics['chance_better']:.3f})"
    if shadow and shadow["lower"] is not None and shadow["lower"] > 0 and shadow["relative_gain"] >= policy.min_gain:
        return f"its loss on {shadow['days']} shadow days is {shadow['relative_gain']:.1%} lower"
    return None


def _listed(statistics: Numbers) -> str:
    shown = statistics["clearly_worse"][:5]
    more = len(statistics["clearly_worse"]) - len(shown)
    return ", ".join(shown) + (f" and {more} more" if more else "")


def _power(statistics: Numbers, policy: PromotionPolicy, horizon: int) -> str:
    """What could have been seen, and when more would be: a verdict without it reads surer than it is."""
    gain, least = statistics["relative_gain"], max(policy.min_gain, statistics["least_detectable_gain"])
    found = f"backtest gain {gain:.1%}, one of {least:.1%} would be found four times in five"
    shadow = statistics["shadow"]
    if shadow is None:
        return f"{found}; no shadow days yet, {4 * horizon} would be the first to decide"
    more = shadow["days_to_decide"]
    when = ", which no number of days decides" if more is None else f", about {more} more days would decide"
    return f"{found}; {shadow['days']} shadow days, gain {shadow['relative_gain']:.1%}{when}"

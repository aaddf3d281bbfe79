"""Whether a challenger becomes champion. Pure: evidence in, decision out. A service moves the alias.

A verdict follows from recorded inputs and thresholds alone, so that `judge_again` reaches it anew from what the ledger
holds. The inputs are in `decision_inputs`, their statistics in `decision_statistics`.
"""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from forecasting_platform.forecasting.models.losses import Loss
from forecasting_platform.forecasting.promotion.decision_inputs import (
    Evidence,
    Fitness,
    Numbers,
    ScoredVersion,
    Shadow,
    record_inputs,
    refuse_unmeasured,
)
from forecasting_platform.forecasting.promotion.decision_statistics import compute_statistics
from forecasting_platform.forecasting.promotion.decisions import PromotionDecision, Verdict
from forecasting_platform.forecasting.promotion.policy import PromotionPolicy
from forecasting_platform.forecasting.promotion.tries import Tries


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
    tries: Tries | None = None,
    left_out: Numbers | None = None,
    loss: Loss = "squared",
    provenance: Numbers | None = None,
) -> PromotionDecision:
    """The verdict on a challenger. A tie keeps the champion.

    Args:
        champion: None when nothing serves yet: then the challenger serves; a series that nothing beats is
            served by its naive forecast anyway.
        naive: evidence of `naive` and `seasonal_naive` on the same cutoffs.
        tries: the place of this comparison among those of a year; None where none is counted, such as of a recipe with
            itself.
        left_out: days that no evidence is of since they are not normal, as `Comparison` has them.
        loss: what the evidence is judged by.
        provenance: what else to record, such as checksums; JSON-ready.

    Returns:
        The decision, whose evidence holds `inputs`, `policy`, `statistics` and `provenance`.

    Raises:
        MissingMetricError: a loss is not a finite number, or the two were scored on different cutoffs.
    """
    refuse_unmeasured(challenger, champion, naive, shadow)
    inputs = record_inputs(challenger, champion, naive, horizon, shadow, fitness, tries, left_out, loss)
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
    """Verdict, reason and statistics from a decision's recorded evidence; the same bits at any time.

    Raises:
        KeyError: the decision holds no inputs, such as a rollback.
    """
    return _judge(evidence["inputs"], PromotionPolicy.recorded(evidence["policy"]))


def verify_decision(decision: PromotionDecision) -> str:
    """`same` or `differs` after judging again; `not judged` for a decision that was not made from evidence.

    Verdict and statistics are compared to the last bit; the reason is not, as a later release may word it otherwise.
    A sensor's decision may be a `hold` only because a person rolled the version back.
    """
    if "inputs" not in decision.evidence:
        return "not judged"
    verdict, _, statistics = judge_again(decision.evidence)
    held = decision.verdict == "hold" and "was rolled back" in decision.reason
    same = statistics == decision.evidence["statistics"] and (held or verdict == decision.verdict)
    return "same" if same else "differs"


def _judge(inputs: Numbers, policy: PromotionPolicy) -> tuple[Verdict, str, Numbers]:
    statistics = compute_statistics(inputs, policy)
    verdict, reason = _reach_verdict(inputs, statistics, policy)
    if inputs["champion"] is not None and inputs["champion"]["version"] != inputs["challenger"]["version"]:
        reason = f"{reason}: {_describe_power(statistics, policy, inputs['horizon'])}"
        if "asked" in statistics:
            reason = f"{reason}; {_describe_tries(inputs['tries'], statistics['asked'], policy)}"
    if loss := inputs.get("loss"):
        reason = f"{reason}; judged by the {loss} loss"
    if left_out := inputs.get("left_out"):
        reason = f"{reason}; {_describe_left_out(left_out)}"
    return verdict, reason, statistics


def _reach_verdict(inputs: Numbers, statistics: Numbers, policy: PromotionPolicy) -> tuple[Verdict, str]:
    challenger, champion = inputs["challenger"], inputs["champion"]
    # First, even without a champion: no statistic makes up for a model that cannot be served.
    unserveable = _find_unserveable(inputs["fitness"], policy)
    if unserveable:
        return "reject", unserveable
    if champion is None:
        return "promote", f"there is no champion yet; version {challenger['version']} is the first"
    if challenger["version"] == champion["version"]:
        return "hold", f"version {challenger['version']} is the champion already"
    unfit = _find_unfitness(challenger, statistics, policy)
    if unfit:
        return "reject", unfit
    # Before what is better: the backtest may show a gain and the shadow that it is gone.
    worse = _shown_worse(statistics, policy)
    if worse:
        return "reject", f"{worse} than version {champion['version']}'s"
    better = _shown_better(statistics, policy)
    # A better forecast with intervals that nobody measured could serve wrong ones for weeks.
    if better and challenger["coverage_80"] is None:
        return "hold", f"{better} than version {champion['version']}'s, but coverage of its intervals is not measured"
    if better and statistics["clearly_worse"]:
        worse = statistics["clearly_worse"]
        named = ", ".join(worse[:5]) + (f" and {len(worse) - 5} more" if len(worse) > 5 else "")
        return "hold", f"{better} than version {champion['version']}'s, but worse in {named}"
    if better:
        return "promote", f"{better} than version {champion['version']}'s"
    # The same recipe on newer days needs no proof: it is the champion, only up to date.
    if statistics["same_recipe"] and statistics["days_newer"] >= policy.refresh_after_days:
        return "refresh", f"same recipe as version {champion['version']}, {statistics['days_newer']} days newer"
    if statistics["same_recipe"] and statistics.get("declares_other_days") and statistics["days_newer"] >= 0:
        return "refresh", f"same recipe as version {champion['version']}, with other days of events or not normal"
    return "hold", f"not shown to be better than version {champion['version']}"


def _find_unserveable(fitness: Numbers | None, policy: PromotionPolicy) -> str | None:
    if fitness is None:
        return None
    if fitness["impossible"]:
        return f"{fitness['impossible']} of its forecasts are not finite or not physically possible"
    if fitness["load_seconds"] > policy.max_load_seconds:
        return f"it took {fitness['load_seconds']:.0f} s to load; {policy.max_load_seconds:.0f} s are accepted"
    if fitness["megabytes"] > policy.max_megabytes:
        return f"it weighs {fitness['megabytes']:.0f} MB; {policy.max_megabytes:.0f} MB are accepted"
    return None


def _find_unfitness(challenger: Numbers, statistics: Numbers, policy: PromotionPolicy) -> str | None:
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
    if gain < 0 and statistics["chance_worse"] < policy.reject_alpha:
        return f"its backtest loss is {-gain:.1%} higher (chance {statistics['chance_worse']:.3f})"
    if shadow and shadow["upper"] is not None and shadow["upper"] < 0:
        return f"its loss on {shadow['days']} shadow days is {-shadow['relative_gain']:.1%} higher"
    return None


def _shown_better(statistics: Numbers, policy: PromotionPolicy) -> str | None:
    gain, shadow = statistics["relative_gain"], statistics["shadow"]
    asked = statistics["asked"]["recipe"] if "asked" in statistics else policy.recipe_alpha
    # Two tests of different assumptions: the normal one has power, the bootstrap needs no normal errors.
    certain = statistics["chance_better"] < asked and statistics["bootstrap_gain"] > 0
    if gain >= policy.min_gain and certain:
        return f"its backtest loss is {gain:.1%} lower (chance {statistics['chance_better']:.3f})"
    if shadow and shadow["lower"] is not None and shadow["lower"] > 0 and shadow["relative_gain"] >= policy.min_gain:
        return f"its loss on {shadow['days']} shadow days is {shadow['relative_gain']:.1%} lower"
    return None


def _describe_power(statistics: Numbers, policy: PromotionPolicy, horizon: int) -> str:
    """The gain that would have been found, and the days to a verdict, so that a `hold` is not read as equality."""
    gain, least = statistics["relative_gain"], max(policy.min_gain, statistics["least_detectable_gain"])
    found = f"backtest gain {gain:.1%}, one of {least:.1%} would be found four times in five"
    shadow = statistics["shadow"]
    if shadow is None:
        return f"{found}; no shadow days yet, {4 * horizon} would be the first to decide"
    more = shadow["days_to_decide"]
    when = ", which no number of days decides" if more is None else f", about {more} more days would decide"
    return f"{found}; {shadow['days']} shadow days, gain {shadow['relative_gain']:.1%}{when}"


def _describe_left_out(left_out: Numbers) -> str:
    reasons = list(dict.fromkeys(period["reason"] for period in left_out["periods"]))
    named = ", ".join(reasons[:3]) + (f" and {len(reasons) - 3} more" if len(reasons) > 3 else "")
    return f"{left_out['days']} days of {left_out['series']} series left out as not normal ({named})"


def _describe_tries(tries: Numbers, asked: Numbers, policy: PromotionPolicy) -> str:
    """What the comparisons before this one cost."""
    said = (
        f"number {tries['number']} of the recipes compared within a year: "
        f"a chance below {asked['recipe']:.2g} is asked instead of {policy.recipe_alpha:g}"
    )
    if asked["shadow"]:
        return f"{said}, of its shadow {asked['shadow']:.2g} instead of {policy.shadow_alpha:g}"
    return f"{said}; no shadow promotes it this year, as its first backtest was not promising"

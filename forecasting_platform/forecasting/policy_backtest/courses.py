"""Who is champion when: the trainings of a policy by the clock and by incidents, and whether each challenger serves."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime

import numpy as np
import numpy.typing as npt

from forecasting_platform.forecasting.policy_backtest.cycles import Cycle, Fit, ServingPeriod
from forecasting_platform.forecasting.policy_backtest.pages import bad_days
from forecasting_platform.forecasting.policy_backtest.policies import Policy, Rule
from forecasting_platform.forecasting.promotion.decision_inputs import Evidence, ScoredVersion
from forecasting_platform.forecasting.promotion.evidence import Comparison
from forecasting_platform.forecasting.promotion.policy import PromotionPolicy
from forecasting_platform.forecasting.promotion.rule import decide
from forecasting_platform.forecasting.promotion.tries import ComparedRecipes, count_tries, recipes_compared_by
from forecasting_platform.forecasting.series.arrays import Days, Floats

ForecastsOf = Callable[[ServingPeriod], Floats]
"""A champion's point forecasts at its cutoffs; shape (S, stop - start, horizon)."""


@dataclass(frozen=True, slots=True)
class Course:
    """What a policy did.

    Attributes:
        errors: `y_hat - y`; shape (S, C, horizon).
    """

    periods: tuple[ServingPeriod, ...]
    trainings: int
    errors: Floats


def follow(
    policy: Policy,
    cycles: Mapping[int, Cycle],
    cutoffs: Days,
    actuals: Floats,
    forecasts_of: ForecastsOf,
    train_on: Callable[[date], Cycle] | None = None,
) -> Course:
    """Live through a policy; challengers take turns among the recipes, and an incident asks for the first recipe.

    Args:
        cycles: the trainings by the clock, by the position of their cutoff; the first one at 0.
        actuals: shape (S, C, horizon).
        train_on: trains at the end of a day for an incident; needed by policies that do.
    """
    champion, compared = cycles[0].fits[0], list[ComparedRecipes]()
    moves, trainings, asked, turn, at = [(0, champion)], len(cycles), -len(cutoffs), 0, 0
    errors: Floats = np.full_like(actuals, np.nan)
    while at < len(cutoffs):
        stop = min((position for position in cycles if position > at), default=len(cutoffs))
        period = ServingPeriod(champion, at, stop)
        errors[:, at:stop] = forecasts_of(period) - actuals[:, at:stop]
        due = _lasting_day(policy, errors, cutoffs, period, asked) if policy.incident_days else None
        if due is not None and train_on is not None:
            # What was forecast after that day is forecast again: by the new champion, or by the same.
            found, stop, asked, trainings = train_on(cutoffs[due].astype(object)), due, due, trainings + 1
            challenger = found.fits[0]
        elif stop < len(cutoffs):
            turn += 1
            found = cycles[stop]
            challenger = found.fits[turn % len(found.fits)]
        else:
            break
        if _replaces(challenger, champion, found.comparison, found.fits[0], policy.rule, compared):
            champion = challenger
            moves.append((stop, champion))
        at = stop
    edges = [position for position, _ in moves] + [len(cutoffs)]
    periods = (ServingPeriod(fit, start, stop) for (start, fit), stop in zip(moves, edges[1:], strict=True))
    return Course(tuple(periods), trainings, errors)


def _lasting_day(policy: Policy, errors: Floats, cutoffs: Days, period: ServingPeriod, asked: int) -> int | None:
    """The first day of a period on which an incident has lasted for two days, and a training may be asked for."""
    since = max(0, period.start - 1)
    looked = ServingPeriod(period.fit, since, period.stop)
    bad: npt.NDArray[np.bool_] = np.any(
        [
            bad_days(name, errors[series], cutoffs, looked, series, policy.pages_a_year)
            for name in ("bias", "rmse")
            for series in range(len(errors))
        ],
        axis=0,
    )
    lasting = np.flatnonzero(bad[1:] & bad[:-1]) + since + 1
    lasting = lasting[(lasting > period.start) & (lasting >= asked + policy.incident_days)]
    return int(lasting[0]) if len(lasting) else None


def _replaces(
    challenger: Fit,
    champion: Fit,
    comparison: Comparison,
    first: Fit,
    rule: Rule,
    compared: list[ComparedRecipes],
) -> bool:
    """Whether a rule makes the challenger champion; `compared` is the ledger so far, and is continued."""
    if rule in {"always", "never"} or comparison.champion is None:
        return rule == "always"
    evidence = {True: comparison.challenger, False: comparison.champion}
    mine, other = evidence[challenger.recipe == first.recipe], evidence[champion.recipe == first.recipe]
    if rule == "any gain":
        return mine.mean_loss <= other.mean_loss
    policy, at = PromotionPolicy.packaged(), datetime.combine(challenger.model.cutoff, datetime.min.time(), UTC)
    recipes = challenger.recipe.fingerprint, champion.recipe.fingerprint
    decision = decide(
        _scored_version(challenger, mine),
        _scored_version(champion, other),
        comparison.naive,
        policy,
        horizon=challenger.model.horizon,
        decided_at=at,
        decided_by="replay",
        tries=count_tries(compared, recipes, at, policy.promising_p),
    )
    compared.extend(filter(None, [recipes_compared_by(decision)]))
    return decision.moves_champion


def _scored_version(fit: Fit, evidence: Evidence) -> ScoredVersion:
    version = f"{fit.model.cutoff} {fit.recipe.fingerprint}"
    return ScoredVersion(version, fit.model.cutoff, fit.recipe.fingerprint, evidence)

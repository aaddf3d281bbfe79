"""Judges whether one recipe beats another on past days, by the same rule that promotes a challenger.

Nothing is stored or registered. `forecasting_platform.judge` in a notebook is the function of this module.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import pandas as pd

from forecasting_platform.forecasting.promotion.decision_inputs import Evidence, ScoredVersion
from forecasting_platform.forecasting.promotion.decisions import PromotionDecision
from forecasting_platform.forecasting.promotion.evidence import compare_backtests
from forecasting_platform.forecasting.promotion.policy import PromotionPolicy
from forecasting_platform.forecasting.promotion.rule import decide
from forecasting_platform.forecasting.promotion.tries import ComparedRecipes, count_tries
from forecasting_platform.forecasting.reports.plots import decision_plot
from forecasting_platform.services.backtests.recipe_backtest import RecipeBacktest


@dataclass(frozen=True, repr=False)
class Judgement:
    """Whether a recipe beats another one, by the rule that promotes challengers.

    Attributes:
        challenger, champion: the two backtests, on the same cutoffs.
        decision: verdict, reason and the numbers behind them.
        losses: of both at each cutoff, in units of the seasonal naive forecast's RMSE; columns `cutoff`,
            `challenger`, `champion`.
        by_series: columns `unique_id`, `rmse_challenger`, `rmse_champion` on the same cells, and `gain`, the share of
            the champion's RMSE that the challenger saves.
    """

    challenger: RecipeBacktest
    champion: RecipeBacktest
    decision: PromotionDecision
    losses: pd.DataFrame
    by_series: pd.DataFrame

    def __repr__(self) -> str:
        return f"<Judgement of {self.challenger.name!r} against {self.champion.name!r}: {self.verdict}. {self.reason}>"

    @property
    def verdict(self) -> str:
        """`promote`, `hold`, `reject`, or `refresh` of an equal recipe."""
        return self.decision.verdict

    @property
    def reason(self) -> str:
        """Why, with the gain that would have been found."""
        return self.decision.reason

    @property
    def statistics(self) -> dict[str, Any]:
        """Losses, gain, chance and the least gain that would have been found; see docs/promotion.md."""
        found: dict[str, Any] = self.decision.evidence["statistics"]
        return found

    def plot(self) -> bytes:
        """Losses of both over the cutoffs, as PNG; a notebook shows it in place of the object."""
        return decision_plot(self.decision)

    _repr_png_ = plot


def judge(
    challenger: RecipeBacktest, champion: RecipeBacktest, *, compared: Iterable[ComparedRecipes] = ()
) -> Judgement:
    """Whether a recipe is better than another one, as the platform judges challengers.

    The champion's recipe is backtested again where its horizon, cutoffs or refits are not the challenger's.

    Args:
        compared: the comparisons of the last year in a platform's ledger, which make the chance smaller that is asked
            of one more; without them it is asked of the challenger as the first recipe of a year.

    Raises:
        InvalidDataError: the two are of different data.
        MissingMetricError: nothing could be scored.
    """
    policy, at = PromotionPolicy.packaged(), datetime.now(UTC)
    recipes = challenger.recipe.fingerprint, champion.recipe.fingerprint
    tries = count_tries(compared, recipes, at, policy.promising_p)
    champion = champion.on_the_cutoffs_of(challenger)
    not_normal = challenger.recipe.not_normal | champion.recipe.not_normal
    loss = challenger.recipe.loss
    results = compare_backtests(challenger.panel, challenger.results, champion.results, not_normal, loss)
    other = results.champion or results.challenger
    decision = decide(
        _scored(challenger, results.challenger),
        _scored(champion, other),
        results.naive,
        policy,
        horizon=challenger.recipe.horizon,
        decided_at=at,
        decided_by="backtest",
        tries=tries,
        left_out=results.left_out,
        loss=loss,
    )
    cutoffs = pd.to_datetime(pd.Series(results.challenger.cutoffs))
    losses = pd.DataFrame({"cutoff": cutoffs, "challenger": results.challenger.loss, "champion": other.loss})
    return Judgement(challenger, champion, decision, losses, _by_series(results.challenger, other))


def _scored(found: RecipeBacktest, evidence: Evidence) -> ScoredVersion:
    recipe = found.recipe
    return ScoredVersion(found.name, found.panel.days[-1].item(), recipe.fingerprint, evidence, recipe.declared_days)


def _by_series(challenger: Evidence, champion: Evidence) -> pd.DataFrame:
    rows = [(name, rmse, champion.rmse[name]) for name, rmse in challenger.rmse.items()]
    frame = pd.DataFrame(rows, columns=["unique_id", "rmse_challenger", "rmse_champion"])
    gain = 1 - frame["rmse_challenger"] / frame["rmse_champion"].where(frame["rmse_champion"] > 0)
    return frame.assign(gain=gain)

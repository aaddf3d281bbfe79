"""Shares the accepted chance of error among the recipes that are compared within a year. Pure.

Whoever compares fifty recipes with the champion has fifty chances that one looks better by luck. So the chance of a
wrong promotion is one for all recipes of any year, and each new recipe gets a share of it, smaller than the one before
(`share`). This holds however the recipes' errors depend on each other and in which order they are asked again
(alpha-spending, as in Tian & Ramdas 2021, arXiv:1910.04900, and the survey of Robertson, Wason & Ramdas 2023,
doi:10.1214/23-STS901). Rules that spend less (LOND, SAFFRON, ADDIS) need p-values that do not depend on each other; all
recipes are compared with the same champion on the same days, again and again. What leads to a verdict is in `rule`.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any, Self

from forecasting_platform.forecasting.promotion.decisions import PromotionDecision
from forecasting_platform.forecasting.promotion.policy import PromotionPolicy

YEAR = timedelta(days=365)


@dataclass(frozen=True, slots=True)
class Tries:
    """The place of a recipe's comparison with the champion's recipe among all comparisons of a year.

    The same two recipes keep their place for a year, however often they are compared on newer data: that is borne by
    the tests themselves.

    Attributes:
        number: 1 for the first comparison of a year.
        since: when the two were first compared.
        promising_before: of those before it, how many looked promising when first compared.
        first_p: p-value of the backtest when the two were first compared; None while that is being decided.
    """

    number: int
    since: datetime
    promising_before: int
    first_p: float | None = None

    def with_first(self, p_better: float) -> Self:
        """With this p-value as the first, where the two were not compared before."""
        return self if self.first_p is not None else replace(self, first_p=p_better)

    def record(self) -> dict[str, Any]:
        """What a decision records; JSON-ready."""
        return {
            "number": self.number,
            "since": self.since.isoformat(),
            "promising_before": self.promising_before,
            "first_p": self.first_p,
        }

    @classmethod
    def recorded(cls, tries: Mapping[str, Any]) -> Self:
        """The place that a decision recorded."""
        return cls(**{**tries, "since": datetime.fromisoformat(tries["since"])})


@dataclass(frozen=True, slots=True)
class ComparedRecipes:
    """What the ledger keeps of one decision about two recipes, as far as it matters to the next one.

    Attributes:
        challenger, champion: the recipes' fingerprints; of a version without one, its name.
        p_better: p-value of the challenger's backtest.
        tries: as recorded; None in a decision by a policy that counted none.
    """

    decided_at: datetime
    challenger: str
    champion: str
    p_better: float
    tries: Tries | None


def name_recipe(fingerprint: str, version: str) -> str:
    """The fingerprint, or where a version has none, a name that no other recipe has.

    >>> name_recipe("", "7")
    'version 7'
    """
    return fingerprint or f"version {version}"


def recipes_compared_by(decision: PromotionDecision) -> ComparedRecipes | None:
    """Which recipes a decision compared; None where it compared none, such as a rollback."""
    inputs, p_better = decision.evidence.get("inputs"), decision.evidence.get("statistics", {}).get("p_better")
    if inputs is None or p_better is None:
        return None
    challenger, champion = (
        name_recipe(inputs[side]["recipe_fingerprint"], inputs[side]["version"]) for side in ("challenger", "champion")
    )
    return ComparedRecipes(decision.decided_at, challenger, champion, p_better, read_tries(inputs.get("tries")))


def read_tries(tries: Mapping[str, Any] | None) -> Tries | None:
    """`Tries.recorded`, None where none were counted."""
    return None if tries is None else Tries.recorded(tries)


def recipe_chance(tries: Tries, policy: PromotionPolicy) -> float:
    """The chance of error that a recipe's backtests of a year may have."""
    return policy.recipe_alpha * share(tries.number, policy.half_spent_after)


def shadow_chance(tries: Tries, policy: PromotionPolicy) -> float:
    """The chance of error that a recipe's shadow forecasts may have; 0 where they cannot promote it.

    The days of a shadow come after the first backtest. So only recipes that looked promising then are tries of the
    shadow, which are few of many that are no better, and each has more of the chance than if all were.
    """
    if tries.first_p is not None and tries.first_p >= policy.promising_p:
        return 0.0
    return policy.shadow_alpha * share(tries.promising_before + 1, policy.half_spent_after)


def share(number: int, half_after: float) -> float:
    """The share of a year's chance that its `number`-th try has; over all tries, however many, they sum to 1.

    The first n of them have n / (n + `half_after`) together.

    >>> share(1, half_after=3), share(2, half_after=3)
    (0.25, 0.15)
    """
    # A telescoping series: each share is n/(n + h) less (n - 1)/(n - 1 + h), so any number of them sums to less than 1.
    return half_after / ((number + half_after - 1) * (number + half_after))


def count_tries(
    compared: Iterable[ComparedRecipes], recipes: tuple[str, str], at: datetime, promising_p: float
) -> Tries | None:
    """The place of a comparison that is made now; None for a recipe with itself, which is no try.

    Args:
        compared: the decisions of at least the last `YEAR`, oldest first.
        recipes: the challenger's and the champion's, by `name_recipe`.
        promising_p: below which a first p-value is promising.
    """
    if recipes[0] == recipes[1]:
        return None
    places: dict[tuple[str, str], Tries] = {}
    for each in compared:
        pair = each.challenger, each.champion
        if pair[0] == pair[1]:
            continue
        # Decisions of a policy that counted none take their places as if it had.
        place = each.tries or _find_place(places, pair, each.decided_at, promising_p)
        places[pair] = place.with_first(each.p_better)
    return _find_place(places, recipes, at, promising_p)


def _find_place(places: dict[tuple[str, str], Tries], pair: tuple[str, str], at: datetime, promising_p: float) -> Tries:
    of_the_year = {pair: place for pair, place in places.items() if place.since > at - YEAR}
    if pair in of_the_year:
        return of_the_year[pair]
    promising = sum(place.first_p is not None and place.first_p < promising_p for place in of_the_year.values())
    return Tries(len(of_the_year) + 1, at, promising)

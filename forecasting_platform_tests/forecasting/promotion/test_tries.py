"""Whoever tries many recipes has one chance of a wrong promotion a year, shared by all of them."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from forecasting_platform.forecasting.promotion.policy import PromotionPolicy
from forecasting_platform.forecasting.promotion.tries import (
    YEAR,
    ComparedRecipes,
    Tries,
    count_tries,
    read_tries,
    recipe_chance,
    recipes_compared_by,
    shadow_chance,
    share,
)
from forecasting_platform_tests.forecasting.promotion.decided import NOISE, judged

START = datetime(2023, 1, 1, tzinfo=UTC)
POLICY = PromotionPolicy.packaged()
PROMISING = POLICY.promising_p


def after(days: float) -> datetime:
    return START + timedelta(days=days)


class Comparisons:
    """A ledger of comparisons, each counted as the platform counts it."""

    def __init__(self) -> None:
        self.made: list[ComparedRecipes] = []

    def compare(
        self, challenger: str, at: datetime, *, champion: str = "champion", p_better: float = 0.5, counted: bool = True
    ) -> Tries | None:
        within = [each for each in self.made if each.decided_at >= at - YEAR]
        tries = count_tries(within, (challenger, champion), at, PROMISING)
        self.made.append(ComparedRecipes(at, challenger, champion, p_better, tries if counted else None))
        return tries


def number(tries: Tries | None) -> int:
    assert tries is not None
    return tries.number


def test_each_new_recipe_of_a_year_is_one_try_more() -> None:
    ledger = Comparisons()
    assert [number(ledger.compare(f"recipe {day}", after(day))) for day in range(4)] == [1, 2, 3, 4]


def test_the_same_recipe_asked_again_on_newer_data_keeps_its_place_and_costs_nothing() -> None:
    ledger = Comparisons()
    first = ledger.compare("a", after(0), p_better=0.03)
    assert first == Tries(1, after(0), 0)
    ledger.compare("b", after(1))
    again = ledger.compare("a", after(300), p_better=0.7)
    # The p-value it began with stays, too.
    assert again == Tries(1, after(0), 0, 0.03)
    assert number(ledger.compare("c", after(301))) == 3


def test_a_year_after_its_first_comparison_a_recipe_is_a_new_try() -> None:
    ledger = Comparisons()
    ledger.compare("a", after(0))
    ledger.compare("b", after(100))
    ledger.compare("a", after(364.9))
    assert ledger.compare("a", after(365)) == Tries(2, after(365), 0)
    assert ledger.compare("a", after(366)) == Tries(2, after(365), 0, 0.5)


def test_a_place_is_known_by_its_record_when_its_first_comparison_is_long_ago() -> None:
    ledger = Comparisons()
    ledger.compare("a", after(0))
    ledger.compare("a", after(300))
    # The first comparison is not read any more, but the one on day 300 says that the year began on day 0.
    assert ledger.compare("a", after(400)) == Tries(1, after(400), 0)


def test_a_refresh_is_no_try() -> None:
    ledger = Comparisons()
    assert ledger.compare("champion", after(0)) is None
    assert number(ledger.compare("a", after(1))) == 1
    assert number(ledger.compare("b", after(2))) == 2


def test_another_champion_resets_nothing_and_a_recipe_compared_with_it_is_a_new_try() -> None:
    ledger = Comparisons()
    ledger.compare("a", after(0))
    ledger.compare("b", after(1))
    assert number(ledger.compare("a", after(2), champion="b")) == 3
    assert number(ledger.compare("b", after(3))) == 2


def test_comparisons_by_a_policy_that_counted_none_count() -> None:
    ledger = Comparisons()
    ledger.compare("a", after(0), p_better=0.01, counted=False)
    ledger.compare("a", after(30), p_better=0.9, counted=False)
    ledger.compare("b", after(31), counted=False)
    assert ledger.compare("c", after(32)) == Tries(3, after(32), 1)
    assert ledger.compare("a", after(33)) == Tries(1, after(0), 0, 0.01)


def test_only_recipes_that_looked_promising_at_first_share_the_chance_of_the_shadow() -> None:
    ledger = Comparisons()
    for day, p_better in enumerate([0.5, 0.02, PROMISING, PROMISING - 1e-9, 0.9]):
        ledger.compare(f"recipe {day}", after(day), p_better=p_better)
    assert ledger.compare("next", after(9)) == Tries(6, after(9), 2)
    assert ledger.compare("recipe 0", after(10), p_better=0.001) == Tries(1, after(0), 0, 0.5)
    assert ledger.compare("another", after(11)) == Tries(7, after(11), 2)


def test_the_first_recipes_of_a_year_share_half_of_its_chance() -> None:
    assert sum(share(number, 3) for number in (1, 2, 3)) == pytest.approx(0.5)


@given(st.integers(1, 500), st.floats(0.5, 60))
def test_shares_fall_and_never_sum_to_more_than_one(tries: int, half_after: float) -> None:
    shares = [share(number, half_after) for number in range(1, tries + 1)]
    assert shares == sorted(shares, reverse=True)
    assert sum(shares) == pytest.approx(tries / (tries + half_after))


@given(st.lists(st.tuples(st.floats(0, 90), st.sampled_from("abcdefgh"), st.sampled_from("xy"), st.floats(0, 1))))
def test_recipes_first_compared_within_any_year_never_have_more_than_its_chance(
    made: list[tuple[float, str, str, float]],
) -> None:
    ledger, day, begun = Comparisons(), 0.0, dict[tuple[str, str, datetime], tuple[float, float]]()
    for days, challenger, champion, p_better in made:
        day += days
        tries = ledger.compare(challenger, after(day), champion=champion, p_better=p_better)
        assert tries is not None
        assert after(day) - YEAR < tries.since <= after(day)
        of_first = tries.with_first(p_better)
        chances = recipe_chance(tries, POLICY), shadow_chance(of_first, POLICY)
        # Asked again, a recipe has the chance that it had.
        assert begun.setdefault((challenger, champion, tries.since), chances) == chances
    for _, _, since in begun:
        of_the_year = [chances for (_, _, other), chances in begun.items() if since <= other < since + YEAR]
        assert sum(recipe for recipe, _ in of_the_year) <= POLICY.recipe_alpha
        assert sum(shadow for _, shadow in of_the_year) <= POLICY.shadow_alpha


def test_chances_are_shares_of_the_policys() -> None:
    tries = Tries(12, START, promising_before=2, first_p=0.01)
    assert recipe_chance(tries, POLICY) == POLICY.recipe_alpha * share(12, POLICY.half_spent_after)
    assert shadow_chance(tries, POLICY) == POLICY.shadow_alpha * share(3, POLICY.half_spent_after)
    assert shadow_chance(Tries(1, START, 0, PROMISING), POLICY) == 0
    # Before the first comparison nothing speaks against it.
    assert shadow_chance(Tries(1, START, 0), POLICY) > 0


def test_tries_are_read_back_as_recorded() -> None:
    for tries in (Tries(3, START, 1), Tries(3, START, 1, 0.25)):
        assert read_tries(tries.record()) == tries
    assert read_tries(None) is None


def test_a_decision_tells_which_recipes_it_compared_and_a_rollback_none() -> None:
    tries = Tries(2, START, 1)
    decision = judged(NOISE * 0.9, NOISE, tries=tries)
    found = recipes_compared_by(decision)
    assert found == ComparedRecipes(decision.decided_at, "x", "y", decision.evidence["statistics"]["p_better"], tries)
    without = judged(NOISE * 0.9, NOISE).evidence
    for side in ("challenger", "champion"):
        without["inputs"][side]["recipe_fingerprint"] = ""
    nameless = recipes_compared_by(replace(decision, evidence=without))
    assert nameless is not None
    assert (nameless.challenger, nameless.champion, nameless.tries) == ("version 2", "version 1", None)
    assert recipes_compared_by(judged(NOISE, None)) is None
    for evidence in ({}, {"manual": True}, {"inputs": decision.evidence["inputs"]}):
        assert recipes_compared_by(replace(decision, evidence=evidence)) is None

"""What the tries of a year cost a decision."""

import numpy as np
import pytest

from forecasting_platform.forecasting.promotion.policy import PromotionPolicy
from forecasting_platform.forecasting.promotion.rule import judge_again
from forecasting_platform.forecasting.promotion.tries import Tries, share
from forecasting_platform_tests.forecasting.promotion.decided import (
    AT,
    NOISE,
    judged,
    shadow,
)


def luck(spread: float) -> np.ndarray:
    """Losses 10 % lower, of which chance explains more the larger the spread."""
    noise = np.random.default_rng(1).normal(0, spread, 300)
    return 0.9 * NOISE + noise - noise.mean()


def test_what_is_enough_of_the_first_recipe_of_a_year_is_not_of_the_fiftieth() -> None:
    verdicts = [judged(luck(0.14), NOISE, tries=Tries(number, AT, 0)).verdict for number in (1, 50)]
    assert verdicts == ["promote", "hold"]


def test_the_chance_asked_is_the_share_of_the_number_exactly() -> None:
    policy, decision = PromotionPolicy.packaged(), judged(luck(0.14), NOISE, tries=Tries(12, AT, 0))
    chance = decision.evidence["statistics"]["chance_better"]

    def with_alpha(alpha: float) -> str:
        recorded = decision.evidence["policy"] | {"recipe_alpha": alpha}
        return judge_again(decision.evidence | {"policy": recorded})[0]

    needed = chance / share(12, policy.half_spent_after)
    assert [with_alpha(needed * factor) for factor in (0.999, 1.001)] == ["hold", "promote"]


def test_each_verdict_tells_what_the_tries_have_cost() -> None:
    for factor in (0.8, 1.0, 1.3):
        decision = judged(factor * NOISE, NOISE, tries=Tries(12, AT, 3, first_p=0.01))
        assert decision.reason.endswith(
            "; number 12 of the recipes compared within a year: a chance below 0.00019 is asked instead of 0.0175, "
            "of its shadow 0.00067 instead of 0.01"
        )
        assert decision.evidence["inputs"]["tries"] == {
            "number": 12, "since": "2023-07-01T00:00:00+00:00", "promising_before": 3, "first_p": 0.01
        }  # fmt: skip
        asked = decision.evidence["statistics"]["asked"]
        assert asked == pytest.approx({"recipe": 0.0175 * 2 / (13 * 14), "shadow": 0.01 * 2 / (5 * 6)})


def test_the_gain_that_would_be_found_is_larger_after_many_tries() -> None:
    found = [
        judged(luck(0.14), NOISE, tries=tries).evidence["statistics"]["least_detectable_gain"]
        for tries in (None, Tries(1, AT, 0), Tries(50, AT, 0))
    ]
    assert found == sorted(found)
    assert found[0] < found[1] < found[2]


def test_a_shadow_promotes_only_what_looked_promising_at_first() -> None:
    better = shadow(200, 0.3)
    promising, not_promising = (
        judged(NOISE, NOISE, shadow=better, tries=Tries(2, AT, 0, first_p=first_p)) for first_p in (0.04, 0.05)
    )
    assert promising.verdict == "promote"
    assert not_promising.verdict == "hold"
    found = not_promising.evidence["statistics"]["shadow"]
    assert (found["lower"], found["least_detectable_gain"], found["days_to_decide"]) == (None, None, None)
    assert found["upper"] == promising.evidence["statistics"]["shadow"]["upper"]
    assert not_promising.reason.endswith("; no shadow promotes it this year, as its first backtest was not promising")
    # Its first comparison is this one.
    first = judged(NOISE, NOISE, shadow=better, tries=Tries(2, AT, 0))
    assert first.evidence["statistics"]["asked"]["shadow"] == 0
    assert judged(0.8 * NOISE, NOISE, tries=Tries(2, AT, 0)).evidence["statistics"]["asked"]["shadow"] > 0


def test_a_shadow_asks_for_more_after_other_promising_recipes_and_rejects_what_is_worse_as_before() -> None:
    lower, upper = zip(
        *(
            (found["lower"], found["upper"])
            for found in (
                judged(NOISE, NOISE, shadow=shadow(200, 0.1), tries=Tries(9, AT, before, first_p=0.01)).evidence[
                    "statistics"
                ]["shadow"]
                for before in (0, 1, 8)
            )
        ),
        strict=True,
    )
    assert lower[0] > lower[1] > lower[2]
    assert len(set(upper)) == 1
    for first_p in (0.01, 0.9):
        worse = judged(NOISE, NOISE, shadow=shadow(200, -0.3), tries=Tries(9, AT, 4, first_p=first_p))
        assert worse.verdict == "reject"
    few = judged(NOISE, NOISE, shadow=shadow(59, -0.9), tries=Tries(9, AT, 4)).evidence["statistics"]["shadow"]
    assert (few["lower"], few["upper"]) == (None, None)


def test_a_worse_recipe_is_rejected_at_the_same_chance_whatever_was_tried_before() -> None:
    reasons = {judged(1.1 * NOISE, NOISE, tries=Tries(number, AT, 0)).verdict for number in (1, 50)}
    assert reasons == {"reject"}


def test_without_tries_nothing_is_said_about_them() -> None:
    decision = judged(NOISE, NOISE)
    assert decision.evidence["inputs"]["tries"] is None
    assert "asked" not in decision.evidence["statistics"]
    assert "within a year" not in decision.reason
    first = judged(NOISE, None, tries=Tries(1, AT, 0))
    assert "within a year" not in first.reason

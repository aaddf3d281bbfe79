"""Every recipe that is compared with the champion counts, whichever way it is promoted."""

from dataclasses import replace
from datetime import timedelta

import numpy as np
import pandas as pd
import pytest

from forecasting_platform.errors import PromotionOvertakenError
from forecasting_platform.forecasting.models.trained.model import ForecastModel
from forecasting_platform.forecasting.promotion.decision_inputs import Shadow
from forecasting_platform.forecasting.promotion.decisions import PromotionDecision
from forecasting_platform.forecasting.promotion.rule import verify_decision
from forecasting_platform.forecasting.promotion.tries import Tries
from forecasting_platform.forecasting.series.days.date_range import DateRange
from forecasting_platform.forecasting.series.frames import FORECAST_ERRORS
from forecasting_platform.services.promotion import evidence
from forecasting_platform.services.promotion.promoter import PROMOTION_SENSOR
from forecasting_platform_tests.forecasting.promotion.decided import NOISE, judged
from forecasting_platform_tests.support.example_errors import errors
from forecasting_platform_tests.support.promotions import NOW, Promotions


@pytest.fixture
def platform(features: pd.DataFrame, models: dict[str, ForecastModel]) -> Promotions:
    """Version 1, naive, serves; version 2 is better."""
    made = Promotions(features, models)
    made.register("naive")
    made.promoter().evaluate(PROMOTION_SENSOR)
    made.register("weekly")
    return made


def compare_others(platform: Promotions, count: int, days_ago: float = 10, loss: float = 1.0) -> None:
    """Entries of the ledger about so many other recipes, of a loss in units of the champion's."""
    for number in range(count):
        decision = judged(loss * NOISE, NOISE)
        decision.evidence["inputs"]["challenger"]["recipe_fingerprint"] = f"another {number}"
        platform.ledger.append_decision(replace(decision, verdict="hold", decided_at=NOW - timedelta(days=days_ago)))


def tries_of(decision: PromotionDecision) -> dict[str, object] | None:
    found: dict[str, object] | None = decision.evidence["inputs"]["tries"]
    return found


def test_a_challenger_is_counted_after_the_other_recipes_of_the_year(platform: Promotions) -> None:
    compare_others(platform, 11)
    compare_others(platform, 3, days_ago=366)
    decision = platform.promoter().evaluate(PROMOTION_SENSOR)
    assert tries_of(decision) == Tries(12, NOW, 0).record()
    assert "number 12 of the recipes compared within a year" in decision.reason
    assert verify_decision(platform.ledger.decisions()[0]) == "same"


def test_the_first_champion_and_a_refresh_are_no_tries(platform: Promotions) -> None:
    assert tries_of(platform.ledger.decisions()[0]) is None
    assert tries_of(platform.promoter().evaluate(PROMOTION_SENSOR)) == Tries(1, NOW, 0).record()
    platform.register("newer")
    refreshed = platform.promoter().evaluate(PROMOTION_SENSOR)
    assert (refreshed.verdict, tries_of(refreshed)) == ("refresh", None)


def test_a_challenger_asked_again_is_counted_once(platform: Promotions, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(PromotionDecision, "moves_champion", property(lambda _: False))
    first, second = (platform.promoter().evaluate("a person") for _ in range(2))
    p_better = first.evidence["statistics"]["p_better"]
    assert tries_of(second) == Tries(1, NOW, 0, p_better).record()


def test_a_comparison_written_meanwhile_is_never_left_out_of_the_count(platform: Promotions) -> None:
    class Overtaken:
        """The ledger of another process, which compares a recipe between the count and the decision."""

        def __getattr__(self, name: str) -> object:
            return getattr(platform.ledger, name)

        def compared_recipes(self, since: object) -> object:
            found = platform.ledger.compared_recipes(since)  # type: ignore[arg-type] # passed on
            compare_others(platform, 1)
            return found

    with pytest.raises(PromotionOvertakenError):
        platform.promoter(ledger=Overtaken()).evaluate(PROMOTION_SENSOR)
    assert platform.champion() == "1"


def test_new_days_ask_for_a_promotion_only_at_the_chance_that_is_left(
    platform: Promotions, monkeypatch: pytest.MonkeyPatch
) -> None:
    rows = errors("1", off=0.0)
    days = DateRange(rows["ds"].min().date(), rows["ds"].max().date())
    platform.store.replace(FORECAST_ERRORS, rows, days)
    noise = np.random.default_rng(3).gamma(4.0, 0.1, 90)
    luck = np.random.default_rng(4).normal(0, 0.12, 90)
    dates = tuple(NOW.date() - timedelta(days=90 - day) for day in range(90))
    shadow = Shadow(dates, 0.9 * noise + luck, noise)
    monkeypatch.setattr(evidence, "measure_stored_shadow", lambda *_, **__: shadow)
    monkeypatch.setattr(evidence, "find_rollback_trigger", lambda *_: None)
    said = []
    for _ in range(2):
        said.append(platform.promoter().shown_by_new_days())
        compare_others(platform, 40, loss=0.8)
    assert "version 2's recipe: another version had a" in str(said[0])
    assert said[1] is None

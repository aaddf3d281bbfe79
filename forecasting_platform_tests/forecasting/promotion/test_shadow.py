"""What was forecast in the shadow is compared on what both forecast, and a champion that goes wrong is noticed."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import numpy as np
import pandas as pd
import pytest

from forecasting_platform.forecasting.promotion.decisions import AUTOMATIC
from forecasting_platform.forecasting.promotion.policy import PromotionPolicy
from forecasting_platform.forecasting.promotion.rollback import (
    find_better_version,
    find_rollback_trigger,
    may_roll_back,
)
from forecasting_platform.forecasting.promotion.shadow import join_shadow, measure_block, measure_shadow
from forecasting_platform.forecasting.series.frames import FORECAST_ERRORS
from forecasting_platform_tests.forecasting.promotion.decided import judged
from forecasting_platform_tests.support.example_errors import UNIT, errors

POLICY = PromotionPolicy.packaged()


def test_losses_are_in_units_of_each_series_and_of_the_days_both_forecast() -> None:
    both = pd.concat([errors("1", 1.0, days=8), errors("2", 2.0, days=5)])
    shadow = measure_shadow(both, ["2"], ["1"], UNIT)
    assert shadow is not None
    assert len(shadow.days) == 6  # five cutoffs, two days ahead
    np.testing.assert_allclose(shadow.champion, (1 / 2 + 1 / 4) / 2)
    np.testing.assert_allclose(shadow.challenger, (2 / 2 + 2 / 4) / 2)


def test_a_recipe_is_followed_through_its_versions_and_what_was_issued_first_counts() -> None:
    both = pd.concat([errors("1", 1.0), errors("2", 3.0, second=5), errors("3", 2.0, second=9)])
    shadow = measure_shadow(both, ["2", "3"], ["1"], UNIT)
    assert shadow is not None
    np.testing.assert_allclose(shadow.challenger, 3 * shadow.champion)


def test_series_in_blocks_add_up_to_what_they_are_together() -> None:
    both = pd.concat([errors("1", 1.0, days=8), errors("2", 2.0, days=5)])
    # One of the two series was forecast on fewer days, so days are of one series or of two.
    both = both[(both["unique_id"] == "a") | (both["ds"] <= both["ds"].min() + timedelta(days=3))]
    blocks = [measure_block(of, ["2"], ["1"], UNIT) for _, of in both.groupby("unique_id")]
    assert len({len(block.days) for block in blocks}) == 2
    blocks.insert(1, measure_block(both.iloc[:0], ["2"], ["1"], UNIT))
    joined, whole = join_shadow(blocks), measure_shadow(both, ["2"], ["1"], UNIT)
    assert joined is not None
    assert whole is not None
    assert joined.days == whole.days
    np.testing.assert_allclose(joined.challenger, whole.challenger, rtol=1e-12)
    np.testing.assert_allclose(joined.champion, whole.champion, rtol=1e-12)


def test_without_a_unit_losses_are_in_those_of_the_champions_naive_forecasts() -> None:
    both = pd.concat([errors("1", 1.0), errors("2", 3.0)])
    shadow = measure_shadow(both, ["2"], ["1"])
    assert shadow is not None
    np.testing.assert_allclose(shadow.challenger, 3 / 2)  # the seasonal naive forecasts are off by 2


def test_nothing_in_common_or_the_same_recipe_is_no_evidence() -> None:
    assert measure_shadow(errors("1", 1.0), ["2"], ["1"], UNIT) is None
    assert measure_shadow(errors("1", 1.0), ["1"], ["1"], UNIT) is None
    assert measure_shadow(pd.concat([errors("1", 1.0), errors("2", 1.0)]), ["2"], ["1"], {}) is None


def test_a_champion_is_tripped_by_a_week_far_behind_naive_or_without_coverage() -> None:
    assert find_rollback_trigger(errors("1", 1.0), 0, POLICY) is None
    far = find_rollback_trigger(errors("1", 2.5), 0, POLICY)
    assert far is not None
    assert "2.5 times the naive forecast's" in far.reason
    narrow = find_rollback_trigger(errors("1", 1.0, width=0.5), 0, POLICY)
    assert narrow is not None
    assert "held 0%" in narrow.reason
    broken = find_rollback_trigger(errors("1", 1.0), 3, POLICY)
    assert broken is not None
    assert "3 of its forecasts" in broken.reason


@pytest.mark.parametrize("days", [0, 4])
def test_less_than_a_week_trips_nothing(days: int) -> None:
    assert find_rollback_trigger(errors("1", 9.0, days=days) if days else FORECAST_ERRORS.empty(), 0, POLICY) is None


def test_the_version_before_takes_over_only_when_it_is_clearly_better_for_long() -> None:
    rng = np.random.default_rng(0)
    many = pd.concat([errors("1", 2.0, days=100), errors("2", 1.0, days=100)])
    many["y_hat"] += rng.normal(0, 0.1, len(many))
    better = measure_shadow(many, ["2"], ["1"], UNIT)
    assert find_better_version(better, POLICY, 15) is not None
    assert find_better_version(measure_shadow(many, ["1"], ["2"], UNIT), POLICY, 15) is None
    assert find_better_version(measure_shadow(many[many["ds"] < "2023-08-20"], ["2"], ["1"], UNIT), POLICY, 15) is None
    assert find_better_version(None, POLICY, 15) is None


def test_after_two_automatic_rollbacks_in_thirty_days_a_person_decides() -> None:
    now = datetime(2023, 7, 31, tzinfo=UTC)
    moved = replace(judged(np.ones(300), None), verdict="rollback", evidence={AUTOMATIC: {}}, decided_at=now)
    by_a_person = replace(moved, evidence={"manual": True})
    old = replace(moved, decided_at=now - timedelta(days=31))
    assert may_roll_back([moved, by_a_person, by_a_person, old], now, POLICY)
    assert not may_roll_back([moved, moved], now, POLICY)

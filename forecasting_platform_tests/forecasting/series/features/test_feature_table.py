"""A feature row is what was known at the end of its day, and nothing else."""

from datetime import date, timedelta

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from forecasting_platform.forecasting.series.days.date_range import DateRange
from forecasting_platform.forecasting.series.features.feature_table import WINDOW_DAYS, build_features
from forecasting_platform.forecasting.series.frames import FEATURE_NAMES
from forecasting_platform_tests.support.example_series import END, features_of, observations, seasonal


def with_gaps(days: int, seed: int) -> np.ndarray:
    values = seasonal(days, seed)
    values[np.random.default_rng(seed + 1).random(days) < 0.1] = np.nan
    return values


def reference_row(known: pd.Series, day: pd.Timestamp) -> dict[str, float]:
    """The features of one day, by plain loops over `ds` -> `y`."""
    window = {back: known.get(day - timedelta(days=back)) for back in range(WINDOW_DAYS)}
    window = {back: float(y) for back, y in window.items() if y is not None and np.isfinite(y)}

    def mean(backs: list[int]) -> float:
        found = [window[back] for back in backs if back in window]
        return float(np.mean(found)) if found else float("nan")

    row = {"y": window[0]}
    row |= {f"mean_{days}": mean(list(range(days))) for days in (7, 14, 28, 91, 364)}
    row |= {f"lag_{lag}": window.get(lag, row["mean_7"]) for lag in range(1, 8)}
    effects = {ahead: mean([7 * week - ahead for week in range(1, 14)]) - row["mean_91"] for ahead in range(1, 8)}
    effects = {ahead: 0.0 if np.isnan(effect) else effect for ahead, effect in effects.items()}
    row |= {f"weekday_effect_{ahead}": effect for ahead, effect in effects.items()}
    for alpha, name in ((0.05, "05"), (0.1, "10"), (0.2, "20"), (0.4, "40"), (0.8, "80")):
        weights = {back: (1 - alpha) ** back for back in range(WINDOW_DAYS)}
        total = sum(weights[back] for back in window)
        smoothed = sum(weights[back] * y for back, y in window.items()) / total
        share = {
            ahead: sum(weights[back] for back in window if (back + ahead) % 7 == 0) / total for ahead in range(1, 8)
        }
        row[f"level_{name}"] = smoothed - sum(share[ahead] * effects[ahead] for ahead in range(1, 8))
    return row


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_rows_agree_with_a_plain_reference_on_series_with_gaps(seed: int) -> None:
    rows = observations({"a": with_gaps(500, seed)})
    built = features_of(rows).set_index("ds")
    known = rows.set_index("ds")["y"]
    for day in [built.index[0], built.index[3], built.index[100], built.index[-1]]:
        expected = reference_row(known, day)
        found = built.loc[day, list(expected)].astype(float)
        np.testing.assert_allclose(found.to_numpy(), list(expected.values()), rtol=1e-9, atol=1e-9)


def test_only_observed_days_have_a_row() -> None:
    rows = observations({"a": with_gaps(120, 4), "b": with_gaps(60, 5)})
    built = features_of(rows)
    pd.testing.assert_frame_equal(built[["unique_id", "ds"]], rows[["unique_id", "ds"]].reset_index(drop=True))
    np.testing.assert_array_equal(built["y"], rows["y"])


@settings(max_examples=15, deadline=None)
@given(st.integers(0, 199), st.integers(0, 10_000))
def test_no_later_value_changes_a_row(day: int, seed: int) -> None:
    values = with_gaps(200, 7)
    changed = values.copy()
    changed[day + 1 :] = np.random.default_rng(seed).normal(0, 1e3, len(values) - day - 1)
    at = END - timedelta(days=199 - day)
    before = build_features(observations({"a": values}), DateRange(at, at), "IE")
    after = build_features(observations({"a": changed}), DateRange(at, at), "IE")
    pd.testing.assert_frame_equal(before, after)


def test_a_row_does_not_depend_on_the_range_it_is_built_in() -> None:
    rows = observations({"a": with_gaps(900, 8), "b": with_gaps(900, 9)})
    whole = features_of(rows)
    for days in (1, 2, 3, 31):
        part = DateRange(date(2023, 3, 1), date(2023, 3, 1) + timedelta(days=days - 1))
        alone = build_features(rows, part, "IE")
        expected = whole[whole["ds"].between(pd.Timestamp(part.start), pd.Timestamp(part.end))].reset_index(drop=True)
        pd.testing.assert_frame_equal(alone, expected, check_exact=True)


def test_values_older_than_the_window_do_not_matter() -> None:
    rows = observations({"a": with_gaps(900, 10)})
    newer = rows[rows["ds"] > pd.Timestamp(END) - timedelta(days=WINDOW_DAYS)]
    last = DateRange(END, END)
    pd.testing.assert_frame_equal(build_features(rows, last, "IE"), build_features(newer, last, "IE"))


def test_no_observations_give_an_empty_table() -> None:
    empty = observations({"a": [1.0]}).iloc[:0]
    built = build_features(empty, DateRange(END, END), "IE")
    assert built.empty
    assert set(FEATURE_NAMES) <= set(built.columns)


def test_other_series_do_not_change_a_row() -> None:
    together = features_of(observations({"a": with_gaps(120, 11), "b": with_gaps(120, 12)}))
    alone = features_of(observations({"b": with_gaps(120, 12)}))
    both = together[together["unique_id"] == "b"].reset_index(drop=True)
    pd.testing.assert_frame_equal(both, alone, check_exact=True)


def test_holidays_and_the_end_of_the_year_are_flagged_and_observed_days_counted() -> None:
    end = date(2024, 1, 2)
    values = np.ones(30)
    values[5] = np.nan
    built = features_of(observations({"a": values}, end), end).set_index("ds")
    flagged = built.index[built["is_holiday"] == 1].strftime("%m-%d").tolist()
    assert flagged == ["12-25", "12-26", "01-01"]
    assert built["is_year_end"].sum() == 9
    assert built["observed_days"].tolist() == list(range(1, 30))


def test_the_order_of_observations_does_not_matter() -> None:
    rows = observations({"a": with_gaps(120, 13), "b": with_gaps(120, 14)})
    shuffled = rows.sample(frac=1, random_state=0)
    pd.testing.assert_frame_equal(features_of(shuffled), features_of(rows), check_exact=True)

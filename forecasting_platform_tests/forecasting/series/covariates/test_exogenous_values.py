"""Covariates of each series, and plans by the day that they are of: what was known then, and nothing later."""

import json
from datetime import date, timedelta
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from forecasting_platform.errors import ConfigurationError
from forecasting_platform.forecasting.models.recipes.recipe import default_recipe, recipe_from
from forecasting_platform.forecasting.models.training.training import train
from forecasting_platform.forecasting.monitoring.control.drift import exogenous_features
from forecasting_platform.forecasting.series.covariates.exogenous import (
    Exogenous,
    KnownAtCutoff,
    KnownByTargetDay,
    KnownInAdvance,
    exogenous_document,
    exogenous_from,
    is_exogenous,
)
from forecasting_platform.forecasting.series.covariates.exogenous_values import known_at, refuse_never_known
from forecasting_platform.forecasting.series.days.date_range import DateRange
from forecasting_platform.forecasting.series.features.feature_table import build_features

FIRST = np.datetime64("2023-01-02")
DAYS = np.arange(FIRST, FIRST + 6)


def rows(unique_id: str, values: dict[int, float], **columns: Any) -> pd.DataFrame:
    """Values by the position of their day."""
    ds = pd.to_datetime([str(FIRST + day) for day in values])
    return pd.DataFrame({"unique_id": unique_id, "ds": ds, "y": list(values.values()), **columns})


def version(unique_id: str, day: int, y: float, known: str) -> pd.DataFrame:
    return rows(unique_id, {day: y}, available_at=pd.Timestamp(known, tz="UTC"))


def known(
    declared: Exogenous, observations: pd.DataFrame, versions: pd.DataFrame | None = None, of: str = "a"
) -> list[dict[str, float]]:
    texts = known_at(DAYS, [of], observations, [declared], versions)[0]
    return [json.loads(text) if text else {} for text in texts]


NOTHING = rows("x", {})


def test_each_series_has_the_covariate_of_its_name_and_the_others_have_not() -> None:
    observations = pd.concat([rows("price of a", {0: 1.0}), rows("price of b", {0: 2.0})])
    declared = KnownAtCutoff("price of {series}")
    assert declared.columns(15) == ["price of"]
    assert known(declared, observations, of="a")[0] == {"price of": 1.0}
    assert known(declared, observations, of="b")[0] == {"price of": 2.0}
    assert known(declared, observations, of="c") == [{}] * len(DAYS)


def test_a_long_feed_names_a_covariate_beside_its_series() -> None:
    declared = KnownAtCutoff("{series} open", of="{series} sales")
    observations = rows("7 open", {2: 1.0})
    assert known(declared, observations, of="7 sales")[2] == {"open": 1.0}
    assert known(declared, observations, of="7")[2] == {}


def test_a_groups_covariate_is_of_each_of_its_series() -> None:
    declared = KnownInAdvance("{series} temperature +{step}", groups=(("west", ("a", "b")), ("east", ("c",))))
    observations = pd.concat([rows("west temperature +2", {1: 9.0}), rows("east temperature +2", {1: 4.0})])
    assert [known(declared, observations, of=of)[1] for of in "abcd"] == [
        {"temperature +2": 9.0}, {"temperature +2": 9.0}, {"temperature +2": 4.0}, {},
    ]  # fmt: skip


def test_what_is_known_of_all_and_what_of_one_stand_in_one_row() -> None:
    observations = pd.concat([rows("wind", {0: 3.0}), rows("price of a", {0: 1.0})])
    texts = known_at(DAYS, ["a", "b"], observations, [KnownAtCutoff("wind"), KnownAtCutoff("price of {series}")])
    assert [json.loads(text) for text in texts[:, 0]] == [{"wind": 3.0, "price of": 1.0}, {"wind": 3.0}]


def test_a_plan_is_known_of_the_days_ahead_from_the_day_on_which_it_was_stored() -> None:
    declared = KnownByTargetDay("plan", days_ahead=3)
    found = known(declared, NOTHING, version("plan", 4, 7.0, "2023-01-04 09:00"))
    assert found == [{}, {}, {"plan +2": 7.0}, {"plan +1": 7.0}, {"plan": 7.0}, {}]


def test_a_changed_plan_counts_from_the_day_of_the_change() -> None:
    declared = KnownByTargetDay("plan", days_ahead=3)
    versions = pd.concat(
        [version("plan", 4, 7.0, "2023-01-03 09:00"), version("plan", 4, 8.0, "2023-01-05 23:59:59.999999")]
    )
    assert known(declared, NOTHING, versions)[1:5] == [
        {"plan +3": 7.0},
        {"plan +2": 7.0},
        {"plan +1": 8.0},
        {"plan": 8.0},
    ]


def test_what_turned_out_later_never_comes_into_a_row_of_before() -> None:
    declared = KnownByTargetDay("plan", days_ahead=3)
    planned = version("plan", 4, 7.0, "2023-01-03 09:00")
    truth = version("plan", 4, 0.0, "2023-01-09 09:00")
    assert known(declared, NOTHING, pd.concat([planned, truth])) == known(declared, NOTHING, planned)


def test_a_history_that_was_loaded_at_once_was_known_as_long_before_as_is_declared() -> None:
    history = rows("plan", {0: 1.0, 4: 5.0}, available_at=pd.Timestamp("2023-07-01", tz="UTC"))
    at_its_day = known(KnownByTargetDay("plan", days_ahead=3), NOTHING, history)
    assert at_its_day == [{"plan": 1.0}, {}, {}, {}, {"plan": 5.0}, {}]
    two_days = known(KnownByTargetDay("plan", days_ahead=3, known_days_ahead=2), NOTHING, history)
    assert two_days == [{"plan": 1.0}, {}, {"plan +2": 5.0}, {"plan +1": 5.0}, {"plan": 5.0}, {}]
    # Without versions, as in a notebook, the values of the frame are such a history.
    declared = KnownByTargetDay("plan", days_ahead=3, known_days_ahead=2)
    assert known(declared, history.drop(columns="available_at")) == two_days


def test_the_days_ahead_that_come_with_the_first_load_were_known_as_long_before_as_is_declared() -> None:
    declared = KnownByTargetDay("plan", days_ahead=3, known_days_ahead=2)
    first = rows("plan", {0: 1.0, 4: 5.0}, available_at=pd.Timestamp("2023-01-05 02:00", tz="UTC"))
    assert known(declared, NOTHING, first)[2:5] == [{"plan +2": 5.0}, {"plan +1": 5.0}, {"plan": 5.0}]
    # What a later load says first of a day was known from then on, however near.
    late = version("plan", 5, 7.0, "2023-01-06 02:00")
    assert known(declared, NOTHING, pd.concat([first, late]))[3:] == [
        {"plan +1": 5.0},
        {"plan": 5.0, "plan +1": 7.0},
        {"plan": 7.0},
    ]


def test_of_a_history_that_was_revised_the_first_version_counts() -> None:
    declared = KnownByTargetDay("plan", days_ahead=3, known_days_ahead=2)
    first, revised = version("plan", 4, 5.0, "2023-07-01"), version("plan", 4, 6.0, "2023-10-01")
    assert known(declared, NOTHING, pd.concat([revised, first])) == known(declared, NOTHING, first)


@settings(max_examples=150, deadline=None)
@given(
    st.lists(st.tuples(st.integers(-2, 9), st.floats(-5, 5), st.integers(-3, 12)), min_size=1, max_size=12),
    st.integers(0, 5),
    st.integers(0, 4),
)
def test_a_row_changes_by_nothing_that_became_known_after_its_day(
    stored: list[tuple[int, float, int]], row: int, lead: int
) -> None:
    declared = KnownByTargetDay("plan", days_ahead=4, known_days_ahead=lead)
    versions = pd.concat(
        [version("plan", day, y, str(FIRST + at)) for day, y, at in stored], ignore_index=True
    ).drop_duplicates(["ds", "available_at"])
    # Stored before its day, or a change of what was stored before: its time is recorded and nothing is declared.
    ordered = versions.sort_values("available_at")
    first = ~ordered.duplicated("ds")
    is_before = ordered["available_at"].dt.tz_localize(None) < ordered["ds"] + pd.Timedelta(days=1)
    recorded = ~first | (is_before & (ordered["available_at"] > ordered["available_at"].min()))
    later = recorded & (ordered["available_at"] >= pd.Timestamp(str(FIRST + row + 1), tz="UTC"))
    changed = ordered.assign(y=ordered["y"].where(~later, 99.0))
    assert known(declared, NOTHING, changed)[row] == known(declared, NOTHING, versions)[row]


@pytest.mark.parametrize(
    "declared",
    [
        KnownAtCutoff("price of {series}"),
        KnownInAdvance("{series} temperature +{step}", 1, groups=(("west", ("a", "b")),)),
        KnownByTargetDay("{series} promotion", of="{series} sales", days_ahead=7, known_days_ahead=14),
    ],
)
def test_a_declaration_is_kept_in_a_recipe_as_it_is(declared: Exogenous) -> None:
    assert exogenous_from(json.loads(json.dumps(exogenous_document([declared])))) == (declared,)
    recipe = default_recipe(15, "IE", exogenous=[declared])
    assert recipe_from(json.loads(json.dumps(recipe.to_document(), sort_keys=True))) == recipe
    assert declared.describes(3).shape == (3, len(declared.columns(3)))


def test_a_declaration_without_new_fields_is_recorded_as_before() -> None:
    assert exogenous_document([KnownAtCutoff("wind")]) == [{"unique_id": "wind", "delay_days": 0, "known": "at_cutoff"}]


@pytest.mark.parametrize(
    ("document", "problem"),
    [
        ({"unique_id": "{series} {series}", "known": "at_cutoff"}, "stands once"),
        ({"unique_id": "wind", "known": "at_cutoff", "of": "{series} sales"}, "stands once in one of some series"),
        ({"unique_id": "{series} x", "known": "at_cutoff", "of": "sales"}, "the name of a series is expected"),
        ({"unique_id": "{series} x", "known": "at_cutoff", "groups": {"west": "a"}}, "lists of series"),
        ({"unique_id": "plan", "known": "by_target_day", "days_ahead": 0}, "days_ahead 0; 1 to 60 are expected"),
        ({"unique_id": "plan", "known": "at_cutoff", "days_ahead": 3}, "'days_ahead', which is none of its fields"),
        ({"unique_id": "plan", "known": "by_target_day", "known_days_ahead": True}, "known_days_ahead True"),
    ],
)
def test_a_declaration_that_does_not_fit_is_told(document: dict[str, Any], problem: str) -> None:
    with pytest.raises(ConfigurationError, match=problem):
        exogenous_from([document])


def test_names_with_marks_of_a_pattern_are_taken_as_they_are() -> None:
    assert is_exogenous(["a.b (1) of x", "aXb (1) of x"], [KnownAtCutoff("a.b (1) of {series}")]).tolist() == [
        True,
        False,
    ]


def promoted(seed: int = 0) -> pd.DataFrame:
    """Two shops whose promotions, each its own, add a half to their sales; and their promotions."""
    random = np.random.default_rng(seed)
    days = pd.date_range("2021-01-01", "2022-12-31")
    frames = []
    for shop in ("1", "2"):
        promotion = (random.random(len(days)) < 0.25).astype(float)
        sales = (100 + 10 * (days.dayofweek == 5) + random.normal(0, 4, len(days))) * (1 + 0.5 * promotion)
        frames += [
            pd.DataFrame({"unique_id": f"{shop} {name}", "ds": days, "y": y})
            for name, y in (("sales", sales), ("promotion", promotion))
        ]
    return pd.concat(frames, ignore_index=True)


PROMOTION = KnownByTargetDay("{series} promotion", of="{series} sales", days_ahead=7, known_days_ahead=7)
PERIOD = DateRange(date(2021, 1, 1), date(2022, 12, 24))


def test_each_shops_plan_takes_most_of_its_error_away_and_is_named_in_the_explanation() -> None:
    observations = promoted()
    with_plan = build_features(observations, PERIOD, "IE", [PROMOTION])
    assert set(with_plan["unique_id"]) == {"1 sales", "2 sales"}
    recipe = default_recipe(7, "IE", exogenous=[PROMOTION])
    model = train(with_plan, PERIOD.end, recipe, code_version="test").model
    alone = train(with_plan, PERIOD.end, default_recipe(7, "IE"), code_version="test").model
    for unique_id, found in model.metadata["series"].items():
        assert found["scores"]["rmse"] < 0.5 * alone.metadata["series"][unique_id]["scores"]["rmse"]
    days = [PERIOD.end + timedelta(days=step) for step in range(1, 8)]
    inputs = model.inputs(days)
    plan = observations.set_index(["unique_id", "ds"])["y"]
    parts = model.explain(inputs)
    names = parts["unique_id"].str.replace("sales", "promotion")
    is_planned = [plan[key] == 1 for key in zip(names, parts["ds"], strict=True)]
    added = parts["exogenous"].groupby([parts["unique_id"], is_planned]).mean().unstack()
    assert ((added[True] - added[False]).between(35, 65)).all()


def test_a_later_change_of_every_plan_changes_no_row() -> None:
    observations = promoted()
    rows_of_before = build_features(observations, PERIOD, "IE", [PROMOTION])
    horizon = pd.Timestamp(PERIOD.end) + pd.Timedelta(days=PROMOTION.known_days_ahead)
    is_later = observations["ds"] > horizon
    changed = observations.assign(y=observations["y"].where(~is_later, 1e6))
    pd.testing.assert_frame_equal(build_features(changed, PERIOD, "IE", [PROMOTION]), rows_of_before)


def test_a_row_is_the_same_in_whatever_range_it_is_built() -> None:
    observations = promoted()
    last = DateRange(PERIOD.end - timedelta(days=2), PERIOD.end)
    whole = build_features(observations, PERIOD, "IE", [PROMOTION])
    pd.testing.assert_frame_equal(
        build_features(observations, last, "IE", [PROMOTION]),
        whole[whole["ds"] >= pd.Timestamp(last.start)].reset_index(drop=True),
    )


def test_a_plan_is_refused_only_where_no_day_ahead_was_ever_known() -> None:
    declared = KnownByTargetDay("plan", days_ahead=3)
    refuse_never_known({"plan": 1.0, "plan +1": 0.2, "plan +2": 0.0, "plan +3": 0.0}, [declared])
    with pytest.raises(ConfigurationError, match=r"'plan \+1'.*known_days_ahead"):
        refuse_never_known({"plan": 1.0, "plan +1": 0.0, "plan +2": 0.0}, [declared])


def test_what_is_of_one_series_and_what_is_planned_is_not_watched_for_drift() -> None:
    features = build_features(promoted(), PERIOD, "IE", [PROMOTION])
    declared = [PROMOTION, KnownByTargetDay("plan"), KnownAtCutoff("price of {series}")]
    assert exogenous_features(features, declared).empty
    watched = exogenous_features(features, [*declared, KnownAtCutoff("price")])
    assert set(watched["unique_id"]) <= {"price"}

"""A model learns what an event does, forecasts its days to come, and sees nothing of it in what it knew before."""

import json
from dataclasses import replace
from datetime import date, timedelta

import numpy as np
import pytest

from forecasting_platform.forecasting.models.recipes.recipe import Recipe, recipe_from
from forecasting_platform.forecasting.models.trained.model_document import arrays_of, document_of, model_from
from forecasting_platform.forecasting.models.trained.new_series import answer_from
from forecasting_platform.forecasting.models.training.backtest import backtest
from forecasting_platform.forecasting.models.training.training import Training
from forecasting_platform.forecasting.series.covariates.events import Event, Events
from forecasting_platform.forecasting.series.days.not_normal import NotNormal, NotNormalPeriod
from forecasting_platform.forecasting.series.features.panel import panel_from
from forecasting_platform_tests.support.example_series import (
    END,
    days_after,
    features_of,
    observations,
    seasonal,
    trained,
)

LENGTH = 700
FIRST = END - timedelta(days=LENGTH - 1)
PAST = tuple(FIRST + timedelta(days=day) for day in range(20, LENGTH, 24))
NEXT = END + timedelta(days=6)
RECIPE = Recipe(backtest_days=200, refit_days=60)
SALE = Events((Event("sale", days=(*PAST, NEXT), days_before=1, unique_id=("a",)),))
WITH = replace(RECIPE, events=SALE)


def history() -> dict[str, np.ndarray]:
    """A sale of 30 % more with a day of 10 % less before it, in one of two series."""
    values = seasonal(LENGTH)
    for day in PAST:
        at = (day - FIRST).days
        values[at] *= 1.3
        values[at - 1] *= 0.9
    return {"a": values, "b": seasonal(LENGTH, 1)}


@pytest.fixture(scope="module")
def training() -> Training:
    return trained(history(), WITH)


def test_the_next_sale_is_forecast_and_the_day_before_it(training: Training) -> None:
    model, plain = training.model, trained(history(), RECIPE).model
    days = days_after(10)
    ours, other = (
        of.predict(of.inputs(days, unique_ids=["a"])).y_hat for of in (model, plain)
    )  # fmt: skip
    lifted = ours / other - 1
    at = days.index(NEXT)
    assert lifted[at] > 0.2
    assert lifted[at - 1] < -0.05
    assert np.abs(np.delete(lifted, [at - 1, at])).max() < 0.06


def test_errors_on_event_days_are_halved(training: Training) -> None:
    panel = panel_from(features_of(observations(history())))
    found = {}
    for name, recipe in (("with", WITH), ("without", RECIPE)):
        results = backtest(panel, recipe)
        ds = results.cutoffs[:, None] + np.arange(1, 16)
        on = np.isin(ds, np.array(PAST, dtype="datetime64[D]"))
        errors = results.served_errors[0]
        found[name] = [float(np.sqrt(np.nanmean(errors[of] ** 2))) for of in (on, ~on)]
    assert found["with"][0] < 0.5 * found["without"][0]
    assert found["with"][1] < 1.02 * found["without"][1]


def test_a_day_that_is_not_declared_yet_changes_nothing_that_was_known(training: Training) -> None:
    """What a row of the past holds follows from its day alone: a later plan does not change one bit of it."""
    later = Events((replace(SALE.each[0], days=(*PAST, NEXT, END + timedelta(days=40))),))
    other = trained(history(), replace(RECIPE, events=later))
    ours, theirs = arrays_of(training.model), arrays_of(other.model)
    assert all(np.array_equal(ours[name], theirs[name], equal_nan=ours[name].dtype.kind == "f") for name in ours)


def test_an_answer_knows_the_events_of_its_own_cutoff(training: Training) -> None:
    """From any feature row, of a series new to the model too: the store knows nothing of events."""
    rows = features_of(observations(history()))
    day = PAST[-2] - timedelta(days=3)
    at = rows[rows["ds"] == str(day)]
    new = at[at["unique_id"] == "a"].assign(unique_id="new")
    model = answer_from(training.model, at)
    inputs = model.inputs([day + timedelta(days=step) for step in (1, 2, 3)], unique_ids=["a"])
    assert inputs.column("event: sale +3").tolist() == [1.0, 1.0, 1.0]
    assert inputs.column("event: before sale +2").tolist() == [1.0, 1.0, 1.0]
    assert inputs.column("event: sale +2").tolist() == [0.0, 0.0, 0.0]
    of_new = answer_from(training.model, new)
    assert of_new.inputs([day + timedelta(days=1)], unique_ids=["new"]).column("event: sale +3").tolist() == [0.0]
    assert not model.predict(inputs).lacks_exogenous.any()


def test_events_travel_with_the_model(training: Training) -> None:
    read = model_from(arrays_of(training.model), json.loads(json.dumps(document_of(training.model))))
    days = days_after(10)
    assert read.events == SALE
    assert np.array_equal(read.predict(read.inputs(days)).y_hat, training.model.predict(read.inputs(days)).y_hat)
    assert recipe_from(WITH.to_document()) == WITH
    assert "events" not in document_of(trained({"a": seasonal(400)}, RECIPE).model)


def test_one_more_day_is_no_other_recipe_and_another_event_is() -> None:
    fewer = Events((replace(SALE.each[0], days=PAST),))
    wider = Events((replace(SALE.each[0], days_after=1),))
    assert replace(RECIPE, events=fewer).fingerprint == WITH.fingerprint
    assert len({RECIPE.fingerprint, WITH.fingerprint, replace(RECIPE, events=wider).fingerprint}) == 3


def test_what_names_no_series_or_has_no_day_in_the_history_is_told() -> None:
    events = Events((Event("fair", days=(date(2031, 1, 1),)), Event("sale", days=PAST, unique_id=("gone",))))
    remarks = replace(RECIPE, events=events).remarks(["a", "b"], FIRST, END)
    assert remarks == [
        "the recipe names 'gone', of which there is no series",
        f"nothing is learned of 'fair': no day from {FIRST} to {END}",
    ]
    assert WITH.remarks(["a", "b"], FIRST, END) == []


def test_what_the_fingerprint_does_not_count_is_told_apart_as_declared_days() -> None:
    fewer = replace(RECIPE, events=Events((replace(SALE.each[0], days=PAST),)))
    strike = replace(RECIPE, not_normal=NotNormal((NotNormalPeriod(FIRST, FIRST, "strike"),)))
    assert RECIPE.declared_days == ""
    assert len({recipe.declared_days for recipe in (RECIPE, WITH, fewer, strike)}) == 4
    assert recipe_from(WITH.to_document()).declared_days == WITH.declared_days

"""Answers about series that have no value on some days."""

from dataclasses import replace
from datetime import date, time
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient

from forecasting_platform.adapters.memory.model_registry import MemoryModelRegistry
from forecasting_platform.forecasting.models.trained.model import ForecastModel
from forecasting_platform.forecasting.series.days.date_range import DateRange
from forecasting_platform.forecasting.series.days.due_days import DueDays
from forecasting_platform.forecasting.series.days.series_calendars import Calendars, SeriesCalendar
from forecasting_platform_tests.support.served_model import SERIES, MakeApp
from serve.service import service_of

BANK, SHOP = SERIES
WEEKEND = {"start": "2023-07-01", "end": "2023-07-02"}
FORTNIGHT = {"start": "2023-07-01", "end": "2023-07-14"}
CALENDARS = Calendars(
    (
        SeriesCalendar(
            DueDays(weekdays=(0, 1, 2, 3, 4), lag_days=2, at=time(9), time_zone="Europe/Dublin"), frozenset({BANK})
        ),
        SeriesCalendar(DueDays(weekdays=(0, 1, 2, 3, 4, 5), closed_days_are="zero"), frozenset({SHOP})),
    )
)  # fmt: skip


@pytest.fixture
def registry(model: ForecastModel) -> MemoryModelRegistry:
    registry = MemoryModelRegistry()
    closed = replace(model, calendars=CALENDARS)
    registry.move_champion(registry.register(closed, plots={}, run_tags={}), expected=None)
    return registry


@pytest.fixture
def app(make_app: MakeApp) -> Flask:
    app = make_app()
    service_of(app).watch.look()
    service_of(app).watch.refresh_features()
    return app


def predicted(client: FlaskClient, **body: Any) -> dict[str, Any]:
    answer = client.post("/predict", json=body)
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json
    return found


@pytest.mark.parametrize("body", [FORTNIGHT, FORTNIGHT | {"unique_id": BANK}, WEEKEND, WEEKEND | {"unique_id": BANK},
                                  {"start": "2023-07-03", "end": "2023-07-03"}])  # fmt: skip
def test_what_was_made_beforehand_is_what_would_be_computed(client: FlaskClient, body: dict[str, Any]) -> None:
    computed = client.post("/predict", json=body | {"as_of": "2023-06-30"})
    assert client.post("/predict", json=body).data == computed.data


def test_what_was_made_beforehand_has_the_due_days_only(app: Flask) -> None:
    made = service_of(app).watch.require().precomputed
    (bank,) = made.find(DateRange(date(2023, 7, 2), date(2023, 7, 8)), [BANK]) or [None]
    assert bank is not None
    assert bank.ds.astype(str).tolist() == [f"2023-07-0{day}" for day in range(3, 8)]
    assert made.find(DateRange(date(2023, 7, 1), date(2023, 7, 2)), [BANK]) is None


def test_a_series_without_a_due_day_is_left_out_with_the_reason(client: FlaskClient) -> None:
    answer = predicted(client, **WEEKEND)
    assert [(row["unique_id"], row["ds"], row["y_hat"], row.get("closed")) for row in answer["forecasts"]] == [
        (SHOP, "2023-07-01", pytest.approx(answer["forecasts"][0]["y_hat"]), None),
        (SHOP, "2023-07-02", 0.0, True),
    ]
    assert answer["left_out"] == [{"unique_id": BANK, "state": "closed", "newest_observation": "2023-06-30"}]
    named = predicted(client, **WEEKEND, unique_id=BANK, explain=True, actuals=True)
    assert named["forecasts"] == []
    assert named["left_out"] == answer["left_out"]


def test_input_rows_of_closed_days_give_the_same_zeros(client: FlaskClient) -> None:
    inputs = client.post("/simulate", json=FORTNIGHT).json["inputs"]
    assert {row["ds"] for row in inputs if row["unique_id"] == BANK} == {
        row["ds"] for row in inputs if date.fromisoformat(row["ds"]).weekday() < 5
    }
    assert predicted(client, inputs=inputs)["forecasts"] == predicted(client, **FORTNIGHT)["forecasts"]


def test_a_scenario_of_closed_days_is_empty_and_no_error(client: FlaskClient) -> None:
    answer = client.post("/whatif", json=WEEKEND | {"unique_id": BANK, "changes": {"mean_28": {"add": 1}}})
    assert answer.status_code == 200, answer.text
    assert answer.json["scenario"] == []


def test_a_range_without_a_due_day_is_an_empty_table(client: FlaskClient) -> None:
    answer = client.post("/predict", json=WEEKEND | {"unique_id": BANK}, headers={"Accept": "text/csv"})
    assert (answer.status_code, answer.data) == (200, b"")


def test_the_model_says_when_the_next_value_is_due_and_complete(client: FlaskClient) -> None:
    series = {of["unique_id"]: of for of in client.get("/model").json["series"]}
    assert series[BANK]["next_due"] == "2023-07-03"
    assert series[BANK]["complete_from"] == "2023-07-05T09:00:00+01:00"
    assert series[SHOP]["complete_from"] == "2023-07-02T00:00:00+00:00"

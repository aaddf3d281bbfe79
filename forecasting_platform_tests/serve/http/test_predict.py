from dataclasses import replace
from datetime import date, timedelta
from typing import Any

import numpy as np
import pandas as pd
import pytest
from flask import Flask
from flask.testing import FlaskClient

from forecasting_platform.adapters.memory.model_registry import MemoryModelRegistry
from forecasting_platform.adapters.memory.table_store import MemoryTableStore
from forecasting_platform.errors import StoreUnavailableError
from forecasting_platform.forecasting.models.trained.model import ForecastModel
from forecasting_platform.forecasting.series.days.date_range import DateRange
from forecasting_platform.forecasting.series.frames import FEATURE_TABLE, FORECASTS
from forecasting_platform_tests.support.served_model import MakeApp
from serve.service import service_of

CORRIB, OTHER = "Corrib production", 'Größe "x"; drop table'
NEXT = {"start": "2023-07-01", "end": "2023-07-15"}
FIELDS = ["unique_id", "cutoff", "ds", "y_hat", "y_hat_lo_80", "y_hat_hi_80", "y_hat_lo_95", "y_hat_hi_95"]


def predict(client: FlaskClient, **body: Any) -> list[dict[str, Any]]:
    answer = client.post("/predict", json=body)
    assert answer.status_code == 200, answer.text
    forecasts: list[dict[str, Any]] = answer.json["forecasts"]
    return forecasts


def refused(client: FlaskClient, status: int, **body: Any) -> str:
    answer = client.post("/predict", json=body)
    assert (answer.status_code, answer.mimetype) == (status, "application/problem+json"), answer.text
    return str(answer.json["detail"])


def test_a_range_after_the_newest_observation_is_forecast_from_it(client: FlaskClient) -> None:
    answer = client.post("/predict", json=NEXT).json
    assert answer["model"] == {
        "name": "forecasting_platform",
        "version": "1",
        "cutoff": "2023-06-15",
        "run_id": "run-1",
    }
    forecasts = answer["forecasts"]
    assert [list(row) for row in forecasts] == [FIELDS] * 30
    assert {row["cutoff"] for row in forecasts} == {"2023-06-30"}
    keys = [(row["unique_id"], row["ds"]) for row in forecasts]
    assert keys == sorted(keys)


def test_the_answer_is_what_the_model_forecasts(
    client: FlaskClient, model: ForecastModel, features: pd.DataFrame
) -> None:
    newest = model.with_features(features[features["ds"] == "2023-06-30"])
    expected = newest.predict(newest.inputs(list(DateRange(date(2023, 7, 1), date(2023, 7, 15))))).to_frame()
    answered = pd.DataFrame(predict(client, **NEXT))
    np.testing.assert_array_equal(answered[FIELDS[3:]], expected[FIELDS[3:]])


def test_series_are_chosen_by_name_or_list(client: FlaskClient) -> None:
    assert {row["unique_id"] for row in predict(client, **NEXT, unique_id=OTHER)} == {OTHER}
    assert {row["unique_id"] for row in predict(client, **NEXT, unique_id=[OTHER, CORRIB, OTHER])} == {CORRIB, OTHER}


def test_levels_name_their_columns(client: FlaskClient) -> None:
    row = predict(client, **NEXT, level=[90, 50])[0]
    assert list(row) == [
        "unique_id",
        "cutoff",
        "ds",
        "y_hat",
        "y_hat_lo_50",
        "y_hat_hi_50",
        "y_hat_lo_90",
        "y_hat_hi_90",
    ]
    assert row["y_hat_lo_90"] < row["y_hat_lo_50"] < row["y_hat"] < row["y_hat_hi_50"] < row["y_hat_hi_90"]


def test_days_beyond_the_horizon_are_marked_and_their_interval_widens(client: FlaskClient) -> None:
    rows = predict(client, start="2023-07-10", end="2024-06-30", unique_id=OTHER)
    assert [row["ds"] for row in rows if "extrapolated" not in row] == [f"2023-07-{day}" for day in range(10, 16)]
    assert all(row["extrapolated"] is True for row in rows[6:])
    widths = [row["y_hat_hi_80"] - row["y_hat_lo_80"] for row in rows]
    assert widths[-1] > 2 * widths[6] > 0


def test_a_forecast_that_is_not_plausible_is_the_naive_one_and_says_so(make_app: MakeApp, model: ForecastModel) -> None:
    registry = MemoryModelRegistry()
    exploded = replace(model, plausible=np.array([[-1e6, 1e6], [1e6, 2e6]]))
    registry.move_champion(registry.register(exploded, plots={}, run_tags={}), expected=None)
    client = make_app(registry=registry).test_client()
    service_of(client.application).watch.look()
    rows = predict(client, start="2023-06-16", end="2023-06-18")
    assert [row.get("replaced") for row in rows] == [None] * 3 + [True] * 3
    assert len({row["y_hat"] for row in rows[3:]}) == 1


def test_a_past_range_is_forecast_from_the_day_before_its_start(
    client: FlaskClient, store: Any, model: ForecastModel
) -> None:
    rows = predict(client, start="2023-06-21", end="2023-07-05", unique_id=CORRIB)
    assert {row["cutoff"] for row in rows} == {"2023-06-20"}
    # As it was issued that day.
    record = store.read(FORECASTS, DateRange(date(2023, 6, 20), date(2023, 6, 20)), unique_ids=[CORRIB])
    assert [row["y_hat"] for row in rows] == record["y_hat"].tolist()


def test_days_the_champion_has_seen_are_marked(client: FlaskClient) -> None:
    rows = predict(client, start="2023-06-14", end="2023-06-17", unique_id=CORRIB)
    assert [row.get("in_training") for row in rows] == [True, True, None, None]


def test_a_past_range_before_any_features_names_the_first_day_that_can_be_asked(client: FlaskClient) -> None:
    detail = refused(client, 422, start="2020-01-01", end="2020-01-02", unique_id=CORRIB)
    first = detail.split()[-1]
    assert predict(client, start=first, end=first, unique_id=CORRIB)
    before = str(date.fromisoformat(first) - timedelta(days=1))
    refused(client, 422, start=before, end=first, unique_id=CORRIB)


@pytest.mark.parametrize(
    ("body", "said"),
    [
        ({"start": "2023-07-05", "end": "2023-07-01"}, "the end 2023-07-01 lies before the start 2023-07-05"),
        ({"start": "2024-06-30", "end": "2024-07-01"}, "at most 366 days ahead"),
        ({"start": "2023-01-05", "end": "2024-06-30"}, "ask for at most 366"),
        ({"start": "1800-01-01", "end": "2023-07-01"}, "start: "),
        ({"start": "2023-02-30", "end": "2023-07-01"}, "start: there is no such day"),
        ({"start": "20230701", "end": "2023-07-01"}, "start: a day is expected as text, written YYYY-MM-DD"),
        ({"start": "٢٠٢٣-٠٧-٠١", "end": "2023-07-01"}, "start: a day is expected"),
        ({"start": True, "end": "2023-07-01"}, "start: a day is expected"),
        ({"start": 19539, "end": "2023-07-01"}, "start: a day is expected"),
        ({"start": "2023-07-01"}, "end: Field required"),
        ({}, "start: Field required (and 1 more)"),
        ({**NEXT, "step": 3}, "step: there is no such field"),
        ({**NEXT, "level": [100]}, "level.0: "),
        ({**NEXT, "level": [True]}, "level.0: "),
        ({**NEXT, "level": []}, "level: "),
        ({**NEXT, "level": 80}, "level: "),
        ({**NEXT, "unique_id": []}, "unique_id"),
        ({**NEXT, "unique_id": "a\x00b"}, "unique_id"),
        ({**NEXT, "unique_id": 3}, "unique_id"),
        ({"inputs": []}, "inputs: "),
        ({"inputs": [], "start": "2023-07-01"}, "there is no such field"),
    ],
)
def test_what_cannot_be_answered_is_refused_by_name(client: FlaskClient, body: dict[str, Any], said: str) -> None:
    answer = client.post("/predict", json=body)
    assert answer.status_code == 422
    assert said in answer.json["detail"] or said in str(answer.json.get("errors"))


def test_an_unknown_series_is_not_found_and_the_known_ones_are_named(client: FlaskClient) -> None:
    detail = refused(client, 404, **NEXT, unique_id=["Moffat imports", CORRIB])
    assert "unknown series 'Moffat imports'" in detail
    assert CORRIB in detail


def test_too_many_forecasts_at_once_are_refused(client: FlaskClient, monkeypatch: pytest.MonkeyPatch) -> None:
    # Series, cutoff, day and forecast stand in each row, and two bounds a level.
    monkeypatch.setattr("serve.forecasts.answers.MAX_CELLS", 29 * 8)
    for body in (NEXT, NEXT | {"as_of": "2023-06-30"}):
        assert "15 days of 2 series are 30 forecasts; at most 29" in refused(client, 422, **body)
    assert client.post("/predict", json=NEXT | {"level": [90]}).status_code == 200
    assert "at most 12" in refused(client, 422, **NEXT, explain=True, level=[80, 90, 95, 95], actuals=True)
    inputs = client.post("/simulate", json=NEXT | {"unique_id": CORRIB, "end": "2023-07-04"}).json["inputs"]
    assert "4 rows were sent; at most 3" in refused(client, 422, inputs=inputs, level=list(range(60, 94)))


def test_the_simulated_inputs_give_the_same_forecasts_as_the_range(client: FlaskClient) -> None:
    for period in (NEXT, {"start": "2023-06-10", "end": "2023-06-20"}, {"start": "2023-07-20", "end": "2023-08-20"}):
        inputs = client.post("/simulate", json=period).json["inputs"]
        assert client.post("/predict", json={"inputs": inputs}).json == client.post("/predict", json=period).json


def test_inputs_may_be_changed_and_come_in_any_order(client: FlaskClient) -> None:
    inputs = client.post("/simulate", json=NEXT).json["inputs"]
    raised = [row | {"y": row["y"] + 100} for row in reversed(inputs)]
    changed, unchanged = predict(client, inputs=raised), predict(client, **NEXT)
    assert [row["ds"] for row in changed] == [row["ds"] for row in unchanged]
    assert changed[0]["y_hat"] == pytest.approx(unchanged[0]["y_hat"] + 75)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"y": "35"}, "inputs.0.y"),
        ({"y": True}, "inputs.0.y"),
        ({"y": None}, "inputs.0.y"),
        ({"y": 1e300}, "inputs.0.y"),
        ({"ds": "2023-06-30"}, "ds must lie after cutoff"),
        ({"ds": "2025-06-30"}, "at most 366"),
        ({"extra": 1}, "inputs.0.extra: there is no such field"),
        ({"ds": "2023-07-02"}, "given twice"),
    ],
)
def test_an_input_row_that_cannot_be_answered_is_refused(
    client: FlaskClient, change: dict[str, Any], said: str
) -> None:
    first, second = client.post("/simulate", json={**NEXT, "end": "2023-07-02", "unique_id": CORRIB}).json["inputs"]
    assert said in refused(client, 422, inputs=[first | change, second])


def test_an_input_row_of_an_unknown_series_is_not_found(client: FlaskClient) -> None:
    row = client.post("/simulate", json={**NEXT, "end": "2023-07-01", "unique_id": CORRIB}).json["inputs"][0]
    refused(client, 404, inputs=[row | {"unique_id": "nobody"}])


class DownStore:
    """A store that does not answer."""

    def __getattr__(self, name: str) -> Any:
        def fail(*arguments: object, **named: object) -> None:
            raise StoreUnavailableError("the table store", "connection refused to secret-host")

        return fail


def test_without_the_store_the_model_answers_from_its_own_rows(make_app: Any) -> None:
    client = make_app(store=DownStore()).test_client()
    assert {row["cutoff"] for row in predict(client, start="2023-06-16", end="2023-06-20")} == {"2023-06-15"}
    past = client.post("/predict", json={"start": "2023-06-01", "end": "2023-06-02"})
    assert (past.status_code, past.headers["Retry-After"]) == (503, "5")
    assert "secret-host" not in past.text


def test_no_champion_is_service_unavailable(make_app: Any) -> None:
    from forecasting_platform.adapters.memory.model_registry import MemoryModelRegistry

    client = make_app(registry=MemoryModelRegistry()).test_client()
    assert "has no champion yet" in refused(client, 503, **NEXT)
    assert client.get("/ready").status_code == 503
    assert client.get("/health").status_code == 200


ALL_THE_WAYS: list[dict[str, Any]] = [{}, {"level": [80]}, {"explain": True}]


@pytest.mark.parametrize("more", ALL_THE_WAYS)
def test_an_ended_series_is_left_out_by_name_and_refused_with_its_last_day(
    make_app: MakeApp, model: ForecastModel, more: dict[str, Any]
) -> None:
    client = app_of(make_app, model, "2023-06-15", "2023-05-01", ended_after_days=np.array([31, 31])).test_client()
    answer = client.post("/predict", json=NEXT | more).json
    assert {row["unique_id"] for row in answer["forecasts"]} == {CORRIB}
    assert answer["left_out"] == [{"unique_id": OTHER, "state": "ended", "newest_observation": "2023-05-01"}]
    assert client.post("/simulate", json=NEXT).json["left_out"] == answer["left_out"]
    said = refused(client, 422, unique_id=[CORRIB, OTHER], **NEXT | more)
    assert "ended" in said
    assert "(2023-05-01)" in said
    # What is named is answered without a word on the others.
    assert "left_out" not in client.post("/predict", json=NEXT | more | {"unique_id": CORRIB}).json
    shown = {row["unique_id"]: row["state"] for row in client.get("/model").json["series"]}
    assert shown == {CORRIB: None, OTHER: "ended"}


def test_a_series_that_is_silent_within_its_rhythm_is_forecast(make_app: MakeApp, model: ForecastModel) -> None:
    client = app_of(make_app, model, "2023-06-15", "2023-05-01", ended_after_days=np.array([31, 62])).test_client()
    answer = client.post("/predict", json=NEXT).json
    assert {row["unique_id"] for row in answer["forecasts"]} == {CORRIB, OTHER}
    assert "left_out" not in answer


def test_a_series_of_an_older_version_waits_three_months(make_app: MakeApp, model: ForecastModel) -> None:
    for last, ended in (("2023-03-15", False), ("2023-03-14", True), ("2021-01-01", True)):
        client = app_of(make_app, model, "2023-06-15", last).test_client()
        assert {row["unique_id"] for row in predict(client, **NEXT)} == ({CORRIB} if ended else {CORRIB, OTHER})


def test_a_series_that_comes_back_is_forecast_again_from_the_next_look_on(
    make_app: MakeApp, model: ForecastModel, store: MemoryTableStore
) -> None:
    # The store has rows of both until 30 June.
    app = app_of(make_app, model, "2023-06-15", "2023-05-01", store=store, ended_after_days=np.array([31, 31]))
    assert [row["unique_id"] for row in service_of(app).watch.require().precomputed.left_out] == [OTHER]
    service_of(app).watch.refresh_features()
    answer = app.test_client().post("/predict", json=NEXT).json
    assert {row["unique_id"] for row in answer["forecasts"]} == {CORRIB, OTHER}
    assert "left_out" not in answer


def test_as_of_a_day_before_it_ended_a_series_is_forecast(
    make_app: MakeApp, model: ForecastModel, store: MemoryTableStore
) -> None:
    app = app_of(make_app, model, "2023-06-30", "2023-05-01", store=store, ended_after_days=np.array([31, 31]))
    client, then = app.test_client(), {"start": "2023-05-20", "end": "2023-05-25"}
    for named in ({}, {"unique_id": OTHER}, {"unique_id": [CORRIB, OTHER]}):
        assert OTHER in {row["unique_id"] for row in predict(client, **then, **named)}


def test_a_series_that_had_not_begun_is_left_out_of_a_past_day_and_stops_no_other(
    make_app: MakeApp, model: ForecastModel, store: MemoryTableStore, features: pd.DataFrame
) -> None:
    late = features[(features["unique_id"] == CORRIB) | (features["ds"] >= "2023-06-20")]
    store.replace(FEATURE_TABLE, late, DateRange(date(2023, 1, 1), date(2023, 6, 30)))
    app = app_of(make_app, model, "2023-06-30", "2023-06-30", store=store)
    client, then = app.test_client(), {"start": "2023-06-10", "end": "2023-06-12"}
    answer = client.post("/predict", json=then).json
    assert {row["unique_id"] for row in answer["forecasts"]} == {CORRIB}
    assert answer["left_out"] == [{"unique_id": OTHER, "state": "unobserved", "newest_observation": "2023-06-30"}]
    assert "the first day that can be asked of" in refused(client, 422, unique_id=OTHER, **then)


def app_of(make_app: MakeApp, model: ForecastModel, *days: str, store: Any = None, **changes: Any) -> Flask:
    """An app whose champion knows its series until these days."""
    registry = MemoryModelRegistry()
    changed = replace(model, feature_days=np.array(days, dtype="datetime64[D]"), **changes)
    registry.move_champion(registry.register(changed, plots={}, run_tags={}), expected=None)
    app = make_app(registry=registry, store=store)
    service_of(app).watch.look()
    return app

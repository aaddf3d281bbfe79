"""What the app tells about the champion, the past, decisions, alerts and itself."""

from datetime import UTC, date, datetime, timedelta
from typing import Any

import pandas as pd
from flask.testing import FlaskClient

from forecasting_platform.adapters.memory.table_store import MemoryTableStore
from forecasting_platform.forecasting.series.days.date_range import DateRange
from serve.service import service_of

CORRIB = "Corrib production"


def test_the_model_tells_its_version_times_and_scores(client: FlaskClient) -> None:
    model = client.get("/model").json
    assert (model["version"], model["cutoff"], model["run_id"]) == ("1", "2023-06-15", "run-1")
    assert model["trained"].endswith("+00:00")
    assert model["promoted"] == "2023-06-16T09:00:00+00:00"
    assert model["scores"] == {CORRIB: {"mase": 0.5}}
    assert "evidence" not in model["metadata"]
    assert {series["newest_observation"] for series in model["series"]} == {"2023-06-30"}


def test_series_are_found_by_a_part_of_their_name_page_by_page(client: FlaskClient) -> None:
    found = client.get("/series?search=CORRIB").json
    assert (found["series_count"], found["matching"]) == (2, 1)
    (corrib,) = found["series"]
    assert (corrib["unique_id"], corrib["newest_observation"]) == (CORRIB, "2023-06-30")
    assert (corrib["winner"], corrib["scores"], corrib["coverage"]) == ("naive", {"mase": 0.5}, {"80": 0.81})
    (second,) = client.get("/series?limit=1&offset=1").json["series"]
    assert (second["unique_id"][:5], second["scores"]) == ("Größe", None)
    assert client.get("/series?search=nobody").json["series"] == []
    assert client.get("/series?limit=101").status_code == 422


def test_the_worst_series_come_first_and_those_without_a_score_last(client: FlaskClient) -> None:
    worst = client.get("/series?order=worst").json["series"]
    assert [row["unique_id"][:6] for row in worst] == ["Corrib", "Größe "]


def test_history_has_actuals_and_the_newest_forecast_issued_before_each_day(client: FlaskClient) -> None:
    history = client.get("/history?start=2023-06-19&end=2023-06-30", query_string=None).json
    assert len(history["actuals"]) == 2 * 12
    records = [row for row in history["forecasts"] if row["unique_id"] == CORRIB]
    assert [row["ds"] for row in records] == [f"2023-06-{day}" for day in range(19, 31)]
    assert [row["cutoff"] for row in records] == ["2023-06-18"] * 2 + ["2023-06-20"] * 5 + ["2023-06-25"] * 5


def test_history_has_what_other_versions_forecast_of_the_days_of_record(client: FlaskClient) -> None:
    shadows = client.get(f"/history?start=2023-06-19&end=2023-07-03&unique_id={CORRIB}").json["shadows"]
    assert {row["model_version"] for row in shadows} == {"2"}
    # Where version 2 was the only one, its forecast is the record and no shadow.
    assert [row["ds"] for row in shadows] == [f"2023-06-{day}" for day in range(21, 31)] + [
        f"2023-07-0{day}" for day in range(1, 4)
    ]


def test_history_of_one_series_is_of_that_series_only(client: FlaskClient) -> None:
    history = client.get("/history", query_string={"unique_id": CORRIB, "start": "2023-06-01"}).json
    assert {row["unique_id"] for row in history["actuals"] + history["forecasts"]} == {CORRIB}


def test_history_without_days_is_the_last_year(client: FlaskClient) -> None:
    history = client.get("/history").json
    assert (history["start"], history["end"]) == ("2022-07-01", "2023-06-30")


def test_decisions_come_newest_first(client: FlaskClient) -> None:
    decisions = client.get("/decisions").json["decisions"]
    assert [decision["verdict"] for decision in decisions] == ["hold", "promote"]
    (newest,) = client.get("/decisions?limit=1").json["decisions"]
    (older,) = client.get(f"/decisions?limit=1&before={newest['decision_id']}").json["decisions"]
    assert [newest["verdict"], older["verdict"]] == ["hold", "promote"]


def test_alerts_tell_their_state(client: FlaskClient) -> None:
    (alert,) = client.get("/alerts").json["alerts"]
    assert (alert["state"], alert["summary"]) == ("FIRING", "bias 3 GWh")
    assert client.get("/alerts?open_only=true&limit=1").json["alerts"] == [alert]
    for query in ({"before": alert["alert_id"]}, {"unique_id": CORRIB}):
        assert client.get("/alerts", query_string=query).json["alerts"] == []


def test_metrics_tell_requests_errors_forecasts_and_the_champion(client: FlaskClient) -> None:
    client.post("/predict", json={"start": "2023-07-01", "end": "2023-07-15"})
    client.post("/predict", json={})
    metrics = client.get("/metrics").text
    assert 'forecasting_app_request_seconds_count{endpoint="predict",method="POST"} 2.0' in metrics
    assert 'forecasting_app_errors_total{endpoint="predict",status="422"} 1.0' in metrics
    assert "forecasting_app_forecasts_served_total 30.0" in metrics
    assert 'forecasting_app_champion_info{cutoff="2023-06-15",version="1"} 1.0' in metrics
    assert "forecasting_app_champion_age_seconds" in metrics
    assert "forecasting_app_predictions_not_logged_total 0.0" in metrics


def test_without_a_database_only_what_needs_it_is_missing(make_app: Any, monkeypatch: Any) -> None:
    client = make_app(store=None, ledger=None).test_client()
    assert client.post("/predict", json={"start": "2023-06-16", "end": "2023-06-17"}).status_code == 200
    assert client.get("/model").json["promoted"] is None
    assert "later days" in client.post("/predict", json={"start": "2023-06-01", "end": "2023-06-02"}).json["detail"]
    for path in ("/history", "/decisions", "/alerts", "/feeds"):
        answer = client.get(path)
        assert (answer.status_code, "FORECASTING_POSTGRES_DSN" in answer.json["detail"]) == (503, True)


def test_what_was_answered_is_compared_with_what_came(make_app: Any, store: MemoryTableStore) -> None:
    app = make_app()
    client = app.test_client()
    service_of(app).watch.look()
    service_of(app).watch.refresh_features()
    asked = {"start": "2023-07-01", "end": "2023-07-15", "unique_id": CORRIB}
    forecasts = client.post("/predict", json=asked).json["forecasts"]
    client.post("/predict", json=asked)
    inputs = client.post("/simulate", json=asked).json["inputs"]
    client.post("/predict", json={"inputs": [{**row, "y": 9999.0} for row in inputs]})
    service_of(app).stop()
    assert client.get("/prediction-errors", query_string={"unique_id": CORRIB}).json["accuracy"] == []
    days = DateRange(date(2023, 7, 1), date(2023, 7, 15))
    came = pd.DataFrame([{"unique_id": CORRIB, "ds": row["ds"], "y": row["y_hat"] - 2.0} for row in forecasts])
    came["ds"] = pd.to_datetime(came["ds"])
    store.record_observations(came, days, available_at=datetime.now(UTC) + timedelta(hours=1))
    answered = client.get("/prediction-errors", query_string={"unique_id": CORRIB}).json
    assert (answered["start"], answered["end"]) == ("2023-04-17", "2023-07-15")
    found = answered["accuracy"]
    shown = [(row["model_version"], row["days_ahead"], row["forecasts"], row["answers"]) for row in found]
    assert shown == [("1", "1-3", 3, 6), ("1", "4-7", 4, 8), ("1", "8+", 8, 16)]
    assert all(abs(row["bias"] - 2.0) < 1e-9 and abs(row["rmse"] - 2.0) < 1e-9 for row in found)


def test_prediction_errors_of_an_unknown_series_are_not_found(client: FlaskClient) -> None:
    assert client.get("/prediction-errors?unique_id=nobody").status_code == 404
    assert client.get("/prediction-errors").status_code == 422

"""The forms of an answer: made beforehand or computed, JSON or CSV, whole or streamed, known or new to the client."""

import csv
import io
import json
from datetime import date, timedelta
from typing import Any

import pytest
from flask.testing import FlaskClient
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from forecasting_platform.adapters.memory.model_registry import MemoryModelRegistry
from forecasting_platform.forecasting.models.trained.forecasts import PARTS
from forecasting_platform.forecasting.models.trained.model import ForecastModel
from forecasting_platform.forecasting.series.days.date_range import DateRange
from forecasting_platform_tests.support.served_model import SERIES, MakeApp
from serve.service import service_of

CORRIB, OTHER = SERIES
NEXT = {"start": "2023-07-01", "end": "2023-07-15"}
PAST = {"start": "2023-06-21", "end": "2023-06-25", "unique_id": CORRIB}
LEVEL = {"level": [80, 95]}


def rows(client: FlaskClient, **body: Any) -> list[dict[str, Any]]:
    answer = client.post("/predict", json=body)
    assert answer.status_code == 200, answer.text
    found: list[dict[str, Any]] = answer.json["forecasts"]
    return found


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    first=st.integers(0, 14), days=st.integers(1, 15), chosen=st.sampled_from([None, CORRIB, OTHER, [OTHER, CORRIB]])
)
def test_what_was_made_beforehand_is_what_would_be_computed(
    app: Any, client: FlaskClient, first: int, days: int, chosen: Any
) -> None:
    period = DateRange(date(2023, 7, 1) + timedelta(days=first), date(2023, 7, 1) + timedelta(days=first + days - 1))
    body = {"start": str(period.start), "end": str(period.end)} | ({"unique_id": chosen} if chosen else {})
    # As of the newest observation is the same question, and is always computed.
    computed = client.post("/predict", json=body | {"as_of": "2023-06-30"})
    assert client.post("/predict", json=body).data == computed.data
    wanted = [chosen] if isinstance(chosen, str) else chosen
    beforehand = service_of(app).watch.require().precomputed.find(period, wanted)
    assert (beforehand is None) == (first + days > 15)


def test_as_of_a_day_the_forecast_knows_that_day_and_no_later_one(client: FlaskClient) -> None:
    as_of = rows(client, **PAST, as_of="2023-06-16")
    assert {row["cutoff"] for row in as_of} == {"2023-06-16"}
    issued = rows(client, start="2023-06-17", end="2023-06-25", unique_id=CORRIB)
    assert as_of == [row for row in issued if row["ds"] >= "2023-06-21"]


def test_as_of_a_day_that_is_asked_for_is_refused(client: FlaskClient) -> None:
    answer = client.post("/predict", json=PAST | {"as_of": "2023-06-21"})
    assert answer.status_code == 422
    assert "as_of 2023-06-21 does not lie before the start 2023-06-21" in answer.json["detail"]


def test_the_inputs_as_of_a_day_give_the_forecast_as_of_that_day(client: FlaskClient) -> None:
    inputs = client.post("/simulate", json=PAST | {"as_of": "2023-06-16"}).json["inputs"]
    assert rows(client, inputs=inputs) == rows(client, **PAST, as_of="2023-06-16")


def test_actuals_stand_beside_the_forecast_and_are_null_until_they_are_known(client: FlaskClient) -> None:
    history = client.get("/history", query_string=PAST | {"unique_id": CORRIB}).json["actuals"]
    assert [row["y"] for row in rows(client, **PAST, actuals=True)] == [row["y"] for row in history]
    assert [row["y"] is None for row in rows(client, start="2023-06-30", end="2023-07-02", actuals=True)] == 2 * [
        False, True, True,
    ]  # fmt: skip


@pytest.mark.parametrize("body", [NEXT, PAST])
def test_an_explanation_adds_up_to_the_forecast_of_a_range_and_of_its_inputs(
    client: FlaskClient, body: dict[str, Any]
) -> None:
    explained = rows(client, **body, explain=True)
    inputs = client.post("/simulate", json=body).json["inputs"]
    assert rows(client, inputs=inputs, explain=True) == explained
    for row, plain in zip(explained, rows(client, **body), strict=True):
        parts = {name: value for name, value in row.items() if name.startswith("explain_")}
        assert set(parts) == {f"explain_{part}" for part in PARTS}
        assert sum(parts.values()) == pytest.approx(row["y_hat"])
        assert {name: value for name, value in row.items() if name not in parts} == plain


def test_how_far_a_forecast_moved_since_a_day_is_told_part_by_part(client: FlaskClient) -> None:
    moved = rows(client, **NEXT, since="2023-06-28")
    before = {(row["unique_id"], row["ds"]): row["y_hat"] for row in rows(client, **NEXT, as_of="2023-06-28")}
    assert len(moved) == len(before)
    for row in moved:
        assert row["moved"] == pytest.approx(row["y_hat"] - before[row["unique_id"], row["ds"]])
        assert sum(row[f"moved_{part}"] for part in PARTS) == pytest.approx(row["moved"])
    assert any(abs(row["moved"]) > 0.01 for row in moved)


def test_since_the_day_that_a_forecast_as_of_a_day_knows_or_a_later_one_is_refused(client: FlaskClient) -> None:
    refused = client.post("/predict", json=NEXT | {"since": "2023-06-30"})
    assert refused.status_code == 422
    assert "since 2023-06-30 does not lie before 2023-06-30" in refused.json["detail"]
    assert client.post("/predict", json=NEXT | {"as_of": "2023-06-20", "since": "2023-06-20"}).status_code == 422
    assert rows(client, **NEXT, as_of="2023-06-20", since="2023-06-19")[0]["cutoff"] == "2023-06-20"


def test_since_a_day_of_which_nothing_is_known_is_refused_by_name(client: FlaskClient) -> None:
    refused = client.post("/predict", json=NEXT | {"since": "2017-01-01"})
    assert refused.status_code == 422
    assert "nothing is known on 2017-01-01 of" in refused.json["detail"]


def read_csv(answer: Any) -> list[dict[str, str]]:
    assert (answer.status_code, answer.mimetype) == (200, "text/csv")
    return list(csv.DictReader(io.StringIO(answer.text)))


def test_csv_holds_the_same_forecasts_and_names_their_version(client: FlaskClient) -> None:
    body = {"start": "2023-07-10", "end": "2023-07-20"}
    answer = client.post("/predict", json=body, headers={"Accept": "text/csv"})
    assert answer.headers["X-Model-Version"] == "1"
    expected = [{name: str(value) for name, value in row.items()} for row in rows(client, **body)]
    for row in expected:
        row["extrapolated"] = "true" if "extrapolated" in row else ""
        row["replaced"] = row["lacks_exogenous"] = row["new_series"] = ""
        row["closed"] = row["in_training"] = ""
    assert read_csv(answer) == expected


def test_input_rows_may_be_had_as_csv(client: FlaskClient) -> None:
    found = read_csv(client.post("/simulate", json=NEXT, headers={"Accept": "text/csv"}))
    inputs = client.post("/simulate", json=NEXT).json["inputs"]
    assert [(row["unique_id"], row["ds"], float(row["y"])) for row in found] == [
        (row["unique_id"], row["ds"], row["y"]) for row in inputs
    ]


@pytest.mark.parametrize(
    "accept", ["*/*", "application/json", "text/csv;q=0.1, application/json", "image/png", "nonsense"]
)
def test_json_is_answered_unless_csv_is_wanted_more(client: FlaskClient, accept: str) -> None:
    assert client.post("/predict", json=NEXT, headers={"Accept": accept}).mimetype == "application/json"


@pytest.mark.parametrize("accept", ["application/json", "text/csv"])
def test_a_large_answer_is_streamed_and_whole(
    client: FlaskClient, monkeypatch: pytest.MonkeyPatch, accept: str
) -> None:
    body, headers = NEXT | LEVEL | {"end": "2024-06-29"}, {"Accept": accept}
    monkeypatch.setattr("serve.forecasts.answers.CHUNK_ROWS", 100)
    whole = client.post("/predict", json=body, headers=headers)
    monkeypatch.setattr("serve.http.responses.PIECE_ROWS", 50)
    streamed = client.post("/predict", json=body, headers=headers)
    assert "Content-Length" in whole.headers
    assert "Content-Length" not in streamed.headers
    assert "ETag" not in streamed.headers
    assert streamed.data == whole.data


@pytest.mark.parametrize("body", [NEXT, PAST, NEXT | {"level": [90]}])
@pytest.mark.parametrize("accept", ["application/json", "text/csv"])
def test_a_client_that_has_the_answer_gets_304(client: FlaskClient, body: dict[str, Any], accept: str) -> None:
    first = client.post("/predict", json=body, headers={"Accept": accept})
    assert first.headers["Cache-Control"] == "private, no-cache"
    again = client.post("/predict", json=body, headers={"Accept": accept, "If-None-Match": first.headers["ETag"]})
    assert (again.status_code, again.data, again.headers["ETag"]) == (304, b"", first.headers["ETag"])
    other = client.post("/predict", json=body, headers={"Accept": accept, "If-None-Match": '"another"'})
    assert other.data == first.data


def test_the_tag_changes_with_the_range_and_with_the_champion(
    make_app: MakeApp, naive_and_seasonal: tuple[ForecastModel, ForecastModel]
) -> None:
    registry = MemoryModelRegistry()
    registry.move_champion(registry.register(naive_and_seasonal[0], plots={}, run_tags={}), expected=None)
    app = make_app(registry=registry)
    client = app.test_client()
    asked = [NEXT | {"end": "2023-07-14"}, NEXT, *(NEXT | {"unique_id": unique_id} for unique_id in SERIES)]
    tags = [client.post("/predict", json=body).headers["ETag"] for body in asked]
    registry.move_champion(registry.register(naive_and_seasonal[1], plots={}, run_tags={}), expected="1")
    service_of(app).watch.look()
    tags.append(client.post("/predict", json=NEXT).headers["ETag"])
    assert len(set(tags)) == len(tags)


def test_a_log_line_of_a_request_is_json_and_tells_no_key(make_app: MakeApp, caplog: pytest.LogCaptureFixture) -> None:
    from forecasting_platform.json_lines import JsonLines
    from forecasting_platform.settings import Settings

    client = make_app(Settings(api_keys="open-sesame")).test_client()
    with caplog.at_level("INFO", "serve.requests"):
        answer = client.post("/predict", json=NEXT, headers={"X-API-Key": "open-sesame"})
    (line,) = [json.loads(JsonLines().format(record)) for record in caplog.records if record.name == "serve.requests"]
    assert (line["message"], line["status"], line["path"]) == ("answered", 200, "/predict")
    assert line["request_id"] == answer.headers["X-Request-ID"]
    assert "sesame" not in caplog.text

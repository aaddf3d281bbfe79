"""What a request may cost: each limit is checked before the work that it limits. Counted, never timed."""

from typing import Any
from unittest.mock import create_autospec

import orjson
import pandas as pd
import pytest
from flask.testing import FlaskClient
from pydantic import BaseModel, ValidationError
from werkzeug.exceptions import BadRequest, RequestEntityTooLarge

from forecasting_platform.adapters.memory.ledger import MemoryLedger
from forecasting_platform.adapters.memory.table_store import MemoryTableStore
from forecasting_platform.forecasting.models.trained.model import ForecastModel
from forecasting_platform.forecasting.series.features.inputs import ModelInputs
from forecasting_platform.ports.ledger import Ledger
from forecasting_platform.repetitions import first_repeated
from forecasting_platform_tests.support.served_model import SERIES, MakeApp
from serve.forecasts.answers import MAX_INPUT_ROWS
from serve.http import rate_limit
from serve.http.rate_limit import RateLimit
from serve.http.schemas.fields import MAX_EXOGENOUS
from serve.http.schemas.requests import (
    AcknowledgeBody,
    HistoryQuery,
    ModelQuery,
    MuteBody,
    PredictBody,
    RangeBody,
    WhatIfBody,
)
from serve.http.strict_json import MAX_RANGE_BYTES, MAX_VALUES, parse_object

NEXT = {"start": "2023-07-01", "end": "2023-07-15"}
MANY = 20_000
MAX_ERRORS = 2 * MAX_EXOGENOUS
"""Errors of one body at most: each takes a fiftieth of a millisecond to be made into text."""


def many(value: Any) -> list[Any]:
    return [value] * MANY


def fields(value: Any) -> dict[str, Any]:
    return {f"field {n}": value for n in range(MANY)}


HOSTILE = [many({}), many(None), many("a"), many(0), many([]), fields(0), fields({}), "x" * 10**6, 10**300]
BODIES: list[tuple[type[BaseModel], dict[str, Any]]] = [
    (PredictBody, {**NEXT, "unique_id": 0, "level": 0, "as_of": 0, "actuals": 0, "explain": 0, "since": 0}),
    (PredictBody, {"inputs": 0, "level": 0, "explain": 0}),
    (RangeBody, NEXT),
    (WhatIfBody, {**NEXT, "changes": 0}),
    (AcknowledgeBody, {"alert_id": 0, "by": 0}),
    (MuteBody, {"pattern": 0, "hours": 0, "reason": 0, "by": 0}),
    (HistoryQuery, {"start": 0, "end": 0, "unique_id": 0}),
    (ModelQuery, {"unique_id": 0}),
]


@pytest.mark.parametrize(("model", "body"), BODIES)
@pytest.mark.parametrize("hostile", range(len(HOSTILE)))
def test_no_field_of_any_body_leads_to_many_errors(model: type[BaseModel], body: dict[str, Any], hostile: int) -> None:
    for name in body:
        assert _errors(model, body | {name: HOSTILE[hostile]}) <= MAX_ERRORS, name
    assert _errors(model, body | fields(HOSTILE[hostile])) <= MAX_ERRORS


@pytest.mark.parametrize(
    "row",
    [{}, fields(0), {"exogenous": fields("a")}, {"exogenous": {f"{n}": "a" for n in range(MAX_EXOGENOUS)}}],
    ids=["empty", "fields", "many exogenous", "as many exogenous as there may be"],
)
def test_no_input_rows_lead_to_many_errors(row: dict[str, Any]) -> None:
    assert 0 < _errors(PredictBody, {"inputs": [row] * 3}) <= MAX_ERRORS
    assert 0 < _errors(PredictBody, {"inputs": [row] * MAX_INPUT_ROWS}) <= MAX_ERRORS


@pytest.mark.parametrize("exogenous", [fields({}), fields({"set": "1"})])
def test_no_scenario_leads_to_many_errors(exogenous: dict[str, Any]) -> None:
    assert 0 < _errors(WhatIfBody, {**NEXT, "changes": {"exogenous": exogenous}}) <= MAX_ERRORS


def _errors(model: type[BaseModel], body: dict[str, Any]) -> int:
    try:
        model.model_validate(body)
    except ValidationError as error:
        return error.error_count()
    return 0


def test_thousands_of_empty_rows_are_refused_with_twenty_errors(client: FlaskClient) -> None:
    answer = client.post("/predict", json={"inputs": [{}] * MAX_INPUT_ROWS})
    assert answer.status_code == 422
    assert len(answer.json["errors"]) == 20
    more = client.post("/predict", json={"inputs": [{}] * (MAX_INPUT_ROWS + 1)})
    assert f"at most {MAX_INPUT_ROWS} are taken" in more.json["detail"]


@pytest.mark.parametrize("text", [b"[],", b"{},", b'{"a":0},', b"0,"])
def test_a_body_of_too_many_values_is_refused_before_it_is_parsed(text: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(orjson, "loads", _never)
    with pytest.raises(RequestEntityTooLarge, match=f"more than {MAX_VALUES} values"):
        parse_object(b'{"inputs":[' + text * (MAX_VALUES + 1) + b"0]}")


def test_a_large_body_is_taken_for_input_rows_only(client: FlaskClient, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("serve.http.strict_json.parse_object", _never)
    padded = b" " * MAX_RANGE_BYTES
    for path, body in (("/predict", b"{}"), ("/simulate", b'{"inputs":[]}'), ("/alerts/mute", b'{"inputs":[]}')):
        answer = client.post(path, data=padded + body, content_type="application/json")
        assert answer.status_code == 413, path


@pytest.mark.parametrize("text", [b'{"inputs":[{%b,"0":1}]}', b'{%b,"0":1}'])
def test_a_repeated_field_is_found_among_many_in_one_pass(text: bytes) -> None:
    with pytest.raises(BadRequest, match="'0' is given twice"):
        parse_object(text % b",".join(b'"%d":0' % n for n in range(100_000)))


def test_the_names_before_a_repeated_one_are_each_looked_at_once() -> None:
    class Name(str):
        compared = 0

        def __eq__(self, other: object) -> bool:
            Name.compared += 1
            return str.__eq__(self, other)

        __hash__ = str.__hash__

    assert first_repeated(Name(n % 10_000) for n in range(10_001)) == "0"
    assert Name.compared < 100


def _never(*_: object) -> None:
    raise AssertionError("it was parsed")


# ---- what a client invents is kept nowhere


def test_invented_methods_and_paths_become_no_labels_of_metrics(client: FlaskClient) -> None:
    before = _series(client)
    for n in range(50):
        client.open("/predict", method=f"INVENTED{n}", headers={"Content-Type": f"a/{n}", "Accept": f"a/{n}"})
        client.open(f"/nothing/{n}", method=f"INVENTED{n}")
    assert len(_series(client) - before) < 40
    assert not any("INVENTED" in name or "nothing" in name for name in _series(client))


def _series(client: FlaskClient) -> set[str]:
    lines = client.get("/metrics").text.splitlines()
    return {line.rpartition(" ")[0] for line in lines if not line.startswith("#")}


@pytest.mark.parametrize("headers", [{}, {"Host": "x" * 50_000}, {"Origin": "x" * 50_000}])
def test_a_long_request_has_a_short_answer_and_a_short_line_in_the_log(
    client: FlaskClient, headers: dict[str, str], caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO", logger="serve")
    answer = client.open("/" + "x" * 50_000, method="A" * 5_000, headers=headers)
    assert len(answer.data) < 1_000
    assert all(len(str(vars(record))) < 2_000 for record in caplog.records)


def test_addresses_without_end_are_not_all_remembered(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rate_limit, "MAX_ADDRESSES", 10)
    limit = RateLimit("2 per day")
    for n in range(1_000):
        limit.take(f"address {n}")
    assert len(limit._taken) <= 10


# ---- nothing is read that is not answered


@pytest.fixture
def watched_ledger(ledger: MemoryLedger) -> Any:
    """The ledger, with its calls recorded."""
    watched = create_autospec(Ledger, instance=True)
    for name in ("decisions", "alerts", "acknowledge"):
        getattr(watched, name).side_effect = getattr(ledger, name)
    return watched


def test_the_evidence_of_decisions_is_read_only_where_it_is_answered(make_app: MakeApp, watched_ledger: Any) -> None:
    client = make_app(ledger=watched_ledger).test_client()
    model, bare = client.get("/model"), client.get("/decisions")
    assert (model.json["promoted"], bare.status_code) == ("2023-06-16T09:00:00+00:00", 200)
    calls = watched_ledger.decisions.mock_calls
    assert not any(call.kwargs["with_evidence"] for call in calls)
    # Without a limit: the metrics' own look, in the background.
    assert {call.args for call in calls} - {()} <= {(1,), (50,)}
    assert len(client.get("/decisions?evidence=true").json["decisions"]) == 2
    assert [call.args for call in calls if call.kwargs["with_evidence"]] == [(5,)]


def test_incidents_are_read_as_many_as_are_answered(make_app: MakeApp, watched_ledger: Any) -> None:
    client = make_app(ledger=watched_ledger).test_client()
    client.get("/alerts")
    client.post("/alerts/acknowledge", json={"alert_id": "none@1", "by": "Áine"})
    assert [call.kwargs["limit"] for call in watched_ledger.alerts.mock_calls if "limit" in call.kwargs] == [50, 5]


def test_a_model_of_many_series_is_described_in_part_and_says_so(client: FlaskClient) -> None:
    answer = client.get("/model?limit=1").json
    assert ([row["unique_id"] for row in answer["series"]], answer["series_count"]) == ([SERIES[0]], 2)
    other = client.get("/model", query_string={"unique_id": SERIES[1]}).json
    assert [row["unique_id"] for row in other["series"]] == [SERIES[1]]
    assert client.get("/model?unique_id=nobody").status_code == 404


def test_a_history_of_more_days_and_series_than_are_shown_is_refused_before_it_is_read(
    make_app: MakeApp, store: MemoryTableStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("serve.forecasts.history.MAX_SERIES_DAYS", 100)
    recorded = Recorded(store)
    client = make_app(store=recorded).test_client()
    answer = client.get("/history?start=2023-01-01&end=2023-02-20")
    assert answer.status_code == 422
    assert "51 days; at most 35 of 2 series" in answer.json["detail"]
    assert not recorded.called & {"read", "read_observations"}


def test_a_history_without_a_range_is_as_long_as_the_series_let_it_be(
    client: FlaskClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("serve.forecasts.history.MAX_SERIES_DAYS", 100)
    whole = client.get("/history").json
    assert (whole["start"], whole["end"]) == ("2023-05-27", "2023-06-30")
    one = client.get("/history", query_string={"unique_id": SERIES[0]}).json
    assert one["start"] == "2023-04-07"


def test_the_parts_of_a_forecast_are_computed_once_however_they_are_asked_for(
    client: FlaskClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    explained: list[int] = []
    explain = ForecastModel.explain

    def recorded(model: ForecastModel, inputs: ModelInputs) -> pd.DataFrame:
        explained.append(len(inputs))
        return explain(model, inputs)

    monkeypatch.setattr(ForecastModel, "explain", recorded)
    answer = client.post("/predict", json=NEXT | {"explain": True, "since": "2023-06-20"})
    assert answer.status_code == 200
    assert explained == [30, 30], "as forecast now, and as forecast then"


class Recorded:
    """A store whose calls are recorded by name."""

    def __init__(self, store: MemoryTableStore) -> None:
        self.called: set[str] = set()
        self._store = store

    def __getattr__(self, name: str) -> Any:
        self.called.add(name)
        return getattr(self._store, name)


def test_the_first_day_of_a_series_is_read_without_its_history(make_app: MakeApp, store: MemoryTableStore) -> None:
    recorded = Recorded(store)
    client = make_app(store=recorded).test_client()
    answer = client.post("/predict", json={"start": "2000-01-01", "end": "2000-01-02", "unique_id": SERIES[0]})
    assert answer.status_code == 422
    assert "the first day that can be asked of 'Corrib production' is 2023-01-02" in answer.json["detail"]
    assert recorded.called == {"read_newest", "span"}

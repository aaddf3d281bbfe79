import hashlib
import json
import re
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from forecasting_platform.adapters.memory.ledger import MemoryLedger
from forecasting_platform.errors import ConfigurationError
from forecasting_platform.settings import Settings
from serve.http.app import create_app
from serve.http.strict_json import MAX_INPUTS_BYTES, MAX_RANGE_BYTES

NEXT = {"start": "2023-07-01", "end": "2023-07-15"}
JSON = {"content_type": "application/json"}
FAIR = {200, 400, 404, 413, 415, 422}


@pytest.mark.parametrize(
    ("method", "path", "sent", "status"),
    [
        ("POST", "/predict", {"data": b"{", **JSON}, 400),
        ("POST", "/predict", {"data": b"", **JSON}, 400),
        ("POST", "/predict", {"data": b"\xff\xfe\x00", **JSON}, 400),
        ("POST", "/predict", {"data": b'{"start": NaN}', **JSON}, 400),
        ("POST", "/predict", {"data": rb'{"start": "\ud800"}', **JSON}, 400),
        ("POST", "/predict", {"data": b'{"start": 1, "start": 2}', **JSON}, 400),
        ("POST", "/predict", {"data": b"[" * 100_000, **JSON}, 400),
        ("POST", "/predict", {"data": b'{"a":' * 2_000 + b"1" + b"}" * 2_000, **JSON}, 400),
        ("POST", "/predict", {"data": b"9" * 10_000, **JSON}, 400),
        ("POST", "/predict", {"data": json.dumps(json.dumps(NEXT)), **JSON}, 422),
        ("POST", "/predict", {"data": b"null", **JSON}, 422),
        ("POST", "/simulate", {"data": b"[]", **JSON}, 422),
        ("POST", "/simulate", {"json": {"inputs": []}}, 422),
        ("POST", "/predict", {"data": json.dumps(NEXT)}, 415),
        ("POST", "/predict", {"data": json.dumps(NEXT), "content_type": "text/plain"}, 415),
        ("POST", "/predict", {"data": b" " * (MAX_RANGE_BYTES + 1) + b"{}", **JSON}, 413),
        ("GET", "/predict", {}, 405),
        ("POST", "/model", {}, 405),
        ("GET", "/nothing", {}, 404),
        ("GET", "/history?start=yesterday", {}, 422),
        ("GET", "/history?start=2023-07-02&end=2023-07-01", {}, 422),
        ("GET", "/history?begin=2023-07-02", {}, 422),
        ("GET", "/history?start=1990-01-01", {}, 422),
        ("GET", "/history?unique_id=nobody", {}, 404),
        ("GET", "/history?unique_id=%00", {}, 422),
    ],
)
def test_an_error_is_a_problem_document_that_tells_what_is_wrong(
    client: FlaskClient, method: str, path: str, sent: dict[str, Any], status: int
) -> None:
    answer = client.open(path, method=method, **sent)
    assert (answer.status_code, answer.mimetype) == (status, "application/problem+json"), answer.text
    assert answer.json.keys() - {"errors"} == {"type", "title", "status", "detail", "instance"}
    assert answer.json["status"] == status
    assert answer.json["instance"] == path.split("?")[0]
    assert len(answer.json["detail"]) > 10


def test_a_body_larger_than_any_input_frame_is_refused_unread(client: FlaskClient) -> None:
    answer = client.post("/predict", environ_overrides={"CONTENT_LENGTH": f"{MAX_INPUTS_BYTES + 1}"}, **JSON)
    assert (answer.status_code, answer.mimetype) == (413, "application/problem+json")


def test_405_says_what_is_allowed(client: FlaskClient) -> None:
    assert "POST" in client.get("/predict").headers["Allow"]


def test_a_failure_says_nothing_of_its_inside(make_app: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*arguments: object) -> None:
        raise ZeroDivisionError("secret inside")

    monkeypatch.setattr("serve.http.routes.inputs_for", fail)
    answer = make_app().test_client().post("/simulate", json=NEXT)
    assert (answer.status_code, answer.mimetype) == (500, "application/problem+json")
    assert "secret" not in answer.text
    assert answer.headers["X-Request-ID"] in answer.json["detail"]


ANY_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.dates().map(str),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=12,
)
FIELDS = st.sampled_from(["start", "end", "unique_id", "level", "inputs", "Corrib production"])
PROPERTY = settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


@PROPERTY
@given(
    path=st.sampled_from(["/predict", "/simulate"]),
    body=st.dictionaries(FIELDS, ANY_JSON | FIELDS, max_size=5) | ANY_JSON,
)
def test_no_json_makes_the_app_fail(client: FlaskClient, path: str, body: Any) -> None:
    answer = client.post(path, data=json.dumps(body), content_type="application/json")
    assert answer.status_code in FAIR, answer.text


@PROPERTY
@given(start=st.dates().map(str), end=st.dates().map(str), level=st.lists(st.integers(45, 105), max_size=3))
def test_no_range_makes_the_app_fail(client: FlaskClient, start: str, end: str, level: list[int]) -> None:
    assert client.post("/predict", json={"start": start, "end": end, "level": level}).status_code in FAIR


@PROPERTY
@given(body=st.binary(max_size=200))
def test_no_bytes_make_the_app_fail(client: FlaskClient, body: bytes) -> None:
    assert client.post("/predict", data=body, content_type="application/json").status_code in FAIR


@PROPERTY
@given(data=st.data())
def test_no_input_row_makes_the_app_fail(client: FlaskClient, data: st.DataObject) -> None:
    (row,) = client.post(
        "/simulate", json={"start": "2023-07-01", "end": "2023-07-01", "unique_id": "Corrib production"}
    ).json["inputs"]
    numbers = st.floats(allow_nan=False, allow_infinity=False)
    changes = data.draw(
        st.dictionaries(st.sampled_from(sorted(row)), numbers | st.dates().map(str) | ANY_JSON, max_size=4)
    )
    answer = client.post("/predict", data=json.dumps({"inputs": [row | changes]}), content_type="application/json")
    assert answer.status_code in FAIR, answer.text


TOKEN = st.text(st.characters(codec="latin-1", exclude_characters="\r\n\x00"), max_size=80)
HEADERS = st.dictionaries(
    st.sampled_from(
        ["Accept", "Authorization", "Content-Type", "Content-Encoding", "Cookie", "Host", "If-None-Match", "Range",
         "Transfer-Encoding", "X-API-Key", "X-Forwarded-For", "X-HTTP-Method-Override", "Origin"]
    ),
    TOKEN | st.sampled_from(["text/csv", "*/*;q=x", '"a", W/"b"', "application/json; charset=utf-16", "Bearer "]),
    max_size=5,
)  # fmt: skip


@PROPERTY
@given(headers=HEADERS, path=st.sampled_from(["/predict", "/whatif", "/", "/model", "/openapi.json"]) | TOKEN)
def test_no_header_or_path_makes_the_app_fail(client: FlaskClient, headers: dict[str, str], path: str) -> None:
    for method, sent in (("POST", {"data": json.dumps(NEXT)}), ("GET", {})):
        answer = client.open(f"/{path.lstrip('/')}", method=method, headers=headers, **sent)  # type: ignore[arg-type] # dict
        assert answer.status_code < 500, answer.text


def test_a_limit_on_requests_answers_429(make_app: Any) -> None:
    client = make_app(Settings(app_rate_limit="2 per hour")).test_client()
    answers = [client.get("/model") for _ in range(3)]
    assert [answer.status_code for answer in answers] == [200, 200, 429]
    assert answers[-1].mimetype == "application/problem+json"
    assert int(answers[-1].headers["Retry-After"]) > 0
    # What watches the app is never turned away.
    assert client.get("/health").status_code == 200


def test_without_a_key_nothing_is_told_when_keys_are_set(make_app: Any) -> None:
    client = make_app(Settings(api_keys="first-key, second-key", app_host="0.0.0.0")).test_client()
    for path in ("/model", "/history", "/decisions", "/alerts", "/feeds", "/metrics", "/nothing"):
        answer = client.get(path)
        assert (answer.status_code, answer.mimetype) == (401, "application/problem+json"), path
        assert answer.headers["WWW-Authenticate"].lower() == "bearer"
    for path in ("/", "/docs", "/openapi.json", "/health", "/ready", "/static/app.js"):
        assert client.get(path, buffered=True).status_code == 200, path


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"X-API-Key": "second-key"}, 200),
        ({"Authorization": "Bearer first-key"}, 200),
        ({"X-API-Key": "first-key, second-key"}, 401),
        ({"X-API-Key": ""}, 401),
        ({"Authorization": "Bearer"}, 401),
        ({"Authorization": "Basic Zmlyc3Qta2V5Og=="}, 401),
    ],
)
def test_a_known_key_lets_a_request_pass(make_app: Any, headers: dict[str, str], status: int) -> None:
    client = make_app(Settings(api_keys="first-key, second-key")).test_client()
    assert client.post("/predict", json=NEXT, headers=headers).status_code == status


KEY_HASH = "sha256:" + hashlib.sha256(b"first-key").hexdigest()


@pytest.mark.parametrize(
    ("key", "status"), [("first-key", 200), (KEY_HASH, 401), (KEY_HASH.removeprefix("sha256:"), 401)]
)
def test_a_key_may_be_set_as_its_hash_which_is_no_key(make_app: Any, key: str, status: int) -> None:
    client = make_app(Settings(api_keys=f"{KEY_HASH}, second-key")).test_client()
    assert client.post("/predict", json=NEXT, headers={"X-API-Key": key}).status_code == status


@pytest.mark.parametrize("held", ["secret-by-mistake", "abcd"])
def test_a_hash_that_is_none_is_refused_without_quoting_it(held: str) -> None:
    with pytest.raises(ConfigurationError, match="64 hexadecimal digits") as refused:
        create_app(Settings(api_keys=f"sha256:{held}"))
    assert held not in str(refused.value)


def test_a_client_shows_the_first_plain_key_or_the_one_of_its_own() -> None:
    assert Settings(api_keys=f"{KEY_HASH}, second-key").api_key_header() == {"X-API-Key": "second-key"}
    assert Settings(api_keys=KEY_HASH, api_key="first-key").api_key_header() == {"X-API-Key": "first-key"}
    assert Settings(api_keys=KEY_HASH).api_key_header() == {}


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.168.1.7", "forecasts.example.org"])
@pytest.mark.parametrize("keys", [None, "", " , "])
def test_an_open_interface_without_keys_is_refused(host: str, keys: str | None) -> None:
    with pytest.raises(ConfigurationError, match="FORECASTING_API_KEYS"):
        create_app(Settings(app_host=host, api_keys=keys))


@pytest.mark.parametrize("path", ["/", "/docs", "/health", "/nothing", "/static/app.css"])
def test_every_answer_forbids_what_a_browser_need_not_do(client: FlaskClient, path: str) -> None:
    headers = client.get(path, buffered=True).headers
    policy = headers["Content-Security-Policy"]
    assert "default-src 'none'" in policy
    assert "frame-ancestors 'none'" in policy
    assert "unsafe" not in policy
    assert headers["X-Content-Type-Options"] == "nosniff"
    assert headers["Referrer-Policy"] == "no-referrer"


@pytest.mark.parametrize("path", ["/", "/docs"])
def test_a_page_asks_nothing_of_other_hosts_and_has_nothing_inline(client: FlaskClient, path: str) -> None:
    page = client.get(path).text
    assert not re.search(r"https?://|<style|style=|<script>|\son[a-z]+=", page)
    for asset in re.findall(r'(?:src|href)="(/[^"]+)"', page):
        assert client.get(asset, buffered=True).status_code == 200, asset


def test_the_api_describes_every_endpoint_it_has(app: Flask, client: FlaskClient) -> None:
    document = client.get("/openapi.json").json
    described = {(path, method.upper()) for path, methods in document["paths"].items() for method in methods}
    answered = {
        (rule.rule, method)
        for rule in app.url_map.iter_rules()
        for method in rule.methods - {"HEAD", "OPTIONS"}
        if rule.endpoint.startswith("api.")
    }
    assert answered - described == {("/", "GET"), ("/docs", "GET"), ("/openapi.json", "GET")}
    assert described <= answered
    references = set(re.findall(r"#/components/schemas/(\w+)", json.dumps(document)))
    assert {"Problem"} < references <= document["components"]["schemas"].keys()
    problems = document["paths"]["/predict"]["post"]["responses"]["422"]["content"]
    assert list(problems) == ["application/problem+json"]


def test_an_incident_that_is_not_open_cannot_be_acknowledged(client: FlaskClient) -> None:
    answer = client.post("/alerts/acknowledge", json={"alert_id": "none@1", "by": "Áine"})
    assert answer.status_code == 404
    assert "forecast_errors:forecast_bias_within_budget@7" in answer.json["detail"]


@pytest.mark.parametrize(
    ("changed", "field"),
    [({"reason": " "}, "reason"), ({"by": ""}, "by"), ({"hours": -1}, "hours"), ({"hours": "1"}, "hours")],
)
def test_a_mute_without_a_name_a_reason_or_an_end_is_refused(
    client: FlaskClient, ledger: MemoryLedger, changed: dict[str, Any], field: str
) -> None:
    body = {"pattern": "forecast_errors:*", "hours": 1, "reason": "an outage", "by": "Áine"} | changed
    answer = client.post("/alerts/mute", json=body)
    assert (answer.status_code, answer.json["errors"][0]["field"]) == (422, field)
    assert ledger.mutes() == []

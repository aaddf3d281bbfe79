"""Requests for a foreign Host, and those that another site's page sent, are refused: the rule, and the app under it."""

from typing import Any

import pytest
from flask.testing import FlaskClient

from forecasting_platform.adapters.memory.ledger import MemoryLedger
from forecasting_platform.errors import ConfigurationError
from forecasting_platform.settings import Settings
from forecasting_platform.site_guard import SiteGuard

THIS_MACHINE = ["localhost", "localhost:3002", "LOCALHOST:3002", "127.0.0.1", "127.0.0.1:3000", "[::1]", "[::1]:3002"]
FOREIGN = [
    "evil.example",
    "evil.example:3002",
    "localhost.evil.example",
    "127.0.0.1.evil.example",
    "evil.example, localhost",
    "localhost@evil.example",
    "localhost:3002:evil",
    "localhost:",
    "10.1.2.3",
    "10.1.2.3:3002",
    "0.0.0.0:3002",
    "[::]:3002",
    "::1",
    "",
    None,
]


@pytest.mark.parametrize("host", THIS_MACHINE)
def test_this_machine_is_known_by_its_names_with_any_port(host: str) -> None:
    assert SiteGuard().refusal(host, None, None) is None


@pytest.mark.parametrize("host", FOREIGN)
@pytest.mark.parametrize("interface", ["127.0.0.1", "0.0.0.0", "::"])
def test_a_foreign_host_is_refused_with_the_setting_that_admits_it(host: str | None, interface: str) -> None:
    refusal = SiteGuard(interface=interface).refusal(host, None, None)
    assert refusal is not None
    assert "FORECASTING_ALLOWED_HOSTS" in refusal


@pytest.mark.parametrize(
    ("names", "interface", "host", "known"),
    [
        ("app.example.org", "0.0.0.0", "app.example.org", True),
        ("app.example.org", "0.0.0.0", "App.Example.org:8443", True),
        ("App.Example.org", "0.0.0.0", "app.example.org", True),
        ("a.example, b.example:8443,", "0.0.0.0", "b.example:8443", True),
        ("b.example:8443", "0.0.0.0", "b.example", False),
        ("b.example:8443", "0.0.0.0", "b.example:3002", False),
        ("example.org", "0.0.0.0", "app.example.org", False),
        ("", "10.1.2.3", "10.1.2.3:3002", True),
        ("", "fd00::7", "[fd00::7]:3002", True),
        ("fd00::7", "::", "[fd00::7]:3002", True),
    ],
)
def test_the_interface_and_the_settings_names_are_known(names: str, interface: str, host: str, known: bool) -> None:
    assert (SiteGuard(names, interface).refusal(host, None, None) is None) == known


@pytest.mark.parametrize("name", ["https://app.example.org", "*.example.org", "app.example.org/", "a b", "app:port"])
def test_a_setting_that_is_no_host_is_refused_with_an_example(name: str) -> None:
    with pytest.raises(ConfigurationError, match=r"FORECASTING_ALLOWED_HOSTS.*app\.example\.org"):
        SiteGuard(name)


@pytest.mark.parametrize(
    ("origin", "fetch_site", "answered"),
    [
        (None, None, True),
        (None, "none", True),
        (None, "same-origin", True),
        ("http://127.0.0.1:3002", None, True),
        ("http://127.0.0.1:3002", "same-origin", True),
        # A proxy in front speaks HTTPS; it passes the Host on.
        ("https://127.0.0.1:3002", "same-origin", True),
        ("null", "same-origin", True),
        ("null", None, False),
        ("null", "cross-site", False),
        (None, "cross-site", False),
        (None, "same-site", False),
        (None, "Same-Origin, cross-site", False),
        (None, "", False),
        ("http://127.0.0.1:3000", None, False),
        ("http://localhost:3002", None, False),
        ("http://evil.example", None, False),
        ("http://evil.example", "same-origin", False),
        ("http://evil.example", "none", False),
        ("http://127.0.0.1:3002.evil.example", None, False),
        ("file://127.0.0.1:3002", None, False),
        ("127.0.0.1:3002", None, False),
        ("", None, False),
    ],
)
def test_what_a_page_of_another_site_sends_is_refused(
    origin: str | None, fetch_site: str | None, answered: bool
) -> None:
    assert (SiteGuard().refusal("127.0.0.1:3002", origin, fetch_site) is None) == answered


def test_a_default_port_may_be_left_out_on_either_side() -> None:
    guard = SiteGuard("app.example.org")
    for host, origin in [
        ("app.example.org:443", "https://app.example.org"),
        ("app.example.org", "https://app.example.org:443"),
        ("app.example.org:80", "http://APP.example.org"),
    ]:
        assert guard.refusal(host, origin, None) is None
    assert guard.refusal("app.example.org", "https://app.example.org:8443", None) is not None


@pytest.mark.parametrize(
    ("host", "known"),
    [("10.1.2.3:3002", True), ("[fd00::7]", True), (None, True), ("", False), ("evil.example", False)],
)
def test_a_health_check_may_name_any_address_or_nothing_but_no_name(host: str | None, known: bool) -> None:
    assert (SiteGuard().refusal(host, None, None, any_address=True) is None) == known


def test_a_refusal_quotes_little_of_a_header() -> None:
    refusal = SiteGuard().refusal("x" * 60_000, None, None)
    assert refusal is not None
    assert len(refusal) < 300


ROUTES = [
    "/",
    "/docs",
    "/docs/swagger/swagger-ui.css",
    "/static/app.js",
    "/openapi.json",
    "/health",
    "/ready",
    "/metrics",
    "/model",
    "/history",
    "/decisions",
    "/alerts",
    "/feeds",
    "/nothing",
]


@pytest.mark.parametrize("path", ROUTES)
@pytest.mark.parametrize(
    "headers",
    [
        {"Host": "rebound.example"},
        {"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "navigate", "Sec-Fetch-Dest": "document"},
        {"Sec-Fetch-Site": "same-site"},
        {"Origin": "http://evil.example"},
    ],
    ids=str,
)
def test_every_read_is_refused_to_another_site(client: FlaskClient, path: str, headers: dict[str, str]) -> None:
    answer = client.get(path, headers=headers)
    assert (answer.status_code, answer.mimetype) == (403, "application/problem+json")


@pytest.mark.parametrize("method", ["GET", "HEAD", "POST", "PUT", "OPTIONS", "INVENTED"])
def test_every_method_is_refused_to_another_site(client: FlaskClient, method: str) -> None:
    answer = client.open("/predict", method=method, headers={"Origin": "http://evil.example"})
    assert answer.status_code == 403


def test_another_site_mutes_nothing_and_our_page_does(client: FlaskClient, ledger: MemoryLedger) -> None:
    body = {"pattern": "*", "hours": 1, "reason": "an outage", "by": "Áine"}
    for headers in ({"Host": "rebound.example"}, {"Sec-Fetch-Site": "cross-site"}, {"Origin": "http://evil.example"}):
        assert client.post("/alerts/mute", json=body, headers=headers).status_code == 403
    assert ledger.mutes() == []
    ours = {"Sec-Fetch-Site": "same-origin", "Origin": "http://localhost"}
    assert client.post("/alerts/mute", json=body, headers=ours).status_code == 200
    assert len(ledger.mutes()) == 1


def test_a_load_balancer_asks_each_process_under_its_address_for_its_health_only(client: FlaskClient) -> None:
    headers = {"Host": "10.1.2.3:3002"}
    answers = {path: client.get(path, headers=headers).status_code for path in ("/health", "/ready", "/model")}
    assert answers == {"/health": 200, "/ready": 200, "/model": 403}


def test_a_name_of_the_setting_is_answered(make_app: Any) -> None:
    client = make_app(Settings(allowed_hosts="app.example.org")).test_client()
    assert client.get("/health", headers={"Host": "app.example.org"}).status_code == 200
    assert client.get("/health", headers={"Host": "other.example.org"}).status_code == 403

"""Dagster's web server behind the guard: no other site's page reads or commands it, its own pages and clients do."""

import asyncio
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any
from unittest.mock import Mock
from urllib.parse import quote

import pytest
import uvicorn
from dagster_webserver import cli
from pydantic import SecretStr

from forecasting_platform.gateway_identity import HEADER, GatewayIdentity
from forecasting_platform.local.dagster.api import DagsterApi
from forecasting_platform.orchestration.dagster_instance.webserver import GuardedApplication, guard_web_server
from forecasting_platform.site_guard import SiteGuard
from forecasting_platform_tests.support.dagster_web_server import MUTATION, asked, running_web_server, was_commanded


async def _serves(scope: Any, _receive: Any, send: Any) -> None:
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": b"served"})


def ask(
    method: str = "GET", path: str = "/", query: str = "", headers: dict[str, str] | None = None, kind: str = "http"
) -> list[dict[str, Any]]:
    """What a guarded application sends."""
    given = {"host": "127.0.0.1:3000"} | (headers or {})
    scope = {
        "type": kind,
        "method": method,
        "path": path,
        "query_string": query.encode(),
        "headers": [(name.encode(), value.encode()) for name, value in given.items()],
    }
    sent: list[dict[str, Any]] = []

    async def send(message: Any) -> None:
        sent.append(message)

    asyncio.run(GuardedApplication(_serves, SiteGuard("dagster.example.org"), GATEWAY)(scope, Mock(), send))
    return sent


def status(*asked: Any, **more: Any) -> int:
    found: int = ask(*asked, **more)[0]["status"]
    return found


GATEWAY_SECRET = "a-secret-of-the-gateway-and-its-servers"
GATEWAY = GatewayIdentity(SecretStr(GATEWAY_SECRET))
JSON = {"content-type": "application/json"}


@pytest.mark.parametrize("path", ["/", "/graphql", "/runs", "/logs/a/b", "/server_info", "/report_asset_check/one"])
@pytest.mark.parametrize(
    "headers",
    [
        {"host": "rebound.example"},
        {"sec-fetch-site": "cross-site"},
        {"sec-fetch-site": "same-site"},
        {"origin": "http://evil.example"},
        {"origin": "http://127.0.0.1:3002"},
        {"origin": "null"},
    ],
    ids=str,
)
def test_every_request_of_another_site_is_refused(path: str, headers: dict[str, str]) -> None:
    for method in ("GET", "POST"):
        assert status(method, path, headers=headers | JSON) == 403
    (closed,) = ask(path=path, headers=headers, kind="websocket")
    assert closed["type"] == "websocket.close"


def test_our_own_pages_and_clients_are_answered() -> None:
    for headers in (
        {},
        {"sec-fetch-site": "same-origin", "origin": "http://127.0.0.1:3000"},
        {"sec-fetch-site": "none"},
    ):
        assert status("GET", "/runs", headers=headers) == 200
        assert status("POST", "/graphql", headers=headers | JSON) == 200
        (answered, _) = ask(path="/graphql", headers=headers, kind="websocket")
        assert answered["status"] == 200
    assert status("GET", "/runs", headers={"host": "dagster.example.org"}) == 200
    assert status("POST", "/graphql", headers={"content-type": "application/json; charset=utf-8"}) == 200


@pytest.mark.parametrize(
    "content_type",
    [
        "text/plain",
        "application/x-www-form-urlencoded",
        "multipart/form-data; boundary=x",
        "",
        "text/plain; application/json",
    ],
)
@pytest.mark.parametrize("path", ["/graphql", "/graphql/", "/prefix/graphql"])
def test_a_query_that_a_form_could_send_is_refused(content_type: str, path: str) -> None:
    assert status("POST", path, headers={"content-type": content_type}) == 415


def test_a_query_in_an_address_is_refused_and_the_playground_is_shown() -> None:
    for accept in ("image/*,*/*;q=0.8", "*/*", "application/json"):
        assert status("GET", "/graphql", f"query={quote(MUTATION)}", {"accept": accept}) == 405
    assert status("GET", "/graphql", headers={"accept": "text/html,*/*;q=0.8"}) == 200


def test_a_load_balancer_asks_for_health_under_an_address_and_for_nothing_else() -> None:
    headers = {"host": "10.1.2.3:3000"}
    assert [status("GET", path, headers=headers) for path in ("/server_info", "/runs")] == [200, 403]


FOLLOWED = {"sec-fetch-site": "cross-site", "sec-fetch-mode": "navigate", "sec-fetch-dest": "document"}


def test_a_link_in_a_message_leads_to_a_page_that_asks_once() -> None:
    start, body = ask("GET", "/runs/1", 'a=1&b="><script>', FOLLOWED)
    assert start["status"] == 403
    assert 'href="/runs/1?a=1&amp;b=&quot;&gt;&lt;script&gt;"' in body["body"].decode()
    assert dict(start["headers"])[b"content-security-policy"] == b"default-src 'none'; frame-ancestors 'none'"


@pytest.mark.parametrize("path", ["//evil.example", "/\\evil.example", "///evil.example/x"])
def test_a_link_leads_to_no_other_server(path: str) -> None:
    page = ask("GET", path, headers=FOLLOWED)[1]["body"].decode()
    assert 'href="/%5Cevil' in page or 'href="/evil' in page


@pytest.mark.parametrize(
    "change", [{"host": "rebound.example"}, {"sec-fetch-dest": "iframe"}, {"origin": "null"}], ids=str
)
def test_nothing_else_is_led_on(change: dict[str, str]) -> None:
    start, body = ask("GET", "/runs/1", headers=FOLLOWED | change)
    assert start["status"] == 403
    assert b"href" not in body["body"]


def test_a_reader_of_the_gateway_sends_queries_only() -> None:
    reader, operator = ({HEADER.lower(): f"{GATEWAY_SECRET} {role} anna"} for role in ("reader", "operator"))
    assert status("POST", "/graphql", headers=reader | JSON) == 200
    assert status("POST", "/report_asset_materialization/one", headers=reader | JSON) == 403
    assert status("POST", "/report_asset_materialization/one", headers=operator | JSON) == 200
    assert status("GET", "/runs", headers=reader) == 200


def test_an_identity_that_is_not_the_gateways_is_refused() -> None:
    assert status("GET", "/runs", headers={HEADER.lower(): "another-secret admin eve"}) == 403
    (closed,) = ask(path="/graphql", headers={HEADER.lower(): "another-secret admin eve"}, kind="websocket")
    assert closed["type"] == "websocket.close"


def test_no_other_site_shows_a_page_in_a_frame() -> None:
    assert (b"x-frame-options", b"SAMEORIGIN") in ask()[0]["headers"]


def test_what_dagsters_command_serves_is_guarded(monkeypatch: pytest.MonkeyPatch) -> None:
    """Fails when Dagster makes its application elsewhere."""
    served = Mock()
    monkeypatch.setattr(uvicorn, "run", served)
    monkeypatch.setattr(cli, "log_action", Mock())
    monkeypatch.setattr(cli.check, "inst_param", Mock())
    monkeypatch.setattr(cli, "create_app_from_workspace_process_context", Mock())
    guard_web_server(None)
    cli.host_dagster_ui_with_workspace_process_context(Mock(), "127.0.0.1", 3000, "", "warning")
    (application,) = served.call_args.args
    assert isinstance(application, GuardedApplication)


def test_a_host_that_is_none_stops_the_start_with_a_sentence() -> None:
    command = [sys.executable, "-m", "forecasting_platform.orchestration.dagster_instance.webserver"]
    environment = {**os.environ, "FORECASTING_ALLOWED_HOSTS": "https://dagster.example.org"}
    ended = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert ended.returncode == 1
    assert ended.stderr.startswith("setting FORECASTING_ALLOWED_HOSTS: holds 'https://dagster.example.org'")


# --- the real server, and what it does without the guard ---


IN_ADDRESS = f"/graphql?query={quote(MUTATION)}"
UPGRADE = {
    "Connection": "Upgrade", "Upgrade": "websocket", "Sec-WebSocket-Version": "13",
    "Sec-WebSocket-Key": "x3JJHMbDL1EzLkh9GBhXDw==", "Sec-WebSocket-Protocol": "graphql-ws",
}  # fmt: skip
ATTACKS: dict[str, tuple[str, str, dict[str, str], str]] = {
    "an image": ("GET", IN_ADDRESS, {"Sec-Fetch-Site": "cross-site", "Accept": "image/*"}, ""),
    "an image, to a server that is not told of sites": ("GET", IN_ADDRESS, {"Accept": "image/*"}, ""),
    "a form": ("POST", IN_ADDRESS, {"Content-Type": "text/plain", "Origin": "http://evil.example"}, "x=1"),
    "JSON as text": (
        "POST", "/graphql", {"Content-Type": "text/plain; application/json"}, json.dumps({"query": MUTATION}),
    ),
    "a rebound name": (
        "POST", "/graphql", {"Host": "rebound.example", "Content-Type": "application/json"},
        json.dumps({"query": MUTATION}),
    ),
}  # fmt: skip


@pytest.mark.slow
def test_dagsters_own_serverwas_commanded_by_any_page(tmp_path: Path) -> None:
    """What the guard is for; once this fails, Dagster has a guard of its own."""
    home = tmp_path / "home"
    with running_web_server("dagster_webserver", home) as port:
        for name, attack in ATTACKS.items():
            asked(port, *attack)
            assert was_commanded(home), name
        assert asked(port, "GET", "/graphql", UPGRADE | {"Origin": "http://evil.example"})[0] == 101


def _permissions(port: int, headers: dict[str, str]) -> set[bool]:
    """What a client may do, by the server: of everything in Dagster whether it is allowed."""
    query = "{permissions {permission value}}"
    sent = {"Content-Type": "application/json", **headers}
    answer = json.loads(asked(port, "POST", "/graphql", sent, json.dumps({"query": query}))[1])
    # Never allowed in the open-source edition.
    others = [one for one in answer["data"]["permissions"] if one["permission"] != "edit_app_managed_components"]
    assert len(others) > 15
    return {one["value"] for one in others}


@pytest.mark.slow
def test_the_guarded_serverwas_commanded_by_its_own_clients_only(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    home = tmp_path / "home"
    monkeypatch.setenv("FORECASTING_GATEWAY_SECRET", GATEWAY_SECRET)
    with running_web_server("forecasting_platform.orchestration.dagster_instance.webserver", home) as port:
        for name, attack in ATTACKS.items():
            assert asked(port, *attack)[0] in {403, 405, 415}, name
            assert not was_commanded(home), name
        assert asked(port, "GET", "/graphql", UPGRADE | {"Origin": "http://evil.example"})[0] == 403
        assert asked(port, "GET", "/graphql", UPGRADE | {"Host": "rebound.example"})[0] == 403
        assert asked(port, "GET", "/graphql", UPGRADE | {"Origin": f"http://127.0.0.1:{port}"})[0] == 101
        # Dagster shows its playground, and runs nothing.
        assert asked(port, "GET", IN_ADDRESS, {"Accept": "text/html"})[0] == 200
        assert not was_commanded(home)
        answer = asked(port, "POST", "/graphql", {"Content-Type": "application/json"}, json.dumps({"query": MUTATION}))
        assert answer[0] == 200
        assert was_commanded(home)
        assert DagsterApi(f"http://127.0.0.1:{port}", location="served.py").location_problem() is None
        for role, allowed in (("reader", {False}), ("operator", {True}), ("admin", {True})):
            assert _permissions(port, {HEADER: f"{GATEWAY_SECRET} {role} anna"}) == allowed
        assert _permissions(port, {}) == {True}
        reader = {"Content-Type": "application/json", HEADER: f"{GATEWAY_SECRET} reader anna"}
        wipe = 'mutation {wipeAssets(assetPartitionRanges: [{assetKey: {path: ["one"]}}]) {__typename}}'
        answer = asked(port, "POST", "/graphql", reader, json.dumps({"query": wipe}))[1]
        assert json.loads(answer)["data"]["wipeAssets"]["__typename"] == "UnauthorizedError"

"""The gateway: what each role may do in the app, and the shipped Caddyfile in the real proxy."""

import json
import os
import socket
import ssl
import subprocess
import sys
from base64 import b64encode
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from http.client import HTTPSConnection
from pathlib import Path
from typing import Any

import pytest
from flask.testing import FlaskClient
from pydantic import SecretStr

from forecasting_platform.adapters.gateway_users import GatewayUsers
from forecasting_platform.adapters.memory.ledger import MemoryLedger
from forecasting_platform.errors import InvalidDataError
from forecasting_platform.gateway_identity import HEADER, ROLES
from forecasting_platform.settings import Settings
from forecasting_platform_tests.support.ports import free_ports
from forecasting_platform_tests.support.served_model import MakeApp
from forecasting_platform_tests.support.waiting import wait_until
from forecasting_platform_tests.support.web_servers import RecordingServer, served
from serve.service import service_of

ROOT = Path(__file__).parents[3]
SECRET, KEY = "a-secret-of-the-gateway-and-its-servers", "the-key-of-a-program"
ALERT = "forecast_errors:forecast_bias_within_budget@7"
ON_IT = {"alert_id": ALERT, "by": "somebody else"}
MUTE = {"pattern": "*", "hours": 1, "reason": "a drill", "by": "somebody else"}
SETTINGS = Settings(champion_poll_seconds=0.05, api_keys=SecretStr(KEY), gateway_secret=SecretStr(SECRET))


def of(role: str, secret: str = SECRET) -> dict[str, str]:
    return {HEADER: f"{secret} {role} anna"}


@pytest.fixture
def behind(make_app: MakeApp) -> FlaskClient:
    app = make_app(SETTINGS)
    service_of(app).watch.look()
    return app.test_client()


@pytest.mark.parametrize("role", ROLES)
def test_everybody_reads_and_forecasts_without_a_key(behind: FlaskClient, role: str) -> None:
    for path in ("/", "/model", "/alerts", "/decisions"):
        assert behind.get(path, headers=of(role)).status_code == 200
    body = {"start": "2023-07-01", "end": "2023-07-02"}
    assert behind.post("/predict", json=body, headers=of(role)).status_code == 200
    assert behind.post("/predict", json=body).status_code == 401


def test_a_reader_answers_no_incident_and_sees_no_form_for_it(behind: FlaskClient, ledger: MemoryLedger) -> None:
    for path, body in (("/alerts/acknowledge", ON_IT), ("/alerts/mute", MUTE)):
        answer = behind.post(path, json=body, headers=of("reader"))
        assert (answer.status_code, answer.json["detail"][:16]) == (403, "anna is a reader")
    assert [alert.acknowledged_by for alert in ledger.alerts(open_only=True)] == [None]
    assert 'data-person="anna" data-role="reader"' in behind.get("/", headers=of("reader")).text


@pytest.mark.parametrize("role", ["operator", "admin"])
def test_the_record_has_the_name_of_who_logged_in(behind: FlaskClient, ledger: MemoryLedger, role: str) -> None:
    answer = behind.post("/alerts/acknowledge", json=ON_IT, headers=of(role)).json
    assert answer["acknowledged_by"] == "anna"
    assert [alert.acknowledged_by for alert in ledger.alerts(open_only=True)] == ["anna"]
    assert behind.post("/alerts/mute", json=MUTE, headers=of(role)).json["muted_by"] == "anna"


@pytest.mark.parametrize(
    "header",
    [
        "",
        "admin",
        f"{SECRET} owner anna",
        f"{SECRET} admin",
        f"{SECRET[:-1]} admin anna",
        f"{SECRET} admin anna,{SECRET} reader b",
    ],
)
def test_an_identity_that_is_not_the_gateways_is_refused(behind: FlaskClient, header: str) -> None:
    answer = behind.get("/model", headers={HEADER: header, "X-API-Key": KEY})
    assert answer.status_code == 403
    assert SECRET not in answer.text


def test_without_a_gateway_no_identity_is_believed(make_app: MakeApp) -> None:
    client = make_app().test_client()
    assert client.get("/model", headers=of("admin")).status_code == 403
    assert client.post("/alerts/acknowledge", json=ON_IT).json["acknowledged_by"] == "somebody else"


def test_files_that_hold_no_users_are_told_by_name(tmp_path: Path) -> None:
    (tmp_path / "roles").write_bytes(b"\xff\xfe")
    for folder in (tmp_path, tmp_path / "roles"):
        with pytest.raises(InvalidDataError, match="roles cannot be read as the gateway's users"):
            GatewayUsers(folder).roles()
    with pytest.raises(InvalidDataError, match="roles cannot be"):
        GatewayUsers(tmp_path / "roles").add("anna", "reader", "a password of anna")


@dataclass
class Proxy:
    """The real proxy with the shipped Caddyfile; Dagster and MLflow behind it only note what they are asked."""

    port: int
    dagster: RecordingServer
    mlflow: RecordingServer

    def ask(
        self,
        who: str | None,
        method: str,
        path: str,
        headers: dict[str, str] | None = None,
        *,
        site: str = "localhost",
        body: Any = None,
    ) -> tuple[int, str]:
        """Status and text; `who` logs in with the password `password-of-{who}`."""
        context = ssl.create_default_context()
        # The proxy signs for these names itself.
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        given = {"Host": f"{site}:{self.port}"} | (headers or {})
        if who:
            given["Authorization"] = "Basic " + b64encode(f"{who}:password-of-{who}".encode()).decode()
        with closing(HTTPSConnection("127.0.0.1", self.port, context=context, timeout=120)) as connection:
            connection.sock = context.wrap_socket(
                socket.create_connection(("127.0.0.1", self.port)), server_hostname=site
            )
            sent = None if body is None else json.dumps(body)
            connection.request(method, path, sent, given | ({"Content-Type": "application/json"} if sent else {}))
            answer = connection.getresponse()
            return answer.status, answer.read().decode()


@pytest.fixture
def proxy(make_app: MakeApp, tmp_path: Path) -> Iterator[Proxy]:
    users, port = GatewayUsers(tmp_path / "users"), free_ports()
    for role in ROLES:
        users.add(role, role, f"password-of-{role}")
    users.add("gone", "admin", "password-of-gone")
    users.remove("gone")
    shipped = (ROOT / "deploy/compose/Caddyfile").read_text(encoding="utf-8")
    quiet = shipped.replace("admin off", "admin off\n\tauto_https disable_redirects\n\tdefault_bind 127.0.0.1", 1)
    (tmp_path / "Caddyfile").write_text(quiet, encoding="utf-8")
    app = make_app(SETTINGS)
    service_of(app).watch.look()
    with served(app) as url, RecordingServer() as dagster, RecordingServer() as mlflow:
        upstreams = {"APP": url, "DAGSTER": dagster.url, "MLFLOW": mlflow.url}
        places = {f"{name}_UPSTREAM": upstream.removeprefix("http://") for name, upstream in upstreams.items()}
        sites = {"SITE": "localhost", "DAGSTER": "dagster.localhost", "MLFLOW": "mlflow.localhost"}
        places |= {f"{name}_ADDRESS": f"https://{site}:{port}" for name, site in sites.items()}
        own = {"GATEWAY_USERS": str(tmp_path / "users"), "FORECASTING_GATEWAY_SECRET": SECRET}
        homes = {name: str(tmp_path / "caddy") for name in ("HOME", "XDG_DATA_HOME", "XDG_CONFIG_HOME")}
        command = [Path(sys.executable).with_name("caddy"), "run", "--config", tmp_path / "Caddyfile"]
        with (tmp_path / "log").open("wb") as log:
            process = subprocess.Popen(command, env=os.environ | places | own | homes, stdout=log, stderr=log)
        found = Proxy(port, dagster, mlflow)
        try:
            wait_until("the proxy answers", lambda: _answers(found, process, tmp_path / "log"))
            yield found
        finally:
            process.terminate()
            process.wait()


def _answers(proxy: Proxy, process: subprocess.Popen[bytes], log: Path) -> bool:
    assert process.poll() is None, log.read_text(encoding="utf-8")
    try:
        return bool(proxy.ask(None, "GET", "/"))
    except OSError:
        return False


@pytest.mark.slow
def test_the_real_proxy_lets_each_role_do_its_part_and_no_more(proxy: Proxy, ledger: MemoryLedger) -> None:
    sites = ("localhost", "dagster.localhost", "mlflow.localhost")
    for site in sites:
        assert proxy.ask(None, "GET", "/", site=site)[0] == 401
        for role in ROLES:
            assert proxy.ask(role, "GET", "/", site=site)[0] == 200
            assert proxy.ask(role, "GET", "/", {"Sec-Fetch-Site": "cross-site"}, site=site)[0] == 403
    assert proxy.ask("gone", "GET", "/")[0] == 401
    # The app.
    assert proxy.ask("reader", "POST", "/alerts/acknowledge", body=ON_IT)[0] == 403
    assert (
        json.loads(proxy.ask("operator", "POST", "/alerts/acknowledge", body=ON_IT)[1])["acknowledged_by"] == "operator"
    )
    assert [alert.acknowledged_by for alert in ledger.alerts(open_only=True)] == ["operator"]
    assert proxy.ask(None, "GET", "/model", {"X-API-Key": KEY})[0] == 200
    assert proxy.ask(None, "GET", "/model", {"Authorization": f"Bearer {KEY}"})[0] == 200
    # Dagster's server decides by what the proxy says (`test_webserver.py`).
    proxy.ask("reader", "POST", "/graphql", site="dagster.localhost", body={})
    told = proxy.dagster.asked[-1].headers
    assert (told[HEADER], told.get("Authorization")) == (f"{SECRET} reader reader", None)
    # MLflow.
    search, write = "/ajax-api/2.0/mlflow/runs/search", "/api/2.0/mlflow/registered-models/alias"
    assert [proxy.ask(role, "POST", search, site="mlflow.localhost", body={})[0] for role in ROLES] == [200] * 3
    for method in ("POST", "DELETE", "PATCH", "PUT"):
        asked = [proxy.ask(role, method, write, site="mlflow.localhost", body={})[0] for role in ROLES]
        # The server that stands for MLflow knows POST only.
        assert asked == [403, 403, 200 if method == "POST" else 501]
    assert all(SECRET not in str(request.headers) for request in proxy.mlflow.asked)


@pytest.mark.slow
def test_nobody_takes_a_role_through_the_real_proxy_by_a_header(proxy: Proxy) -> None:
    for name in (HEADER, HEADER.lower(), HEADER.replace("-", "_"), "X-Forecasting_Identity"):
        for value in ("x admin eve", "admin", f"{SECRET[:-1]} admin eve"):
            as_reader = proxy.ask("reader", "POST", "/alerts/acknowledge", {name: value}, body=ON_IT)
            program = {name: value, "X-API-Key": "x"}
            as_program = proxy.ask(None, "POST", "/alerts/acknowledge", program, body=ON_IT)
            # The header is removed as it is written; written otherwise, only the secret would make it count.
            assert (as_reader[0], as_program[0]) in {(403, 401), (403, 403)}, name

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from forecasting_platform.commands.terminal.connection import AppRefusedError, Connection, connect
from forecasting_platform.errors import ConfigurationError, PlatformStateError, UnavailableError
from forecasting_platform.local.data_directory import DataDirectory
from forecasting_platform_tests.support.web_servers import Answering, RecordingServer

ELSEWHERE = {
    "FORECASTING_DAGSTER_URL": "http://dagster.example:3000",
    "FORECASTING_APP_URL": "http://app.example",
    "FORECASTING_POSTGRES_DSN": "postgresql://someone@db.example/forecasting",
}


@pytest.fixture
def app() -> Iterator[RecordingServer]:
    """Answers `/plain` with text and a problem status, `/problem` with a problem, and all else with what it got."""

    def answer(request: Answering) -> None:
        body, key = request.request_body.decode(), request.headers.get("X-API-Key")
        document = json.dumps({"detail": "swap them", "key": key, "body": body})
        status = 422 if request.path in {"/plain", "/problem"} else 200
        request.send(b"<html>" if request.path == "/plain" else document.encode(), status)

    with RecordingServer(answer) as server:
        yield server


@pytest.fixture
def connection(app: RecordingServer) -> Connection:
    return Connection("http://127.0.0.1:1", app.url, "postgresql://x")


def test_a_running_platform_is_found_by_its_data_directory(tmp_path: Path) -> None:
    directory = DataDirectory(tmp_path)
    directory.claim()
    try:
        directory.write_endpoints({"dagster": "http://d", "app": "http://a", "postgres": "postgresql://p"})
        assert connect(tmp_path) == Connection("http://d", "http://a", "postgresql://p")
    finally:
        directory.release()


def test_the_stores_of_dagster_dev_are_not_taken_for_a_platform(tmp_path: Path) -> None:
    directory = DataDirectory(tmp_path)
    directory.claim()
    try:
        directory.write_endpoints({"mlflow": "http://m", "postgres": "postgresql://p"})
        with pytest.raises(PlatformStateError, match=r"only `dagster dev`.* start the platform with"):
            connect(tmp_path)
    finally:
        directory.release()


def test_a_command_is_told_what_the_platforms_processes_are(tmp_path: Path) -> None:
    directory = DataDirectory(tmp_path)
    directory.claim()
    try:
        directory.write_endpoints({"dagster": "http://d", "app": "http://a", "postgres": "postgresql://p"})
        directory.write_settings({"table_store": "spark", "exogenous": [{"unique_id": "wind", "known": "at_cutoff"}]})
        settings = connect(tmp_path).settings
        assert settings.require_postgres_dsn() == "postgresql://p"
        assert (settings.table_store, settings.exogenous[0]["unique_id"]) == ("spark", "wind")
        directory.remove_endpoints()
        assert directory.settings() == {}
    finally:
        directory.release()


def test_where_none_runs_the_settings_name_the_platform(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in ELSEWHERE.items():
        monkeypatch.setenv(name, value)
    assert connect(tmp_path) == Connection(*ELSEWHERE.values())


@pytest.mark.parametrize("missing", sorted(ELSEWHERE))
def test_settings_that_name_a_part_only_are_no_platform(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, missing: str
) -> None:
    for name, value in ELSEWHERE.items():
        monkeypatch.setenv(name, value)
    monkeypatch.delenv(missing)
    with pytest.raises(ConfigurationError, match=rf"{missing}: is not set; .*no platform runs"):
        connect(tmp_path)


def test_where_neither_runs_nor_is_named_the_start_is_shown(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ELSEWHERE:
        monkeypatch.delenv(name, raising=False)
    with pytest.raises(PlatformStateError, match=r"no platform runs .* Start one"):
        connect(tmp_path)


def test_the_app_is_asked_with_the_first_key(connection: Connection, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FORECASTING_API_KEYS", "one,two")
    assert connection.ask_app("POST", "/predict", {"start": 1}) == {
        "detail": "swap them",
        "key": "one",
        "body": '{"start": 1}',
    }


def test_without_keys_none_is_sent(connection: Connection) -> None:
    assert connection.ask_app("POST", "/predict")["key"] is None


def test_a_problem_is_told_by_its_detail(connection: Connection) -> None:
    with pytest.raises(AppRefusedError, match=r"^swap them$"):
        connection.ask_app("POST", "/problem")


def test_an_answer_that_is_no_problem_document_is_told_by_its_status(connection: Connection) -> None:
    with pytest.raises(AppRefusedError, match="the app answered 422"):
        connection.ask_app("POST", "/plain")


def test_an_app_that_is_not_there_is_unavailable(silent_port: int) -> None:
    secret = f"http://operator:secret@127.0.0.1:{silent_port}"
    away = Connection(secret, secret, "postgresql://x")
    for ask, part in ((lambda: away.ask_app("GET", "/model"), "app"), (away.dagster.unhealthy_daemons, "Dagster")):
        with pytest.raises(UnavailableError, match=rf"{part} at http://127.0.0.1:{silent_port} is unavailable"):
            ask()


def test_no_proxy_is_shown_the_key_of_an_app_on_this_machine(
    connection: Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("NO_PROXY", "no_proxy"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("FORECASTING_API_KEYS", "geheim")
    with RecordingServer() as proxy:
        monkeypatch.setenv("HTTP_PROXY", proxy.url)
        monkeypatch.setenv("http_proxy", proxy.url)
        assert connection.ask_app("POST", "/predict", {})["key"] == "geheim"
        assert proxy.asked == []

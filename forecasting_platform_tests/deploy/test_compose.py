"""The compose file holds together with the Dockerfile, the settings and the embedded platform; no engine runs here."""

import re
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
import yaml

from forecasting_platform.adapters.feeds.simulated_feed import create_app
from forecasting_platform.adapters.postgres.roles import APP, DAGSTER, MLFLOW, RUNS
from forecasting_platform.local.environment import SERVICES
from forecasting_platform.settings import Settings

ROOT = Path(__file__).parents[2]
DOCKERFILE = (ROOT / "Dockerfile").read_text(encoding="utf-8")
COMPOSE: dict[str, Any] = yaml.safe_load((ROOT / "compose.yaml").read_text(encoding="utf-8"))
WORKSPACE: dict[str, Any] = yaml.safe_load((ROOT / "deploy/compose/workspace.yaml").read_text(encoding="utf-8"))
PARTS: dict[str, dict[str, Any]] = COMPOSE["services"]


def test_it_has_the_parts_of_the_embedded_platform() -> None:
    assert set(PARTS) == {*SERVICES, "code", "daemon", "migrate", "gateway"}


def test_web_server_and_daemon_share_one_code_server() -> None:
    (location,) = WORKSPACE["load_from"]
    server = location["grpc_server"]
    command = PARTS[server["host"]]["command"]
    assert command[command.index("--port") + 1] == str(server["port"])
    assert command[command.index("--module-name") + 1] == server["location_name"]
    for name in ("dagster", "daemon"):
        mounts = PARTS[name]["volumes"]
        assert "./deploy/compose/workspace.yaml:/app/workspace.yaml:ro" in mounts
        # What a run wrote is shown by another process than the one that wrote it.
        assert set(mounts) == set(PARTS["code"]["volumes"])
        assert server["host"] in PARTS[name]["depends_on"]
    assert "/app/workspace.yaml" in PARTS["daemon"]["command"]
    assert '"/app/workspace.yaml"' in DOCKERFILE


@pytest.mark.parametrize("name", PARTS)
def test_a_part_waits_only_for_parts_with_a_health_check_or_an_end(name: str) -> None:
    for awaited, how in PARTS[name].get("depends_on", {}).items():
        ends = "restart" not in PARTS[awaited]
        assert how == {"condition": "service_completed_successfully" if ends else "service_healthy"}
        assert ends or "healthcheck" in PARTS[awaited]


@pytest.mark.parametrize("name", sorted(set(PARTS) - {"postgres", "feed", "migrate", "gateway"}))
def test_nothing_uses_a_database_before_it_was_brought_up(name: str) -> None:
    waits = set(PARTS[name]["depends_on"])
    assert "migrate" in waits | {further for part in waits for further in PARTS[part].get("depends_on", {})}


def test_each_part_has_a_login_of_its_own_and_only_the_migration_the_owners() -> None:
    used = {name: _logins(part.get("environment", {})) for name, part in PARTS.items()}
    of_dagster = {DAGSTER.name: "DAGSTER", RUNS.name: "RUNS"}
    assert used == {
        **dict.fromkeys(("code", "dagster", "daemon"), of_dagster),
        **{key: {} for key in ("postgres", "feed", "gateway")},
        "mlflow": {MLFLOW.name: "MLFLOW"},
        "app": {APP.name: "APP"},
        "migrate": {"platform": "POSTGRES", DAGSTER.name: "DAGSTER", MLFLOW.name: "MLFLOW"},
    }
    assert PARTS["postgres"]["environment"]["POSTGRES_USER"] == "platform"


def _logins(environment: dict[str, str]) -> dict[str, str]:
    """As whom a part connects, and the name in .env that the password has."""
    found = {}
    for variable, password, role_password in (
        ("DAGSTER_POSTGRES_URL", "PGPASSWORD", "FORECASTING_DAGSTER_ROLE_PASSWORD"),
        ("MLFLOW_BACKEND_STORE_URI", "PGPASSWORD", "FORECASTING_MLFLOW_ROLE_PASSWORD"),
        ("FORECASTING_POSTGRES_DSN", "FORECASTING_POSTGRES_PASSWORD", ""),
    ):
        if variable in environment:
            given = environment.get(password) or environment[role_password]
            found[str(urlsplit(environment[variable]).username)] = given.removeprefix("${").partition("_PASSWORD")[0]
    return found


def test_the_roles_are_made_with_the_passwords_that_the_parts_show() -> None:
    made, app, code = (PARTS[name]["environment"] for name in ("migrate", "app", "code"))
    assert made["FORECASTING_APP_ROLE_PASSWORD"] == app["FORECASTING_POSTGRES_PASSWORD"]
    assert made["FORECASTING_RUNS_ROLE_PASSWORD"] == code["FORECASTING_POSTGRES_PASSWORD"]
    assert made["FORECASTING_DAGSTER_ROLE_PASSWORD"] == code["PGPASSWORD"]
    assert made["FORECASTING_MLFLOW_ROLE_PASSWORD"] == PARTS["mlflow"]["environment"]["PGPASSWORD"]


@pytest.mark.parametrize("name", PARTS)
def test_every_setting_given_to_a_part_is_declared(name: str) -> None:
    declared = {f"FORECASTING_{field.upper()}" for field in Settings.model_fields}
    given = {variable for variable in PARTS[name].get("environment", {}) if variable.startswith("FORECASTING_")}
    assert given <= declared


def test_the_feed_loaded_without_another_is_the_simulated_one() -> None:
    default = re.fullmatch(r"\$\{FORECASTING_FEED_URL-(.+)\}", PARTS["code"]["environment"]["FORECASTING_FEED_URL"])
    assert default
    url = urlsplit(default[1])
    assert f"0.0.0.0:{url.port}" in PARTS[str(url.hostname)]["command"]
    answer = create_app().test_client().get(url.path, query_string={"start": "2023-01-01", "end": "2023-01-02"})
    assert answer.status_code == 200
    assert len(answer.json) == 2


def test_images_are_targets_of_the_dockerfile() -> None:
    targets = set(re.findall(r" AS (\w+)$", DOCKERFILE, flags=re.MULTILINE))
    builds = [part["build"] for part in PARTS.values() if "build" in part]
    assert {build["target"] for build in builds} <= targets
    assert all(build["args"] == {"COMMIT": "${COMMIT:-unknown}"} for build in builds)


def test_nothing_listens_beyond_this_host_but_the_gateway_when_asked_for() -> None:
    public = [
        name for name, part in PARTS.items() if any(not port.startswith("127.0.0.1:") for port in part.get("ports", []))
    ]
    assert public == ["gateway"]
    assert PARTS["gateway"]["profiles"] == ["gateway"]


def test_dagsters_web_server_is_the_guarded_one_under_its_name_among_the_containers() -> None:
    assert '"-m", "forecasting_platform.orchestration.dagster_instance.webserver"' in DOCKERFILE
    assert "command" not in PARTS["dagster"]
    assert PARTS["dagster"]["environment"]["FORECASTING_ALLOWED_HOSTS"].startswith("dagster,")
    assert PARTS["dagster"]["environment"].items() >= PARTS["code"]["environment"].items()


def test_the_gateway_hands_on_to_the_parts_that_have_pages_each_under_its_port() -> None:
    caddyfile = (ROOT / "deploy/compose/Caddyfile").read_text(encoding="utf-8")
    upstreams = {name: PARTS[name]["ports"][0].rpartition(":")[2] for name in ("app", "dagster", "mlflow")}
    found = {(name, port) for name, port in re.findall(r"reverse_proxy \{\$\w+_UPSTREAM:(\w+):(\d+)\}", caddyfile)}
    assert found == set(upstreams.items())
    secrets = {PARTS[name]["environment"]["FORECASTING_GATEWAY_SECRET"] for name in ("gateway", "app", "dagster")}
    assert len(secrets) == 1


def test_images_of_others_are_named_by_digest() -> None:
    theirs = [part["image"] for part in PARTS.values() if "build" not in part]
    base = re.search(r"^ARG PYTHON_IMAGE=(.+)\nFROM \$\{PYTHON_IMAGE\} AS base$", DOCKERFILE, re.MULTILINE)
    assert base
    assert [image for image in (*theirs, base[1]) if not re.fullmatch(r"\w+:[\w.-]+@sha256:[0-9a-f]{64}", image)] == []


def test_a_missing_secret_stops_the_start_and_none_is_in_the_file() -> None:
    for part in PARTS.values():
        for variable, value in part.get("environment", {}).items():
            if re.search("PASSWORD|API_KEYS|SECRET", variable):
                assert re.fullmatch(r"\$\{\w+:\?.+\}", value)


def test_volumes_cover_folders_that_the_image_gives_to_its_user() -> None:
    made = re.search(r"^RUN install --directory --owner forecasting (.+)$", DOCKERFILE, re.MULTILINE)
    assert made
    ours = {mount for part in PARTS.values() if "build" in part for mount in part.get("volumes", []) if mount[0] != "."}
    assert {mount.split(":")[1] for mount in ours} <= set(made[1].split())
    assert {mount.split(":")[0] for mount in ours} <= set(COMPOSE["volumes"])

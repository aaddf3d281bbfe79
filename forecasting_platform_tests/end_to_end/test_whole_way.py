"""What users do, in the order they do it, on one platform that was started by its command.

What one test leaves for later ones is a fixture of the module: any part of them can be run alone, in this order.
"""

import json
import re
import shlex
import shutil
import subprocess
import sys
from datetime import date
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit
from urllib.request import url2pathname

import pandas as pd
import psycopg
import pytest
import requests

from forecasting_platform.forecasting.series.days.date_range import DateRange
from forecasting_platform.local.dagster.api import DagsterApi
from forecasting_platform_tests.support.pages import commands_of, snippets
from forecasting_platform_tests.support.started_platform import (
    STOP_SECONDS,
    Platform,
    Webhook,
    processes_of,
    run_command,
)
from forecasting_platform_tests.support.waiting import PATIENCE_SECONDS, wait_until

pytestmark = [pytest.mark.slow, pytest.mark.end_to_end]

LOADED = DateRange(date(2022, 1, 1), date(2023, 6, 30))
NEXT = {"start": "2023-07-01", "end": "2023-07-15"}


def rows(platform: Platform, query: str) -> list[tuple[object, ...]]:
    with psycopg.connect(platform.endpoints["postgres"]) as connection:
        return connection.execute(query).fetchall()


def test_the_initial_load_is_one_backfill_in_which_each_day_is_materialized(platform: Platform) -> None:
    dagster = DagsterApi(platform.endpoints["dagster"])
    assert dagster.materialized_days("raw_observations") == set(LOADED)
    assert dagster.materialized_days("feature_table") == set(LOADED)
    backfills = ask_dagster(
        platform,
        "{ partitionBackfillsOrError { ... on PartitionBackfills { results { runs { runId status } } } } }",
    )
    (backfill,) = backfills["partitionBackfillsOrError"]["results"]
    assert [run["status"] for run in backfill["runs"]] == ["SUCCESS"]
    materialized = dagster.materializations(backfill["runs"][0]["runId"], "raw_observations")
    assert {found.metadata["dagster/partition_row_count"] for found in materialized} == {4}
    (kept,) = {found.metadata["feed_document"] for found in materialized}
    assert kept.startswith((platform.data_dir / "feed-archive" / "documents").as_uri())
    assert Path(url2pathname(urlsplit(kept).path)).is_file()
    assert rows(platform, "select count(*) from forecasting.observations") == [(4 * len(LOADED),)]


def test_predict_answers_15_days_of_every_series_with_its_version(platform: Platform) -> None:
    answer = platform.post("/predict", NEXT).json()
    assert answer["model"]["version"] == "1"
    assert answer["model"]["cutoff"] == "2023-06-30"
    forecasts = answer["forecasts"]
    assert len(forecasts) == 4 * 15
    assert forecasts == sorted(forecasts, key=lambda row: (row["unique_id"], row["ds"]))
    for row in forecasts:
        bounds = [row[f"y_hat{side}"] for side in ("_lo_95", "_lo_80", "", "_hi_80", "_hi_95")]
        assert bounds == sorted(bounds)


@pytest.mark.parametrize(
    ("body", "status", "said"),
    [
        ('{"start": "2023-07-15", "end": "2023-07-01"}', 422, "before"),
        ('{"start": "2023-07-01", "end": "2050-11-16"}', 422, "366"),
        ('{"start": "2023-07-01", "end": "2023-07-01", "unique_id": "Atlantis"}', 404, "unknown series 'Atlantis'"),
        ('{"start": "01/07/2023", "end": "2023-07-01"}', 422, "start"),
        ("not JSON", 400, "JSON"),
        ("[]", 422, ""),
    ],
    ids=["end before start", "10,000 days", "unknown series", "no date", "no JSON", "no object"],
)
def test_a_question_that_cannot_be_answered_is_a_problem_that_says_why(
    platform: Platform, body: str, status: int, said: str
) -> None:
    headers = {"Content-Type": "application/json"}
    answer = requests.post(f"{platform.endpoints['app']}/predict", data=body, headers=headers, timeout=PATIENCE_SECONDS)
    assert answer.status_code == status, answer.text
    assert answer.headers["Content-Type"] == "application/problem+json"
    assert said in answer.json()["detail"]


def test_a_command_shows_the_apps_own_words(platform: Platform) -> None:
    failed = platform.run("forecast", "--start", "2023-07-01", "--end", "2050-11-16")
    assert (failed.returncode, failed.stdout) == (1, "")
    assert "366" in failed.stderr


def test_the_simulators_frame_gives_the_same_forecasts(platform: Platform) -> None:
    inputs = platform.post("/simulate", NEXT).json()["inputs"]
    assert platform.post("/predict", {"inputs": inputs}).json() == platform.post("/predict", NEXT).json()


def test_mlflow_loads_the_champion_in_a_clean_process_to_the_same_forecasts(platform: Platform) -> None:
    inputs = platform.post("/simulate", NEXT).json()["inputs"]
    script = (
        "import json, sys, mlflow, pandas as pd\n"
        "model = mlflow.pyfunc.load_model('models:/forecasting_platform@champion')\n"
        "frame = pd.DataFrame(json.load(sys.stdin))\n"
        "frame[['cutoff', 'ds']] = frame[['cutoff', 'ds']].apply(pd.to_datetime)\n"
        "print(json.dumps(model.predict(frame)['y_hat'].tolist()))\n"
    )
    loaded = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", script],
        input=json.dumps(inputs),
        capture_output=True,
        text=True,
        check=False,
        env={"MLFLOW_TRACKING_URI": platform.endpoints["mlflow"], "PATH": "/usr/bin:/bin"},
    )
    assert loaded.returncode == 0, loaded.stderr
    served = [row["y_hat"] for row in platform.post("/predict", {"inputs": inputs}).json()["forecasts"]]
    assert json.loads(loaded.stdout.splitlines()[-1]) == served


@pytest.fixture(scope="module")
def july(started: Platform) -> dict[str, Any]:
    """A month more is loaded, and its forecasts are matched; what the load counted."""
    (loaded,) = started.json("load", "--start", "2023-07-01", "--end", "2023-07-31")
    days = set(DateRange(date(2023, 7, 1), date(2023, 7, 31)))
    dagster = DagsterApi(started.endpoints["dagster"])
    wait_until("errors of July", lambda: days <= dagster.materialized_days("forecast_errors"))
    found: dict[str, Any] = loaded
    return found


@pytest.mark.usefixtures("july")
def test_a_month_more_is_loaded_forecast_and_judged(platform: Platform, july: dict[str, Any]) -> None:
    assert (july["new"], july["revised"], july["unchanged"]) == (4 * 31, 0, 0)
    matched = rows(platform, "select count(*), min(cutoff), max(ds) from forecasting.forecast_errors")
    assert matched == [
        (4 * (15 + sum(min(15, 31 - day) for day in range(1, 31))), date(2023, 6, 30), date(2023, 7, 31))
    ]
    report = platform.json("report")
    assert {row["days"] for row in report["accuracy"] if row["window_days"] == 28} == {28}


@pytest.mark.usefixtures("july")
def test_a_reload_adds_nothing_and_doubles_no_day(platform: Platform) -> None:
    before = rows(platform, "select * from forecasting.raw_observations order by unique_id, ds, available_at")
    over_gaps = backfill_of_days(platform, ["2023-07-03", "2023-07-04", "2023-07-05", "2023-07-10"])
    (again,) = platform.json("load", "--start", "2023-07-01", "--end", "2023-07-31")
    assert (again["new"], again["revised"], again["unchanged"]) == (0, 0, 4 * 31)
    assert rows(platform, "select * from forecasting.raw_observations order by unique_id, ds, available_at") == before
    # Dagster makes one run of each stretch of days; the days between are not loaded again.
    dagster = DagsterApi(platform.endpoints["dagster"])
    done = dagster.wait_for_backfill(over_gaps, deadline_seconds=PATIENCE_SECONDS)
    loads = [dagster.materializations(run_id, "raw_observations") for run_id in done.run_ids]
    days = sorted([found.partition for found in load] for load in loads)
    assert days == [["2023-07-03", "2023-07-04", "2023-07-05"], ["2023-07-10"]]
    assert {found.metadata["rows_unchanged"] for load in loads for found in load} == {4}


def ask_dagster(platform: Platform, query: str, **variables: Any) -> dict[str, Any]:
    """What Dagster's own page asks: the data that a GraphQL query answers."""
    answer = requests.post(
        f"{platform.endpoints['dagster']}/graphql",
        json={"query": query, "variables": variables},
        timeout=PATIENCE_SECONDS,
    ).json()
    assert "errors" not in answer, answer["errors"]
    data: dict[str, Any] = answer["data"]
    return data


def backfill_of_days(platform: Platform, days: list[str]) -> str:
    """What the UI asks for when single days are chosen; the id of the backfill."""
    answer = ask_dagster(
        platform,
        "mutation ($params: LaunchBackfillParams!) { launchPartitionBackfill(backfillParams: $params) "
        "{ ... on LaunchBackfillSuccess { backfillId } } }",
        params={"assetSelection": [{"path": ["raw_observations"]}], "partitionNames": days},
    )
    return str(answer["launchPartitionBackfill"]["backfillId"])


@pytest.fixture(scope="module")
def version_2(started: Platform, july: dict[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
    """A second version is trained and decided on: the training's answer and the decision."""
    (trained,) = started.json("train")
    # Looked at in its table: a command takes seconds of a core to start.
    decided = "select 1 from forecasting.promotion_decisions where challenger_version = '2'"
    wait_until("a decision on version 2", lambda: rows(started, decided))
    return trained, next(row for row in started.json("decisions") if row["challenger"] == "2")


def test_a_new_training_is_decided_and_a_rollback_is_served_without_a_restart(
    platform: Platform, version_2: tuple[dict[str, Any], dict[str, Any]]
) -> None:
    trained, decision = version_2
    assert (trained["model_version"], trained["cutoff"]) == ("2", "2023-07-31")
    # A month newer, same recipe, fit to serve: the champion is refreshed.
    assert decision["verdict"] == "refresh"
    wait_until("version 2 at the app", lambda: served_version(platform) == "2")
    (rolled_back,) = platform.json("rollback", "--reason", "a drill")
    assert rolled_back["champion_version"] == "1"
    wait_until("version 1 at the app", lambda: served_version(platform) == "1")
    newest = platform.json("decisions")[0]
    assert (newest["verdict"], newest["reason"], newest["decided_by"]) == ("rollback", "a drill", "rollback command")


def served_version(platform: Platform) -> str:
    version: str = platform.post("/predict", {"start": "2023-08-01", "end": "2023-08-01"}).json()["model"]["version"]
    return version


@pytest.mark.usefixtures("july")
def test_the_commands_agree_with_the_app(platform: Platform, tmp_path: Path) -> None:
    status = platform.json("status")
    assert (status["champion"], status["loaded_days"]) == (served_version(platform), len(LOADED) + 31)
    asked = ("--start", "2023-08-01", "--end", "2023-08-03")
    answer = platform.post("/predict", {"start": asked[1], "end": asked[3]}).json()
    table = platform.run("forecast", *asked, "--format", "csv").stdout
    (tmp_path / "forecast.csv").write_text(table, encoding="utf-8")
    printed = pd.read_csv(tmp_path / "forecast.csv", float_precision="round_trip")["y_hat"].tolist()
    assert printed == [row["y_hat"] for row in answer["forecasts"]]
    assert len(platform.json("simulate", *asked)["inputs"]) == 12
    page = tmp_path / "report.html"
    assert platform.run("report", "--html", str(page)).returncode == 0
    assert "http" not in page.read_text(encoding="utf-8")


ASKING = {"status", "forecast", "report", "features", "as-of", "decisions"}
"""Commands that change nothing. What else the pages show is what the other tests here do."""


def test_every_command_that_the_pages_show_to_ask_answers_as_shown(platform: Platform) -> None:
    consoles = [found.values[0] for found in snippets("console")]
    shown = [words for console in consoles for program, *words in commands_of(console) if program != "make"]
    # A decision of that number is not here.
    asked = [words for words in shown if words[0] in ASKING and not words[-1].isdigit()] + [["alerts", "list"]]
    assert len(asked) > 10
    for words in asked:
        done = platform.run(*words)
        assert done.returncode == 0, f"{words}: {done.stderr}"
        assert done.stdout.strip(), words


@pytest.mark.skipif(shutil.which("curl") is None, reason="no curl: run .ci/system-packages, or install it")
def test_every_request_that_the_pages_show_is_answered(platform: Platform) -> None:
    requests_shown = [
        shlex.split(line)
        for console in (found.values[0] for found in snippets("console"))
        for line in re.findall(r"^\$ (curl -s localhost:3002.*)$", console.replace("\\\n", " "), re.MULTILINE)
    ]
    assert requests_shown
    for words in requests_shown:
        here = [word.replace("localhost:3002", platform.endpoints["app"]) for word in words]
        done = subprocess.run([*here, "--fail-with-body"], capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stdout
        assert json.loads(done.stdout)["forecasts"]


def test_the_notebook_that_the_pages_show_runs(platform: Platform) -> None:
    (script,) = (found.values[0] for found in snippets("python") if "mlflow" in found.values[0])
    here = script.replace("http://127.0.0.1:3001", platform.endpoints["mlflow"]) + "print(type(model).__name__)\n"
    done = subprocess.run([sys.executable, "-c", here], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout.split()[-1] == "PyFuncModel"


DRIFT = "feature_table:feature_table_matches_reference"
SHIFT = "series:Corrib production"
FAILED_LOAD = "backfill_failure:feature_table+raw_observations"
DEAD_MAN = "dead_man:alert_sensor"
LOAD_OF_AUGUST = ("load", "--start", "2023-08-01", "--end", "2023-08-31")


def told(webhook: Webhook, kind: str, fingerprint: str) -> list[str]:
    """What was said when an incident opened (FIRING) or ended (RESOLVED); incidents of one run come together."""
    said = [f"{found['title']} {found['message']}" for found in webhook.messages if f"[{kind}]" in found["title"]]
    return [text for text in said if fingerprint in text]


def set_fault(platform: Platform, **fault: object) -> None:
    faults = platform.endpoints["feed"].replace("/feed", "/faults")
    requests.post(faults, json=fault, timeout=PATIENCE_SECONDS).raise_for_status()


def open_on_the_page(platform: Platform) -> set[str]:
    """Incidents that the page shows as open."""
    answer = requests.get(f"{platform.endpoints['app']}/alerts", timeout=PATIENCE_SECONDS).json()
    return {alert["fingerprint"] for alert in answer["alerts"] if alert["state"] != "RESOLVED"}


def summary_of(platform: Platform, fingerprint: str) -> str:
    """What the page tells of an open incident; nothing where it is over."""
    answer = requests.get(f"{platform.endpoints['app']}/alerts", timeout=PATIENCE_SECONDS).json()
    found = [of for of in answer["alerts"] if of["fingerprint"] == fingerprint and of["state"] != "RESOLVED"]
    return str(found[0]["summary"]) if found else ""


def passed_in_dagster(platform: Platform, asset: str, check: str) -> bool:
    """What Dagster shows of the newest evaluation of a check."""
    answer = ask_dagster(
        platform,
        "query ($asset: AssetKeyInput!, $check: String!) "
        "{ assetCheckExecutions(assetKey: $asset, checkName: $check, limit: 1) { evaluation { success } } }",
        asset={"path": [asset]},
        check=check,
    )
    return bool(answer["assetCheckExecutions"][0]["evaluation"]["success"])


@pytest.fixture(scope="module")
def shifted(started: Platform, july: dict[str, Any], webhook: Webhook) -> str:
    """One series' level moved with August, and that was told; the message."""
    assert SHIFT not in open_on_the_page(started)
    set_fault(started, name="level_shift", series="Corrib production", **{"from": "2023-08-01"}, by=300)
    started.json(*LOAD_OF_AUGUST)
    (message,) = wait_until("the alert", lambda: told(webhook, "FIRING", SHIFT))
    return message


@pytest.fixture(scope="module")
def dead_feed(started: Platform, shifted: str, webhook: Webhook) -> subprocess.CompletedProcess[str]:
    """A load from a dead feed failed, and that was told; what the command said."""
    set_fault(started, name="down")
    failed = started.run(*LOAD_OF_AUGUST)
    wait_until("the alert", lambda: told(webhook, "FIRING", FAILED_LOAD))
    return failed


def test_a_level_shift_is_an_alert_on_a_webhook_the_page_and_in_dagster(
    platform: Platform, webhook: Webhook, shifted: str
) -> None:
    assert "(since 2023-0" in shifted
    assert "/runbooks/" in shifted
    assert SHIFT in open_on_the_page(platform)
    assert SHIFT in platform.json("status")["open_alerts"]
    assert not passed_in_dagster(platform, *DRIFT.split(":"))
    wait_until(
        "the errors as its evidence", lambda: "forecast_rmse_within_budget (since" in summary_of(platform, SHIFT)
    )
    assert len(told(webhook, "FIRING", SHIFT)) == 1, "one cause, one message"


def test_a_dead_feed_is_an_alert_and_a_command_that_says_so(
    platform: Platform, webhook: Webhook, dead_feed: subprocess.CompletedProcess[str]
) -> None:
    assert dead_feed.returncode == 1
    assert "raw_observations: FeedUnavailableError: the feed http" in dead_feed.stderr
    assert FAILED_LOAD in open_on_the_page(platform)
    (message,) = told(webhook, "FIRING", FAILED_LOAD)
    assert "2023-08-01..2023-08-31: raw_observations: FeedUnavailableError: the feed http" in message


@pytest.mark.usefixtures("dead_feed")
def test_once_the_feed_recovers_the_failed_load_is_over_and_the_shift_is_no_evidence_any_more(
    platform: Platform, webhook: Webhook
) -> None:
    requests.delete(platform.endpoints["feed"].replace("/feed", "/faults"), timeout=PATIENCE_SECONDS).raise_for_status()
    platform.json(*LOAD_OF_AUGUST)
    wait_until("its end", lambda: told(webhook, "RESOLVED", FAILED_LOAD))
    wait_until("its end on the page", lambda: FAILED_LOAD not in open_on_the_page(platform))
    assert passed_in_dagster(platform, *DRIFT.split(":"))
    # Forecasts that were made from the wrong values are still wrong.
    wait_until(
        "what is left",
        lambda: not any(of in summary_of(platform, SHIFT) for of in ("its values", DRIFT.partition(":")[2])),
    )
    waiting = "select count(*) from forecasting.alert_messages where delivered_at is null"
    wait_until("an empty outbox", lambda: rows(platform, waiting) == [(0,)])
    assert {len(told(webhook, kind, FAILED_LOAD)) for kind in ("FIRING", "RESOLVED")} == {1}


def test_a_daemon_that_stands_still_is_told_by_the_watch_from_outside_until_it_goes_on(
    platform: Platform, webhook: Webhook, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FORECASTING_ALERT_URLS", webhook.alert_url)
    daemon = platform.process_of("Dagster's daemon")
    # A minute, since the sensor's beat, which comes each 10 s, is late where the machine is busy.
    watch = ("alerts", "watch", "--max-age", "60")
    wait_until("a watch that is content", lambda: platform.run(*watch).returncode == 0)

    def is_told_of() -> list[str]:
        platform.run(*watch)
        return told(webhook, "FIRING", DEAD_MAN)

    daemon.suspend()
    try:
        # The other watcher of the daemon may have gone quiet before.
        wait_until("a message of the alert sensor", is_told_of)
        quiet = platform.run(*watch)
        assert quiet.returncode == 1
        assert "start Dagster's daemon" in quiet.stderr
    finally:
        daemon.resume()
    wait_until("a watch that is content again", lambda: platform.run(*watch).returncode == 0)
    assert [len(told(webhook, kind, DEAD_MAN)) for kind in ("FIRING", "RESOLVED")] == [1, 1]


@pytest.mark.usefixtures("version_2")
def test_promote_decides_again_and_the_ledger_says_who_asked(platform: Platform) -> None:
    (decided,) = platform.json("promote")
    newest = platform.json("decisions")[0]
    assert (newest["decision"], newest["verdict"]) == (decided["decision_id"], decided["verdict"])
    assert newest["decided_by"] == "promote command"
    wait_until("the version decided on", lambda: served_version(platform) == decided["champion_version"])


def test_a_second_up_on_the_same_directory_says_so(platform: Platform) -> None:
    refused = platform.run("up", "--port-base", "39900")
    assert refused.returncode == 1
    assert "runs in" in refused.stderr
    assert "--data-dir" in refused.stderr


def test_a_taken_port_is_named(platform: Platform, tmp_path: Path) -> None:
    base = platform.endpoints["dagster"].rsplit(":", 1)[1]
    refused = run_command("up", "--data-dir", str(tmp_path / "other"), "--port-base", base)
    assert refused.returncode == 1
    assert f"{base} (dagster)" in refused.stderr
    assert "--port-base" in refused.stderr


@pytest.mark.usefixtures("shifted")
def test_a_postgres_that_dies_ends_the_platform_and_the_next_up_tells_no_incident_twice(
    platform: Platform, webhook: Webhook
) -> None:
    incidents = {row["alert_id"] for row in platform.json("alerts", "list")}
    assert incidents, "something must be open for this to mean anything"
    decided, said = platform.json("decisions"), len(webhook.messages)
    platform.process_of("Postgres").kill()
    assert platform.process.wait(STOP_SECONDS) == 1
    assert "Postgres ended with signal SIGKILL" in platform.log.read_text(encoding="utf-8")
    assert processes_of(platform.data_dir) == []
    platform.start_again()
    wait_until("a watch that is content", lambda: platform.run("alerts", "watch", "--max-age", "60").returncode == 0)
    assert {row["alert_id"] for row in platform.json("alerts", "list")} == incidents
    assert platform.json("decisions") == decided
    assert [found["title"] for found in webhook.messages[said:]] == []


def test_ctrl_c_leaves_nothing_running_and_a_restored_backup_goes_on(platform: Platform, tmp_path: Path) -> None:
    served = platform.post("/predict", NEXT).json()
    decided = platform.json("decisions")
    assert platform.stop() == 0
    assert not (platform.data_dir / "endpoints.json").exists()
    assert processes_of(platform.data_dir) == []
    copied = platform.json("backup", "--to", str(tmp_path / "backup"))
    shutil.rmtree(platform.data_dir)
    assert platform.json("restore", "--from", str(tmp_path / "backup")) == copied
    platform.start_again()
    assert "are loaded" in platform.log.read_text(encoding="utf-8")
    assert platform.post("/predict", NEXT).json() == served
    assert platform.json("decisions") == decided
    assert platform.stop() == 0
    assert processes_of(platform.data_dir) == []

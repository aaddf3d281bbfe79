"""The command line without a platform behind it: usage, errors, and what is printed."""

import csv
import io
import json
import pkgutil
import re
import subprocess
import sys
from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import click
import numpy as np
import pandas as pd
import pytest
from click.testing import CliRunner, Result
from pydantic import SecretStr

from forecasting_platform import cli, commands
from forecasting_platform.adapters.memory.ledger import MemoryLedger
from forecasting_platform.adapters.memory.table_store import MemoryTableStore
from forecasting_platform.commands.alerts import alerts
from forecasting_platform.commands.terminal.connection import AppRefusedError
from forecasting_platform.errors import RegistryUnavailableError
from forecasting_platform.forecasting.monitoring.alert_messages import Message
from forecasting_platform.forecasting.monitoring.evaluations import find_mute_reason
from forecasting_platform.forecasting.monitoring.incidents import Alert
from forecasting_platform.forecasting.promotion.decisions import PromotionDecision
from forecasting_platform.forecasting.series.days.date_range import DateRange
from forecasting_platform.forecasting.series.frames import FEATURE_TABLE, FORECAST_ERRORS
from forecasting_platform.local.dagster.answers import Materialization, RunFailedError
from forecasting_platform.local.data_directory import DataDirectory
from forecasting_platform.settings import Settings
from forecasting_platform_tests.forecasting.monitoring.control import controlled
from forecasting_platform_tests.forecasting.promotion.decided import NOISE, judged

RANGE = ("--start", "2023-07-01", "--end", "2023-07-02")
COMMANDS = {
    "status": (),
    "load": RANGE,
    "train": (),
    "promote": (),
    "rollback": ("--reason", "a drill"),
    "forecast": RANGE,
    "simulate": RANGE,
    "features": (*RANGE, "--as-of", "2023-07-03T06:00Z"),
    "report": (),
    "as-of": ("2023-07-05",),
    "decisions": (),
}
ROW = {"unique_id": 'Größe "x", y', "ds": "2023-07-01", "y_hat": 0.1 + 0.2, "extrapolated": False}
ANSWERS = {
    "/predict": {"model": {"version": "3", "cutoff": "2023-06-30"}, "forecasts": [ROW, ROW | {"ds": "2023-07-02"}]},
    "/simulate": {"inputs": [ROW]},
    "/model": {"version": "3", "cutoff": "2023-06-30", "metadata": {}},
}


@dataclass
class FakeDagster:
    """Answers as Dagster would, and keeps what it was asked."""

    url: str = "http://127.0.0.1:3000"
    asked: list[tuple[Any, ...]] = field(default_factory=list)
    metadata: dict[str, Any] = field(default_factory=dict)
    failure: Exception | None = None
    app_refusal: Exception | None = None

    def launch_backfill(self, assets: Any, period: DateRange, *, tags: Any = None) -> str:
        self.asked.append((tuple(assets), period))
        return "abcdef"

    def wait_for_backfill(self, backfill_id: str, *, deadline_seconds: float) -> Any:
        return SimpleNamespace(run_ids=["run-1"])

    def launch_job(self, job: str, *, run_config: Any = None) -> str:
        self.asked.append((job, run_config))
        return "run-1"

    def wait_for_run(self, run_id: str, *, deadline_seconds: float) -> None:
        if self.failure is not None:
            raise self.failure

    def materializations(self, run_id: str, asset: str | None = None) -> list[Materialization]:
        return [Materialization(asset or "x", None, self.metadata)] * 2

    def materialized_days(self, asset: str) -> set[date]:
        return set(DateRange(date(2023, 6, 1), date(2023, 6, 30)))


METADATA = {
    **{f"load_{name}": number for number, name in enumerate(("new", "revised", "unchanged", "quarantined"))},
    "load_refused": "3 of 5 values of the days asked for (60 %) were refused",
    "model_version": "4",
    "cutoff": "2023-07-02",
    "mlflow_run_id": "f00",
    "decision_id": 7,
    "verdict": "hold",
    "champion_version": "3",
    "reason": "not better – yet",
}


@pytest.fixture
def dagster() -> FakeDagster:
    return FakeDagster(metadata=METADATA)


@pytest.fixture
def ledger() -> MemoryLedger:
    ledger = MemoryLedger()
    decided = datetime(2023, 7, 2, 9, tzinfo=UTC)
    for verdict in ("promote", "hold"):
        ledger.append_decision(
            PromotionDecision(
                verdict, "it's so", "3", None, date(2023, 6, 30), decided, "promotion_sensor", {"rmse": {"naive": 5.8}}
            )
        )
    return ledger


class FakeConnection(SimpleNamespace):
    """A connection to parts that a test makes."""

    @property
    def settings(self) -> Settings:
        return Settings(postgres_dsn=SecretStr(self.postgres_dsn))


@pytest.fixture
def run(
    dagster: FakeDagster, ledger: MemoryLedger, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> Callable[..., Result]:
    """Runs a command against a platform that answers what a test says."""

    def ask_app(method: str, path: str, body: object = None) -> Any:
        dagster.asked.append((method, path, body))
        if dagster.app_refusal is not None:
            raise dagster.app_refusal
        return ANSWERS[path]

    known = MemoryTableStore()
    connection = FakeConnection(
        dagster=dagster,
        dagster_url=dagster.url,
        app_url="http://127.0.0.1:3002",
        postgres_dsn="postgresql://someone:secret@127.0.0.1:1/nothing",
        ask_app=ask_app,
        table_store=lambda: nullcontext(known),
        ledger=lambda: nullcontext(ledger),
    )
    for module in pkgutil.walk_packages(commands.__path__, f"{commands.__name__}."):
        monkeypatch.setattr(f"{module.name}.connect", lambda data_dir: connection, raising=False)
    row = pd.DataFrame({"unique_id": ["a"], "ds": [pd.Timestamp("2023-07-01")], "y": [1.0]})
    known.record_observations(
        row, DateRange(date(2023, 7, 1), date(2023, 7, 1)), available_at=datetime(2023, 7, 2, tzinfo=UTC)
    )
    features = pd.DataFrame({"unique_id": ["a"], "ds": pd.to_datetime(["2023-07-01"]), "y": [0.1 + 0.2]})
    monkeypatch.setattr("forecasting_platform.commands.features.features_as_of", lambda *asked: features)
    errors = controlled.errors(30)
    known.replace(FORECAST_ERRORS, errors, DateRange(errors["ds"].min().date(), errors["ds"].max().date()))

    def run(*words: str) -> Result:
        return invoke(*words, "--data-dir", str(tmp_path))

    return run


def invoke(*words: str) -> Result:
    return CliRunner().invoke(cli.main, list(words), prog_name="forecasting-platform")


def arguments(command: str) -> tuple[str, ...]:
    return (command, *COMMANDS[command])


# --- usage ---


def test_every_command_of_the_contract_is_there() -> None:
    of_stopped_platforms = {"migrate", "backup", "restore"}
    assert set(cli.COMMANDS) == {
        *COMMANDS,
        "up",
        "down",
        "alerts",
        "backtest",
        "backtest-policy",
        "feed",
        "gateway",
        *of_stopped_platforms,
    }


ALL: dict[str, click.Command] = {
    name: command for name in cli.COMMANDS if (command := cli.main.get_command(click.Context(cli.main), name))
}
LEAVES: dict[str, click.Command] = {
    **{name: command for name, command in ALL.items() if not isinstance(command, click.Group)},
    **{f"alerts {name}": command for name, command in alerts.commands.items()},
}


def test_a_command_has_the_name_by_which_it_is_asked_for() -> None:
    assert [*ALL] == [command.name for command in ALL.values()] == sorted(cli.COMMANDS)
    assert cli.main.get_command(click.Context(cli.main), "nonsense") is None


def test_the_list_of_commands_imports_none() -> None:
    asked = "import sys; from forecasting_platform.cli import main; main(['--help'], standalone_mode=False); "
    found = [sys.executable, "-c", asked + "print({'pandas', 'numpy', 'requests', 'pydantic'} & {*sys.modules})"]
    assert subprocess.run(found, capture_output=True, text=True, check=True).stdout.endswith("\nset()\n")


@pytest.mark.parametrize("command", sorted(LEAVES))
def test_the_help_of_a_command_says_what_it_does_with_an_example_that_parses(command: str) -> None:
    names = command.split()
    shown = invoke(*names, "--help")
    assert shown.exit_code == 0
    example = re.search(r"Example: forecasting-platform (.*)", " ".join(shown.output.split()))
    assert example is not None
    assert "--json" in shown.output
    words = [word.strip('"') for word in re.findall(r'"[^"]*"|\S+', example[1].split(" (")[0])]
    assert words[: len(names)] == names
    # Parsing alone, without running: a usage error would be raised here.
    with LEAVES[command].make_context(command, words[len(names) :]) as context:
        assert isinstance(context, click.Context)


def test_options_that_are_needed_are_described() -> None:
    for command in LEAVES.values():
        for option in (param for param in command.params if isinstance(param, click.Option)):
            assert option.help or option.name == "form", f"{command.name} {option.name}"


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("load", "--start", "2023-07-01"), "Missing option '--end'"),
        (("load", "--start", "01/07/2023", "--end", "2023-07-02"), "'01/07/2023' is no day; write YYYY-MM-DD"),
        (("load", "--start", "2023-02-30", "--end", "2023-03-01"), "'2023-02-30' is no day"),
        (
            ("forecast", "--start", "2023-07-02", "--end", "2023-07-01"),
            "--end 2023-07-01 lies before --start 2023-07-02",
        ),
        (("simulate", "--start", "2023-07-02", "--end", "2023-07-01"), "swap them"),
        (("up", "--start", "2023-07-02", "--end", "2023-07-01"), "swap them"),
        (("up", "--port-base", "65534"), "65534 is not in the range"),
        (("up", "--feed", "/", "--feed-url", "http://host/"), "give --feed or --feed-url"),
        (("up", "--port-base", "many"), "'many' is not a valid integer"),
        (("rollback",), "Missing option '--reason'"),
        (("rollback", "--reason", "  "), "--reason is empty; say why"),
        (("decisions", "--limit", "0"), "0 is not in the range"),
        (("forecast", *RANGE, "--format", "xml"), "'xml' is not one of"),
        (("features", *RANGE, "--as-of", "yesterday"), "'yesterday' is no time"),
        (("features", *RANGE, "--as-of", "2023-07-03T06:00"), "has no time zone"),
        (("laod",), "No such command 'laod'"),
        (("status", "--verbose"), "No such option"),
    ],
)
def test_wrong_usage_is_exit_code_2_and_a_sentence(words: tuple[str, ...], said: str) -> None:
    refused = invoke(*words)
    assert refused.exit_code == 2
    assert said in " ".join(refused.stderr.split())
    assert refused.stdout == ""


# --- errors ---


@pytest.mark.parametrize("command", sorted(COMMANDS))
def test_where_no_platform_runs_a_command_fails_and_names_up(command: str, tmp_path: Path) -> None:
    failed = invoke(*arguments(command), "--data-dir", str(tmp_path / "nowhere"))
    assert failed.exit_code == 1
    assert failed.stdout == ""
    assert failed.stderr.startswith("forecasting-platform: no platform runs in")
    assert "up" in failed.stderr
    assert "Traceback" not in failed.stderr


def test_a_feed_url_that_is_none_is_refused_before_anything_starts(tmp_path: Path) -> None:
    result = CliRunner().invoke(cli.main, ["up", "--data-dir", str(tmp_path / "data"), "--feed-url", "nonsense"])
    assert result.exit_code == 1
    assert "is no feed; give http(s)://host/feed" in result.stderr
    assert not (tmp_path / "data").exists()


@pytest.mark.parametrize(
    ("description", "said"),
    [
        ("", "gas.yaml: No such file or directory"),
        ("source: {}\n", "line 1: `source.url`: is missing"),
        ("source: {url: 'https://host/${NOT_THERE}'}\n", "NOT_THERE: is not set, and the feed 'gas' needs it"),
        ("source: {url: file:///nowhere/gas.csv}\n", "file:///nowhere/gas.csv is unavailable"),
    ],
)
def test_a_described_feed_that_cannot_be_used_is_refused_before_anything_starts(
    tmp_path: Path, description: str, said: str
) -> None:
    if description:
        (tmp_path / "gas.yaml").write_text(description, encoding="utf-8")
    words = ["up", "--data-dir", str(tmp_path / "data"), "--feed", str(tmp_path / "gas.yaml")]
    result = CliRunner().invoke(cli.main, words)
    assert result.exit_code == 1
    assert said in result.stderr
    assert not (tmp_path / "data").exists()


def test_a_directory_of_a_feed_of_ones_own_is_not_mixed_with_the_simulated_one(tmp_path: Path) -> None:
    DataDirectory(tmp_path).first_day(date(2018, 1, 2))
    for words in (["up"], ["up", "--no-main-job"]):
        result = CliRunner().invoke(cli.main, [*words, "--data-dir", str(tmp_path)])
        assert result.exit_code == 1
        assert "holds the data of a feed of yours, not of the simulated one; give it again with --feed" in result.stderr


def test_ports_that_no_browser_opens_are_refused(tmp_path: Path) -> None:
    result = CliRunner().invoke(cli.main, ["up", "--data-dir", str(tmp_path / "data"), "--port-base", "5999"])
    assert result.exit_code == 2
    assert "5999 uses port 6000 (mlflow), which browsers refuse to open" in result.stderr
    assert not (tmp_path / "data").exists()


def test_stopping_where_nothing_runs_is_no_error(tmp_path: Path) -> None:
    done = invoke("down", "--data-dir", str(tmp_path), "--json")
    assert (done.exit_code, json.loads(done.stdout)) == (0, {"stopped": False})


@pytest.mark.parametrize(
    "error",
    [
        RunFailedError("training_job", "FAILURE", ["InsufficientHistoryError: too short"], "http://x/runs/1"),
        RegistryUnavailableError("MLflow", "refused"),
        AppRefusedError("the end lies before the start"),
    ],
    ids=lambda error: type(error).__name__,
)
def test_an_error_of_the_platform_is_a_sentence_on_standard_error_and_exit_code_1(
    run: Callable[..., Result], dagster: FakeDagster, error: Exception
) -> None:
    dagster.failure = error
    failed = run("train", "--json")
    assert failed.exit_code == 1
    assert failed.stdout == ""
    assert f"forecasting-platform: {error}" in failed.stderr


def test_a_recipe_files_text_goes_with_the_run(
    run: Callable[..., Result], dagster: FakeDagster, tmp_path: Path
) -> None:
    file = tmp_path / "my.toml"
    file.write_text("[candidates.naive]\n", encoding="utf-8")
    assert run("train", "--recipe", str(file)).exit_code == 0
    config = {"options": [], "recipe": "[candidates.naive]\n"}
    assert dagster.asked == [("training_job", {"ops": {"trained_model": {"config": config}}})]
    file.write_text("[candidates.naiv]\n", encoding="utf-8")
    refused = run("train", "--recipe", str(file))
    assert (refused.exit_code, len(dagster.asked)) == (1, 1)
    assert f"the recipe {file}: `candidates`: 'naiv' is no candidate; choose one of" in refused.stderr


def test_up_refuses_a_recipe_that_cannot_be_used_before_anything_starts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FORECASTING_RECIPE", "mine.toml")
    monkeypatch.chdir(tmp_path)
    (tmp_path / "mine.toml").write_text("horizont = 3", encoding="utf-8")
    refused = invoke("up", "--data-dir", str(tmp_path / "data"))
    assert refused.exit_code == 1
    assert "the recipe mine.toml: `horizont` is no key: did you mean `horizon`?" in refused.stderr
    assert not (tmp_path / "data").exists()


# --- what is printed ---


@pytest.mark.parametrize("command", sorted(COMMANDS))
def test_json_is_one_document_alone_on_standard_output(run: Callable[..., Result], command: str) -> None:
    done = run(*arguments(command), "--json")
    assert done.exit_code == 0, done.stderr
    assert json.loads(done.stdout), "an empty answer would prove nothing"
    assert "NaN" not in done.stdout


@pytest.mark.parametrize("command", sorted(COMMANDS))
def test_without_json_something_for_a_person_is_printed(run: Callable[..., Result], command: str) -> None:
    done = run(*arguments(command))
    assert done.exit_code == 0, done.stderr
    assert done.stdout.strip()


def test_a_load_is_one_backfill_of_both_assets_and_counts_what_it_did(
    run: Callable[..., Result], dagster: FakeDagster
) -> None:
    (counts,) = json.loads(run("load", *RANGE, "--json").stdout)
    assert dagster.asked == [
        (("raw_observations", "feature_table"), DateRange(date(2023, 7, 1), date(2023, 7, 2))),
    ]
    sentence = counts.pop("refused")
    assert counts == {"backfill": "abcdef", "days": 2, "new": 0, "revised": 1, "unchanged": 2, "quarantined": 3}
    assert sentence == METADATA["load_refused"]
    assert run("load", *RANGE).stdout.endswith(f"{sentence}\n")


def test_a_rollback_carries_its_reason_and_version(run: Callable[..., Result], dagster: FakeDagster) -> None:
    run("rollback", "--reason", "too low", "--to-version", "2")
    ((job, config),) = dagster.asked
    assert job == "promotion_job"
    assert config["ops"]["champion_model"]["config"] == {
        "decided_by": "rollback command",
        "action": "rollback",
        "reason": "too low",
        "to_version": "2",
    }


def test_a_version_is_served_regardless_only_with_a_reason(run: Callable[..., Result], dagster: FakeDagster) -> None:
    refused = run("promote", "--to-version", "3")
    assert refused.exit_code == 2
    assert "needs a reason" in refused.stderr
    run("promote", "--to-version", "3", "--reason", "the feed is wrong")
    ((_, config),) = dagster.asked
    assert config["ops"]["champion_model"]["config"] == {
        "decided_by": "promote command",
        "action": "override",
        "to_version": "3",
        "reason": "the feed is wrong",
    }


def test_a_whole_ledger_is_verified_and_a_changed_one_is_a_failure(
    run: Callable[..., Result], ledger: MemoryLedger
) -> None:
    assert "whole" in run("decisions", "verify").stdout
    ledger._decisions[0] = replace(ledger._decisions[0], reason="another reason")
    broken = run("decisions", "verify")
    assert broken.exit_code == 1
    assert "decision 1 is not as it was written" in broken.stderr


def test_a_replay_names_the_decisions_that_come_out_differently(
    run: Callable[..., Result], ledger: MemoryLedger
) -> None:
    assert run("decisions", "replay").exit_code == 0
    entry = ledger.append_decision(judged(1.2 * NOISE, NOISE))
    assert "same" in run("decisions", "replay", str(entry.decision_id)).stdout
    ledger.append_decision(replace(judged(1.2 * NOISE, NOISE), verdict="promote"))
    failed = run("decisions", "replay")
    assert failed.exit_code == 1
    assert "decisions [4] get other verdicts" in failed.stderr
    assert "there is no decision 9" in run("decisions", "replay", "9").stderr


def test_a_forecast_as_csv_is_read_back_to_the_same_numbers(run: Callable[..., Result], dagster: FakeDagster) -> None:
    done = run("forecast", *RANGE, "--format", "csv")
    rows = list(csv.DictReader(io.StringIO(done.stdout)))
    assert [row["unique_id"] for row in rows] == ['Größe "x", y'] * 2
    assert float(rows[0]["y_hat"]) == 0.1 + 0.2
    assert dagster.asked == [("POST", "/predict", {"start": "2023-07-01", "end": "2023-07-02"})]


def test_a_forecast_as_json_is_the_answer_of_the_app(run: Callable[..., Result]) -> None:
    assert json.loads(run("forecast", *RANGE, "--format", "json").stdout) == ANSWERS["/predict"]


def test_decisions_come_newest_first_with_their_evidence(run: Callable[..., Result]) -> None:
    found = json.loads(run("decisions", "--json", "--limit", "2").stdout)
    assert [row["verdict"] for row in found] == ["hold", "promote"]
    assert found[0]["evidence"] == {"rmse": {"naive": 5.8}}
    assert len(json.loads(run("decisions", "--json", "--limit", "1").stdout)) == 1


def test_the_status_tells_the_champion_and_the_last_day(run: Callable[..., Result]) -> None:
    status = json.loads(run("status", "--json").stdout)
    assert (status["champion"], status["loaded_days"], status["last_loaded_day"]) == ("3", 30, "2023-06-30")
    assert status["open_alerts"] == []


def test_the_status_of_a_platform_without_a_champion_is_no_error(
    run: Callable[..., Result], dagster: FakeDagster
) -> None:
    dagster.app_refusal = AppRefusedError("there is no champion yet")
    assert json.loads(run("status", "--json").stdout)["champion"] is None


@pytest.mark.parametrize("command", ["forecast", "simulate"])
def test_what_the_app_refuses_is_said_in_its_words(
    run: Callable[..., Result], dagster: FakeDagster, command: str
) -> None:
    dagster.app_refusal = AppRefusedError("at most 366 days ahead can be forecast")
    failed = run(*arguments(command))
    assert (failed.exit_code, failed.stdout) == (1, "")
    assert failed.stderr == "forecasting-platform: at most 366 days ahead can be forecast\n"


def test_a_report_is_written_where_it_was_asked_for(run: Callable[..., Result], tmp_path: Path) -> None:
    page = tmp_path / "report.html"
    done = run("report", "--html", str(page), "--json")
    assert done.exit_code == 0
    told = json.loads(done.stdout)
    assert set(told) == {"accuracy", "left_out", "vintages", "answered", "drift", "detection", "series", "alerts"}
    (month,) = [row for row in told["accuracy"] if row["window_days"] == 28]
    assert (month["unique_id"], month["days"]) == ("a", 28)
    assert month["rmse"] == pytest.approx(np.sqrt((controlled.NOISE[2:30] ** 2).mean()))
    written = page.read_text()
    assert written.startswith("<!doctype html>")
    assert "http" not in written, "one file without references to anything else"
    assert written.count("data:image/png;base64,") == 1
    assert f"{month['rmse']:.3g}" in written


def test_a_report_that_cannot_be_written_is_a_sentence(run: Callable[..., Result], tmp_path: Path) -> None:
    failed = run("report", "--html", str(tmp_path / "nowhere" / "report.html"))
    assert failed.exit_code == 1
    assert re.search(r"nowhere/report\.html.*No such file or directory; name another one with --html", failed.stderr)


NOW = datetime(2023, 7, 1, tzinfo=UTC)
INCIDENT = Alert("a:b@7", "a:b", "FIRING", "error", "bias", NOW, NOW, 7, announced=NOW)


def test_incidents_are_listed_acknowledged_and_muted(run: Callable[..., Result], ledger: MemoryLedger) -> None:
    ledger.save_alerts([INCIDENT])
    assert run("alerts", "acknowledge", "a:b@7", "--by", "ann").exit_code == 0
    assert json.loads(run("alerts", "list", "--json").stdout)[0]["acknowledged_by"] == "ann"
    assert run("alerts", "mute", "a:*", "--hours", "2", "--reason", "known", "--by", "ann").exit_code == 0
    (mute,) = ledger.mutes()
    assert (mute.pattern, mute.reason, mute.muted_by) == ("a:*", "known", "ann")


def test_features_of_which_nothing_was_known_are_a_header_and_no_row(
    run: Callable[..., Result], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("forecasting_platform.commands.features.features_as_of", lambda *_asked: FEATURE_TABLE.empty())
    done = run("features", "--start", "2023-06-01", "--end", "2023-06-30")
    assert done.exit_code == 0
    assert done.stdout.splitlines() == [",".join(column.name for column in FEATURE_TABLE.columns)]


def test_an_incident_is_acknowledged_by_what_it_is_of_too(run: Callable[..., Result], ledger: MemoryLedger) -> None:
    ledger.save_alerts([INCIDENT])
    assert json.loads(run("alerts", "acknowledge", "a:b", "--by", "ann", "--json").stdout)[0]["alert_id"] == "a:b@7"
    assert ledger.alerts()[0].acknowledged_by == "ann"


def test_the_listed_id_is_whole_in_a_narrow_terminal_and_says_who_is_on_it(
    run: Callable[..., Result], ledger: MemoryLedger, monkeypatch: pytest.MonkeyPatch
) -> None:
    name = "forecast_errors:" + "a_check_with_a_long_name_" * 4
    ledger.save_alerts([replace(INCIDENT, alert_id=f"{name}@7", fingerprint=name, owner="data-science")])
    ledger.acknowledge(f"{name}@7", "ann", NOW)
    monkeypatch.setattr("forecasting_platform.commands.terminal.output.WIDTH", 100)
    listed = run("alerts", "list").stdout
    cells = [[cell.strip() for cell in line.split("│")] for line in listed.splitlines() if line.startswith("│")]
    assert "".join(row[1] for row in cells) == f"{name}@7"
    assert "ann is on it" in " ".join(row[4] for row in cells)


def test_an_incident_there_is_not_cannot_be_acknowledged(run: Callable[..., Result], ledger: MemoryLedger) -> None:
    ledger.save_alerts([INCIDENT])
    failed = run("alerts", "acknowledge", "a:b@8", "--by", "ann")
    assert failed.exit_code == 1
    assert "no open incident is 'a:b@8'; open are 'a:b@7'" in failed.stderr


def test_a_quiet_watcher_where_no_route_is_set_is_a_failure_that_leaves_the_incident_to_who_can_tell_it(
    run: Callable[..., Result], ledger: MemoryLedger
) -> None:
    waiting = Message("a:b@7/FIRING/mail", INCIDENT.alert_id, "FIRING", "mail", NOW, NOW)
    ledger.save_alerts([INCIDENT], [waiting])
    failed = run("alerts", "watch")
    assert failed.exit_code == 1
    assert "nobody was told: FORECASTING_ALERT_URLS is not set here" in failed.stderr
    assert ledger.alerts(open_only=True) == [INCIDENT]
    assert ledger.waiting_messages() == [waiting]


def test_a_quiet_watcher_is_an_incident_and_a_failure_until_it_is_back(
    run: Callable[..., Result], ledger: MemoryLedger, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FORECASTING_ALERT_URLS", "json://127.0.0.1:9")
    failed = run("alerts", "watch")
    assert failed.exit_code == 1
    assert "start Dagster's daemon" in failed.stderr
    kinds = {alert.fingerprint.partition("-")[0] for alert in ledger.alerts(open_only=True)}
    assert kinds == {"dead_man:alert_sensor", "dead_man:promotion_sensor", "alert_route:json"}
    ledger.beat("alert_sensor", datetime.now(UTC))
    assert run("alerts", "watch").exit_code == 1
    ledger.beat("promotion_sensor", datetime.now(UTC))
    assert run("alerts", "watch").exit_code == 0
    assert {alert.fingerprint.partition(":")[0] for alert in ledger.alerts(open_only=True)} == {"alert_route"}


def test_muting_for_no_hours_ends_a_mute(run: Callable[..., Result], ledger: MemoryLedger) -> None:
    words = ["alerts", "mute", "a:*", "--reason", "known", "--by", "ann", "--hours"]
    assert run(*words, "8").exit_code == 0
    assert find_mute_reason("a:b", datetime.now(UTC), ledger.mutes(), {}) == "ann: known"
    assert run(*words, "0").exit_code == 0
    assert find_mute_reason("a:b", datetime.now(UTC), ledger.mutes(), {}) is None


def test_a_command_without_its_packages_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(cli.COMMANDS, "up", ("not_there:up", ""))
    result = CliRunner().invoke(cli.main, ["up"])
    assert result.exit_code == 1
    assert "not installed: pip install 'forecasting-platform[local]'" in result.output


def test_users_of_the_gateway_are_kept_as_hashes_for_their_owner_alone(tmp_path: Path) -> None:
    def run(*arguments: str) -> Result:
        options = ("--users", str(tmp_path / "gateway"), "--json")
        return CliRunner().invoke(cli.main, ["gateway", "user", *arguments, *options], input="a-long-password\n" * 2)

    assert run("add", "anna@example.org", "--role", "operator").exit_code == 0
    assert run("add", "ben", "--role", "reader", "--password", "another-password").exit_code == 0
    assert run("add", "ben", "--role", "admin", "--password", "another-password").exit_code == 0
    assert run("remove", "anna@example.org").exit_code == 0
    assert json.loads(run("list").output) == [{"user": "ben", "role": "admin"}]
    assert (tmp_path / "gateway/roles").read_text(encoding="utf-8") == "ben admin\n"
    passwords = tmp_path / "gateway/passwords"
    assert re.fullmatch(r"ben \$2b\$12\$\S{53}\n", passwords.read_text(encoding="utf-8"))
    assert passwords.stat().st_mode & 0o077 == 0


@pytest.mark.parametrize(
    ("name", "password", "problem"),
    [
        ("an na", "a-long-password", "is no name of a user"),
        ("anna\nben", "a-long-password", "is no name of a user"),
        ("{env.PATH}", "a-long-password", "is no name of a user"),
        ("anna", "short", "give 12 or more"),
        ("anna", "x" * 73, "at most 72 bytes"),
    ],
)
def test_a_user_of_the_gateway_who_cannot_be_is_refused(tmp_path: Path, name: str, password: str, problem: str) -> None:
    command = ["gateway", "user", "add", name, "--role", "reader", "--password", password, "--users", str(tmp_path)]
    result = CliRunner().invoke(cli.main, command)
    assert (result.exit_code, list(tmp_path.iterdir())) == (1, [])
    assert problem in result.output
    missing = CliRunner().invoke(cli.main, ["gateway", "user", "remove", "anna", "--users", str(tmp_path)])
    assert "there is no user 'anna'" in missing.output

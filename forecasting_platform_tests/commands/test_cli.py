"""The command line without a platform behind it: usage, errors, and what is printed."""

import csv
import io
import json
import re
import subprocess
import sys
from collections.abc import Callable
from datetime import date
from pathlib import Path

import click
import numpy as np
import pytest
from click.testing import CliRunner, Result

from forecasting_platform import cli
from forecasting_platform.commands.alerts import alerts
from forecasting_platform.commands.terminal.connection import AppRefusedError
from forecasting_platform.errors import RegistryUnavailableError
from forecasting_platform.forecasting.series.days.date_range import DateRange
from forecasting_platform.forecasting.series.frames import FEATURE_TABLE
from forecasting_platform.local.dagster.answers import RunFailedError
from forecasting_platform_tests.commands.fake_platform import ANSWERS, METADATA, FakeDagster, invoke
from forecasting_platform_tests.forecasting.monitoring.control import controlled

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


def test_a_forecast_as_csv_is_read_back_to_the_same_numbers(run: Callable[..., Result], dagster: FakeDagster) -> None:
    done = run("forecast", *RANGE, "--format", "csv")
    rows = list(csv.DictReader(io.StringIO(done.stdout)))
    assert [row["unique_id"] for row in rows] == ['Größe "x", y'] * 2
    assert float(rows[0]["y_hat"]) == 0.1 + 0.2
    assert dagster.asked == [("POST", "/predict", {"start": "2023-07-01", "end": "2023-07-02"})]


def test_a_forecast_as_json_is_the_answer_of_the_app(run: Callable[..., Result]) -> None:
    assert json.loads(run("forecast", *RANGE, "--format", "json").stdout) == ANSWERS["/predict"]


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


def test_features_of_which_nothing_was_known_are_a_header_and_no_row(
    run: Callable[..., Result], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("forecasting_platform.commands.features.features_as_of", lambda *_asked: FEATURE_TABLE.empty())
    done = run("features", "--start", "2023-06-01", "--end", "2023-06-30")
    assert done.exit_code == 0
    assert done.stdout.splitlines() == [",".join(column.name for column in FEATURE_TABLE.columns)]


def test_a_command_without_its_packages_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(cli.COMMANDS, "up", ("not_there:up", ""))
    result = CliRunner().invoke(cli.main, ["up"])
    assert result.exit_code == 1
    assert "not installed: pip install 'forecasting-platform[local]'" in result.output

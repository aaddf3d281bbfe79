"""`up`, `down` and `status`: what cannot be used is refused before anything starts."""

import json
from collections.abc import Callable
from datetime import date
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from forecasting_platform import cli
from forecasting_platform.commands.terminal.connection import AppRefusedError
from forecasting_platform.local.data_directory import DataDirectory
from forecasting_platform_tests.commands.fake_platform import FakeDagster, invoke


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


def test_the_status_tells_the_champion_and_the_last_day(run: Callable[..., Result]) -> None:
    status = json.loads(run("status", "--json").stdout)
    assert (status["champion"], status["loaded_days"], status["last_loaded_day"]) == ("3", 30, "2023-06-30")
    assert status["open_alerts"] == []


def test_the_status_of_a_platform_without_a_champion_is_no_error(
    run: Callable[..., Result], dagster: FakeDagster
) -> None:
    dagster.app_refusal = AppRefusedError("there is no champion yet")
    assert json.loads(run("status", "--json").stdout)["champion"] is None

"""`backtest` prints scores, cost and a verdict, and changes nothing."""

import json
from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace

import pandas as pd
import pytest
from click.testing import CliRunner, Result

from forecasting_platform import Recipe, cli
from forecasting_platform.adapters.feeds.simulated_gas_supply import simulate_gas_supply
from forecasting_platform.adapters.memory.ledger import MemoryLedger
from forecasting_platform.adapters.memory.model_registry import MemoryModelRegistry
from forecasting_platform.adapters.memory.table_store import MemoryTableStore
from forecasting_platform.forecasting.models.recipes.recipe import default_candidates
from forecasting_platform.forecasting.models.training.training import train
from forecasting_platform.forecasting.series.days.date_range import DateRange
from forecasting_platform.forecasting.series.features.feature_table import build_features
from forecasting_platform.forecasting.series.frames import FEATURE_TABLE
from forecasting_platform.settings import Settings
from forecasting_platform_tests.forecasting.promotion.decided import NOISE, judged

DAYS = DateRange(date(2021, 1, 1), date(2022, 6, 30))
SERIES = ["Corrib production", "Moffat imports"]
QUICK = "backtest_days = 200\nrefit_days = 60\n"
NAIVE = Recipe(candidates=default_candidates(["naive"]), backtest_days=200, refit_days=60)


@pytest.fixture(scope="module")
def features() -> pd.DataFrame:
    wide = simulate_gas_supply(DAYS).rename_axis(index="ds")
    return build_features(wide.reset_index().melt("ds", var_name="unique_id", value_name="y"), DAYS, "IE")


@pytest.fixture
def registry() -> MemoryModelRegistry:
    return MemoryModelRegistry()


@pytest.fixture
def ledger() -> MemoryLedger:
    return MemoryLedger()


@pytest.fixture
def run(
    features: pd.DataFrame,
    registry: MemoryModelRegistry,
    ledger: MemoryLedger,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> Callable[..., Result]:
    store = MemoryTableStore()
    store.replace(FEATURE_TABLE, features, DAYS)
    connection = SimpleNamespace(
        settings=Settings(), table_store=lambda: nullcontext(store), ledger=lambda: nullcontext(ledger)
    )
    monkeypatch.setattr("forecasting_platform.commands.backtest.connect", lambda data_dir: connection)
    monkeypatch.setattr("forecasting_platform.commands.backtest.model_registry_of", lambda settings: registry)
    (tmp_path / "quick.toml").write_text(QUICK, encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    return lambda *words: CliRunner().invoke(cli.main, ["backtest", *words], prog_name="forecasting-platform")


@pytest.fixture
def champion(features: pd.DataFrame, registry: MemoryModelRegistry) -> str:
    model = train(features, DAYS.end, NAIVE, code_version="test").model
    version = registry.register(model, plots={}, run_tags={})
    registry.move_champion(version, expected=None)
    return version.version


def test_scores_by_series_and_steps_and_the_cost_are_printed(run: Callable[..., Result]) -> None:
    shown = run("--recipe", "quick.toml", "--series", SERIES[0])
    assert shown.exit_code == 0, shown.output
    assert "scores of quick, by series and days ahead" in shown.output
    assert [steps in shown.output for steps in ("1-3", "4-7", "8-15", "all")] == [True] * 4
    assert SERIES[0] in shown.output
    assert SERIES[1] not in shown.output
    assert "s of processor time a series; fits: naive " in shown.output
    assert "verdict" not in shown.output


def test_against_the_champion_the_verdict_and_its_power_are_printed(run: Callable[..., Result], champion: str) -> None:
    shown = run("--recipe", "quick.toml", "--against", "champion", "--plot", "verdict.png")
    assert shown.exit_code == 0, shown.output
    assert f"lower (chance 0.000) than version {champion}'s" in shown.output
    assert "would be found four times in five" in shown.output
    assert "loss saved, from the first cutoff to the last, between " in shown.output
    assert Path("verdict.png").read_bytes().startswith(b"\x89PNG")


def test_a_verdict_asks_for_more_after_other_recipes_of_the_year_and_is_not_counted_itself(
    run: Callable[..., Result], ledger: MemoryLedger, champion: str
) -> None:
    now = datetime.now(UTC)
    for days_ago in (400, 20, 10):
        made = replace(judged(NOISE, NOISE), decided_at=now - timedelta(days=days_ago))
        made.evidence["inputs"]["challenger"]["recipe_fingerprint"] = f"recipe {days_ago}"
        ledger.append_decision(made)
    for _ in range(2):
        shown = run("--recipe", "quick.toml", "--against", "champion")
        assert "number 3 of the recipes compared within a year: a chance below 0.0018 is asked" in shown.output
        assert "this look is not counted" in shown.output
    assert len(ledger.decisions()) == 3


def test_a_machine_gets_one_document(run: Callable[..., Result], champion: str) -> None:
    shown = run("--recipe", "quick.toml", "--against", "champion", "--json")
    document = json.loads(shown.stdout)
    assert document["verdict"] == "promote"
    assert document["statistics"]["challenger_loss"] < document["statistics"]["champion_loss"]
    assert {row["unique_id"] for row in document["scores"]} == {row["unique_id"] for row in document["by_series"]}
    assert set(document["cost"]["fit_seconds_a_series"]) == set(Recipe().names)
    assert list(document["against"]["cost"]["fit_seconds_a_series"]) == ["naive"]


def test_two_files_can_be_compared(run: Callable[..., Result]) -> None:
    Path("naive.toml").write_text(f"{QUICK}[candidates.naive]\n", encoding="utf-8")
    shown = run("--recipe", "naive.toml", "--against", "quick.toml")
    assert "verdict: reject" in shown.output
    assert "than version quick's" in shown.output


def test_without_a_champion_it_is_said_what_to_do(run: Callable[..., Result]) -> None:
    shown = run("--recipe", "quick.toml", "--against", "champion")
    assert shown.exit_code == 1
    assert "has no champion yet" in shown.output


@pytest.mark.parametrize("words", [("--recipe", "nowhere.toml"), ("--against", "nowhere.toml")])
def test_a_file_that_is_not_there_is_named(run: Callable[..., Result], words: tuple[str, ...]) -> None:
    shown = run(*words)
    assert shown.exit_code == 1
    assert "nowhere.toml" in shown.output


def test_a_series_that_is_not_stored_is_named(run: Callable[..., Result]) -> None:
    shown = run("--recipe", "quick.toml", "--series", "Nowhere")
    assert shown.exit_code == 1
    assert "Nowhere" in shown.output


def test_half_a_range_is_refused(run: Callable[..., Result]) -> None:
    assert "give both --start and --end" in run("--start", "2021-01-01").output


def test_a_plot_that_cannot_be_written_is_told(run: Callable[..., Result]) -> None:
    shown = run("--recipe", "quick.toml", "--plot", "nowhere/plot.png")
    assert shown.exit_code == 1
    assert "name another one with --plot" in shown.output

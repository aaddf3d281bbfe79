"""A day of data moves the whole way: feed, observations, features, model, champion, forecasts, errors."""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from types import SimpleNamespace
from typing import Any

import dagster as dg
import pandas as pd
import pytest
from pydantic import ValidationError

from forecasting_platform.adapters.feeds.simulated_gas_supply import simulate_gas_supply, simulate_weather
from forecasting_platform.adapters.memory.ledger import MemoryLedger
from forecasting_platform.adapters.memory.model_registry import MemoryModelRegistry
from forecasting_platform.adapters.memory.table_store import MemoryTableStore
from forecasting_platform.definitions import CHECKS, build_definitions
from forecasting_platform.errors import FeedUnavailableError, NoChampionError
from forecasting_platform.forecasting.series.date_range import DateRange
from forecasting_platform.forecasting.series.frames import FEATURE_TABLE, FORECAST_ERRORS, FORECASTS
from forecasting_platform.orchestration.partitions import range_tags
from forecasting_platform.ports.observation_feed import FeedDocument
from forecasting_platform.settings import Settings

pytestmark = pytest.mark.slow

INITIAL = DateRange(date(2022, 10, 1), date(2023, 6, 30))
JULY = DateRange(date(2023, 7, 1), date(2023, 7, 31))


@dataclass
class SimulatedFeed:
    """The simulated gas supply without a web server; `down` makes it unavailable."""

    down: bool = False
    weather: bool = False
    clock: datetime = field(default=datetime(2026, 1, 1, tzinfo=UTC))

    def fetch(self, period: DateRange) -> FeedDocument:
        if self.down:
            raise FeedUnavailableError("the feed", "refused")
        self.clock += timedelta(hours=1)
        wide = simulate_gas_supply(period)
        if self.weather:
            wide = wide.join(simulate_weather(period))
        wide = wide.rename_axis(index="ds", columns="unique_id")
        values = wide.reset_index().melt("ds", var_name="unique_id", value_name="y")
        return FeedDocument("simulated", self.clock, "0" * 64, 1, values[["unique_id", "ds", "y"]], _none_quarantined())


def _none_quarantined() -> pd.DataFrame:
    return pd.DataFrame({name: pd.Series(dtype=object) for name in ("unique_id", "ds", "reason", "raw")})


class Platform:
    """The real definitions on memory adapters, run in this process."""

    def __init__(
        self,
        instance: dg.DagsterInstance,
        settings: Settings | None = None,
        *,
        weather: bool = False,
        feed: SimulatedFeed | None = None,
    ) -> None:
        self.instance = instance
        self.feed = feed or SimulatedFeed(weather=weather)
        self.store, self.registry, self.ledger = MemoryTableStore(), MemoryModelRegistry(), MemoryLedger()
        self.definitions = build_definitions(
            resources={
                "observation_feed": self.feed,
                "table_store": self.store,
                "model_registry": self.registry,
                "ledger": self.ledger,
                "settings": settings or Settings(),
                "mlflow": SimpleNamespace(set_tag=lambda *_: None, end_run=lambda *_: None),
            }
        )

    def run(
        self, job: str, days: DateRange | None = None, config: Mapping[str, Any] | None = None, *, raising: bool = True
    ) -> dg.ExecuteInProcessResult:
        return self.definitions.resolve_job_def(job).execute_in_process(
            instance=self.instance,
            tags=range_tags(days) if days else {},
            run_config={"ops": config} if config else None,
            raise_on_error=raising,
        )

    def checks(self, result: dg.ExecuteInProcessResult) -> dict[str, bool]:
        return {found.check_name: found.passed for found in result.get_asset_check_evaluations()}


@pytest.fixture(scope="module")
def platform() -> Iterator[Platform]:
    with dg.DagsterInstance.ephemeral() as instance:
        yield Platform(instance)


@pytest.fixture(scope="module")
def loaded(platform: Platform) -> dg.ExecuteInProcessResult:
    return platform.run("load_job", INITIAL)


@pytest.fixture(scope="module")
def served(platform: Platform, loaded: dg.ExecuteInProcessResult) -> Platform:
    with pytest.raises(NoChampionError):
        platform.run("forecast_job", DateRange(INITIAL.end, INITIAL.end))
    platform.run("training_job")
    platform.run("promotion_job")
    platform.run("forecast_job", DateRange(INITIAL.end, INITIAL.end))
    return platform


@pytest.fixture(scope="module")
def july(served: Platform) -> dg.ExecuteInProcessResult:
    """A month later: its actuals are loaded, forecasts are issued each day and matched."""
    served.run("load_job", JULY)
    return served.run("forecast_job", JULY)


@pytest.fixture(scope="module")
def refreshed(served: Platform, july: dg.ExecuteInProcessResult) -> Platform:
    """A challenger of the same recipe and a month of newer data was decided on."""
    served.run("training_job")
    served.run("training_job")
    assert served.run("promotion_job").success
    return served


def test_a_range_is_one_run_and_each_day_shows_its_rows(platform: Platform, loaded: dg.ExecuteInProcessResult) -> None:
    days = [
        event.partition
        for event in loaded.get_asset_materialization_events()
        if event.asset_key.path == ["raw_observations"]
    ]
    assert days == [day.isoformat() for day in INITIAL]
    series = platform.store.read_observations(INITIAL)["unique_id"].nunique()
    first = loaded.asset_materializations_for_node("raw_observations")[0]
    assert first.metadata["dagster/partition_row_count"].value == series
    assert all(platform.checks(loaded).values())


def test_a_reload_adds_no_row_and_doubles_no_day(platform: Platform, loaded: dg.ExecuteInProcessResult) -> None:
    before = platform.store.read_observations(INITIAL)
    again = platform.run("load_job", INITIAL)
    pd.testing.assert_frame_equal(platform.store.read_observations(INITIAL), before)
    metadata = again.asset_materializations_for_node("raw_observations")[0].metadata
    assert metadata["load_new"].value == 0
    assert metadata["load_unchanged"].value == len(before)
    assert len(platform.store.read(FEATURE_TABLE, INITIAL)) == len(before)


def test_a_feed_that_is_down_materializes_nothing(platform: Platform) -> None:
    day = DateRange(date(2021, 1, 1), date(2021, 1, 2))
    platform.feed.down = True
    failed = platform.run("load_job", day, raising=False)
    platform.feed.down = False
    assert not failed.success
    assert not failed.get_asset_materialization_events()
    assert platform.store.read_observations(day).empty


def test_the_first_champion_is_promoted_and_the_decision_recorded(served: Platform) -> None:
    champion = served.registry.version_at("champion")
    assert champion is not None
    assert champion.cutoff == INITIAL.end
    decision = served.ledger.decisions()[-1]
    assert (decision.verdict, decision.challenger_version) == ("promote", champion.version)


def test_forecasts_of_the_newest_cutoff_cover_the_horizon(served: Platform) -> None:
    forecasts = served.store.read(FORECASTS, DateRange(INITIAL.end, INITIAL.end))
    assert set(forecasts["cutoff"].dt.date) == {INITIAL.end}
    assert forecasts.groupby("unique_id")["ds"].nunique().eq(15).all()


def test_a_month_later_forecasts_are_matched_with_actuals_and_judged(
    served: Platform, july: dg.ExecuteInProcessResult
) -> None:
    errors = served.store.read(FORECAST_ERRORS, JULY)
    # 15 days reach from the cutoff of 30 June, and each day of July adds the days left of the month.
    expected = 15 + sum(min(15, 31 - day) for day in range(1, 31))
    assert errors.groupby("unique_id").size().eq(expected).all()
    judged = {
        key.name
        for check in CHECKS
        for key in check.check_keys
        if key.asset_key.to_user_string() in {"forecasts", "forecast_errors"}
    }
    assert "forecast_bias_within_budget" in judged
    assert served.checks(july).keys() == judged


@pytest.mark.usefixtures("july")
def test_forecasts_are_issued_once_and_stand_as_the_record(served: Platform) -> None:
    before = served.store.read(FORECASTS)
    served.run("forecast_job", JULY)
    pd.testing.assert_frame_equal(served.store.read(FORECASTS), before)


def test_an_equal_challenger_keeps_the_champion(refreshed: Platform) -> None:
    # A month of newer data refreshes the same recipe; the next one, on the same data, is a tie.
    assert refreshed.ledger.decisions(limit=1)[0].verdict == "refresh"
    champion = refreshed.registry.version_at("champion")
    assert champion is not None
    refreshed.run("training_job")
    refreshed.run("promotion_job")
    assert refreshed.ledger.decisions(limit=1)[0].verdict == "hold"
    assert refreshed.registry.version_at("champion") == champion
    assert refreshed.registry.version_at("previous") is not None


@pytest.mark.usefixtures("refreshed")
def test_a_worse_recipe_is_not_promoted(served: Platform) -> None:
    before = served.registry.version_at("champion")
    served.run("training_job", config={"trained_model": {"config": {"options": ["seasonal_naive"]}}})
    served.run("promotion_job")
    assert served.ledger.decisions(limit=1)[0].verdict == "reject"
    assert served.registry.version_at("champion") == before


@pytest.mark.usefixtures("refreshed")
def test_a_rollback_needs_a_reason_and_moves_to_the_previous_version(served: Platform) -> None:
    previous = served.registry.version_at("previous")
    assert previous is not None
    refused = served.run("promotion_job", config={"champion_model": {"config": {"action": "rollback"}}}, raising=False)
    assert not refused.success
    served.run(
        "promotion_job", config={"champion_model": {"config": {"action": "rollback", "reason": "too low in July"}}}
    )
    champion = served.registry.version_at("champion")
    assert champion is not None
    assert champion.version == previous.version
    assert served.ledger.decisions(limit=1)[0].reason == "too low in July"


def test_a_declared_lower_bound_holds_for_the_model_that_is_trained() -> None:
    days = DateRange(INITIAL.start, INITIAL.start + timedelta(days=60))
    with dg.DagsterInstance.ephemeral() as instance:
        platform = Platform(instance, Settings(lower_bounds={"Corrib production": 1.0}))
        platform.run("load_job", days)
        platform.run("training_job")
        challenger = platform.registry.version_at("challenger")
        assert challenger is not None
        model = platform.registry.load(challenger)
    assert dict(zip(model.unique_ids, model.lower_bound.tolist(), strict=True))["Corrib production"] == 1.0


@pytest.mark.parametrize("bound", ["NaN", "Infinity", "none"])
def test_a_lower_bound_that_is_no_number_is_refused(monkeypatch: pytest.MonkeyPatch, bound: str) -> None:
    monkeypatch.setenv("FORECASTING_LOWER_BOUNDS", json.dumps({"Corrib production": bound}))
    with pytest.raises(ValidationError, match="Corrib production"):
        Settings()

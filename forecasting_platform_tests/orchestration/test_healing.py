"""A table that fell behind its feed catches up: afterwards it is what one fresh load of everything would be."""

from collections.abc import Callable, Iterator
from datetime import date, timedelta
from typing import Any
from unittest.mock import Mock, create_autospec

import dagster as dg
import pandas as pd
import pytest
import requests

from forecasting_platform.adapters.feeds.simulated_feed import create_app
from forecasting_platform.adapters.feeds.simulated_gas_supply import SERIES
from forecasting_platform.adapters.memory.table_store import MemoryTableStore
from forecasting_platform.adapters.postgres.table_store import PostgresTableStore
from forecasting_platform.errors import FeedUnavailableError
from forecasting_platform.feed_wiring import feed_of
from forecasting_platform.forecasting.series.covariates.exogenous import exogenous_from
from forecasting_platform.forecasting.series.days.date_range import DateRange
from forecasting_platform.forecasting.series.days.series_calendars import DAILY
from forecasting_platform.forecasting.series.frames import FEATURE_TABLE
from forecasting_platform.local.postgres.embedded_postgres import EmbeddedPostgres
from forecasting_platform.orchestration.assets.feature_table import feature_table
from forecasting_platform.orchestration.assets.raw_observations import raw_observations
from forecasting_platform.orchestration.partitions import RANGE_END, RANGE_START
from forecasting_platform.orchestration.schedules import days_to_load
from forecasting_platform.orchestration.sensors import reconcile_sensor
from forecasting_platform.ports.observation_feed import ObservationFeed
from forecasting_platform.ports.table_store import TableStore
from forecasting_platform.services.feature_table import features_as_of
from forecasting_platform.services.loading.feed_loads import FeedLoads
from forecasting_platform.settings import Settings
from forecasting_platform_tests.support.databases import copied_database
from forecasting_platform_tests.support.in_process_engine import in_process
from forecasting_platform_tests.support.pictures import without_pictures
from forecasting_platform_tests.support.waiting import PATIENCE_SECONDS
from forecasting_platform_tests.support.web_servers import served

pytestmark = pytest.mark.slow

INITIAL = DateRange(date(2023, 3, 1), date(2023, 6, 30))


@pytest.fixture(scope="module")
def feed_url() -> Iterator[str]:
    with served(create_app()) as url:
        yield url


class Platform:
    """The real assets, schedule and sensor, with a calendar that the test turns.

    What Dagster knows of them is a set of days: its event log takes milliseconds an event, and is tested elsewhere.
    """

    def __init__(self, store: TableStore, feed_url: str, exogenous: list[dict[str, Any]]) -> None:
        self.store, self.feed_url, self.exogenous = store, feed_url, exogenous
        self.today = INITIAL.end + timedelta(days=1)
        self.loaded: set[str] = set()
        self.is_down = False
        self.running: list[dg.DagsterRun] = []
        self.instance = create_autospec(dg.DagsterInstance, instance=True)
        self.instance.get_materialized_partitions.side_effect = lambda _asset: self.loaded
        self.instance.get_runs.side_effect = lambda _filters: self.running
        self.instance.get_runs_count.return_value = 0

    @property
    def settings(self) -> Settings:
        asked = f"start={INITIAL.start}&as_of={self.today}"
        beside = f"{self.feed_url}/weather?{asked}" if self.exogenous else None
        return Settings(
            feed_url=f"{self.feed_url}/feed?{asked}",
            exogenous_feed_url=beside,
            exogenous=self.exogenous,
            feed_timeout_seconds=3 if self.is_down else PATIENCE_SECONDS,
        )

    @property
    def feed(self) -> ObservationFeed:
        return feed_of(self.settings)

    def set_fault(self, name: str, **parameters: object) -> None:
        # Nobody need wait for a feed that was taken down.
        self.is_down |= name == "down"
        assert requests.post(f"{self.feed_url}/faults", json={"name": name, **parameters}, timeout=PATIENCE_SECONDS).ok

    def end_faults(self) -> None:
        self.is_down = False
        assert requests.delete(f"{self.feed_url}/faults", timeout=PATIENCE_SECONDS).ok

    def load(self, days: DateRange) -> None:
        """What a run of `load_job` does; days become materialized only when all of it succeeds."""
        parts = {"table_store": self.store, "settings": self.settings, "calendars": DAILY}
        raw_observations(context_of(days), observation_feed=self.feed, feed_loads=FeedLoads(None), **parts)
        feature_table(context_of(days), engine=in_process(self.store), **parts)
        self.loaded |= {day.isoformat() for day in days}

    def midnight(self) -> DateRange:
        """A day passes, and the schedule's load runs."""
        self.today += timedelta(days=1)
        days = days_to_load(self.today - timedelta(days=1), map(date.fromisoformat, self.loaded), Settings())
        self.load(days)
        return days

    def look(self) -> dg.RunRequest | dg.SkipReason:
        """What the sensor answers now."""
        context = dg.build_sensor_context(instance=self.instance)
        answer = reconcile_sensor(context, observation_feed=self.feed, table_store=self.store, settings=Settings())
        assert isinstance(answer, dg.RunRequest | dg.SkipReason)
        return answer

    def reconcile(self) -> DateRange:
        """The sensor looks, and the load it asks for runs."""
        days = days_of(self.look())
        self.load(days)
        return days

    def assert_equals_a_fresh_load(self) -> None:
        days = DateRange(INITIAL.start, self.today - timedelta(days=1))
        document = self.feed.fetch(days)
        fresh = MemoryTableStore()
        fresh.record_observations(document.observations, days, available_at=document.fetched_at)
        expected = fresh.read_observations(days)
        held = self.store.read_observations(days)
        values = ["unique_id", "ds", "y"]
        pd.testing.assert_frame_equal(held[values], expected[values], check_exact=True)
        features = features_as_of(fresh, days, self.settings.holiday_country, exogenous=exogenous_from(self.exogenous))
        pd.testing.assert_frame_equal(self.store.read(FEATURE_TABLE, days), features, check_exact=True)


@pytest.fixture
def exogenous() -> list[dict[str, Any]]:
    """What is declared."""
    return []


_no_pictures = pytest.fixture(scope="module", autouse=True)(without_pictures)


@pytest.fixture(scope="module")
def template(embedded_postgres: EmbeddedPostgres, feed_url: str) -> Callable[[list[dict[str, Any]]], str]:
    """Gives the name of a database loaded from 2023-03-01 to 2023-06-30, loaded once."""

    def loaded(exogenous: list[dict[str, Any]]) -> str:
        name = f"loaded_{len(exogenous)}"
        if name not in made:
            embedded_postgres.create_database(name)
            store = PostgresTableStore(embedded_postgres.dsn(name))
            store.prepare()
            Platform(store, feed_url, exogenous).load(INITIAL)
            store.close()
            made.add(name)
        return name

    made: set[str] = set()
    return loaded


@pytest.fixture
def platform(
    embedded_postgres: EmbeddedPostgres,
    template: Callable[[list[dict[str, Any]]], str],
    feed_url: str,
    exogenous: list[dict[str, Any]],
) -> Iterator[Platform]:
    """Loaded from 2023-03-01 to 2023-06-30, on a real Postgres; it is 2023-07-01."""
    with copied_database(embedded_postgres, template(exogenous)) as dsn:
        store = PostgresTableStore(dsn)
        platform = Platform(store, feed_url, exogenous)
        platform.loaded = {day.isoformat() for day in INITIAL}
        yield platform
        platform.end_faults()
        store.close()


def context_of(days: DateRange) -> dg.AssetExecutionContext:
    keys = dg.PartitionKeyRange(days.start.isoformat(), days.end.isoformat())
    context = dg.build_asset_context(partition_key_range=keys)
    context.add_asset_metadata = Mock()  # type: ignore[method-assign] # Dagster's context outside a run has none
    return context


def days_of(answer: dg.RunRequest | dg.SkipReason) -> DateRange:
    assert isinstance(answer, dg.RunRequest), answer
    return DateRange(date.fromisoformat(answer.tags[RANGE_START]), date.fromisoformat(answer.tags[RANGE_END]))


def key_of(answer: dg.RunRequest | dg.SkipReason) -> str:
    assert isinstance(answer, dg.RunRequest), answer
    assert answer.run_key, "a request without a key is launched at each look"
    return answer.run_key


def test_three_days_down_are_made_up_for_at_the_next_tick(platform: Platform) -> None:
    platform.today += timedelta(days=3)
    platform.midnight()
    platform.assert_equals_a_fresh_load()


def test_a_feed_that_was_down_at_midnight_is_loaded_at_the_next_tick(platform: Platform) -> None:
    platform.set_fault("down")
    with pytest.raises(FeedUnavailableError):
        platform.midnight()
    platform.end_faults()
    platform.midnight()
    platform.assert_equals_a_fresh_load()


@pytest.mark.parametrize("exogenous", [[{"unique_id": "Temperature", "known": "at_cutoff"}]])
@pytest.mark.parametrize("fault", ["down", "html"])
def test_a_weather_feed_that_fails_holds_up_no_load_and_its_days_are_loaded_once_it_is_back(
    platform: Platform, fault: str
) -> None:
    platform.assert_equals_a_fresh_load()
    platform.set_fault(fault, path="weather")
    platform.midnight()
    day = DateRange(platform.today - timedelta(days=1), platform.today - timedelta(days=1))
    assert set(platform.store.read_observations(day)["unique_id"]) == set(SERIES)
    assert platform.store.read(FEATURE_TABLE, day)["exogenous"].isna().all()
    assert isinstance(platform.look(), dg.SkipReason)
    platform.end_faults()
    assert day.start in platform.reconcile()
    assert platform.store.read(FEATURE_TABLE, day)["exogenous"].notna().all()
    platform.assert_equals_a_fresh_load()


def test_a_gap_older_than_the_look_back_is_loaded_at_the_next_tick(platform: Platform) -> None:
    platform.today += timedelta(days=60)
    platform.load(DateRange(date(2023, 8, 20), date(2023, 8, 28)))
    assert platform.midnight() == DateRange(date(2023, 6, 1), date(2023, 8, 30))
    # What was revised still earlier in these two months is the sensor's.
    assert platform.reconcile().start < date(2023, 6, 1)
    platform.assert_equals_a_fresh_load()


@pytest.mark.parametrize("fault", ["missing_days", "null_days"])
@pytest.mark.parametrize(
    ("days_late", "heals"), [(3, Platform.midnight), (45, Platform.reconcile)], ids=["within", "beyond"]
)
def test_a_day_published_late_is_loaded_once_it_is_there(
    platform: Platform, fault: str, days_late: int, heals: Callable[[Platform], DateRange]
) -> None:
    platform.set_fault(fault, **{"from": "2023-07-01", "to": "2023-07-01"})
    platform.midnight()
    assert platform.store.read_observations(DateRange(date(2023, 7, 1), date(2023, 7, 1))).empty
    platform.today += timedelta(days=days_late)
    platform.midnight()
    platform.end_faults()
    heals(platform)
    platform.assert_equals_a_fresh_load()


def test_a_republication_of_90_days_is_reconciled(platform: Platform) -> None:
    platform.set_fault("level_shift", **{"from": "2023-03-02", "to": "2023-05-30", "by": -0.125})
    platform.midnight()
    with pytest.raises(AssertionError):
        platform.assert_equals_a_fresh_load()
    # Features look back 364 days, so the days after the revised ones are built again, too.
    assert platform.reconcile() == DateRange(date(2023, 3, 2), date(2023, 7, 1))
    platform.assert_equals_a_fresh_load()
    assert isinstance(platform.look(), dg.SkipReason)


REVISED = DateRange(date(2023, 3, 2), date(2023, 3, 4))


def test_a_load_of_old_days_alone_reaches_the_features_that_look_back_at_them(platform: Platform) -> None:
    platform.set_fault("level_shift", **{"from": f"{REVISED.start}", "to": f"{REVISED.end}", "by": -0.125})
    platform.load(REVISED)
    platform.assert_equals_a_fresh_load()


def test_loads_at_once_leave_no_feature_of_values_that_were_replaced_meanwhile(platform: Platform) -> None:
    platform.set_fault("level_shift", **{"from": f"{REVISED.start}", "to": "2023-05-31", "by": -0.125})
    replace, others = platform.store.replace, iter([DateRange(date(2023, 4, 1), date(2023, 5, 31))])

    def replace_after_another_load(*arguments: Any) -> int:
        for days in others:
            platform.load(days)
        return replace(*arguments)

    platform.store.replace = replace_after_another_load  # type: ignore[method-assign] # the moment that counts
    platform.load(REVISED)
    platform.load(DateRange(date(2023, 3, 5), date(2023, 3, 31)))
    platform.assert_equals_a_fresh_load()


def test_a_quarterly_republication_is_reconciled_once(platform: Platform) -> None:
    platform.today = date(2023, 7, 15)  # the simulated feed revises a third of the quarter's values on this day
    platform.midnight()
    assert platform.reconcile().start < date(2023, 5, 1)
    platform.assert_equals_a_fresh_load()
    assert isinstance(platform.look(), dg.SkipReason)


def test_a_value_that_comes_and_goes_is_asked_for_each_time(platform: Platform) -> None:
    keys = set()
    for by in (5.0, 6.0, 5.0, 6.0):
        platform.set_fault("level_shift", **{"from": "2023-06-29", "to": "2023-06-29", "by": by})
        keys.add(key_of(platform.look()))
        platform.reconcile()
    assert len(keys) == 4


def test_a_difference_that_stays_is_asked_for_once(platform: Platform) -> None:
    platform.set_fault("level_shift", **{"from": "2023-06-29", "to": "2023-06-29"})
    assert key_of(platform.look()) == key_of(platform.look())


@pytest.mark.parametrize(
    "run", [dg.DagsterRun("load_job"), dg.DagsterRun("__ASSET_JOB", asset_selection=frozenset({raw_observations.key}))]
)
def test_nothing_is_asked_for_while_a_load_is_in_progress(platform: Platform, run: dg.DagsterRun) -> None:
    platform.set_fault("level_shift")
    platform.running = [run]
    answer = platform.look()
    assert isinstance(answer, dg.SkipReason)
    assert "in progress" in str(answer.skip_message)


def test_a_feed_that_is_down_is_an_error_of_the_sensor_and_no_agreement(platform: Platform) -> None:
    platform.set_fault("down")
    with pytest.raises(FeedUnavailableError):
        platform.look()


def test_a_platform_that_never_loaded_is_not_loaded_by_the_sensor(feed_url: str) -> None:
    assert isinstance(Platform(MemoryTableStore(), feed_url, []).look(), dg.SkipReason)


def test_features_as_of_a_time_are_those_built_then(platform: Platform) -> None:
    whole, built = DateRange(INITIAL.start, INITIAL.end + timedelta(days=4)), []
    for by in (1.0, 2.0, 3.0):
        platform.set_fault("level_shift", **{"from": "2023-04-01", "to": "2023-06-15", "by": by})
        platform.midnight()
        platform.reconcile()
        as_of = platform.store.read_observations()["available_at"].max().to_pydatetime()
        built.append((as_of, platform.store.read(FEATURE_TABLE)))
    for as_of, table in built:
        again = features_as_of(platform.store, whole, Settings().holiday_country, as_of)
        pd.testing.assert_frame_equal(again, table, check_exact=True)
    now = features_as_of(platform.store, whole, Settings().holiday_country)
    pd.testing.assert_frame_equal(now, built[-1][1], check_exact=True)

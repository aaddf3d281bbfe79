"""Freshness as Dagster evaluates it: by the feed's calendar and the training interval, and without messages."""

import asyncio
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import dagster as dg
import pytest

from forecasting_platform.adapters.memory.ledger import MemoryLedger
from forecasting_platform.definitions import build_definitions
from forecasting_platform.orchestration.sensors import alert_sensor
from forecasting_platform.settings import Settings
from forecasting_platform_tests.support.dagster_internals import (
    FRESHNESS_EVALUATORS_BY_POLICY_TYPE,
    BaseAssetNode,
    FreshnessState,
    FreshnessStateChange,
    LoadingContextForTest,
    freeze_time,
    instance_for_test,
)

MONDAY = datetime(2024, 3, 4, tzinfo=UTC)
EVENTS = {"module": "dagster._core.storage.event_log", "class": "ConsolidatedSqliteEventLogStorage"}


@pytest.fixture
def instance(tmp_path: Path) -> Iterator[dg.DagsterInstance]:
    """One whose event log is read by number, as that in Postgres."""
    with instance_for_test({"event_log_storage": EVENTS | {"config": {"base_dir": str(tmp_path)}}}) as found:
        yield found


def weekdays_feed(folder: Path) -> Settings:
    """A feed of business days, complete at 18:00 in New York of the day after."""
    text = """
    source: {url: "https://host/wti.csv"}
    day: {column: Date, format: "%Y-%m-%d", time_zone: America/New_York}
    calendar: {weekdays: [monday, tuesday, wednesday, thursday, friday]}
    publication: {lag_days: 1, at: "18:00"}
    """
    (folder / "wti.yaml").write_text(text, encoding="utf-8")
    return Settings(feed=folder / "wti.yaml")


class Judged:
    """The platform's assets, as Dagster's daemon judges their freshness."""

    def __init__(self, instance: dg.DagsterInstance, settings: Settings) -> None:
        self.instance = instance
        self.graph = build_definitions(settings=settings).resolve_asset_graph()

    def at(self, name: str, at: datetime) -> str:
        """What it finds at a time."""
        return state(self.instance, self.graph.get(dg.AssetKey(name)), at)


def state(instance: dg.DagsterInstance, node: BaseAssetNode, at: datetime) -> str:
    policy = node.freshness_policy_or_from_metadata
    evaluator = FRESHNESS_EVALUATORS_BY_POLICY_TYPE[type(policy)]()  # type: ignore[index] # of assets with a policy
    with freeze_time(at):
        context = LoadingContextForTest(instance)
        return asyncio.run(evaluator.evaluate_freshness(context=context, node=node)).value


def made(instance: dg.DagsterInstance, name: str, at: datetime) -> None:
    with freeze_time(at):
        instance.report_runless_asset_event(dg.AssetMaterialization(name))


def test_what_the_clock_makes_has_a_policy_and_what_evidence_moves_has_none() -> None:
    policies = {
        spec.key.to_user_string(): spec.freshness_policy for spec in build_definitions().resolve_all_asset_specs()
    }
    assert {name for name, policy in policies.items() if policy is None} == {"champion_model", "feeds/feed", "app"}


def test_a_load_is_late_at_six_and_forecasts_at_seven(instance: dg.DagsterInstance) -> None:
    judged = Judged(instance, Settings(feed_url="https://host/feed.json"))
    assert judged.at("raw_observations", MONDAY) == "UNKNOWN"
    for name, hour in (("raw_observations", 6), ("feature_table", 6), ("forecasts", 7), ("forecast_errors", 7)):
        made(instance, name, MONDAY + timedelta(minutes=1))
        following = MONDAY + timedelta(days=1)
        assert judged.at(name, following + timedelta(hours=hour, minutes=-1)) == "PASS"
        assert judged.at(name, following + timedelta(hours=hour, minutes=1)) == "FAIL"
        made(instance, name, following + timedelta(hours=9))
        assert judged.at(name, following + timedelta(hours=10)) == "PASS"


def test_a_feed_of_business_days_is_late_only_after_those(instance: dg.DagsterInstance, tmp_path: Path) -> None:
    judged, daily = Judged(instance, weekdays_feed(tmp_path)), Judged(instance, Settings())
    # Friday is complete on Saturday at 23:00 UTC, so the load of Sunday must bring it.
    sunday = MONDAY - timedelta(days=1)
    made(instance, "raw_observations", sunday + timedelta(minutes=1))
    assert judged.at("raw_observations", sunday + timedelta(days=2, hours=20)) == "PASS"
    assert judged.at("raw_observations", sunday + timedelta(days=3, hours=7)) == "FAIL"
    assert daily.at("raw_observations", sunday + timedelta(days=1, hours=7)) == "FAIL"


@pytest.mark.parametrize(("interval", "warned", "failed"), [(15, 16, 18), (7, 8, 10)])
def test_a_training_is_late_a_day_after_its_interval(
    instance: dg.DagsterInstance, interval: int, warned: int, failed: int
) -> None:
    judged = Judged(instance, Settings(training_interval_days=interval))
    made(instance, "trained_model", MONDAY)
    found = [judged.at("trained_model", MONDAY + timedelta(days=day)) for day in range(failed + 2)]
    assert found[:warned] == ["PASS"] * warned
    assert found[warned:failed] == ["WARN"] * (failed - warned)
    assert found[failed:] == ["FAIL"] * 2


def test_a_policy_that_fails_sends_no_message_beside_those_of_the_checks(instance: dg.DagsterInstance) -> None:
    change = FreshnessStateChange(
        key=dg.AssetKey("forecasts"), previous_state=FreshnessState.PASS, new_state=FreshnessState.FAIL,
        state_change_timestamp=MONDAY.timestamp(),
    )  # fmt: skip
    instance._report_runless_asset_event(change)  # as Dagster's freshness daemon does
    ledger = MemoryLedger()
    alert_sensor(dg.build_sensor_context(instance=instance), ledger=ledger, settings=Settings(alert_pending_seconds=0))
    assert ledger.alerts() == []

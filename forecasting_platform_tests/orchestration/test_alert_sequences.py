"""Random faults through the alert sensor itself: each true incident is told once when it opens and once when it ends.

`ALERT_SEQUENCES=10000 pytest …/test_alert_sequences.py` for as many as one likes; the suite plays thirty.
"""

import os
import random
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any
from unittest.mock import create_autospec

import dagster as dg
import pytest

from forecasting_platform import wiring
from forecasting_platform.adapters.alerts.routes import destinations
from forecasting_platform.adapters.alerts.url_channels import UrlChannels
from forecasting_platform.adapters.memory.ledger import MemoryLedger
from forecasting_platform.errors import StoreUnavailableError
from forecasting_platform.forecasting.monitoring.alert_messages import Kind
from forecasting_platform.forecasting.monitoring.incidents import Alert, Result
from forecasting_platform.orchestration import sensors
from forecasting_platform.orchestration.sensors import alert_sensor
from forecasting_platform.services.alerts import Alerts
from forecasting_platform.settings import Settings
from forecasting_platform_tests.support.true_incidents import true_incidents

pytestmark = pytest.mark.slow

SEQUENCES = int(os.environ.get("ALERT_SEQUENCES", "30"))
ASSET, CHECKS = dg.AssetKey("forecast_errors"), ("bias", "coverage", "naive")


# Made once: to copy all that an instance can do takes longer than a sequence.
INSTANCE = create_autospec(dg.DagsterInstance, instance=True)
INSTANCE.get_runs.return_value = INSTANCE.get_run_records.return_value = INSTANCE.get_backfills.return_value = []


class DiedError(Exception):
    """The process ends here; what was written stays."""


@dataclass
class FaultyLedger(MemoryLedger):
    """A ledger whose server is away at times, and whose client dies at times between sending and recording."""

    chance: random.Random
    faults: bool = True

    def __post_init__(self) -> None:
        super().__init__()

    def change_alerts(self, *arguments: Any) -> int:
        if self.faults and self.chance.random() < 0.15:
            raise StoreUnavailableError("Postgres", "it is restarted")
        return super().change_alerts(*arguments)

    def record_attempts(self, *arguments: Any) -> None:
        if self.faults and self.chance.random() < 0.15:
            raise DiedError
        super().record_attempts(*arguments)


@dataclass
class Channel:
    """Where people are: what they were told, by incident and kind. It refuses at times."""

    chance: random.Random
    faults: bool = True
    told: set[tuple[str, Kind]] = field(default_factory=set)

    def send(self, kind: Kind, alerts: Sequence[Alert]) -> str | None:
        if self.faults and self.chance.random() < 0.3:
            return "refused"
        self.told |= {(alert.alert_id, kind) for alert in alerts}
        return None


@dataclass
class EventLog:
    """Dagster's event log as the sensor reads it: results become visible some at a time."""

    events: list[Any]
    visible: int = 0
    is_run_sharded: bool = False

    def get_event_records(self, found: dg.EventRecordsFilter, limit: int, ascending: bool) -> list[Any]:
        assert ascending
        after = int(found.after_cursor or 0)
        return [event for event in self.events[: self.visible] if event.storage_id > after][:limit]


def event(number: int, check: str, result: Result) -> Any:
    metadata = {"state": dg.MetadataValue.text("unknown")} if result == "unknown" else {}
    evaluation = dg.AssetCheckEvaluation(
        asset_key=ASSET,
        check_name=check,
        passed=result != "failed",
        metadata=metadata,
        severity=dg.AssetCheckSeverity.ERROR,
    )
    entry = SimpleNamespace(
        run_id=f"run {number}",
        timestamp=1_700_000_000 + 60 * number,
        get_dagster_event=lambda: SimpleNamespace(asset_check_evaluation_data=evaluation),
    )
    return SimpleNamespace(storage_id=number, event_log_entry=entry)


def play(seed: int, monkeypatch: pytest.MonkeyPatch) -> int:
    """One sequence of results, looks and faults; how many incidents it told of."""
    chance = random.Random(seed)
    results: dict[str, list[Result]] = {check: [] for check in CHECKS}
    events = []
    for number in range(1, chance.randint(2, 25)):
        check = chance.choice(CHECKS)
        results[check] += chance.choices(["passed", "failed", "unknown"], [4, 4, 1])
        events.append(event(number, check, results[check][-1]))
    log, ledger, channel = EventLog(events), FaultyLedger(chance), Channel(chance)
    now, settings = datetime.now(UTC), Settings()

    def alerts_of(ledger: MemoryLedger, settings: Settings) -> Alerts:
        channels = UrlChannels(destinations(settings), deliver=lambda _: channel)
        return replace(wiring.alerts_of(ledger, settings), channels=channels, now=lambda: now)

    monkeypatch.setattr(sensors, "alerts_of", alerts_of)
    INSTANCE.event_log_storage = log

    def look(cursor: str | None) -> str | None:
        nonlocal now
        # Longer than a claim, and than a message that was refused waits.
        now += timedelta(minutes=16)
        context = dg.build_sensor_context(instance=INSTANCE, cursor=cursor)
        answer = alert_sensor(context, ledger=ledger, settings=settings)
        assert isinstance(answer, dg.SensorResult)
        return answer.cursor

    cursor: str | None = None
    while log.visible < len(events):
        log.visible += chance.randint(0, 4)
        try:
            seen = look(cursor)
        except (DiedError, StoreUnavailableError):
            continue  # the daemon asks again, from the cursor it had
        lost = chance.random()
        # A restart may lose the newest cursor, or all of them.
        cursor = None if lost < 0.05 else cursor if lost < 0.2 else seen
    ledger.faults = channel.faults = False
    for _ in range(3):
        cursor = look(cursor)

    assert ledger.waiting_messages() == []
    kinds = Counter((alert_id.partition("@")[0], kind) for alert_id, kind in channel.told)
    for check, found in results.items():
        name = f"{ASSET.to_user_string()}:{check}"
        told = kinds[name, "FIRING"], kinds[name, "RESOLVED"]
        assert told == true_incidents(found), (seed, check, found)
    messages = Counter((message.alert_id, message.kind) for message in ledger._messages.values())
    assert not [key for key, times in messages.items() if key[1] != "REMINDER" and times > 1], seed
    return sum(count for (_, kind), count in kinds.items() if kind == "FIRING")


def test_each_true_incident_is_told_once_whatever_fails_between(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FORECASTING_ALERT_URLS", "json://127.0.0.1:9/never")
    monkeypatch.setenv("FORECASTING_ALERT_PENDING_SECONDS", "0")
    assert sum(play(seed, monkeypatch) for seed in range(SEQUENCES)) > SEQUENCES / 2

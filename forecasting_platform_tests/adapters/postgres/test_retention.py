"""What is deleted from Postgres after its time, and what never is."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import psycopg
import pytest

from forecasting_platform.adapters.postgres import retention as postgres_retention
from forecasting_platform.adapters.postgres.ledger import PostgresLedger
from forecasting_platform.adapters.postgres.retention import days_kept, delete_outdated
from forecasting_platform.adapters.postgres.table_store import PostgresTableStore
from forecasting_platform.errors import StoreUnavailableError
from forecasting_platform.forecasting.monitoring.alert_messages import record_attempt
from forecasting_platform.forecasting.monitoring.incidents import Mute
from forecasting_platform.settings import Settings
from forecasting_platform_tests.contracts.ledger_contract import ALERT, DECISION, MESSAGE

pytestmark = pytest.mark.slow

NOW = datetime(2026, 11, 28, tzinfo=UTC)
LONG_AGO, RECENT = NOW - timedelta(days=401), NOW - timedelta(days=399)
KEPT = days_kept(Settings())


@pytest.fixture
def ledger(postgres_dsn: str) -> Iterator[PostgresLedger]:
    store, found = PostgresTableStore(postgres_dsn), PostgresLedger(postgres_dsn)
    store.prepare()
    found.prepare()
    yield found
    store.close()
    found.close()


def execute(dsn: str, statement: str, *values: object) -> list[tuple[object, ...]]:
    with psycopg.connect(dsn) as connection:
        cursor = connection.execute(statement, values)  # type: ignore[arg-type] # written in this file
        return cursor.fetchall() if cursor.description else []


@pytest.mark.usefixtures("ledger")
def test_old_predictions_and_refused_rows_are_deleted_batch_by_batch_and_newer_ones_stay(
    postgres_dsn: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(postgres_retention, "BATCH_ROWS", 7)
    execute(
        postgres_dsn,
        "INSERT INTO forecasting.prediction_log SELECT 'r' || n, CASE WHEN n <= 30 THEN %s ELSE %s END, 's', "
        "'2023-02-28', '2023-03-01', '1', 5, false FROM generate_series(1, 50) n",
        LONG_AGO,
        RECENT,
    )
    execute(
        postgres_dsn,
        "INSERT INTO forecasting.quarantined_observations VALUES "
        "('a', 's', NULL, 'no number', 'n/a', %s), ('b', 's', NULL, 'no number', 'n/a', %s)",
        LONG_AGO,
        RECENT,
    )
    execute(
        postgres_dsn, "INSERT INTO forecasting.raw_observations VALUES ('s', '2018-01-01', 1, '2018-01-02T00:00:00Z')"
    )
    deleted = delete_outdated(postgres_dsn, KEPT, NOW)
    assert (deleted["prediction_log"], deleted["quarantined_observations"]) == (30, 1)
    assert execute(postgres_dsn, "SELECT count(*) FROM forecasting.prediction_log") == [(20,)]
    assert execute(postgres_dsn, "SELECT fingerprint FROM forecasting.quarantined_observations") == [("b",)]
    assert execute(postgres_dsn, "SELECT count(*) FROM forecasting.raw_observations") == [(1,)]
    assert not any(delete_outdated(postgres_dsn, KEPT, NOW).values())


def test_incidents_long_over_go_with_their_messages_but_the_newest_of_each_fingerprint_stays(
    ledger: PostgresLedger, postgres_dsn: str
) -> None:
    ledger.append_decision(DECISION)
    over = replace(ALERT, state="RESOLVED", resolved=LONG_AGO)
    incidents = [
        over,
        replace(over, alert_id="second", last_event_id=8, resolved=RECENT),
        replace(over, alert_id="newest", last_event_id=9),
        replace(ALERT, alert_id="open", fingerprint="other", first_seen=LONG_AGO),
    ]
    told = [replace(MESSAGE, key=f"{found.alert_id}/x", alert_id=found.alert_id) for found in incidents]
    reminder = replace(told[-1], key="open/reminder", kind="REMINDER")
    waiting = replace(told[0], key="waits", route="other")
    ledger.save_alerts(incidents, [*told, reminder, waiting])
    ledger.record_attempts([record_attempt(message, LONG_AGO, None) for message in (*told, reminder)])
    deleted = delete_outdated(postgres_dsn, KEPT, NOW)
    assert (deleted["alert_messages"], deleted["alerts"]) == (3, 0), "a message of the first one waits"
    ledger.record_attempts([replace(waiting, given_up_at=LONG_AGO)])
    deleted = delete_outdated(postgres_dsn, KEPT, NOW)
    assert (deleted["alert_messages"], deleted["alerts"]) == (1, 1)
    assert {alert.alert_id for alert in ledger.alerts()} == {"second", "newest", "open"}
    left = execute(postgres_dsn, "SELECT key FROM forecasting.alert_messages ORDER BY key")
    assert left == [("open/x",), ("second/x",)], "an open incident's message keeps it from being told again"
    assert len(ledger.decisions()) == 1


def test_mutes_long_ended_are_deleted(ledger: PostgresLedger, postgres_dsn: str) -> None:
    for pattern, until in (("old", LONG_AGO), ("ended", RECENT), ("muted", NOW + timedelta(days=1))):
        ledger.mute(Mute(pattern, until, "known", "ann"))
    assert delete_outdated(postgres_dsn, KEPT, NOW)["alert_mutes"] == 1
    assert [mute.pattern for mute in ledger.mutes()] == ["ended", "muted"]


def test_a_database_without_the_tables_has_nothing_to_delete(postgres_dsn: str) -> None:
    assert set(delete_outdated(postgres_dsn, KEPT, NOW).values()) == {0}


def test_a_server_that_does_not_answer_is_unavailable() -> None:
    with pytest.raises(StoreUnavailableError):
        delete_outdated("postgresql://someone:secret@127.0.0.1:1/nothing", KEPT, NOW)

"""What Prometheus learns of loads, promotion and alerts, from tables that answer and from tables that do not."""

from dataclasses import replace
from datetime import UTC, date, datetime
from unittest.mock import create_autospec

import pytest
from flask.testing import FlaskClient
from prometheus_client import CollectorRegistry, generate_latest

from forecasting_platform.adapters.memory.ledger import MemoryLedger
from forecasting_platform.adapters.postgres.ledger import PostgresLedger
from forecasting_platform.adapters.postgres.table_store import PostgresTableStore
from forecasting_platform.errors import ConfigurationError, StoreUnavailableError
from forecasting_platform.ports.ledger import Ledger
from forecasting_platform.ports.table_store import TableStore
from forecasting_platform_tests.contracts.ledger_contract import ALERT
from serve.telemetry.platform_metrics import PlatformMetrics


def told(metrics: PlatformMetrics) -> dict[str, float]:
    """Each sample and its value."""
    registry = CollectorRegistry()
    registry.register(metrics)
    lines = generate_latest(registry).decode().splitlines()
    samples = [line.rpartition(" ") for line in lines if not line.startswith("#")]
    return {name: float(value) for name, _, value in samples}


def looked(store: TableStore | None, ledger: Ledger | None) -> dict[str, float]:
    metrics = PlatformMetrics(store, ledger)
    metrics.look()
    return told(metrics)


def day(text: str) -> float:
    return datetime.combine(date.fromisoformat(text), datetime.min.time(), UTC).timestamp()


def test_the_apps_metrics_tell_of_loads_forecasts_decisions_and_alerts(client: FlaskClient) -> None:
    text = client.get("/metrics").text
    for sample, value in {
        'forecasting_newest_day_timestamp_seconds{table="raw_observations"}': day("2023-06-30"),
        'forecasting_newest_day_timestamp_seconds{table="forecasts"}': day("2023-06-25"),
        'forecasting_promotion_decisions_total{verdict="hold"}': 1,
        'forecasting_promotion_decisions_total{verdict="promote"}': 1,
        "forecasting_training_newest_cutoff_timestamp_seconds": day("2023-06-15"),
        'forecasting_open_alerts{severity="warning",state="FIRING"}': 1,
        "forecasting_alert_messages_waiting": 0,
        "forecasting_tables_up": 1,
    }.items():
        (found,) = (line for line in text.splitlines() if line.startswith(f"{sample} "))
        assert float(found.rpartition(" ")[2]) == value
    assert 'table="forecast_errors"' not in text, "an empty table has no newest day"


def test_a_watcher_was_seen_when_it_last_beat() -> None:
    ledger, moment = MemoryLedger(), datetime(2023, 7, 1, 9, tzinfo=UTC)
    ledger.beat("alert_sensor", moment)
    found = looked(None, ledger)
    assert found['forecasting_watcher_seen_timestamp_seconds{watcher="alert_sensor"}'] == moment.timestamp()


def test_a_route_that_takes_no_alerts_is_down() -> None:
    ledger = MemoryLedger()
    for name, state in (("alert_route:slack-1", "FIRING"), ("alert_route:mail-2", "PENDING"), ("a:b", "FIRING")):
        ledger.save_alerts([replace(ALERT, alert_id=name, fingerprint=name, state=state)])
    found = [sample for sample in looked(None, ledger) if sample.startswith("forecasting_alert_route_down")]
    assert found == ['forecasting_alert_route_down{route="slack-1"}']


def test_tables_that_do_not_answer_are_said_to_be_down_until_they_do() -> None:
    away = create_autospec(TableStore, instance=True)
    away.span.return_value = None
    metrics = PlatformMetrics(away, MemoryLedger())
    assert told(metrics) == {}, "nothing is known before the first look"
    metrics.look()
    assert told(metrics) == {"forecasting_tables_up": 1, "forecasting_alert_messages_waiting": 0}
    away.span.side_effect = StoreUnavailableError("Postgres", "it is restarted")
    with pytest.raises(StoreUnavailableError):
        metrics.look()
    assert told(metrics) == {"forecasting_tables_up": 0}
    away.span.side_effect = None
    metrics.look()
    assert told(metrics)["forecasting_tables_up"] == 1


def test_a_scrape_reads_no_table_and_the_whole_ledger_is_read_only_when_it_grew(ledger: MemoryLedger) -> None:
    store = create_autospec(TableStore, instance=True)
    store.span.return_value = None
    read = create_autospec(MemoryLedger, instance=True)
    read.decisions.side_effect = ledger.decisions
    read.alerts.return_value, read.waiting_messages.return_value, read.heartbeats.return_value = [], [], {}
    metrics = PlatformMetrics(store, read)
    for _ in range(3):
        metrics.look()
    looks = store.span.call_count
    told(metrics)
    assert store.span.call_count == looks
    assert [call.args for call in read.decisions.call_args_list] == [(1,), (), (1,), (1,)]
    assert all(call.kwargs == {"with_evidence": False} for call in read.decisions.call_args_list)
    ledger.append_decision(replace(ledger.decisions()[0], verdict="reject"))
    metrics.look()
    assert told(metrics)['forecasting_promotion_decisions_total{verdict="reject"}'] == 1


def test_an_app_without_tables_tells_nothing_of_them() -> None:
    assert looked(None, None) == {}


@pytest.mark.slow
def test_a_postgres_that_nobody_has_prepared_yet_is_down_and_an_empty_one_is_up(postgres_dsn: str) -> None:
    store, ledger = PostgresTableStore(postgres_dsn), PostgresLedger(postgres_dsn)
    metrics = PlatformMetrics(store, ledger)
    with pytest.raises(ConfigurationError, match="migrate"):
        metrics.look()
    assert told(metrics) == {"forecasting_tables_up": 0}
    store.prepare()
    ledger.prepare()
    metrics.look()
    assert told(metrics) == {"forecasting_tables_up": 1, "forecasting_alert_messages_waiting": 0}
    store.close()
    ledger.close()

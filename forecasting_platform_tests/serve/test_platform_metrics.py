"""What Prometheus learns of loads, promotion and alerts, from tables that answer and from tables that do not."""

from datetime import UTC, date, datetime, timedelta
from unittest.mock import create_autospec

import pytest
from flask.testing import FlaskClient
from prometheus_client import CollectorRegistry, generate_latest

from forecasting_platform.adapters.memory_ledger import MemoryLedger
from forecasting_platform.adapters.postgres_ledger import PostgresLedger
from forecasting_platform.adapters.postgres_table_store import PostgresTableStore
from forecasting_platform.errors import StoreUnavailableError
from forecasting_platform.ports.ledger import Ledger
from forecasting_platform.ports.table_store import TableStore
from serve.platform_metrics import PlatformMetrics


def told(store: TableStore | None, ledger: Ledger | None) -> dict[str, float]:
    """Each sample and its value."""
    registry = CollectorRegistry()
    registry.register(PlatformMetrics(store, ledger))
    lines = generate_latest(registry).decode().splitlines()
    samples = [line.rpartition(" ") for line in lines if not line.startswith("#")]
    return {name: float(value) for name, _, value in samples}


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


def test_a_watcher_is_silent_since_it_last_beat() -> None:
    ledger = MemoryLedger()
    ledger.beat("alert_sensor", datetime.now(UTC) - timedelta(seconds=60))
    assert told(None, ledger)['forecasting_watcher_silent_seconds{watcher="alert_sensor"}'] == pytest.approx(60, abs=5)


def test_tables_that_do_not_answer_are_said_to_be_down_and_cost_no_other_metric() -> None:
    away = create_autospec(TableStore, instance=True)
    away.span.side_effect = StoreUnavailableError("Postgres", "it is restarted")
    found = told(away, MemoryLedger())
    assert found["forecasting_tables_up"] == 0
    assert found["forecasting_alert_messages_waiting"] == 0


def test_an_app_without_tables_tells_nothing_of_them() -> None:
    assert told(None, None) == {"forecasting_tables_up": 1}


@pytest.mark.slow
def test_a_postgres_that_nobody_has_prepared_yet_is_down_and_an_empty_one_is_up(postgres_dsn: str) -> None:
    store, ledger = PostgresTableStore(postgres_dsn), PostgresLedger(postgres_dsn)
    assert told(store, ledger) == {"forecasting_tables_up": 0}
    store.prepare()
    ledger.prepare()
    assert told(store, ledger) == {"forecasting_tables_up": 1, "forecasting_alert_messages_waiting": 0}
    store.close()
    ledger.close()

"""What Prometheus may know of loads, forecasts, errors, promotion and alerts: read from the tables when it asks."""

from collections import Counter
from collections.abc import Iterator
from datetime import UTC, date, datetime, time

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector

from forecasting_platform.errors import ConfigurationError, UnavailableError
from forecasting_platform.forecasting.frames import FORECAST_ERRORS, FORECASTS, OBSERVATIONS
from forecasting_platform.ports.ledger import Ledger
from forecasting_platform.ports.table_store import TableStore

TABLES = (OBSERVATIONS, FORECASTS, FORECAST_ERRORS)


class PlatformMetrics(Collector):
    """The platform's state, the same for every app that looks at the same tables.

    Either part may be missing. What does not answer costs its metrics and no others: `forecasting_tables_up` says so.
    Days are Unix times of their midnight in UTC, so that `time() - x` is an age.
    """

    def __init__(self, store: TableStore | None, ledger: Ledger | None) -> None:
        self._store = store
        self._ledger = ledger

    def collect(self) -> Iterator[Metric]:
        """What is known now."""
        found: list[Metric] = []
        up = True
        for read in (self._days, self._decisions, self._alerts):
            try:
                found += read()
            except (UnavailableError, ConfigurationError):  # away, or not prepared yet
                up = False
        yield GaugeMetricFamily("forecasting_tables_up", "1 when the platform's tables answer.", float(up))
        yield from found

    def _days(self) -> Iterator[Metric]:
        if self._store is None:
            return
        newest = GaugeMetricFamily(
            "forecasting_newest_day_timestamp_seconds", "The newest day that a table holds.", labels=["table"]
        )
        for table in TABLES:
            span = self._store.span(table)
            if span is not None:
                newest.add_metric([table.name], _midnight(span.end))
        yield newest

    def _decisions(self) -> Iterator[Metric]:
        if self._ledger is None:
            return
        decisions = self._ledger.decisions()
        counts = CounterMetricFamily(
            "forecasting_promotion_decisions", "Decisions of the promotion ledger.", labels=["verdict"]
        )
        for verdict, count in sorted(Counter(decision.verdict for decision in decisions).items()):
            counts.add_metric([verdict], count)
        yield counts
        if decisions:
            newest = max(decisions, key=lambda decision: decision.decided_at)
            yield GaugeMetricFamily(
                "forecasting_promotion_newest_decision_timestamp_seconds",
                "When the newest decision was made.",
                newest.decided_at.timestamp(),
            )
            yield GaugeMetricFamily(
                "forecasting_training_newest_cutoff_timestamp_seconds",
                "The newest day that a decided challenger was trained on.",
                max(_midnight(decision.challenger_cutoff) for decision in decisions),
            )

    def _alerts(self) -> Iterator[Metric]:
        if self._ledger is None:
            return
        incidents = GaugeMetricFamily(
            "forecasting_open_alerts", "Incidents that are not over.", labels=["state", "severity"]
        )
        found = Counter((alert.state, alert.severity) for alert in self._ledger.alerts(open_only=True))
        for labels, count in sorted(found.items()):
            incidents.add_metric(labels, count)
        yield incidents
        yield GaugeMetricFamily(
            "forecasting_alert_messages_waiting",
            "Messages that no channel has accepted yet.",
            len(self._ledger.waiting_messages()),
        )
        silent = GaugeMetricFamily(
            "forecasting_watcher_silent_seconds", "Seconds since a sensor last said that it lives.", labels=["watcher"]
        )
        for watcher, seen in sorted(self._ledger.heartbeats().items()):
            silent.add_metric([watcher], (datetime.now(UTC) - seen).total_seconds())
        yield silent


def _midnight(day: date) -> float:
    return datetime.combine(day, time(), UTC).timestamp()

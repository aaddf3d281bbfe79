"""Metrics for Prometheus about loads, forecasts, errors, promotion and alerts, read in the background."""

from collections import Counter
from collections.abc import Iterator
from datetime import UTC, date, datetime, time

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector

from forecasting_platform.forecasting.monitoring.alert_messages import ROUTE_FAILURE
from forecasting_platform.forecasting.promotion.decisions import PromotionDecision
from forecasting_platform.forecasting.series.frames import FORECAST_ERRORS, FORECASTS, OBSERVATIONS
from forecasting_platform.ports.ledger import Ledger
from forecasting_platform.ports.table_store import TableStore
from serve.periodic_task import PeriodicTask

LOOK_SECONDS = 15.0
TABLES = (OBSERVATIONS, FORECASTS, FORECAST_ERRORS)


class PlatformMetrics(Collector):
    """The platform's state at the newest look, the same for every app that looks at the same tables.

    A scrape waits for no database: where none answers, it gets `forecasting_tables_up 0` and the app's own metrics.
    Days and moments are Unix times (a day's is its midnight in UTC), so that `time() - x` is an age.

    Args:
        store, ledger: either may be missing, and so are its metrics then.
        look_seconds: time between two looks.
    """

    def __init__(self, store: TableStore | None, ledger: Ledger | None, *, look_seconds: float = LOOK_SECONDS) -> None:
        self._store = store
        self._ledger = ledger
        self._decisions: list[PromotionDecision] = []
        self._found: list[Metric] = []
        self._thread = PeriodicTask("platform metrics", look_seconds, self.look)

    def start(self) -> None:
        """Begin to look, in the background."""
        self._thread.start()

    def stop(self) -> None:
        """End looking; the newest look stays."""
        self._thread.stop()

    def collect(self) -> Iterator[Metric]:
        """What the newest look found; nothing before the first."""
        yield from self._found

    def look(self) -> None:
        """Read everything anew.

        Raises:
            UnavailableError, ConfigurationError: the tables do not answer, or nobody has prepared them yet.
        """
        if self._store is None and self._ledger is None:
            return
        found: list[Metric] = []
        try:
            if self._store is not None:
                found.append(_newest_days(self._store))
            if self._ledger is not None:
                found += [*self._promotion(self._ledger), *_alerts(self._ledger)]
        except Exception:
            self._found = [_up(False)]
            raise
        self._found = [_up(True), *found]

    def _promotion(self, ledger: Ledger) -> Iterator[Metric]:
        if ledger.decisions(1, with_evidence=False) != self._decisions[:1]:
            self._decisions = ledger.decisions(with_evidence=False)
        counts = CounterMetricFamily(
            "forecasting_promotion_decisions", "Decisions of the promotion ledger.", labels=["verdict"]
        )
        for verdict, count in sorted(Counter(decision.verdict for decision in self._decisions).items()):
            counts.add_metric([verdict], count)
        yield counts
        if self._decisions:
            yield GaugeMetricFamily(
                "forecasting_promotion_newest_decision_timestamp_seconds",
                "When the newest decision was made.",
                self._decisions[0].decided_at.timestamp(),
            )
            yield GaugeMetricFamily(
                "forecasting_training_newest_cutoff_timestamp_seconds",
                "The newest day that a decided challenger was trained on.",
                max(_midnight(decision.challenger_cutoff) for decision in self._decisions),
            )


def _up(answers: bool) -> Metric:
    return GaugeMetricFamily("forecasting_tables_up", "1 when the platform's tables answer.", float(answers))


def _newest_days(store: TableStore) -> Metric:
    newest = GaugeMetricFamily(
        "forecasting_newest_day_timestamp_seconds", "The newest day that a table holds.", labels=["table"]
    )
    for table in TABLES:
        span = store.span(table)
        if span is not None:
            newest.add_metric([table.name], _midnight(span.end))
    return newest


def _alerts(ledger: Ledger) -> Iterator[Metric]:
    incidents = GaugeMetricFamily(
        "forecasting_open_alerts", "Incidents that are not over.", labels=["state", "severity"]
    )
    opened = ledger.alerts(open_only=True)
    found = Counter((alert.state, alert.severity) for alert in opened)
    for labels, count in sorted(found.items()):
        incidents.add_metric(labels, count)
    yield incidents
    down = GaugeMetricFamily("forecasting_alert_route_down", "1 for a route that accepts no alerts.", labels=["route"])
    for alert in opened:
        kind, _, route = alert.fingerprint.partition(":")
        if kind == ROUTE_FAILURE and alert.state == "FIRING":
            down.add_metric([route], 1.0)
    yield down
    yield GaugeMetricFamily(
        "forecasting_alert_messages_waiting",
        "Messages that their route has not accepted yet.",
        len(ledger.waiting_messages()),
    )
    seen = GaugeMetricFamily(
        "forecasting_watcher_seen_timestamp_seconds", "When a sensor last reported that it runs.", labels=["watcher"]
    )
    for watcher, moment in sorted(ledger.heartbeats().items()):
        seen.add_metric([watcher], moment.timestamp())
    yield seen


def _midnight(day: date) -> float:
    return datetime.combine(day, time(), UTC).timestamp()

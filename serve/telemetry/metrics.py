"""Metrics for Prometheus: the app's requests, errors, forecasts and champion; with those of `platform_metrics`."""

from collections.abc import Iterator
from datetime import UTC, datetime

from prometheus_client import CollectorRegistry, Counter, Histogram
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, InfoMetricFamily
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector

from serve.forecasts.champion import ChampionWatch
from serve.telemetry.platform_metrics import PlatformMetrics
from serve.telemetry.prediction_log import PredictionLog

LATENCY_BUCKETS = (0.0005, 0.001, 0.002, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1.0, 5.0)


class Metrics:
    """The app's metrics, in a registry of their own so that one process can have several apps."""

    def __init__(self, watch: ChampionWatch, log: PredictionLog, platform: PlatformMetrics | None = None) -> None:
        self.registry = CollectorRegistry()
        self.request_seconds = Histogram(
            "forecasting_app_request_seconds",
            "Seconds from a request to its answer.",
            ["method", "endpoint"],
            buckets=LATENCY_BUCKETS,
            registry=self.registry,
        )
        self.errors = Counter(
            "forecasting_app_errors", "Requests answered with an error.", ["endpoint", "status"], registry=self.registry
        )
        self.forecasts = Counter(
            "forecasting_app_forecasts_served", "Forecasts of one day answered.", registry=self.registry
        )
        self.registry.register(_CurrentState(watch, log))
        if platform is not None:
            self.registry.register(platform)

    def observe(self, method: str, endpoint: str, status: int, seconds: float) -> None:
        """Count one answered request."""
        self.request_seconds.labels(method, endpoint).observe(seconds)
        if status >= 400:
            self.errors.labels(endpoint, str(status)).inc()


class _CurrentState(Collector):
    """Metrics whose values are read at each scrape."""

    def __init__(self, watch: ChampionWatch, log: PredictionLog) -> None:
        self._watch = watch
        self._log = log

    def collect(self) -> Iterator[Metric]:
        yield CounterMetricFamily(
            "forecasting_app_predictions_not_logged", "Answers that were never logged.", self._log.dropped
        )
        yield GaugeMetricFamily(
            "forecasting_app_predictions_waiting", "Answers waiting to be logged.", self._log.waiting
        )
        yield from self._champion()

    def _champion(self) -> Iterator[Metric]:
        champion, looked_at = self._watch.current, self._watch.looked_at
        yield GaugeMetricFamily(
            "forecasting_app_champion_refused",
            "1 while the version named champion cannot be served and an earlier one answers.",
            float(self._watch.trouble() is not None),
        )
        if looked_at is not None:
            yield GaugeMetricFamily(
                "forecasting_app_registry_silent_seconds",
                "Seconds since the registry last answered which version is champion.",
                (datetime.now(UTC) - looked_at).total_seconds(),
            )
        yield GaugeMetricFamily("forecasting_app_ready", "1 when there is a champion.", float(champion is not None))
        if champion is None:
            return
        labels = {"version": champion.version.version, "cutoff": champion.version.cutoff.isoformat()}
        yield InfoMetricFamily("forecasting_app_champion", "The champion that answers.", labels)
        age = datetime.now(UTC) - champion.version.trained_at
        yield GaugeMetricFamily(
            "forecasting_app_champion_age_seconds", "Seconds since the champion was trained.", age.total_seconds()
        )

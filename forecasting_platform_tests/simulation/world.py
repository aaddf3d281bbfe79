"""What the actors share, and what is watched after each call: promises that may not be broken even for a moment."""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from forecasting_platform.adapters.memory.ledger import MemoryLedger
from forecasting_platform.adapters.memory.table_store import MemoryTableStore
from forecasting_platform.forecasting.monitoring.alert_messages import Kind, Route
from forecasting_platform.forecasting.monitoring.incidents import Alert, AlertPolicy, Evaluation
from forecasting_platform.forecasting.promotion.decision_inputs import Fitness
from forecasting_platform.forecasting.promotion.decisions import PromotionDecision
from forecasting_platform.forecasting.promotion.policy import PromotionPolicy
from forecasting_platform.forecasting.series.days.date_range import DateRange
from forecasting_platform.forecasting.series.frames import FORECASTS, OBSERVATIONS
from forecasting_platform.ports.alert_channels import Outcome, Parcel
from forecasting_platform.services.alerts import Alerts
from forecasting_platform.services.promotion.promoter import Promoter
from forecasting_platform_tests.simulation.mlflow_in_memory import InMemoryMlflowRegistry, RegistryServer
from forecasting_platform_tests.simulation.ports import Clock, PublishedFeed, Stepped, SteppedLedger
from forecasting_platform_tests.simulation.rows import Row, rows_of
from forecasting_platform_tests.simulation.rows_store import RowsTableStore
from forecasting_platform_tests.simulation.scheduler import Scheduler
from forecasting_platform_tests.support.in_process_engine import in_process

POLICY = PromotionPolicy.packaged()
VERSION, ISSUED_AT = (FORECASTS.column_names.index(name) for name in ("model_version", "issued_at"))
START = datetime(2023, 7, 10, tzinfo=UTC)


@dataclass
class People:
    """Where messages arrive."""

    told: Counter[tuple[str, Kind]] = field(default_factory=Counter)

    def send(self, kind: Kind, alerts: Sequence[Alert]) -> str | None:
        self.told.update((alert.alert_id, kind) for alert in alerts)
        return None


class World:
    """Ports whose every call is the scheduler's choice, the state behind them, and what was seen to break."""

    def __init__(self, scheduler: Scheduler, tables: MemoryTableStore | None = None) -> None:
        self.scheduler = scheduler
        self.clock = Clock(START)
        self.broken: list[str] = []
        self.tables = tables if tables is not None else RowsTableStore(shares=True)
        self.entries, self.server = MemoryLedger(), RegistryServer()
        self.people = People()
        self.feed_state = PublishedFeed({}, self.clock)
        self.store = Stepped("store", self.tables, scheduler, self._after_store)
        self.ledger = SteppedLedger(self.entries, scheduler, self._after_ledger)
        self.mlflow = Stepped("mlflow", self.server, scheduler)
        self.registry = InMemoryMlflowRegistry(self.mlflow)
        self.feed = Stepped("feed", self.feed_state, scheduler)
        self.route = Stepped("people", self.people, scheduler)
        self.results: list[Evaluation] = []
        self.loaded: list[DateRange] = []
        self.unfinished: list[DateRange] = []
        self.app_trouble: str | None = None
        self.app_has_told = False
        self.deliveries = 0
        self._decisions: list[PromotionDecision] = []
        self._alerts: dict[str, Alert] = {}
        self._record: set[Row] = set()
        self._issued: set[Row] = set()
        self._values: set[Row] = set()

    @property
    def promoter(self) -> Promoter:
        return Promoter(
            store=self.store,
            engine=in_process(self.store),
            registry=self.registry,
            ledger=self.ledger,
            policy=POLICY,
            fitness=lambda _model: Fitness(impossible=0, load_seconds=1, megabytes=1),
            impossible=lambda _model: 0,
            now=self.clock.now,
        )

    @property
    def alerts(self) -> Alerts:
        return Alerts(
            self.ledger,  # type: ignore[arg-type] # acts as a ledger
            self,
            AlertPolicy(pending=timedelta(0)),
            lambda name: f"docs/runbooks/{name}.md",
            self.clock.now,
        )

    # ---- the channels

    @property
    def routes(self) -> list[Route]:
        return [Route("people")]

    def shown(self, route: str) -> str:
        return route

    def call_heartbeat(self) -> None:
        pass

    def send(self, parcels: Mapping[str, Sequence[Parcel]]) -> Iterator[Outcome]:
        """As `UrlChannels` sends, without threads."""
        for of_route in parcels.values():
            for parcel in of_route:
                yield Outcome(parcel, self.route.send(parcel.kind, parcel.alerts))

    # ---- watched after each call

    def breaks(self, promise: str) -> None:
        """Note a broken promise, and the call it was seen after."""
        self.broken.append(promise)
        self.scheduler.trace.append(f"    BROKEN: {promise}")

    def _after_store(self, method: str) -> None:
        if method == "record_observations":
            versions = rows_of(OBSERVATIONS, self.tables.read(OBSERVATIONS))
            self._values = self._kept("a version of a value", self._values, versions)
        elif method == "record_forecasts":
            forecasts = rows_of(FORECASTS, self.tables.read(FORECASTS))
            self._issued = self._kept("an issued forecast", self._issued, forecasts)
            self._record = self._kept("a forecast of record", self._record, of_record(forecasts))

    def _kept(self, what: str, before: set[Row], rows: Iterable[Row]) -> set[Row]:
        """The rows there are now, among which every earlier one must be, unchanged."""
        now = set(rows)
        if lost := before - now:
            self.breaks(f"{what} changed: {len(lost)} rows of {len(before)}")
        return now

    def _after_ledger(self, method: str) -> None:
        if method == "append_decision":
            decisions = self.entries.decisions()
            if decisions[1:] != self._decisions:
                self.breaks("the ledger of decisions is not append-only")
            self._decisions = decisions
        alerts = {alert.alert_id: alert for alert in self.entries.alerts()}
        for alert_id, before in self._alerts.items():
            self._compare(before, alerts.get(alert_id))
        self._alerts = alerts

    def _compare(self, before: Alert, now: Alert | None) -> None:
        if now is None:
            self.breaks(f"the incident {before.alert_id} is gone")
        elif not before.is_open and now.is_open:
            self.breaks(f"the incident {before.alert_id} was {before.state} and is {now.state}")
        elif now.last_event_id < before.last_event_id:
            self.breaks(f"the incident {before.alert_id} forgot the result {before.last_event_id}")
        elif before.announced is not None and now.announced is None:
            self.breaks(f"the incident {before.alert_id} forgot that it was announced")
        elif before.delivered is not None and now.delivered is None and before.state == now.state:
            self.breaks(f"the incident {before.alert_id} forgot that it was delivered")


def of_record(forecasts: Iterable[Row]) -> Iterable[Row]:
    """Of each series, cutoff and day the row of `FORECASTS` that was issued first, of several the smallest version."""
    by_age = sorted(forecasts, key=lambda row: (row[ISSUED_AT], int(row[VERSION])), reverse=True)
    return {row[:3]: row for row in by_age}.values()

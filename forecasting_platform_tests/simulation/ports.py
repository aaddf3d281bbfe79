"""The ports, each call of which is a choice of the scheduler."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from typing import Any

import pandas as pd

from forecasting_platform.adapters.memory.ledger import MemoryLedger
from forecasting_platform.forecasting.models.trained.model import ForecastModel
from forecasting_platform.forecasting.series.days.date_range import DateRange
from forecasting_platform.ports.observation_feed import FeedDocument
from forecasting_platform_tests.simulation.rows import frame_of, nanoseconds, within
from forecasting_platform_tests.simulation.rows_store import FED
from forecasting_platform_tests.simulation.scheduler import Scheduler


class Stepped:
    """A port (or the client of one) whose calls are made one at a time, each looked at afterwards.

    Args:
        look: called with the method's name after each call.
    """

    def __init__(
        self, name: str, port: Any, scheduler: Scheduler, look: Callable[[str], None] = lambda _method: None
    ) -> None:
        self._name, self._port, self._scheduler, self._look = name, port, scheduler, look

    def __getattr__(self, method: str) -> Any:
        found = getattr(self._port, method)

        def call(*args: Any, **kwargs: Any) -> Any:
            said = f"{self._name}.{method}({_shown(args, kwargs)})"
            return self._scheduler.call(said, lambda: found(*args, **kwargs), look=lambda: self._look(method))

        return call


class SteppedLedger(Stepped):
    """A ledger; who waits for the right to promote lets the others go on."""

    def __init__(self, port: MemoryLedger, scheduler: Scheduler, look: Callable[[str], None]) -> None:
        super().__init__("ledger", port, scheduler, look)
        self._is_promoting = False

    @contextmanager
    def promotion(self) -> Iterator[None]:
        def take() -> None:
            self._is_promoting = True

        try:
            self._scheduler.call("ledger.promotion()", take, when=lambda: not self._is_promoting)
            yield
        finally:
            # A process that dies loses its connection, and with it the lock.
            self._is_promoting = False


class Clock:
    """The time; each look is a second later than the one before."""

    def __init__(self, start: datetime) -> None:
        self._now = start

    def now(self) -> datetime:
        self._now += timedelta(seconds=1)
        return self._now

    def advance(self, by: timedelta) -> None:
        self._now += by


class PublishedFeed:
    """A feed that is revised and grows while it is read."""

    def __init__(self, values: dict[tuple[str, pd.Timestamp], float], clock: Clock) -> None:
        self.values = values
        self._clock = clock

    def publish(self, changes: dict[tuple[str, pd.Timestamp], float]) -> None:
        self.values = self.values | changes

    def fetch(self, period: DateRange) -> FeedDocument:
        rows = tuple((name, nanoseconds(ds), y) for (name, ds), y in sorted(self.values.items()))
        observations = frame_of(FED, within(rows, 1, period))
        return FeedDocument("feed", self._clock.now(), "0" * 64, 0, observations, quarantined=_NO_REFUSALS)


_NO_REFUSALS = pd.DataFrame({name: pd.Series(dtype="object") for name in ("unique_id", "reason", "raw")}).assign(
    ds=pd.Series(dtype="datetime64[ns]")
)


def _shown(args: tuple[Any, ...], kwargs: dict[str, Any]) -> str:
    shown = [_short(value) for value in args] + [
        f"{name}={_short(value)}" for name, value in kwargs.items() if value is not None
    ]
    return ", ".join(text for text in shown if text)


def _short(value: Any) -> str:
    if isinstance(value, pd.DataFrame):
        return f"{len(value)} rows"
    if isinstance(value, ForecastModel):
        return f"model of {value.cutoff}"
    if isinstance(value, list | tuple):
        return f"[{', '.join(_short(inner) for inner in value)}]"
    if isinstance(value, dict):
        return ", ".join(
            f"{'/'.join(map(_short, key)) if isinstance(key, tuple) else key}={of}" for key, of in value.items()
        )
    if isinstance(value, pd.Timestamp):
        return f"{value:%m-%d}"
    if callable(value):
        return ""
    for name in ("alert_id", "key", "verdict", "version"):
        if hasattr(value, name):
            extra = getattr(value, "state", None) or getattr(value, "challenger_version", "")
            return f"{getattr(value, name)} {extra}".strip()
    return str(getattr(value, "name", value))[:80]

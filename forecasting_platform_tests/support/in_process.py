"""The real definitions on memory adapters and the simulated gas supply, run in this process."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from types import SimpleNamespace
from typing import Any

import dagster as dg
import pandas as pd

from forecasting_platform.adapters.feeds.simulated_gas_supply import simulate_gas_supply, simulate_weather
from forecasting_platform.adapters.memory.ledger import MemoryLedger
from forecasting_platform.adapters.memory.model_registry import MemoryModelRegistry
from forecasting_platform.adapters.memory.table_store import MemoryTableStore
from forecasting_platform.definitions import build_definitions
from forecasting_platform.errors import FeedUnavailableError
from forecasting_platform.forecasting.series.days.date_range import DateRange
from forecasting_platform.orchestration.partitions import range_tags
from forecasting_platform.ports.observation_feed import FeedDocument
from forecasting_platform.settings import Settings

INITIAL = DateRange(date(2022, 10, 1), date(2023, 6, 30))


@dataclass
class SimulatedFeed:
    """The simulated gas supply without a web server; `down` makes it unavailable."""

    down: bool = False
    weather: bool = False
    clock: datetime = field(default=datetime(2026, 1, 1, tzinfo=UTC))

    def fetch(self, period: DateRange) -> FeedDocument:
        if self.down:
            raise FeedUnavailableError("the feed", "refused")
        self.clock += timedelta(hours=1)
        wide = simulate_gas_supply(period)
        if self.weather:
            wide = wide.join(simulate_weather(period))
        wide = wide.rename_axis(index="ds", columns="unique_id")
        values = wide.reset_index().melt("ds", var_name="unique_id", value_name="y")
        return FeedDocument("simulated", self.clock, "0" * 64, 1, values[["unique_id", "ds", "y"]], _none_quarantined())


def _none_quarantined() -> pd.DataFrame:
    return pd.DataFrame({name: pd.Series(dtype=object) for name in ("unique_id", "ds", "reason", "raw")})


class InProcessPlatform:
    """The real definitions on memory adapters, run in this process."""

    def __init__(
        self,
        instance: dg.DagsterInstance,
        settings: Settings | None = None,
        *,
        weather: bool = False,
        feed: SimulatedFeed | None = None,
    ) -> None:
        self.instance = instance
        self.feed = feed or SimulatedFeed(weather=weather)
        self.store, self.registry, self.ledger = MemoryTableStore(), MemoryModelRegistry(), MemoryLedger()
        self.definitions = build_definitions(
            settings=settings,
            resources={
                "observation_feed": self.feed,
                "table_store": self.store,
                "model_registry": self.registry,
                "ledger": self.ledger,
                "mlflow": SimpleNamespace(set_tag=lambda *_: None, end_run=lambda *_: None),
            },
        )

    def run(
        self, job: str, days: DateRange | None = None, config: Mapping[str, Any] | None = None, *, raising: bool = True
    ) -> dg.ExecuteInProcessResult:
        return self.definitions.resolve_job_def(job).execute_in_process(
            instance=self.instance,
            tags=range_tags(days) if days else {},
            run_config={"ops": config} if config else None,
            raise_on_error=raising,
        )

    def checks(self, result: dg.ExecuteInProcessResult) -> dict[str, bool]:
        return {found.check_name: found.passed for found in result.get_asset_check_evaluations()}

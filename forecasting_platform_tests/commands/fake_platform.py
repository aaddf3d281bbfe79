"""A running platform for commands: Dagster, the app and the ledger as a test wants them."""

from dataclasses import dataclass, field
from datetime import date
from types import SimpleNamespace
from typing import Any

from click.testing import CliRunner, Result
from pydantic import SecretStr

from forecasting_platform import cli
from forecasting_platform.forecasting.series.days.date_range import DateRange
from forecasting_platform.local.dagster.answers import Materialization
from forecasting_platform.settings import Settings

ROW = {"unique_id": 'Größe "x", y', "ds": "2023-07-01", "y_hat": 0.1 + 0.2, "extrapolated": False}


ANSWERS = {
    "/predict": {"model": {"version": "3", "cutoff": "2023-06-30"}, "forecasts": [ROW, ROW | {"ds": "2023-07-02"}]},
    "/simulate": {"inputs": [ROW]},
    "/model": {"version": "3", "cutoff": "2023-06-30", "metadata": {}},
}


@dataclass
class FakeDagster:
    """Answers as Dagster would, and keeps what it was asked."""

    url: str = "http://127.0.0.1:3000"
    asked: list[tuple[Any, ...]] = field(default_factory=list)
    metadata: dict[str, Any] = field(default_factory=dict)
    failure: Exception | None = None
    app_refusal: Exception | None = None

    def launch_backfill(self, assets: Any, period: DateRange, *, tags: Any = None) -> str:
        self.asked.append((tuple(assets), period))
        return "abcdef"

    def wait_for_backfill(self, backfill_id: str, *, deadline_seconds: float) -> Any:
        return SimpleNamespace(run_ids=["run-1"])

    def launch_job(self, job: str, *, run_config: Any = None) -> str:
        self.asked.append((job, run_config))
        return "run-1"

    def wait_for_run(self, run_id: str, *, deadline_seconds: float) -> None:
        if self.failure is not None:
            raise self.failure

    def materializations(self, run_id: str, asset: str | None = None) -> list[Materialization]:
        return [Materialization(asset or "x", None, self.metadata)] * 2

    def materialized_days(self, asset: str) -> set[date]:
        return set(DateRange(date(2023, 6, 1), date(2023, 6, 30)))


METADATA = {
    **{f"load_{name}": number for number, name in enumerate(("new", "revised", "unchanged", "quarantined"))},
    "load_refused": "3 of 5 values of the days asked for (60 %) were refused",
    "model_version": "4",
    "cutoff": "2023-07-02",
    "mlflow_run_id": "f00",
    "decision_id": 7,
    "verdict": "hold",
    "champion_version": "3",
    "reason": "not better – yet",
}


class FakeConnection(SimpleNamespace):
    """A connection to parts that a test makes."""

    @property
    def settings(self) -> Settings:
        return Settings(postgres_dsn=SecretStr(self.postgres_dsn))


def invoke(*words: str) -> Result:
    return CliRunner().invoke(cli.main, list(words), prog_name="forecasting-platform")

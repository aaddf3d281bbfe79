"""What each station of the way costs for many calm series: processor seconds and peak memory, beside their training.

`make bench NAME=fleet`: 1,000 series × 2,007 days; `FULL=0` or `--small` is 40 series × 730 days, `--series` and
`--days` set any other size. The services run in this process on an embedded Postgres; checks run as Dagster runs them,
without its database, so that what they show a person counts too. Models are kept in files and read back for each use,
as from MLflow, whose server is left out. Seconds are of this process, its children and Postgres together; the peak is
of this process.

After the initial load, a training and the first promotion, the fleet lives for 135 days, so that control has all days
that it looks at. They are not measured, but for the two checks that learn a month's references. Then come one more day,
a refresh: the same recipe trained and promoted again, and a challenger of another recipe, which must be compared.
"""

import argparse
import contextlib
import logging
import os
from collections.abc import Callable
from datetime import date, timedelta
from pathlib import Path
from types import SimpleNamespace

import dagster as dg
import numpy as np
import pandas as pd

from benchmarks.local_server import free_ports, open_directory
from benchmarks.results_file import Aim, report
from benchmarks.stations import Stations
from forecasting_platform.adapters.memory.model_registry import MemoryModelRegistry
from forecasting_platform.adapters.model_artifact import read_artifact, write_artifact
from forecasting_platform.adapters.postgres.ledger import PostgresLedger
from forecasting_platform.adapters.postgres.table_store import PostgresTableStore
from forecasting_platform.definitions import build_definitions
from forecasting_platform.feed_wiring import feed_at
from forecasting_platform.forecasting.models.recipes.recipe import Recipe
from forecasting_platform.forecasting.models.trained.model import ForecastModel
from forecasting_platform.forecasting.policy_backtest.cycles import recipes_of
from forecasting_platform.forecasting.series.days.date_range import DateRange
from forecasting_platform.local.postgres.embedded_postgres import EmbeddedPostgres
from forecasting_platform.orchestration.partitions import range_tags
from forecasting_platform.ports.model_registry import ModelVersion
from forecasting_platform.services.feature_table import build_feature_table
from forecasting_platform.services.forecast_errors import match_forecast_errors
from forecasting_platform.services.forecasts import issue
from forecasting_platform.services.loading.feed_loads import FeedLoads
from forecasting_platform.services.loading.raw_observations import load_observations
from forecasting_platform.services.training.trained_model import train_challenger
from forecasting_platform.services.training.trainer import Trainer
from forecasting_platform.settings import Settings
from forecasting_platform.wiring import engine_of, promoter_of

FULL, SMALL = (1000, 2007), (40, 730)
LAST_DAY = date(2023, 6, 30)
LIVED_DAYS = 135
PERSISTENCE = 0.5
MONTHLY = ("feature_table_matches_reference", "actuals_match_earlier_years")
AIMS = {
    "initial load": 0.8,
    "first promotion": 0.1,
    "one more day": 0.15,
    "refresh": 0.1,
    "comparison of two recipes": 1.2,
}
MONTH = "first day of a month"
DAYS_A_MONTH = 30

log = logging.getLogger(__name__)


def calm_observations(series: int, days: DateRange) -> pd.DataFrame:
    """One column a series: weekly and yearly waves of its own and autoregressive noise, nothing that ever changes."""
    generator = np.random.default_rng(0)
    at = np.arange(len(days))
    level, weekly, yearly = generator.uniform([[50], [2], [5]], [[500], [10], [30]], (3, series))
    phase = generator.uniform(0, 2 * np.pi, (2, series))
    noise = generator.standard_normal((len(days), series)) * 5
    for day in range(1, len(days)):
        noise[day] += PERSISTENCE * noise[day - 1]
    waves = weekly * np.sin(2 * np.pi * at[:, None] / 7 + phase[0])
    waves += yearly * np.sin(2 * np.pi * at[:, None] / 365.25 + phase[1])
    names = [f"Series {number:05}" for number in range(series)]
    wide = pd.DataFrame(np.round(level + waves + noise, 4), columns=names)
    wide.insert(0, "Date", [f"{day:%d/%m/%Y}" for day in days])
    return wide


class FileModelRegistry(MemoryModelRegistry):
    """Versions whose models are kept as files, as MLflow keeps them."""

    def __init__(self, folder: Path) -> None:
        super().__init__()
        self._folder = folder

    def register(self, model: ForecastModel, *, plots: dict[str, bytes], run_tags: dict[str, str]) -> ModelVersion:
        """See `ModelRegistry.register`."""
        version = super().register(model, plots=plots, run_tags=run_tags)
        write_artifact(model, self._folder / version.version)
        return version

    def load(self, version: ModelVersion) -> ForecastModel:
        """See `ModelRegistry.load`."""
        return read_artifact(self._folder / version.version, version=version.version)


class Fleet:
    """The platform's services on a Postgres of its own and a file as feed."""

    def __init__(self, dsn: str, folder: Path, values: pd.DataFrame) -> None:
        self._document = folder / "feed.csv"
        self._values = values
        self._settings = Settings(feed_url=self._document.as_uri(), postgres_dsn=dsn)
        self.store, self.ledger = PostgresTableStore(dsn), PostgresLedger(dsn)
        self.store.prepare()
        self.ledger.prepare()
        self.registry = FileModelRegistry(folder)
        self._engine = engine_of(self._settings, self.store)
        self._recipes = recipes_of(Recipe(horizon=self._settings.horizon_days))
        self._definitions = build_definitions(
            settings=self._settings,
            resources={
                "observation_feed": None,
                "table_store": self.store,
                "model_registry": self.registry,
                "ledger": self.ledger,
                "mlflow": SimpleNamespace(set_tag=lambda *_: None, end_run=lambda *_: None),
            },
        )
        self.instance = dg.DagsterInstance.ephemeral()

    def publish(self, until: date) -> None:
        """Write the feed's document with the values up to a day."""
        known = pd.to_datetime(self._values["Date"], format="%d/%m/%Y") <= pd.Timestamp(until)
        self._values[known].to_csv(self._document, index=False)

    def load(self, days: DateRange) -> None:
        """Load the values of some days."""
        feed = feed_at(self._settings.feed_url or "", self._settings)
        load_observations(feed, self.store, days, FeedLoads(None), log)

    def build_features(self, days: DateRange) -> None:
        """Build the features of loaded days."""
        build_feature_table(self.store, self._engine, days, self._settings.holiday_country)

    def train(self, recipe: int = 0) -> None:
        """Train a challenger by one of two recipes."""
        train_challenger(
            Trainer(self.store, self._engine),
            self.registry,
            self._recipes[recipe],
            code_version="benchmark",
            lower_bounds={},
            run_tags={},
        )

    def promote(self) -> str:
        """Evaluate the challenger; the verdict."""
        return promoter_of(self.store, self._engine, self.registry, self.ledger).evaluate("benchmark").verdict

    def forecast(self, cutoffs: DateRange) -> None:
        """Issue the forecasts of some cutoffs."""
        issue(self.store, self._engine, self.registry, cutoffs)

    def match(self, days: DateRange) -> None:
        """Match forecasts of some days with their actuals."""
        match_forecast_errors(self.store, days, self._settings.horizon_days)

    def checks(self, asset: str) -> dict[str, list[str]]:
        """The checks of an asset, those that are evaluated together under one name."""
        found = {}
        for definition in self._definitions.asset_checks or ():
            names = [key.name for key in definition.check_keys if key.asset_key == dg.AssetKey(asset)]
            if names:
                found[definition.node_def.name if len(names) > 1 else names[0]] = names
        return dict(sorted(found.items()))

    def check(self, asset: str, names: list[str], days: DateRange) -> None:
        """Run checks as Dagster runs them."""
        selection = dg.AssetSelection.checks(*(dg.AssetCheckKey(dg.AssetKey(asset), name) for name in names))
        job = dg.define_asset_job("check", selection=selection)
        definitions = dg.Definitions.merge(self._definitions, dg.Definitions(jobs=[job]))
        run = definitions.resolve_job_def("check").execute_in_process(instance=self.instance, tags=range_tags(days))
        if not run.success:
            raise RuntimeError(f"the checks {names} broke")

    def close(self) -> None:
        """Give back the connections."""
        self.store.close()
        self.ledger.close()


def live(fleet: Fleet, stations: Stations, history: DateRange) -> None:
    """All that the fleet does from its first load on."""

    def station(phase: str, name: str, work: Callable[..., object], *arguments: object) -> None:
        with stations.measured(phase, name):
            work(*arguments)

    def checks(phase: str, asset: str, days: DateRange) -> None:
        for name, together in fleet.checks(asset).items():
            station(phase, f"check {name}", fleet.check, asset, together, days)

    def load(phase: str, days: DateRange) -> None:
        fleet.publish(days.end)
        station(phase, "load", fleet.load, days)
        checks(phase, "raw_observations", days)
        station(phase, "features", fleet.build_features, days)
        checks(phase, "feature_table", days)

    # What is imported when it is first used is no station's.
    warm_up = DateRange(history.start, history.start)
    fleet.publish(warm_up.end)
    fleet.load(warm_up)
    for asset in ("raw_observations", "feature_table"):
        for together in fleet.checks(asset).values():
            fleet.check(asset, together, warm_up)

    load("initial load", history)
    station("training", "training", fleet.train)
    station("first promotion", "promotion", fleet.promote)
    fleet.forecast(DateRange(history.end, history.end))
    lived = DateRange(history.end + timedelta(days=1), history.end + timedelta(days=LIVED_DAYS))
    fleet.publish(lived.end)
    fleet.load(lived)
    fleet.build_features(lived)
    fleet.forecast(lived)
    fleet.match(lived)
    for name in MONTHLY:
        station(MONTH, f"check {name}", fleet.check, "feature_table", [name], lived)

    today = DateRange(lived.end + timedelta(days=1), lived.end + timedelta(days=1))
    load("one more day", today)
    station("one more day", "forecasts", fleet.forecast, today)
    checks("one more day", "forecasts", today)
    station("one more day", "errors", fleet.match, today)
    checks("one more day", "forecast_errors", today)
    station("second training", "training", fleet.train)
    station("refresh", "promotion", fleet.promote)
    station("training by another recipe", "training", fleet.train, 1)
    station("comparison of two recipes", "promotion", fleet.promote)


def aims(stations: Stations) -> list[Aim]:
    """The aims of the project, as shares of one training of the same series in the same run."""
    training = stations.seconds("training")
    found = []
    for phase, most in AIMS.items():
        share = stations.seconds(phase) / training
        found.append(Aim(f"{phase}, of one training", round(share, 3), f"<= {most:g}", share <= most))
    share = (stations.seconds("one more day") + stations.seconds(MONTH) / DAYS_A_MONTH) / training
    found.append(
        Aim("the same day, with its part of the month's references", round(share, 3), "<= 0.15", share <= 0.15)
    )
    return found


def main() -> None:
    """Measure and report."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, help=argparse.SUPPRESS)
    parser.add_argument("--small", action="store_true", help=f"{SMALL[0]} series of {SMALL[1]} days")
    parser.add_argument("--series", type=int)
    parser.add_argument("--days", type=int, help="days of history before the first training")
    arguments = parser.parse_args()
    logging.disable(logging.INFO)
    is_small = arguments.small or os.environ.get("FULL", "1") == "0"
    usual = SMALL if is_small else FULL
    series, days = arguments.series or usual[0], arguments.days or usual[1]
    history = DateRange(LAST_DAY - timedelta(days=days - 1), LAST_DAY)
    lived = DateRange(history.start, LAST_DAY + timedelta(days=LIVED_DAYS + 1))
    with (
        open_directory() as folder,
        EmbeddedPostgres(folder / "postgres", free_ports(1)) as server,
    ):
        server.create_database("fleet")
        with contextlib.closing(Fleet(server.dsn("fleet"), folder, calm_observations(series, lived))) as fleet:
            stations = Stations(server.pid or 0)
            live(fleet, stations, history)
    size = {"series": series, "days": days}
    training = stations.seconds("training")
    rows = [size | row | {"of_training": round(row["cpu_seconds"] / training, 3)} for row in stations.rows]
    report("fleet", rows, aims(stations))


if __name__ == "__main__":
    main()

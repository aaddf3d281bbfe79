"""One series goes wrong in a real run of every job: it is named, and nothing of the others changes by a bit."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date

import dagster as dg
import numpy as np
import pandas as pd
import pytest

from forecasting_platform.forecasting.series.days.date_range import DateRange
from forecasting_platform.forecasting.series.frames import FEATURE_TABLE, FORECAST_ERRORS, FORECASTS, HELD_OBSERVATIONS
from forecasting_platform.forecasting.series.table import Table
from forecasting_platform.ports.observation_feed import FeedDocument
from forecasting_platform_tests.support.in_process import INITIAL, InProcessPlatform, SimulatedFeed

pytestmark = pytest.mark.slow

WEEK = DateRange(date(2023, 7, 1), date(2023, 7, 7))
POISON = "Gas/ $\\foo$ [/red] <b>"
TABLES = (FEATURE_TABLE, FORECASTS, FORECAST_ERRORS)


@dataclass
class PoisonedFeed(SimulatedFeed):
    """A series more: ordinary until July, then wild, with a hostile name; the newest day of another is in progress."""

    def fetch(self, period: DateRange) -> FeedDocument:
        document = super().fetch(period)
        days = pd.date_range(period.start, period.end)
        y = 100 + np.random.default_rng(0).normal(0, 3, 10_000)[days.dayofyear + 365 * (days.year - 2022)]
        wild = np.where(days >= "2023-07-01", np.where(days.day % 2, 1e50, -1e50), y)
        poison = pd.DataFrame({"unique_id": POISON, "ds": days, "y": wild})
        rows = pd.concat([document.observations, poison]).sort_values(["unique_id", "ds"], ignore_index=True)
        return FeedDocument("simulated", self.clock, "0" * 64, 1, rows, document.quarantined)


def run_everything(platform: InProcessPlatform) -> dg.ExecuteInProcessResult:
    platform.run("load_job", INITIAL)
    platform.run("training_job")
    platform.run("promotion_job")
    loaded = platform.run("load_job", WEEK)
    platform.run("forecast_job", WEEK)
    return loaded


@pytest.fixture(scope="module")
def alone() -> Iterator[InProcessPlatform]:
    with dg.DagsterInstance.ephemeral() as instance:
        platform = InProcessPlatform(instance)
        run_everything(platform)
        yield platform


@pytest.fixture(scope="module")
def poisoned() -> Iterator[tuple[InProcessPlatform, dg.ExecuteInProcessResult]]:
    with dg.DagsterInstance.ephemeral() as instance:
        platform = InProcessPlatform(instance, feed=PoisonedFeed())
        yield platform, run_everything(platform)


@pytest.mark.parametrize("table", TABLES, ids=lambda table: table.name)
def test_nothing_of_the_other_series_changes_by_a_bit(
    table: Table, alone: InProcessPlatform, poisoned: tuple[InProcessPlatform, dg.ExecuteInProcessResult]
) -> None:
    columns = [name for name in table.column_names if name not in {"issued_at", "available_at"}]
    found, expected = poisoned[0].store.read(table), alone.store.read(table)
    others = found[found["unique_id"] != POISON].reset_index(drop=True)
    assert len(expected)
    pd.testing.assert_frame_equal(others[columns], expected[columns], check_exact=True)


def test_the_poisoned_series_is_held_back_and_the_incident_names_it(
    poisoned: tuple[InProcessPlatform, dg.ExecuteInProcessResult],
) -> None:
    platform, loaded = poisoned
    assert loaded.success
    held = platform.store.read(HELD_OBSERVATIONS, WEEK)
    assert (set(held["unique_id"]), len(held)) == ({POISON}, len(WEEK))
    checks = {found.check_name: found for found in loaded.get_asset_check_evaluations()}
    told = checks["observations_are_plausible"]
    assert not told.passed
    assert repr(f"{POISON} 2023-07-01: 1e+50") in str(told.description)
    assert checks["feature_table_has_every_series"].passed
    # Nothing is issued from days that are held; the model knows the series, and goes on once they are let go.
    assert POISON not in set(platform.store.read(FORECASTS, WEEK)["unique_id"])
    champion = platform.registry.version_at("champion")
    assert champion is not None
    assert POISON in platform.registry.load(champion).unique_ids

"""Any sequence of writes leaves the same in each store, in memory, and in a dictionary that knows the rules naively."""

from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from typing import ClassVar

import pandas as pd
import psycopg
import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, rule, run_state_machine_as_test

from forecasting_platform.adapters.memory.table_store import MemoryTableStore
from forecasting_platform.adapters.postgres.schema import TABLES
from forecasting_platform.adapters.postgres.table_store import PostgresTableStore
from forecasting_platform.adapters.spark.table_store import SparkTableStore
from forecasting_platform.errors import InvalidFrameError
from forecasting_platform.forecasting.series.days.date_range import DateRange
from forecasting_platform.forecasting.series.frames import FEATURE_TABLE, FORECASTS, PREDICTION_LOG
from forecasting_platform.forecasting.series.quality.limits import MAX_VALUE
from forecasting_platform.ports.table_store import TableStore
from forecasting_platform_tests.adapters.spark.spark_tables import empty_spark_tables
from forecasting_platform_tests.contracts.table_store_rows import (
    features,
    forecasts,
    observations,
    predictions,
    refused,
)

pytestmark = pytest.mark.slow

WEEK = [date(2020, 1, 1) + timedelta(days=offset) for offset in range(7)]
EPOCH = datetime(2020, 2, 1, tzinfo=UTC)

days = st.sampled_from(WEEK)
series = st.sampled_from(["a", "b", "Größe 'x'"])
values = st.floats(-MAX_VALUE, MAX_VALUE) | st.sampled_from([0.0, -0.0, 1.0])
periods = st.tuples(days, days).map(lambda pair: DateRange(min(pair), max(pair)))
loads = st.dictionaries(st.tuples(series, days), values, max_size=8)
refusals = st.lists(
    st.tuples(st.none() | series, st.none() | days.map(str), st.just("not a number"), series), max_size=3
)


class StoresAgree(RuleBasedStateMachine):
    """One step is one write to all of them."""

    empty_store: ClassVar[Callable[[], TableStore]]

    def __init__(self) -> None:
        super().__init__()
        self.store = type(self).empty_store()
        self.memory = MemoryTableStore()
        self.naive: dict[tuple[str, date], list[tuple[datetime, float]]] = {}
        self.now = EPOCH

    def teardown(self) -> None:
        self.tables_are_equal()
        self.every_moment_is_remembered()
        self.store.close()

    @rule(load=loads, rows=refusals, waits=st.integers(0, 2))
    def record(
        self, load: dict[tuple[str, date], float], rows: list[tuple[str | None, str | None, str, str]], waits: int
    ) -> None:
        self.now += timedelta(microseconds=waits)
        frame = observations(*((name, str(day), y) for (name, day), y in load.items()))
        period = DateRange(WEEK[0], WEEK[-1])
        changed = {key: y for key, y in load.items() if key not in self.naive or self.naive[key][-1][1] != y}
        stale = any(key in self.naive and self.naive[key][-1][0] >= self.now for key in changed)
        reports = []
        for store in (self.store, self.memory):
            if stale:
                with pytest.raises(InvalidFrameError, match="would replace newer ones"):
                    store.record_observations(frame, period, available_at=self.now, quarantined=refused(*rows))
            else:
                reports.append(
                    store.record_observations(frame, period, available_at=self.now, quarantined=refused(*rows))
                )
        if not stale:
            pd.testing.assert_frame_equal(reports[0].by_day, reports[1].by_day)
            new = sum(key not in self.naive for key in changed)
            expected = (new, len(changed) - new, len(load) - len(changed), len(rows))
            assert tuple(reports[0].totals.values()) == expected
            for key, y in changed.items():
                self.naive.setdefault(key, []).append((self.now, y))

    @rule(period=periods, names=st.sets(series, min_size=1), value=values)
    def replace_features(self, period: DateRange, names: set[str], value: float) -> None:
        rows = features(period, tuple(names)).assign(y=value)
        for store in (self.store, self.memory):
            assert store.replace(FEATURE_TABLE, rows, period) == len(rows)

    @rule(period=periods, version=st.sampled_from(["1", "2"]), hours=st.integers(0, 3), y_hat=values)
    def record_forecasts(self, period: DateRange, version: str, hours: int, y_hat: float) -> None:
        rows = forecasts(period, version, y_hat)
        rows = rows.assign(issued_at=rows["issued_at"] + timedelta(hours=hours))
        assert self.store.record_forecasts(rows) == self.memory.record_forecasts(rows)
        assert self.store.count(FORECASTS, period) == self.memory.count(FORECASTS, period)

    @rule(request_id=st.sampled_from(["r1", "r2"]), y_hat=values, names=st.sets(series))
    def append_predictions(self, request_id: str, y_hat: float, names: set[str]) -> None:
        rows = predictions(request_id, y_hat, tuple(names))
        assert self.store.append(PREDICTION_LOG, rows) == self.memory.append(PREDICTION_LOG, rows)

    @rule()
    def tables_are_equal(self) -> None:
        for table in TABLES:
            pd.testing.assert_frame_equal(self.store.read(table), self.memory.read(table))
        pd.testing.assert_frame_equal(self.store.read_newest(FEATURE_TABLE), self.memory.read_newest(FEATURE_TABLE))

    @rule()
    def every_moment_is_remembered(self) -> None:
        for moment in {self.now, EPOCH, EPOCH + (self.now - EPOCH) / 2}:
            expected = {key: y for key, versions in self.naive.items() for at, y in sorted(versions) if at <= moment}
            for store in (self.store, self.memory):
                known = store.read_observations(as_of=moment)
                found = zip(zip(known["unique_id"], known["ds"].dt.date, strict=True), known["y"], strict=True)
                assert dict(found) == expected


def test_postgres_and_memory_agree(prepared_dsn: str) -> None:
    def emptied() -> TableStore:
        with psycopg.connect(prepared_dsn) as connection:
            for table in TABLES:
                connection.execute(f"DELETE FROM forecasting.{table.name}")
        return PostgresTableStore(prepared_dsn)

    run(emptied, max_examples=15, stateful_step_count=10)


def test_spark_and_memory_agree(spark_store: SparkTableStore) -> None:
    def emptied() -> TableStore:
        empty_spark_tables(spark_store)
        return spark_store

    run(emptied, max_examples=2, stateful_step_count=8)


def run(empty_store: Callable[[], TableStore], **bounds: int) -> None:
    machine = type("TheseStoresAgree", (StoresAgree,), {"empty_store": staticmethod(empty_store)})
    run_state_machine_as_test(
        machine, settings=settings(**bounds, deadline=None, suppress_health_check=list(HealthCheck))
    )

from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pandas as pd
import pyarrow as pa
import pytest
from py4j.protocol import Py4JError
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql.pandas.serializers import ArrowCollectSerializer
from pyspark.util import _load_from_socket

from forecasting_platform.adapters.spark import session
from forecasting_platform.adapters.spark.arrow_frames import to_arrow
from forecasting_platform.adapters.spark.errors import translated
from forecasting_platform.adapters.spark.options import SparkOptions
from forecasting_platform.adapters.spark.schema import LOGS, TABLES, log_creation, log_of
from forecasting_platform.adapters.spark.session import forget_remote_session, spark_session
from forecasting_platform.adapters.spark.table_log import TableLog
from forecasting_platform.adapters.spark.table_store import SparkTableStore
from forecasting_platform.errors import ConfigurationError, StoreUnavailableError
from forecasting_platform.forecasting.series.frames import FEATURE_TABLE, OBSERVATIONS, PREDICTION_LOG
from forecasting_platform_tests.contracts.table_store_contract import RemoteTableStoreContract
from forecasting_platform_tests.contracts.table_store_rows import (
    DAY_1,
    DAY_2,
    JANUARY,
    MONDAY,
    TUESDAY,
    features,
    forecasts,
    observations,
    predictions,
    refused,
)

pytestmark = pytest.mark.slow


@pytest.fixture
def spark(spark_options: SparkOptions) -> SparkSession:
    return spark_session(spark_options)


@pytest.fixture
def store(spark_store: SparkTableStore) -> SparkTableStore:
    return spark_store


class TestSparkTableStore(RemoteTableStoreContract):
    as_of_examples = 2  # a load takes about a second

    @pytest.fixture
    def store(self, store: SparkTableStore) -> SparkTableStore:
        return store

    @pytest.fixture
    def unreachable_store(
        self, spark_options: SparkOptions, silent_port: int, monkeypatch: pytest.MonkeyPatch
    ) -> Iterator[SparkTableStore]:
        monkeypatch.setattr(session, "MAX_RETRIES", 1)  # half a minute of patience, eight times
        forget_remote_session()
        yield SparkTableStore(replace(spark_options, remote=f"sc://localhost:{silent_port}"))
        forget_remote_session()

    @pytest.fixture
    def break_next_write(self, monkeypatch: pytest.MonkeyPatch) -> Callable[[], None]:
        def broken(*_: object) -> bool:
            raise RuntimeError("broken on purpose")

        return lambda: monkeypatch.setattr(TableLog, "_add", broken)


def test_a_store_of_unprepared_tables_asks_for_prepare(spark_options: SparkOptions, spark: SparkSession) -> None:
    with pytest.raises(ConfigurationError, match=r"lacks what feature_table needs .*run prepare"):
        SparkTableStore(spark_options, database="nobody_made_this").read(FEATURE_TABLE)


def test_a_number_is_committed_once_whatever_the_days(store: SparkTableStore, spark: SparkSession) -> None:
    store.replace(FEATURE_TABLE, features(DAY_1), DAY_1)
    log = store._table_log(log_of(FEATURE_TABLE))
    rows = to_arrow(FEATURE_TABLE.columns, features(DAY_2))
    assert not log._add(1, log._files.write(rows, order="ds"))
    pd.testing.assert_frame_equal(store.read(FEATURE_TABLE), features(DAY_1))


def test_a_commit_whose_answer_was_lost_is_not_done_again(
    store: SparkTableStore, spark: SparkSession, monkeypatch: pytest.MonkeyPatch
) -> None:
    add = type(spark).sql

    def answer_lost(session: SparkSession, query: str, *args: object, **kwargs: object) -> DataFrame:
        answer = add(session, query, *args, **kwargs)  # type: ignore[arg-type] - passed on as they came
        if "ADD PARTITION" in query:
            raise Py4JError("the answer was lost")
        return answer

    monkeypatch.setattr(type(spark), "sql", answer_lost)
    report = store.record_observations(observations(("a", "2020-01-01", 1)), JANUARY, available_at=MONDAY)
    assert report.totals["new"] == 1
    assert store._table_log(log_of(OBSERVATIONS)).batches() == {1}


def test_a_writer_that_came_second_looks_again(store: SparkTableStore, spark_options: SparkOptions) -> None:
    other = SparkTableStore(spark_options)
    log, calls = store._table_log(log_of(OBSERVATIONS)), []

    def plan() -> tuple[pa.Table, int]:
        known = len(store.read_observations())
        if not calls:
            other.record_observations(observations(("a", "2020-01-01", 1)), DAY_1, available_at=MONDAY)
        calls.append(known)
        added = observations(("b", "2020-01-01", 2)).assign(available_at=pd.Timestamp(MONDAY))
        return to_arrow(log.log.columns, added), known

    assert log.commit(plan) == 1
    assert calls == [0, 1]
    assert store.read_observations()["unique_id"].tolist() == ["a", "b"]


def test_a_reader_beside_a_compaction_sees_all_rows(
    store: SparkTableStore, spark_options: SparkOptions, monkeypatch: pytest.MonkeyPatch
) -> None:
    store.replace(FEATURE_TABLE, features(JANUARY), JANUARY)
    store.replace(FEATURE_TABLE, features(DAY_1, value=9.0), DAY_1)
    before = store.read(FEATURE_TABLE)
    pick = TableLog._rows_of

    def then_compacted(log: TableLog, *args: Any) -> Any:
        picked = pick(log, *args)
        monkeypatch.undo()
        SparkTableStore(spark_options).compact()
        return picked

    monkeypatch.setattr(TableLog, "_rows_of", then_compacted)
    pd.testing.assert_frame_equal(store.read(FEATURE_TABLE), before)


def test_a_compaction_changes_no_answer_and_its_leftovers_are_cleaned_up(
    store: SparkTableStore, spark: SparkSession
) -> None:
    for value, moment in ((1, MONDAY), (2, TUESDAY)):
        store.record_observations(
            observations(("a", "2020-01-01", value), ("b", "2020-01-02", 1)),
            JANUARY,
            available_at=moment,
            quarantined=refused((None, None, "no object", str(value))),
        )
        store.replace(FEATURE_TABLE, features(JANUARY, value=float(value)), JANUARY)
        store.record_forecasts(forecasts(JANUARY, str(value)))
        store.append(PREDICTION_LOG, predictions(f"r{value}"))
    store.replace(FEATURE_TABLE, FEATURE_TABLE.empty(), DAY_1)
    before = {table: store.read(table) for table in TABLES}
    as_known = store.read_observations(as_of=MONDAY)
    store.compact()
    assert all(len(store._table_log(log).batches()) <= 1 for log in LOGS)
    assert store.clean_up() == 0, "superseded just now: a slow reader may still need them"
    assert store.clean_up(timedelta(0)) >= 9
    for table, rows in before.items():
        pd.testing.assert_frame_equal(store.read(table), rows)
        assert spark.table(f"forecasting.{table.name}").count() == len(rows), "the view shows the same"
    assert spark.table("forecasting.observations").count() == 2
    pd.testing.assert_frame_equal(store.read_observations(as_of=MONDAY), as_known)


def test_a_compaction_that_dies_before_it_removes_the_merged_batches_changes_no_answer(
    store: SparkTableStore, spark: SparkSession, monkeypatch: pytest.MonkeyPatch
) -> None:
    for value, moment in ((1, MONDAY), (2, TUESDAY)):
        store.record_observations(observations(("a", "2020-01-01", value)), JANUARY, available_at=moment)
        store.replace(FEATURE_TABLE, features(JANUARY, value=float(value)), JANUARY)
    store.replace(FEATURE_TABLE, FEATURE_TABLE.empty(), DAY_1)
    before = {table: store.read(table) for table in (OBSERVATIONS, FEATURE_TABLE)}
    monkeypatch.setattr(TableLog, "_drop", lambda *_: None)
    store.compact()
    for table, rows in before.items():
        pd.testing.assert_frame_equal(store.read(table), rows)
        assert spark.table(f"forecasting.{table.name}").count() == len(rows)


def test_writes_merge_the_batches_when_there_are_many(store: SparkTableStore, spark_options: SparkOptions) -> None:
    eager = SparkTableStore(spark_options, compact_at=3)
    for value in range(3):
        eager.replace(FEATURE_TABLE, features(DAY_1, value=float(value)), DAY_1)
    assert eager._table_log(log_of(FEATURE_TABLE)).batches() == {4}
    pd.testing.assert_frame_equal(eager.read(FEATURE_TABLE), features(DAY_1, value=2.0))


def test_a_write_stands_and_says_so_when_the_merge_after_it_fails(
    store: SparkTableStore,
    spark_options: SparkOptions,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    def broken(_log: TableLog) -> None:
        raise Py4JError("no space left on device")

    monkeypatch.setattr(TableLog, "compact", broken)
    eager = SparkTableStore(spark_options, compact_at=1)
    assert eager.replace(FEATURE_TABLE, features(DAY_1), DAY_1) == 2
    assert "feature_table_batches were not merged" in caplog.text
    assert "no space left on device" in caplog.text
    pd.testing.assert_frame_equal(store.read(FEATURE_TABLE), features(DAY_1))


def test_a_merge_deletes_what_earlier_ones_left_once_nobody_can_still_read_it(
    store: SparkTableStore, spark_options: SparkOptions, monkeypatch: pytest.MonkeyPatch
) -> None:
    eager = SparkTableStore(spark_options, compact_at=2)
    monkeypatch.setattr("forecasting_platform.adapters.spark.table_store.ORPHAN_AGE", timedelta(0))
    for value in range(2):
        eager.replace(FEATURE_TABLE, features(DAY_1, value=float(value)), DAY_1)
    assert eager._table_log(log_of(FEATURE_TABLE)).clean_up(timedelta(0)) == 0, "nothing is left to delete"
    pd.testing.assert_frame_equal(eager.read(FEATURE_TABLE), features(DAY_1, value=1.0))


def test_a_process_has_one_session(spark_options: SparkOptions, spark: SparkSession) -> None:
    with pytest.raises(ConfigurationError, match=r"has a Spark session on .* one process, one session"):
        spark_session(replace(spark_options, warehouse="/elsewhere"))


def test_columns_have_the_types_people_query_by(store: SparkTableStore, spark: SparkSession) -> None:
    types = dict(spark.table("forecasting.forecasts").dtypes)
    assert (types["unique_id"], types["ds"], types["cutoff"]) == ("string", "date", "date")
    assert (types["issued_at"], types["y_hat_lo_95"]) == ("timestamp", "double")


def test_tables_of_an_earlier_release_get_the_columns_they_lack(
    spark_options: SparkOptions, spark: SparkSession
) -> None:
    old = SparkTableStore(spark_options, database="earlier")
    old.prepare()
    log = log_of(FEATURE_TABLE)
    spark.sql(f"DROP TABLE earlier.{log.name}")
    narrow = replace(log, columns=tuple(column for column in log.columns if column.name != "exogenous"))
    spark.sql(log_creation(narrow, "earlier"), args={"location": old._directory(log)})
    written = to_arrow(narrow.columns, features(DAY_1).drop(columns="exogenous"))
    earlier = old._table_log(log_of(FEATURE_TABLE))
    assert earlier._add(1, earlier._files.write(written, order="ds"))
    old.prepare()
    pd.testing.assert_frame_equal(old.read(FEATURE_TABLE), features(DAY_1).assign(exogenous=None))
    old.replace(FEATURE_TABLE, features(DAY_2), DAY_2)
    assert old.read(FEATURE_TABLE)["exogenous"].notna().sum() == features(DAY_2)["exogenous"].notna().sum()
    assert "exogenous" in spark.table("earlier.feature_table").columns


def test_a_jvm_that_is_gone_between_a_query_and_its_rows_is_a_store_that_is_unavailable(silent_port: int) -> None:
    with (
        pytest.raises(StoreUnavailableError, match=r"the place is unavailable: .*CANNOT_OPEN_SOCKET"),
        translated("the place", "a table"),
        _load_from_socket((silent_port, "secret"), ArrowCollectSerializer()),
    ):
        pass


def test_a_slip_of_our_own_is_no_store_that_is_unavailable() -> None:
    with pytest.raises(UnboundLocalError), translated("the place", "a table"):
        raise UnboundLocalError("of our own")

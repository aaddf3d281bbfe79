import contextlib
import logging
import random
from collections.abc import Callable, Iterator
from datetime import UTC, date, datetime
from pathlib import Path
from urllib.parse import urlsplit

import pandas as pd
import psycopg
import pytest

from forecasting_platform.adapters.postgres import connections as postgres_connections
from forecasting_platform.adapters.postgres import table_store as postgres_table_store
from forecasting_platform.adapters.postgres.connections import PostgresConnections, lock
from forecasting_platform.adapters.postgres.table_store import PostgresTableStore
from forecasting_platform.errors import ConfigurationError, InvalidFrameError, StoreUnavailableError
from forecasting_platform.forecasting.series.frames import FEATURE_TABLE, OBSERVATIONS
from forecasting_platform.local.postgres.embedded_postgres import EmbeddedPostgres
from forecasting_platform_tests.contracts.table_store_contract import RemoteTableStoreContract
from forecasting_platform_tests.contracts.table_store_rows import (
    DAY_1,
    JANUARY,
    MONDAY,
    TUESDAY,
    features,
    observations,
)
from forecasting_platform_tests.kill.tcp_proxy import TcpProxy
from forecasting_platform_tests.support.waiting import PATIENCE_SECONDS

pytestmark = pytest.mark.slow


@pytest.fixture
def store(prepared_dsn: str) -> Iterator[PostgresTableStore]:
    prepared = PostgresTableStore(prepared_dsn)
    yield prepared
    prepared.close()


class TestPostgresTableStore(RemoteTableStoreContract):
    @pytest.fixture
    def store(self, store: PostgresTableStore) -> PostgresTableStore:
        return store

    @pytest.fixture
    def unreachable_store(self) -> Iterator[PostgresTableStore]:
        store = PostgresTableStore("postgresql://someone:secret@127.0.0.1:1/nothing", timeout_seconds=0.2)
        yield store
        store.close()

    @pytest.fixture
    def break_next_write(self, monkeypatch: pytest.MonkeyPatch) -> Callable[[], None]:
        whole = postgres_table_store.copy_blocks

        def half(*args: object) -> Iterator[bytes]:
            blocks = whole(*args)  # type: ignore[arg-type] - passed on as they came
            yield next(blocks)
            yield next(blocks)
            raise RuntimeError("broken on purpose")

        return lambda: monkeypatch.setattr(postgres_table_store, "copy_blocks", half)


def test_the_view_holds_the_newest_version_of_each_day(store: PostgresTableStore, prepared_dsn: str) -> None:
    store.record_observations(
        observations(("a", "2020-01-01", 1), ("b", "2020-01-01", 5)), JANUARY, available_at=MONDAY
    )
    store.record_observations(observations(("a", "2020-01-01", 2)), JANUARY, available_at=TUESDAY)
    with psycopg.connect(prepared_dsn) as connection:
        rows = connection.execute("SELECT unique_id, y FROM forecasting.observations ORDER BY 1").fetchall()
    assert rows == [("a", 2.0), ("b", 5.0)]


def test_columns_have_the_types_people_query_by(store: PostgresTableStore, prepared_dsn: str) -> None:
    with psycopg.connect(prepared_dsn) as connection:
        types = dict(
            connection.execute(
                "SELECT column_name, data_type FROM information_schema.columns WHERE table_name = 'forecasts'"
            ).fetchall()
        )
    assert types["unique_id"] == "text"
    assert types["cutoff"] == types["ds"] == "date"
    assert types["issued_at"] == "timestamp with time zone"
    assert types["y_hat_lo_95"] == "double precision"


def test_the_first_call_after_a_lost_connection_works(store: PostgresTableStore, prepared_dsn: str) -> None:
    store.replace(FEATURE_TABLE, features(DAY_1), DAY_1)
    with psycopg.connect(prepared_dsn, autocommit=True) as connection:
        connection.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
            "WHERE datname = current_database() AND pid <> pg_backend_pid()"
        )
    pd.testing.assert_frame_equal(store.read(FEATURE_TABLE), features(DAY_1))


def test_the_first_call_after_a_restart_works_and_one_during_it_says_unavailable(
    tmp_path: Path, free_port: int
) -> None:
    with EmbeddedPostgres(tmp_path, free_port) as server:
        server.create_database("platform")
        store = PostgresTableStore(server.dsn("platform"), timeout_seconds=PATIENCE_SECONDS)
        store.prepare()
        store.replace(FEATURE_TABLE, features(DAY_1), DAY_1)
        server.stop()
        with pytest.raises(StoreUnavailableError, match="Connection refused"):
            store.read(FEATURE_TABLE)
        server.start()
        pd.testing.assert_frame_equal(store.read(FEATURE_TABLE), features(DAY_1))
        store.close()


def test_a_reader_does_not_wait_for_a_writer(store: PostgresTableStore, prepared_dsn: str) -> None:
    store.replace(FEATURE_TABLE, features(DAY_1), DAY_1)
    with psycopg.connect(prepared_dsn) as writer:
        writer.execute("SELECT pg_advisory_xact_lock(hashtextextended('forecasting.feature_table', 0))")
        writer.execute("DELETE FROM forecasting.feature_table")
        pd.testing.assert_frame_equal(store.read(FEATURE_TABLE), features(DAY_1))


def test_a_client_that_is_gone_without_a_word_gives_its_locks_back(
    store: PostgresTableStore, prepared_dsn: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(postgres_connections._SESSION, "idle_in_transaction_session_timeout", "5s")
    server = urlsplit(prepared_dsn)
    assert server.port is not None
    with TcpProxy(("127.0.0.1", server.port)) as network:
        dsn = prepared_dsn.replace(f":{server.port}/", f":{network.address[1]}/")
        gone, written = PostgresConnections(dsn), 0
        with contextlib.suppress(StoreUnavailableError), gone.transaction(FEATURE_TABLE.name) as connection:
            lock(connection, FEATURE_TABLE.name)
            network.after_bytes, network.trouble = network.forwarded, "block"
            try:
                written = store.replace(FEATURE_TABLE, features(DAY_1), DAY_1)
            finally:
                network.trouble = "cut"
        gone.close()
    assert written == len(features(DAY_1))


def test_messages_and_logs_hold_no_password(caplog: pytest.LogCaptureFixture) -> None:
    store = PostgresTableStore("postgresql://someone:geheim@127.0.0.1:1/nothing", timeout_seconds=0.2)
    with caplog.at_level(logging.DEBUG), pytest.raises(StoreUnavailableError) as caught:
        store.read(FEATURE_TABLE)
    store.close()
    assert "Postgres at 127.0.0.1:1/nothing" in str(caught.value)
    assert "geheim" not in str(caught.value) + caplog.text


def test_a_text_that_is_no_dsn_is_refused_without_repeating_it() -> None:
    with pytest.raises(ConfigurationError, match="FORECASTING_POSTGRES_DSN: is no DSN") as caught:
        PostgresTableStore("host=x password=geheim nonsense")
    assert "geheim" not in str(caught.value)


def test_an_index_row_that_is_too_large_is_the_datas_fault_and_not_retried(prepared_dsn: str) -> None:
    connections = PostgresConnections(prepared_dsn)
    name = "".join(chr(code) for code in random.Random(1).sample(range(0x4E00, 0x9FFF), 2000))
    row = [name, date(2020, 1, 1), 1.0, datetime(2020, 1, 2, tzinfo=UTC)]
    with (
        pytest.raises(InvalidFrameError, match=r"index row size .* exceeds"),
        connections.transaction(OBSERVATIONS.name) as connection,
    ):
        connection.execute("INSERT INTO forecasting.raw_observations VALUES (%s, %s, %s, %s)", row)
    connections.close()


def test_missing_tables_name_the_command_that_makes_them(postgres_dsn: str) -> None:
    store = PostgresTableStore(postgres_dsn)
    with pytest.raises(ConfigurationError, match=r"lacks what feature_table needs .*run `forecasting-platform migr"):
        store.read(FEATURE_TABLE)
    store.close()


def test_a_load_of_2007_days_of_20_series_is_counted(store: PostgresTableStore) -> None:
    days = pd.date_range("2018-01-01", "2023-06-30")
    loaded = pd.concat(
        [
            pd.DataFrame({"unique_id": f"series {number:02}", "ds": days, "y": days.day_of_year / (number + 1)})
            for number in range(20)
        ]
    )
    period = type(JANUARY)(days[0].date(), days[-1].date())
    assert store.record_observations(loaded, period, available_at=MONDAY).totals["new"] == 20 * 2007
    assert store.record_observations(loaded, period, available_at=TUESDAY).totals["unchanged"] == 20 * 2007

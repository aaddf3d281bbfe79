"""From the first release's schema, with rows in it, to this one's."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta

import pandas as pd
import psycopg
import pytest
from alembic.script import ScriptDirectory
from psycopg import sql
from sqlalchemy import create_engine

from forecasting_platform.adapters.postgres.ledger import PostgresLedger
from forecasting_platform.adapters.postgres.migrations import SCRIPTS, Migration, migrate_schema, upgrade
from forecasting_platform.adapters.postgres.schema import FIRST_REVISION, HEAD_REVISION, REVISIONS
from forecasting_platform.adapters.postgres.table_store import PostgresTableStore
from forecasting_platform.errors import (
    ConfigurationError,
    MigrationError,
    SchemaRevisionError,
    StoreUnavailableError,
)
from forecasting_platform.forecasting.series.date_range import DateRange
from forecasting_platform.forecasting.series.features import build_features
from forecasting_platform.forecasting.series.frames import FEATURE_TABLE, FORECAST_ERRORS, FORECASTS, Table
from forecasting_platform.local.embedded_postgres import EmbeddedPostgres
from forecasting_platform_tests.adapters.postgres.postgres_catalog import catalog
from forecasting_platform_tests.contracts.ledger_contract import ALERT
from forecasting_platform_tests.forecasting import series
from forecasting_platform_tests.support.databases import copied_database

pytestmark = pytest.mark.slow

DAYS = DateRange(date(2022, 1, 1), date(2023, 2, 28))
LOADED_AT = datetime(2023, 3, 1, tzinfo=UTC)
NEW_FEATURES = ["volatility_02", "volatility_10", "recent_holidays"]


@pytest.fixture(scope="module")
def template(embedded_postgres: EmbeddedPostgres) -> str:
    """A database as the first release left it: no revision, and rows in every table."""
    script = ScriptDirectory(str(SCRIPTS)).get_revision(FIRST_REVISION).module
    embedded_postgres.create_database("first_release")
    with psycopg.connect(embedded_postgres.dsn("first_release")) as connection:
        connection.execute("CREATE SCHEMA forecasting")
        connection.execute(script._SCHEMA)
        _fill(connection)
    return "first_release"


@pytest.fixture
def first_release(embedded_postgres: EmbeddedPostgres, template: str) -> Iterator[str]:
    """A copy of it."""
    with copied_database(embedded_postgres, template) as dsn:
        yield dsn


def observations() -> pd.DataFrame:
    return series.observations({"s": series.seasonal(len(DAYS))}, DAYS.end)


def _fill(connection: psycopg.Connection[tuple[object, ...]]) -> None:
    known = observations()
    copy(connection, "raw_observations", known.assign(available_at=pd.Timestamp(LOADED_AT)))
    revised = known.tail(1).assign(available_at=pd.Timestamp(LOADED_AT) + timedelta(hours=1), y=7.0)
    copy(connection, "raw_observations", revised)
    copy(connection, "feature_table", build_features(known, DAYS, "IE").drop(columns=[*NEW_FEATURES, "exogenous"]))
    copy(connection, "forecasts", forecasts(FORECASTS))
    copy(connection, "forecast_errors", forecasts(FORECAST_ERRORS).drop(columns=["y_first", "issued_at"]))
    connection.execute("""
        INSERT INTO forecasting.promotion_decisions OVERRIDING SYSTEM VALUE
        VALUES (41, 'promote', 'the first', '1', NULL, '2023-02-28', now(), 'a person', '{"rmse": 5.4}');
        INSERT INTO forecasting.alerts VALUES
        ('a:b@7', 'a:b', 'FIRING', 'error', 'old', now(), now(), 7, NULL, now(), NULL);
        INSERT INTO forecasting.prediction_log VALUES ('r', now(), 's', '2023-02-28', '2023-03-01', '1', 5);
        INSERT INTO forecasting.quarantined_observations VALUES ('f', 's', NULL, 'no number', 'n/a', now());
    """)


def forecasts(table: Table) -> pd.DataFrame:
    values: dict[str, object] = {"float": 5.0, "text": "1", "timestamp": pd.Timestamp(LOADED_AT)}
    row = {column.name: values.get(column.kind) for column in table.columns}
    days = {"cutoff": pd.Timestamp(DAYS.end), "ds": pd.Timestamp(DAYS.end) + timedelta(days=1)}
    return pd.DataFrame([row | days])


def copy(connection: psycopg.Connection[tuple[object, ...]], table: str, rows: pd.DataFrame) -> None:
    names = sql.SQL(", ").join(map(sql.Identifier, rows.columns))
    statement = sql.SQL("COPY {} ({}) FROM STDIN").format(sql.Identifier("forecasting", table), names)
    with connection.cursor() as cursor, cursor.copy(statement) as target:
        for row in rows.itertuples(index=False):
            target.write_row(row)


def rows_of(dsn: str) -> dict[str, int]:
    with psycopg.connect(dsn) as connection:
        names = connection.execute(
            "SELECT relname FROM pg_class WHERE relnamespace = 'forecasting'::regnamespace "
            "AND relkind = 'r' AND relname <> 'alembic_version'"
        ).fetchall()
        counts = {}
        for (name,) in names:
            query = sql.SQL("SELECT count(*) FROM {}").format(sql.Identifier("forecasting", name))
            counts[name] = int((connection.execute(query).fetchone() or (0,))[0])
    return counts


@pytest.fixture
def fresh_dsn(embedded_postgres: EmbeddedPostgres) -> Iterator[str]:
    """A second empty database."""
    embedded_postgres.create_database("fresh")
    yield embedded_postgres.dsn("fresh")
    with psycopg.connect(embedded_postgres.dsn("postgres"), autocommit=True) as connection:
        connection.execute("DROP DATABASE fresh WITH (FORCE)")


def prepare(dsn: str) -> None:
    for adapter in (PostgresTableStore(dsn), PostgresLedger(dsn)):
        adapter.prepare()
        adapter.close()


def test_the_known_revisions_are_alembics_in_order() -> None:
    script = ScriptDirectory(str(SCRIPTS))
    assert [found.revision for found in script.walk_revisions()][::-1] == list(REVISIONS)


def test_a_migrated_schema_is_the_one_that_is_made_anew(first_release: str, fresh_dsn: str) -> None:
    assert migrate_schema(first_release) == Migration(FIRST_REVISION, HEAD_REVISION)
    prepare(fresh_dsn)
    migrated, fresh = catalog(first_release), catalog(fresh_dsn)
    for kind in fresh:
        assert migrated[kind] == fresh[kind], f"add a revision for what {kind} of prepare() and the revisions differ in"


def test_every_row_is_kept_and_old_feature_rows_get_what_they_lack(first_release: str) -> None:
    before = rows_of(first_release)
    assert min(before.values()) > 0, "a table without rows shows nothing"
    migrate_schema(first_release)
    assert {name: count for name, count in rows_of(first_release).items() if name in before} == before
    store, ledger = PostgresTableStore(first_release), PostgresLedger(first_release)
    known = observations()
    known.loc[known.index[-1], "y"] = 7.0
    pd.testing.assert_frame_equal(
        store.read(FEATURE_TABLE)[["unique_id", "ds", *NEW_FEATURES]],
        build_features(known, DAYS, "IE")[["unique_id", "ds", *NEW_FEATURES]],
    )
    assert store.read_observations()["y"].iloc[-1] == 7.0
    assert store.read(FORECAST_ERRORS)["y_first"].isna().all()
    (incident,) = ledger.alerts(open_only=True)
    assert incident.announced == incident.first_seen, "it was told, and is not told again"
    ledger.save_alerts([replace(ALERT, state="MUTED")])
    assert [decision.decision_id for decision in ledger.decisions()] == [41]
    with psycopg.connect(first_release) as connection:
        assert connection.execute("SELECT forecasts, bias FROM forecasting.daily_accuracy").fetchall() == [(1, 0.0)]
    store.close()
    ledger.close()


def test_a_migration_that_fails_leaves_the_old_schema_and_its_rows(first_release: str) -> None:
    with psycopg.connect(first_release) as connection:
        connection.execute("DELETE FROM forecasting.raw_observations WHERE ds = '2023-02-28'")
    before = catalog_without_revision(first_release), rows_of(first_release)
    with pytest.raises(MigrationError, match=r"volatility_02.*contains null values.*run `forecasting-platform migr"):
        migrate_schema(first_release)
    assert (catalog_without_revision(first_release), rows_of(first_release)) == before


def catalog_without_revision(dsn: str) -> dict[str, set[tuple[object, ...]]]:
    with psycopg.connect(dsn) as connection:
        assert connection.execute("SELECT to_regclass('forecasting.alembic_version')").fetchone() == (None,)
        connection.execute("CREATE TABLE forecasting.alembic_version (version_num text)")
    found = catalog(dsn)
    with psycopg.connect(dsn) as connection:
        connection.execute("DROP TABLE forecasting.alembic_version")
    return found


def test_migrating_twice_changes_nothing(first_release: str) -> None:
    migrate_schema(first_release)
    before = catalog(first_release), rows_of(first_release)
    assert migrate_schema(first_release) == Migration(HEAD_REVISION, HEAD_REVISION)
    assert (catalog(first_release), rows_of(first_release)) == before


def test_this_releases_schema_made_before_there_were_revisions_is_only_stamped(postgres_dsn: str) -> None:
    prepare(postgres_dsn)
    whole = catalog(postgres_dsn)
    with psycopg.connect(postgres_dsn) as connection:
        connection.execute("DROP TABLE forecasting.alembic_version")
    assert migrate_schema(postgres_dsn) == Migration(FIRST_REVISION, HEAD_REVISION)
    assert catalog(postgres_dsn) == whole


def test_no_schema_is_made_as_a_new_one(postgres_dsn: str) -> None:
    assert migrate_schema(postgres_dsn) == Migration(None, HEAD_REVISION)
    prepare(postgres_dsn)


@pytest.mark.parametrize("adapter", [PostgresTableStore, PostgresLedger])
def test_a_store_or_ledger_refuses_an_older_schema_and_names_the_command(
    first_release: str, adapter: type[PostgresTableStore] | type[PostgresLedger]
) -> None:
    opened = adapter(first_release)
    with pytest.raises(
        SchemaRevisionError, match=r"at revision 0001, .* needs 000\d; run `forecasting-platform migrate`"
    ):
        opened.prepare()
    opened.close()


def test_a_read_of_what_an_older_schema_lacks_names_the_command(first_release: str) -> None:
    store = PostgresTableStore(first_release)
    with pytest.raises(ConfigurationError, match="run `forecasting-platform migrate`"):
        store.read(FEATURE_TABLE)
    store.close()


def test_a_schema_of_a_newer_release_is_refused(postgres_dsn: str) -> None:
    prepare(postgres_dsn)
    with psycopg.connect(postgres_dsn) as connection:
        connection.execute("UPDATE forecasting.alembic_version SET version_num = '9999'")
    store = PostgresTableStore(postgres_dsn)
    for attempt in (store.prepare, lambda: migrate_schema(postgres_dsn)):
        with pytest.raises(SchemaRevisionError, match="install the newer release"):
            attempt()
    store.close()


def test_a_server_that_does_not_answer_is_unavailable() -> None:
    with pytest.raises(StoreUnavailableError, match="nothing is unavailable: connection failed"):
        migrate_schema("postgresql://someone:secret@127.0.0.1:1/nothing")


def test_of_two_migrations_at_once_one_waits_for_the_other(first_release: str) -> None:
    engine = create_engine("postgresql+psycopg://", creator=lambda: psycopg.connect(first_release))
    with engine.begin() as first:
        assert upgrade(first, HEAD_REVISION) == FIRST_REVISION
        with psycopg.connect(first_release) as second:
            locked = "SELECT pg_try_advisory_xact_lock(hashtextextended('forecasting.schema', 0))"
            assert second.execute(locked).fetchone() == (False,)
    engine.dispose()

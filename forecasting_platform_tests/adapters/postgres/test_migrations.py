"""From the first release's schema, with rows in it, to the next one's: for that a second revision is made up here."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest
from alembic.script import ScriptDirectory
from psycopg import sql

from forecasting_platform.adapters.postgres import migrations, schema
from forecasting_platform.adapters.postgres.ledger import PostgresLedger
from forecasting_platform.adapters.postgres.migrations import (
    SCRIPTS,
    Migration,
    MigrationError,
    engine_of,
    migrate_schema,
    upgrade,
)
from forecasting_platform.adapters.postgres.schema import HEAD_REVISION, REVISIONS, SchemaRevisionError
from forecasting_platform.adapters.postgres.table_store import PostgresTableStore
from forecasting_platform.errors import StoreUnavailableError
from forecasting_platform.local.postgres.embedded_postgres import EmbeddedPostgres
from forecasting_platform_tests.adapters.postgres.postgres_catalog import catalog

pytestmark = pytest.mark.slow

NEXT = "0002"
NEXT_REVISION = """
from alembic import op

revision = "0002"
down_revision = "0001"


def upgrade():
    op.execute("ALTER TABLE heartbeats ADD COLUMN host text")
    op.execute("UPDATE heartbeats SET host = 'unknown'")
    op.execute("ALTER TABLE heartbeats ADD CHECK (name <> 'refused')")
"""


def prepare(dsn: str) -> None:
    for adapter in (PostgresTableStore(dsn), PostgresLedger(dsn)):
        adapter.prepare()
        adapter.close()


@pytest.fixture
def first_release(postgres_dsn: str) -> str:
    """A database as the first release leaves it, with rows."""
    prepare(postgres_dsn)
    with psycopg.connect(postgres_dsn) as connection:
        connection.execute("""
            INSERT INTO forecasting.raw_observations VALUES ('s', '2023-02-28', 5, now());
            INSERT INTO forecasting.heartbeats VALUES ('watcher', now());
        """)
    return postgres_dsn


@pytest.fixture
def next_release(first_release: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """What is installed knows one revision more than the database."""
    scripts = tmp_path / "revisions"
    shutil.copytree(SCRIPTS, scripts)
    (scripts / "versions" / f"{NEXT}_made_up.py").write_text(NEXT_REVISION, encoding="utf-8")
    monkeypatch.setattr(migrations, "SCRIPTS", scripts)
    for module in (migrations, schema):
        monkeypatch.setattr(module, "REVISIONS", (*REVISIONS, NEXT))
        monkeypatch.setattr(module, "HEAD_REVISION", NEXT)


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


def test_the_known_revisions_are_alembics_in_order() -> None:
    script = ScriptDirectory(str(SCRIPTS))
    assert [found.revision for found in script.walk_revisions()][::-1] == list(REVISIONS)


def test_the_revisions_make_the_schema_that_prepare_makes(postgres_dsn: str, fresh_dsn: str) -> None:
    with psycopg.connect(postgres_dsn) as connection:
        connection.execute("CREATE SCHEMA forecasting")
        connection.execute("SET search_path TO forecasting")
        connection.execute(ScriptDirectory(str(SCRIPTS)).get_revision(REVISIONS[0]).module.SCHEMA)
        schema.stamp(connection, REVISIONS[0])
    assert migrate_schema(postgres_dsn) == Migration(REVISIONS[0], HEAD_REVISION)
    prepare(fresh_dsn)
    migrated, fresh = catalog(postgres_dsn), catalog(fresh_dsn)
    for kind in fresh:
        assert migrated[kind] == fresh[kind], f"add a revision for what {kind} of prepare() and the revisions differ in"


@pytest.mark.usefixtures("next_release")
def test_a_schema_is_upgraded_and_dropped_without_the_other_one_of_its_database(first_release: str) -> None:
    for adapter in (PostgresTableStore, PostgresLedger):
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(schema, "HEAD_REVISION", REVISIONS[-1])
            opened = adapter(first_release, schema="gas")
            opened.prepare()
            opened.close()
    before = catalog(first_release), rows_of(first_release)
    assert migrate_schema(first_release, "gas") == Migration(REVISIONS[-1], NEXT)
    with psycopg.connect(first_release) as connection:
        assert connection.execute("SELECT count(host) FROM gas.heartbeats").fetchone() == (0,)
        with pytest.raises(psycopg.errors.RestrictViolation, match=r"gas.promotion_decisions is append-only"):
            connection.execute("TRUNCATE gas.promotion_decisions")
    assert (catalog(first_release), rows_of(first_release)) == before
    with psycopg.connect(first_release) as connection:
        connection.execute("DROP SCHEMA gas CASCADE")
    assert (catalog(first_release), rows_of(first_release)) == before


@pytest.mark.usefixtures("next_release")
def test_the_next_revision_runs_and_keeps_every_row(first_release: str) -> None:
    before = rows_of(first_release)
    assert migrate_schema(first_release) == Migration(REVISIONS[-1], NEXT)
    assert rows_of(first_release) == before
    with psycopg.connect(first_release) as connection:
        assert connection.execute("SELECT name, host FROM forecasting.heartbeats").fetchall() == [
            ("watcher", "unknown")
        ]
    whole = catalog(first_release)
    assert migrate_schema(first_release) == Migration(NEXT, NEXT)
    assert catalog(first_release) == whole


@pytest.mark.usefixtures("next_release")
def test_a_migration_that_fails_leaves_the_old_schema_and_its_rows(first_release: str) -> None:
    with psycopg.connect(first_release) as connection:
        connection.execute("INSERT INTO forecasting.heartbeats VALUES ('refused', now())")
    before = catalog(first_release), rows_of(first_release)
    with pytest.raises(MigrationError, match=r"0002 failed.*violated by some row.*run `forecasting-platform migrate`"):
        migrate_schema(first_release)
    assert (catalog(first_release), rows_of(first_release)) == before


@pytest.mark.usefixtures("next_release")
@pytest.mark.parametrize("adapter", [PostgresTableStore, PostgresLedger])
def test_a_store_or_ledger_refuses_an_older_schema_and_names_the_command(
    first_release: str, adapter: type[PostgresTableStore] | type[PostgresLedger]
) -> None:
    opened = adapter(first_release)
    with pytest.raises(SchemaRevisionError, match=r"at revision 0001, .* needs 0002; run `forecasting-platform migr"):
        opened.prepare()
    opened.close()


@pytest.mark.usefixtures("next_release")
def test_of_two_migrations_at_once_one_waits_for_the_other(first_release: str) -> None:
    engine = engine_of(first_release, "forecasting")
    with engine.begin() as first:
        assert upgrade(first, NEXT) == REVISIONS[-1]
        with psycopg.connect(first_release) as second:
            locked = "SELECT pg_try_advisory_xact_lock(hashtextextended('forecasting.schema', 0))"
            assert second.execute(locked).fetchone() == (False,)
    engine.dispose()


def test_no_schema_is_made_as_a_new_one(postgres_dsn: str) -> None:
    assert migrate_schema(postgres_dsn) == Migration(None, HEAD_REVISION)
    prepare(postgres_dsn)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ("UPDATE forecasting.alembic_version SET version_num = '9999'", "install the newer release"),
        ("DROP TABLE forecasting.alembic_version", "records no revision.*name a database without"),
    ],
)
def test_a_schema_of_a_newer_release_or_of_nobody_knows_which_is_refused(
    first_release: str, change: str, message: str
) -> None:
    with psycopg.connect(first_release) as connection:
        connection.execute(change)
    store = PostgresTableStore(first_release)
    for attempt in (store.prepare, lambda: migrate_schema(first_release)):
        with pytest.raises(SchemaRevisionError, match=message):
            attempt()
    store.close()


def test_a_server_that_does_not_answer_is_unavailable() -> None:
    with pytest.raises(StoreUnavailableError, match="nothing is unavailable: connection failed"):
        migrate_schema("postgresql://someone:secret@127.0.0.1:1/nothing")

"""Each service's login does what the service needs and no more. Roles are a server's, so there is one for this."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime
from pathlib import Path

import psycopg
import pytest
from flask import Flask
from psycopg.conninfo import make_conninfo

from forecasting_platform.adapters.memory.model_registry import MemoryModelRegistry
from forecasting_platform.adapters.postgres import table_store as postgres_table_store
from forecasting_platform.adapters.postgres.connections import PostgresConnections
from forecasting_platform.adapters.postgres.ledger import PostgresLedger
from forecasting_platform.adapters.postgres.retention import days_kept, delete_outdated
from forecasting_platform.adapters.postgres.roles import (
    APP,
    DAGSTER,
    MLFLOW,
    ROLES,
    RUNS,
    Role,
    make_roles,
    prepare_schema,
)
from forecasting_platform.adapters.postgres.table_store import PostgresTableStore
from forecasting_platform.errors import ConfigurationError, StoreUnavailableError
from forecasting_platform.forecasting.series.days.date_range import DateRange
from forecasting_platform.forecasting.series.features.feature_table import build_features
from forecasting_platform.forecasting.series.frames import FEATURE_TABLE, PREDICTION_LOG
from forecasting_platform.local.postgres.embedded_postgres import EmbeddedPostgres
from forecasting_platform.settings import SCHEMA, Settings
from forecasting_platform_tests.contracts.ledger_contract import ALERT, DECISION, GAS, LedgerContract
from forecasting_platform_tests.contracts.table_store_contract import (
    TableStoreContract,
)
from forecasting_platform_tests.support.ports import free_ports
from forecasting_platform_tests.support.served_model import SERIES, make_model, make_observations
from serve.http.app import create_app
from serve.service import service_of
from serve.telemetry.incidents import CHAMPION_LOADS, Incidents

pytestmark = pytest.mark.slow


@dataclass(frozen=True)
class Server:
    """A server with the platform's roles and schema.

    Attributes:
        superuser: of the server; on RDS nobody's.
        owner: as whom it was prepared.
        log: what it wrote.
    """

    superuser: Callable[[str], str]
    owner: Callable[[str], str]
    log: Path

    def dsn(self, role: Role, database: str | None = None) -> str:
        return make_conninfo(self.owner(database or role.database), user=role.name, password=PASSWORDS[role])


PERIOD = DateRange(date(2023, 1, 1), date(2023, 6, 30))
PASSWORDS = {role: f"it's {role.name}'s" for role in ROLES}


@pytest.fixture(scope="module", params=["superuser", "master user of RDS"])
def server(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    yield from _server(request.param, tmp_path_factory.mktemp("postgres"))


@pytest.fixture(scope="module")
def one_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """For what does not depend on who prepared it."""
    yield from _server("superuser", tmp_path_factory.mktemp("postgres"))


def _server(owner: str, directory: Path) -> Iterator[Server]:
    with EmbeddedPostgres(directory, free_ports(), settings={"fsync": "off"}) as postgres:
        as_owner = postgres.dsn if owner == "superuser" else _as_master(postgres.dsn)
        made = Server(postgres.dsn, as_owner, postgres.log_file)
        with psycopg.connect(postgres.dsn("postgres"), autocommit=True) as connection:
            connection.execute("CREATE ROLE master LOGIN CREATEDB CREATEROLE PASSWORD 'm'")
            user = connection.execute("SELECT CURRENT_USER").fetchone() if owner == "superuser" else ("master",)
            assert user
            connection.execute(f"CREATE DATABASE forecasting OWNER {user[0]}")
        make_roles(made.owner("forecasting"), PASSWORDS)
        prepare_schema(made.owner("forecasting"))
        yield made


def _as_master(dsn_of: Callable[[str], str]) -> Callable[[str], str]:
    return lambda database: make_conninfo(dsn_of(database), user="master", password="m")


@pytest.fixture
def emptied(one_server: Server) -> Server:
    """The server with empty tables."""
    with psycopg.connect(one_server.superuser("forecasting")) as connection:
        connection.execute("SET session_replication_role = replica")
        tables = connection.execute(
            "SELECT format('%%I.%%I', schemaname, tablename) FROM pg_tables WHERE schemaname = %s AND tablename <> %s",
            [SCHEMA, "alembic_version"],
        ).fetchall()
        connection.execute(f"TRUNCATE {', '.join(name for (name,) in tables)} RESTART IDENTITY")
    return one_server


class TestTableStoreAsRuns(TableStoreContract):
    @pytest.fixture
    def store(self, emptied: Server) -> Iterator[PostgresTableStore]:
        store = PostgresTableStore(emptied.dsn(RUNS))
        yield store
        store.close()

    @pytest.fixture
    def break_next_write(self, monkeypatch: pytest.MonkeyPatch) -> Callable[[], None]:
        whole = postgres_table_store.copy_blocks

        def half(*args: object) -> Iterator[bytes]:
            yield next(whole(*args))  # type: ignore[arg-type] - passed on as they came
            raise RuntimeError("broken on purpose")

        return lambda: monkeypatch.setattr(postgres_table_store, "copy_blocks", half)


class TestLedgerAsRuns(LedgerContract):
    @pytest.fixture
    def ledger(self, emptied: Server) -> Iterator[PostgresLedger]:
        ledger = PostgresLedger(emptied.dsn(RUNS))
        yield ledger
        ledger.close()


def test_what_is_outdated_is_deleted_with_the_login_of_runs(emptied: Server) -> None:
    with psycopg.connect(emptied.owner("forecasting")) as connection:
        connection.execute(
            """
            INSERT INTO forecasting.quarantined_observations
                (fingerprint, available_at, reason, raw) VALUES ('f', '2020-01-01', 'x', 'x');
            INSERT INTO forecasting.alert_mutes VALUES ('x:*', '2020-01-01', 'known', 'ann');
            """
        )
    now = datetime(2023, 7, 1, tzinfo=UTC)
    deleted = delete_outdated(emptied.dsn(RUNS), days_kept(Settings()), now)
    assert deleted == {table: int(table in {"quarantined_observations", "alert_mutes"}) for table in deleted}


@pytest.fixture
def filled(emptied: Server) -> Iterator[tuple[PostgresTableStore, PostgresLedger]]:
    """What runs have written: half a year of two series, a decision, an open incident, the load of a feed."""
    store, ledger = PostgresTableStore(emptied.dsn(RUNS)), PostgresLedger(emptied.dsn(RUNS))
    store.record_observations(make_observations(), PERIOD, available_at=datetime(2023, 7, 1, tzinfo=UTC))
    store.replace(FEATURE_TABLE, build_features(make_observations(), PERIOD, "IE"), PERIOD)
    ledger.append_decision(DECISION)
    ledger.save_alerts([ALERT])
    ledger.change_feed_loads(lambda _: [GAS])
    yield store, ledger
    store.close()
    ledger.close()


@pytest.fixture
def app(emptied: Server, filled: tuple[PostgresTableStore, PostgresLedger]) -> Iterator[Flask]:
    """The app with its own login."""
    registry, features = MemoryModelRegistry(), filled[0].read(FEATURE_TABLE)
    registry.move_champion(registry.register(make_model(features), plots={}, run_tags={}), expected=None)
    store, ledger = PostgresTableStore(emptied.dsn(APP)), PostgresLedger(emptied.dsn(APP))
    app = create_app(Settings(), registry=registry, store=store, ledger=ledger)
    yield app
    service_of(app).stop()
    store.close()
    ledger.close()


DAYS = {"start": "2023-07-01", "end": "2023-07-05"}
PAST_DAYS = {"start": "2023-06-01", "end": "2023-06-05"}
QUERIES = {"/history": DAYS, "/prediction-errors": {"unique_id": SERIES[0]}}
POSTED = {
    "/predict": [DAYS, PAST_DAYS],
    "/simulate": [DAYS],
    "/whatif": [DAYS | {"changes": {"y": {"add": 1.0}}}],
    "/alerts/acknowledge": [{"alert_id": ALERT.alert_id, "by": "ann"}],
    "/alerts/mute": [{"pattern": "x:*", "hours": 1, "reason": "known", "by": "ann"}],
}


def test_the_app_answers_every_request_with_its_own_login(
    app: Flask, filled: tuple[PostgresTableStore, PostgresLedger]
) -> None:
    service, client, (store, ledger) = service_of(app), app.test_client(), filled
    service.watch.look()
    service.watch.refresh_features()
    service.platform.look()
    rules = [rule for rule in app.url_map.iter_rules() if not rule.arguments]
    assert {rule.rule for rule in rules if "POST" in (rule.methods or ())} == set(POSTED)
    answers = [
        client.get(rule.rule, query_string=QUERIES.get(rule.rule)) for rule in rules if "GET" in (rule.methods or ())
    ]
    answers += [client.post(path, json=body) for path, bodies in POSTED.items() for body in bodies]
    assert [(answer.request.path, answer.text) for answer in answers if answer.status_code != 200] == []
    service.log.write()
    assert len(store.read(PREDICTION_LOG)) == 2 * 5 * 2
    assert [mute.pattern for mute in ledger.mutes()] == ["x:*"]


def test_the_app_tells_of_its_own_trouble_with_its_own_login(
    app: Flask, filled: tuple[PostgresTableStore, PostgresLedger]
) -> None:
    troubles = iter(["it does not load", None])
    incidents = Incidents(service_of(app).ledger, lambda: next(troubles))
    for state in ("PENDING", "RESOLVED"):
        incidents.report()
        assert [a.state for a in filled[1].alerts() if a.fingerprint == CHAMPION_LOADS] == [state]


FORBIDDEN_TO_BOTH = [
    "DROP TRIGGER append_only ON forecasting.promotion_decisions",
    "ALTER TABLE forecasting.promotion_decisions DISABLE TRIGGER append_only",
    "DROP TABLE forecasting.promotion_decisions",
    "DROP FUNCTION forecasting.refuse_change CASCADE",
    "SET session_replication_role = replica",
    "UPDATE forecasting.promotion_decisions SET reason = 'x'",
    "DELETE FROM forecasting.promotion_decisions",
    "TRUNCATE forecasting.promotion_decisions",
    "UPDATE forecasting.raw_observations SET y = 0",
    "DELETE FROM forecasting.raw_observations",
    "TRUNCATE forecasting.raw_observations",
    "UPDATE forecasting.alembic_version SET version_num = '9'",
    "CREATE TABLE forecasting.mine (x int)",
    "CREATE TABLE public.mine (x int)",
    "ALTER ROLE forecasting_app SUPERUSER",
    "SELECT rolpassword FROM pg_authid",
]
FORBIDDEN_TO_THE_APP = [
    "INSERT INTO forecasting.promotion_decisions (verdict) VALUES ('promote')",
    "INSERT INTO forecasting.raw_observations (unique_id) VALUES ('x')",
    "DELETE FROM forecasting.forecasts",
    "UPDATE forecasting.feature_table SET y = 0",
    "DELETE FROM forecasting.prediction_log",
    "DELETE FROM forecasting.alerts",
    "DELETE FROM forecasting.alert_messages",
    "DELETE FROM forecasting.feed_loads",
]


@pytest.mark.parametrize(
    ("role", "statement"),
    [*[(role, each) for role in (RUNS, APP) for each in FORBIDDEN_TO_BOTH], *[(APP, e) for e in FORBIDDEN_TO_THE_APP]],
)
def test_a_login_is_refused_what_its_service_never_does(server: Server, role: Role, statement: str) -> None:
    with psycopg.connect(server.dsn(role)) as connection, pytest.raises(psycopg.errors.InsufficientPrivilege):
        connection.execute(statement)


@pytest.mark.parametrize("role", ROLES, ids=lambda role: role.name)
def test_a_login_reaches_one_database(server: Server, role: Role) -> None:
    for database in {each.database for each in ROLES}:
        if database == role.database:
            psycopg.connect(server.dsn(role)).close()
            continue
        with pytest.raises(psycopg.OperationalError, match="permission denied for database"):
            psycopg.connect(server.dsn(role, database))


@pytest.mark.parametrize("role", [DAGSTER, MLFLOW], ids=lambda role: role.name)
def test_a_service_with_tables_of_its_own_makes_and_migrates_them_and_those_it_is_handed(
    server: Server, role: Role
) -> None:
    with psycopg.connect(server.dsn(role)) as connection:
        connection.execute("CREATE TABLE own (id serial PRIMARY KEY)")
        connection.execute("ALTER TABLE own ADD x int")
    with psycopg.connect(server.superuser(role.database)) as connection:
        connection.execute("CREATE TABLE of_before (id serial PRIMARY KEY)")
        connection.execute("CREATE VIEW seen AS SELECT * FROM of_before")
        connection.execute("CREATE SEQUENCE alone")
        if server.owner is not server.superuser:
            for kind, name in (("TABLE", "of_before"), ("VIEW", "seen"), ("SEQUENCE", "alone")):
                connection.execute(f"ALTER {kind} {name} OWNER TO master")
    make_roles(server.owner("forecasting"), PASSWORDS)
    with psycopg.connect(server.dsn(role)) as connection:
        connection.execute("ALTER TABLE of_before ADD x int")
        connection.execute("INSERT INTO of_before DEFAULT VALUES")
        connection.execute("SELECT nextval('alone')")
        connection.execute("DROP VIEW seen")
        connection.execute("DROP TABLE of_before, own")
        connection.execute("DROP SEQUENCE alone")


def test_rights_that_somebody_added_are_taken_away_and_missing_ones_given_back(server: Server) -> None:
    with psycopg.connect(server.owner("forecasting")) as connection:
        connection.execute("GRANT DELETE ON forecasting.promotion_decisions TO forecasting_app")
        connection.execute("REVOKE SELECT ON forecasting.forecasts FROM forecasting_app")
        connection.execute("CREATE TABLE forecasting.later (x int)")
    prepare_schema(server.owner("forecasting"))
    with psycopg.connect(server.dsn(APP), autocommit=True) as connection:
        connection.execute("SELECT FROM forecasting.forecasts")
        connection.execute("SELECT FROM forecasting.later")
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            connection.execute("DELETE FROM forecasting.promotion_decisions")
    with psycopg.connect(server.owner("forecasting")) as connection:
        connection.execute("DROP TABLE forecasting.later")


def test_a_new_password_cuts_nobody_off_and_the_old_one_is_worth_nothing(server: Server) -> None:
    old, new = server.dsn(APP), make_conninfo(server.dsn(APP), password="another")
    connections = PostgresConnections(old)
    with connections.transaction("x") as connection:
        connection.execute("SELECT")
    make_roles(server.owner("forecasting"), {APP: "another"})
    try:
        with connections.transaction("x") as connection:
            connection.execute("SELECT")
        with pytest.raises(psycopg.OperationalError, match="password authentication failed"):
            psycopg.connect(old)
        psycopg.connect(new).close()
    finally:
        make_roles(server.owner("forecasting"), {APP: PASSWORDS[APP]})
        connections.close()
    psycopg.connect(old).close()


def test_the_servers_log_holds_no_password(one_server: Server) -> None:
    with psycopg.connect(one_server.superuser("postgres"), autocommit=True) as connection:
        connection.execute("ALTER SYSTEM SET log_statement = 'all'")
        connection.execute("SELECT pg_reload_conf()")
        make_roles(one_server.owner("forecasting"), PASSWORDS)
        connection.execute("ALTER SYSTEM RESET log_statement")
        connection.execute("SELECT pg_reload_conf()")
    log = one_server.log.read_text(encoding="utf-8")
    assert "ALTER ROLE" in log
    assert [role.name for role, password in PASSWORDS.items() if password in log.replace("''", "'")] == []


def test_who_may_make_no_roles_is_told_so(server: Server) -> None:
    with pytest.raises(ConfigurationError, match=r"lacks what making roles and databases needs .* as its owner"):
        make_roles(server.dsn(RUNS), {Role("another", "forecasting"): "x"})
    with pytest.raises(StoreUnavailableError):
        make_roles("postgresql://x:y@127.0.0.1:1/forecasting", PASSWORDS)


def test_a_schema_that_is_not_there_is_not_made_by_a_service_which_says_what_to_run(server: Server) -> None:
    bare = Role(RUNS.name, "bare")
    make_roles(server.owner("forecasting"), {bare: PASSWORDS[RUNS]})
    store = PostgresTableStore(server.dsn(RUNS, "bare"))
    with pytest.raises(ConfigurationError, match="run `forecasting-platform migrate` as its owner"):
        store.prepare()
    store.close()


def test_runs_delete_what_is_outdated_and_nothing_else(server: Server) -> None:
    now = datetime.now(UTC)
    deleted = delete_outdated(server.dsn(RUNS), dict.fromkeys(days_kept(Settings()), 0), now)
    assert set(deleted) == set(days_kept(Settings()))
    with psycopg.connect(server.dsn(RUNS)) as runs:
        for table in ("raw_observations", "promotion_decisions"):
            with pytest.raises(psycopg.errors.InsufficientPrivilege), runs.transaction():
                runs.execute(f"DELETE FROM forecasting.{table}")

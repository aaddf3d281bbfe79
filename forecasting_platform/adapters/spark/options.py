"""Where Spark and its tables are; nothing here imports pyspark."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from importlib.util import find_spec
from pathlib import Path
from urllib.parse import urlsplit

from forecasting_platform.errors import ConfigurationError
from forecasting_platform.settings import Settings


@dataclass(frozen=True, slots=True)
class SparkOptions:
    """Where Spark runs and where the tables are.

    Attributes:
        warehouse: a folder, or a URI of a file system that Spark and pyarrow support.
        remote: address of a Spark Connect server, `sc://host:port/;token=…`, which many processes share. What follows
            is then that server's affair.
        metastore_uri: a Hive metastore service, `thrift://host:port`. Without one, the metastore is a Derby database
            that only one process at a time can open.
        metastore_dir: folder of that database; by default in the warehouse.
        conf: further settings of Spark; they override those of `spark.java`.
        wait_seconds: how long a session waits for a core before it gives up.
    """

    warehouse: str
    remote: str | None = field(default=None, repr=False)
    metastore_uri: str | None = None
    metastore_dir: Path | None = None
    master: str = "local[*,2]"
    conf: Mapping[str, str] = field(default_factory=dict, repr=False)
    wait_seconds: float = 300.0

    @classmethod
    def of(cls, settings: Settings) -> "SparkOptions":
        """Those of the settings.

        Raises:
            ConfigurationError: FORECASTING_SPARK_WAREHOUSE_DIR is not set.
        """
        return cls(
            warehouse=settings.require_spark_warehouse_dir(),
            remote=settings.spark_remote.get_secret_value() if settings.spark_remote else None,
            metastore_uri=settings.spark_metastore_uri,
            master=settings.spark_master,
            conf={name: value.get_secret_value() for name, value in settings.spark_conf.items()},
            wait_seconds=settings.spark_wait_seconds,
        )

    @property
    def warehouse_uri(self) -> str:
        """The warehouse as a URI without a trailing slash."""
        # Hadoop takes the path of a folder as it is, and would make a folder with `%20` in its name.
        located = self.warehouse if urlsplit(self.warehouse).scheme else f"file://{Path(self.warehouse).absolute()}"
        return located.rstrip("/")

    @property
    def place(self) -> str:
        """Description for messages, without a token."""
        return f"Spark at {self._address} with tables in {self.warehouse}"

    @property
    def _address(self) -> str:
        return self.master if self.remote is None else self.remote.partition("/;")[0]


def require_pyspark() -> None:
    """Raise `ConfigurationError` where pyspark is not installed."""
    if find_spec("pyspark") is None:
        problem = "is spark, which needs an extra: pip install 'forecasting-platform[spark]'"
        raise ConfigurationError("FORECASTING_TABLE_STORE", problem)

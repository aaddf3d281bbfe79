"""What the errors of Spark, its JVM and its metastore mean to a caller."""

import traceback
from collections.abc import Iterator
from contextlib import contextmanager

from py4j.protocol import Py4JError
from pyspark.errors import AnalysisException, PySparkException, PythonException

from forecasting_platform.errors import ConfigurationError, StoreUnavailableError

SPARK_ERRORS = (PySparkException, Py4JError, ConnectionError)

_NOT_PREPARED = {"TABLE_OR_VIEW_NOT_FOUND", "SCHEMA_NOT_FOUND"}
_ANOTHER_PROCESS = "Another instance of Derby may have already booted the database"


@contextmanager
def translated(place: str, subject: str) -> Iterator[None]:
    """Errors of Spark inside as this platform's.

    Args:
        subject: the table that is read or written.

    Raises:
        ConfigurationError: the table is not there.
        StoreUnavailableError: anything else; Spark does not tell a passing fault from a lasting one.
    """
    try:
        yield
    except AnalysisException as error:
        if error.getCondition() in _NOT_PREPARED:
            problem = f"{place} lacks what {subject} needs ({first_line(error)}); run prepare()"
            raise ConfigurationError("FORECASTING_SPARK_WAREHOUSE_DIR", problem) from error
        raise StoreUnavailableError(place, reason(error)) from error
    except SPARK_ERRORS as error:
        raise StoreUnavailableError(place, reason(error)) from error
    except UnboundLocalError as error:
        if not _is_of_pyspark(error):
            raise
        # Where the JVM has gone, pyspark closes a socket that it never had; before that it says why.
        raise StoreUnavailableError(place, reason(error.__context__ or error)) from error


def _is_of_pyspark(error: Exception) -> bool:
    frames = [frame for frame, _ in traceback.walk_tb(error.__traceback__)]
    return str(frames[-1].f_globals.get("__name__")).startswith("pyspark.")


def reason(error: BaseException) -> str:
    """Why, in one line."""
    if _ANOTHER_PROCESS in str(error):
        return (
            "its embedded metastore is open in another process, and serves one at a time "
            "(FORECASTING_SPARK_METASTORE_URI names a metastore service for many)"
        )
    if isinstance(error, PythonException):
        # The task's traceback, then the JVM's; what was raised stands at the end of the first.
        raised, _, _ = str(error).partition("JVM stacktrace")
        return f"a task failed: {[line for line in raised.splitlines() if line.strip()][-1].strip()}"
    return first_line(error)


def first_line(error: BaseException) -> str:
    """The first line of what an error says."""
    return str(error).strip().partition("\n")[0] or type(error).__name__

"""Translates errors of Spark, its JVM and its metastore to the errors that the ports promise."""

import traceback
from collections.abc import Iterator
from contextlib import contextmanager

from py4j.protocol import Py4JError
from pyspark.errors import AnalysisException, PySparkException, PythonException

from forecasting_platform.adapters.spark.session import forget_remote_session
from forecasting_platform.errors import ConfigurationError, StoreUnavailableError

SPARK_ERRORS = (PySparkException, Py4JError, ConnectionError)

_NOT_PREPARED = {"TABLE_OR_VIEW_NOT_FOUND", "SCHEMA_NOT_FOUND"}
_ANOTHER_PROCESS = "Another instance of Derby may have already booted the database"


@contextmanager
def translated(place: str, subject: str) -> Iterator[None]:
    """Translate errors of Spark that are raised inside.

    Args:
        place: where the store is, for messages.
        subject: the table that is read or written, for messages.

    Raises:
        ConfigurationError: the table does not exist.
        StoreUnavailableError: anything else; Spark's errors do not say whether a retry would help.
    """
    try:
        yield
    except AnalysisException as error:
        if error.getCondition() in _NOT_PREPARED:
            problem = f"{place} lacks what {subject} needs ({first_line(error)}); run prepare()"
            raise ConfigurationError("FORECASTING_SPARK_WAREHOUSE_DIR", problem) from error
        raise StoreUnavailableError(place, reason(error)) from error
    except PythonException as error:
        raise StoreUnavailableError(place, reason(error)) from error
    except SPARK_ERRORS as error:
        forget_remote_session()
        raise StoreUnavailableError(place, reason(error)) from error
    except UnboundLocalError as error:
        *_, (last, _line) = traceback.walk_tb(error.__traceback__)
        if not str(last.f_globals.get("__name__")).startswith("pyspark."):
            raise
        # When the JVM is gone, pyspark fails again closing a socket that it never opened; the context has the cause.
        raise StoreUnavailableError(place, reason(error.__context__ or error)) from error


def reason(error: BaseException) -> str:
    """The cause in one line."""
    if _ANOTHER_PROCESS in str(error):
        return (
            "its embedded metastore is open in another process, and serves one at a time "
            "(FORECASTING_SPARK_METASTORE_URI names a metastore service for many)"
        )
    if isinstance(error, PythonException):
        # The message holds the task's Python traceback, then the JVM's; the first ends with the exception.
        raised, _, _ = str(error).partition("JVM stacktrace")
        lines = [line.strip() for line in raised.splitlines()]
        return f"a task failed: {[line for line in lines if line and not line.startswith('SQLSTATE')][-1]}"
    return first_line(error)


def first_line(error: BaseException) -> str:
    """The first line of an error's message, or its type where the message is empty."""
    return str(error).strip().partition("\n")[0] or type(error).__name__

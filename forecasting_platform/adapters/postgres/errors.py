"""Translates errors of Postgres into the platform's, by the class of the SQLSTATE (PostgreSQL's appendix A).

psycopg's own classes are too coarse: an index row that is too large (54000) is an `OperationalError`, and so is a
server that is restarting.
"""

import psycopg

from forecasting_platform.errors import (
    ConfigurationError,
    ForecastingPlatformError,
    InvalidFrameError,
    StoreUnavailableError,
)

_OF_DATA = {
    "21",  # cardinality violation
    "22",  # data exception: out of range, not UTF-8
    "23",  # integrity constraint violation
    "44",  # a view's check option
    "54",  # a limit of the program: an index row too large, too many columns
    "P0",  # raised by a trigger: a row of a table that only grows was to be changed
}
_OF_CONFIGURATION = {
    "0A",  # not supported by this server
    "0L",  # grantor
    "0P",  # role
    "28",  # authorization: a wrong password
    "3D",  # no such database
    "3F",  # no such schema
    "42",  # no such table or column, no right to it
    "F0",  # the server's configuration file
}
_TRIGGERED_BY_DATA = "40002"  # a constraint found at the commit; the rest of class 40 are deadlocks and conflicts


def platform_error(error: psycopg.Error, place: str, subject: str) -> ForecastingPlatformError | None:
    """The platform's error; None for a fault of the caller's own code, which belongs to no family.

    Everything not known to be permanent counts as unavailable: connections (08), conflicts and deadlocks (40),
    resources (53), locks (55), a shutdown or a cancelled query (57), input and output (58), internal errors (XX).

    Args:
        place: the server, without credentials.
        subject: the table that was read or written.
    """
    if error.sqlstate is None:
        return _of_driver(error, place, subject)
    of = error.sqlstate[:2]
    if of in _OF_DATA or error.sqlstate == _TRIGGERED_BY_DATA:
        return InvalidFrameError(subject, first_line(error))
    if of in _OF_CONFIGURATION:
        remedy = "run `forecasting-platform migrate` as its owner"
        problem = f"{place} lacks what {subject} needs ({first_line(error)}); {remedy}"
        return ConfigurationError("FORECASTING_POSTGRES_DSN", problem)
    return StoreUnavailableError(place, first_line(error))


def _of_driver(error: psycopg.Error, place: str, subject: str) -> ForecastingPlatformError | None:
    """Of an error that no server sent: text that cannot be sent, or a connection that is not there."""
    if isinstance(error, psycopg.DataError):
        return InvalidFrameError(subject, first_line(error))
    if isinstance(error, psycopg.OperationalError | psycopg.InterfaceError):
        return StoreUnavailableError(place, first_line(error))
    return None


def first_line(error: BaseException) -> str:
    """The first line of an error's message."""
    return str(error).partition("\n")[0] or type(error).__name__

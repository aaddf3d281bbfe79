"""Connections to the platform's Postgres, and what its errors mean to a caller. What is asked is elsewhere."""

from collections.abc import Iterator
from contextlib import contextmanager

import psycopg
from psycopg import Connection
from psycopg.conninfo import conninfo_to_dict
from psycopg.rows import TupleRow
from psycopg_pool import ConnectionPool, PoolTimeout

from forecasting_platform.errors import ConfigurationError, InvalidFrameError, StoreUnavailableError

PostgresConnection = Connection[TupleRow]

_LOCK_TIMEOUT = "60s"


class PostgresConnections:
    """A small pool that connects when it is first used, and again after the server was away.

    Args:
        dsn: where Postgres is; it may hold a password, which no message repeats.
        timeout_seconds: how long to wait for a connection.

    Raises:
        ConfigurationError: the DSN cannot be read.
    """

    def __init__(self, dsn: str, *, timeout_seconds: float = 10.0) -> None:
        self._dsn = dsn
        self.place = _place(dsn)
        self._pool = ConnectionPool(
            dsn,
            min_size=0,
            max_size=8,
            open=False,
            timeout=timeout_seconds,
            # A connection that the server closed meanwhile is replaced before it is handed out.
            check=ConnectionPool.check_connection,
            configure=_configure,
            kwargs={"application_name": "forecasting_platform"},
        )

    @contextmanager
    def transaction(self, subject: str) -> Iterator[PostgresConnection]:
        """One transaction: committed at the end, undone by any error.

        Args:
            subject: the table that an error about data names.

        Raises:
            StoreUnavailableError: no connection, a lost one, a lock or resource that was not to be had.
            InvalidFrameError: Postgres refused the data.
            ConfigurationError: tables or rights are missing.
        """
        try:
            self._pool.open()
            with self._pool.connection() as connection:
                yield connection
        except PoolTimeout as error:
            raise StoreUnavailableError(self.place, self._why_no_connection()) from error
        except (psycopg.DataError, psycopg.IntegrityError) as error:
            raise InvalidFrameError(subject, _first_line(error)) from error
        except psycopg.ProgrammingError as error:
            problem = f"{self.place} lacks what {subject} needs ({_first_line(error)}); run prepare() as its owner"
            raise ConfigurationError("FORECASTING_POSTGRES_DSN", problem) from error
        except psycopg.Error as error:
            raise StoreUnavailableError(self.place, _first_line(error)) from error

    def close(self) -> None:
        """Close every connection; the pool may not be used afterwards."""
        self._pool.close()

    def _why_no_connection(self) -> str:
        # The pool only says that it waited in vain; one plain attempt says why.
        try:
            psycopg.connect(self._dsn, connect_timeout=2).close()
        except psycopg.OperationalError as error:
            return _first_line(error)
        return f"no connection became free within {self._pool.timeout:g} seconds"


def lock(connection: PostgresConnection, name: str) -> None:
    """Keep other writers of `name` out until the transaction ends; readers go on."""
    connection.execute("SELECT pg_advisory_xact_lock(hashtextextended(%s, 0))", [f"forecasting.{name}"])


def _configure(connection: PostgresConnection) -> None:
    connection.execute(
        "SELECT set_config('TimeZone', 'UTC', false), set_config('lock_timeout', %s, false)", [_LOCK_TIMEOUT]
    )
    connection.commit()


def _place(dsn: str) -> str:
    try:
        parts = conninfo_to_dict(dsn)
    except psycopg.ProgrammingError:
        # Not chained: the driver's message repeats the DSN.
        raise ConfigurationError("FORECASTING_POSTGRES_DSN", "is no DSN such as postgresql://host/db") from None
    return f"Postgres at {parts.get('host', 'localhost')}:{parts.get('port', 5432)}/{parts.get('dbname', '')}"


def _first_line(error: Exception) -> str:
    return str(error).partition("\n")[0] or type(error).__name__

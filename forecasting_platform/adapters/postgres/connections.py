"""Connections to the platform's Postgres. `errors` translates its errors; the queries are in the stores."""

import weakref
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager

import psycopg
from psycopg import Connection
from psycopg.conninfo import conninfo_to_dict
from psycopg.rows import TupleRow

from forecasting_platform.adapters.postgres.errors import platform_error
from forecasting_platform.errors import ConfigurationError
from forecasting_platform.settings import SCHEMA

PostgresConnection = Connection[TupleRow]

SEARCH_PATH = "search_path"
"""The setting of a session that names the schema of its tables, so that no statement has to."""
_IDLE_KEPT = 4
_SESSION = {
    "TimeZone": "UTC",
    "lock_timeout": "60s",
    # The server's side of a client that is gone without a word (its machine, the network) keeps the client's locks,
    # by default for two hours. Nothing here is idle for minutes within a transaction.
    "idle_in_transaction_session_timeout": "5min",
    "tcp_keepalives_idle": "30",
    "tcp_keepalives_interval": "10",
    "tcp_keepalives_count": "3",
}


class PostgresConnections:
    """Connections, made when first needed and kept for the next call. Safe for threads.

    Not `psycopg_pool`: while a server is away that lets each caller wait out its whole timeout, and after
    its return for the pool's own back-off; here a caller gets the server's answer at once.

    Args:
        dsn: where Postgres is; it may hold a password, which no message repeats.
        schema: that of all tables that a statement names; it need not be there yet.
        timeout_seconds: how long to wait for a connection, at least 2.

    Raises:
        ConfigurationError: the DSN cannot be read.
    """

    def __init__(self, dsn: str, *, schema: str = SCHEMA, timeout_seconds: float = 10.0) -> None:
        self._dsn = dsn
        self._session = {**_SESSION, SEARCH_PATH: schema}
        self._timeout_seconds = timeout_seconds
        self.place = _place(dsn)
        self._idle: deque[PostgresConnection] = deque()
        # Also at the end of the process, if nobody calls `close`.
        self.close = weakref.finalize(self, _close_all, self._idle)

    @contextmanager
    def transaction(self, subject: str) -> Iterator[PostgresConnection]:
        """One transaction: committed at the end, undone by any error.

        Args:
            subject: the table that an error about data names.

        Raises:
            StoreUnavailableError: no connection, a lost one, a lock or resource that was not to be had.
            InvalidFrameError: Postgres refused the data, or a limit of it was exceeded.
            ConfigurationError: tables or rights are missing.
        """
        try:
            with self._kept_if_sound() as connection, connection.transaction():
                yield connection
        except psycopg.Error as error:
            meant = platform_error(error, self.place, subject)
            if meant is None:
                raise
            raise meant from error

    @contextmanager
    def _kept_if_sound(self) -> Iterator[PostgresConnection]:
        connection = self._idle_connection() or self._new_connection()
        try:
            yield connection
        # Also a Ctrl-C in the middle of a statement: in what state the connection is then, nobody knows.
        except BaseException:
            connection.close()
            raise
        self._idle.append(connection)
        if len(self._idle) > _IDLE_KEPT:
            self._idle.popleft().close()

    def _idle_connection(self) -> PostgresConnection | None:
        """A connection that still works: the server may have been restarted meanwhile."""
        while True:
            try:
                connection = self._idle.pop()
            except IndexError:
                return None
            try:
                connection.execute("")
            except psycopg.OperationalError:
                connection.close()
            else:
                return connection

    def _new_connection(self) -> PostgresConnection:
        connection = psycopg.connect(
            self._dsn,
            # Transactions begin where `transaction` says: without it any statement would open one, and leave it open.
            autocommit=True,
            application_name="forecasting_platform",
            connect_timeout=max(2, round(self._timeout_seconds)),
            # A host that is gone is noticed within a minute, not after the system's default of two hours.
            keepalives_idle=30,
            keepalives_interval=10,
            keepalives_count=3,
            tcp_user_timeout=60_000,
        )
        connection.execute(
            "SELECT set_config(name, value, false) FROM unnest(%s::text[], %s::text[]) AS setting (name, value)",
            [list(self._session), list(self._session.values())],
        )
        return connection


def _close_all(connections: deque[PostgresConnection]) -> None:
    while connections:
        connections.pop().close()


def lock(connection: PostgresConnection, name: str) -> None:
    """Keep other writers of `name` in this schema out until the transaction ends; readers go on."""
    # Of the transaction, not of the session: a client that dies leaves no lock behind. It takes a number, so the name
    # is hashed; two names with one hash would merely wait for each other (PostgreSQL documentation, 13.3.5).
    subject = "hashtextextended(current_setting(%s) || '.' || %s, 0)"
    connection.execute(f"SELECT pg_advisory_xact_lock({subject})", [SEARCH_PATH, name])


def schema_of(connection: PostgresConnection) -> str:
    """The schema of a connection's tables, also before it is there."""
    (found,) = connection.execute("SELECT current_setting(%s)", [SEARCH_PATH]).fetchone() or ("",)
    return str(found)


def _place(dsn: str) -> str:
    try:
        parts = conninfo_to_dict(dsn)
    except psycopg.ProgrammingError:
        # Not chained: the driver's message repeats the DSN.
        raise ConfigurationError("FORECASTING_POSTGRES_DSN", "is no DSN such as postgresql://host/db") from None
    return f"Postgres at {parts.get('host', 'localhost')}:{parts.get('port', 5432)}/{parts.get('dbname', '')}"

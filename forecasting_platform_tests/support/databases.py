"""Databases of tests: copies of a template that was filled once, since to fill one takes five times as long."""

import itertools
from collections.abc import Iterator
from contextlib import contextmanager
from typing import LiteralString

import psycopg
from psycopg import sql

from forecasting_platform.local.postgres.embedded_postgres import EmbeddedPostgres

_numbers = itertools.count()


@contextmanager
def copied_database(server: EmbeddedPostgres, template: str = "template1") -> Iterator[str]:
    """The DSN of a copy that nobody else sees; of an empty database unless a template is named, to which nobody may
    be connected.
    """
    name = f"test_{next(_numbers)}"
    _execute(server, "CREATE DATABASE {} TEMPLATE {}", name, template)
    yield server.dsn(name)
    _execute(server, "DROP DATABASE {} WITH (FORCE)", name)


def _execute(server: EmbeddedPostgres, statement: LiteralString, *names: str) -> None:
    """On a connection of its own: the server may have been started anew since the last."""
    with psycopg.connect(server.dsn("postgres"), autocommit=True) as connection:
        connection.execute(sql.SQL(statement).format(*map(sql.Identifier, names)))

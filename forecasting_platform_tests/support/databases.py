"""Databases of tests: copies of a template that was filled once, since to fill one takes five times as long."""

import itertools
from collections.abc import Iterator
from contextlib import contextmanager

import psycopg
from psycopg import sql

from forecasting_platform.local.embedded_postgres import EmbeddedPostgres

_numbers = itertools.count()


@contextmanager
def copied_database(server: EmbeddedPostgres, template: str = "template1") -> Iterator[str]:
    """The DSN of a copy that nobody else sees; of an empty database unless a template is named, to which nobody may
    be connected.
    """
    name = f"test_{next(_numbers)}"
    with psycopg.connect(server.dsn("postgres"), autocommit=True) as connection:
        names = sql.Identifier(name), sql.Identifier(template)
        connection.execute(sql.SQL("CREATE DATABASE {} TEMPLATE {}").format(*names))
        yield server.dsn(name)
        connection.execute(sql.SQL("DROP DATABASE {} WITH (FORCE)").format(names[0]))

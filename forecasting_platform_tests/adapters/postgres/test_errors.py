"""Which errors of Postgres are retried, which are the data's, and which a person must mend."""

import psycopg
import pytest

from forecasting_platform.adapters.postgres.errors import platform_error
from forecasting_platform.errors import ConfigurationError, InvalidFrameError, StoreUnavailableError

FAMILIES = {
    StoreUnavailableError: (
        "08006", "25P03", "40001", "40P01", "53100", "53200", "53300", "55P03", "57014", "57P01", "57P03", "58030",
        "XX000",
    ),
    InvalidFrameError: ("22003", "22021", "23502", "23505", "40002", "54000", "54011", "P0001"),
    ConfigurationError: ("0A000", "28P01", "3D000", "3F000", "42501", "42703", "42P01"),
}  # fmt: skip


@pytest.mark.parametrize(
    ("sqlstate", "family"), [(state, family) for family, states in FAMILIES.items() for state in states]
)
def test_the_sqlstate_decides_the_family(sqlstate: str, family: type[Exception]) -> None:
    error = platform_error(
        psycopg.errors.lookup(sqlstate)("what was said\nand more"), "Postgres at db:5432/x", "forecasts"
    )
    assert type(error) is family
    assert "what was said" in str(error)
    assert "and more" not in str(error)


@pytest.mark.parametrize(
    ("error", "family"),
    [
        (psycopg.OperationalError("connection refused"), StoreUnavailableError),
        (psycopg.InterfaceError("the connection is closed"), StoreUnavailableError),
        (psycopg.DataError("text holds NUL"), InvalidFrameError),
        (psycopg.ProgrammingError("the query has 1 placeholder but 2 parameters were passed"), type(None)),
    ],
)
def test_what_no_server_sent_is_a_lost_connection_the_data_or_our_own_fault(
    error: psycopg.Error, family: type[object]
) -> None:
    assert type(platform_error(error, "Postgres at db:5432/x", "forecasts")) is family

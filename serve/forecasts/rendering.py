"""Forecasts and input rows as text: JSON or CSV, in pieces that may be sent one after the other. No HTTP."""

import csv
import hashlib
import io
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import date
from typing import Any

import numpy as np
import orjson

from forecasting_platform.csv_cells import cell
from forecasting_platform.forecasting.models.trained.forecasts import Forecasts

PIECE_ROWS = 2_000
MARKS = ("extrapolated", "replaced", "lacks_exogenous", "new_series", "closed", "in_training")
"""Fields that are present only where they are true."""

Record = dict[str, Any]
Columns = Mapping[str, Sequence[Any]]


def forecast_records(forecasts: Forecasts, trained_until: date, more: Columns | None = None) -> list[Record]:
    """One record a forecast, days as ISO text.

    Args:
        trained_until: last day the champion has seen, inclusive.
        more: further columns, one value a forecast.
    """
    columns = _columns(forecasts) | dict(more or {})
    records = [dict(zip(columns, row, strict=True)) for row in zip(*columns.values(), strict=True)]
    seen = forecasts.ds <= np.datetime64(trained_until, "D")
    marked = (
        forecasts.extrapolated, forecasts.replaced, forecasts.lacks_exogenous, forecasts.new_series,
        forecasts.closed, seen,
    )  # fmt: skip
    for mark, holds in zip(MARKS, marked, strict=True):
        for position in np.flatnonzero(holds):
            records[position][mark] = True
    return records


def _columns(forecasts: Forecasts) -> dict[str, Sequence[Any]]:
    columns: dict[str, Sequence[Any]] = {
        "unique_id": forecasts.unique_id.tolist(),
        "cutoff": forecasts.cutoff.astype(str).tolist(),
        "ds": forecasts.ds.astype(str).tolist(),
        "y_hat": forecasts.y_hat.tolist(),
    }
    for level, (lower, upper) in forecasts.bounds.items():
        columns |= {f"y_hat_lo_{level}": lower.tolist(), f"y_hat_hi_{level}": upper.tolist()}
    return columns


def checksum(text: bytes) -> str:
    """A checksum that distinguishes answers: 24 hexadecimal digits."""
    return hashlib.blake2b(text, digest_size=12).hexdigest()


def json_rows(records: Iterable[Record]) -> list[bytes]:
    """Each record as JSON, without separators."""
    return [orjson.dumps(record) for record in records]


def json_document(head: Record, name: str, rows: Sequence[bytes]) -> bytes:
    """An object of `head` and, under `name`, a list of rows that are JSON already, each alone or some joined by commas.

    >>> json_document({"a": 1}, "rows", [b"{}", b"{}"])
    b'{"a":1,"rows":[{},{}]}'
    """
    return b"%b[%b]}" % (_opening(head, name), b",".join(rows))


def json_pieces(head: Record, name: str, records: Iterable[list[Record]]) -> Iterator[bytes]:
    """The document of `json_document`, piece by piece.

    >>> b"".join(json_pieces({}, "rows", [[{}], [{}, {}]]))
    b'{"rows":[{},{},{}]}'
    """
    between = _opening(head, name) + b"["
    for piece in records:
        yield between + b",".join(json_rows(piece))
        between = b","
    yield b"]}" if between == b"," else between + b"]}"


def _opening(head: Record, name: str) -> bytes:
    opening = orjson.dumps(head)[:-1]
    return b'%b%b"%b":' % (opening, b"," if head else b"", name.encode())


def csv_pieces(records: Iterable[list[Record]], marks: Sequence[str] = ()) -> Iterator[bytes]:
    r"""The same rows as CSV (RFC 4180) with a header; a mark that does not hold is empty, and no text is a formula.

    >>> b"".join(csv_pieces([[{"ds": "2023-07-01", "late": True}], [{"ds": "2023-07-02"}]], ["late"]))
    b'ds,late\r\n2023-07-01,true\r\n2023-07-02,\r\n'
    """
    header: list[str] = []
    for piece in records:
        text = io.StringIO()
        writer = csv.writer(text)
        if not header:
            header = [name for name in piece[0] if name not in marks] + list(marks)
            writer.writerow(map(cell, header))
        rows = ([record.get(name) for name in header] for record in piece)
        writer.writerows(["true" if value is True else cell(value) for value in row] for row in rows)
        yield text.getvalue().encode()

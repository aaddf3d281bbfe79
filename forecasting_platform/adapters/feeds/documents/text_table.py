"""A document as a table of text: what every format is read into, before anything is understood.

A cell is text as written; the empty text is a cell without a value, and null is no cell at all (JSON has both).
"""

import itertools
import json
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from forecasting_platform.errors import FeedDocumentError

MAX_CELLS = 10_000_000
"""Of a document: a thousand series of 27 years."""

Positions = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class TextTable:
    """Columns of text.

    Attributes:
        columns: by name, each of the same length.
        numbers: of the rows in the document, from 1, the header not counted.
        delimiter: between the cells where a row is shown as written; None shows it as a JSON object.
    """

    columns: dict[str, pa.Array]
    numbers: Positions
    delimiter: str | None = None

    def __len__(self) -> int:
        return len(self.numbers)

    def keep(self, wanted: npt.NDArray[np.bool_]) -> "TextTable":
        """Some of the rows."""
        if wanted.all():
            return self
        mask = pa.array(wanted)
        columns = {name: column.filter(mask) for name, column in self.columns.items()}
        return TextTable(columns, self.numbers[wanted], self.delimiter)

    def sample(self, most: int) -> "TextTable":
        """All rows, or of more than `most` the first and the last ones."""
        places = np.arange(len(self))
        return self.keep((places < most // 2) | (places >= len(self) - most // 2)) if len(self) > most else self

    def texts(self) -> dict[str, list[str]]:
        """The cells by column; one that is missing is empty."""
        return {name: [cell or "" for cell in column.to_pylist()] for name, column in self.columns.items()}

    def row(self, position: int) -> str:
        """A row as a person finds it in the document, or nearly so."""
        cells = {name: column[position].as_py() for name, column in self.columns.items()}
        if self.delimiter is not None:
            return self.delimiter.join(cell or "" for cell in cells.values())
        return json.dumps({name: cell for name, cell in cells.items() if cell is not None}, ensure_ascii=False)


def text_array(cells: Sequence[str | None]) -> pa.Array:
    """The cells as a column; half characters, which no UTF-8 has, are written as escapes."""
    try:
        return pa.array(cells, pa.string())
    except UnicodeEncodeError:
        whole = [cell if cell is None else cell.encode("utf-8", "backslashreplace").decode() for cell in cells]
        return pa.array(whole, pa.string())


def header_names(rows: Sequence[Sequence[str]], join: str) -> list[str]:
    """The names of the columns, of a header of one row or several.

    A group's name stands over its first column only, where cells were merged: it is the others' too.

    >>> header_names([["Date", "Load", ""], ["", "actual", "plan"]], " ")
    ['Date', 'Load actual', 'Load plan']
    """
    *groups, last = rows
    if not groups:
        return list(last)
    named = [_of_each_column(group, last) for group in groups]
    columns = itertools.zip_longest(*named, last, fillvalue="")
    return [join.join(filter(None, map(str.strip, column))) for column in columns]


def _of_each_column(group: Sequence[str], last: Sequence[str]) -> list[str]:
    spread, current = [], ""
    for name, below in itertools.zip_longest(group, last, fillvalue=""):
        # A name with nothing below it is of its own column alone.
        current = name or (current if below.strip() else "")
        spread.append(current)
        current = current if below.strip() else ""
    return spread


def refuse_beyond_limit(cells: int, source: str) -> None:
    """Refuse a document of too many cells.

    Raises:
        FeedDocumentError: it has more than `MAX_CELLS`.
    """
    if cells > MAX_CELLS:
        remedy = "Leave out columns, or have the URL ask for fewer days with {start} and {end}."
        raise FeedDocumentError(source, f"it has more than {MAX_CELLS:,} cells", remedy)

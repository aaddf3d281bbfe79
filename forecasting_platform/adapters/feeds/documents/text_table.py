"""A document as a table of text: what every format is read into, before anything is understood.

A cell is text as written; the empty text is a cell without a value, and null is no cell at all (JSON has both).
"""

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


def refuse_beyond_limit(cells: int, source: str) -> None:
    """Refuse a document of too many cells.

    Raises:
        FeedDocumentError: it has more than `MAX_CELLS`.
    """
    if cells > MAX_CELLS:
        remedy = "Leave out columns, or have the URL ask for fewer days with {start} and {end}."
        raise FeedDocumentError(source, f"it has more than {MAX_CELLS:,} cells", remedy)

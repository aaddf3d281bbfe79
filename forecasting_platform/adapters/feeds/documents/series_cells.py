"""Assigns the cells of a table to series: of a wide layout (a column each) or a long one (a row each)."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from forecasting_platform.adapters.feeds.documents.quarantine import MEND
from forecasting_platform.adapters.feeds.documents.text_table import Positions, TextTable
from forecasting_platform.errors import FeedDocumentError, examples
from forecasting_platform.feed_description.description import FeedDescription
from forecasting_platform.feed_description.parts import Long, Series
from forecasting_platform.forecasting.series.arrays import Days


@dataclass(frozen=True, slots=True)
class SeriesCells:
    """Cells by series.

    Attributes:
        names: of the series, sorted; each once.
        published: the columns they are, in that order; empty in a long layout.
        series: of each cell, as the place of its name.
        rows: of each cell, as a position in the table.
        texts: of each cell.
    """

    names: list[str]
    published: list[str]
    series: Positions
    rows: Positions
    texts: pa.Array

    def keep(self, wanted: npt.NDArray[np.bool_]) -> "SeriesCells":
        """Some of the cells; all series stay in `names`."""
        texts = self.texts.filter(pa.array(wanted))
        return SeriesCells(self.names, self.published, self.series[wanted], self.rows[wanted], texts)

    def ordered(self, days: Days, moments: Positions) -> "SeriesCells":
        """By series, day and moment of their rows; cells of one moment stay in their order."""
        days, moments = days[self.rows], moments[self.rows]
        later = np.diff(moments) < 0
        earlier = np.diff(days) < np.timedelta64(0, "D")
        steps = np.diff(self.series)
        if not ((steps < 0) | ((steps == 0) & (earlier | ((np.diff(days) == np.timedelta64(0, "D")) & later)))).any():
            return self
        order = np.lexsort((moments, days, self.series))
        texts = self.texts.take(pa.array(order))
        return SeriesCells(self.names, self.published, self.series[order], self.rows[order], texts)


def refuse_missing_columns(table: TextTable, description: FeedDescription, source: str) -> None:
    """Refuse a document that lacks a column which its description declares.

    Raises:
        FeedDocumentError: names them, and those found.
    """
    long, included = description.long, description.series.include
    declared = [*description.day.column, *([*long.series, *long.value] if long else included or ())]
    # A document without a row says nothing about its columns, where it is JSON.
    if not (table.columns or len(table)) or not (missing := [name for name in declared if name not in table.columns]):
        return
    problem = f"it has no column {examples(missing)}; found: {examples(table.columns) or 'none'}"
    raise FeedDocumentError(source, problem, MEND)


def published_names(table: TextTable, description: FeedDescription, source: str) -> list[str]:
    """The columns of a wide document that are series, as published.

    Raises:
        FeedDocumentError: there is none.
    """
    names = [name for name in table.columns if name not in description.day.column]
    wanted = [name for name in names if _is_wanted(name, description.series)]
    if table.columns and not wanted:
        left = f"; left out are {examples(names)}" if names else ""
        day = examples(description.day.column)
        raise FeedDocumentError(source, f"it has no series: no column beside {day}{left}", MEND)
    return wanted


def wide_cells(table: TextTable, rows: Positions, published: Sequence[str], series: Series, source: str) -> SeriesCells:
    """The cells of some rows, column by column."""
    renamed = _renamed(published, series, source)
    ordered = sorted(renamed, key=renamed.__getitem__)
    picked = _picker(rows)
    texts = [picked(table.columns[name]) for name in ordered]
    return SeriesCells(
        [renamed[name] for name in ordered],
        ordered,
        np.repeat(np.arange(len(ordered)), len(rows)),
        np.tile(rows, len(ordered)),
        pa.concat_arrays(texts) if texts else pa.array([], pa.string()),
    )


def long_cells(table: TextTable, rows: Positions, long: Long, series: Series, source: str) -> SeriesCells:
    """The cells of some rows, by value column and row; rows of unwanted series are left out."""
    picked = _picker(rows)
    parts = [pc.fill_null(pc.utf8_trim_whitespace(picked(table.columns[name])), "") for name in long.series]
    ids = parts[0] if len(parts) == 1 else pc.binary_join_element_wise(*parts, long.join)
    encoded = ids.dictionary_encode()
    of_rows: list[str] = encoded.dictionary.to_pylist()
    codes = encoded.indices.to_numpy(zero_copy_only=False).astype(np.int64)
    found: list[list[str]] = [
        of_rows if len(long.value) == 1 else [f"{name}{long.join}{value}" for name in of_rows] for value in long.value
    ]
    wanted = [name for names in found for name in names if _is_wanted(name, series)]
    renamed = _renamed(wanted, series, source)
    names = sorted(set(renamed.values()))
    place = {name: number for number, name in enumerate(names)}
    series_of, rows_of, texts = [], [], []
    for value, ids_of_value in zip(long.value, found, strict=True):
        known = np.array([place[renamed[name]] if name in renamed else -1 for name in ids_of_value], dtype=np.int64)
        of_cells = known[codes] if len(known) else codes
        kept = of_cells >= 0
        series_of.append(of_cells[kept])
        rows_of.append(rows[kept])
        texts.append(_picker(rows[kept])(table.columns[value]))
    return SeriesCells(names, [], np.concatenate(series_of), np.concatenate(rows_of), pa.concat_arrays(texts))


def _picker(rows: Positions) -> Callable[[pa.Array], pa.Array]:
    """Takes the cells of some rows out of a column; of neighbouring rows, without a copy."""
    if len(rows) and rows[-1] - rows[0] == len(rows) - 1 and (np.diff(rows) == 1).all():
        first, count = int(rows[0]), len(rows)
        return lambda column: column.slice(first, count)
    places = pa.array(rows)
    return lambda column: column.take(places)


def _is_wanted(name: str, series: Series) -> bool:
    return name not in series.exclude and (series.include is None or name in series.include)


def _renamed(published: Iterable[str], series: Series, source: str) -> dict[str, str]:
    """The names of the series, by the published ones."""
    renamed = {name: series.prefix + series.rename.get(name, name) for name in published}
    if len(set(renamed.values())) < len(renamed):
        taken: dict[str, str] = {}
        for name, new in renamed.items():
            if (other := taken.setdefault(new, name)) != name:
                raise FeedDocumentError(source, f"{other!r} and {name!r} would both be called {new!r}", MEND)
    return renamed

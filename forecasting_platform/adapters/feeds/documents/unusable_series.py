"""Refuses whole series of a document: those with illegal names, and columns that hold no number."""

from collections.abc import Callable

import numpy as np
import pyarrow as pa

from forecasting_platform.adapters.feeds.documents.cell_values import Cell, CellValues
from forecasting_platform.adapters.feeds.documents.quarantine import Quarantine
from forecasting_platform.adapters.feeds.documents.row_days import RowDays
from forecasting_platform.adapters.feeds.documents.series_cells import SeriesCells
from forecasting_platform.adapters.feeds.documents.text_table import TextTable
from forecasting_platform.forecasting.series.quality.limits import legal_name, series_name_problem


def refuse_names(
    quarantine: Quarantine, table: TextTable, days: RowDays, cells: SeriesCells, read: CellValues
) -> list[int]:
    """The series that may not be called so, as places in `cells.names`; their cells with a text are quarantined."""
    problems = {place: problem for place, name in enumerate(cells.names) if (problem := series_name_problem(name))}
    shown = {place: legal_name(cells.names[place]) for place in problems}
    has_text = (read.kinds == Cell.VALUE) | (read.kinds == Cell.REFUSED)
    for cell in np.flatnonzero(np.isin(cells.series, list(problems)) & has_text).tolist() if problems else ():
        row, place = int(cells.rows[cell]), int(cells.series[cell])
        text, day = cells.texts[cell].as_py(), days.days[row].item()
        quarantine.add(int(table.numbers[row]), problems[place], text, shown[place], day)
    return list(problems)


def refuse_text_columns(
    quarantine: Quarantine,
    table: TextTable,
    cells: SeriesCells,
    read: CellValues,
    read_texts: Callable[[pa.Array], CellValues],
) -> list[int]:
    """The columns that nowhere hold a number, as places in `cells.names`; quarantined once each, not once a cell."""
    numbers, refused = (
        np.bincount(cells.series[read.kinds == kind], minlength=len(cells.names)) for kind in (Cell.VALUE, Cell.REFUSED)
    )
    found = []
    for place in np.flatnonzero((numbers == 0) & (refused > 1)).tolist() if cells.published else ():
        column = table.columns[cells.published[place]]
        # The days asked for may hold no number by chance: the whole column decides.
        kinds = read_texts(column).kinds
        if (kinds == Cell.VALUE).any() or series_name_problem(cells.names[place]):
            continue
        rows = np.flatnonzero(kinds == Cell.REFUSED)
        reason = f"no cell of the column is a number, in {len(rows):,} rows; leave it out with series.exclude"
        quarantine.add(int(table.numbers[rows[0]]), reason, column[int(rows[0])].as_py(), cells.names[place])
        found.append(place)
    return found

"""Declares a table (name, columns, key) and checks that a frame conforms to it. The tables are in `frames`.

In pandas a `date` is `datetime64[ns]` at midnight without a zone, a `timestamp` is `datetime64[ns, UTC]`, a `float` is
`float64`, an `integer` is `int64`, a `boolean` is `bool`, and a `text` is `object` holding `str`. Only nullable columns
may hold nulls (`NaN`, `NaT`, `None`).
"""

from dataclasses import dataclass, replace
from functools import cache
from typing import Any, Literal

import numpy as np
import pandas as pd
from pandas.api.types import infer_dtype

from forecasting_platform.errors import InvalidFrameError, examples
from forecasting_platform.forecasting.series.days.date_range import DateRange

Kind = Literal["text", "date", "timestamp", "float", "integer", "boolean"]

# Dtypes and not their names, which pandas would parse again for each column of each frame. `Any`: its stubs know names.
PANDAS_DTYPES: dict[Kind, Any] = {
    "text": np.dtype(object),
    "date": np.dtype("datetime64[ns]"),
    "timestamp": pd.DatetimeTZDtype("ns", "UTC"),
    "float": np.dtype(float),
    "integer": np.dtype("int64"),
    "boolean": np.dtype(bool),
}
_TEXT = {"string", "empty"}


@dataclass(frozen=True, slots=True)
class Column:
    """One column: its name, kind, whether it may be null, and what it holds."""

    name: str
    kind: Kind
    description: str
    nullable: bool = False


@dataclass(frozen=True, slots=True)
class Table:
    """One table.

    Attributes:
        key: columns that identify a row; a frame may not hold a key twice.
        day_column: the `date` column that ranges are read and replaced by.
    """

    name: str
    description: str
    columns: tuple[Column, ...]
    key: tuple[str, ...]
    day_column: str

    @property
    def column_names(self) -> list[str]:
        """The columns' names, in order."""
        return [column.name for column in self.columns]

    def only(self, *names: str) -> "Table":
        """This table with its key, its day column and some other columns: a store reads no others.

        Raises:
            KeyError: it has no such column.
        """
        if unknown := set(names) - set(self.column_names):
            raise KeyError(f"{self.name} has no columns {sorted(unknown)}")
        chosen = {*self.key, self.day_column, *names}
        return replace(self, columns=tuple(column for column in self.columns if column.name in chosen))

    def empty(self) -> pd.DataFrame:
        """A frame of this table without rows, with its dtypes."""
        return _without_rows(self).copy()

    def conform(self, rows: pd.DataFrame, period: DateRange | None = None) -> pd.DataFrame:
        """`rows` with exactly this table's columns, in its order and dtypes, sorted by key.

        Raises:
            InvalidFrameError: a column is missing or unknown, a value has the wrong kind, a
                non-nullable value is null or infinite, a key occurs twice, or a day lies outside
                `period`. The message names the column and up to five of the values.
        """
        missing = [name for name in self.column_names if name not in rows.columns]
        unknown = [name for name in rows.columns if name not in self.column_names]
        if missing or unknown:
            raise InvalidFrameError(self.name, f"missing columns {missing}, unknown columns {unknown}")
        conformed = pd.DataFrame({c.name: self._convert(rows[c.name], c) for c in self.columns})
        repeated = conformed.duplicated(list(self.key), keep=False)
        if repeated.any():
            keys = conformed.loc[repeated, list(self.key)].drop_duplicates().astype(str).agg(", ".join, axis=1)
            raise InvalidFrameError(self.name, f"the key {self.key} occurs twice: {examples(keys)}")
        if period is not None:
            self._refuse_days_outside(conformed, period)
        return conformed.sort_values(list(self.key), kind="stable", ignore_index=True)

    def _convert(self, values: pd.Series, column: Column) -> Any:
        """The column's values as an array, which a frame takes without aligning indexes."""
        try:
            converted = values.astype(PANDAS_DTYPES[column.kind]).array
        except (TypeError, ValueError) as error:
            raise InvalidFrameError(self.name, f"column {column.name} is not {column.kind}: {error}") from error
        absent = converted.isna()
        if column.kind == "date":
            days = converted.to_numpy()
            if ((days != days.astype("datetime64[D]")) & ~absent).any():
                raise InvalidFrameError(self.name, f"column {column.name} holds a time of day; days are expected")
        if column.kind == "text" and (found := infer_dtype(converted.to_numpy(), skipna=True)) not in _TEXT:
            raise InvalidFrameError(self.name, f"column {column.name} is not text: {found} was found")
        if column.kind == "integer" and (converted != values.array).any():
            raise InvalidFrameError(self.name, f"column {column.name} holds fractions; integers are expected")
        if column.kind == "float" and (infinite := np.isinf(converted.to_numpy())).any():
            raise InvalidFrameError(self.name, f"column {column.name} holds {int(infinite.sum())} infinite values")
        if not column.nullable and absent.any():
            raise InvalidFrameError(self.name, f"column {column.name} holds {int(absent.sum())} nulls")
        return converted

    def _refuse_days_outside(self, rows: pd.DataFrame, period: DateRange) -> None:
        days = rows[self.day_column]
        outside = days[(days < pd.Timestamp(period.start)) | (days > pd.Timestamp(period.end))]
        if len(outside):
            found = examples(str(day.date()) for day in outside.drop_duplicates())
            raise InvalidFrameError(self.name, f"{self.day_column} lies outside {period}: {found}")


@cache
def _without_rows(table: Table) -> pd.DataFrame:
    return pd.DataFrame({c.name: pd.Series(dtype=PANDAS_DTYPES[c.kind]) for c in table.columns})

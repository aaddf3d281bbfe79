"""The model's input frame: one row for each series and day to forecast.

A row is what was known of the series at the end of `cutoff` (its row of `feature_table`) and the calendar of the day to
forecast. A model uses nothing else, so the frame explains a forecast completely: it can be shown, changed, and
sent back.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from forecasting_platform.errors import InvalidDataError, examples
from forecasting_platform.forecasting.series.arrays import Days, Floats
from forecasting_platform.forecasting.series.days.calendar import CALENDAR_NAMES, calendar_values
from forecasting_platform.forecasting.series.features.history import HISTORY, history_columns
from forecasting_platform.forecasting.series.frames import FEATURE_NAMES

KEYS = ("unique_id", "cutoff", "ds")
TARGET_NAMES: tuple[str, ...] = tuple(f"target_{name}" for name in CALENDAR_NAMES)
INPUT_NAMES: tuple[str, ...] = FEATURE_NAMES + TARGET_NAMES
"""Numeric columns of an input row, in the order of `ModelInputs.values`."""

_POSITIONS = {name: position for position, name in enumerate(INPUT_NAMES)}


def _no_history() -> Floats:
    return np.empty((0, 0))


class InvalidInputsError(InvalidDataError):
    """An input frame that a model cannot answer: a column missing, not a number, a day not after its cutoff."""


@dataclass(frozen=True, slots=True)
class ModelInputs:
    """Rows of the input frame, as arrays of one length n.

    Attributes:
        unique_id: series of each row (object array of str).
        cutoff: last day known, inclusive (`datetime64[D]`).
        ds: day to forecast, after `cutoff` (`datetime64[D]`).
        values: the columns `INPUT_NAMES`, finite, then `exogenous`; shape (n, len(INPUT_NAMES) + E), NaN where
            the value of an exogenous column is not known.
        exogenous: names of the E exogenous columns.
        history: the values of the days up to the cutoff, the oldest first, where a candidate needs them; shape (n, W),
            NaN where there was none.

    Raises:
        InvalidInputsError: a value is infinite or one of `INPUT_NAMES` not known, or a `ds` is not after its `cutoff`.
    """

    unique_id: npt.NDArray[np.object_]
    cutoff: Days
    ds: Days
    values: Floats
    exogenous: tuple[str, ...] = ()
    history: Floats = field(default_factory=_no_history)

    def __post_init__(self) -> None:
        if self.history.size == 0:
            object.__setattr__(self, "history", np.empty((len(self.ds), self.history.shape[1])))
        if np.isinf(self.history).any():
            found = examples(int(row) for row in np.flatnonzero(np.isinf(self.history).any(axis=1)))
            raise InvalidInputsError(f"the input frame holds an infinite value in the history of rows {found}")
        usable = np.isfinite(self.values)
        if self.exogenous:
            usable[:, len(INPUT_NAMES) :] |= np.isnan(self.exogenous_values)
        if not usable.all():
            rows, columns = np.nonzero(~usable)
            names = (*INPUT_NAMES, *self.exogenous)
            found = examples(f"row {row} {names[column]}" for row, column in zip(rows, columns, strict=True))
            raise InvalidInputsError(f"the input frame holds values that are not finite numbers: {found}")
        # Asked this way round, a day that is missing (NaT) is refused too.
        if not (later := self.ds > self.cutoff).all():
            found = examples(int(row) for row in np.nonzero(~later)[0])
            raise InvalidInputsError(f"ds must lie after cutoff; it does not in rows {found}")

    def __len__(self) -> int:
        return len(self.ds)

    @property
    def step(self) -> npt.NDArray[np.int64]:
        """Days ahead of the cutoff, 1 or more; shape (n,)."""
        return (self.ds - self.cutoff).astype(np.int64)

    @property
    def exogenous_values(self) -> Floats:
        """The exogenous columns; shape (n, E)."""
        values: Floats = self.values[:, len(INPUT_NAMES) :]
        return values

    def rows(self, part: slice | npt.NDArray[np.bool_]) -> "ModelInputs":
        """Some of the rows."""
        return replace(
            self,
            unique_id=self.unique_id[part],
            cutoff=self.cutoff[part],
            ds=self.ds[part],
            values=self.values[part],
            history=self.history[part],
        )

    def column(self, name: str) -> Floats:
        """One column of `INPUT_NAMES`, or an exogenous one; shape (n,)."""
        position = _POSITIONS.get(name)
        if position is None:
            position = len(INPUT_NAMES) + self.exogenous.index(name)
        column: Floats = self.values[:, position]
        return column

    def columns(self, names: Sequence[str]) -> Floats:
        """Several columns of `INPUT_NAMES`; shape (n, len(names))."""
        columns: Floats = self.values[:, [_POSITIONS[name] for name in names]]
        return columns

    def to_records(self) -> list[dict[str, Any]]:
        """One dictionary a row, days as ISO text: what `/simulate` answers.

        The exogenous columns are a dictionary of their own, `exogenous`, where there are any, and the window of values
        is a list, `history`, where a candidate needs one.
        """
        keys = zip(self.unique_id.tolist(), self.cutoff.astype(str).tolist(), self.ds.astype(str).tolist(), strict=True)
        own = self.values[:, : len(INPUT_NAMES)].tolist()
        records = [
            {"unique_id": unique_id, "cutoff": cutoff, "ds": ds, **dict(zip(INPUT_NAMES, row, strict=True))}
            for (unique_id, cutoff, ds), row in zip(keys, own, strict=True)
        ]
        if self.exogenous:
            for record, row in zip(records, self.exogenous_values.tolist(), strict=True):
                # A value that is not known is no number in JSON.
                known = (None if value != value else value for value in row)
                record["exogenous"] = dict(zip(self.exogenous, known, strict=True))
        if self.history.shape[1]:
            for record, row in zip(records, self.history.tolist(), strict=True):
                record[HISTORY] = [None if value != value else value for value in row]
        return records

    def to_frame(self) -> pd.DataFrame:
        """The rows as a frame: `unique_id`, `cutoff`, `ds`, `INPUT_NAMES`, the exogenous columns, and a column for each
        day of the history.
        """
        keys = {"unique_id": self.unique_id, "cutoff": self.cutoff, "ds": self.ds}
        names = [*INPUT_NAMES, *self.exogenous, *history_columns(self.history.shape[1])]
        frame = pd.DataFrame(np.hstack([self.values, self.history]), columns=names)
        for position, (name, values) in enumerate(keys.items()):
            frame.insert(position, name, values if name == "unique_id" else values.astype("datetime64[ns]"))
        return frame

    @classmethod
    def from_frame(cls, frame: pd.DataFrame, exogenous: Sequence[str] = (), window_days: int = 0) -> "ModelInputs":
        """The inverse of `to_frame`; other columns are ignored.

        Args:
            exogenous: the exogenous columns that the model knows.
            window_days: days of history that it needs.

        Raises:
            InvalidInputsError: a column is missing or holds values that are neither numbers nor days.
        """
        windows = history_columns(window_days)
        missing = [name for name in (*KEYS, *INPUT_NAMES, *exogenous, *windows) if name not in frame.columns]
        if missing:
            raise InvalidInputsError(f"the input frame lacks the columns {examples(missing)}")
        try:
            return cls(
                unique_id=frame["unique_id"].astype(str).to_numpy(dtype=object),
                cutoff=pd.to_datetime(frame["cutoff"]).to_numpy().astype("datetime64[D]"),
                ds=pd.to_datetime(frame["ds"]).to_numpy().astype("datetime64[D]"),
                values=frame[[*INPUT_NAMES, *exogenous]].to_numpy(dtype=np.float64),
                exogenous=tuple(exogenous),
                history=frame[list(windows)].to_numpy(dtype=np.float64),
            )
        except (TypeError, ValueError, OverflowError) as error:
            raise InvalidInputsError(
                f"the input frame holds values that are neither numbers nor days: {error}"
            ) from error

    @classmethod
    def from_records(
        cls, records: Sequence[Mapping[str, Any]], exogenous: Sequence[str] = (), window_days: int = 0
    ) -> "ModelInputs":
        """The inverse of `to_records`; other keys are ignored, and days may be dates as well.

        Args:
            exogenous: the exogenous columns that the model knows.
            window_days: days of history that it needs; more are cut off.

        Raises:
            InvalidInputsError: a key is missing, a history is too short, or a value is no number or day; names the row.
        """
        try:
            return cls(
                unique_id=np.array([str(record["unique_id"]) for record in records], dtype=object),
                cutoff=_days([record["cutoff"] for record in records]),
                ds=_days([record["ds"] for record in records]),
                values=np.array([_numbers(record, exogenous) for record in records], dtype=np.float64).reshape(
                    len(records), len(INPUT_NAMES) + len(exogenous)
                ),
                exogenous=tuple(exogenous),
                history=_histories(records, window_days),
            )
        except KeyError as error:
            name = error.args[0]
            fields = [(record.get("exogenous") or {}) if name in exogenous else record for record in records]
            row = next(position for position, found in enumerate(fields) if name not in found)
            raise InvalidInputsError(f"row {row} of the input frame lacks {name!r}") from error
        except (TypeError, ValueError, OverflowError) as error:
            raise InvalidInputsError(
                f"the input frame holds values that are neither numbers nor days: {error}"
            ) from error


def _numbers(record: Mapping[str, Any], exogenous: Sequence[str]) -> list[float]:
    own = [float(record[name]) for name in INPUT_NAMES]
    given = record.get("exogenous") or {}
    return own + [np.nan if given[name] is None else float(given[name]) for name in exogenous]


def _histories(records: Sequence[Mapping[str, Any]], window_days: int) -> Floats:
    found = np.full((len(records), window_days), np.nan)
    if window_days:
        for position, record in enumerate(records):
            given = record[HISTORY] or ()
            if len(given) < window_days:
                raise InvalidInputsError(
                    f"row {position} of the input frame has a history of {len(given)} days; a candidate of the "
                    f"champion needs {window_days}, the oldest first, null where there was no value"
                )
            found[position] = [np.nan if value is None else float(value) for value in given[-window_days:]]
    return found


def _days(days: Sequence[Any]) -> Days:
    read = [day if isinstance(day, date) else date.fromisoformat(day) for day in days]
    return np.array(read, dtype="datetime64[D]")


def build_inputs(
    unique_ids: Sequence[str],
    cutoffs: Days,
    features: Floats,
    days: Sequence[date],
    country: str,
    exogenous: Sequence[str] = (),
    history: Floats | None = None,
) -> ModelInputs:
    """Input rows of some series for some days.

    Args:
        unique_ids: the S series.
        cutoffs: day of each series' feature row; shape (S,).
        features: `FEATURE_NAMES` of each series at its cutoff, then `exogenous`; shape (S, F + E).
        days: the D days to forecast, each after every cutoff.
        country: whose holidays the calendar knows.
        exogenous: names of the exogenous columns.
        history: each series' window up to its cutoff, where a candidate needs one; shape (S, W).

    Returns:
        S × D rows, ordered as `unique_ids`, then as `days`.

    Raises:
        InvalidInputsError: a day does not lie after a cutoff, or a feature is not finite.
    """
    ds = np.array(list(days), dtype="datetime64[D]")
    target = calendar_values(ds, country)
    return ModelInputs(
        unique_id=np.repeat(np.array(list(unique_ids), dtype=object), len(ds)),
        cutoff=np.repeat(cutoffs.astype("datetime64[D]"), len(ds)),
        ds=np.tile(ds, len(unique_ids)),
        values=input_values(np.repeat(features, len(ds), axis=0), np.tile(target, (len(unique_ids), 1))),
        exogenous=tuple(exogenous),
        history=_no_history() if history is None else np.repeat(history, len(ds), axis=0),
    )


def input_values(features: Floats, calendar: Floats) -> Floats:
    """`ModelInputs.values`: the features, the calendar of the day to forecast, the exogenous columns.

    Args:
        features: `FEATURE_NAMES`, then the exogenous columns; shape (n, F + E).
        calendar: `CALENDAR_NAMES`; shape (n, N).
    """
    own = len(FEATURE_NAMES)
    return np.hstack([features[:, :own], calendar, features[:, own:]])

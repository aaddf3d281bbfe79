"""Sums up the forecasts of record of a day by groups of steps: all that control needs of its errors and moves.

They need no backtest. So they are made once, when a day's errors are matched or its forecasts issued, and kept; any
later champion judges by them. All steps of a group have one unit of the backtest, so that nothing is lost.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from typing import Self

import numpy as np
import numpy.typing as npt
import pandas as pd

from forecasting_platform.forecasting.models.record import forecasts_of_record
from forecasting_platform.forecasting.models.steps_ahead import FIRST_STEPS, bucket_of
from forecasting_platform.forecasting.models.training.scores import BASELINES
from forecasting_platform.forecasting.series.arrays import Days, Floats, code_names
from forecasting_platform.forecasting.series.days.calendar import SEASONS, season_of
from forecasting_platform.forecasting.series.days.not_normal import NotNormal
from forecasting_platform.forecasting.series.frames import DAILY_ERRORS, DAILY_MOVES, baseline_error_column

ERROR_COLUMNS = ("issued_at", "y", "y_hat", "y_hat_lo_80", "y_hat_hi_80", *(f"y_hat_{b}" for b in BASELINES), "y_first")
"""Of `FORECAST_ERRORS`, besides the key: what `judged_errors` needs."""
MOVE_COLUMNS = ("issued_at", "y_hat")
"""Of `FORECASTS`, besides the key: what `judged_moves` needs."""


@dataclass(frozen=True, slots=True)
class DailySums:
    """What is judged of some days.

    Attributes:
        sums: rows of `DAILY_ERRORS` or `DAILY_MOVES`.
        left_out: `unique_id` and day (`ds` of errors, `cutoff` of moves) of which nothing is judged, as not normal.
    """

    sums: pd.DataFrame
    left_out: pd.DataFrame

    @property
    def unique_ids(self) -> list[str]:
        """Every series, ascending: those of which nothing is judged too, since a person must see that."""
        return sorted({*self.sums["unique_id"].unique(), *self.left_out["unique_id"].unique()})

    def since(self, cutoff: date) -> Self:
        """Of moves: only those of a cutoff and later ones."""
        first = pd.Timestamp(cutoff)
        return type(self)(*(rows[rows["cutoff"] >= first] for rows in (self.sums, self.left_out)))

    @classmethod
    def together(cls, parts: Sequence[Self]) -> Self:
        """Of all days of some parts, each with days of its own."""
        return cls(_join([part.sums for part in parts]), _join([part.left_out for part in parts]))


def _join(frames: Sequence[pd.DataFrame]) -> pd.DataFrame:
    # An empty one has no say in the kinds of the columns.
    return pd.concat([frame for frame in frames if len(frame)] or frames[:1], ignore_index=True)


def judged_errors(errors: pd.DataFrame, not_normal: NotNormal) -> DailySums:
    """The sums of the errors of record that are normal.

    Args:
        errors: rows of `FORECAST_ERRORS`, of all versions.
        not_normal: periods of which no day is judged, nor a forecast that was made on one.
    """
    record, left_out = _normal(errors, not_normal, "ds")
    return DailySums(sum_errors(record), left_out)


def judged_moves(forecasts: pd.DataFrame, not_normal: NotNormal) -> DailySums:
    """The sums of how far normal forecasts of record moved.

    Args:
        forecasts: rows of `FORECASTS`, of all versions; otherwise as `judged_errors`.
    """
    record, left_out = _normal(forecasts, not_normal, "cutoff")
    return DailySums(sum_moves(record), left_out)


def sum_errors(record: pd.DataFrame) -> pd.DataFrame:
    """Rows of `DAILY_ERRORS`.

    Args:
        record: rows of `FORECAST_ERRORS`, one a series, cutoff and day.
    """
    if record.empty:
        return DAILY_ERRORS.empty()
    days, cutoffs = (record[name].to_numpy().astype("datetime64[D]") for name in ("ds", "cutoff"))
    groups = _Groups.of(record["unique_id"], days, bucket_of((days - cutoffs).astype(np.int64)))
    y, y_hat = (record[name].to_numpy(dtype=np.float64) for name in ("y", "y_hat"))
    error = y_hat - y
    low, high = (record[f"y_hat_{side}_80"].to_numpy(dtype=np.float64) for side in ("lo", "hi"))
    naive = {
        baseline_error_column(name): groups.mean(np.abs(record[f"y_hat_{name}"].to_numpy(dtype=np.float64) - y))
        for name in BASELINES
    }
    return DAILY_ERRORS.conform(
        groups.keys().assign(
            ds=groups.first(days),
            mean_error=groups.mean(error),
            mean_absolute_error=groups.mean(np.abs(error)),
            rmse=groups.root_mean_square(error),
            inside_80=groups.mean((y >= low) & (y <= high)),
            **naive,
            rmse_first=groups.root_mean_square(y_hat - record["y_first"].to_numpy(dtype=np.float64)),
        )
    )


def sum_moves(record: pd.DataFrame) -> pd.DataFrame:
    """Rows of `DAILY_MOVES`, of every cutoff: of one without another a day before, nothing has moved.

    Args:
        record: rows of `FORECASTS`, one a series, cutoff and day.
    """
    if record.empty:
        return DAILY_MOVES.empty()
    series, _ = code_names(record["unique_id"].to_numpy(dtype=object))
    days, cutoffs = (record[name].to_numpy().astype("datetime64[D]") for name in ("ds", "cutoff"))
    # By series, day and cutoff: forecasts of one day that were made a day apart are then neighbours.
    order = np.lexsort((cutoffs, days, series))
    before, after = order[:-1], order[1:]
    is_next = (series[before] == series[after]) & (days[before] == days[after])
    # Over a gap of several cutoffs a forecast may move more, and rightly so.
    is_next &= cutoffs[after] - cutoffs[before] == np.timedelta64(1, "D")
    before, after = before[is_next], after[is_next]
    y_hat, moved, size = record["y_hat"].to_numpy(dtype=np.float64), np.zeros(len(record)), np.zeros(len(record))
    moved[after], size[after] = 1.0, np.abs(y_hat[after] - y_hat[before])
    # A season and a group of steps have one unit.
    bucket, season = bucket_of((days - cutoffs).astype(np.int64)), season_of(days)
    groups = _Groups.of(record["unique_id"], cutoffs, season + len(SEASONS) * bucket, bucket=bucket)
    count = groups.sum(moved)
    with np.errstate(invalid="ignore"):
        moves = groups.keys().assign(
            cutoff=groups.first(cutoffs), ds=groups.first(days), forecasts=count, mean_move=groups.sum(size) / count
        )
    return DAILY_MOVES.conform(moves)


def _normal(rows: pd.DataFrame, not_normal: NotNormal, day: str) -> tuple[pd.DataFrame, pd.DataFrame]:
    """The rows of record that are not left out, and the series and days of which none is kept."""
    record = forecasts_of_record(rows)
    is_out = not_normal.rows(record, "cutoff", "ds")
    if not is_out.any():
        return record, record.iloc[:0][["unique_id", day]]
    kept = record[["unique_id", day]].assign(kept=~is_out).groupby(["unique_id", day], sort=True)["kept"].any()
    return record[~is_out], kept[~kept].index.to_frame(index=False)


@dataclass(frozen=True, slots=True)
class _Groups:
    """Rows of one series, day and group of steps together.

    Attributes:
        order: the rows, group by group; each is as in the table within its own.
        starts: where each group begins among them; `counts` how many rows it has.
    """

    names: Sequence[str]
    series: npt.NDArray[np.int64]
    bucket: npt.NDArray[np.int64]
    order: npt.NDArray[np.int64]
    starts: npt.NDArray[np.int64]
    counts: npt.NDArray[np.int64]

    @classmethod
    def of(
        cls,
        unique_ids: "pd.Series[str]",
        days: Days,
        kind: npt.NDArray[np.int64],
        *,
        bucket: npt.NDArray[np.int64] | None = None,
    ) -> "_Groups":
        """Group by series, day and kind; of one kind all have one bucket, which is the kind unless given."""
        series, names = code_names(unique_ids.to_numpy(dtype=object))
        order = np.lexsort((kind, days, series))
        of = np.stack([each[order].astype(np.int64) for each in (series, days, kind)])
        starts = np.flatnonzero(np.concatenate([[True], (of[:, 1:] != of[:, :-1]).any(axis=0)]))
        counts = np.diff(np.append(starts, len(order)))
        return cls(names, series, kind if bucket is None else bucket, order, starts, counts)

    def keys(self) -> pd.DataFrame:
        """What identifies each group, but its day, and how many forecasts it has."""
        names = np.array(self.names, dtype=object)[self.first(self.series)]
        steps = np.array(FIRST_STEPS)[self.first(self.bucket)]
        return pd.DataFrame({"unique_id": names, "first_step": steps, "forecasts": self.counts})

    def first(self, values: npt.NDArray[np.generic]) -> npt.NDArray[np.generic]:
        """The first value of each group."""
        return values[self.order][self.starts]

    def sum(self, values: npt.NDArray[np.generic]) -> Floats:
        """The sum of each group; NaN where a value is."""
        total: Floats = np.add.reduceat(values[self.order].astype(np.float64), self.starts)
        return total

    def mean(self, values: npt.NDArray[np.generic]) -> Floats:
        """The mean of each group; NaN where a value is."""
        return self.sum(values) / self.counts

    def root_mean_square(self, values: Floats) -> Floats:
        """Of each group, however large its values are."""
        largest = np.maximum.reduceat(np.abs(values[self.order]), self.starts)
        scale = np.where(largest > 0, largest, 1.0)
        scaled = np.empty_like(values)
        scaled[self.order] = np.repeat(scale, self.counts)
        return scale * np.sqrt(self.mean((values / scaled) ** 2))

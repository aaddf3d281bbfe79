"""Forecasts of the trained horizon from the newest observations, computed once when a champion takes over.

Most requests ask for just these: they are answered by joining rows that are already JSON, the same that `answers` would
compute. Every other request is computed.
"""

import time
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from itertools import pairwise
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from forecasting_platform.errors import ForecastingPlatformError
from forecasting_platform.forecasting.models.trained.forecasts import Forecasts
from forecasting_platform.forecasting.models.trained.model import ForecastModel
from forecasting_platform.forecasting.series.arrays import Days, Floats
from forecasting_platform.forecasting.series.days.date_range import DateRange
from serve.forecasts.rendering import Record, checksum, forecast_records, json_rows

BLOCK_SERIES = 100
"""Series rendered at once: more need more memory, and hold up who asks meanwhile."""


@dataclass(frozen=True, slots=True)
class RenderedForecasts:
    """Forecasts, as arrays of one length and as JSON.

    Attributes:
        text: the rows as JSON, joined by commas: one object a block, where one a row would take four times its memory.
        begins: where each row begins in `text`, and where one more would; one longer than the others.
        checksum: of all rows of its series.
    """

    unique_id: npt.NDArray[np.object_]
    cutoff: Days
    ds: Days
    y_hat: Floats
    text: bytes
    begins: npt.NDArray[np.int64]
    checksum: str

    def __len__(self) -> int:
        return len(self.ds)

    def part(self, start: int, stop: int, checksum: str) -> "RenderedForecasts":
        """The forecasts from one position to another, exclusive, of a series with this checksum."""
        begins = self.begins[start : stop + 1]
        return RenderedForecasts(
            self.unique_id[start:stop],
            self.cutoff[start:stop],
            self.ds[start:stop],
            self.y_hat[start:stop],
            self.text[begins[0] : max(begins[0], begins[-1] - 1)],
            begins - begins[0],
            checksum,
        )


class _Place(NamedTuple):
    """Where the forecasts of a series stand: from a row of a block, which many share."""

    block: RenderedForecasts
    start: int
    checksum: str


def _render(forecasts: Forecasts, rows: list[bytes]) -> RenderedForecasts:
    """The forecasts of a block of series; of no series' checksum.

    Args:
        rows: the forecasts as JSON.
    """
    return RenderedForecasts(
        forecasts.unique_id,
        forecasts.cutoff,
        forecasts.ds,
        forecasts.y_hat,
        b",".join(rows),
        np.cumsum([0, *(len(row) + 1 for row in rows)]),
        "",
    )


def is_finite(forecasts: Forecasts) -> npt.NDArray[np.bool_]:
    """Whether a forecast and its interval are finite numbers; shape (n,)."""
    numbers = [forecasts.y_hat, *(bound for bounds in forecasts.bounds.values() for bound in bounds)]
    return np.asarray(np.isfinite(np.array(numbers)).all(axis=0))


def describe_left_out(
    model: ForecastModel, unique_ids: Iterable[str], day: date | None = None, closed: Collection[str] = ()
) -> list[Record]:
    """Describe the series that an answer leaves out.

    Args:
        day: the last day that the answer knows, inclusive; all that is known without it.
        closed: those of which no value is due on the days asked for.
    """
    ended, newest = model.ended_at(day), dict(zip(model.unique_ids, model.feature_days.tolist(), strict=True))
    return [
        {
            "unique_id": unique_id,
            "state": "ended" if unique_id in ended else "closed" if unique_id in closed else "unobserved",
            "newest_observation": newest[unique_id].isoformat(),
        }
        for unique_id in sorted(unique_ids)
    ]


class PrecomputedForecasts:
    """The next `horizon` days of every series, at the stored interval levels.

    It lacks series whose forecasts are not finite numbers, and those that have ended: a request for one of them is
    refused with the reason. `left_out` describes the ended ones for answers for all series.

    Raises:
        ForecastingPlatformError: the model cannot answer from its own rows, or has no series.
    """

    def __init__(self, model: ForecastModel) -> None:
        if not model.unique_ids:
            raise ForecastingPlatformError("the model has no series")
        self._days = model.horizon
        ended = model.ended_at()
        self.left_out = describe_left_out(model, ended)
        self._series = [name for name in model.unique_ids if name not in ended]
        self._first_days: dict[str, date] = {}
        self._places: dict[str, _Place] = {}
        self._offsets: dict[str, list[int]] = {}
        days = model.feature_days[model.positions(self._series)]
        for cutoff in np.unique(days):
            of_day = [name for name, day in zip(self._series, days, strict=True) if day == cutoff]
            for start in range(0, len(of_day), BLOCK_SERIES):
                self._add(model, cutoff.item(), of_day[start : start + BLOCK_SERIES])
                # Whoever waits for an answer is let in.
                time.sleep(0)

    def _add(self, model: ForecastModel, cutoff: date, unique_ids: list[str]) -> None:
        first = cutoff + timedelta(days=1)
        days = list(DateRange(first, cutoff + timedelta(days=self._days)))
        forecasts = model.predict(model.inputs(days, unique_ids=unique_ids))
        rows, finite = json_rows(forecast_records(forecasts, model.cutoff)), is_finite(forecasts)
        names, block = forecasts.unique_id, _render(forecasts, rows)
        # Where a series begins: those with closed days have fewer rows than others.
        edges = [0, *(np.flatnonzero(names[1:] != names[:-1]) + 1).tolist(), len(names)]
        for start, stop in pairwise(edges):
            series = slice(start, stop)
            if start < stop and finite[series].all():
                self._first_days[names[start]] = first
                self._places[names[start]] = _Place(block, start, checksum(b"".join(rows[series])))
                if stop - start < self._days:
                    ahead = np.datetime64(first) + np.arange(self._days + 1)
                    self._offsets[names[start]] = np.searchsorted(forecasts.ds[series], ahead).tolist()

    def find(self, period: DateRange, unique_ids: Sequence[str] | None) -> list[RenderedForecasts] | None:
        """The forecasts of a range, ordered by series and day; None when they are not all here, or a series has none.

        Args:
            unique_ids: the series wanted, without it every one that has not ended; none may be given twice.
        """
        found = []
        for unique_id in sorted(self._series if unique_ids is None else unique_ids):
            start = (period.start - self._first_days[unique_id]).days if unique_id in self._first_days else -1
            stop = start + len(period)
            if start < 0 or stop > self._days:
                return None
            if unique_id in self._offsets:
                start, stop = self._offsets[unique_id][start], self._offsets[unique_id][stop]
                if start == stop:
                    return None
            place = self._places[unique_id]
            found.append(place.block.part(place.start + start, place.start + stop, place.checksum))
        return found

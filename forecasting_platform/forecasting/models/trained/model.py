"""A trained model: every series, every candidate, their weights, and the spread of past errors.

It forecasts from input rows with numpy alone. Training is in `training`, its stored form in `model_document`.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from datetime import date
from functools import partial
from typing import Any

import numpy as np
import pandas as pd

from forecasting_platform.errors import UnknownSeriesError
from forecasting_platform.forecasting.models.candidates.candidate import LEVEL, FittedCandidate, Positions
from forecasting_platform.forecasting.models.candidates.guarded import forecast_rows
from forecasting_platform.forecasting.models.candidates.naive import FittedNaive
from forecasting_platform.forecasting.models.candidates.seasonal_naive import FittedSeasonalNaive
from forecasting_platform.forecasting.models.intervals import (
    VOLATILITIES,
    adapt_quantiles,
    interval_around,
    spread_at,
    volatility_scale,
)
from forecasting_platform.forecasting.models.steps_ahead import MAX_HORIZON_DAYS, refuse_unreachable
from forecasting_platform.forecasting.models.trained.first_days import FirstDays
from forecasting_platform.forecasting.models.trained.forecasts import PARTS, Forecasts
from forecasting_platform.forecasting.models.zero_days import is_zero_day
from forecasting_platform.forecasting.series.arrays import Days, Flags, Floats
from forecasting_platform.forecasting.series.covariates.events import NO_EVENTS, Events
from forecasting_platform.forecasting.series.days.series_calendars import DAILY, Calendars
from forecasting_platform.forecasting.series.features.history import history_of
from forecasting_platform.forecasting.series.features.inputs import ModelInputs, build_inputs
from forecasting_platform.forecasting.series.features.panel import feature_values
from forecasting_platform.forecasting.series.frames import LEVELS
from forecasting_platform.forecasting.series.lifetime import SeriesState, has_ended, series_states


@dataclass(frozen=True, slots=True)
class ForecastModel:
    """A model of S series.

    Attributes:
        unique_ids: the series, in the order of every first axis.
        cutoff: last day the model has seen of any series, inclusive.
        horizon: trained steps ahead.
        country: whose holidays the inputs know.
        candidates: K of them, fitted.
        weights: of each candidate in each series' forecast; shape (S, K), rows sum to 1.
        probabilities: of `error_quantiles`, ascending in (0, 1), symmetric; shape (Q,).
        error_quantiles: of `y - y_hat` in the backtest as on a calm day; shape (S, horizon, Q), non-decreasing in Q.
        calm_volatility: below it a day counts as calm, above it errors are wider; shape (S,), may be inf.
        lower_bound: no forecast lies below; shape (S,), may be -inf.
        plausible: a point forecast outside (low, high) is replaced by the naive one; shape (S, 2).
        features: each series' newest row at training: `FEATURE_NAMES`, then `exogenous`; shape (S, F + E).
        feature_days: the day of that row; shape (S,).
        ended_after_days: after how many days without a value a series has ended; shape (S,).
        trained_ranges: lowest and highest value of each of `features` in training, NaN if none; shape (S, F + E, 2).
        history: each series' newest values, as many as a candidate needs; shape (S, window_days).
        is_new: which series are forecast by `first_days`; shape (S,).
        first_days: what was learnt of series that it was not trained on.
        metadata: JSON-ready: recipe, scores, winners, coverage, data fingerprint, code version.
        exogenous: names of the E exogenous columns of its input frame.
        calendars: the days on which values of each series are due; a closed day has no forecast, or 0.
        events: those of its recipe, which give their exogenous columns their values.
        zero_values: of D covariates, on whose days each series is 0; shape (S, D), NaN for none.
        zero_columns: the columns that hold them: `zero_days.zero_columns`; shape (1 + horizon, D).
    """

    unique_ids: tuple[str, ...]
    cutoff: date
    horizon: int
    country: str
    candidates: tuple[FittedCandidate, ...]
    weights: Floats
    probabilities: Floats
    error_quantiles: Floats
    calm_volatility: Floats
    lower_bound: Floats
    plausible: Floats
    features: Floats
    feature_days: Days
    ended_after_days: Positions
    trained_ranges: Floats
    is_new: Flags
    first_days: FirstDays
    metadata: dict[str, Any] = field(default_factory=dict)
    exogenous: tuple[str, ...] = ()
    calendars: Calendars = DAILY
    history: Floats = field(default_factory=lambda: np.empty((0, 0)))
    events: Events = NO_EVENTS
    zero_values: Floats = field(default_factory=lambda: np.empty((0, 0)))
    zero_columns: Positions = field(default_factory=lambda: np.empty((1, 0), dtype=np.int64))
    _index: dict[str, int] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        for name in ("history", "zero_values"):
            if not (values := getattr(self, name)).size:
                object.__setattr__(self, name, np.empty((len(self.unique_ids), values.shape[1])))
        object.__setattr__(self, "_index", {name: position for position, name in enumerate(self.unique_ids)})

    def positions(self, unique_ids: Iterable[str]) -> Positions:
        """Where series stand on the first axes; shape (n,).

        Raises:
            UnknownSeriesError: one the model does not have.
        """
        wanted = list(unique_ids)
        unknown = sorted({str(unique_id) for unique_id in wanted} - self._index.keys())
        if unknown:
            raise UnknownSeriesError(unknown, self.unique_ids)
        return np.array([self._index[unique_id] for unique_id in wanted], dtype=np.int64)

    @property
    def window_days(self) -> int:
        """Days of history that its candidates need beside an input row."""
        return max((candidate.window_days for candidate in self.candidates), default=0)

    def with_features(self, rows: pd.DataFrame) -> "ForecastModel":
        """The same model, answering from other feature rows.

        Args:
            rows: rows of `FEATURE_TABLE`, at most one a series: what was known at its `ds`, which becomes the cutoff;
                with their windows where the model needs some (`with_history`). A series without a row keeps the one it
                has; other series are ignored.
        """
        rows = rows[rows["unique_id"].isin(self.unique_ids)]
        positions = self.positions(rows["unique_id"].to_numpy(dtype=object))
        features, feature_days, history = self.features.copy(), self.feature_days.copy(), self.history.copy()
        features[positions] = self.values_of(rows)
        feature_days[positions] = rows["ds"].to_numpy().astype("datetime64[D]")
        history[positions] = history_of(rows, self.window_days)
        return replace(self, features=features, feature_days=feature_days, history=history)

    def values_of(self, rows: pd.DataFrame) -> Floats:
        """`FEATURE_NAMES` of rows of `FEATURE_TABLE`, then the exogenous columns; shape (n, F + E)."""
        values, days = feature_values(rows, self.exogenous), rows["ds"].to_numpy().astype("datetime64[D]")
        return self.events.fill_rows(values, self.exogenous, rows["unique_id"].tolist(), days, self.horizon)

    def with_widths(self, log_widths: Floats) -> "ForecastModel":
        """The same model with other widths of its intervals.

        Args:
            log_widths: logarithm of the factor of each of `LEVELS`; shape (S, len(LEVELS)).
        """
        return replace(self, error_quantiles=adapt_quantiles(self.error_quantiles, log_widths))

    def inputs(self, days: Sequence[date], *, unique_ids: Sequence[str] | None = None) -> ModelInputs:
        """The input frame for some days, from each series' newest feature row.

        Args:
            days: the days to forecast.
            unique_ids: the series wanted; by default all that are `reaching` the last day.

        Returns:
            No rows of the days on which a series is closed, unless its forecast there is 0.

        Raises:
            UnknownSeriesError: one the model does not have.
            InvalidRangeError: the last day lies more than `MAX_HORIZON_DAYS` after a cutoff, or the first not after it.
        """
        wanted = sorted(self.reaching(max(days), self.unique_ids) if unique_ids is None else set(unique_ids))
        positions = self.positions(wanted)
        cutoffs = self.feature_days[positions]
        refuse_unreachable(days, cutoffs)
        inputs = build_inputs(
            wanted, cutoffs, self.features[positions], days, self.country, self.exogenous, self.history[positions]
        )
        closed = self.calendars.closed_rows(inputs.unique_id, inputs.ds, "left_out")
        return inputs.rows(~closed) if closed.any() else inputs

    def ended_at(self, day: date | None = None) -> dict[str, date]:
        """The series that have ended, each with its last day, as its feature row says.

        Args:
            day: what may be known, inclusive; by default all that is.
        """
        newest = self.feature_days.max()
        known = newest if day is None else min(newest, np.datetime64(day, "D"))
        covered = self.calendars.covered_until(self.unique_ids, self.feature_days)
        ended = has_ended(covered, self.ended_after_days, known)
        return {self.unique_ids[position]: self.feature_days[position].item() for position in np.flatnonzero(ended)}

    def states(self, unique_ids: Iterable[str] | None = None) -> dict[str, SeriesState]:
        """Each series that is not like the others, with what it is.

        Args:
            unique_ids: constant series are looked for among these; among all by default.
        """
        new, known = np.array(self.unique_ids, dtype=object)[self.is_new], self.metadata.get("series", {})
        wanted = known if unique_ids is None else {name: known[name] for name in unique_ids if name in known}
        return series_states({"series": wanted}, self.ended_at(), new.tolist())

    def reaching(self, last: date, unique_ids: Iterable[str], known: date | None = None) -> list[str]:
        """Those of some series that have not ended and can be forecast up to a day.

        Args:
            known: what may be known, inclusive; by default all that is.

        Returns:
            Where a day lies too far ahead of each, all that have not ended: asking for their inputs then says how far.
        """
        ended = self.ended_at(known)
        living = [unique_id for unique_id in unique_ids if unique_id not in ended]
        days_ahead = (np.datetime64(last, "D") - self.feature_days[self.positions(living)]).astype(np.int64)
        near = days_ahead <= MAX_HORIZON_DAYS
        return [unique_id for unique_id, kept in zip(living, near | ~near.any(), strict=True) if kept]

    def predict(self, inputs: ModelInputs, levels: Sequence[int] = LEVELS) -> Forecasts:
        """Forecasts of input rows, in their order; the same rows give the same forecasts, bit for bit.

        Args:
            levels: interval levels in percent, 50 to 99.

        Raises:
            UnknownSeriesError: a row of a series the model does not have.
        """
        series = self.positions(inputs.unique_id)
        y_hat, replaced, is_zero = self._point(inputs, series)
        scale = np.where(is_zero, 0.0, volatility_scale(inputs.columns(VOLATILITIES), self.calm_volatility[series]))
        spread = spread_at(inputs.step, self.error_quantiles[series], self.probabilities) * scale[:, None]
        around = partial(interval_around, y_hat, spread, self.probabilities, self.lower_bound[series])
        return Forecasts(
            unique_id=inputs.unique_id,
            cutoff=inputs.cutoff,
            ds=inputs.ds,
            y_hat=y_hat,
            bounds={level: around(level=level) for level in levels},
            extrapolated=inputs.step > self.horizon,
            replaced=replaced,
            lacks_exogenous=self._lacks_exogenous(inputs, series),
            new_series=self.is_new[series],
            closed=self.calendars.closed_rows(inputs.unique_id, inputs.ds, "zero"),
            y_hat_naive=FittedNaive().predict(inputs, series),
            y_hat_seasonal_naive=FittedSeasonalNaive().predict(inputs, series),
        ).zero_where_closed()

    def explain(self, inputs: ModelInputs) -> pd.DataFrame:
        """What each forecast of `predict(inputs)` is made of, in the unit of the series.

        Returns:
            One row an input row, in order: `unique_id`, `ds`, and `PARTS`, which add up to `predict(inputs).y_hat`.
            `level` is the mean of the last four weeks; `trend` the drift and the way back to the means of 91 and 364
            days; `weekly`, `yearly`, `holiday` and `exogenous` what weekday, season, holidays and exogenous columns
            add; `recent` the rest: what the newest days say, and what a bound or a day of 0 takes.

        Raises:
            UnknownSeriesError: a row of a series the model does not have.
        """
        series = self.positions(inputs.unique_id)
        y_hat, replaced, _ = self._point(inputs, series)
        each = np.stack([candidate.parts(inputs, series) for candidate in self.candidates], axis=1)
        named = np.einsum("nkp,nk->np", each, self.weights[series])
        # The naive forecast has no named part: all of it is due to the newest day.
        named[replaced] = 0.0
        y_hat[self.calendars.closed_rows(inputs.unique_id, inputs.ds, "zero")] = 0.0
        level = inputs.column(LEVEL)
        # What bounds and replacement changed is in the rest too, so that the parts add up exactly.
        rest = y_hat - level - named.sum(axis=1)
        keys = {"unique_id": inputs.unique_id, "ds": inputs.ds.astype("datetime64[ns]")}
        return pd.DataFrame(keys | dict(zip(PARTS, np.column_stack([level, named, rest]).T, strict=True)))

    def _point(self, inputs: ModelInputs, series: Positions) -> tuple[Floats, Flags, Flags]:
        """Point forecasts; which are the naive one in place of one that is not plausible; which are of days of 0."""
        each = np.column_stack([forecast_rows(candidate, inputs, series) for candidate in self.candidates])
        combined = np.einsum("nk,nk->n", each, self.weights[series])
        # A linear model extrapolates without limit: one wrong input must not become a forecast of record.
        low, high = self.plausible[series].T
        replaced = ~(np.isfinite(combined) & (combined >= low) & (combined <= high))
        sane = np.where(replaced, FittedNaive().predict(inputs, series), combined)
        # A declared bound above 0 says that there is no such day.
        is_zero = self.lower_bound[series] <= 0
        is_zero &= is_zero_day(inputs.values, inputs.step, self.zero_values[series], self.zero_columns)
        return np.where(is_zero, 0.0, np.maximum(sane, self.lower_bound[series])), replaced, is_zero

    def _lacks_exogenous(self, inputs: ModelInputs, series: Positions) -> Flags:
        """Whether a candidate with a weight lacks a value; shape (n,)."""
        lacks = np.zeros(len(inputs), dtype=bool)
        if self.exogenous:
            for position, candidate in enumerate(self.candidates):
                lacks |= candidate.lacks_exogenous(inputs, series) & (self.weights[series, position] > 0)
        return lacks

    def take(self, series: Positions) -> "ForecastModel":
        """The same model of some of its series, in their order; the metadata remain."""
        return replace(
            self,
            unique_ids=tuple(self.unique_ids[position] for position in series),
            candidates=tuple(candidate.take(series) for candidate in self.candidates),
            **{name: getattr(self, name)[series] for name in BY_SERIES},
        )


BY_SERIES = (
    "weights", "error_quantiles", "calm_volatility", "lower_bound", "plausible", "features", "feature_days",
    "ended_after_days", "trained_ranges", "is_new", "history", "zero_values",
)  # fmt: skip
"""The model's own arrays with the series as first axis."""

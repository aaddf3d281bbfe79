"""What the control checks compare with: how errors behave in the backtest, learned when a model is trained.

The document goes into the model version's metadata, so thresholds belong to the version whose forecasts they judge.
Judging is in `questions`, the charts are in `charts`.
"""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from forecasting_platform.forecasting.models.steps_ahead import STEP_BUCKETS, bucket_of
from forecasting_platform.forecasting.models.training.backtest import Backtest
from forecasting_platform.forecasting.models.training.scores import BASELINES, naive_errors, root_mean_square
from forecasting_platform.forecasting.monitoring.control.chart_learning import days_to_detect, learn_references
from forecasting_platform.forecasting.monitoring.control.charts import BUDGETS, Chart, Reference
from forecasting_platform.forecasting.series.arrays import Days, Floats
from forecasting_platform.forecasting.series.days.calendar import SEASONS, season_of
from forecasting_platform.forecasting.series.features.panel import Panel

BIAS = Chart("bias", allowance=0.45, two_sided=True, centred=False)
RMSE = Chart("rmse", allowance=0.4, squared=True)
COVERAGE = Chart("coverage", allowance=0.35)
NAIVE = Chart("naive", allowance=0.35)
CHURN = Chart("churn", allowance=0.35)
CHARTS = {chart.name: chart for chart in (BIAS, RMSE, COVERAGE, NAIVE, CHURN)}

MIN_CELLS = 100
LEVEL = 80
BIAS_SIZES, SPREAD_SIZES = (1.0, 1.5, 2.0), (1.5, 2.0)


@dataclass(frozen=True, slots=True)
class SeriesReference:
    """One series in the backtest.

    Attributes:
        rmse: by season and step bucket; shape (4, 3). A cell with few errors is given its bucket's.
        baseline: which naive forecast was the better one.
        charts: by name; absent where the stream is too short or constant.
        days_to_detect: chart -> size of change -> median days at one false page a year; a bias in
            standard deviations of a day's mean error, a spread as factor. None: over 200 days.
        constant: whether its actual never changed there: then it has no chart.
    """

    rmse: Floats
    baseline: str
    charts: dict[str, Reference]
    days_to_detect: dict[str, dict[str, float | None]]
    constant: bool = False


def unit_of_errors(rmse: Floats, days: Days, steps: npt.NDArray[np.int64]) -> Floats:
    """The backtest's RMSE in the season of each day and the bucket of its step; `rmse` has shape (4, 3)."""
    unit: Floats = rmse[season_of(days), bucket_of(steps)]
    return unit


def control_document(results: Backtest, panel: Panel) -> dict[str, Any]:
    """The references of every series as JSON, from the scored part of a backtest."""
    baselines = {name: naive_errors(results, panel, name) for name in BASELINES}
    served = results.served_errors
    every = [
        _series_streams(served[series], results, {name: found[series] for name, found in baselines.items()})
        for series in range(len(results.unique_ids))
    ]
    constant = results.constant.tolist()
    charts = {
        name: learn_references(
            chart,
            # Errors on a constant series are rounding, which would still give a chart.
            [series.daily[name][: 0 if still else None] for series, still in zip(every, constant, strict=True)],
        )
        for name, chart in CHARTS.items()
    }
    delays = {name: _delays(name, charts[name], every) for name in ("bias", "rmse")}
    return {
        unique_id: {
            # JSON has no NaN, which stands where nothing was scored: of a series that ended early in a short history.
            "rmse": [[error if np.isfinite(error) else None for error in row] for row in series.rmse.tolist()],
            "baseline": series.baseline,
            "charts": {name: asdict(of) for name, found in charts.items() if (of := found[position]) is not None},
            "days_to_detect": {name: found[position] for name, found in delays.items() if found[position] is not None},
            "constant": constant[position],
        }
        for position, (unique_id, series) in enumerate(zip(results.unique_ids, every, strict=True))
    }


@dataclass(frozen=True, slots=True)
class _SeriesStreams:
    """The daily values of each chart of one series, with the RMSE and the naive forecast they are relative to."""

    rmse: Floats
    baseline: str
    daily: dict[str, Floats]


def daily_errors(results: Backtest, series: int) -> Floats:
    """A series' mean `y_hat - y` of each day over the steps that reach it, in units of the backtest's RMSE
    of the same season and step bucket; shape (T,), days in order.
    """
    errors = results.served_errors[series]
    steps = np.arange(1, errors.shape[1] + 1)
    days = results.cutoffs[:, None] + steps
    return _means(-errors / unit_of_errors(_rmse_by_season(errors, days), days, steps), days)


def _series_streams(errors: Floats, results: Backtest, baselines: Mapping[str, Floats]) -> _SeriesStreams:
    steps = np.arange(1, errors.shape[1] + 1)
    days = results.cutoffs[:, None] + steps
    rmse = _rmse_by_season(errors, days)
    # On the cells that the forecast has too: a baseline that lacks the hard days would look better.
    baseline = min(baselines, key=lambda name: root_mean_square(np.where(np.isfinite(errors), baselines[name], np.nan)))
    unit = unit_of_errors(rmse, days, steps)
    cells = {
        "bias": -errors / unit,
        "rmse": -errors / unit,
        "coverage": _misses(errors, results),
        "naive": (np.abs(errors) - np.abs(baselines[baseline])) / unit,
    }
    streams = {name: _means(values, days) for name, values in cells.items()}
    # A forecast is revised at a cutoff, whichever day it is of.
    moved = np.abs(_revisions(errors)) / unit
    streams["churn"] = _means(moved, np.broadcast_to(results.cutoffs[:, None], moved.shape))
    return _SeriesStreams(rmse, baseline, streams)


def _rmse_by_season(errors: Floats, days: Days) -> Floats:
    buckets = np.broadcast_to(bucket_of(np.arange(1, errors.shape[1] + 1)), errors.shape)
    seasons, known = season_of(days), np.isfinite(errors)
    found = np.full((len(SEASONS), len(STEP_BUCKETS)), np.nan)
    for season, bucket in np.ndindex(found.shape):
        of_bucket = known & (buckets == bucket)
        cells = of_bucket & (seasons == season)
        # A season that the backtest hardly saw has the RMSE of all seasons.
        chosen = cells if cells.sum() >= MIN_CELLS else of_bucket
        found[season, bucket] = root_mean_square(errors[chosen])
    # It is divided by; errors that were all zero are no unit.
    return np.where(found > 0, found, np.nan)


def _misses(errors: Floats, results: Backtest) -> Floats:
    """1 where an actual lay outside its interval, 0 where inside.

    The interval is made of errors known at the block's fit only, as when serving; the first two blocks have too few.
    """
    tail = (1 - LEVEL / 100) / 2
    missed = np.full_like(errors, np.nan)
    days = results.cutoffs[:, None] + np.arange(1, errors.shape[1] + 1)
    for fit_day in np.unique(results.fit_days)[2:]:
        block = results.fit_days == fit_day
        known = np.where(days <= fit_day, errors, np.nan)
        if np.isfinite(known).any(axis=0).all():
            low, high = _quantiles(known, tail), _quantiles(known, 1 - tail)
            outside = (errors[block] < low) | (errors[block] > high)
            missed[block] = np.where(np.isfinite(errors[block]), outside, np.nan)
    return missed


def _quantiles(errors: Floats, probability: float) -> Floats:
    """Quantiles of each step's known errors, equal to `np.nanquantile`, which is slow: it loops over the columns."""
    # `np.sort` puts NaN last, so the known errors of a step are the first ones.
    ordered = np.sort(errors, axis=0)
    position = probability * (np.isfinite(ordered).sum(axis=0) - 1)
    below = np.floor(position).astype(np.int64)
    low, high = (np.take_along_axis(ordered, at[None], axis=0)[0] for at in (below, np.ceil(position).astype(np.int64)))
    quantiles: Floats = low + (position - below) * (high - low)
    return quantiles


def _revisions(errors: Floats) -> Floats:
    """How far the forecast of a day moved since the cutoff before; shape as given, at the later cutoff."""
    # The actual is the same at both cutoffs, so the difference of errors is the difference of forecasts.
    moved = np.full_like(errors, np.nan)
    moved[1:, :-1] = errors[1:, :-1] - errors[:-1, 1:]
    return moved


def _means(values: Floats, days: Days) -> Floats:
    """Mean of the known values of each day, days in order."""
    # `bincount` sums by day in one pass; a groupby would make a frame for each chart of each series.
    position = (days - days.min()).astype(np.int64)
    known = np.isfinite(values)
    count = np.bincount(position[known], minlength=int(position.max()) + 1)
    total = np.bincount(position[known], weights=values[known], minlength=len(count))
    mean: Floats = total[count > 0] / count[count > 0]
    return mean


def _delays(
    name: str, references: Sequence[Reference | None], every: Sequence[_SeriesStreams]
) -> list[dict[str, float | None] | None]:
    """Size of change -> median days, of each series that has this chart."""
    chart = CHARTS[name]
    sizes = SPREAD_SIZES if chart.squared else BIAS_SIZES
    learned = [(of, series.daily[name]) for of, series in zip(references, every, strict=True) if of is not None]
    found = iter(days_to_detect(chart, learned, sizes, pages_a_year=1.0))
    return [None if of is None else _by_size(sizes, next(found)) for of in references]


def _by_size(sizes: Sequence[float], delays: Sequence[float]) -> dict[str, float | None]:
    return {f"{size:g}": days if np.isfinite(days) else None for size, days in zip(sizes, delays, strict=True)}


def references_from(metadata: Mapping[str, Any]) -> dict[str, SeriesReference]:
    """The references in a model's metadata by series; empty where the version has none.

    None either for a version whose thresholds are for other budgets than this code's.
    """
    found = metadata.get("control")
    if not isinstance(found, Mapping) or found.get("budgets") != list(BUDGETS):
        return {}
    return {unique_id: _series_reference(document) for unique_id, document in found["series"].items()}


def add_control_references(metadata: Mapping[str, Any], results: Backtest, panel: Panel) -> dict[str, Any]:
    """A model's metadata with the references of its backtest."""
    return {**metadata, "control": {"budgets": list(BUDGETS), "series": control_document(results, panel)}}


def _series_reference(document: Mapping[str, Any]) -> SeriesReference:
    charts = {name: Reference.from_document(stored) for name, stored in document["charts"].items()}
    rmse = np.array(document["rmse"], dtype=np.float64)
    return SeriesReference(
        rmse, document["baseline"], charts, document["days_to_detect"], document.get("constant", False)
    )

"""Plots as PNG bytes, for Dagster's metadata and MLflow. Matplotlib is loaded when a plot is drawn."""

import io
import textwrap
from collections.abc import Callable
from datetime import date, timedelta
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from forecasting_platform.forecasting.models.trained.forecasts import PARTS
from forecasting_platform.forecasting.models.trained.model_covariates import covariate_parts
from forecasting_platform.forecasting.models.training.backtest import Backtest
from forecasting_platform.forecasting.models.training.training import Training
from forecasting_platform.forecasting.promotion.decisions import PromotionDecision
from forecasting_platform.forecasting.series.arrays import Floats
from forecasting_platform.forecasting.series.days.calendar import calendar_values
from forecasting_platform.forecasting.series.days.not_normal import ALL_NORMAL, NotNormal, not_normal_of
from forecasting_platform.forecasting.series.features.inputs import ModelInputs, input_values
from forecasting_platform.forecasting.series.frames import LEVELS

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

MAX_SERIES, MAX_EVIDENCE_SERIES, MAX_COVARIATES = 6, 3, 8
TITLE_WIDTH = 105
HISTORY_DAYS = 120
INK, ACCENT, SOFT, SHADE = "#1f2937", "#0f766e", "#94a3b8", "#fde68a"
EXPLAINED_DAYS, EXPLAINED_STEP = 365, 7
"""A forecast is explained a week ahead, on each day of the last year."""


def _figure(panels: int, height: float = 2.4, *, is_placed: bool = False) -> "Figure":
    from matplotlib.figure import Figure

    figure = Figure(figsize=(9, height * max(1, panels)), layout=None if is_placed else "constrained")
    figure.subplots(max(1, panels), 1)
    return figure


def _title(axes: "Axes", text: str) -> None:
    # Dollars in the name of a series are no formula.
    axes.set_title(textwrap.fill(text, TITLE_WIDTH), loc="left", fontsize=10, color=INK, parse_math=False)


def _dated(figure: "Figure") -> "Figure":
    from matplotlib.dates import AutoDateLocator, ConciseDateFormatter

    for axes in figure.axes:
        locator = AutoDateLocator()  # type: ignore[no-untyped-call] # matplotlib
        axes.xaxis.set_major_locator(locator)
        axes.xaxis.set_major_formatter(ConciseDateFormatter(locator))  # type: ignore[no-untyped-call] # matplotlib
        axes.grid(alpha=0.3)
    return figure


def _shade(axes: "Axes", unique_id: str, not_normal: NotNormal) -> None:
    """Mark the periods of a series that are not normal, as far as they lie within what is plotted."""
    first, last = axes.get_xlim()
    label = "not normal"
    for period in not_normal.of(unique_id):
        # As matplotlib counts days; the last day is shaded whole.
        low, high = (float((day - date(1970, 1, 1)).days) for day in (period.start, period.end + timedelta(days=1)))
        if high > first and low < last:
            axes.axvspan(max(low, first), min(high, last), color=SHADE, alpha=0.6, zorder=0, label=label)
            label = ""
    axes.set_xlim(first, last)


def _png(figure: "Figure") -> bytes:
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=90)
    return buffer.getvalue()


def backtest_plot(results: Backtest) -> bytes:
    """RMSE by step of every candidate, one panel a series (the first six)."""
    steps = np.arange(1, results.y.shape[2] + 1)

    def draw(axes: "Axes", series: int) -> None:
        for candidate, name in enumerate(results.candidates):
            squares = results.errors[candidate, series][results.scored] ** 2
            axes.plot(steps, np.sqrt(_mean(squares)), label=name, linewidth=1.4)
        axes.set_ylabel("RMSE")
        axes.set_xlabel("step (days ahead)")
        axes.grid(alpha=0.3)

    return _png(_panels(_titles(results), draw))


def _titles(results: Backtest) -> tuple[str, ...]:
    """The series, each constant one with the word."""
    names = zip(results.unique_ids, results.constant, strict=True)
    return tuple(f"{name} (constant: decides nothing)" if constant else name for name, constant in names)


def training_plots(training: Training) -> dict[str, bytes]:
    """File name -> PNG: RMSE by step, residuals, coverage by step, and what moves a forecast."""
    return {
        "backtest_rmse_by_step.png": backtest_plot(training.results),
        "residuals.png": residuals_plot(training),
        "coverage_by_step.png": coverage_plot(training),
        "what_moves_a_forecast.png": parts_plot(training),
    }


def residuals_plot(training: Training) -> bytes:
    """Errors of what would have been served, a day and a week ahead, over the backtest; the first six series."""
    results = training.results
    scored = results.cutoffs[results.scored]

    def draw(axes: "Axes", series: int) -> None:
        for step, color in ((1, ACCENT), (7, SOFT)):
            if step <= results.y.shape[2]:
                errors = results.served_errors[series, results.scored, step - 1]
                axes.plot(scored + step, errors, ".", color=color, markersize=3, label=f"step {step}")
        axes.axhline(0, color=INK, linewidth=0.8)
        axes.set_ylabel("y - y_hat")
        _shade(axes, results.unique_ids[series], not_normal_of(training.model.metadata))

    return _png(_dated(_panels(_titles(results), draw)))


def coverage_plot(training: Training) -> bytes:
    """Share of actuals inside each interval by step, walking forward, beside what it promises; the first six series."""
    inside = training.intervals.inside
    steps = np.arange(1, inside.shape[2] + 1)

    def draw(axes: "Axes", series: int) -> None:
        for level, color, cells in zip(LEVELS, (ACCENT, INK), np.moveaxis(inside[series], -1, 0), strict=True):
            axes.plot(steps, 100 * _mean(cells), color=color, label=f"{level} %")
            axes.axhline(level, color=color, linewidth=0.8, linestyle="--")
        axes.set_ylabel("coverage, %")
        axes.set_xlabel("step (days ahead)")
        axes.grid(alpha=0.3)

    return _png(_panels(_titles(training.results), draw))


def parts_plot(training: Training) -> bytes:
    """How much each part of a forecast varied over a year (its standard deviation), and of the exogenous part each
    covariate; the first six series.
    """

    def draw(axes: "Axes", series: int) -> None:
        inputs = _inputs_of_a_year(training, series)
        covariates = covariate_parts(training.model, inputs).std(ddof=0)
        moving = covariates[covariates > 0].nlargest(MAX_COVARIATES)
        spread = pd.concat([training.model.explain(inputs)[list(PARTS)].std(ddof=0), moving])
        axes.barh(spread.index[::-1], spread[::-1], color=ACCENT)
        axes.set_xlabel("standard deviation, in the unit of the series")

    return _png(_panels(_titles(training.results), draw))


def _inputs_of_a_year(training: Training, series: int) -> ModelInputs:
    cutoffs = training.panel.days[-EXPLAINED_DAYS:]
    rows = training.panel.at(cutoffs)[series]
    known = training.panel.observed[series, -len(cutoffs) :]
    cutoffs, ds = cutoffs[known], cutoffs[known] + EXPLAINED_STEP
    unique_id = np.full(len(cutoffs), training.model.unique_ids[series], dtype=object)
    values = input_values(rows[known], calendar_values(ds, training.model.country))
    history = training.panel.history(cutoffs, training.model.window_days)[series]
    return ModelInputs(unique_id, cutoffs, ds, values, training.model.exogenous, history)


def _mean(cells: Floats) -> Floats:
    """Over cutoffs, of the known ones; NaN where none is."""
    known = np.isfinite(cells)
    count = known.sum(axis=0)
    return np.where(count > 0, np.where(known, cells, 0.0).sum(axis=0) / np.maximum(count, 1), np.nan)


def _panels(titles: tuple[str, ...], draw: Callable[["Axes", int], None]) -> "Figure":
    figure = _figure(min(len(titles), MAX_SERIES))
    for series, axes in enumerate(list(figure.axes)):
        draw(axes, series)
        _title(axes, titles[series])
    if figure.axes[0].get_legend_handles_labels()[0]:
        figure.axes[0].legend(fontsize=8, ncols=3, frameon=False)
    return figure


def observations_plot(observations: pd.DataFrame, not_normal: NotNormal = ALL_NORMAL) -> bytes:
    """Daily values, one panel a series (the first six), of which some are shaded."""

    def draw(axes: "Axes", rows: pd.DataFrame) -> None:
        axes.plot(rows["ds"], rows["y"], color=ACCENT, linewidth=0.9)
        _shade(axes, str(rows["unique_id"].iloc[0]), not_normal)

    return _series_plot(observations, draw)


def forecasts_plot(forecasts: pd.DataFrame, history: pd.DataFrame, not_normal: NotNormal = ALL_NORMAL) -> bytes:
    """The newest cutoff's forecast with its intervals after the last days of history, of which some are shaded."""
    newest = forecasts[forecasts["cutoff"] == forecasts["cutoff"].max()]
    figure = _figure(min(newest["unique_id"].nunique(), MAX_SERIES))
    for axes, (unique_id, rows) in zip(figure.axes, newest.groupby("unique_id"), strict=False):
        past = history[history["unique_id"] == unique_id].tail(HISTORY_DAYS)
        axes.plot(past["ds"], past["y"], color=INK, linewidth=0.9, label="actual")
        axes.fill_between(rows["ds"], rows["y_hat_lo_95"], rows["y_hat_hi_95"], color=ACCENT, alpha=0.15, label="95 %")
        axes.fill_between(rows["ds"], rows["y_hat_lo_80"], rows["y_hat_hi_80"], color=ACCENT, alpha=0.3, label="80 %")
        axes.plot(rows["ds"], rows["y_hat"], color=ACCENT, linewidth=1.4, label="forecast")
        _shade(axes, str(unique_id), not_normal)
        _title(axes, str(unique_id))
    figure.axes[0].legend(fontsize=8, ncols=4, frameon=False)
    return _png(_dated(figure))


def errors_plot(errors: pd.DataFrame, not_normal: NotNormal = ALL_NORMAL) -> bytes:
    """Mean actual and mean forecast of each day, one panel a series (the first six), of which some are shaded."""
    daily = errors.groupby(["unique_id", "ds"], as_index=False)[["y", "y_hat"]].mean()

    def draw(axes: "Axes", rows: pd.DataFrame) -> None:
        axes.plot(rows["ds"], rows["y"], color=INK, linewidth=1.0, label="actual")
        axes.plot(rows["ds"], rows["y_hat"], color=ACCENT, linewidth=1.2, label="mean forecast")
        _shade(axes, str(rows["unique_id"].iloc[0]), not_normal)

    return _series_plot(daily, draw)


def _series_plot(rows: pd.DataFrame, draw) -> bytes:  # type: ignore[no-untyped-def] # a callback on matplotlib's Axes
    names = rows["unique_id"].unique()[:MAX_SERIES]
    is_placed = all(len(name) <= TITLE_WIDTH for name in names)
    figure = _figure(len(names), height=1.8, is_placed=is_placed)
    if is_placed:
        _place(figure)
    # A panel may be given a second axis while it is drawn.
    for axes, unique_id in zip(list(figure.axes), names, strict=False):
        draw(axes, rows[rows["unique_id"] == unique_id])
        _title(axes, str(unique_id))
    return _png(_dated(figure))


def _place(figure: "Figure") -> None:
    """Fixed margins, for panels with a title of one line: to find them by drawing takes as long as the picture."""
    count, (side, above, below, between) = len(figure.axes), (0.75, 0.3, 0.5, 0.65)
    width, height = figure.get_size_inches()
    panel = (height - above - below - between * (count - 1)) / count
    figure.subplots_adjust(side / width, below / height, 1 - side / width, 1 - above / height, hspace=between / panel)


def decision_plot(decision: PromotionDecision) -> bytes:
    """Losses of both over the cutoffs, four weeks smoothed, and over shadow days where there are some."""
    inputs = decision.evidence["inputs"]
    both = {name: inputs[name] for name in ("champion", "challenger") if inputs[name]}
    panels = {"backtest": (inputs["cutoffs"], {name: of["loss"] for name, of in both.items()})}
    if inputs["shadow"]:
        panels["shadow"] = (inputs["shadow"]["days"], {name: inputs["shadow"][name] for name in both})
    figure = _figure(len(panels))
    for axes, (title, (days, losses)) in zip(figure.axes, panels.items(), strict=True):
        for (name, loss), color in zip(losses.items(), (INK, ACCENT), strict=False):
            label = f"{name}, version {inputs[name]['version']}"
            axes.plot(pd.to_datetime(days), pd.Series(loss).rolling(28, min_periods=1).mean(), color=color, label=label)
        _title(axes, f"{title}: {decision.verdict}, {decision.reason}")
        axes.set_ylabel("loss (1 = seasonal naive)")
    figure.axes[0].legend(fontsize=8, frameon=False)
    return _png(_dated(figure))


def evidence_plot(daily: pd.DataFrame) -> bytes:
    """What a control chart saw each day, and the evidence it added up against its threshold; the first three series.

    Args:
        daily: `unique_id`, `ds`, `value`, `evidence`, `threshold`.
    """

    def draw(axes: "Axes", rows: pd.DataFrame) -> None:
        # One object: a bar is one a day, and each takes long to draw.
        axes.vlines(rows["ds"], 0.0, rows["value"], color=SOFT, linewidth=3.0, label="day")
        evidence = axes.twinx()
        evidence.plot(rows["ds"], rows["evidence"], color=ACCENT, linewidth=1.4)
        evidence.axhline(rows["threshold"].iloc[0], color=INK, linewidth=0.8, linestyle="--")
        evidence.set_ylim(0, None)
        evidence.set_ylabel("evidence", color=ACCENT)

    shown = daily["unique_id"].unique()[:MAX_EVIDENCE_SERIES]
    return _series_plot(daily[daily["unique_id"].isin(shown)], draw)

"""The backtest evidence for a promotion: two recipes at the same cutoffs on the data known now."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

import numpy as np
import numpy.typing as npt

from forecasting_platform.errors import MissingMetricError
from forecasting_platform.forecasting.models.intervals import WalkForward
from forecasting_platform.forecasting.models.losses import Loss, average, losses_of
from forecasting_platform.forecasting.models.recipes.recipe import Recipe
from forecasting_platform.forecasting.models.steps_ahead import TRAINED_BUCKETS
from forecasting_platform.forecasting.models.training.backtest import Backtest, backtest
from forecasting_platform.forecasting.models.training.scores import BASELINES, naive_errors
from forecasting_platform.forecasting.models.training.training import judge_intervals
from forecasting_platform.forecasting.promotion.decision_inputs import Evidence, Numbers
from forecasting_platform.forecasting.series.arrays import Floats
from forecasting_platform.forecasting.series.days.not_normal import ALL_NORMAL, NotNormal
from forecasting_platform.forecasting.series.features.panel import Panel
from forecasting_platform.forecasting.series.frames import LEVELS

MAX_SCALED = 1e100
"""Losses in units of a forecast that is almost never wrong are cut here, so that their squares can be added."""


@dataclass(frozen=True, slots=True)
class Comparison:
    """Evidence of a challenger's recipe, of the champion's, and of both naive forecasts, on the same cells.

    Attributes:
        left_out: the periods that are not normal for either recipe and how many days of how many series of the
            backtest they are, JSON-ready; empty where there are none.
    """

    challenger: Evidence
    champion: Evidence | None
    naive: dict[str, Evidence]
    left_out: Numbers = field(default_factory=dict)


def compare_recipes(panel: Panel, challenger: Recipe, champion: Recipe | None) -> Comparison:
    """Backtest both recipes at the same cutoffs; they are judged by the loss of the challenger's.

    Args:
        panel: all data known now, of the series that both models have.

    Raises:
        InsufficientHistoryError: too few days to evaluate.
        MissingMetricError: nothing could be scored.
    """
    results = backtest(panel, challenger)
    same = champion is None or champion.fingerprint == challenger.fingerprint
    # The same recipe on the same data has the same errors: half the work.
    other = results if same or champion is None else backtest(panel, evaluated_as(champion, challenger))
    not_normal = challenger.not_normal | (champion.not_normal if champion else ALL_NORMAL)
    comparison = compare_backtests(panel, results, other, not_normal, challenger.loss)
    # Compared with itself up to here, so that one way serves both cases.
    return comparison if champion is not None else replace(comparison, champion=None)


def compare_backtests(
    panel: Panel,
    results: Backtest,
    other: Backtest,
    not_normal: NotNormal = ALL_NORMAL,
    loss: Loss = "squared",
) -> Comparison:
    """Compare two backtests at the same cutoffs of the same panel, the challenger's first.

    Args:
        not_normal: the periods that either leaves out.
        loss: what both are judged by.

    Raises:
        MissingMetricError: nothing could be scored.
    """
    naive = {name: naive_errors(results, panel, name) for name in BASELINES}
    intervals = [judge_intervals(own, panel) for own in (results, other)]
    cells = [_cells(own, judged, loss) for own, judged in zip((results, other), intervals, strict=True)]
    # The same cells for all: one that a forecaster lacks counts for none.
    shared = np.isfinite(cells[0]) & np.isfinite(cells[1])
    for errors in naive.values():
        shared &= np.isfinite(errors)

    def evidence(own: Backtest, judged: WalkForward, cells: Floats) -> Evidence:
        errors, found = np.where(shared, own.served_errors, np.nan), np.where(shared, cells, np.nan)
        both = (_mean_80(found[~results.constant]) for found in (judged.coverage(), judged.coverage_within()))
        return build_evidence(results, panel, errors, *both, loss=loss, cells=found)

    def of_naive(errors: Floats) -> Evidence:
        known = np.where(shared, errors, np.nan)
        return build_evidence(results, panel, known, loss=loss, cells=losses_of(known, loss))

    return Comparison(
        challenger=evidence(results, intervals[0], cells[0]),
        champion=evidence(other, intervals[1], cells[1]),
        naive={name: of_naive(errors) for name, errors in naive.items()},
        left_out=_left_out(panel, results, not_normal),
    )


def _cells(own: Backtest, judged: WalkForward, loss: Loss) -> Floats:
    scores = dict(zip(LEVELS, np.moveaxis(judged.score, -1, 0), strict=True))
    return losses_of(own.served_errors, loss, scores)


def _left_out(panel: Panel, results: Backtest, not_normal: NotNormal) -> Numbers:
    # Only days that a forecast of the backtest could have been judged on.
    judged = panel.days > results.cutoffs[results.scored].min(initial=panel.days[-1])
    mask = not_normal.mask(panel.unique_ids, panel.days) & panel.observed & judged
    if not mask.any():
        return {}
    days, series = (int(mask.any(axis=axis).sum()) for axis in (0, 1))
    return {"days": days, "series": series, "periods": not_normal.to_document()}


def evaluated_as(recipe: Recipe, other: Recipe) -> Recipe:
    """The recipe with the other's cutoffs, refits and horizon, so that only the way it forecasts differs."""
    return replace(recipe, horizon=other.horizon, backtest_days=other.backtest_days, refit_days=other.refit_days)


def _mean_80(coverage: Floats) -> float | None:
    of_80 = coverage[:, LEVELS.index(80)]
    return float(np.nanmean(of_80)) if np.isfinite(of_80).any() else None


def build_evidence(
    results: Backtest,
    panel: Panel,
    errors: Floats,
    coverage_80: float | None = None,
    within_80: float | None = None,
    *,
    loss: Loss = "squared",
    cells: Floats | None = None,
) -> Evidence:
    """Evidence from errors on a backtest's scored cutoffs, without constant series unless all are constant.

    Args:
        errors: `y - y_hat`; shape (S, C, horizon). Cells that are NaN here, or whose naive error is
            unknown, are left out; so are cutoffs without any cell.
        loss: what is judged by.
        cells: what the loss makes of each error (`losses_of`), of the same shape; by default of a point forecast.

    Raises:
        MissingMetricError: no cell is left to judge by.
    """
    constant = results.constant
    # A constant series is forecast exactly by anything, and would dilute every difference.
    decides = ~constant if not constant.all() else constant
    losses = measure_series(results, panel, errors, decides, loss=loss, cells=cells)
    measured = np.isfinite(losses.by_series).any(axis=0)
    if not measured.any():
        raise MissingMetricError("the loss", "a recipe", "not measured on any cutoff")
    by_series = losses.by_series[:, measured]
    return Evidence(
        loss=_mean(by_series),
        rmse=dict(zip(results.unique_ids, losses.rmse.tolist(), strict=True)),
        coverage_80=coverage_80,
        within_80=within_80,
        constant=tuple(np.array(results.unique_ids, dtype=object)[constant].tolist()),
        cutoffs=tuple(results.cutoffs[results.scored][measured].tolist()),
        by_step=_by_step({steps: loss[:, measured] for steps, loss in losses.by_step.items()}),
        by_series=dict(zip(results.unique_ids, by_series, strict=True)),
        unit=dict(zip(results.unique_ids, losses.unit.tolist(), strict=True)),
    )


@dataclass(frozen=True, slots=True)
class SeriesLosses:
    """Losses of each series at each scored cutoff, NaN where it was not scored.

    Attributes:
        by_series: over the horizon; shape (S, C).
        by_step: the same of some steps alone.
        rmse: over all cutoffs, in the series' own unit; shape (S,), 0 without any.
        unit: the loss of the seasonal naive forecast, likewise.
    """

    by_series: Floats
    by_step: dict[str, Floats]
    rmse: Floats
    unit: Floats


def measure_series(
    results: Backtest,
    panel: Panel,
    errors: Floats,
    decides: npt.NDArray[np.bool_],
    *,
    loss: Loss = "squared",
    cells: Floats | None = None,
) -> SeriesLosses:
    """The losses of each series that decides, in the unit of its seasonal naive forecast.

    Args:
        errors, loss, cells: as of `build_evidence`.
        decides: which series count; shape (S,).
    """
    scale = naive_errors(results, panel, "seasonal_naive")[:, results.scored]
    judged = np.isfinite(scale) & decides[:, None, None]
    scored = np.where(judged, (losses_of(errors, loss) if cells is None else cells)[:, results.scored], np.nan)
    unit = average(np.where(np.isfinite(scored), losses_of(scale, loss), np.nan), loss, (1, 2))
    # The seasonal naive forecast has no error on a constant series: where all are constant, errors count unscaled.
    with np.errstate(over="ignore"):
        scaled = np.clip(scored / np.where(unit > 0, unit, 1.0)[:, None, None], -MAX_SCALED, MAX_SCALED)
    own = np.where(judged, errors[:, results.scored], np.nan)
    return SeriesLosses(
        by_series=average(scaled, loss, 2),
        by_step={name: average(scaled[:, :, steps], loss, 2) for name, steps in TRAINED_BUCKETS.items()},
        rmse=np.nan_to_num(average(own, "squared", (1, 2))),
        unit=np.nan_to_num(unit),
    )


def _by_step(by_series: Mapping[str, Floats]) -> dict[str, Floats]:
    losses = {name: _mean(of_steps) for name, of_steps in by_series.items()}
    # The newest cutoffs have no actuals for far steps yet: a group of steps is judged on the cutoffs that have them.
    return {name: loss[np.isfinite(loss)] for name, loss in losses.items() if np.isfinite(loss).any()}


def _mean(by_series: Floats) -> Floats:
    """Mean over the series that were scored at a cutoff; NaN where none was."""
    known = np.isfinite(by_series)
    with np.errstate(invalid="ignore"):
        return np.asarray(np.where(known, by_series, 0.0).sum(axis=0) / known.sum(axis=0))

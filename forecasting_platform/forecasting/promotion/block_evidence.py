"""The losses of a backtest on one block of series: what of them is needed to compare recipes on many blocks together.

Joining the blocks is in `evidence`.
"""

from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from forecasting_platform.forecasting.models.intervals import WalkForward
from forecasting_platform.forecasting.models.losses import Loss, average, losses_of
from forecasting_platform.forecasting.models.recipes.recipe import Recipe
from forecasting_platform.forecasting.models.steps_ahead import TRAINED_BUCKETS
from forecasting_platform.forecasting.models.training.backtest import Backtest, backtest
from forecasting_platform.forecasting.models.training.scores import BASELINES, naive_errors
from forecasting_platform.forecasting.models.training.training import judge_intervals
from forecasting_platform.forecasting.series.arrays import Days, Floats
from forecasting_platform.forecasting.series.days.not_normal import ALL_NORMAL, NotNormal
from forecasting_platform.forecasting.series.features.panel import Panel
from forecasting_platform.forecasting.series.frames import LEVELS

CHALLENGER, CHAMPION = "challenger", "champion"
MAX_SCALED = 1e100
"""Losses in units of a forecast that is almost never wrong are cut here, so that their squares can be added."""


@dataclass(frozen=True, slots=True)
class SeriesLosses:
    """Losses of each series at each scored cutoff, in the unit of its seasonal naive forecast; NaN where not scored.

    Attributes:
        by_series: over the horizon; shape (S, C).
        by_step: of some steps alone, the sum over the series and how many it is of; each of shape (2, C).
        rmse: over all cutoffs, in the series' own unit; shape (S,), 0 without any.
        covered: how much the 80 % interval covered, bounds included and excluded; shape (2, S), NaN where not measured.
    """

    by_series: Floats
    by_step: dict[str, Floats]
    rmse: Floats
    covered: Floats


@dataclass(frozen=True, slots=True)
class BlockEvidence:
    """Losses of several forecasters on the same cells of one block of series.

    Attributes:
        cutoffs: those that are scored; shape (C,), the same of all blocks.
        constant: which series never changed; shape (S,).
        unit: the loss of each series' seasonal naive forecast, in the series' own unit; shape (S,).
        losses: of `CHALLENGER`, of `CHAMPION` where it is another recipe, and of the naive forecasts.
        left_out: the days of the backtest that are not normal for some series.
        left_out_series: how many series these are.
    """

    unique_ids: tuple[str, ...]
    cutoffs: Days
    constant: npt.NDArray[np.bool_]
    unit: Floats
    losses: dict[str, SeriesLosses]
    left_out: Days
    left_out_series: int

    def undecided(self) -> "BlockEvidence":
        """The same block, of which no series decides."""
        return replace(self, losses={name: _unscored(of) for name, of in self.losses.items()})


def _unscored(of: SeriesLosses) -> SeriesLosses:
    by_series, covered = (np.full_like(values, np.nan) for values in (of.by_series, of.covered))
    by_step = {steps: np.zeros_like(sums) for steps, sums in of.by_step.items()}
    return SeriesLosses(by_series, by_step, np.zeros_like(of.rmse), covered)


def measure_recipes(panel: Panel, challenger: Recipe, champion: Recipe | None) -> BlockEvidence:
    """Backtest both recipes at the same cutoffs; they are judged by the loss of the challenger's.

    Args:
        panel: all data known now of the block's series, on the days of all blocks.

    Raises:
        InsufficientHistoryError: too few days to evaluate.
    """
    results = backtest(panel, challenger)
    same = champion is None or champion.fingerprint == challenger.fingerprint
    # The same recipe on the same data has the same errors: half the work.
    other = results if same or champion is None else backtest(panel, evaluated_as(champion, challenger))
    not_normal = challenger.not_normal | (champion.not_normal if champion else ALL_NORMAL)
    return measure_backtests(panel, results, other, not_normal, challenger.loss)


def evaluated_as(recipe: Recipe, other: Recipe) -> Recipe:
    """The recipe with the other's cutoffs, refits and horizon, so that only the way it forecasts differs."""
    return replace(recipe, horizon=other.horizon, backtest_days=other.backtest_days, refit_days=other.refit_days)


def measure_backtests(
    panel: Panel,
    results: Backtest,
    other: Backtest,
    not_normal: NotNormal = ALL_NORMAL,
    loss: Loss = "squared",
    *,
    judged: WalkForward | None = None,
    without: npt.NDArray[np.bool_] | None = None,
) -> BlockEvidence:
    """Measure two backtests at the same cutoffs of the same panel, the challenger's first.

    Args:
        not_normal: the periods that either leaves out.
        loss: what both are judged by.
        judged: how the challenger's intervals did, where that is known already.
        without: series that do not decide, besides the constant ones; shape (S,).
    """
    backtests, intervals = {CHALLENGER: results}, {CHALLENGER: judged or judge_intervals(results, panel)}
    if other is not results:
        backtests[CHAMPION], intervals[CHAMPION] = other, judge_intervals(other, panel)
    errors = {name: own.served_errors for name, own in backtests.items()}
    cells = {name: _cells(errors[name], intervals[name], loss) for name in backtests}
    for name in BASELINES:
        errors[name] = naive_errors(results, panel, name)
        cells[name] = losses_of(errors[name], loss)
    # The same cells for all: one that a forecaster lacks counts for none.
    shared = np.logical_and.reduce([np.isfinite(of) for of in cells.values()])
    constant = results.constant
    # A constant series is forecast exactly by anything, and would dilute every difference.
    decides = ~constant if not constant.all() else constant
    measured = ~constant
    if without is not None:
        decides, measured = decides & ~without, measured & ~without
    scale = naive_errors(results, panel, "seasonal_naive")[:, results.scored]
    scored = shared[:, results.scored] & np.isfinite(scale) & decides[:, None, None]
    unit = average(np.where(scored, losses_of(scale, loss), np.nan), loss, (1, 2))
    days, series = _left_out(panel, results, not_normal)
    return BlockEvidence(
        unique_ids=results.unique_ids,
        cutoffs=results.cutoffs[results.scored],
        constant=constant,
        unit=np.nan_to_num(unit),
        losses={
            name: measure_series(
                np.where(scored, errors[name][:, results.scored], np.nan),
                np.where(scored, of[:, results.scored], np.nan),
                unit,
                loss,
                _covered(intervals.get(name), measured),
            )
            for name, of in cells.items()
        },
        left_out=days,
        left_out_series=series,
    )


def measure_series(errors: Floats, cells: Floats, unit: Floats, loss: Loss, covered: Floats) -> SeriesLosses:
    """The losses of each series, in the unit of its seasonal naive forecast.

    Args:
        errors: `y - y_hat`; shape (S, C, horizon), NaN where not scored.
        cells: what the loss makes of each error (`losses_of`), of the same shape.
        unit: shape (S,).
        covered: see `SeriesLosses`.
    """
    # The seasonal naive forecast has no error on a constant series: where all are constant, errors count unscaled.
    with np.errstate(over="ignore"):
        scaled = np.clip(cells / np.where(unit > 0, unit, 1.0)[:, None, None], -MAX_SCALED, MAX_SCALED)
    by_step = {name: average(scaled[:, :, steps], loss, 2) for name, steps in TRAINED_BUCKETS.items()}
    return SeriesLosses(
        by_series=average(scaled, loss, 2),
        by_step={name: sum_and_count(of_steps) for name, of_steps in by_step.items()},
        rmse=np.nan_to_num(average(errors, "squared", (1, 2))),
        covered=covered,
    )


def sum_and_count(by_series: Floats) -> Floats:
    """The sum over the series that were scored at each cutoff, and how many they are; shape (2, C)."""
    known = np.isfinite(by_series)
    return np.stack([np.where(known, by_series, 0.0).sum(axis=0), known.sum(axis=0)])


def _cells(errors: Floats, judged: WalkForward, loss: Loss) -> Floats:
    scores = dict(zip(LEVELS, np.moveaxis(judged.score, -1, 0), strict=True))
    return losses_of(errors, loss, scores)


def _covered(judged: WalkForward | None, measured: npt.NDArray[np.bool_]) -> Floats:
    if judged is None:
        return np.full((2, len(measured)), np.nan)
    of_80 = LEVELS.index(80)
    covered = np.stack([judged.coverage()[:, of_80], judged.coverage_within()[:, of_80]])
    return np.where(measured, covered, np.nan)


def _left_out(panel: Panel, results: Backtest, not_normal: NotNormal) -> tuple[Days, int]:
    # Only days that a forecast of the backtest could have been judged on.
    judged = panel.days > results.cutoffs[results.scored].min(initial=panel.days[-1])
    mask = not_normal.mask(panel.unique_ids, panel.days) & panel.observed & judged
    return panel.days[mask.any(axis=0)], int(mask.any(axis=1).sum())

"""Rolling-origin evaluation: every option on the same cutoffs, the same data and the same metrics.

At an inclusive `cutoff` a forecaster may know the feature rows up to that day and has been fitted on
data up to the newest fit day at or before it. Nothing later is reachable: the panel is cut first.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import date

import numpy as np
import numpy.typing as npt

from forecasting_platform.errors import InsufficientHistoryError
from forecasting_platform.forecasting.calendar import Days, Floats
from forecasting_platform.forecasting.fitting import fit_candidates
from forecasting_platform.forecasting.panel import Panel, panel_inputs
from forecasting_platform.forecasting.recipe import Recipe

LEAST_HISTORY_DAYS = 15
FIRST_FIT_DAYS = 365


@dataclass(frozen=True, slots=True)
class Backtest:
    """What every option of a recipe would have forecast.

    Attributes:
        unique_ids: S series.
        cutoffs: C inclusive cutoffs, ascending, consecutive.
        fit_days: the day each cutoff's forecasters were fitted on; shape (C,).
        options: names of the O options.
        y_hat: point forecasts; shape (O, S, C, horizon), NaN where the cutoff day was not observed.
        y: the actuals; shape (S, C, horizon), NaN where not observed (or not yet).
        selected: the option that past cutoffs would have chosen; shape (S, C), -1 in the first block,
            where nothing had been evaluated yet.
    """

    unique_ids: tuple[str, ...]
    cutoffs: Days
    fit_days: Days
    options: tuple[str, ...]
    y_hat: Floats
    y: Floats
    selected: npt.NDArray[np.int64]

    @property
    def errors(self) -> Floats:
        """`y - y_hat` of each option; shape (O, S, C, horizon)."""
        return self.y - self.y_hat

    @property
    def selected_errors(self) -> Floats:
        """`y - y_hat` of the option chosen at each cutoff; shape (S, C, horizon), NaN in the first block."""
        chosen = np.take_along_axis(self.errors, np.maximum(self.selected, 0)[None, :, :, None], axis=0)[0]
        return np.where(self.selected[:, :, None] >= 0, chosen, np.nan)

    @property
    def scored(self) -> npt.NDArray[np.bool_]:
        """Cutoffs after the first block: those that scores are made of, for every option; shape (C,)."""
        return self.fit_days > self.fit_days[0]

    def known_at(self, day: np.datetime64) -> Floats:
        """Errors of each option whose actual was known at the end of a day; NaN elsewhere."""
        ds = self.cutoffs[:, None] + np.arange(1, self.y.shape[2] + 1)
        return np.where(ds <= day, self.errors, np.nan)


def fit_days(panel: Panel, recipe: Recipe) -> Days:
    """The days the forecasters of a backtest are fitted on, each inclusive, ascending.

    Raises:
        InsufficientHistoryError: fewer than `LEAST_HISTORY_DAYS` days.
    """
    total = len(panel.days)
    if total < LEAST_HISTORY_DAYS:
        raise InsufficientHistoryError(total, LEAST_HISTORY_DAYS)
    first = max(total - recipe.backtest_days, min(FIRST_FIT_DAYS, total // 2)) - 1
    return panel.days[first : -1 : min(recipe.refit_days, max(1, total // 4))]


def backtest(panel: Panel, recipe: Recipe) -> Backtest:
    """Every option of a recipe on every day since the first fit day.

    Args:
        panel: all that is known now; its last day is the newest cutoff.

    Raises:
        InsufficientHistoryError: too few days.
    """
    fits = fit_days(panel, recipe)
    cutoffs = panel.days[panel.days >= fits[0]]
    shape = (len(recipe.candidates), len(panel.unique_ids), len(cutoffs), recipe.horizon)
    each = np.full(shape, np.nan)
    for fit_day, block in _blocks(fits, cutoffs):
        forecasters = fit_candidates(panel.until(fit_day), recipe)
        inputs, (series, cutoff, step) = panel_inputs(panel, cutoffs[block], recipe.horizon, recipe.country)
        for candidate, forecaster in enumerate(forecasters):
            each[candidate, series, cutoff + block.start, step] = forecaster.predict(inputs, series)
    options = np.array([[weights.get(name, 0.0) for name in recipe.candidates] for weights in recipe.options.values()])
    unselected = Backtest(
        unique_ids=panel.unique_ids,
        cutoffs=cutoffs,
        fit_days=fits[np.searchsorted(fits, cutoffs, side="right") - 1],
        options=tuple(recipe.options),
        y_hat=np.tensordot(options, each, axes=1),
        y=panel.actuals(cutoffs, recipe.horizon),
        selected=np.full((len(panel.unique_ids), len(cutoffs)), -1),
    )
    return replace(unselected, selected=_selection(unselected, fits))


def _blocks(fits: Days, cutoffs: Days) -> Iterator[tuple[np.datetime64, slice]]:
    edges = [*np.searchsorted(cutoffs, fits), len(cutoffs)]
    for fit_day, start, stop in zip(fits, edges[:-1], edges[1:], strict=True):
        yield fit_day, slice(int(start), int(stop))


def _selection(results: Backtest, fits: Days) -> npt.NDArray[np.int64]:
    selected = results.selected.copy()
    for fit_day, block in list(_blocks(fits, results.cutoffs))[1:]:
        selected[:, block] = best_options(results.known_at(fit_day))[:, None]
    return selected


def best_options(errors: Floats) -> npt.NDArray[np.int64]:
    """For each series the option with the lowest mean squared error; the first listed wins a tie; shape (S,).

    Args:
        errors: shape (O, S, C, horizon). Only cells known for every option count. A series without
            any is given the first option.

    >>> best_options(np.array([[[[2.0]]], [[[1.0]]], [[[1.0]]]])).tolist()
    [1]
    """
    known = np.isfinite(errors).all(axis=0)
    squares = np.where(known, errors, 0.0) ** 2
    best: npt.NDArray[np.int64] = np.argmin(squares.sum(axis=(2, 3)), axis=0)
    return best


def last_day(panel: Panel) -> date:
    """The panel's last day."""
    day: date = panel.days[-1].astype(object)
    return day

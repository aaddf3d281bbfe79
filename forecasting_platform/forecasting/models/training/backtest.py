"""Rolling-origin evaluation: every candidate on the same cutoffs, the same data and the same metrics.

At an inclusive `cutoff` a candidate may know the feature rows up to that day and has been fitted on
data up to the newest fit day at or before it. Nothing later is reachable: the panel is cut first.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from forecasting_platform.errors import InsufficientHistoryError
from forecasting_platform.forecasting.models.candidates.guarded import forecast_block
from forecasting_platform.forecasting.models.combining import combination_weights
from forecasting_platform.forecasting.models.recipes.recipe import Recipe
from forecasting_platform.forecasting.models.zero_days import learn_zero_values, zero_block, zero_columns
from forecasting_platform.forecasting.series.arrays import Days, Floats
from forecasting_platform.forecasting.series.days.not_normal import refuse_too_few_normal_days
from forecasting_platform.forecasting.series.features.panel import Panel
from forecasting_platform.forecasting.series.lifetime import is_constant

MIN_HISTORY_DAYS = 15
FIRST_FIT_DAYS = 365


@dataclass(frozen=True, slots=True)
class Backtest:
    """What every candidate of a recipe would have forecast, and what would have been served.

    Attributes:
        unique_ids: S series.
        cutoffs: C inclusive cutoffs, ascending, consecutive.
        fit_days: the day each cutoff's candidates were fitted on; shape (C,).
        candidates: names of the K candidates.
        y_hat: point forecasts; shape (K, S, C, horizon), NaN where the cutoff day was not observed.
        y: the actuals; shape (S, C, horizon), NaN where not observed (or not yet), of a day that is not forecast, and
            where the day or the cutoff is not normal.
        weights: of the candidates, as errors known at the fit day would have given them; shape (S, C, K),
            NaN in the first block, where nothing had been evaluated yet.
    """

    unique_ids: tuple[str, ...]
    cutoffs: Days
    fit_days: Days
    candidates: tuple[str, ...]
    y_hat: Floats
    y: Floats
    weights: Floats

    @property
    def errors(self) -> Floats:
        """`y - y_hat` of each candidate; shape (K, S, C, horizon)."""
        return self.y - self.y_hat

    @property
    def served_errors(self) -> Floats:
        """`y - y_hat` of what would have been served; shape (S, C, horizon), NaN in the first block."""
        return self.y - np.einsum("ksch,sck->sch", self.y_hat, self.weights)

    @property
    def scored(self) -> npt.NDArray[np.bool_]:
        """Cutoffs after the first block: those that scores are made of, for everybody; shape (C,)."""
        return self.fit_days > self.fit_days[0]

    @property
    def constant(self) -> npt.NDArray[np.bool_]:
        """Series whose actual never changed over the scored cutoffs (all of them where none is scored); shape (S,).

        They are served, and decide nothing: not a loss, a coverage, a chart or the weight of a candidate.
        """
        judged = self.y[:, self.scored] if self.scored.any() else self.y
        return is_constant(judged.reshape(len(self.unique_ids), -1))

    def known_at(self, day: np.datetime64) -> Floats:
        """Errors of each candidate whose actual was known at the end of a day, of the cutoffs before it; else NaN."""
        # An error is known once its day has come, which for far steps is days after the cutoff.
        before = slice(int(np.searchsorted(self.cutoffs, day)))
        ds = self.cutoffs[before, None] + np.arange(1, self.y.shape[2] + 1)
        return np.where(ds <= day, self.y[:, before] - self.y_hat[:, :, before], np.nan)


def fit_days(panel: Panel, recipe: Recipe) -> Days:
    """The days the candidates of a backtest are fitted on, each inclusive, ascending.

    Raises:
        InsufficientHistoryError: fewer than `MIN_HISTORY_DAYS` days.
        ConfigurationError: the periods that are not normal leave fewer.
    """
    total = len(panel.days)
    if total < MIN_HISTORY_DAYS:
        raise InsufficientHistoryError(total, MIN_HISTORY_DAYS)
    refuse_too_few_normal_days(recipe.not_normal, panel.unique_ids, panel.days, panel.observed, MIN_HISTORY_DAYS)
    # A year of history before the first fit shows every season once; a shorter history is halved.
    first = max(total - recipe.backtest_days, min(FIRST_FIT_DAYS, total // 2)) - 1
    return panel.days[first : -1 : min(recipe.refit_days, max(1, total // 4))]


def backtest(panel: Panel, recipe: Recipe) -> Backtest:
    """Every candidate of a recipe on every day since the first fit day.

    Args:
        panel: all that is known now; its last day is the newest cutoff.

    Raises:
        InsufficientHistoryError: too few days.
        ConfigurationError: the periods that are not normal leave too few.
        CandidateError: a candidate of another package failed.
    """
    panel = recipe.view(panel)
    fits = fit_days(panel, recipe)
    cutoffs = panel.days[panel.days >= fits[0]]
    shape = (len(recipe.candidates), len(panel.unique_ids), len(cutoffs), recipe.horizon)
    y_hat, zeros = np.full(shape, np.nan), zero_columns(recipe.declared, recipe.horizon)
    for fit_day, block in _blocks(fits, cutoffs):
        # Forecasts are made from the rows of the cutoffs, by fits that know nothing after their fit day.
        rows = panel.block(cutoffs[block], recipe.horizon, recipe.country, recipe.window_days)
        known = panel.until(fit_day)
        is_zero = zero_block(rows, learn_zero_values(known, zeros), zeros)
        for position, fitted in enumerate(recipe.fit(known)):
            y_hat[position, :, block] = np.where(is_zero, 0.0, forecast_block(fitted, rows))
    unweighted = Backtest(
        unique_ids=panel.unique_ids,
        cutoffs=cutoffs,
        fit_days=fits[np.searchsorted(fits, cutoffs, side="right") - 1],
        candidates=recipe.names,
        y_hat=y_hat,
        y=_due_actuals(panel, cutoffs, recipe),
        weights=np.full((shape[1], shape[2], shape[0]), np.nan),
    )
    return replace(unweighted, weights=_weights(unweighted, fits, recipe))


def _due_actuals(panel: Panel, cutoffs: Days, recipe: Recipe) -> Floats:
    actuals = panel.actuals(cutoffs, recipe.horizon)
    if not recipe.calendars.is_every_day:
        days = np.arange(cutoffs[0] + 1, cutoffs[-1] + recipe.horizon + 1)
        ahead = np.arange(len(cutoffs))[:, None] + np.arange(recipe.horizon)
        actuals[~recipe.calendars.is_due(panel.unique_ids, days)[:, ahead]] = np.nan
    return actuals


def _blocks(fits: Days, cutoffs: Days) -> Iterator[tuple[np.datetime64, slice]]:
    edges = [*np.searchsorted(cutoffs, fits), len(cutoffs)]
    for fit_day, start, stop in zip(fits, edges[:-1], edges[1:], strict=True):
        yield fit_day, slice(int(start), int(stop))


def _weights(results: Backtest, fits: Days, recipe: Recipe) -> Floats:
    weights = results.weights.copy()
    for fit_day, block in list(_blocks(fits, results.cutoffs))[1:]:
        known = combination_weights(results.known_at(fit_day), recipe.prior, recipe.shrinkage, recipe.loss)
        weights[:, block] = known[:, None]
    return weights

"""The direct regression: one ridge regression a series and step. Its columns are `ridge_regressors`."""

from dataclasses import dataclass
from typing import Annotated, ClassVar

import numpy as np
import numpy.typing as npt
from pydantic import Field

from forecasting_platform.forecasting.models.candidates.candidate import (
    LEVEL,
    Candidate,
    FittedCandidate,
    Positions,
    Task,
    named_parts,
)
from forecasting_platform.forecasting.models.candidates.ridge.ridge_equations import fit_regressions
from forecasting_platform.forecasting.models.candidates.ridge.ridge_regressors import (
    FLAGS_AHEAD,
    KNOWN_AT_CUTOFF,
    REGRESSORS,
    RELATIVE_NAMES,
    WAVES_AHEAD,
    WEEKDAYS_AHEAD,
    calendar_regressors,
    exogenous_regressors,
    known_regressors,
    regressors,
    seasonal_basis,
)
from forecasting_platform.forecasting.models.steps_ahead import trained_step
from forecasting_platform.forecasting.series.arrays import Floats
from forecasting_platform.forecasting.series.covariates.exogenous import columns_by_step
from forecasting_platform.forecasting.series.days.calendar import yearly_waves
from forecasting_platform.forecasting.series.features.input_blocks import InputBlock
from forecasting_platform.forecasting.series.features.inputs import ModelInputs
from forecasting_platform.forecasting.series.features.panel import Panel
from forecasting_platform.forecasting.series.frames import FEATURE_NAMES

LONG_MEANS = ("mean_91", "mean_364")
_LONG_MEANS = [RELATIVE_NAMES.index(name) for name in LONG_MEANS]


@dataclass(frozen=True, slots=True)
class FittedDirectRidge(FittedCandidate):
    """One ridge regression a step, of the change since the cutoff day (direct strategy: Taieb et al. 2012,
    doi:10.1016/j.eswa.2012.01.039).

    Attributes:
        intercept: shape (S, horizon).
        coefficients: of `regressors` and of the `exogenous_regressors` of E columns, on their own scale; shape
            (S, horizon, REGRESSORS + (1 + K) · E).
        exogenous_mean: of the exogenous columns over the year, as coefficients of `seasonal_basis`; shape (S, E,
            SEASONAL_MEAN).
        exogenous_knots: where the effect of each column bends; shape (S, E, K).
    """

    name: ClassVar[str] = "direct_ridge"
    intercept: Floats
    coefficients: Floats
    exogenous_mean: Floats
    exogenous_knots: Floats

    def predict(self, inputs: ModelInputs, series: Positions) -> Floats:
        """The cutoff day's value and the regressed change; shape (n,)."""
        step = self._step(inputs)
        own = self.coefficients[series, step][:, :REGRESSORS]
        change = np.einsum("np,np->n", regressors(inputs), own)
        forecasts: Floats = inputs.column("y") + self.intercept[series, step] + change
        return forecasts + self._exogenous_part(inputs, series) if inputs.exogenous else forecasts

    def predict_block(self, block: InputBlock) -> Floats:
        """The cutoffs' values and the regressed changes: one matrix product a series, and one a step."""
        features, horizon = block.features, block.shape[2]
        coefficients = self.coefficients[:, :horizon]
        # What is known at the cutoff is the same at every step: one product for all of them.
        forecasts: Floats = known_regressors(features) @ coefficients[:, :, KNOWN_AT_CUTOFF].swapaxes(1, 2)
        forecasts += features[:, :, :1] + self.intercept[:, None, :horizon]
        # The calendar ahead is the same for every series: one product a step.
        ahead = calendar_regressors(block.calendar)
        for step in range(horizon):
            forecasts[:, :, step] += coefficients[:, step, KNOWN_AT_CUTOFF.stop : REGRESSORS] @ ahead[:, step].T
        if self.exogenous_mean.size:
            next_day = ahead[:, 0, WAVES_AHEAD.start - FLAGS_AHEAD.start :]
            mean = seasonal_basis(next_day) @ self.exogenous_mean.swapaxes(1, 2)
            values, knots = features[:, :, len(FEATURE_NAMES) :], self.exogenous_knots[:, None]
            away = exogenous_regressors(values, mean, knots)
            forecasts += away @ coefficients[:, :, REGRESSORS:].swapaxes(1, 2)
        return forecasts

    def parts(self, inputs: ModelInputs, series: Positions) -> Floats:
        """The coefficients' shares; the trend is the drift and the way back to the means of 91 and 364 days."""
        step = self._step(inputs)
        coefficients = self.coefficients[series, step][:, :REGRESSORS]
        shares = regressors(inputs) * coefficients
        # Seven weekday flags and an intercept hold one number too many: the flags' mean belongs to the drift.
        weekday_mean = coefficients[:, WEEKDAYS_AHEAD].mean(axis=1)
        away = inputs.columns(LONG_MEANS) - inputs.column(LEVEL)[:, None]
        return named_parts(
            inputs,
            trend=self.intercept[series, step] + weekday_mean + (away * coefficients[:, _LONG_MEANS]).sum(axis=1),
            weekly=shares[:, WEEKDAYS_AHEAD].sum(axis=1) - weekday_mean,
            yearly=shares[:, WAVES_AHEAD].sum(axis=1),
            holiday=shares[:, len(RELATIVE_NAMES) : FLAGS_AHEAD.stop].sum(axis=1),
            **({"exogenous": self._exogenous_part(inputs, series)} if inputs.exogenous else {}),
        )

    def weekday_effects(self, inputs: ModelInputs, series: Positions) -> Floats:
        """What each weekday would add, Monday first; shape (n, 7), each row's mean is 0."""
        effects = self.coefficients[series, self._step(inputs)][:, WEEKDAYS_AHEAD]
        return effects - effects.mean(axis=1, keepdims=True)

    def lacks_exogenous(self, inputs: ModelInputs, series: Positions) -> npt.NDArray[np.bool_]:
        """Whether a value that a regressor of the step is made of is not known."""
        coefficients = self.coefficients[series, self._step(inputs)][:, REGRESSORS:]
        columns = len(inputs.exogenous)
        is_used = (coefficients.reshape(len(inputs), coefficients.shape[1] // columns, columns) != 0).any(axis=1)
        lacks: npt.NDArray[np.bool_] = (is_used & ~np.isfinite(inputs.exogenous_values)).any(axis=1)
        return lacks & (inputs.step <= self.intercept.shape[1])

    def _step(self, inputs: ModelInputs) -> Positions:
        """The position of the step that answers each row's."""
        return trained_step(inputs.step, self.intercept.shape[1]) - 1

    def exogenous_parts(self, inputs: ModelInputs, series: Positions) -> Floats:
        """The shares of each column and of its bends, which add up to the part."""
        count = len(inputs.exogenous)
        shares = self._exogenous_shares(inputs, series)
        return shares.reshape(len(inputs), shares.shape[1] // count, count).sum(axis=1) if count else shares

    def _exogenous_part(self, inputs: ModelInputs, series: Positions) -> Floats:
        """What the exogenous columns add; shape (n,)."""
        part: Floats = self._exogenous_shares(inputs, series).sum(axis=1)
        return part

    def _exogenous_shares(self, inputs: ModelInputs, series: Positions) -> Floats:
        """The share of each of their regressors; shape (n, (1 + K) · E). None describes a day beyond the horizon."""
        mean = np.einsum("nek,nk->ne", self.exogenous_mean[series], seasonal_basis(yearly_waves(inputs.cutoff + 1)))
        away = exogenous_regressors(inputs.exogenous_values, mean, self.exogenous_knots[series])
        shares = away * self.coefficients[series, self._step(inputs)][:, REGRESSORS:]
        return np.where((inputs.step <= self.intercept.shape[1])[:, None], shares, 0.0)


@dataclass(frozen=True, slots=True)
class DirectRidge(Candidate):
    """Ridge regressions on the correlation matrix, with clipped targets.

    Attributes:
        training_days: the newest days that it is fitted on.
        penalty: on the correlation matrix.
        clip_sigmas: changes beyond median ± this many robust sigmas are clipped: one outage does not decide.
    """

    fitted: ClassVar[type[FittedCandidate]] = FittedDirectRidge
    prior_weight: float = 0.9
    training_days: Annotated[int, Field(ge=1)] = 1500
    penalty: Annotated[float, Field(ge=0)] = 0.05
    clip_sigmas: Annotated[float, Field(gt=0)] = 5.0

    def fit(self, panel: Panel, task: Task) -> FittedDirectRidge:
        """See `Candidate`; a step with too few days is the naive forecast."""
        arrays = fit_regressions(
            panel.newest_days(self.training_days),
            task.horizon,
            task.country,
            penalty=self.penalty,
            clip_sigmas=self.clip_sigmas,
            usable_exogenous=columns_by_step(task.exogenous, task.horizon),
        )
        return FittedDirectRidge(*arrays)

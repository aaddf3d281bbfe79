"""Calls candidates of other packages; an error names the candidate and its package.

The platform's own are held to their promises by its tests, and called as they are.
"""

import textwrap
from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np

from forecasting_platform.errors import ForecastingPlatformError, examples
from forecasting_platform.forecasting.models.candidates.candidate import (
    Candidate,
    CandidateError,
    FittedCandidate,
    Positions,
    Task,
)
from forecasting_platform.forecasting.models.candidates.registry import package_of
from forecasting_platform.forecasting.series.arrays import Floats
from forecasting_platform.forecasting.series.features.input_blocks import InputBlock
from forecasting_platform.forecasting.series.features.inputs import ModelInputs
from forecasting_platform.forecasting.series.features.panel import Panel

MAX_SAID = 300
"""Characters of a candidate's own message that are repeated."""


def fit_candidate(candidate: Candidate, panel: Panel, task: Task) -> FittedCandidate:
    """Fit a candidate on all series of a panel.

    Raises:
        CandidateError: it failed, or is no fit of all the series.
    """
    if (package := package_of(candidate.name)) is None:
        return candidate.fit(panel, task)
    doing = f"while it was fitted on {len(panel.unique_ids)} series ({examples(panel.unique_ids)}) until"
    with _told(candidate.name, package, f"{doing} {panel.days[-1]}"):
        fitted = candidate.fit(panel, task)
        if not isinstance(fitted, candidate.fitted):
            raise TypeError(f"{candidate.fitted.__name__} was expected of fit, {type(fitted).__name__} was found")
    return fitted


def forecast_block(fitted: FittedCandidate, block: InputBlock) -> Floats:
    """Forecasts of every series, cutoff and step; shape (S, C, horizon), finite where a cutoff has a row.

    Raises:
        CandidateError: it failed, or its forecasts are of another shape or not finite.
    """
    if (package := package_of(fitted.name)) is None:
        return fitted.predict_block(block)
    with _told(fitted.name, package, f"in the backtest, at cutoffs {block.cutoffs[0]} to {block.cutoffs[-1]}"):
        found = np.asarray(fitted.predict_block(block), dtype=np.float64)
        if found.shape != block.shape:
            raise ValueError(f"forecasts of shape {block.shape} were expected, {found.shape} was found")
        broken = ~np.isfinite(found) & np.isfinite(block.features[:, :, :1])
        if broken.any():
            series, cutoff, step = np.argwhere(broken)[0]
            where = f"series {series} at cutoff {block.cutoffs[cutoff]}, step {step + 1}"
            raise ValueError(f"{int(broken.sum())} forecasts are not finite, the first is of {where}")
    # Where a cutoff has no row there is nothing to judge.
    return np.where(np.isfinite(block.features[:, :, :1]), found, np.nan)


def forecast_rows(fitted: FittedCandidate, inputs: ModelInputs, series: Positions) -> Floats:
    """Point forecasts of input rows; shape (n,). One that is not finite is the model's to replace and to mark.

    Raises:
        CandidateError: it failed, or its forecasts are of another shape.
    """
    if (package := package_of(fitted.name)) is None:
        return fitted.predict(inputs, series)
    with _told(fitted.name, package, f"while it forecast {len(inputs)} rows"):
        found = np.asarray(fitted.predict(inputs, series), dtype=np.float64)
        if found.shape != (len(inputs),):
            raise ValueError(f"forecasts of shape {(len(inputs),)} were expected, {found.shape} was found")
    return found


@contextmanager
def _told(name: str, package: str, doing: str) -> Iterator[None]:
    try:
        yield
    except ForecastingPlatformError:
        raise
    except Exception as error:
        # A library's message may repeat a whole model; all of it stands in the error that this one came from.
        said = textwrap.shorten(str(error), MAX_SAID).rstrip(".")
        raise CandidateError(name, package, f"{doing}: {type(error).__name__}: {said}") from error

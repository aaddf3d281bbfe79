"""ARIMA with a weekly season, whose orders AutoARIMA of statsforecast chooses for each series.

Whatever the orders, an ARIMA is one recursion: the next value is a weighted sum of the newest values and of the newest
errors (Hyndman & Athanasopoulos, FPP3, 9.8). Those weights are stored, and the app needs no statsforecast.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import reduce
from typing import Annotated, Any, ClassVar, Self

import numpy as np
import numpy.typing as npt
from pydantic import Field

from forecasting_platform.forecasting.models.candidates.candidate import FittedCandidate, Positions
from forecasting_platform.forecasting.models.candidates.filtered.fitted_each import (
    Fields,
    FittedEachCandidate,
    Known,
    bounded_miss,
    default_remark,
    largest_miss,
)
from forecasting_platform.forecasting.series.arrays import Floats
from forecasting_platform.forecasting.series.features.input_blocks import InputBlock
from forecasting_platform.forecasting.series.features.inputs import ModelInputs

WEEK = 7
LAGS = 28
"""The newest values and errors that the next value may depend on: the largest orders reach no further back."""

MAX_ORDERS = {"p": 5, "q": 5, "P": 2, "Q": 2}

DEFAULT: Fields = {
    "values": np.eye(LAGS)[WEEK - 1],
    "errors": np.zeros(LAGS),
    "constant": 0.0,
    "limit": np.inf,
}
"""The value of a week before."""


@dataclass(frozen=True, slots=True)
class FittedAutoArima(FittedCandidate):
    """The recursion of each series.

    Attributes:
        values: weights of the newest values, the newest first; shape (S, LAGS).
        errors: weights of the newest errors; shape (S, LAGS).
        constant: shape (S,).
        limit: what one value may differ from its forecast, twice as much each further day; shape (S,).
        is_default: whether a series has the default; shape (S,).
    """

    name: ClassVar[str] = "auto_arima"
    window_days: ClassVar[int] = 364
    values: Floats
    errors: Floats
    constant: Floats
    limit: Floats
    is_default: npt.NDArray[np.bool_]

    def predict(self, inputs: ModelInputs, series: Positions) -> Floats:
        """The recursion over the window, and on without errors to the day; shape (n,)."""
        ahead = self._ahead(inputs, series, int(inputs.step.max(initial=1)))
        return ahead[np.arange(len(inputs)), inputs.step - 1]

    def predict_block(self, block: InputBlock) -> Floats:
        """Filters each series and cutoff once for all steps."""
        forecasts = np.full(block.shape, np.nan)
        rows, series, cutoff = block.rows(0)
        forecasts[series, cutoff] = self._ahead(rows, series, block.shape[2])
        return forecasts

    def unfitted(self, count: int) -> Self:
        """The default."""
        fields = {name: np.array([of] * count, dtype=np.float64) for name, of in DEFAULT.items()}
        return replace(self, **fields, is_default=np.ones(count, dtype=bool))

    def remarks(self, unique_ids: Sequence[str]) -> list[str]:
        """Which series have the default."""
        return default_remark(self.name, self.is_default, unique_ids)

    def _ahead(self, inputs: ModelInputs, series: Positions, horizon: int) -> Floats:
        """Forecasts of every step from 1 on; shape (n, horizon)."""
        window = inputs.history[:, -self.window_days :]
        before = _before(window, inputs.column("y"))
        # What is not known is as it was forecast: it has no error.
        known = np.hstack([window, np.full((len(window), horizon), np.nan)])
        # The newest first in the weights, the oldest first in the days.
        values, errors = self.values[series, ::-1], self.errors[series, ::-1]
        constant, limit = self.constant[series], self.limit[series]
        allowed = limit
        seen = np.hstack([before, np.empty_like(known)])
        missed = np.zeros_like(seen)
        for day, value in enumerate(known.T, LAGS):
            reach = slice(day - LAGS, day)
            expected = constant + (values * seen[:, reach]).sum(axis=1) + (errors * missed[:, reach]).sum(axis=1)
            missed[:, day], allowed = bounded_miss(value - expected, allowed, limit)
            seen[:, day] = expected + missed[:, day]
        return seen[:, -horizon:]


@dataclass(frozen=True, slots=True)
class AutoArima(FittedEachCandidate):
    """ARIMA with a weekly season, the least AICc of a stepwise search. A fit takes seconds a series.

    Attributes:
        max_order: the largest sum of its orders.
    """

    fitted: ClassVar[type[FittedAutoArima]] = FittedAutoArima
    default: ClassVar[Fields] = DEFAULT
    requirement: ClassVar[str] = "forecasting-platform[statsforecast]"
    max_order: Annotated[int, Field(ge=1, le=5)] = 5

    def fit_of_library(self) -> Callable[[Known], Fields]:
        """See `FittedEachCandidate`."""
        from statsforecast.models import AutoARIMA

        most = {f"max_{name}": min(self.max_order, order) for name, order in MAX_ORDERS.items()}
        options: dict[str, Any] = {"max_order": self.max_order, "approximation": True, **most}

        def fit(known: Known) -> Fields:
            return recursion(AutoARIMA(season_length=WEEK, **options).fit(known.values).model_, known)

        return fit


def recursion(model: dict[str, Any], known: Known) -> Fields:
    """A fitted ARIMA of statsforecast as weights of values and errors.

    Its polynomials in the lag are multiplied: those of the values, of the weeks, and of the differences.
    """
    p, q, weeks_p, weeks_q, _, d, weeks_d = model["arma"]
    of = {name: float(value) for name, value in model["coef"].items()}
    of_values = [_polynomial(of, "ar", p, 1, -1), _polynomial(of, "sar", weeks_p, WEEK, -1)]
    differences = [np.array([1.0, -1.0])] * d + [np.eye(WEEK + 1)[0] - np.eye(WEEK + 1)[WEEK]] * weeks_d
    # φ(B) Φ(B⁷) (1 - B)^d (1 - B⁷)^D y = constant + θ(B) Θ(B⁷) e (FPP3, 9.9). Solved for today's y, what stands with
    # its earlier values changes sides, and so its sign.
    values = -_product([*of_values, *differences])
    errors = _product([_polynomial(of, "ma", q, 1, 1), _polynomial(of, "sma", weeks_q, WEEK, 1)])
    # A drift is what is left of a line by the differences.
    slope = of.get("drift", 0.0) * (WEEK if weeks_d else 1)
    # As R does, statsforecast estimates the mean of what the differences leave and not the constant, which is that mean
    # times the sum of the autoregressive polynomials (https://robjhyndman.com/hyndsight/arimaconstants/).
    constant = (of.get("intercept", 0.0) + slope) * _product(of_values).sum()
    # Back to the unit of the series: the weights have none.
    weights = _of_lags(values)
    return {
        "values": weights,
        "errors": _of_lags(errors),
        "constant": constant * known.unit + known.centre * (1 - weights.sum()),
        "limit": largest_miss(np.asarray(model["residuals"])) * known.unit,
    }


def _polynomial(of: dict[str, float], name: str, order: int, lag: int, sign: int) -> Floats:
    found = np.zeros(order * lag + 1)
    found[0] = 1
    found[lag::lag] = [sign * of[f"{name}{number}"] for number in range(1, order + 1)]
    return found


def _product(polynomials: Sequence[Floats]) -> Floats:
    return reduce(np.convolve, polynomials, np.ones(1))


def _of_lags(polynomial: Floats) -> Floats:
    """The coefficients of the lags from 1 on, filled up with 0; shape (LAGS,)."""
    return np.pad(polynomial[1:], (0, LAGS + 1 - len(polynomial)))


def _before(window: Floats, newest: Floats) -> Floats:
    """Values before the window as far back as weights reach: its first weeks again; shape (n, LAGS)."""
    first = window[:, :LAGS]
    known = np.isfinite(window)
    oldest = np.where(known.any(axis=1), window[np.arange(len(window)), np.argmax(known, axis=1)], newest)
    found = np.where(np.isfinite(first), first, oldest[:, None])
    return np.pad(found, ((0, 0), (LAGS - found.shape[1], 0)), mode="edge")

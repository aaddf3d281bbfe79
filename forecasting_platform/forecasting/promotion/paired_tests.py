"""Whether one of two forecasters has the smaller loss on the same days, from the differences of their losses. Pure.

Everything works on the last axis of an array, so that the functions that judge one challenger also judge ten thousand
simulated years (`benchmarks/promotion.py`). A difference is the champion's loss minus the challenger's: positive where
the challenger is better. Losses of neighbouring days are correlated, because horizons overlap and errors persist, so
every variance here is a long-run variance.
"""

import math
from collections.abc import Sequence
from functools import cache

import numpy as np
import numpy.typing as npt

from forecasting_platform.forecasting.series.arrays import Floats

DAYS_IN_A_YEAR = 365
MAX_PERSISTENCE = 0.97
POWER = 0.8


def long_run_variance(differences: Floats, horizon: int) -> Floats:
    """`newey_west` of losses whose cutoffs are a day apart; shape of the leading axes.

    The lags reach over two horizons: losses of cutoffs whose horizons overlap are alike, and errors that persist reach
    beyond. They end at a quarter of the count.

    >>> float(long_run_variance(np.array([1.0, -1.0, 1.0, -1.0]), 1))
    0.25
    """
    return newey_west(differences, _lags(differences.shape[-1], horizon))


def newey_west(values: Floats, lags: int) -> Floats:
    """Long-run variance: that of the mean times the count; shape of the leading axes.

    Bartlett weights over the covariances of 0 to `lags` days (Newey & West 1987, doi:10.2307/1913610), with which it is
    never negative.
    """
    count = values.shape[-1]
    centred = values - values.mean(axis=-1, keepdims=True)
    pairs = ((centred[..., lag:], centred[..., : count - lag]) for lag in range(lags + 1))
    return _bartlett([np.einsum("...i,...i->...", later, earlier) / count for later, earlier in pairs])


def _lags(count: int, horizon: int) -> int:
    return min(2 * horizon - 1, count // 4)


def _bartlett(covariances: Sequence[Floats]) -> Floats:
    """The long-run variance from covariances of lag 0, 1, …"""
    # Each lag counts twice, forwards and backwards.
    weights = 2 * (1 - np.arange(1, len(covariances)) / len(covariances))
    return np.asarray(covariances[0] + sum(w * of for w, of in zip(weights, covariances[1:], strict=True)))


def diebold_mariano(differences: Floats, horizon: int) -> Floats:
    """One-sided p-value of "the challenger is not better", small where it clearly is; shape of the leading axes.

    With the small-sample correction of Harvey, Leybourne & Newbold (1997, doi:10.1016/S0169-2070(96)00719-4), and the
    t distribution with the degrees of freedom that an estimate of a variance by so many lags has (Priestley 1981,
    section 6.2.4). 1.0 where the losses are equal, or fewer than two.

    >>> float(diebold_mariano(np.zeros(50), 15))
    1.0
    """
    from scipy import stats  # the app reads decisions without it

    count = differences.shape[-1]
    if count < 2:
        return np.ones(differences.shape[:-1])
    correction, degrees = _small_sample(count, horizon)
    variance = long_run_variance(differences, horizon)
    with np.errstate(divide="ignore", invalid="ignore"):
        statistic = correction * differences.mean(axis=-1) / np.sqrt(variance / count)
    return np.asarray(np.where(variance > 0, stats.t.sf(statistic, df=degrees), 1.0))


def _small_sample(count: int, horizon: int) -> tuple[float, float]:
    """Factor on the statistic, and degrees of freedom."""
    # The factor has `width` in place of the steps ahead. An estimate with Bartlett weights has 3 count / width
    # degrees of freedom, and half of them at frequency zero, where the variance of a mean is.
    width = _lags(count, horizon) + 1
    factor = math.sqrt(max(1.0, count + 1 - 2 * width + width * (width - 1) / count) / count)
    return factor, max(1.0, min(count - 1, 1.5 * count / width))


def chance_in_a_year(p_value: Floats | float, window_days: int) -> Floats:
    """The chance that a p-value as small occurs on some day of a year when neither is better; at most 1.

    A test that is repeated while its window moves on looks at a moving mean, whose standardised path is a
    Slepian process: the chance that it passes z somewhere in T windows is about (1 + T) (1 - Φ(z)) + T z φ(z)
    (Slepian 1961; Siegmund 1988, doi:10.1214/aos/1176350701, for moving sums).

    >>> bool(chance_in_a_year(0.05, 640) > 0.1), round(float(chance_in_a_year(0.001, 640)), 3)
    (True, 0.008)
    """
    from scipy import stats

    windows = DAYS_IN_A_YEAR / window_days
    tail = np.asarray(p_value, dtype=float)
    # A p-value of 0 would be an infinite z, and infinity times a density of 0 no number.
    z = stats.norm.isf(np.clip(tail, 1e-300, 1.0))
    chance = (1 + windows) * tail + windows * np.maximum(z, 0) * stats.norm.pdf(z)
    return np.asarray(np.where(tail >= 0.5, 1.0, np.minimum(chance, 1.0)))


def least_detectable(differences: Floats, alpha: float, horizon: int) -> float:
    """The mean difference found with 80 % power at a `chance_in_a_year` of `alpha`, were the spread the same."""
    from scipy import stats

    count = len(differences)
    correction, degrees = _small_sample(count, horizon)
    z = _passed_in_a_year(alpha, count)
    needed = float(stats.t.isf(stats.norm.sf(z), df=degrees)) / correction
    error = math.sqrt(float(long_run_variance(differences, horizon)) / count)
    return (needed + float(stats.norm.ppf(POWER))) * error


@cache
def _passed_in_a_year(alpha: float, window_days: int) -> float:
    """The z whose `chance_in_a_year` is `alpha`."""
    from scipy import optimize, stats

    z: float = optimize.brentq(lambda z: float(chance_in_a_year(stats.norm.sf(z), window_days)) - alpha, 0.0, 40.0)
    return z


def block_bootstrap_bound(differences: Floats, level: float, block: int, seed: int, repeats: int = 2000) -> float:
    """Lower bound of the mean difference at a one-sided level, resampling blocks of days.

    Moving blocks, wrapped around (circular; Politis & Romano 1992), so that every day counts alike; `seed`
    makes it repeatable.

    >>> block_bootstrap_bound(np.full(60, 0.5), 0.95, 15, seed=1)
    0.5
    """
    count = len(differences)
    rng = np.random.default_rng(seed)
    # The mean of a block is a difference of two running sums; the series is continued by its own start for blocks that
    # wrap around.
    starts = rng.integers(0, count, size=(repeats, math.ceil(count / block)))
    sums = np.concatenate([[0.0], np.cumsum(np.resize(differences, count + block))])
    means = (sums[starts + block] - sums[starts]).mean(axis=1) / block
    return float(np.quantile(means, 1 - level))


def confidence_sequence(
    differences: Floats, alpha: float, *, horizon: int, tuned_for: int = 240
) -> tuple[Floats, Floats]:
    """Bounds of the mean difference after each day, that all hold at once with probability 1 - 2 `alpha`.

    The asymptotic confidence sequence of Waudby-Smith, Arbour, Sinha, Kennedy & Ramdas (2024,
    doi:10.1214/24-AOS2408), as Choe & Ramdas (2024, doi:10.1287/opre.2021.0792) use such sequences to compare
    forecasters: it may be read every day, and the comparison stopped at any time. Its variance is the running long-run
    variance, so that correlated days do not count as independent ones.

    Args:
        differences: shape (…, days).
        alpha: chance that a bound of one side is ever passed.
        horizon: lags of the variance end before it.
        tuned_for: the day at which the bounds are tightest.

    Returns:
        Lower and upper bounds, shape (…, days); infinite until four horizons have passed.
    """
    days = np.arange(1, differences.shape[-1] + 1)
    means = np.cumsum(differences, axis=-1) / days
    # Equation (18) of Waudby-Smith et al.: the parameter with which the bounds are tightest at a day.
    rho_squared = (-2 * math.log(2 * alpha) + math.log(-2 * math.log(2 * alpha)) + 1) / tuned_for
    # A one-sided bound (the paper's appendix): the mixture is over one side only.
    growth = days * rho_squared + 1
    radius = np.sqrt(2 * growth / (days**2 * rho_squared) * np.log(1 + np.sqrt(growth) / (2 * alpha)))
    width = radius * np.sqrt(running_variance(differences, horizon))
    # The sequence is asymptotic, and the variance of few correlated days too small: no bounds before four horizons.
    width[..., : 4 * horizon - 1] = np.inf
    return means - width, means + width


def running_variance(differences: Floats, horizon: int) -> Floats:
    """Long-run variance of the days so far, after each day; shape (…, days).

    The larger of two estimates, as one by many lags is unreliable after few days: Bartlett weights over the lags of one
    horizon, and an autoregression of order one (Andrews 1991, doi:10.2307/2938229), which covers errors that persist.
    Never less than the variance of independent days.
    """
    count = np.arange(1, differences.shape[-1] + 1)
    sums = np.cumsum(differences, axis=-1)
    means = sums / count
    covariances = [_running_covariance(differences, sums, means, count, lag) for lag in range(horizon)]
    variance = covariances[0]
    if horizon == 1:
        return variance
    with np.errstate(divide="ignore", invalid="ignore"):
        # Below 1, where the autoregression's variance would be infinite.
        persistence = np.clip(np.nan_to_num(covariances[1] / variance), 0.0, MAX_PERSISTENCE)
    return np.maximum(_bartlett(covariances), variance * (1 + persistence) / (1 - persistence))


def _running_covariance(
    differences: Floats, sums: Floats, means: Floats, count: npt.NDArray[np.int64], lag: int
) -> Floats:
    """Covariance of days `lag` apart among the days so far; 0 where there are none.

    The mean moves with every day, so the centred product is expanded:
    Σ (x_i - m)(x_{i-lag} - m) = Σ x_i x_{i-lag} - m (Σ x_i + Σ x_{i-lag}) + pairs m².
    Each sum is a running sum, so all days cost one pass instead of one each.
    """
    days = differences.shape[-1]
    result = np.zeros_like(differences)
    if lag >= days:
        return result
    products = np.cumsum(differences[..., lag:] * differences[..., : days - lag], axis=-1)
    earlier = sums[..., : days - lag]
    # The first `lag` days are no later day of a pair.
    first = sums[..., lag - 1 : lag] if lag else 0.0
    later = sums[..., lag:] - first
    mean = means[..., lag:]
    pairs = count[: days - lag]
    # By the count of days and not of pairs, as Bartlett weights need to keep the variance positive.
    result[..., lag:] = (products - mean * (earlier + later) + pairs * mean**2) / count[lag:]
    return result

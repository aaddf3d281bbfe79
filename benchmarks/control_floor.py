"""How soon any chart can find one series among many: the floor that `benchmarks.control_fleet` holds ours against.

Pages that name their series add up, so of n series that are alike each has an n-th of the budget, and calm series know
nothing of the one that changes. Of one series the CUSUM of the exact likelihood ratio finds a change soonest, at
worst, among all charts of its rate of pages (Moustakides 1986, doi:10.1214/aos/1176350164). Here it is given what no
chart knows: normal errors with their persistence and spread, the size of the change and its direction. The rate is
divided by n where its threshold rises by log n (Lorden 1971, doi:10.1214/aoms/1177693055: delays grow by log n over the
Kullback-Leibler divergence).
"""

from collections.abc import Iterator, Sequence

import numpy as np

from benchmarks.control import SETTLED, WATCHED, YEAR, Change, autoregressive, first_page, median_delay
from forecasting_platform.forecasting.monitoring.control.charts import excursion_peaks
from forecasting_platform.forecasting.series.arrays import Floats

YEARS, PATHS = 4000, 2000
SEEN = 400
"""Of the largest peaks of all years: by this one the rate of pages is known, beyond it it falls by e with each unit."""


def floor_of(persistence: float, change: Change, sizes: Sequence[int], seed: int = 0) -> Iterator[tuple[int, float]]:
    """Each number of series with the median days to the change of one of them, at a budget of one page a year."""
    generator, process = np.random.default_rng(seed), autoregressive(persistence)

    def evidence(streams: Floats) -> Floats:
        spread = np.sqrt(1 - persistence**2)
        innovations = np.concatenate(
            [streams[:, :1], (streams[:, 1:] - persistence * streams[:, :-1]) / spread], axis=-1
        )
        return _cusum(_log_likelihood_ratio(innovations, change, (1 - persistence) / spread))

    peaks = np.sort(excursion_peaks(evidence(process(generator, YEARS, YEAR))))[::-1]
    once_a_year = peaks[SEEN] + np.log(SEEN / YEARS)
    after = evidence(change.apply(process(generator, PATHS, SETTLED + WATCHED)))
    for size in sizes:
        yield size, median_delay([first_page(path) for path in after >= once_a_year + np.log(size)])


def _log_likelihood_ratio(innovations: Floats, change: Change, left: float) -> Floats:
    """Of each day's innovation with the change and without; of a step `left` is what whitening leaves."""
    if change.family == "rmse":
        return innovations**2 / 2 * (1 - change.size**-2) - np.log(change.size)
    return change.size * left * innovations - (change.size * left) ** 2 / 2


def _cusum(ratios: Floats) -> Floats:
    current, every = np.zeros(len(ratios)), np.empty(ratios.shape)
    for day in range(ratios.shape[1]):
        current = np.maximum(current + ratios[:, day], 0.0)
        every[:, day] = current
    return every

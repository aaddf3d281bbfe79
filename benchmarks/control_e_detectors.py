"""Averaged e-detectors of Shiryaev and Roberts, which `benchmarks.control_fleet` holds our charts against."""

import numpy as np

from forecasting_platform.forecasting.monitoring.control.charts import Chart
from forecasting_platform.forecasting.series.arrays import Floats

LEVELS, SPREADS = (0.5, 1.0, 1.5), (1.5, 2.0)
LARGEST, MAX_LOG_RATIO = 1e100, 200.0


def e_detectors(chart: Chart, innovations: Floats) -> Floats:
    """Each day's e-detector of each series: the mean of Shiryaev-Roberts statistics of some changes; shape (S, T)."""
    ratios = _log_likelihood_ratios(chart, innovations)
    value = np.zeros(ratios.shape[:-1])
    every = np.empty(innovations.shape)
    for day in range(innovations.shape[-1]):
        value = np.minimum((1 + value) * np.exp(np.minimum(ratios[..., day], MAX_LOG_RATIO)), LARGEST)
        every[..., day] = value.mean(axis=0)
    return every


def _log_likelihood_ratios(chart: Chart, innovations: Floats) -> Floats:
    if chart.squared:
        return np.stack([innovations**2 / 2 * (1 - size**-2) - np.log(size) for size in SPREADS])
    return np.stack([sign * size * innovations - size**2 / 2 for size in LEVELS for sign in (1, -1)])


def count_e_pages(chart: Chart, innovations: Floats, size: int, threshold: float) -> int:
    """How often the mean of a platform's e-detectors reaches the days of its budget; it starts anew after each page."""
    ratios = _log_likelihood_ratios(chart, innovations)
    value, pages = np.zeros(ratios.shape[:-1]), 0
    for day in range(innovations.shape[-1]):
        value = np.minimum((1 + value) * np.exp(np.minimum(ratios[..., day], MAX_LOG_RATIO)), LARGEST)
        paging = value.mean(axis=0).reshape(-1, size).mean(axis=1) >= threshold
        pages += int(paging.sum())
        value[:, np.repeat(paging, size)] = 0.0
    return pages

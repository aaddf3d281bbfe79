"""How often control would have paged: bias and spread, judged at the end of each day."""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from forecasting_platform.forecasting.monitoring.control.charts import accumulate_evidence, is_paging
from forecasting_platform.forecasting.monitoring.control.references import BIAS, RMSE, SeriesReference, unit_of_errors
from forecasting_platform.forecasting.monitoring.control.report import CONTROL_DAYS, MIN_DAYS
from forecasting_platform.forecasting.policy_backtest.cycles import ServingPeriod
from forecasting_platform.forecasting.series.arrays import Days, Floats


def count_pages(
    errors: Floats, cutoffs: Days, periods: Sequence[ServingPeriod], series: int, pages_a_year: float
) -> int:
    """How many incidents of bias and of spread a series would have opened; `errors` has shape (C, horizon)."""
    return sum(
        int(np.count_nonzero(np.diff(np.concatenate([[False], bad]).astype(int)) == 1))
        for bad in (
            np.concatenate([bad_days(name, errors, cutoffs, period, series, pages_a_year) for period in periods])
            for name in ("bias", "rmse")
        )
    )


def bad_days(
    name: str, errors: Floats, cutoffs: Days, period: ServingPeriod, series: int, pages_a_year: float
) -> npt.NDArray[np.bool_]:
    """Which days of a period a chart calls bad, as seen at the end of each.

    Args:
        name: `bias` or `rmse`.
        errors: of the series; shape (C, horizon).
    """
    chart = BIAS if name == "bias" else RMSE
    known = period.fit.references.get(period.fit.model.unique_ids[series])
    reference = known.charts.get(name) if known is not None else None
    bad = np.zeros(period.stop - period.start, dtype=bool)
    if known is None or reference is None:
        return bad
    values, threshold = _daily(errors, cutoffs, known), reference.threshold(pages_a_year)
    whole = _whole_windows(values, period)
    if len(whole):
        evidence = accumulate_evidence(chart, reference, whole, threshold)
        return np.array([is_paging(evidence[:, row], threshold) for row in range(len(whole))])
    for day in range(period.start, period.stop):
        recent = values[max(0, day - CONTROL_DAYS + 1) : day + 1]
        recent = recent[np.isfinite(recent)]
        if len(recent) >= MIN_DAYS:
            bad[day - period.start] = is_paging(accumulate_evidence(chart, reference, recent, threshold), threshold)
    return bad


def _whole_windows(values: Floats, period: ServingPeriod) -> Floats:
    """The days that control judges on each day of a period, stacked for one call; empty if any day is missing."""
    since = period.start - CONTROL_DAYS + 1
    if since < 0 or not np.isfinite(values[since : period.stop]).all():
        return np.empty((0, CONTROL_DAYS))
    windows: Floats = np.lib.stride_tricks.sliding_window_view(values[since : period.stop], CONTROL_DAYS)
    return windows


def _daily(errors: Floats, cutoffs: Days, reference: SeriesReference) -> Floats:
    """Mean of each day's errors over the cutoffs that reach it, in units of the backtest's; shape (C,)."""
    steps = np.arange(1, errors.shape[1] + 1)
    days = cutoffs[:, None] + steps
    scaled = errors / unit_of_errors(reference.rmse, days, steps)
    # A day is the target of up to `horizon` cutoffs; days after the last cutoff are not complete and are dropped.
    position = np.arange(len(cutoffs))[:, None] + steps
    inside = np.isfinite(scaled) & (position < len(cutoffs))
    total = np.bincount(position[inside], scaled[inside], minlength=len(cutoffs))
    count = np.bincount(position[inside], minlength=len(cutoffs))
    return np.where(count > 0, total / np.maximum(count, 1), np.nan)

"""Estimates whether the newest day of a feed is still in progress, and how late the feed is. Pure."""

from datetime import date

import pandas as pd

from forecasting_platform.adapters.feeds.inspection.notes import Doubt

_WEEKS_COMPARED = 8
_MIN_COMPARED = 4


def newest_day_doubts(observations: pd.DataFrame, today: date, step_days: int) -> list[Doubt]:
    """What the newest day leaves open.

    Args:
        observations: `unique_id`, `ds`, `y`.
        today: of the fetch.
        step_days: the usual distance of two values.
    """
    last = observations["ds"].max()
    doubts = []
    every = observations.groupby("unique_id", sort=True)
    low = [found for _, series in every if (found := _low_value(series, last))]
    if low and 2 * len(low) >= int((observations["ds"] == last).sum()):
        value, usual = low[0]
        why = (
            f"the newest day, {last:%Y-%m-%d}, looks like one in progress: {value:g} where at least {usual:g} "
            "is usual; lag_days 1 keeps the current day out"
        )
        doubts.append(Doubt("publication.lag_days", why))
    late = (today - last.date()).days
    if 2 <= late <= 14 + step_days:
        why = f"the newest day, {last:%Y-%m-%d}, is {late} days old: does the feed publish a day {late} days later?"
        doubts.append(Doubt("publication.lag_days", why))
    elif late > 14 + step_days:
        doubts.append(Doubt("publication", f"the newest day is {last:%Y-%m-%d}: the feed seems to have ended"))
    return doubts


def _low_value(series: pd.DataFrame, last: pd.Timestamp) -> tuple[float, float] | None:
    """The newest value and the least of its weekday before, where it is below half of that."""
    values = series.set_index("ds")["y"]
    if last not in values.index:
        return None
    days = [last - pd.Timedelta(weeks=week) for week in range(1, _WEEKS_COMPARED + 1)]
    before = values.reindex(days).dropna()
    value = float(values[last])
    if len(before) < _MIN_COMPARED or before.min() <= 0 or value >= 0.5 * before.min():
        return None
    return value, float(before.min())

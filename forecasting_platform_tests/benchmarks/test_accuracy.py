"""The accuracy benchmark takes any folder of feeds: those that end years apart, and series that ended before others."""

from datetime import date

import numpy as np
import pandas as pd
import pytest

from benchmarks import accuracy


def observations(**ends: date) -> pd.DataFrame:
    """Two years of each series, up to its end."""
    frames = []
    for unique_id, end in ends.items():
        days = pd.date_range(end=end, periods=730)
        frames.append(pd.DataFrame({"unique_id": unique_id, "ds": days, "y": 10 + np.sin(np.arange(730) / 3)}))
    return pd.concat(frames, ignore_index=True)


@pytest.mark.slow
def test_feeds_that_end_years_apart_and_series_that_ended_are_forecast_at_their_own_cutoffs(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(accuracy, "FULL", False)
    monkeypatch.setattr(accuracy, "CUTOFFS", 8)
    feeds = {
        "old": observations(a=date(2019, 6, 30)),
        "new": observations(b=date(2023, 6, 30), ended=date(2022, 1, 31)),
    }
    series = pd.concat([accuracy.series_of(name, rows) for name, rows in feeds.items()], ignore_index=True)
    found = pd.concat(accuracy.ours(series), ignore_index=True)
    forecast = found.groupby("unique_id")["cutoff"].unique()
    expected = series[series["is_cutoff"]].groupby("unique_id")["ds"].unique()
    assert set(forecast.index) >= {"old/a", "new/b"}
    for unique_id, cutoffs in forecast.items():
        assert set(cutoffs) <= set(expected[unique_id])
    assert set(forecast["old/a"]) == set(expected["old/a"])
    assert set(forecast["new/b"]) == set(expected["new/b"])
    assert np.isfinite(found["y_hat"]).all()

"""What is kept of each day is what its errors and forecasts would be summed up to now."""

from collections.abc import Iterable
from datetime import UTC, date, datetime, timedelta

import numpy as np
import pandas as pd
import pytest

from forecasting_platform.adapters.memory.table_store import MemoryTableStore
from forecasting_platform.forecasting.monitoring.control.daily_sums import DailySums, judged_errors, judged_moves
from forecasting_platform.forecasting.series.days.date_range import DateRange
from forecasting_platform.forecasting.series.days.not_normal import ALL_NORMAL, NotNormal, NotNormalPeriod
from forecasting_platform.forecasting.series.frames import DAILY_ERRORS, FORECAST_ERRORS, FORECASTS
from forecasting_platform.forecasting.series.table import Table
from forecasting_platform.services import daily_sums
from forecasting_platform.services.daily_sums import daily_errors, daily_moves, keep_moves
from forecasting_platform.services.forecast_errors import match_forecast_errors

HORIZON = 5
CUTOFFS = DateRange(date(2023, 5, 20), date(2023, 6, 10))
DAYS = DateRange(CUTOFFS.start + timedelta(days=1), CUTOFFS.end)
STRIKE = NotNormal((NotNormalPeriod(date(2023, 5, 26), date(2023, 5, 27), "strike", ("a",)),))


class WatchedStore(MemoryTableStore):
    """Knows which days were read of which table; ends where a table is written."""

    def __init__(self) -> None:
        super().__init__()
        self.days_read: dict[str, set[date]] = {}
        self.ends_at = ""

    def read(
        self, table: Table, period: DateRange | None = None, *, unique_ids: Iterable[str] | None = None
    ) -> pd.DataFrame:
        if period is not None:
            self.days_read.setdefault(table.name, set()).update(period)
        return super().read(table, period, unique_ids=None if unique_ids is None else list(unique_ids))

    def replace(self, table: Table, rows: pd.DataFrame | Iterable[pd.DataFrame], period: DateRange) -> int:
        if table.name == self.ends_at:
            raise RuntimeError("killed")
        return super().replace(table, rows, period)


def issued(cutoffs: DateRange, version: str = "1") -> pd.DataFrame:
    """Forecasts of two series, through the change of a season."""
    steps = range(1, HORIZON + 1)
    rows = pd.DataFrame(
        [(name, pd.Timestamp(day), step) for name in "ab" for day in cutoffs for step in steps],
        columns=["unique_id", "cutoff", "step"],
    )
    seed = int(version) * 10**6 + cutoffs.start.toordinal()
    y_hat = 10 + np.random.default_rng(seed).standard_normal(len(rows))
    bounds = {f"y_hat_{side}_{level}": y_hat + sign * level / 80
              for level in (80, 95) for side, sign in (("lo", -1), ("hi", 1))}  # fmt: skip
    return FORECASTS.conform(
        rows.assign(
            ds=rows["cutoff"] + pd.to_timedelta(rows["step"], unit="D"),
            model_version=version,
            issued_at=pd.Timestamp("2023-07-01", tz="UTC"),
            y_hat=y_hat,
            y_hat_naive=9.0,
            y_hat_seasonal_naive=11.0,
            **bounds,
        ).drop(columns="step")
    )


def observe(store: MemoryTableStore, days: DateRange, y: float, hour: int) -> None:
    rows = pd.DataFrame(
        [(name, pd.Timestamp(day), y) for name in "ab" for day in days], columns=["unique_id", "ds", "y"]
    )
    store.record_observations(rows, days, available_at=datetime(2023, 7, 2, hour, tzinfo=UTC))


@pytest.fixture
def store() -> WatchedStore:
    store = WatchedStore()
    for version in ("1", "2"):
        store.record_forecasts(issued(CUTOFFS, version))
    observe(store, DAYS, 10.0, 1)
    match_forecast_errors(store, DAYS, HORIZON)
    store.days_read.clear()
    return store


def same(found: DailySums, expected: DailySums) -> None:
    keys = expected.sums.columns[:3].tolist()
    pd.testing.assert_frame_equal(
        found.sums.sort_values(keys, ignore_index=True), expected.sums.sort_values(keys, ignore_index=True)
    )
    left_out = found.left_out.sort_values(found.left_out.columns.tolist(), ignore_index=True)
    pd.testing.assert_frame_equal(left_out, expected.left_out, check_dtype=False)


@pytest.mark.parametrize("not_normal", [ALL_NORMAL, STRIKE], ids=["all normal", "a strike"])
def test_only_errors_that_a_period_touches_are_read_again(store: WatchedStore, not_normal: NotNormal) -> None:
    found = daily_errors(store, DAYS, not_normal, HORIZON)
    strike = DateRange(date(2023, 5, 26), date(2023, 5, 27) + timedelta(days=HORIZON))
    assert store.days_read.get(FORECAST_ERRORS.name, set()) == (set(strike) if not_normal else set())
    same(found, judged_errors(store.read(FORECAST_ERRORS), not_normal))
    assert found.left_out["ds"].dt.day.tolist() == ([26, 27] if not_normal else [])


def test_sums_follow_a_revision_and_a_write_that_ends_in_the_middle(store: WatchedStore) -> None:
    revised = DateRange(date(2023, 6, 1), date(2023, 6, 2))
    observe(store, revised, 30.0, 2)
    store.ends_at = FORECAST_ERRORS.name
    with pytest.raises(RuntimeError, match="killed"):
        match_forecast_errors(store, revised, HORIZON)
    same(daily_errors(store, DAYS, ALL_NORMAL, HORIZON), judged_errors(store.read(FORECAST_ERRORS), ALL_NORMAL))
    store.ends_at = ""
    match_forecast_errors(store, revised, HORIZON)
    store.days_read.clear()
    found = daily_errors(store, DAYS, ALL_NORMAL, HORIZON)
    assert FORECAST_ERRORS.name not in store.days_read
    same(found, judged_errors(store.read(FORECAST_ERRORS), ALL_NORMAL))
    assert (found.sums.loc[found.sums["ds"].dt.date.isin(revised), "rmse"] > 15).all()
    assert len(store.read(DAILY_ERRORS)) == len(found.sums)


def test_moves_of_many_cutoffs_are_summed_up_some_at_a_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(daily_sums, "CUTOFFS_AT_ONCE", 4)
    store = WatchedStore()
    store.record_forecasts(issued(CUTOFFS))
    keep_moves(store, CUTOFFS)
    store.days_read.clear()
    same(daily_moves(store, CUTOFFS, ALL_NORMAL, HORIZON), judged_moves(store.read(FORECASTS), ALL_NORMAL))
    assert FORECASTS.name not in store.days_read


@pytest.mark.parametrize("not_normal", [ALL_NORMAL, STRIKE], ids=["all normal", "a strike"])
def test_moves_kept_day_by_day_are_those_of_all_forecasts(not_normal: NotNormal) -> None:
    store, late = WatchedStore(), date(2023, 5, 24)
    for day in [*(day for day in CUTOFFS if day != late), late]:
        store.record_forecasts(issued(DateRange(day, day)))
        keep_moves(store, DateRange(day, day))
    store.days_read.clear()
    found = daily_moves(store, CUTOFFS, not_normal, HORIZON)
    if not not_normal:
        assert FORECASTS.name not in store.days_read
    same(found, judged_moves(store.read(FORECASTS), not_normal))
    first = found.sums[found.sums["cutoff"] == pd.Timestamp(CUTOFFS.start)]
    assert (first["forecasts"] == 0).all()
    assert first["mean_move"].isna().all()

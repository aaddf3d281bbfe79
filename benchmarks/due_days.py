"""Feeds that have no value on some days: what a year of nights says of them with and without their calendar.

`make bench NAME=due_days DATA=folder`: the ECB's rates, WTI and the weekly price of Brent of the public cases in the
folder, or made-up feeds with the same calendars without one. Each night of the newest year the pure functions of the
checks judge what was published by then. Then each feed is backtested as it is trained, beside the naive forecast and
the seasonal one (last week again) on the same cells, and its intervals' coverage is measured.
"""

import argparse
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from benchmarks.results_file import Aim, report
from forecasting_platform.forecasting.models.recipes.recipe import Recipe
from forecasting_platform.forecasting.models.training.scores import naive_errors, root_mean_square
from forecasting_platform.forecasting.models.training.training import train
from forecasting_platform.forecasting.series.days.date_range import DateRange
from forecasting_platform.forecasting.series.days.due_days import DueDays
from forecasting_platform.forecasting.series.days.series_calendars import DAILY, Calendars, SeriesCalendar
from forecasting_platform.forecasting.series.features.feature_table import build_features
from forecasting_platform.forecasting.series.lifetime import days_late, last_days
from forecasting_platform.forecasting.series.quality.data_quality import history_period, judge_days

BUSINESS_DAYS = (0, 1, 2, 3, 4)
LOOK_BACK_DAYS, LATE_WINDOW_DAYS, MAX_LATE_DAYS = 31, 120, 3
YEAR = 365


@dataclass(frozen=True, slots=True)
class Feed:
    """Observations and the calendar that their publisher keeps."""

    name: str
    country: str
    due: DueDays
    observations: pd.DataFrame

    @property
    def calendars(self) -> Calendars:
        """The same calendar for each of its series."""
        return Calendars((SeriesCalendar(self.due),))


ECB = DueDays(weekdays=BUSINESS_DAYS, holidays=("XECB",))
# What EIA leaves out is what the exchange or the government does.
WTI = DueDays(weekdays=BUSINESS_DAYS, holidays=("US", "XNYS"))
WEEKLY = DueDays(weekdays=(4,))
CASES = (
    ("ECB", "DE", ECB, "A01-ecb-fx/raw.csv"),
    ("WTI", "US", WTI, "A02-wti-business-days/feed.csv"),
    ("weekly", "GB", WEEKLY, "A03-brent-weekly/feed.csv"),
)


def feeds(folder: Path | None) -> Iterator[Feed]:
    """The cases of a folder, or made-up values on the same days."""
    for name, country, due, path in CASES:
        values = made_up(due) if folder is None else published(folder / path)
        yield Feed(name, country, due, values)


def published(path: Path) -> pd.DataFrame:
    """`unique_id`, `ds`, `y` of a CSV with a column `Date` in ISO days and one column a series."""
    wide = pd.read_csv(path, parse_dates=["Date"]).rename(columns={"Date": "ds"})
    rows = wide.loc[:, ~wide.columns.str.startswith("Unnamed")].melt("ds", var_name="unique_id", value_name="y")
    rows = rows.assign(y=pd.to_numeric(rows["y"], errors="coerce")).dropna()
    return rows[["unique_id", "ds", "y"]].sort_values(["unique_id", "ds"], ignore_index=True)


def made_up(due: DueDays, days: int = 2200, seed: int = 0) -> pd.DataFrame:
    """A random walk on the due days up to the end of 2024."""
    end = np.datetime64("2024-12-31")
    known = due.between(end - days, end)
    steps = np.random.default_rng(seed).normal(0.0, 1.0, len(known))
    return pd.DataFrame({"unique_id": "walk", "ds": known.astype("datetime64[ns]"), "y": 100.0 + np.cumsum(steps)})


def nights(observations: pd.DataFrame, calendars: Calendars, count: int = YEAR, every: int = 1) -> pd.DataFrame:
    """What the checks find each night of the newest days, or each `every`-th: `missing` days, whether one is `late`."""
    last = observations["ds"].max().date()
    found = [_night(observations, calendars, last - timedelta(days=back)) for back in range(count - 1, -1, -every)]
    return pd.DataFrame(found)


def _night(observations: pd.DataFrame, calendars: Calendars, day: date) -> dict[str, Any]:
    known = observations[observations["ds"] <= pd.Timestamp(day)]
    loaded = DateRange(day - timedelta(days=LOOK_BACK_DAYS - 1), day)
    history = _of(known, history_period(loaded))
    judged = judge_days(_of(known, loaded), history, loaded, calendars=calendars)
    series = last_days(_of(known, DateRange(day - timedelta(days=LATE_WINDOW_DAYS), day)), calendars=calendars)
    late = days_late(series[~series["ended"]], day, calendars)
    is_missing = judged["is_due"].astype(bool) & judged["y"].isna()
    return {"day": day, "missing": int(is_missing.sum()), "late": bool((late > MAX_LATE_DAYS).any())}


def _of(observations: pd.DataFrame, days: DateRange) -> pd.DataFrame:
    return observations[observations["ds"].between(pd.Timestamp(days.start), pd.Timestamp(days.end))]


def incidents(marks: "pd.Series[bool]") -> int:
    """How many stretches of nights are marked."""
    return int((marks & ~marks.shift(fill_value=False)).sum())


def accuracy(feed: Feed) -> Iterator[dict[str, Any]]:
    """A backtest of each series that has values to its end, as the platform would train it."""
    rows = feed.observations
    period = DateRange(rows["ds"].min().date(), rows["ds"].max().date())
    features = build_features(rows, period, feed.country, calendars=feed.calendars)
    recipe = Recipe(country=feed.country, calendars=feed.calendars)
    trained = train(features, period.end, recipe, code_version="benchmark")
    results = trained.results
    baselines = {name: naive_errors(results, trained.panel, name) for name in ("naive", "seasonal_naive")}
    for position, unique_id in enumerate(results.unique_ids):
        errors = np.where(results.scored[:, None], results.served_errors[position], np.nan)
        known = np.isfinite(errors)
        if not known.any() or results.constant[position]:
            continue
        low, high = trained.intervals.coverage()[position].round(3).tolist()
        yield {
            "feed": feed.name, "series": unique_id, "cells": int(known.sum()), "RMSE": root_mean_square(errors),
            **{f"RMSE {name}": root_mean_square(np.where(known, of[position], np.nan))
               for name, of in baselines.items()},
            "coverage 80": low, "coverage 95": high,
        }  # fmt: skip


def main() -> None:
    """Measure and report."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--data", type=Path)
    folder = parser.parse_args().data
    rows: list[dict[str, Any]] = []
    aims, scores = [], []
    for feed in feeds(folder):
        for kept, calendars in (("every day", DAILY), ("its own", feed.calendars)):
            found = nights(feed.observations, calendars)
            missing = found["missing"] > 0
            rows.append({
                "feed": feed.name, "calendar": kept, "nights": len(found),
                "nights with missing days": int(missing.sum()), "incidents of missing days": incidents(missing),
                "nights late": int(found["late"].sum()), "incidents late": incidents(found["late"]),
            })  # fmt: skip
        unmet = rows[-1]["nights with missing days"] + rows[-1]["nights late"]
        aims.append(Aim(f"nights of {feed.name} with something missing or late", unmet, "0", unmet == 0))
        scores += list(accuracy(feed))
    for name, found in pd.DataFrame(scores).groupby("feed", sort=False):
        # Prices are random walks, which nothing forecasts better than naive.
        share = float((found["RMSE"] / found["RMSE naive"]).median())
        aims.append(Aim(f"RMSE of the middle series of {name} / naive", round(share, 3), "<= 1.03", share <= 1.03))
    report("due_days", rows + scores, aims)


if __name__ == "__main__":
    main()

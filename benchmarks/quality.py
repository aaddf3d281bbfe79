"""False warnings of the data-quality limits on real history, and the faults they find; ours and two rules people write.

`make bench NAME=quality DATA=folder`: every JSON feed of the folder (dd/mm/yyyy), or the simulated supply
without one. Every fifth day after the first three years is loaded as the daily tick does, with the 31 days
up to it, and judged by the three years before those: each day is judged six times. Nothing in these feeds is
known to be wrong, so every finding counts as false. Then faults are planted in the same days, one at a time,
and looked for.
"""

import argparse
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from benchmarks.accuracy import feeds
from benchmarks.results_file import Aim, report
from forecasting_platform.forecasting.series.days.date_range import DateRange
from forecasting_platform.forecasting.series.quality.data_quality import HISTORY_DAYS, history_period, judge_days
from forecasting_platform.forecasting.series.quality.holding import held_observations

LOOK_BACK_DAYS = 31
TICK_DAYS = 5
FAULTS = 20
FAULT_DAYS = 7
Rule = Callable[[pd.DataFrame, pd.DataFrame, DateRange], pd.DataFrame]


def ours(loaded: pd.DataFrame, history: pd.DataFrame, period: DateRange) -> pd.DataFrame:
    """The days that a warning names: `unique_id`, `ds`, `finding`."""
    judged = judge_days(loaded, history, period)
    findings = {
        "range": ~judged["y"].between(judged["low"], judged["high"]) & judged["y"].notna() & judged["low"].notna(),
        "jump": judged["change"] > judged["max_change"],
        "flat": judged["flat_days"] > judged["max_flat_days"],
        "hum": judged["swing"] < judged["min_swing"],
        "missing": judged["is_due"] & judged["y"].isna(),
    }
    return pd.concat([judged.loc[hit, ["unique_id", "ds"]].assign(finding=name) for name, hit in findings.items()])


def held(loaded: pd.DataFrame, history: pd.DataFrame, period: DateRange) -> pd.DataFrame:
    """The values that are held back."""
    found = held_observations(pd.concat([history, loaded]), period)
    return found[["unique_id", "ds"]].assign(finding=found["reason"])


def three_sigma(loaded: pd.DataFrame, history: pd.DataFrame, _period: DateRange) -> pd.DataFrame:
    """Beyond the mean of the last 90 days by three standard deviations."""
    recent = history[history["ds"] > history["ds"].max() - timedelta(days=90)].groupby("unique_id")["y"]
    return _outside(loaded, recent.mean() - 3 * recent.std(), recent.mean() + 3 * recent.std())


def box_plot(loaded: pd.DataFrame, history: pd.DataFrame, _period: DateRange) -> pd.DataFrame:
    """Beyond the quartiles of the three years by one and a half times their distance."""
    by_series = history.groupby("unique_id")["y"]
    first, third = by_series.quantile(0.25), by_series.quantile(0.75)
    return _outside(loaded, first - 1.5 * (third - first), third + 1.5 * (third - first))


def _outside(loaded: pd.DataFrame, low: pd.Series, high: pd.Series) -> pd.DataFrame:
    names = loaded["unique_id"]
    outside = (loaded["y"] < names.map(low)) | (loaded["y"] > names.map(high))
    return loaded.loc[outside, ["unique_id", "ds"]].assign(finding="range")


RULES: dict[str, Rule] = {
    "ours, warnings": ours,
    "ours, held back": held,
    "3 sigma of 90 days": three_sigma,
    "box plot of 3 years": box_plot,
}


def ticks(observations: pd.DataFrame) -> Iterator[DateRange]:
    """What each fifth daily tick loads, from the fourth year on."""
    first, last = observations["ds"].min().date(), observations["ds"].max().date()
    start = first + timedelta(days=HISTORY_DAYS + LOOK_BACK_DAYS - 1)
    days = list(DateRange(start, last))[::TICK_DAYS]
    return (DateRange(day - timedelta(days=LOOK_BACK_DAYS - 1), day) for day in days)


def between(observations: pd.DataFrame, period: DateRange) -> pd.DataFrame:
    """The rows of these days."""
    return observations[observations["ds"].between(pd.Timestamp(period.start), pd.Timestamp(period.end))]


def false_warnings(rule: Rule, observations: pd.DataFrame) -> pd.DataFrame:
    """One row a series: days named, and incidents (a tick that finds something after one that did not), a year."""
    periods = list(ticks(observations))
    named: set[tuple[str, pd.Timestamp]] = set()
    incidents: dict[str, int] = {}
    before: set[str] = set()
    for period in periods:
        found = rule(between(observations, period), between(observations, history_period(period)), period)
        now = set(found["unique_id"])
        incidents |= {name: incidents.get(name, 0) + 1 for name in now - before}
        named |= set(zip(found["unique_id"], found["ds"], strict=True))
        before = now
    years = len(periods) * TICK_DAYS / 365.25
    names = observations["unique_id"].unique()
    return pd.DataFrame(
        {
            "unique_id": names,
            "false days a year": [sum(name == series for series, _ in named) / years for name in names],
            "false incidents a year": [incidents.get(name, 0) / years for name in names],
        }
    )


def faults(values: pd.Series) -> dict[str, pd.Series]:
    """The last days of a series with each fault planted in them, once a fault."""
    last = values.index[-FAULT_DAYS:]
    return {
        "another unit (× 1000)": values.where(~values.index.isin(last), values * 1000),
        "one value typed × 10": values.where(values.index != last[0], values * 10),
        "stuck for 14 days": values.where(~values.index.isin(values.index[-14:]), values.iloc[-14]),
        "a week missing": values.where(~values.index.isin(values.index[-FAULT_DAYS - 3 : -3])),
        "humming for 14 days": values.where(~values.index.isin(values.index[-14:]), _hum(values)),
        "a twentieth of the newest day": values.where(values.index != last[-1], values / 20),
        "sign turned": values.where(~values.index.isin(last), -values),
    }


def _hum(values: pd.Series) -> pd.Series:
    """A dead meter's noise: up to a hundred thousandth of what is usual."""
    noise = np.random.default_rng(len(values)).uniform(0, 1e-5, len(values))
    return pd.Series(noise * values.abs().median(), values.index)


def found_faults(rule: Rule, observations: pd.DataFrame) -> dict[str, float]:
    """The share of planted faults that the next tick names, over all series and 20 ticks."""
    hits: dict[str, list[bool]] = {}
    chosen = list(ticks(observations))
    for period in [chosen[i] for i in np.linspace(0, len(chosen) - 1, FAULTS).astype(int)]:
        history, loaded = between(observations, history_period(period)), between(observations, period)
        clean = _keys(rule(loaded, history, period))
        for name, rows in loaded.groupby("unique_id"):
            for fault, values in faults(rows.set_index("ds")["y"]).items():
                planted = values.dropna().reset_index().assign(unique_id=name)
                others = loaded[loaded["unique_id"] != name]
                found = _keys(rule(pd.concat([others, planted]), history, period))
                hits.setdefault(fault, []).append(any(series == name for series, _ in found - clean))
    return {fault: float(np.mean(found)) for fault, found in hits.items()}


def _keys(found: pd.DataFrame) -> set[tuple[str, pd.Timestamp]]:
    return set(zip(found["unique_id"], found["ds"], strict=True))


def measure(feed: str, observations: pd.DataFrame) -> Iterator[dict[str, Any]]:
    """One row a series and rule; what is found of the faults is of the whole feed."""
    for name, rule in RULES.items():
        found = {fault: round(share, 3) for fault, share in found_faults(rule, observations).items()}
        for row in false_warnings(rule, observations).to_dict("records"):
            yield {"feed": feed, "rule": name, **{str(key): value for key, value in row.items()}, **found}


def main() -> None:
    """Measure and report."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, help="folder of JSON feeds")
    arguments = parser.parse_args()
    rows = [row for feed, observations in feeds(arguments.data) for row in measure(feed, observations)]
    mine = [row for row in rows if row["rule"] == "ours, warnings"]
    incidents = float(np.mean([row["false incidents a year"] for row in mine]))
    held_days = max(row["false days a year"] for row in rows if row["rule"] == "ours, held back")
    units = min(row["another unit (× 1000)"] for row in rows if row["rule"] == "ours, held back")
    aims = [
        Aim("false incidents a series-year, warnings", incidents, "<= 2", incidents <= 2),
        Aim("false days a series-year, held back", held_days, "<= 1", held_days <= 1),
        Aim("another unit is held back (least of a feed)", units, "= 1", units == 1),
    ]
    report("quality", rows, aims)


if __name__ == "__main__":
    main()

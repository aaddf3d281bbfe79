"""A control question's answer: each series good, bad or unknown, from its daily values and its control chart.

A series is judged only by days whose actuals have come; until then, and without a reference to compare with, it is
unknown, which is neither good nor bad. The values of each question are made in `questions` and `drift`.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date
from typing import Literal

import numpy as np
import pandas as pd

from forecasting_platform.errors import examples
from forecasting_platform.forecasting.monitoring.control.shared_budget import busiest_week, how_many_are_many
from forecasting_platform.forecasting.monitoring.findings import Finding, Findings

WINDOWS = (7, 28, 90)
CONTROL_DAYS = 120
"""A chart starts this many days back, with no evidence."""
MIN_DAYS = 7
MAX_AGE_DAYS = 7

State = Literal["good", "bad", "unknown"]

SERIES_COLUMNS = [
    "unique_id",
    "state",
    "day_before",
    "days",
    "evidence",
    "threshold",
    "since",
    *(f"value_{w}" for w in WINDOWS),
    "why",
    "left_out",
]
DAILY_COLUMNS = ["unique_id", "ds", "value", "evidence", "threshold"]


@dataclass(frozen=True, slots=True)
class ControlReport:
    """One question's answer.

    Attributes:
        series: one row a series: `unique_id`, `state`, that of the `day_before` by the same chart, `days` that were
            judged, `evidence` of a change and the `threshold` where it pages, `since` when the evidence grows (an
            estimate of when the change began), what was measured over 7, 28 and 90 days, `why` it is unknown, and how
            many of its days are `left_out` as not normal.
        daily: `unique_id`, `ds`, the day's `value`, and the chart over it.
        summary: one sentence for a person.
        asked: what is asked, in a few words.
        notes: of series, what has happened to its values.
    """

    series: pd.DataFrame
    daily: pd.DataFrame
    summary: str
    asked: str = ""
    notes: Mapping[str, str] = field(default_factory=dict)

    @property
    def passed(self) -> bool:
        """No series is bad."""
        return not (self.series["state"] == "bad").any()

    def findings(self) -> Findings | None:
        """What is found, series by series, the worst first; None where no day is known on which it began."""
        states = self.series["state"]
        worst = _worst_first(self.series[states == "bad"])[["unique_id", "since", "value_28"]].to_numpy(dtype=object)
        if pd.isna(worst[:, 1]).any():
            return None
        bad = {
            name: Finding(date.fromisoformat(since), self.notes.get(name) or f"{self.asked} {value:.3g} over 28 days")
            for name, since, value in worst
        }
        unknown = self.series.loc[states == "unknown", "unique_id"]
        return Findings(int((states != "unknown").sum()), bad, frozenset(unknown))

    def worst_series(self, count: int) -> pd.DataFrame:
        """So many rows of `series`: the bad ones, then the others that are judged; the most evidence first."""
        worst = _worst_first(self.series)
        return worst.iloc[np.argsort(worst["state"].to_numpy() != "bad", kind="stable")[:count]]

    def telling_days(self) -> pd.DataFrame:
        """The rows of `daily` of the bad series, those with the most evidence for its threshold first; where none is
        bad, of the one series that is nearest to its threshold.
        """
        ordered = _worst_first(self.series[self.series["state"] != "unknown"])
        bad = ordered[ordered["state"] == "bad"]
        names = (bad if len(bad) else ordered.head(1))["unique_id"].tolist()
        days = self.daily[self.daily["unique_id"].isin(names)]
        rank = days["unique_id"].map({name: at for at, name in enumerate(names)})
        return days.iloc[np.argsort(rank.to_numpy(), kind="stable")].reset_index(drop=True)

    @property
    def state(self) -> State:
        """`bad` where a series is, else `good` where one is, else `unknown`."""
        states = set(self.series["state"])
        return "bad" if "bad" in states else "good" if "good" in states else "unknown"


def describe_left_out(series: pd.DataFrame) -> str:
    """How many days are left out as not normal; empty where none is.

    Args:
        series: of a report.
    """
    touched = series[series["left_out"] > 0]
    days = touched["left_out"].max() if len(touched) else 0
    return f"; up to {days} days of {len(touched)} series left out as not normal" if days else ""


def summarise(question: str, series: pd.DataFrame, pages_a_year: float) -> str:
    """One sentence: the five worst series, how many are new or recovered, and that many moved at once."""
    return _verdict(question, series, pages_a_year) + describe_left_out(series)


def _verdict(question: str, series: pd.DataFrame, pages_a_year: float) -> str:
    bad, good = series[series["state"] == "bad"], int((series["state"] == "good").sum())
    recovered = series.loc[(series["state"] == "good") & (series["day_before"] == "bad"), "unique_id"]
    ended = f"; recovered since the day before: {examples(recovered)}" if len(recovered) else ""
    if len(bad):
        worst = _worst_first(bad).head(5)
        named = ", ".join(
            f"{row.unique_id} ({row.value_28:.3g} over 28 days, since {row.since})" for row in worst.itertuples()
        )
        new = int((bad["day_before"] == "good").sum())
        news = f", {new} of them new," if 0 < new < len(bad) else ""
        said = f"{len(bad)} series{news} out of a budget of {pages_a_year:g} false pages a year: {named}"
        return f"{question}: {said}{_at_once(bad, good + len(bad))}{ended}"
    unknown = series[series["state"] == "unknown"]
    reasons = f"; {len(unknown)} unknown ({unknown['why'].iloc[0]})" if len(unknown) else ""
    return (
        f"{question}: {good} of {len(series)} series within budget{reasons}{ended}"
        if len(series)
        else f"{question}: no data"
    )


def _worst_first(series: pd.DataFrame) -> pd.DataFrame:
    share = series["evidence"] / series["threshold"]
    return series.loc[share.sort_values(ascending=False, kind="stable").index]


def _at_once(bad: pd.DataFrame, judged: int) -> str:
    """That many series moved within one week, which one cause explains better than many; empty where they did not."""
    first, most = busiest_week(bad["since"].dropna().to_numpy(dtype="datetime64[D]"))
    if most < how_many_are_many(judged):
        return ""
    return f"; {most} of {judged} series moved within a week from {first}: look for one cause first"

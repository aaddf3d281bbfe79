"""The control and drift reports written series by series in pandas, slowly: what the platform's must agree with."""

from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import timedelta
from typing import Any

import numpy as np
import pandas as pd

from forecasting_platform.forecasting.models.steps_ahead import bucket_of
from forecasting_platform.forecasting.monitoring.control.chart_learning import learn_references
from forecasting_platform.forecasting.monitoring.control.charts import (
    Chart,
    Reference,
    accumulate_evidence,
    is_paging,
)
from forecasting_platform.forecasting.monitoring.control.questions import MAX_REVISION_EFFECT
from forecasting_platform.forecasting.monitoring.control.references import (
    BIAS,
    CHURN,
    COVERAGE,
    NAIVE,
    RMSE,
    SeriesReference,
)
from forecasting_platform.forecasting.monitoring.control.report import (
    CONTROL_DAYS,
    DAILY_COLUMNS,
    MAX_AGE_DAYS,
    MIN_DAYS,
    SERIES_COLUMNS,
    WINDOWS,
)
from forecasting_platform.forecasting.monitoring.control.shared_budget import share_budget
from forecasting_platform.forecasting.series.days.calendar import season_of
from forecasting_platform.forecasting.series.days.series_calendars import Calendars
from forecasting_platform.forecasting.series.lifetime import is_constant

LEVEL, EARLIER = (Chart(name, allowance=0.45, two_sided=True) for name in ("drift", "earlier_years"))
BUDGET = 1.0
Found = tuple[pd.DataFrame, pd.DataFrame]
"""`series` and `daily` of a report."""


def judged(
    chart: Chart,
    streams: Mapping[str, tuple[pd.DataFrame, Reference | None, dict[int, float], str]],
    calendars: Calendars,
) -> Found:
    """Streams are the days and values of a series, its reference, its measures and why it has none."""
    end = max(daily["ds"].max() for daily, *_ in streams.values() if len(daily))
    thresholds = _shared(streams, end, calendars)
    rows, paths = [], []
    for unique_id, (daily, reference, measures, why) in sorted(streams.items()):
        recent, due = daily[daily["ds"] > end - timedelta(days=CONTROL_DAYS)], calendars.of(unique_id)
        row: dict[str, Any] = {"unique_id": unique_id, "state": "unknown", "day_before": "unknown"}
        row |= {"days": len(recent), "since": None}
        row |= {f"value_{window}": measures.get(window, np.nan) for window in WINDOWS}
        unknown = why if reference is None else _immature(recent, end, due)
        if reference is None or unknown:
            rows.append(row | {"evidence": np.nan, "threshold": np.nan, "why": unknown})
            continue
        threshold = thresholds[unique_id]
        evidence = accumulate_evidence(chart, reference, recent["value"].to_numpy(), threshold)
        side = evidence[evidence[:, -1].argmax()]
        quiet = np.flatnonzero(side == 0)
        since = str(recent["ds"].iloc[quiet[-1] + 1 if len(quiet) else 0].date()) if side[-1] else None
        state = "bad" if is_paging(evidence, threshold) else "good"
        row["day_before"] = "bad" if is_paging(evidence[:, :-1], threshold) else "good"
        found = {"state": state, "evidence": evidence[:, -1].max(), "threshold": threshold, "since": since, "why": ""}
        rows.append(row | found)
        paths.append(recent.assign(unique_id=unique_id, evidence=evidence.max(axis=0), threshold=threshold))
    daily = pd.concat(paths, ignore_index=True)[DAILY_COLUMNS] if paths else pd.DataFrame(columns=DAILY_COLUMNS)
    return pd.DataFrame(rows, columns=SERIES_COLUMNS).assign(left_out=0), daily


def _shared(
    streams: Mapping[str, tuple[pd.DataFrame, Reference | None, dict[int, float], str]],
    end: pd.Timestamp,
    calendars: Calendars,
) -> dict[str, float]:
    """The threshold of each series that is judged."""
    judged = {
        unique_id: reference
        for unique_id, (daily, reference, *_) in sorted(streams.items())
        if reference
        and not _immature(daily[daily["ds"] > end - timedelta(days=CONTROL_DAYS)], end, calendars.of(unique_id))
    }
    shares = np.array([calendars.of(unique_id).share_of_weekdays for unique_id in judged])
    return dict(zip(judged, share_budget(list(judged.values()), shares, BUDGET).alone.tolist(), strict=True))


def _immature(recent: pd.DataFrame, end: pd.Timestamp, due: Any) -> str:
    if len(recent) < MIN_DAYS:
        return f"{len(recent)} of the {MIN_DAYS} days needed have matured"
    newest = recent["ds"].max()
    covered = pd.Timestamp(due.covered_until(np.array([newest], dtype="datetime64[D]"))[0])
    return f"its newest matured day is {(end - newest).days} days old" if (end - covered).days > MAX_AGE_DAYS else ""


# ---- drift


def drift(features: pd.DataFrame, calendars: Calendars, which: str) -> Found:
    """The newest days of each series against the three years before, its reference learnt for them alone."""
    newest = features["ds"].max()
    judge = {"level": (LEVEL, _level), "earlier": (EARLIER, _moved)}[which]
    return judged(
        judge[0],
        {str(name): _drift_stream(*judge, rows, newest, calendars) for name, rows in features.groupby("unique_id")},
        calendars,
    )


def _drift_stream(
    chart: Chart, values: Callable[..., pd.DataFrame], rows: pd.DataFrame, newest: pd.Timestamp, calendars: Calendars
) -> tuple[pd.DataFrame, Reference | None, dict[int, float], str]:
    until = newest - timedelta(days=CONTROL_DAYS)
    is_reference = (rows["ds"] <= until) & (rows["ds"] > until - timedelta(days=1095))
    due = calendars.of(str(rows["unique_id"].iloc[0]))
    least = max(60, round(180 * due.share_of_weekdays))
    constant = bool(is_constant(rows.loc[is_reference, "y"].to_numpy()))
    daily = values(rows, is_reference, least).dropna()
    known = int(_known_in(rows, values, is_reference))
    before = daily.loc[daily["ds"].isin(rows.loc[is_reference, "ds"]), "value"].to_numpy()
    enough = len(before) >= least and not constant
    reference = learn_references(chart, [before])[0] if enough else None
    # A reference that was learnt has taken the seasons out; without one nothing can be compared.
    recent = daily[daily["ds"] > newest - timedelta(days=CONTROL_DAYS)]
    if not enough and values is _level:
        recent = recent.iloc[:0]
    means = {window: float(recent["value"].tail(window).mean()) for window in WINDOWS}
    why = "constant in its reference" if constant else f"{known} of {least} days of reference"
    return recent, reference, means, why


def _known_in(rows: pd.DataFrame, values: Callable[..., pd.DataFrame], is_reference: "pd.Series[bool]") -> int:
    found = values(rows, is_reference, 0).dropna()
    return int(found["ds"].isin(rows.loc[is_reference, "ds"]).sum())


def _level(rows: pd.DataFrame, is_reference: "pd.Series[bool]", least: int) -> pd.DataFrame:
    level, waves = (rows["y"] - rows["mean_91"]).to_numpy(), _seasons(rows["ds"])
    fitted = (is_reference & rows["y"].notna()).to_numpy()
    if fitted.sum() < max(least, 1):
        return pd.DataFrame({"ds": rows["ds"], "value": level if least == 0 else np.nan})
    weights, *_ = np.linalg.lstsq(waves[fitted], level[fitted], rcond=None)
    return pd.DataFrame({"ds": rows["ds"], "value": level - waves @ weights})


def _seasons(ds: "pd.Series[pd.Timestamp]") -> np.ndarray:
    phase = 2 * np.pi * ds.dt.dayofyear.to_numpy()[:, None] / 365.25 * np.arange(1, 4)
    return np.hstack([np.eye(7)[ds.dt.weekday.to_numpy()], np.sin(phase), np.cos(phase)])


def _moved(rows: pd.DataFrame, _reference: Any, _least: int) -> pd.DataFrame:
    y = rows.set_index("ds")["y"]
    shifted = [y.shift(freq=timedelta(days=year * 364)) for year in (1, 2, 3)]
    return (y - pd.concat(shifted, axis=1).reindex(y.index).mean(axis=1)).rename("value").reset_index()


# ---- control


def control(
    question: str, rows: pd.DataFrame, references: Mapping[str, SeriesReference], calendars: Calendars
) -> Found:
    """One question of control, from rows of `FORECAST_ERRORS`, or of `FORECASTS` for churn."""
    chart = {"bias": BIAS, "rmse": RMSE, "coverage": COVERAGE, "naive": NAIVE, "churn": CHURN}[question]
    record = _of_record(rows)
    streams = {}
    for unique_id, own in record.groupby("unique_id"):
        reference = references.get(str(unique_id))
        daily, measure = _values(question, own, reference)
        measures = {window: measure(own[own["ds"] > own["ds"].max() - timedelta(days=window)]) for window in WINDOWS}
        if question == "churn":
            measures = {
                window: daily.loc[daily["ds"] > daily["ds"].max() - timedelta(days=window), "value"].mean()
                for window in WINDOWS
            }
        if reference is None:
            streams[str(unique_id)] = (daily.iloc[:0], None, measures, "the champion has no backtest of it")
            continue
        found = reference.charts.get(chart.name)
        if question == "naive" and found is not None:
            found = replace(found, centre=max(found.centre, 0.0))
        why = "its model's backtest is too short, or has no errors"
        if reference.constant:
            found, why = None, "constant in its model's backtest"
        streams[str(unique_id)] = (daily, found, measures, why)
    return judged(chart, streams, calendars)


def _of_record(rows: pd.DataFrame) -> pd.DataFrame:
    key = ["unique_id", "cutoff", "ds"]
    ordered = rows.assign(_digits=rows["model_version"].str.len()).sort_values(
        [*key, "issued_at", "_digits", "model_version"], na_position="first", kind="stable"
    )
    return ordered.drop_duplicates(key)


def _values(
    question: str, rows: pd.DataFrame, reference: SeriesReference | None
) -> tuple[pd.DataFrame, Callable[[pd.DataFrame], float]]:
    def unit(of: pd.DataFrame) -> np.ndarray:
        rmse = np.full((4, 3), np.nan) if reference is None else reference.rmse
        steps = (of["ds"] - of["cutoff"]).dt.days.to_numpy()
        return rmse[season_of(of["ds"].to_numpy().astype("datetime64[D]")), bucket_of(steps)]

    def naive(of: pd.DataFrame) -> "pd.Series[float]":
        return of[f"y_hat_{reference.baseline}"] if reference is not None else of["y"] * np.nan

    def daily(of: pd.DataFrame, values: "pd.Series[float]", day: str = "ds") -> pd.DataFrame:
        frame = pd.DataFrame({"ds": of[day], "value": values}).dropna()
        return frame.groupby("ds")["value"].mean().reset_index()

    if question == "churn":
        before = rows[["cutoff", "ds", "y_hat"]].assign(cutoff=rows["cutoff"] + timedelta(days=1))
        both = rows.merge(before, on=["cutoff", "ds"], suffixes=("", "_before"))
        return daily(both, (both["y_hat"] - both["y_hat_before"]).abs() / unit(both), "cutoff"), lambda _: np.nan
    error = rows["y_hat"] - rows["y"]
    inside = rows["y"].between(rows["y_hat_lo_80"], rows["y_hat_hi_80"]).astype(float)
    if question == "coverage":
        return daily(rows, 1.0 - inside), lambda of: float(inside[of.index].mean())
    if question == "naive":

        def skill(of: pd.DataFrame) -> float:
            against = float((naive(of) - of["y"]).abs().mean())
            return 1 - float((of["y_hat"] - of["y"]).abs().mean()) / against if against > 0 else np.nan

        return daily(rows, (error.abs() - (naive(rows) - rows["y"]).abs()) / unit(rows)), skill
    if question == "bias":
        return daily(rows, error / unit(rows)), lambda of: float((of["y_hat"] - of["y"]).mean())
    scaled = error / unit(rows)
    return daily(rows, scaled), lambda of: float(np.sqrt((scaled[of.index] ** 2).mean()))


def revisions(errors: pd.DataFrame, references: Mapping[str, SeriesReference]) -> pd.DataFrame:
    """State, days and effects of the report on revisions."""
    rows = []
    for unique_id, own in _of_record(errors).groupby("unique_id"):
        known, effects = own.dropna(subset=["y_first"]), {}
        for window in WINDOWS:
            newest = known[known["ds"] > known["ds"].max() - timedelta(days=window)]
            if str(unique_id) not in references or newest.empty:
                effects[window] = np.nan
                continue
            steps = (newest["ds"] - newest["cutoff"]).dt.days.to_numpy()
            season = season_of(newest["ds"].to_numpy().astype("datetime64[D]"))
            unit = references[str(unique_id)].rmse[season, bucket_of(steps)]
            by = [np.sqrt(np.mean(((newest["y_hat"] - newest[name]) / unit) ** 2)) for name in ("y_first", "y")]
            effects[window] = float(abs(by[0] - by[1]))
        days = known["ds"].nunique()
        is_known = days >= MIN_DAYS and np.isfinite(effects[28])
        state = ("bad" if effects[28] > MAX_REVISION_EFFECT else "good") if is_known else "unknown"
        rows.append(
            {"unique_id": unique_id, "state": state, "days": days} | {f"value_{w}": e for w, e in effects.items()}
        )
    return pd.DataFrame(rows)

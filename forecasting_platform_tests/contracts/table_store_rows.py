"""Rows of every table, with what is odd among names and texts, for the contract of table stores."""

from datetime import UTC, date, datetime, timedelta

import numpy as np
import pandas as pd

from forecasting_platform.forecasting.series.days.date_range import DateRange
from forecasting_platform.forecasting.series.frames import (
    DAILY_ERRORS,
    DAILY_MOVES,
    DRIFT_REFERENCES,
    FEATURE_NAMES,
    FEATURE_TABLE,
    FORECASTS,
    HELD_OBSERVATIONS,
    PREDICTION_LOG,
)
from forecasting_platform.forecasting.series.table import Table

JANUARY = DateRange(date(2020, 1, 1), date(2020, 1, 31))


DAY_1 = DateRange(date(2020, 1, 1), date(2020, 1, 1))


DAY_2 = DateRange(date(2020, 1, 2), date(2020, 1, 2))


MONDAY = datetime(2020, 2, 3, 6, 0, 0, 123456, tzinfo=UTC)


TUESDAY = MONDAY + timedelta(days=1)


WEDNESDAY = MONDAY + timedelta(days=2)


ODD_NAMES = [
    "Größe ✓ 天然气", 'it\'s "quoted"', "select", "\\n", "\\N", "NULL", " a ", "NaN", "%s {x} $1", "../x", ".", "Gas/",
    "e\u0301", "a=b", "<b>&amp;", "👩‍🔬",
]  # fmt: skip


ODD_TEXTS = [*ODD_NAMES, "a\tb\\n\nc\r", "", " "]


def observations(*rows: tuple[str, str, float]) -> pd.DataFrame:
    """Rows of (`unique_id`, `ds`, `y`)."""
    frame = pd.DataFrame(rows, columns=["unique_id", "ds", "y"])
    return frame.assign(ds=pd.to_datetime(frame["ds"]), y=frame["y"].astype("float64"))


def refused(*rows: tuple[str | None, str | None, str, str]) -> pd.DataFrame:
    """Rows of (`unique_id`, `ds`, `reason`, `raw`)."""
    frame = pd.DataFrame(rows, columns=["unique_id", "ds", "reason", "raw"], dtype="object")
    return frame.assign(ds=pd.to_datetime(frame["ds"]))


def held(period: DateRange) -> pd.DataFrame:
    """A held value of each day."""
    rows = pd.DataFrame({"unique_id": "Größe", "ds": pd.date_range(period.start, period.end), "y": 1e50})
    return HELD_OBSERVATIONS.conform(rows.assign(reason="far off", lowest=-np.pi, highest=1e9 / 7))


def features(period: DateRange, unique_ids: tuple[str, ...] = ("a", "b"), value: float = 1.0) -> pd.DataFrame:
    """A feature row for each series and day."""
    rows = pd.DataFrame(
        [(name, pd.Timestamp(day)) for name in unique_ids for day in period], columns=["unique_id", "ds"]
    )
    numbers = {name: value + index / 7 for index, name in enumerate(FEATURE_NAMES)}
    known = ['{"Température": 4.5}' if day.day % 2 else None for day in rows["ds"]]
    return FEATURE_TABLE.conform(rows.assign(**numbers, observed_days=364, exogenous=known))


def drift_references(period: DateRange) -> pd.DataFrame:
    """A reference of each day, every other one without anything learnt."""
    rows = pd.DataFrame({"unique_id": "Größe", "ds": pd.date_range(period.start, period.end)})
    learnt = ['{"spread": 0.1}' if day.day % 2 else None for day in rows["ds"]]
    return DRIFT_REFERENCES.conform(
        rows.assign(question="q", learnt_from="0" * 64, known_as="1" * 64, reference=learnt, why=None)
    )


def daily_sums(table: Table, period: DateRange) -> pd.DataFrame:
    """Sums of each day, the last number of every other one unknown."""
    days = pd.Series(pd.date_range(period.start, period.end))
    numbers = {c.name: 0.1 for c in table.columns if c.kind == "float"} | {table.columns[-1].name: [
        None if day.day % 2 else 0.2 for day in days
    ]}  # fmt: skip
    rows = pd.DataFrame({"unique_id": "Größe", "cutoff": days, "ds": days, "first_step": 4, "forecasts": 3} | numbers)
    return table.conform(rows[table.column_names])


DAILY_SUMS = (DAILY_ERRORS, DAILY_MOVES)


def forecasts(period: DateRange, model_version: str = "1", y_hat: float = 5.0) -> pd.DataFrame:
    """A forecast of the next day for each cutoff."""
    cutoffs = pd.Series([pd.Timestamp(day) for day in period])
    texts = {"unique_id": "a", "model_version": model_version, "issued_at": pd.Timestamp(MONDAY)}
    moments = {"cutoff": cutoffs, "ds": cutoffs + pd.Timedelta(days=1)}
    numbers = {c.name: y_hat for c in FORECASTS.columns if c.kind == "float"}
    return FORECASTS.conform(pd.DataFrame({**moments}).assign(**texts, **numbers))


def predictions(request_id: str, y_hat: float = 5.0, unique_ids: tuple[str, ...] = ("a",)) -> pd.DataFrame:
    """What the app answered to one request."""
    rows = pd.DataFrame({"unique_id": list(unique_ids)}).assign(
        request_id=request_id,
        served_at=pd.Timestamp(MONDAY),
        cutoff=pd.Timestamp("2020-01-01"),
        ds=pd.Timestamp("2020-01-02"),
        model_version="1",
        y_hat=y_hat,
        given_inputs=False,
    )
    return PREDICTION_LOG.conform(rows)

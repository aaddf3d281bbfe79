"""One column of a feed with a hostile name or hostile values: who notices, and what becomes of the other series.

Each is loaded, built into features, trained on and forecast beside two ordinary series. What the others are given is
compared bit by bit with what they are given alone; the hostile column must be in the model, held back or quarantined.
"""

import json
import time
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Any

import numpy as np
import pandas as pd

from benchmarks.hostile.app_server import FULL
from benchmarks.results_file import Aim
from forecasting_platform.adapters.feeds.documents.feed_document import read_document
from forecasting_platform.adapters.local_engine import LocalEngine
from forecasting_platform.adapters.memory.table_store import MemoryTableStore
from forecasting_platform.adapters.mlflow.metric_names import metric_prefix
from forecasting_platform.errors import ForecastingPlatformError
from forecasting_platform.feed_description.description import FeedDescription
from forecasting_platform.forecasting.block_training import train_block
from forecasting_platform.forecasting.models.issuing import issue_forecasts
from forecasting_platform.forecasting.models.recipes.recipe import Recipe
from forecasting_platform.forecasting.series.days.date_range import DateRange
from forecasting_platform.forecasting.series.frames import FEATURE_TABLE, HELD_OBSERVATIONS, QUARANTINED_OBSERVATIONS
from forecasting_platform.services.feature_table import build_feature_table

DAYS = 900 if FULL else 450
PERIOD = DateRange(date(2023, 6, 30) - timedelta(days=DAYS - 1), date(2023, 6, 30))
AT = datetime(2023, 7, 1, tzinfo=UTC)
RECIPE = Recipe(backtest_days=120, refit_days=60)

NAMES = {
    "a path": "../x", "a dot": ".", "a slash at the end": "Gas/", "the mean's own": "mean", "white space": " a ",
    "no name": "", "500 bytes": "x" * 500, "501 bytes": "x" * 501, "a million characters": "x" * 1_000_000,
    "a formula": "$\\foo$", "a colour": "[/red]", "HTML": "<script>alert(1)</script>", "a line break": "Gas\n(GWh)",
    "NUL": "a\x00", "turned text": "a\u202eb", "half a character": "\ud800", "SQL": "'; DROP TABLE x; --",
    "every script": "天然气 Größe газ 👩‍🔬",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class _Outcome:
    features: pd.DataFrame
    forecasts: pd.DataFrame
    trained: frozenset[str]
    held: int
    quarantined: int
    seconds: float


def names_and_values() -> tuple[list[dict[str, Any]], list[Aim]]:
    """A row a hostile column, and whether all of them hold."""
    alone = _way({})
    rows = [_row(f"name: {what}", name, _ordinary(9), alone) for what, name in NAMES.items()]
    rows += [_row(f"values: {what}", "poison", values, alone) for what, values in _values()]
    changed = sum(row["others"] != "the same bits" for row in rows)
    unsaid = sum(row["itself"] == "nothing" for row in rows)
    return rows, [
        Aim("hostile columns tried", len(rows), ">= 30", len(rows) >= 30),
        Aim("hostile columns that change another series", changed, "= 0", changed == 0),
        Aim("hostile columns neither in the model nor named", unsaid, "= 0", unsaid == 0),
    ]


def _row(what: str, name: str, values: np.ndarray, alone: _Outcome) -> dict[str, Any]:
    try:
        found = _way({name: values})
    except ForecastingPlatformError as error:
        return {"tried": what, "others": "stopped", "itself": str(error)[:120], "seconds": float("nan")}
    same = all(
        with_it[with_it["unique_id"] != name].reset_index(drop=True).equals(without)
        for with_it, without in ((found.features, alone.features), (found.forecasts, alone.forecasts))
    )
    forecast = int((found.forecasts["unique_id"] == name).sum())
    told = {
        "series in the model": int(name in found.trained),
        "forecasts": forecast,
        "held back": found.held,
        "quarantined": found.quarantined,
    }
    return {
        "tried": what,
        "others": "the same bits" if same else "changed",
        "itself": ", ".join(f"{count:,} {said}" for said, count in told.items() if count) or "nothing",
        "seconds": found.seconds,
    }


def _way(hostile: dict[str, np.ndarray]) -> _Outcome:
    """Feed document, observations, features, model, metrics' names, forecasts."""
    began = time.monotonic()
    columns = {"m": _ordinary(0), "n": np.where(np.arange(DAYS) % 7 < 5, _ordinary(1), 0.0), **hostile}
    document = read_document(
        json.dumps([_cells(columns, at, day) for at, day in enumerate(PERIOD)]).encode(),
        content_type="application/json",
        source="hostile",
        fetched_at=AT,
        description=FeedDescription.of_default_shape("http://hostile", "yyyy-mm-dd"),
        period=PERIOD,
    )
    store = MemoryTableStore()
    store.record_observations(document.observations, PERIOD, available_at=AT, quarantined=document.quarantined)
    build_feature_table(store, LocalEngine(store, lambda: store, workers=1), PERIOD, RECIPE.country)
    features = store.read(FEATURE_TABLE)
    model = train_block(features, PERIOD, RECIPE, code_version="benchmark", with_plots=True).model
    prefixes = {metric_prefix(name) for name in model.unique_ids}
    if len(prefixes) < len(model.unique_ids):
        raise AssertionError(f"two series share a metric: {prefixes}")
    forecasts = issue_forecasts(model, features, model_version="1", issued_at=AT)
    held, refused = store.read(HELD_OBSERVATIONS), store.read(QUARANTINED_OBSERVATIONS)
    seconds = round(time.monotonic() - began, 2)
    return _Outcome(features, forecasts, frozenset(model.unique_ids), len(held), len(refused), seconds)


def _cells(columns: dict[str, np.ndarray], at: int, day: date) -> dict[str, Any]:
    return {"Date": day.isoformat(), **{name: _cell(values[at]) for name, values in columns.items()}}


def _cell(value: float) -> float | None:
    return None if np.isnan(value) else float(value)


def _ordinary(seed: int) -> np.ndarray:
    t = np.arange(DAYS)
    noise = np.random.default_rng(seed).normal(0, 3, DAYS)
    return 100 + 20 * np.cos(2 * np.pi * t / 365.25) - 15 * (t % 7 >= 5) + noise


def _values() -> Iterator[tuple[str, np.ndarray]]:
    even, at = np.arange(DAYS) % 2 == 0, np.arange(DAYS)
    rng = np.random.default_rng(7)
    yield "± 1.7e308", np.where(even, 1.7e308, -1.7e308)
    yield "± 1e50", np.where(even, 1e50, -1e50)
    yield "one value of 1e50", np.where(at == DAYS - 9, 1e50, _ordinary(9))
    yield "the newest is a part of its day", np.where(at == DAYS - 1, 4.0, _ordinary(9))
    yield "always 0", np.zeros(DAYS)
    yield "always -1e50", np.full(DAYS, -1e50)
    yield "denormals", rng.integers(-5, 5, DAYS) * 5e-324
    yield "1e-300", rng.normal(0, 1e-300, DAYS)
    yield "1e50 and 1e-300", np.where(even, 1e50, 1e-300)
    yield "one value", np.where(at == DAYS - 1, 1e50, np.nan)
    yield "20 newest days", np.where(at >= DAYS - 20, 1e40, np.nan)
    yield "20 first days", np.where(at < 20, 1e40, np.nan)
    yield "3 % of days", np.where(rng.random(DAYS) < 0.97, np.nan, 1e50)
    yield "all sizes there are", 10.0 ** rng.uniform(-320, 50, DAYS)

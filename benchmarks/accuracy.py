"""Accuracy of what is served against the naive forecasts, on the same cutoffs of the same feeds.

`make bench NAME=accuracy DATA=folder`: every JSON feed of the folder (dd/mm/yyyy), or the simulated
supply without one. Cutoffs are all days of the last 730 but the first 91, refits each 91 days; the option
of each cutoff was chosen by errors known before it. Peers of other packages are not run yet.
"""

import argparse
import time
from collections.abc import Iterator
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from benchmarks.results_file import Aim, report
from forecasting_platform.adapters.feed_dates import DateFormat
from forecasting_platform.adapters.feed_document import parse_feed_document
from forecasting_platform.adapters.simulated_gas_supply import simulate_gas_supply
from forecasting_platform.errors import FeedDocumentError
from forecasting_platform.forecasting.date_range import DateRange
from forecasting_platform.forecasting.features import build_features
from forecasting_platform.forecasting.recipe import Recipe
from forecasting_platform.forecasting.training import Training, train

SINCE = date(2018, 1, 1)


def feeds(folder: Path | None) -> Iterator[tuple[str, pd.DataFrame]]:
    """Each feed's name and observations."""
    if folder is None:
        wide = simulate_gas_supply(DateRange(SINCE, date(2023, 6, 30))).rename_axis(index="ds", columns="unique_id")
        yield "simulated", wide.reset_index().melt("ds", var_name="unique_id", value_name="y")
        return
    now = datetime.now(UTC)
    for path in sorted(folder.glob("*.json")):
        try:
            document = parse_feed_document(
                path.read_bytes(), content_type="application/json", source=path.name, fetched_at=now,
                date_format=DateFormat.compile("dd/mm/yyyy"), period=DateRange(SINCE, now.date()), today=now.date(),
            )  # fmt: skip
        except FeedDocumentError as error:
            print(f"left out: {error}")
            continue
        yield path.stem, document.observations


def measure(feed: str, observations: pd.DataFrame, recipe: Recipe) -> Iterator[dict[str, Any]]:
    """One row a series."""
    period = DateRange(observations["ds"].min().date(), observations["ds"].max().date())
    began = time.perf_counter()
    training = train(build_features(observations, period, recipe.country), period.end, recipe, code_version="benchmark")
    seconds = time.perf_counter() - began
    for unique_id, series in training.model.metadata["series"].items():
        yield {
            "feed": feed,
            "unique_id": unique_id,
            **{f"rmse {name}": found["rmse"] for name, found in series["options"].items()},
            "rmse served": series["scores"]["rmse"],
            "to seasonal naive": series["scores"]["rmse"] / series["options"]["seasonal_naive"]["rmse"],
            "mase": series["scores"]["mase"],
            **{f"coverage {level}": share for level, share in series["coverage"].items()},
            "served by": series["winner"],
            "cutoffs": _cutoffs(training),
            "seconds a feed": round(seconds, 2),
        }


def _cutoffs(training: Training) -> int:
    return int(training.results.scored.sum())


def main() -> None:
    """Measure and report."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, help="folder of JSON feeds")
    arguments = parser.parse_args()
    rows = [row for feed, observations in feeds(arguments.data) for row in measure(feed, observations, Recipe())]
    ratio = float(np.mean([row["to seasonal naive"] for row in rows]))
    off = max(abs(row["coverage 80"] - 0.8) for row in rows)
    aims = [
        Aim("mean RMSE to seasonal naive", ratio, "<= 0.68", ratio <= 0.68),
        Aim("largest distance of 80 % coverage", off, "<= 0.02", off <= 0.02),
    ]
    report("accuracy", rows, aims)


if __name__ == "__main__":
    main()

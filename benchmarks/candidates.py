"""What each candidate costs, a series: to fit, to forecast in a backtest, and to answer one request.

`make bench NAME=candidates` on the simulated supply, 2,007 days; `DATA=folder` on its JSON feeds instead. CPU seconds
of one thread. A training with the default backtest makes nine fits. RMSE is that of the candidate alone to the seasonal
naive's, of the cutoffs of the last 91 days. `FULL=0`: 700 days, without ARIMA.
"""

import argparse
import os
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from benchmarks.accuracy import COUNTRIES, HORIZON, feeds
from benchmarks.results_file import Aim, report
from forecasting_platform.forecasting.models.candidates.candidate import Candidate, FittedCandidate
from forecasting_platform.forecasting.models.candidates.registry import CANDIDATES, DEFAULTS
from forecasting_platform.forecasting.models.recipes.recipe import Recipe, default_candidates
from forecasting_platform.forecasting.series.days.date_range import DateRange
from forecasting_platform.forecasting.series.features.feature_table import build_features
from forecasting_platform.forecasting.series.features.panel import Panel, panel_from

FULL = os.environ.get("FULL", "1") != "0"
DAYS, CUTOFFS, SLOW = (2007, 91, ()) if FULL else (700, 30, ("auto_arima",))
FITS = 1 + 730 // 91
"""Of a training: one each 91 days of the backtest, and the one that serves."""


def panels(folder: Path | None) -> Iterator[tuple[str, Panel]]:
    """The newest days of each feed, and its country."""
    for feed, observations in feeds(folder):
        newest = observations["ds"].max()
        known = observations[observations["ds"] > newest - pd.Timedelta(days=DAYS)]
        country = next((code for word, code in COUNTRIES.items() if word in feed), "IE")
        yield country, panel_from(build_features(known, DateRange(known["ds"].min().date(), newest.date()), country))


def cpu_seconds(run: Callable[[], Any]) -> tuple[Any, float]:
    """What a call gives, and the processor time that it takes."""
    began = time.process_time()
    return run(), time.process_time() - began


def squares(fitted: FittedCandidate, panel: Panel, country: str) -> tuple[np.ndarray, float]:
    """Squared errors of the newest cutoffs, and what forecasting them took."""
    cutoffs = panel.days[-CUTOFFS - HORIZON : -HORIZON]
    block = panel.block(cutoffs, HORIZON, country, fitted.window_days)
    found, seconds = cpu_seconds(lambda: fitted.predict_block(block))
    return np.square(found - panel.actuals(cutoffs, HORIZON)), seconds


def measured(candidate: Candidate, country: str, panel: Panel) -> dict[str, Any]:
    """The costs of one candidate on one panel."""
    recipe, known = Recipe((candidate,), horizon=HORIZON, country=country), panel.until(panel.days[-CUTOFFS - HORIZON])
    # What a first call imports or compiles is no part of a fit.
    recipe.fit(known.newest_days(100))
    (fitted,), fit = cpu_seconds(lambda: recipe.fit(known))
    errors, backtest = squares(fitted, panel, country)
    rows, series, _ = panel.block(panel.days[-1:], HORIZON, country, fitted.window_days).rows(0)
    _, answer = cpu_seconds(lambda: [fitted.predict(rows.rows(slice(0, 1)), series[:1]) for _ in range(20)])
    reference = squares(Recipe(default_candidates(["seasonal_naive"])).fit(known)[0], panel, country)[0]
    count = len(panel.unique_ids)
    return {
        "candidate": candidate.name,
        "fit, seconds": fit / count,
        "a training, seconds": FITS * fit / count,
        "15 days from a cutoff, ms": 1000 * backtest / count / CUTOFFS,
        "one answer, ms": 1000 * answer / 20,
        "rmse to seasonal naive": float(
            np.sqrt(np.nanmean(errors, axis=(1, 2)) / np.nanmean(reference, axis=(1, 2))).mean()
        ),
    }


def main() -> None:
    """Measure and report."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, help="folder of JSON feeds")
    every = list(panels(parser.parse_args().data))
    names = [name for name in CANDIDATES if name not in SLOW]
    rows = pd.DataFrame([measured(*default_candidates([name]), *panel) for name in names for panel in every])
    rows = rows.groupby("candidate", sort=False, as_index=False).mean()
    default = float(rows.loc[rows["candidate"].isin(DEFAULTS), "a training, seconds"].sum())
    report(
        "candidates",
        rows.to_dict("records"),
        [Aim("seconds a series of fits of the default recipe", default, "<= 0.1", default <= 0.1)],
    )


if __name__ == "__main__":
    main()

"""Accuracy of what is served against other packages, at the same cutoffs of the same series.

`make bench NAME=accuracy DATA=folder`: every JSON feed of the folder (dd/mm/yyyy), or the simulated supply
without one. Cutoffs lie 15 days apart over the last 720; ours is trained anew at each, on what was known
then, as the platform would have done. Peers (`peers.py`) run in an environment of their own, made on the
first run; slow ones at each sixth cutoff, and each is compared with ours on the cutoffs it has. Their
forecasts are kept, each as soon as it is made, for another run on the very same series. `FULL=0`: four cutoffs, fast
peers.
"""

import argparse
import hashlib
import os
import subprocess
import time
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from benchmarks.environments import HERE, listed, python_with
from benchmarks.results_file import Aim, report
from forecasting_platform.adapters.feeds.documents.feed_document import read_document
from forecasting_platform.adapters.feeds.simulated_gas_supply import simulate_gas_supply
from forecasting_platform.errors import FeedDocumentError
from forecasting_platform.feed_description.description import FeedDescription
from forecasting_platform.forecasting.models.recipes.recipe import Recipe
from forecasting_platform.forecasting.models.training.scores import mean_absolute, root_mean_square, seasonal_scale
from forecasting_platform.forecasting.models.training.training import train
from forecasting_platform.forecasting.series.days.date_range import DateRange
from forecasting_platform.forecasting.series.features.feature_table import build_features

SINCE = date(2018, 1, 1)
COUNTRIES = {"spain": "ES", "ireland": "IE"}
"""Declared, by a word of the feed's name, as a user would declare it."""

HORIZON, CUTOFFS = 15, 48
LEVELS = (20, 40, 60, 80, 95)
FULL = os.environ.get("FULL", "1") != "0"
EVERY = {"AutoETS": 6, "LightGBM": 6, "AutoARIMA": 6}
FAST_PEERS = ("Naive", "SeasonalNaive", "AutoTheta", "Prophet")
PEERS = (*FAST_PEERS, "MSTL", *EVERY) if FULL else FAST_PEERS
OURS, REFERENCE = "ours", "SeasonalNaive"
KEYS = ["unique_id", "cutoff", "step"]


def feeds(folder: Path | None) -> Iterator[tuple[str, pd.DataFrame]]:
    """Each feed's name and observations."""
    if folder is None:
        wide = simulate_gas_supply(DateRange(SINCE, date(2023, 6, 30))).rename_axis(index="ds", columns="unique_id")
        yield "simulated", wide.reset_index().melt("ds", var_name="unique_id", value_name="y")
        return
    now = datetime.now(UTC)
    for path in sorted(folder.glob("*.json")):
        try:
            document = read_document(
                path.read_bytes(), content_type="application/json", source=path.name, fetched_at=now,
                description=FeedDescription.of_default_shape(path.as_uri(), "dd/mm/yyyy"),
                period=DateRange(SINCE, now.date()),
            )  # fmt: skip
        except FeedDocumentError as error:
            print(f"left out: {error}")
            continue
        yield path.stem, document.observations


def series_of(feed: str, observations: pd.DataFrame) -> pd.DataFrame:
    """What a peer is given: `unique_id`, `country`, `ds`, `y`, `is_cutoff`."""
    country = next((code for word, code in COUNTRIES.items() if word in feed), "IE")
    apart = HORIZON if FULL else HORIZON * CUTOFFS // 4
    before_end = (observations["ds"].max() - observations["ds"]).dt.days
    is_cutoff = (before_end % apart == 0) & before_end.between(HORIZON, HORIZON * CUTOFFS)
    named = observations.assign(country=country, is_cutoff=is_cutoff, unique_id=feed + "/" + observations["unique_id"])
    return named[["unique_id", "country", "ds", "y", "is_cutoff"]]


def ours(series: pd.DataFrame) -> Iterator[pd.DataFrame]:
    """Our forecasts of each series at each of its cutoffs, in the peers' columns.

    A feed is trained for itself: another one may have ended years before.
    """
    for _, rows in series.groupby(series["unique_id"].str.split("/").str[0]):
        recipe = Recipe(country=str(rows["country"].iloc[0]), horizon=HORIZON)
        period = DateRange(rows["ds"].min().date(), rows["ds"].max().date())
        features = build_features(rows[["unique_id", "ds", "y"]], period, recipe.country)
        for cutoff in rows.loc[rows["is_cutoff"], "ds"].unique():
            yield forecast_at(features, cutoff, recipe, set(rows.loc[rows["ds"] == cutoff, "unique_id"]))


def forecast_at(features: pd.DataFrame, cutoff: pd.Timestamp, recipe: Recipe, alive: set[str]) -> pd.DataFrame:
    """Our forecasts of the living series, trained on what was known at a cutoff, in the peers' columns."""
    began = time.process_time()
    model = train(features, cutoff.date(), recipe, code_version="benchmark").model
    days = [(cutoff + pd.Timedelta(days=step)).date() for step in range(1, HORIZON + 1)]
    asked = [unique_id for unique_id in model.unique_ids if unique_id in alive]
    found = model.predict(model.inputs(days, unique_ids=asked), LEVELS)
    bounds = {f"{side}_{level}": found.bounds[level][side == "hi"] for level in LEVELS for side in ("lo", "hi")}
    return pd.DataFrame(bounds | {"y_hat": found.y_hat, "unique_id": found.unique_id}).assign(
        cutoff=cutoff,
        step=np.tile(np.arange(1, HORIZON + 1), len(asked)),
        seconds=(time.process_time() - began) / len(model.unique_ids),
    )


def peers_python() -> Path:
    """The interpreter of the peers' environment, made if it is not there."""
    return python_with("forecasting", listed(HERE / "peers-requirements.txt"))


def run_peers(series: pd.DataFrame, folder: Path) -> dict[str, pd.DataFrame]:
    """Each peer's forecasts; those that the folder holds of the very same series are read, not made again."""
    folder /= hashlib.sha256(series.to_csv(index=False).encode()).hexdigest()[:16]
    folder.mkdir(parents=True, exist_ok=True)
    missing = [peer for peer in PEERS if not (folder / f"{peer}.csv").exists()]
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        list(pool.map(lambda peer: _run_peer(peer, series, folder), missing))
    return {peer: pd.read_csv(folder / f"{peer}.csv", parse_dates=["cutoff"]) for peer in PEERS}


def _run_peer(peer: str, series: pd.DataFrame, folder: Path) -> None:
    before_end = (series.groupby("unique_id")["ds"].transform("max") - series["ds"]).dt.days
    chosen = series["is_cutoff"] & (before_end % (HORIZON * EVERY.get(peer, 1)) == 0)
    source, unfinished = folder / f"{peer}.series.csv", folder / f"{peer}.unfinished.csv"
    series.assign(is_cutoff=chosen).to_csv(source, index=False)
    single = {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}
    command = ["nice", "-n", "19", peers_python(), HERE / "peers.py", peer, source, unfinished]
    subprocess.run(command, check=True, env=os.environ | single)
    unfinished.rename(folder / f"{peer}.csv")
    source.unlink()


def crps(rows: pd.DataFrame) -> pd.Series:
    """Of each row: twice the mean pinball loss of its deciles (Gneiting & Ranjan 2011, doi:10.1198/jbes.2010.08110)."""
    deciles = {0.5: "y_hat"} | {
        0.5 + s * level / 200: f"{n}_{level}" for level in LEVELS[:4] for s, n in ((-1, "lo"), (1, "hi"))
    }
    losses = []
    for probability, column in deciles.items():
        error = rows["y"] - rows[column]
        losses.append(np.maximum(probability * error, (probability - 1) * error))
    return 2 * sum(losses) / len(losses)


def scores(rows: pd.DataFrame, scale: float) -> dict[str, float]:
    """Of forecasts matched with actuals."""
    error = (rows["y"] - rows["y_hat"]).to_numpy()
    inside = {level: (rows["y"] >= rows[f"lo_{level}"]) & (rows["y"] <= rows[f"hi_{level}"]) for level in (80, 95)}
    return {
        "cutoffs": rows["cutoff"].nunique(),
        "rmse": root_mean_square(error),
        "mase": mean_absolute(error) / scale,
        "crps": float(crps(rows).mean()),
        **{f"coverage {level}": float(found[rows[f"lo_{level}"].notna()].mean()) for level, found in inside.items()},
        "seconds a fit": float(rows["seconds"].median()),
    }


def ratio_interval(own: pd.DataFrame, other: pd.DataFrame, draws: int = 2000) -> tuple[float, float, float]:
    """RMSE of `own` to that of `other`, and its 95 % bootstrap interval: cutoffs are drawn, not days."""
    squares = [rows.assign(e=(rows["y"] - rows["y_hat"]) ** 2).groupby("cutoff")["e"].mean() for rows in (own, other)]
    both = pd.concat(squares, axis=1).to_numpy()
    drawn = np.random.default_rng(0).integers(0, len(both), (draws, len(both)))
    ratios = np.sqrt(np.divide(*both[drawn].mean(axis=1).T))
    return float(np.sqrt(np.divide(*both.mean(axis=0)))), *map(float, np.quantile(ratios, [0.025, 0.975]))


def measure(series: pd.DataFrame, forecasts: Mapping[str, pd.DataFrame]) -> Iterator[dict[str, Any]]:
    """One row a series and package; ours is scored on each peer's cutoffs too."""
    actuals = series[["unique_id", "ds", "y"]]
    matched = {
        name: rows.assign(ds=rows["cutoff"] + pd.to_timedelta(rows["step"], unit="D")).merge(
            actuals, on=["unique_id", "ds"]
        )
        for name, rows in forecasts.items()
    }
    for unique_id, known in series.groupby("unique_id"):
        before = known.loc[known["ds"] < known.loc[known["is_cutoff"], "ds"].min(), "y"].to_numpy()
        own = matched[OURS][matched[OURS]["unique_id"] == unique_id]
        for name, rows in matched.items():
            other = rows[rows["unique_id"] == unique_id]
            if other.empty:
                continue
            shared = own.merge(other[KEYS], on=KEYS)
            ratio, low, high = ratio_interval(shared, other)
            yield {
                "unique_id": unique_id,
                "package": name,
                **scores(other, seasonal_scale(before)),
                "ours to it": ratio,
                "from": low,
                "to": high,
                "crps, ours to it": float(crps(shared).mean() / crps(other).mean()),
            }


def aims(rows: list[dict[str, Any]]) -> list[Aim]:
    """Those of the issue, as measured."""
    frame = pd.DataFrame(rows)
    own, reference = (frame[frame["package"] == name] for name in (OURS, REFERENCE))
    rmse, score = float(reference["ours to it"].mean()), float(reference["crps, ours to it"].mean())
    off = float((own["coverage 80"] - 0.8).abs().max())
    beaten = int((frame["from"] > 1).sum())
    return [
        Aim("mean RMSE to seasonal naive", rmse, "<= 0.68", rmse <= 0.68),
        Aim("mean CRPS to seasonal naive", score, "<= 0.55", score <= 0.55),
        Aim("largest distance of 80 % coverage", off, "<= 0.02", off <= 0.02),
        Aim("series and packages that beat ours significantly", beaten, "0", beaten == 0),
    ]


def main() -> None:
    """Measure and report."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, help="folder of JSON feeds")
    parser.add_argument(
        "--peers",
        type=Path,
        default=HERE / ".peers",
        help="folder that keeps the peers' forecasts, by the series' hash",
    )
    arguments = parser.parse_args()
    series = pd.concat([series_of(feed, rows) for feed, rows in feeds(arguments.data)], ignore_index=True)
    # Ours first: what is wrong with it is seen before an hour of peers.
    own = pd.concat(ours(series), ignore_index=True)
    rows = list(measure(series, {OURS: own, **run_peers(series, arguments.peers)}))
    report("accuracy", rows, aims(rows))


if __name__ == "__main__":
    main()

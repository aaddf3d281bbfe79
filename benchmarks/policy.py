"""Which policy of training, promotion and alerting would have served best; and how long it takes to find out.

`make bench NAME=policy DATA=folder`: the simulated supply of 2018 to 2024 and one series of each JSON feed of the
folder, replayed day by day under the whole grid of `policy_backtest.policies`. `FULL=0`: four years, fewer trainings.
"""

import argparse
import os
import time
from datetime import date, timedelta
from pathlib import Path

import pandas as pd

from benchmarks.accuracy import COUNTRIES, FULL, feeds
from benchmarks.results_file import Aim, report
from forecasting_platform.adapters.feeds.simulated_gas_supply import simulate_gas_supply
from forecasting_platform.forecasting.models.recipes.recipe import Recipe
from forecasting_platform.forecasting.policy_backtest.policies import policies
from forecasting_platform.forecasting.series.days.date_range import DateRange
from forecasting_platform.forecasting.series.features.feature_table import build_features
from forecasting_platform.services.backtests.policy_backtest import backtest_policies

SEVEN_YEARS = DateRange(date(2018, 1, 1), date(2024, 12, 31))
EVERY_DAYS = (15, 30, 91) if FULL else (91,)
MINUTES = 10.0


def histories(folder: Path | None) -> dict[str, pd.DataFrame]:
    """Observations of one series a feed, by its name: the one whose name sorts last."""
    wide = simulate_gas_supply(SEVEN_YEARS).rename_axis(index="ds", columns="unique_id")
    found = {"simulated": wide.reset_index().melt("ds", var_name="unique_id", value_name="y")}
    found |= dict(feeds(folder)) if folder else {}
    newest = {name: rows[rows["unique_id"] == rows["unique_id"].max()] for name, rows in found.items()}
    return {f"{name}/{rows['unique_id'].iloc[0]}": rows for name, rows in newest.items()}


def run(name: str, observations: pd.DataFrame) -> pd.DataFrame:
    """The replay of one series, with the minutes it took."""
    end = observations["ds"].max().date()
    period = DateRange(observations["ds"].min().date() if FULL else end - timedelta(days=4 * 365), end)
    country = next((code for word, code in COUNTRIES.items() if word in name), "IE")
    features = build_features(observations, period, country)
    began, used = time.monotonic(), processor_seconds()
    table = backtest_policies(features, Recipe(country=country), policies(EVERY_DAYS), lambda line: print(name, line))
    minutes = {"minutes": (time.monotonic() - began) / 60, "processor_minutes": (processor_seconds() - used) / 60}
    print(table.to_string(), minutes)
    return table.assign(series=name, days=len(period), **minutes)


def processor_seconds() -> float:
    """What this process and its children that have ended used."""
    return sum(os.times()[:4])


def main() -> None:
    """Run it and write the results."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path)
    tables = [run(name, rows) for name, rows in histories(parser.parse_args().data).items()]
    slowest = max(float(table["minutes"].iloc[0]) for table in tables)
    aims = [Aim("minutes of the slowest series' grid", slowest, f"<= {MINUTES:g}", slowest <= MINUTES)]
    report("policy", pd.concat(tables).to_dict("records"), aims)


if __name__ == "__main__":
    main()

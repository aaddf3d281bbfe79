"""What every script of peers has: the shape of its input and output. Needs pandas alone.

python SCRIPT.py PEER SERIES.csv FORECASTS.csv
"""

import logging
import sys
import warnings
from collections.abc import Callable, Iterator

import pandas as pd

HORIZON = 15
LEVELS = (20, 40, 60, 80, 95)
SIDES = [(side, sign, level) for level in LEVELS for side, sign in (("lo", -1), ("hi", 1))]
"""Each bound: its name and side, and its level."""
SEASON = 7


def main(forecasts_of: Callable[[str, pd.DataFrame], Iterator[pd.DataFrame]]) -> None:
    """Read, forecast, write: each forecast as it comes, so that what was cut short can be looked at."""
    warnings.simplefilter("ignore")
    logging.disable(logging.WARNING)
    peer, source, target = sys.argv[1:4]
    for position, rows in enumerate(forecasts_of(peer, pd.read_csv(source, parse_dates=["ds"]))):
        rows.to_csv(target, mode="a" if position else "w", header=position == 0, index=False)

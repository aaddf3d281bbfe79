"""A series in one line of text."""

from collections.abc import Sequence

import numpy as np

_BARS = "▁▂▃▄▅▆▇█"
WIDTH = 40


def sparkline(values: Sequence[float], width: int = WIDTH) -> str:
    """The values in order, as bars between their least and largest one; more than `width` are averaged.

    >>> sparkline([0, 1, 2, 3])
    '▁▃▆█'
    """
    if not len(values):
        return ""
    parts = np.array_split(np.asarray(values, dtype=float), min(width, len(values)))
    means = np.array([part.mean() for part in parts])
    low, high = means.min(), means.max()
    places = np.zeros(len(means)) if high == low else (means - low) / (high - low) * (len(_BARS) - 1)
    return "".join(_BARS[round(place)] for place in places)

"""Turns the name of a series into a valid and unique prefix of MLflow metric names.

MLflow allows letters, digits and `_-. /`, no relative path such as `../x`, and 250 characters.
"""

import hashlib
import re

MEAN = "mean"
"""The first part of the metrics over all series."""
_OVER_ALL = re.compile(r"mean|quantile_\d\d")

MAX_PREFIX = 200
_CHECKSUM_CHARACTERS = 16
# What MLflow refuses, the slash that divides, what begins an escape, and what a path could begin with.
_ESCAPED = re.compile(r"[^\w\-. ]|_(?=x)|^\.|^ | $")


def metric_prefix(unique_id: str) -> str:
    """The name, with every character that MLflow refuses replaced by `_x…_` with its hexadecimal number.

    A name that becomes longer than `MAX_PREFIX` is cut and ends with a checksum of the whole.

    >>> metric_prefix("Corrib production"), metric_prefix("Gas/"), metric_prefix("../x"), metric_prefix("mean")
    ('Corrib production', 'Gas_x2f_', '_x2e_._x2f_x', '_x6d_ean')
    """
    if _OVER_ALL.fullmatch(unique_id):
        return f"{_escaped(unique_id[0])}{unique_id[1:]}"
    prefix = _ESCAPED.sub(lambda found: _escaped(found[0]), unique_id)
    if len(prefix) <= MAX_PREFIX:
        return prefix
    checksum = hashlib.sha256(unique_id.encode()).hexdigest()[:_CHECKSUM_CHARACTERS]
    # `_x` and no number: what no escaping writes.
    ending = f"_x_{checksum}"
    return f"{prefix[: MAX_PREFIX - len(ending)]}{ending}"


def quantile_prefix(quantile: float) -> str:
    """The first part of the metrics that are a quantile over all series.

    >>> quantile_prefix(0.05), metric_prefix("quantile_05")
    ('quantile_05', '_x71_uantile_05')
    """
    return f"quantile_{round(100 * quantile):02d}"


def _escaped(char: str) -> str:
    return f"_x{ord(char):x}_"

"""Whether the newest days look like the days models were trained on."""

from datetime import timedelta

import numpy as np
import pandas as pd

from forecasting_platform.forecasting.control import ControlReport

WINDOW_DAYS = 28
REFERENCE_DAYS = 1095
LEAST_DAYS = 7
LEAST_REFERENCE_DAYS = 180
CENTRAL = 0.99
MOST_OUTSIDE = 0.25


def drift_report(features: pd.DataFrame) -> ControlReport:
    """Share of the newest 28 days that leave the reference's central 99 %, per series.

    What is compared is `y` minus the mean of its last 91 days, so that neither a slow decline nor the
    level of a season counts as drift; a jump, a new spread or a new weekly shape does. The reference
    is the three years before the window.

    Args:
        features: rows of `FEATURE_TABLE` of at least window and reference.

    Returns:
        `value` is the share outside, `threshold` what is accepted; a series with fewer than 7
        days in the window or 180 in the reference is `unknown`.
    """
    rows = []
    for unique_id, series in features.groupby("unique_id", sort=True):
        newest = series["ds"].max()
        relative = (series["y"] - series["mean_91"]).to_numpy()
        recent = (series["ds"] > newest - timedelta(days=WINDOW_DAYS)).to_numpy()
        before = ~recent & (series["ds"] > newest - timedelta(days=WINDOW_DAYS + REFERENCE_DAYS)).to_numpy()
        known = recent.sum() >= LEAST_DAYS and before.sum() >= LEAST_REFERENCE_DAYS
        outside = _share_outside(relative[recent], relative[before]) if known else float("nan")
        state = ("good" if outside <= MOST_OUTSIDE else "bad") if known else "unknown"
        rows.append((unique_id, int(recent.sum()), outside, MOST_OUTSIDE, state))
    series = pd.DataFrame(rows, columns=["unique_id", "days", "value", "threshold", "state"])
    bad = series.loc[series["state"] == "bad", "unique_id"].tolist()
    summary = f"{len(bad)} of {len(series)} series left their reference" + (f": {', '.join(bad[:5])}" if bad else "")
    return ControlReport(not bad, series, summary)


def _share_outside(recent: np.ndarray, reference: np.ndarray) -> float:
    tail = (1 - CENTRAL) / 2
    low, high = np.quantile(reference, [tail, 1 - tail])
    return float(np.mean((recent < low) | (recent > high)))

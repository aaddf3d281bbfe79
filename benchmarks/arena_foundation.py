"""Forecasts of a foundation model whose weights are in its wheel, at given cutoffs. Runs in an environment of its own.

    python arena_foundation.py Fracast PANEL.csv FORECASTS.csv

The columns are those of `arena_peers.py`. Nothing is fitted: the model reads the newest values of each series and knows
no covariate and no calendar. It has deciles alone, so there is no interval of 95 %.
"""

import time
from collections.abc import Iterator

import pandas as pd
import torch
from fracast import FracastModel
from peer_script import HORIZON, SIDES, main  # stands beside this script


def forecasts(_peer: str, panel: pd.DataFrame) -> Iterator[pd.DataFrame]:
    """Its median and deciles at each cutoff, all series in one call."""
    torch.set_num_threads(1)
    model = FracastModel.from_pretrained(weights="fp32")
    place = {round(probability, 2): position for position, probability in enumerate(model.quantiles)}
    for cutoff in panel.loc[panel["is_cutoff"], "ds"].unique():
        began = time.process_time()
        known = panel[panel["ds"] <= cutoff].pivot(index="unique_id", columns="ds", values="y")
        found = model.forecast_batch(known.to_numpy(), horizon=HORIZON)
        seconds = (time.process_time() - began) / len(known)
        for unique_id, quantiles in zip(known.index, found, strict=True):
            bounds = {
                f"{side}_{level}": quantiles[:, place[at]]
                if (at := round(0.5 + sign * level / 200, 2)) in place
                else None
                for side, sign, level in SIDES
            }
            rows = pd.DataFrame({"y_hat": quantiles[:, place[0.5]], **bounds})
            yield rows.assign(unique_id=unique_id, cutoff=cutoff, step=range(1, HORIZON + 1), seconds=seconds)


if __name__ == "__main__":
    main(forecasts)

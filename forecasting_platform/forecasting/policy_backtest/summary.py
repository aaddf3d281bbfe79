"""The policies ranked by RMSE, and whether a difference is more than chance."""

from collections.abc import Sequence

import numpy as np
import pandas as pd

from forecasting_platform.forecasting.policy_backtest.policies import DEFAULT_POLICY, Outcome, Policy
from forecasting_platform.forecasting.series.arrays import Floats

BLOCK_DAYS, RESAMPLES = 60, 2000


def summarize(outcomes: Sequence[Outcome], default: Policy = DEFAULT_POLICY) -> pd.DataFrame:
    """One row a policy, the lowest RMSE first, against the default policy.

    Returns:
        The policy, `trainings`, `moves` of the alias, `pages`, `rmse`, `rmse_to_default` (1 is equal) and its
        95 % interval `lo`, `hi` by resampling stretches of `BLOCK_DAYS` cutoffs (Künsch 1989).
    """
    base = next(found for found in outcomes if found.policy == default)
    rows = []
    for found in outcomes:
        low, high = _interval(found.errors, base.errors)
        rows.append(
            {
                "train_every_days": found.policy.train_every_days,
                "rule": found.policy.rule,
                "pages_a_year": found.policy.pages_a_year,
                "incident_days": found.policy.incident_days,
                "trainings": found.trainings,
                "moves": found.moves,
                "pages": found.pages,
                "rmse": found.rmse,
                "rmse_to_default": found.rmse / base.rmse,
                "lo": low,
                "hi": high,
            }
        )
    return pd.DataFrame(rows).sort_values(["rmse", "pages"], kind="stable", ignore_index=True)


def _interval(errors: Floats, base: Floats) -> tuple[float, float]:
    # Overlapping horizons correlate neighbouring cutoffs, so whole stretches are resampled; both policies' together, as
    # the same days are hard for both.
    losses = np.stack([np.nansum(found**2, axis=(0, 2)) for found in (errors, base)])
    blocks = losses[:, : losses.shape[1] // BLOCK_DAYS * BLOCK_DAYS].reshape(2, -1, BLOCK_DAYS).sum(axis=2)
    if blocks.shape[1] < 2:
        return float("nan"), float("nan")
    drawn = np.random.default_rng(0).integers(0, blocks.shape[1], (RESAMPLES, blocks.shape[1]))
    ratios = np.sqrt(blocks[0][drawn].sum(axis=1) / blocks[1][drawn].sum(axis=1))
    low, high = np.quantile(ratios, [0.025, 0.975])
    return float(low), float(high)

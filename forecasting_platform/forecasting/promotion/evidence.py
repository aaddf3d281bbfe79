"""The backtest evidence for a promotion: two recipes at the same cutoffs on the data known now."""

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from forecasting_platform.errors import MissingMetricError
from forecasting_platform.forecasting.models.losses import Loss
from forecasting_platform.forecasting.models.recipes.recipe import Recipe
from forecasting_platform.forecasting.models.training.backtest import Backtest
from forecasting_platform.forecasting.models.training.scores import BASELINES
from forecasting_platform.forecasting.promotion.block_evidence import (
    CHALLENGER,
    CHAMPION,
    BlockEvidence,
    measure_backtests,
    measure_recipes,
    sum_and_count,
)
from forecasting_platform.forecasting.promotion.decision_inputs import Evidence, Numbers
from forecasting_platform.forecasting.series.arrays import Floats
from forecasting_platform.forecasting.series.days.not_normal import ALL_NORMAL, NotNormal
from forecasting_platform.forecasting.series.features.panel import Panel


@dataclass(frozen=True, slots=True)
class Comparison:
    """Evidence of a challenger's recipe, of the champion's, and of both naive forecasts, on the same cells.

    Attributes:
        left_out: the periods that are not normal for either recipe and how many days of how many series of the
            backtest they are, JSON-ready; empty where there are none.
    """

    challenger: Evidence
    champion: Evidence | None
    naive: dict[str, Evidence]
    left_out: Numbers = field(default_factory=dict)


def compare_recipes(panel: Panel, challenger: Recipe, champion: Recipe | None) -> Comparison:
    """Backtest both recipes at the same cutoffs; they are judged by the loss of the challenger's.

    Args:
        panel: all data known now, of the series that both models have.

    Raises:
        InsufficientHistoryError: too few days to evaluate.
        MissingMetricError: nothing could be scored.
    """
    return join_evidence([measure_recipes(panel, challenger, champion)], challenger, champion)


def compare_backtests(
    panel: Panel,
    results: Backtest,
    other: Backtest,
    not_normal: NotNormal = ALL_NORMAL,
    loss: Loss = "squared",
) -> Comparison:
    """Compare two backtests at the same cutoffs of the same panel, the challenger's first.

    Args:
        not_normal: the periods that either leaves out.
        loss: what both are judged by.

    Raises:
        MissingMetricError: nothing could be scored.
    """
    return _join([measure_backtests(panel, results, other, not_normal, loss)], not_normal, has_champion=True)


def join_evidence(blocks: Sequence[BlockEvidence], challenger: Recipe, champion: Recipe | None) -> Comparison:
    """The comparison of two recipes on the series of some blocks (`measure_recipes`) together.

    Constant series decide only where all are constant.

    Args:
        blocks: at least one, in the order of their series, on the same days.
        champion: None where nothing serves; then there is no evidence of it.

    Raises:
        MissingMetricError: nothing could be scored.
    """
    not_normal = challenger.not_normal | (champion.not_normal if champion else ALL_NORMAL)
    return _join(blocks, not_normal, has_champion=champion is not None)


def _join(blocks: Sequence[BlockEvidence], not_normal: NotNormal, *, has_champion: bool) -> Comparison:
    if not all(block.constant.all() for block in blocks):
        blocks = [block.undecided() if block.constant.all() else block for block in blocks]
    own = _evidence(blocks, CHALLENGER)
    # The same recipe was measured once, and is compared with itself.
    other = _evidence(blocks, CHAMPION) if CHAMPION in blocks[0].losses else own
    left_out = {
        "days": len(np.unique(np.concatenate([block.left_out for block in blocks]))),
        "series": sum(block.left_out_series for block in blocks),
        "periods": not_normal.to_document(),
    }
    return Comparison(
        challenger=own,
        champion=other if has_champion else None,
        naive={name: _evidence(blocks, name) for name in BASELINES},
        left_out=left_out if left_out["series"] else {},
    )


def _evidence(blocks: Sequence[BlockEvidence], name: str) -> Evidence:
    losses, names = [block.losses[name] for block in blocks], [name for block in blocks for name in block.unique_ids]
    by_series = np.concatenate([of.by_series for of in losses])
    measured = np.isfinite(by_series).any(axis=0)
    if not measured.any():
        raise MissingMetricError("the loss", "a recipe", "not measured on any cutoff")
    by_series = by_series[:, measured]
    sums = {steps: np.sum([of.by_step[steps] for of in losses], axis=0) for steps in losses[0].by_step}
    by_step = {steps: _mean(of_steps[:, measured]) for steps, of_steps in sums.items()}
    covered = [_mean_of_known(series) for series in np.concatenate([of.covered for of in losses], axis=1)]
    constant = np.concatenate([block.constant for block in blocks])
    rmse, unit = np.concatenate([of.rmse for of in losses]), np.concatenate([block.unit for block in blocks])
    return Evidence(
        loss=_mean(sum_and_count(by_series)),
        rmse=dict(zip(names, rmse.tolist(), strict=True)),
        coverage_80=covered[0],
        within_80=covered[1],
        constant=tuple(np.array(names, dtype=object)[constant].tolist()),
        cutoffs=tuple(blocks[0].cutoffs[measured].tolist()),
        # The newest cutoffs have no actuals for far steps yet: a group of steps is judged on those that have them.
        by_step={steps: loss[np.isfinite(loss)] for steps, loss in by_step.items() if np.isfinite(loss).any()},
        by_series=dict(zip(names, by_series, strict=True)),
        unit=dict(zip(names, unit.tolist(), strict=True)),
    )


def _mean(sum_and_count: Floats) -> Floats:
    """Mean over the series that were scored at a cutoff; NaN where none was."""
    with np.errstate(invalid="ignore"):
        return np.asarray(sum_and_count[0] / sum_and_count[1])


def _mean_of_known(values: Floats) -> float | None:
    known = values[np.isfinite(values)]
    return float(np.mean(known)) if len(known) else None

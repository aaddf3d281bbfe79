"""Evidence that a training has already made: the losses of its backtest, kept in the model's metadata.

Promotion takes it instead of a backtest where recipe and data are still the same. It is made block by block, as models
are trained, and a loss is a mean over series: so sums and counts are kept, which add up over blocks. Series that are
new or constant decide nothing and are left out, as in `evidence`.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from forecasting_platform.forecasting.models.intervals import WalkForward
from forecasting_platform.forecasting.models.training.backtest import Backtest
from forecasting_platform.forecasting.models.training.scores import BASELINES
from forecasting_platform.forecasting.promotion.block_evidence import CHALLENGER, measure_backtests, sum_and_count
from forecasting_platform.forecasting.promotion.decision_inputs import Evidence
from forecasting_platform.forecasting.promotion.evidence import Comparison
from forecasting_platform.forecasting.series.arrays import Floats
from forecasting_platform.forecasting.series.features.panel import Panel

KEPT = "evidence"
"""Key of the metadata."""

Document = dict[str, Any]


def keep_evidence(
    metadata: Mapping[str, Any], results: Backtest, panel: Panel, judged: WalkForward, new: npt.NDArray[np.bool_]
) -> Document:
    """A model's metadata with the evidence of its backtest.

    Args:
        judged: how the intervals that would have been served did.
        new: series that are new at the training, of which nothing is kept; shape (S,).
    """
    found = measure_backtests(panel, results, results, judged=judged, without=results.constant | new)
    names, own = np.array(found.unique_ids, dtype=object), found.losses[CHALLENGER]
    evidence = {
        "cutoffs": np.datetime_as_string(found.cutoffs).tolist(),
        "scored": sum_and_count(own.by_series)[1].astype(int).tolist(),
        "loss": {name: sum_and_count(of.by_series)[0].tolist() for name, of in found.losses.items()},
        "by_step": {
            steps: {"scored": sums[1].astype(int).tolist(), "loss": sums[0].tolist()}
            for steps, sums in own.by_step.items()
        },
        "rmse": {
            name: dict(zip(names[~new].tolist(), of.rmse[~new].tolist(), strict=True))
            for name, of in found.losses.items()
        },
        "coverage_80": _sum_and_count(own.covered[0]),
        "within_80": _sum_and_count(own.covered[1]),
        "constant": names[found.constant & ~new].tolist(),
    }
    return {**metadata, KEPT: evidence}


def join_kept(documents: Sequence[Document]) -> Document:
    """The evidence of several blocks together; their cutoffs are the same."""
    first = documents[0]
    return {
        "cutoffs": first["cutoffs"],
        "scored": _added([of["scored"] for of in documents]),
        "loss": {name: _added([of["loss"][name] for of in documents]) for name in first["loss"]},
        "by_step": {
            steps: {key: _added([of["by_step"][steps][key] for of in documents]) for key in ("scored", "loss")}
            for steps in first["by_step"]
        },
        "rmse": {
            name: {key: value for of in documents for key, value in of["rmse"][name].items()} for name in first["rmse"]
        },
        "coverage_80": _added([of["coverage_80"] for of in documents]),
        "within_80": _added([of["within_80"] for of in documents]),
        "constant": [name for of in documents for name in of["constant"]],
    }


def kept_series(metadata: Mapping[str, Any]) -> frozenset[str]:
    """The series that the kept evidence is of; none where nothing is kept that could decide."""
    kept = metadata.get(KEPT)
    return frozenset(kept["rmse"][CHALLENGER]) if kept and any(kept["scored"]) else frozenset()


def kept_comparison(metadata: Mapping[str, Any], *, with_champion: bool) -> Comparison:
    """The comparison of a recipe with both naive forecasts, and with itself where it serves already.

    Args:
        metadata: of the model, with evidence that some series decide.
    """
    kept = metadata[KEPT]
    own = _evidence(kept, CHALLENGER)
    return Comparison(own, own if with_champion else None, {name: _evidence(kept, name) for name in BASELINES})


def _evidence(kept: Document, name: str) -> Evidence:
    scored = np.array(kept["scored"])
    measured = scored > 0
    by_step = {
        steps: np.array(of["loss"])[known] / np.array(of["scored"])[known]
        for steps, of in kept["by_step"].items()
        if name == CHALLENGER and (known := np.array(of["scored"]) > 0).any()
    }
    return Evidence(
        loss=np.array(kept["loss"][name])[measured] / scored[measured],
        rmse=kept["rmse"][name],
        coverage_80=_mean_of(kept["coverage_80"]) if name == CHALLENGER else None,
        within_80=_mean_of(kept["within_80"]) if name == CHALLENGER else None,
        cutoffs=tuple(np.array(kept["cutoffs"], dtype="datetime64[D]")[measured].tolist()),
        by_step=by_step,
        constant=tuple(kept["constant"]),
    )


def _sum_and_count(values: Floats) -> list[float]:
    known = values[np.isfinite(values)]
    return [float(known.sum()), len(known)]


def _mean_of(total: Sequence[float]) -> float | None:
    return total[0] / total[1] if total[1] else None


def _added(lists: Sequence[Sequence[float]]) -> list[float]:
    added: list[float] = np.sum(lists, axis=0).tolist()
    return added

"""The inputs of a decision, and how the decision records them as plain JSON. Judging is in `rule`.

Evidence comes from two sources. The *recipe* backtest: both recipes are scored anew on identical (`cutoff`, `ds`) pairs
and refitted at the same past days, so neither is judged on rows it was fitted on. The *shadow*: both versions, without
refitting, on days after both cutoffs, as they forecast them at the time.
"""

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from datetime import date
from typing import Any

import numpy as np

from forecasting_platform.errors import MissingMetricError
from forecasting_platform.forecasting.models.losses import Loss
from forecasting_platform.forecasting.promotion.paired_tests import long_run_variance
from forecasting_platform.forecasting.promotion.tries import Tries
from forecasting_platform.forecasting.series.arrays import Floats

Numbers = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Evidence:
    """One recipe's losses on the cutoffs that every recipe was scored on.

    The loss at a cutoff is the mean over series of the RMSE over its horizon, in units of the RMSE that the
    seasonal naive forecast of that series has over all cutoffs; of another loss of the recipe the mean loss.

    Attributes:
        loss: per cutoff, shape (C,).
        rmse: per series, over all cutoffs.
        coverage_80: measured, mean over series, bounds included; None where it could not be measured.
        cutoffs: the days; may be empty, then no season is judged.
        by_step: the loss of some steps alone, named such as `1-3`; each of shape (C,).
        by_series: the loss of each series alone, shape (C,), NaN where it was not scored.
        within_80: coverage with the bounds excluded; an actual on a bound is no sign of too wide an interval.
        constant: the series that never changed; they are left out of these numbers.
        unit: per series, the loss of its seasonal naive forecast over all cutoffs, in the series' own unit.
    """

    loss: Floats
    rmse: dict[str, float]
    coverage_80: float | None = None
    cutoffs: tuple[date, ...] = ()
    by_step: dict[str, Floats] = field(default_factory=dict)
    by_series: dict[str, Floats] = field(default_factory=dict)
    within_80: float | None = None
    constant: tuple[str, ...] = ()
    unit: dict[str, float] = field(default_factory=dict)

    @property
    def mean_loss(self) -> float:
        """Mean over cutoffs; about 1 is as good as the seasonal naive forecast, lower is better."""
        return float(np.mean(self.loss))


@dataclass(frozen=True, slots=True)
class ScoredVersion:
    """A version with its evidence, as challenger or champion.

    Attributes:
        declared_days: `Recipe.declared_days`.
    """

    version: str
    cutoff: date
    recipe_fingerprint: str
    evidence: Evidence
    declared_days: str = ""


@dataclass(frozen=True, slots=True)
class Shadow:
    """Losses of both frozen versions, in the unit of `Evidence`, on days after both cutoffs; each of shape (D,)."""

    days: tuple[date, ...]
    challenger: Floats
    champion: Floats


@dataclass(frozen=True, slots=True)
class Fitness:
    """What was measured when the version was loaded as the app loads it.

    Attributes:
        impossible: forecasts of the next horizon that are not finite or leave the physical range.
        load_seconds: in a clean process.
        megabytes: of the artifact.
    """

    impossible: int
    load_seconds: float
    megabytes: float


def refuse_unmeasured(
    challenger: ScoredVersion, champion: ScoredVersion | None, naive: Mapping[str, Evidence], shadow: Shadow | None
) -> None:
    """Refuse losses that cannot be compared.

    Raises:
        MissingMetricError: a loss is not a finite number, or two were scored on different numbers of cutoffs.
    """
    judged = {f"version {c.version}": c.evidence for c in (challenger, champion) if c is not None} | dict(naive)
    for subject, evidence in judged.items():
        if not len(evidence.loss) or not np.isfinite(evidence.loss).all():
            raise MissingMetricError("the loss", subject, float(np.mean(evidence.loss)) if len(evidence.loss) else None)
        # Not measured is None; NaN is a fault, and would pass every comparison below.
        if any(of is not None and math.isnan(of) for of in (evidence.coverage_80, evidence.within_80)):
            raise MissingMetricError("the coverage", subject, math.nan)
        # Paired tests need the same days: losses of other cutoffs would be compared by their place.
        if len(evidence.loss) != len(challenger.evidence.loss):
            raise MissingMetricError("the loss on the challenger's cutoffs", subject, f"{len(evidence.loss)} cutoffs")
    if shadow is not None and not np.isfinite([shadow.challenger, shadow.champion]).all():
        raise MissingMetricError("the loss", "the shadow forecasts", math.nan)


def record_inputs(
    challenger: ScoredVersion,
    champion: ScoredVersion | None,
    naive: Mapping[str, Evidence],
    horizon: int,
    shadow: Shadow | None,
    fitness: Fitness | None,
    tries: Tries | None,
    left_out: Numbers | None = None,
    loss: Loss = "squared",
) -> Numbers:
    """Everything a verdict is made from, JSON-ready; days that are left out as not normal only where there are some."""
    return {
        "horizon": horizon,
        "cutoffs": [day.isoformat() for day in challenger.evidence.cutoffs],
        "challenger": _record_scored(challenger),
        "champion": None if champion is None else _record_scored(champion),
        "naive_loss": {name: evidence.mean_loss for name, evidence in naive.items()},
        "constant": list(challenger.evidence.constant),
        "series": {} if champion is None else _by_series(challenger.evidence, champion.evidence, horizon),
        "shadow": None
        if shadow is None
        else {
            "days": [day.isoformat() for day in shadow.days],
            "challenger": shadow.challenger.tolist(),
            "champion": shadow.champion.tolist(),
        },
        "fitness": None if fitness is None else asdict(fitness),
        "tries": None if tries is None else tries.record(),
        **({"left_out": left_out} if left_out else {}),
        **({"loss": loss} if loss != "squared" else {}),
    }


def _record_scored(scored: ScoredVersion) -> Numbers:
    evidence = scored.evidence
    return {
        "version": scored.version,
        "cutoff": scored.cutoff.isoformat(),
        "recipe_fingerprint": scored.recipe_fingerprint,
        **({"declared_days": scored.declared_days} if scored.declared_days else {}),
        "loss": evidence.loss.tolist(),
        "by_step": {steps: loss.tolist() for steps, loss in evidence.by_step.items()},
        "rmse": evidence.rmse,
        "coverage_80": evidence.coverage_80,
        "within_80": evidence.within_80,
    }


def _by_series(challenger: Evidence, champion: Evidence, horizon: int) -> Numbers:
    """Mean difference of losses and its standard error of each series, which need less room than a loss a day."""
    found = {}
    for unique_id, loss in challenger.by_series.items():
        difference = champion.by_series[unique_id] - loss
        difference = difference[np.isfinite(difference)]
        if len(difference):
            error = math.sqrt(float(long_run_variance(difference, horizon)) / len(difference))
            found[unique_id] = {"difference": float(difference.mean()), "standard_error": error}
    return found

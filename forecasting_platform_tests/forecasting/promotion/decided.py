"""Decisions as the rule makes them, from losses that a test gives."""

from datetime import UTC, date, datetime, timedelta
from typing import Any

import numpy as np

from forecasting_platform.forecasting.promotion.decision_inputs import Evidence, ScoredVersion, Shadow
from forecasting_platform.forecasting.promotion.decisions import (
    PromotionDecision,
)
from forecasting_platform.forecasting.promotion.policy import PromotionPolicy
from forecasting_platform.forecasting.promotion.rule import decide

NOISE = np.random.default_rng(0).gamma(4.0, 0.1, 300)
CUTOFF = date(2023, 6, 30)
CUTOFFS = tuple(CUTOFF - timedelta(days=300 - number) for number in range(300))


def evidence(loss: np.ndarray, coverage: float | None = None, **more: Any) -> Evidence:
    """Losses on the last cutoffs before `CUTOFF`."""
    return Evidence(loss, {}, coverage, CUTOFFS[: len(loss)], **more)


def judged(
    challenger: np.ndarray | Evidence,
    champion: np.ndarray | Evidence | None,
    *,
    newer_days: int = 0,
    same_recipe: bool = False,
    coverage: float | None = 0.8,
    naive: float = 1.0,
    declared: tuple[str, str] = ("", ""),
    **more: Any,
) -> PromotionDecision:
    """Version 2 against version 1.

    Args:
        declared: what each says of days (`Recipe.declared_days`).
    """
    own = challenger if isinstance(challenger, Evidence) else evidence(challenger, coverage)
    other = evidence(champion) if isinstance(champion, np.ndarray) else champion
    recipe, older = "x" if same_recipe else "y", CUTOFF - timedelta(days=newer_days)
    return decide(
        ScoredVersion("2", CUTOFF, "x", own, declared[0]),
        None if other is None else ScoredVersion("1", older, recipe, other, declared[1]),
        {"naive": evidence(np.full(len(own.loss), naive))},
        PromotionPolicy.packaged(),
        horizon=15,
        decided_at=datetime(2023, 7, 1, tzinfo=UTC),
        decided_by="a test",
        **more,
    )


AT = datetime(2023, 7, 1, tzinfo=UTC)


def shadow(days: int, gain: float) -> Shadow:
    """Both with the same noise, the challenger better by a share."""
    champion = np.random.default_rng(5).gamma(4.0, 0.1, days)
    return Shadow(CUTOFFS[:days], champion * (1 - gain), champion)

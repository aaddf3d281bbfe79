"""An incident's story: detected, a training asked for, retrained, promoted or held, resolved."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from forecasting_platform.forecasting.monitoring.incidents import Alert
from forecasting_platform.forecasting.monitoring.retraining import Retraining
from forecasting_platform.forecasting.promotion.decisions import PromotionDecision

Happened = Literal["detected", "asked", "retrained", "failed", "promoted", "held", "resolved"]


@dataclass(frozen=True, slots=True)
class Step:
    """What happened in the life of an incident."""

    at: datetime
    happened: Happened
    text: str


def story(alert: Alert, asked: Iterable[Retraining], decisions: Sequence[PromotionDecision]) -> list[Step]:
    """What happened in the life of an incident, in order.

    Args:
        asked: every training that an incident asked for.
        decisions: of all versions; evidence is not needed.
    """
    steps = [Step(alert.first_seen, "detected", alert.summary)]
    for each in asked:
        if each.alert_id == alert.alert_id:
            steps += _steps_of(each, decisions)
    if alert.resolved is not None:
        steps.append(Step(alert.resolved, "resolved", "the check passes again"))
    return sorted(steps, key=lambda step: step.at)


def _steps_of(retraining: Retraining, decisions: Sequence[PromotionDecision]) -> Iterator[Step]:
    yield Step(retraining.asked_at, "asked", "a training was asked for")
    if retraining.ended_at is None:
        return
    if retraining.version is None:
        yield Step(retraining.ended_at, "failed", "the training failed; its own incident says why")
        return
    yield Step(retraining.ended_at, "retrained", f"version {retraining.version} was trained")
    about = [found for found in decisions if found.challenger_version == retraining.version]
    for decision in about:
        happened: Happened = "promoted" if decision.moves_champion else "held"
        yield Step(decision.decided_at, happened, f"{decision.verdict}: {decision.reason}")

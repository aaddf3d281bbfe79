"""Evaluations for alerts from promotion decisions: a champion was rolled back automatically, or should have been.

They are read from the ledger, because the run that decided may die before it reports anything.
"""

from forecasting_platform.forecasting.monitoring.incidents import Evaluation
from forecasting_platform.forecasting.promotion.decisions import AUTOMATIC, PromotionDecision
from forecasting_platform.ports.ledger import Ledger
from forecasting_platform.settings import Settings

AUTOMATIC_ROLLBACK = "champion_model:automatic_rollback"
MAX_DECISIONS = 50


def decision_results(ledger: Ledger, after: int, settings: Settings) -> tuple[list[Evaluation], int]:
    """Evaluations of the newest decisions after a number, at most 50, oldest first; and the number to continue from."""
    # Most looks find nothing new: evidence is most of a decision, and is read only when there is one.
    if all(_number(newest) <= after for newest in ledger.decisions(1, with_evidence=False)):
        return [], after
    # Read once and told apart by number: a decision that is made meanwhile pushes none of the others out.
    decisions = [found for found in reversed(ledger.decisions(MAX_DECISIONS)) if _number(found) > after]
    return [evaluation_of(found, settings) for found in decisions], max(map(_number, decisions))


def _number(decision: PromotionDecision) -> int:
    return decision.decision_id or 0


def evaluation_of(decision: PromotionDecision, settings: Settings) -> Evaluation:
    """The evaluation of a decision: failed if the champion was rolled back automatically, or should have been."""
    return Evaluation(
        fingerprint=AUTOMATIC_ROLLBACK,
        event_id=_number(decision),
        result="failed" if AUTOMATIC in decision.evidence else "passed",
        severity="error",
        evaluated_at=decision.decided_at,
        summary=f"{decision.verdict}: {decision.reason}",
        runbook=settings.runbook_url("automatic_rollback"),
    )

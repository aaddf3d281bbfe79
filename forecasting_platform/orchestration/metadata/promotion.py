"""The metadata of a promotion decision."""

from typing import Any

from forecasting_platform.forecasting.promotion.decisions import PromotionDecision
from forecasting_platform.forecasting.reports.accuracy import decision_table
from forecasting_platform.forecasting.reports.plots import decision_plot
from forecasting_platform.orchestration.metadata.values import document, plot, table


def decision_metadata(decision: PromotionDecision) -> dict[str, Any]:
    """The verdict, its numbers and evidence, and a plot where versions were compared."""
    serving = decision.challenger_version if decision.moves_champion else decision.champion_version
    return {
        "decision_id": decision.decision_id,
        "verdict": decision.verdict,
        "reason": decision.reason,
        "champion_version": serving or "none",
        "numbers": table(decision_table(decision)),
        "evidence": document({name: found for name, found in decision.evidence.items() if name != "inputs"}),
        **({"plot": plot(decision_plot(decision))} if "inputs" in decision.evidence else {}),
    }

"""Whether a challenger becomes champion. Pure: evidence in, decision out. Moving the alias is elsewhere."""

from dataclasses import dataclass, field
from datetime import date, datetime
from typing import Any, Literal

Verdict = Literal["promote", "refresh", "hold", "reject", "rollback"]


@dataclass(frozen=True, slots=True)
class PromotionDecision:
    """One decision with its evidence.

    Attributes:
        verdict: `promote` (better, or the first champion), `refresh` (same recipe, newer data, not
            worse), `hold` (not shown to be better), `reject` (unfit), `rollback` (a person's).
        champion_version: champion when it was decided, None if there was none.
        evidence: JSON-ready numbers: scores of both, cutoffs evaluated, statistics, thresholds.
        decided_by: `promotion_sensor`, a person, or a command.
        decision_id: the ledger's number, None before it is written.
    """

    verdict: Verdict
    reason: str
    challenger_version: str
    champion_version: str | None
    challenger_cutoff: date
    decided_at: datetime
    decided_by: str
    evidence: dict[str, Any] = field(default_factory=dict)
    decision_id: int | None = None

    @property
    def moves_champion(self) -> bool:
        """Whether the alias moves."""
        return self.verdict in {"promote", "refresh", "rollback"}

"""Decisions about the champion as the ledger keeps them. How a challenger is judged is in `promotion`."""

from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from datetime import date, datetime
from typing import Any, Literal

Verdict = Literal["promote", "refresh", "hold", "reject", "rollback"]


@dataclass(frozen=True, slots=True)
class PromotionDecision:
    """One decision with its evidence.

    Attributes:
        verdict: `promote` (better, or the first champion), `refresh` (same recipe, newer data, fit to
            serve), `hold` (not shown to be better), `reject` (unfit, or worse), `rollback` (a person's).
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


def newest_decision(
    decisions: Iterable[PromotionDecision], version: str, other: str | None
) -> PromotionDecision | None:
    """The first decision between two versions, whichever was the champion; `decisions` are newest first."""
    pairs = {(version, other), (other, version)}
    return next((found for found in decisions if (found.challenger_version, found.champion_version) in pairs), None)


def unless_rolled_back(decision: PromotionDecision, decisions: Iterable[PromotionDecision]) -> PromotionDecision:
    """The decision, or a hold where it would undo a person's rollback: it was asked for before that.

    >>> from datetime import UTC
    >>> at = datetime(2023, 7, 1, tzinfo=UTC)
    >>> late = PromotionDecision("refresh", "31 days newer", "2", "1", date(2023, 6, 30), at, "promotion_sensor")
    >>> drill = PromotionDecision("rollback", "a drill", "1", "2", date(2023, 6, 30), at, "a person")
    >>> unless_rolled_back(late, [drill]).verdict, unless_rolled_back(late, []).verdict
    ('hold', 'refresh')
    """
    if not decision.moves_champion:
        return decision
    earlier = newest_decision(decisions, decision.challenger_version, decision.champion_version)
    if earlier is None or earlier.verdict != "rollback":
        return decision
    reason = f"version {decision.challenger_version} was rolled back ({earlier.reason}); `promote` decides anew"
    return replace(decision, verdict="hold", reason=reason)


def rollback_decision(
    *, to_version: str, to_cutoff: date, champion_version: str, reason: str, decided_at: datetime, decided_by: str
) -> PromotionDecision:
    """A person's decision to serve another version again."""
    return PromotionDecision(
        "rollback", reason, to_version, champion_version, to_cutoff, decided_at, decided_by, {"manual": True}
    )

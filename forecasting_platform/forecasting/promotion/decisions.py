"""Decisions about the champion as the ledger keeps them. How a challenger is judged is in `rule`.

The ledger is a chain: each entry holds the hash of the entry before it and a hash of its own content. An entry that is
changed, removed or inserted later breaks the chain there.
"""

import hashlib
import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime
from typing import Any, Literal

Verdict = Literal["promote", "refresh", "hold", "reject", "rollback", "override"]
MOVES: frozenset[Verdict] = frozenset({"promote", "refresh", "rollback", "override"})
"""Verdicts that move the alias."""
AUTOMATIC = "automatic"
"""Key of the evidence of a decision that no person asked for."""
BEFORE_THE_FIRST = "0" * 64
"""The first entry's `previous_hash`."""


@dataclass(frozen=True, slots=True)
class PromotionDecision:
    """One decision with its evidence.

    Attributes:
        verdict: `promote` (better, or the first champion), `refresh` (same recipe, newer data, fit to
            serve), `hold` (not shown to be better), `reject` (unfit, or worse), `rollback` (to an earlier
            version, by a person or a tripwire), `override` (a person's, whatever the evidence).
        champion_version: champion at the time of the decision; None if there was none.
        evidence: JSON-ready: `inputs`, `policy`, `statistics` and `provenance` of a judged challenger.
        decided_by: `promotion_sensor`, a person, or a command.
        decision_id, previous_hash, entry_hash: the ledger's number and chain, None before it is written.
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
    previous_hash: str | None = None
    entry_hash: str | None = None

    @property
    def moves_champion(self) -> bool:
        """Whether the alias moves."""
        return self.verdict in MOVES

    def moves_champion_to(self, version: str) -> bool:
        """Whether the alias moves to this version."""
        return self.moves_champion and self.challenger_version == version


def chain_entry(decision: PromotionDecision, decision_id: int, previous_hash: str | None) -> PromotionDecision:
    """The decision as an entry of the ledger, after the entry with `previous_hash`; None for the first entry."""
    entry = replace(decision, decision_id=decision_id, previous_hash=previous_hash or BEFORE_THE_FIRST)
    return replace(entry, entry_hash=hash_entry(entry))


def hash_entry(entry: PromotionDecision) -> str:
    """SHA-256 of the entry without its own hash, as canonical JSON."""
    content = {
        "decision_id": entry.decision_id,
        "verdict": entry.verdict,
        "reason": entry.reason,
        "challenger_version": entry.challenger_version,
        "champion_version": entry.champion_version,
        "challenger_cutoff": entry.challenger_cutoff.isoformat(),
        "decided_at": entry.decided_at.astimezone(UTC).isoformat(timespec="microseconds"),
        "decided_by": entry.decided_by,
        "evidence": _plain(entry.evidence),
        "previous_hash": entry.previous_hash,
    }
    return hashlib.sha256(json.dumps(content, sort_keys=True, separators=(",", ":")).encode()).hexdigest()


def _plain(value: Any) -> Any:
    """Numbers as floats, as a store may return 1e16 as an integer, and -0.0 as 0.0, which must hash alike."""
    if isinstance(value, float):  # nearly all of them are
        return value + 0.0
    if isinstance(value, dict):
        return {key: _plain(inner) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(inner) for inner in value]
    return float(value) if isinstance(value, int) and not isinstance(value, bool) else value


def first_break(entries: Sequence[PromotionDecision]) -> str | None:
    """The first break of the chain, in words; None if it is whole.

    Args:
        entries: the whole ledger, newest first.
    """
    previous = BEFORE_THE_FIRST
    for entry in reversed(entries):
        if entry.previous_hash != previous:
            return f"decision {entry.decision_id} does not follow the one before it: an entry is missing or was changed"
        if entry.entry_hash != hash_entry(entry):
            return f"decision {entry.decision_id} is not as it was written: its hash is of another text"
        previous = entry.entry_hash
    return None


def newest_decision(
    decisions: Iterable[PromotionDecision], version: str, other: str | None
) -> PromotionDecision | None:
    """The first decision between two versions, whichever was the champion; `decisions` are newest first."""
    pairs = {(version, other), (other, version)}
    return next((found for found in decisions if (found.challenger_version, found.champion_version) in pairs), None)


def hold_if_rolled_back(decision: PromotionDecision, decisions: Iterable[PromotionDecision]) -> PromotionDecision:
    """The decision, or a hold where it would undo a person's rollback that came after the request.

    >>> from datetime import UTC
    >>> at = datetime(2023, 7, 1, tzinfo=UTC)
    >>> late = PromotionDecision("refresh", "31 days newer", "2", "1", date(2023, 6, 30), at, "promotion_sensor")
    >>> drill = PromotionDecision("rollback", "a drill", "1", "2", date(2023, 6, 30), at, "a person")
    >>> hold_if_rolled_back(late, [drill]).verdict, hold_if_rolled_back(late, []).verdict
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
    *,
    to_version: str,
    to_cutoff: date,
    champion_version: str | None,
    reason: str,
    decided_at: datetime,
    decided_by: str,
) -> PromotionDecision:
    """A person's decision to serve another version again."""
    return PromotionDecision(
        "rollback", reason, to_version, champion_version, to_cutoff, decided_at, decided_by, {"manual": True}
    )

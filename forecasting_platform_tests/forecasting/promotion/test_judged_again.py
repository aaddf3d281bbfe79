"""A decision that is judged again from the ledger is the same, and a changed ledger is noticed."""

import json
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from forecasting_platform.adapters.memory.ledger import MemoryLedger
from forecasting_platform.forecasting.promotion.decisions import (
    first_break,
    rollback_decision,
)
from forecasting_platform.forecasting.promotion.policy import PromotionPolicy
from forecasting_platform.forecasting.promotion.rule import judge_again, verify_decision
from forecasting_platform.forecasting.promotion.tries import Tries
from forecasting_platform_tests.forecasting.promotion.decided import (
    AT,
    CUTOFF,
    NOISE,
    judged,
    shadow,
)


@pytest.mark.slow
@settings(max_examples=60)
@given(
    scale=st.floats(0.3, 3.0),
    jitter=st.floats(0.0, 1.0),
    days=st.integers(0, 120),
    newer=st.integers(0, 40),
    same=st.booleans(),
    seed=st.integers(0, 2**32 - 1),
    tries=st.none() | st.builds(Tries, st.integers(1, 90), st.just(AT), st.integers(0, 9), st.none() | st.floats(0, 1)),
)
def test_a_decision_judged_again_from_its_json_is_the_same_to_the_last_bit(
    scale: float, jitter: float, days: int, newer: int, same: bool, seed: int, tries: Tries | None
) -> None:
    loss = scale * NOISE + jitter * np.random.default_rng(seed).random(300)
    more = {"shadow": shadow(days, 1 - scale)} if days else {}
    decision = judged(loss, NOISE, newer_days=newer, same_recipe=same, tries=tries, **more)
    stored = json.loads(json.dumps(decision.evidence, allow_nan=False))
    assert judge_again(stored) == (decision.verdict, decision.reason, decision.evidence["statistics"])
    assert verify_decision(replace(decision, evidence=stored)) == "same"


@pytest.mark.slow
def test_a_hundred_stored_decisions_are_replayed_without_a_difference() -> None:
    ledger, rng = MemoryLedger(), np.random.default_rng(6)
    for _ in range(100):
        ledger.append_decision(judged(rng.uniform(0.7, 1.2) * NOISE + rng.random(300) / 5, NOISE))
    assert {verify_decision(entry) for entry in ledger.decisions()} == {"same"}
    assert len({entry.verdict for entry in ledger.decisions()}) == 3
    assert first_break(ledger.decisions()) is None


def test_a_verdict_that_was_changed_in_the_ledger_differs_when_judged_again() -> None:
    decision = judged(NOISE * 1.2, NOISE)
    assert verify_decision(replace(decision, verdict="promote")) == "differs"
    assert verify_decision(rollback_decision(
        to_version="1", to_cutoff=CUTOFF, champion_version="2", reason="a drill",
        decided_at=datetime(2023, 7, 1, tzinfo=UTC), decided_by="a person",
    )) == "not judged"  # fmt: skip


@given(
    position=st.integers(0, 4), field=st.sampled_from(["reason", "verdict", "decided_by", "evidence", "decision_id"])
)
def test_any_changed_or_missing_entry_breaks_the_chain(position: int, field: str) -> None:
    ledger = MemoryLedger()
    for number in range(5):
        ledger.append_decision(replace(judged(NOISE, None), reason=str(number)))
    entries = ledger.decisions()
    values = {"evidence": {"x": 1}, "decision_id": 99}
    changed = replace(entries[position], **{field: values.get(field, "changed")})
    assert first_break([*entries[:position], changed, *entries[position + 1 :]]) is not None
    if position:
        # Entries cut off at the newest end leave a whole chain; the version's tag `decision_hash` tells of them.
        assert first_break([*entries[:position], *entries[position + 1 :]]) is not None


def test_decisions_of_the_policy_before_are_judged_again_to_the_same_bits() -> None:
    recorded = json.loads((Path(__file__).parent / "decisions_of_policy_2.json").read_text())
    assert [each["verdict"] for each in recorded] == ["promote", "promote", "reject"]
    for each in recorded:
        assert each["evidence"]["policy"]["version"] == 2
        verdict, reason, statistics = judge_again(each["evidence"])
        assert (verdict, reason, statistics) == (each["verdict"], each["reason"], each["evidence"]["statistics"])


def test_the_policy_that_counts_tries_is_another_version() -> None:
    assert PromotionPolicy.packaged().version == 3


def test_a_hold_because_of_a_rollback_is_replayed_as_the_same_and_another_hold_is_not() -> None:
    decision = judged(NOISE * 0.8, NOISE)
    held = replace(decision, verdict="hold", reason="version 2 was rolled back (a drill); `promote` decides anew")
    assert verify_decision(held) == "same"
    assert verify_decision(replace(held, reason="not shown to be better")) == "differs"
    assert verify_decision(replace(held, verdict="reject")) == "differs"

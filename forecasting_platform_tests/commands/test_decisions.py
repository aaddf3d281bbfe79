"""`decisions`: the ledger is listed, verified and judged again."""

import json
from collections.abc import Callable
from dataclasses import replace

from click.testing import Result

from forecasting_platform.adapters.memory.ledger import MemoryLedger
from forecasting_platform_tests.forecasting.promotion.decided import NOISE, judged


def test_a_whole_ledger_is_verified_and_a_changed_one_is_a_failure(
    run: Callable[..., Result], ledger: MemoryLedger
) -> None:
    assert "whole" in run("decisions", "verify").stdout
    ledger._decisions[0] = replace(ledger._decisions[0], reason="another reason")
    broken = run("decisions", "verify")
    assert broken.exit_code == 1
    assert "decision 1 is not as it was written" in broken.stderr


def test_a_replay_names_the_decisions_that_come_out_differently(
    run: Callable[..., Result], ledger: MemoryLedger
) -> None:
    assert run("decisions", "replay").exit_code == 0
    entry = ledger.append_decision(judged(1.2 * NOISE, NOISE))
    assert "same" in run("decisions", "replay", str(entry.decision_id)).stdout
    ledger.append_decision(replace(judged(1.2 * NOISE, NOISE), verdict="promote"))
    failed = run("decisions", "replay")
    assert failed.exit_code == 1
    assert "decisions [4] get other verdicts" in failed.stderr
    assert "there is no decision 9" in run("decisions", "replay", "9").stderr


def test_decisions_come_newest_first_with_their_evidence(run: Callable[..., Result]) -> None:
    found = json.loads(run("decisions", "--json", "--limit", "2").stdout)
    assert [row["verdict"] for row in found] == ["hold", "promote"]
    assert found[0]["evidence"] == {"rmse": {"naive": 5.8}}
    assert len(json.loads(run("decisions", "--json", "--limit", "1").stdout)) == 1

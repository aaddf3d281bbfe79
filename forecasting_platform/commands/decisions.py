"""`decisions`: lists the promotion ledger, verifies its hash chain, and judges decisions again."""

from pathlib import Path

import click

from forecasting_platform.commands.terminal.connection import connect
from forecasting_platform.commands.terminal.options import data_dir_option, json_option
from forecasting_platform.commands.terminal.output import print_rows
from forecasting_platform.errors import PlatformStateError
from forecasting_platform.forecasting.promotion.decisions import PromotionDecision, first_break
from forecasting_platform.forecasting.promotion.rule import verify_decision


@click.group(invoke_without_command=True, epilog="Example: forecasting-platform decisions --limit 5")
@click.option("--limit", type=click.IntRange(1, 10_000), default=20, show_default=True, help="How many.")
@data_dir_option
@json_option
@click.pass_context
def decisions(context: click.Context, limit: int, data_dir: Path, as_json: bool) -> None:
    """The promotion ledger, newest first."""
    if context.invoked_subcommand is not None:
        return
    rows = [
        {
            "decision": decision.decision_id,
            "decided_at": f"{decision.decided_at:%Y-%m-%d %H:%M:%S}",
            "verdict": decision.verdict,
            "challenger": decision.challenger_version,
            "champion": decision.champion_version,
            "decided_by": decision.decided_by,
            "reason": decision.reason,
            **({"evidence": decision.evidence} if as_json else {}),
        }
        for decision in _read(data_dir, limit)
    ]
    print_rows(rows, title="promotion decisions", as_json=as_json)


@decisions.command(epilog="Example: forecasting-platform decisions verify")
@data_dir_option
@json_option
def verify(data_dir: Path, as_json: bool) -> None:
    """Whether the ledger is as it was written: exit code 1, and where, when an entry was changed or is missing."""
    entries = _read(data_dir)
    broken = first_break(entries)
    if broken:
        raise PlatformStateError(f"the ledger is broken: {broken}; compare it with a backup")
    print_rows([{"decisions": len(entries), "chain": "whole"}], as_json=as_json)


@decisions.command(epilog="Example: forecasting-platform decisions replay 12")
@click.argument("decision_id", type=int, required=False)
@data_dir_option
@json_option
def replay(decision_id: int | None, data_dir: Path, as_json: bool) -> None:
    """Judge again from the stored evidence (all decisions without an id); exit code 1 where anything differs."""
    entries = _read(data_dir)
    if decision_id is not None and decision_id not in {entry.decision_id for entry in entries}:
        raise PlatformStateError(f"there is no decision {decision_id}; `forecasting-platform decisions` lists them")
    judged = [entry for entry in reversed(entries) if decision_id in {None, entry.decision_id}]
    rows = [
        {"decision": entry.decision_id, "verdict": entry.verdict, "replayed": verify_decision(entry)}
        for entry in judged
    ]
    print_rows(rows, title="replayed", as_json=as_json)
    differing = [row["decision"] for row in rows if row["replayed"] == "differs"]
    if differing:
        raise PlatformStateError(
            f"judged again, decisions {differing} get other verdicts: the entries were changed, or the code differs"
        )


def _read(data_dir: Path, limit: int | None = None) -> list[PromotionDecision]:
    with connect(data_dir).ledger() as ledger:
        return ledger.decisions(limit)

"""Kill tests: loads disturbed hundreds of times, with a seed, and what they left.

`make bench NAME=kill`; `FULL=0` is a small run. What is killed, and when, is drawn in
`forecasting_platform_tests.kill.arena`; the test suite runs a slice of the same with another seed. A row counts the
disturbances of one kind, how the disturbed loads ended, and the promises broken, of which there may be none. The
last rows are of Dagster's own processes (`stage`), where what failed is retried by Dagster itself.
"""

import argparse
import itertools
import os
import random
from collections.abc import Iterable, Iterator
from typing import Any

from benchmarks.local_server import free_ports, open_directory
from benchmarks.results_file import Aim, report
from forecasting_platform_tests.kill.arena import Arena, Outcome, kills
from forecasting_platform_tests.kill.stage import VICTIMS, Stage, StageOutcome

FULL = os.environ.get("FULL", "1") != "0"


def suffer(seed: int, counts: dict[str, int]) -> Iterator[Outcome]:
    """Each disturbance in turn, told as it goes."""
    with open_directory() as directory, Arena(directory, free_ports(1)) as arena:
        for driver, count in counts.items():
            for number, kill in enumerate(itertools.islice(kills(seed, driver), count), 1):  # type: ignore[arg-type] # its keys
                outcome = arena.suffer(kill)
                print(f"{number}/{count} {kill.kind}: {outcome.broken or 'nothing lost'}", flush=True)
                yield outcome


def rows_of(outcomes: Iterable[Outcome]) -> Iterator[dict[str, Any]]:
    """One row a kind."""
    by_kind = sorted(outcomes, key=lambda outcome: outcome.kill.kind)
    for kind, group in itertools.groupby(by_kind, key=lambda outcome: outcome.kill.kind):
        found = list(group)
        yield {
            "kind": kind,
            "disturbed": len(found),
            "ended well": sum(each.load_ended_with == 0 for each in found),
            "failed": sum(each.load_ended_with not in {0, -9} for each in found),
            "killed": sum(each.load_ended_with == -9 for each in found),
            "slowest recovery, s": max(each.repetition_seconds for each in found),
            "broken": sum(bool(each.broken) for each in found),
        }


def stage_rows(seed: int, times: int) -> Iterator[dict[str, Any]]:
    """Each of Dagster's processes killed so often; one row a victim."""
    chosen = random.Random(seed)
    with open_directory() as directory, Stage(directory, free_ports(5)) as stage:
        # The first one waits for what runs are forked from.
        run_seconds = min(stage.seconds_of_a_run() for _ in range(2))
        for victim in VICTIMS:
            found = [stage.suffer(victim, chosen, run_seconds) for _ in range(times)]
            print(f"{victim}: {found}", flush=True)
            yield row_of_stage(found)


def row_of_stage(found: list[StageOutcome]) -> dict[str, Any]:
    """The row of one victim; a run that failed was retried, or asked for again."""
    return {
        "kind": f"dagster's processes: {found[0].victim}",
        "disturbed": len(found),
        "ended well": sum(each.runs[0] == "SUCCESS" for each in found),
        "failed": sum(each.runs[0] == "FAILURE" for each in found),
        "killed": 0,
        "slowest recovery, s": max(each.settled_seconds for each in found),
        "broken": sum(bool(each.broken) for each in found),
    }


def main() -> None:
    """Disturb and report."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seed", type=int, default=2026)
    arguments = parser.parse_args()
    counts = {"store": 250, "dagster": 60} if FULL else {"store": 20, "dagster": 5}
    rows = list(rows_of(suffer(arguments.seed, counts)))
    finish(rows + list(stage_rows(arguments.seed, 4 if FULL else 1)))


def finish(rows: list[dict[str, Any]]) -> None:
    """Report, with the aim that nothing was broken."""
    disturbed, broken = (sum(row[name] for row in rows) for name in ("disturbed", "broken"))
    report("kill", rows, [Aim(f"disturbances of {disturbed} that broke a promise", broken, "= 0", broken == 0)])


if __name__ == "__main__":
    main()

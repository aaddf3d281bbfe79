"""Kill tests: loads disturbed hundreds of times, with a seed, and what they left.

`make bench NAME=kill`; `FULL=0` is a small run. What is killed, and when, is drawn in
`forecasting_platform_tests.kill.arena`; the test suite runs a slice of the same with another seed. A row counts the
disturbances of one kind, how the disturbed loads ended, and the promises broken, of which there may be none.
"""

import argparse
import itertools
import os
from collections.abc import Iterable, Iterator
from typing import Any

from benchmarks.local_server import free_ports, open_directory
from benchmarks.results_file import Aim, report
from forecasting_platform_tests.kill.arena import Arena, Outcome, kills

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
            "slowest repetition, s": max(each.repetition_seconds for each in found),
            "broken": sum(bool(each.broken) for each in found),
        }


def main() -> None:
    """Disturb and report."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seed", type=int, default=2026)
    arguments = parser.parse_args()
    counts = {"store": 250, "dagster": 60} if FULL else {"store": 20, "dagster": 5}
    finish(list(suffer(arguments.seed, counts)), sum(counts.values()))


def finish(outcomes: list[Outcome], wanted: int) -> None:
    """Count and report."""
    broken = sum(len(outcome.broken) for outcome in outcomes)
    aims = [
        Aim("disturbed loads", len(outcomes), f">= {wanted}", len(outcomes) >= wanted),
        Aim("promises broken", broken, "= 0", broken == 0),
    ]
    report("kill", list(rows_of(outcomes)), aims)


if __name__ == "__main__":
    main()

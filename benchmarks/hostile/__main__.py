"""Seconds of a core and memory that hostile input costs, at every size that is let in.

`make bench NAME=hostile` (`FULL=0` for fewer series and sizes). Each section is one function that makes rows and
aims; a further kind of input is a further function in `SECTIONS`.
"""

from collections.abc import Callable
from typing import Any

from benchmarks.hostile.app_requests import app_requests
from benchmarks.hostile.feeds import feeds
from benchmarks.hostile.names_and_values import names_and_values
from benchmarks.results_file import Aim, report

Section = Callable[[], tuple[list[dict[str, Any]], list[Aim]]]
SECTIONS: tuple[Section, ...] = (app_requests, feeds, names_and_values)


def main() -> None:
    """Measure every section and report them together."""
    rows: list[dict[str, Any]] = []
    aims: list[Aim] = []
    for section in SECTIONS:
        found, held = section()
        rows += found
        aims += held
    report("hostile", rows, aims)


if __name__ == "__main__":
    main()

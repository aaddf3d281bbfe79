"""Dagster's daemon, which looks for backfills every 2 s instead of every 30 s (`python -m` this module, then `run`).

Options and behaviour are otherwise those of `dagster-daemon`. See decision 14.
"""

from dagster._daemon import controller
from dagster._daemon.cli import main

BACKFILL_LOOK_SECONDS = 2


def look_for_backfills_often() -> None:
    """Shorten the pause of Dagster's backfill loop, a constant that the loop reads when it starts.

    Raises:
        AttributeError: this Dagster has no such constant; then it may have a setting instead.
    """
    controller.DEFAULT_DAEMON_INTERVAL_SECONDS  # noqa: B018 # an assignment alone would pass over its absence
    controller.DEFAULT_DAEMON_INTERVAL_SECONDS = BACKFILL_LOOK_SECONDS


if __name__ == "__main__":
    look_for_backfills_often()
    main()

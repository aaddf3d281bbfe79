"""Which code runs: the release, with the commit that it was built from."""

import subprocess
from functools import cache
from importlib.metadata import version
from pathlib import Path

PACKAGE = "forecasting-platform"


@cache
def code_version() -> str:
    """The version of the installed package; in a clone, with the commit that is checked out now.

    A clone is installed once and changes afterwards, so the commit of its installation would be a wrong one.
    """
    installed, commit = version(PACKAGE), _commit_of(Path(__file__).parents[1])
    return f"{installed.partition('.dev')[0].partition('+')[0]}+{commit}" if commit else installed


def _commit_of(folder: Path) -> str | None:
    """The commit of a clone, such as `g1a2b3c4` or, with changes that are not committed, `g1a2b3c4.dirty`."""
    if not (folder / ".git").exists():
        return None
    command = ["git", "-C", str(folder), "describe", "--always", "--exclude=*", "--dirty=.dirty"]
    try:
        described = subprocess.run(command, capture_output=True, text=True, check=True)
    except (OSError, subprocess.CalledProcessError):
        return None
    return f"g{described.stdout.strip()}"

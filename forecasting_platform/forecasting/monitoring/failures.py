"""What a failure says to a person: its own cause in one line, where and about which days it was, and what to do next.

Pure. How Dagster tells of failures is `orchestration.failed_runs`' and `local.dagster.answers`'.
"""

import re
from collections.abc import Sequence

MAX_CAUSE_CHARACTERS = 1000
_OURS = "forecasting_platform."
# Dagster puts it before the name of an error's class; a person needs the name.
_MODULE = re.compile(r"^(\w+\.)+(?=\w+(:|$))")


def cause(raised: Sequence[str]) -> str:
    """What an error says to a person.

    Ours says what to do about it. What wraps it is Dagster's, and what it was raised from is a driver's.

    Args:
        raised: the error and what it was raised from, as Dagster writes them, the outermost first.

    >>> cause(["dagster.Error: in op", "forecasting_platform.errors.FeedDocumentError: no rows.", "KeyError: 1"])
    'FeedDocumentError: no rows.'
    >>> cause(["dagster.Error: in op", "KeyError: 'a'"])
    "KeyError: 'a'"
    """
    own = [text for text in raised if text.startswith(_OURS)]
    told = (own or raised[1:2] or raised or ["no error was recorded"])[0]
    line = " ".join(_MODULE.sub("", told.strip()).split())
    return line if len(line) <= MAX_CAUSE_CHARACTERS else f"{line[: MAX_CAUSE_CHARACTERS - 1]}…"

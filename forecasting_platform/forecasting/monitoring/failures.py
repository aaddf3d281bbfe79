"""The cause of a failure in one line, for a person. How Dagster reports failures is read elsewhere."""

import re
from collections.abc import Sequence

MAX_CAUSE_CHARACTERS = 1000
_OURS = "forecasting_platform."
# Dagster writes the module before the name of an error's class; a person needs the name only.
_MODULE = re.compile(r"^(\w+\.)+(?=\w+(:|$))")


def cause(raised: Sequence[str]) -> str:
    """The error of a chain that helps a person most, in one line.

    That is the platform's own, which says what to do; outer errors are Dagster's, inner ones a driver's.

    Args:
        raised: the chain of errors as Dagster writes them, outermost first.

    >>> cause(["dagster.Error: in op", "forecasting_platform.errors.FeedDocumentError: no rows.", "KeyError: 1"])
    'FeedDocumentError: no rows.'
    >>> cause(["dagster.Error: in op", "KeyError: 'a'"])
    "KeyError: 'a'"
    """
    own = [text for text in raised if text.startswith(_OURS)]
    line = (own or raised[1:2] or raised or ["no error was recorded"])[0]
    line = " ".join(_MODULE.sub("", line.strip()).split())
    return line if len(line) <= MAX_CAUSE_CHARACTERS else f"{line[: MAX_CAUSE_CHARACTERS - 1]}…"

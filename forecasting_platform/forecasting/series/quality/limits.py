"""Which texts may name a series, and which numbers may be values: limits of every feed and every store.

What is unusual for one series belongs to `data_quality`.
"""

import functools
import hashlib
import unicodedata

import numpy as np

from forecasting_platform.forecasting.series.arrays import Floats

MAX_NAME_BYTES = 500
"""Of a name in UTF-8. Postgres refuses an index row beyond about 2,700 bytes, and keys hold other columns too."""

MAX_VALUE = 1e50
"""The largest |y|: features add values, scores square them, and paired tests square those squares; all stay finite."""

_SHOWN_CHARACTERS = 40
# Line and paragraph separators break log lines as control characters do; the others turn the text around them.
_NOT_IN_NAMES = {"Cc", "Cs", "Zl", "Zp"}
_TURNS_TEXT = frozenset("\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")


def series_name_problem(name: object) -> str | None:
    r"""What is wrong with the name of a series; None of a legal one.

    Any text of 1 to `MAX_NAME_BYTES` bytes in UTF-8 is legal, as published: spaces, quotes, slashes, every script.
    Not legal are white space alone, control characters (line breaks and tabs too), half characters, and
    characters that change the direction of the text around them.

    >>> series_name_problem("Gas/Öl £ ‰") is None
    True
    >>> series_name_problem("Gas\n(GWh)")
    "its name holds '\\n', a control character"
    >>> series_name_problem("x" * 501)
    'its name has 501 bytes in UTF-8; at most 500 are allowed'
    """
    if not isinstance(name, str):
        return f"its name is no text but {type(name).__name__}"
    if not name.strip():
        return "its name is empty"
    size = len(name.encode("utf-8", "surrogatepass"))
    if size > MAX_NAME_BYTES:
        return f"its name has {size:,} bytes in UTF-8; at most {MAX_NAME_BYTES} are allowed"
    found = next((char for char in name if not _may_be_in_name(char)), None)
    return None if found is None else f"its name holds {found!a}, a control character"


@functools.lru_cache(maxsize=10_000)
def _may_be_in_name(char: str) -> bool:
    return unicodedata.category(char) not in _NOT_IN_NAMES and char not in _TURNS_TEXT


def legal_name(name: str) -> str:
    r"""The name, or a legal one that stands for it where refused values are kept: escaped, cut, with a checksum.

    >>> legal_name("Corrib production")
    'Corrib production'
    >>> legal_name("a\x00")
    'a\\x00 (2 bytes, sha256 ffe9aaeaa2a2)'
    """
    if series_name_problem(name) is None:
        return name
    written = name.encode("utf-8", "surrogatepass")
    shown = "".join(char if _may_be_in_name(char) else ascii(char)[1:-1] for char in name[:_SHOWN_CHARACTERS])
    return f"{shown} ({len(written):,} bytes, sha256 {hashlib.sha256(written).hexdigest()[:12]})"


def storable_text(text: str) -> str:
    r"""The text with what UTF-8 and Postgres cannot hold (lone surrogates, NUL) written as escapes.

    >>> storable_text("a\x00")
    'a\\x00'
    """
    return text.encode("utf-8", "backslashreplace").decode("utf-8").replace("\x00", "\\x00")


def value_problem(value: float) -> str | None:
    """What is wrong with a number as a value; None of a legal one.

    >>> value_problem(-1.7e308)
    'beyond ±1e+50, the range of a value'
    """
    return None if abs(value) <= MAX_VALUE else f"beyond ±{MAX_VALUE:g}, the range of a value"


def beyond_limits(values: Floats) -> Floats:
    """Those of some values that `value_problem` refuses, NaN left out."""
    refused: Floats = values[np.abs(values) > MAX_VALUE]
    return refused

"""Finds repeated names in one pass: fields of a JSON object, columns of a header."""

from collections.abc import Iterable


def first_repeated(names: Iterable[str]) -> str | None:
    """The first name that was given before; None where each is given once.

    >>> first_repeated(["a", "b", "a", "b"]), first_repeated("abc")
    ('a', None)
    """
    seen: set[str] = set()
    for name in names:
        if name in seen:
            return name
        seen.add(name)
    return None

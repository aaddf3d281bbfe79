"""The findings of an inspection, and its doubts."""

from collections.abc import Iterable
from dataclasses import dataclass

from forecasting_platform.errors import ForecastingPlatformError, shortened

UNDECIDED = "?"
"""Stands in a proposed description where one of several values has to be chosen; a load refuses it."""


@dataclass(frozen=True, slots=True)
class Found:
    """One thing found: what, its value, and how that was seen."""

    what: str
    value: str
    seen: str = ""


@dataclass(frozen=True, slots=True)
class Doubt:
    """One thing the document leaves open.

    Attributes:
        at: the word of the description it is about, such as `day.format`.
        why: a sentence.
        choices: the values to choose from, as YAML; where there are any, the description holds `UNDECIDED` there.
    """

    at: str
    why: str
    choices: tuple[str, ...] = ()


class NoLayoutError(ForecastingPlatformError):
    """A document in which no daily series was found.

    Attributes:
        problem: what is wrong, with the line where there is one.
        remedy: what to do about it.
    """

    def __init__(self, source: str, problem: str, remedy: str) -> None:
        self.source = source
        self.problem = problem
        self.remedy = remedy
        super().__init__(f"no description can be proposed for {source}: {problem}. {remedy}")


def quoted(texts: Iterable[object], most: int = 3) -> str:
    """Some texts of a document as they are shown in a sentence.

    >>> quoted(["a", "b", "c", "d"])
    "'a', 'b', 'c' and 1 more"
    """
    every = list(dict.fromkeys(map(str, texts)))
    more = f" and {len(every) - most} more" if len(every) > most else ""
    return ", ".join(shortened(repr(text)) for text in every[:most]) + more

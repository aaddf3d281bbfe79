"""Recognizes how a document writes numbers, and which words mean "no value". Pure."""

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

from forecasting_platform.adapters.feeds.inspection.notes import Doubt, Found, quoted

NULL_WORDS = frozenset({
    *("n/a", "na", "#n/a", "#na", "nan", "null", "nil", "none", "nd", "n.d.", "n.d", "n.a.", "n.a", "k.a.", "missing"),
    *("-", "--", "---", "–", "—", ".", "..", "...", "*", ":", "?", "(null)", "<na>", "\\n", "inf", "-inf"),
    *("not available", "not_available", "no data", "#value!", "#ref!", "#div/0!"),
})  # fmt: skip
_GROUPS = (",", ".", " ", "\u00a0", "\u202f", "'", "’")
_UNIT = re.compile(r"^[€$£¥]\s*|\s*(%|[€$£¥]|[A-Za-z°]{1,6}[0-9²³]?|\*|†)$")


@dataclass(frozen=True, slots=True)
class NumberStyle:
    """One way to write numbers."""

    decimal_char: str = "."
    group_char: str | None = None

    @property
    def pattern(self) -> re.Pattern[str]:
        """What a number in it must match; groups are of three digits, and a number with one has them all."""
        mark = re.escape(self.decimal_char)
        whole = (
            r"[0-9]+"
            if self.group_char is None
            else rf"(?:[1-9][0-9]{{0,2}}(?:{re.escape(self.group_char)}[0-9]{{3}})+|[0-9]{{1,3}})"
        )
        return re.compile(rf"[+-]?(?:{whole}(?:{mark}[0-9]*)?|{mark}[0-9]+)(?:[eE][+-]?[0-9]+)?")

    def value(self, text: str) -> float | None:
        """The number a text is, or None.

        >>> NumberStyle(",", ".").value("1.234,5"), NumberStyle().value("1,5")
        (1234.5, None)
        """
        text = text.strip()
        if not self.pattern.fullmatch(text):
            return None
        plain = text.replace(self.group_char, "") if self.group_char else text
        return float(plain.replace(self.decimal_char, "."))


STYLES = (
    NumberStyle(),
    NumberStyle(","),
    *(NumberStyle(mark, group) for group in _GROUPS for mark in ".," if mark != group),
)


@dataclass(frozen=True)
class NumberFinding:
    """How the numbers of a table are written.

    Attributes:
        style: the likeliest.
        undecided: whether the document leaves it open.
        missing_values: the words for no value, the empty text first.
        values: of each column its distinct texts that are numbers.
    """

    style: NumberStyle
    missing_values: tuple[str, ...]
    found: tuple[Found, ...]
    doubts: tuple[Doubt, ...]
    undecided: bool

    @cached_property
    def missing(self) -> frozenset[str]:
        """The words for no value."""
        return frozenset(self.missing_values)

    def values(self, cells: Sequence[str]) -> list[float | None]:
        """The numbers of a column; None where there is none."""
        known = {text: None if text.strip() in self.missing else self.style.value(text) for text in set(cells)}
        return [known[cell] for cell in cells]


def is_null_word(text: str) -> bool:
    """Whether a text is known to stand for no value.

    >>> is_null_word(" N/A "), is_null_word(""), is_null_word("closed")
    (True, True, False)
    """
    return not text.strip() or text.strip().lower() in NULL_WORDS


def looks_like_number(text: str) -> bool:
    """Whether a text is a number in one of the styles."""
    text = text.strip()
    return bool(text) and (text[0].isdecimal() or text[0] in "+-.,") and any(s.pattern.fullmatch(text) for s in STYLES)


def find_numbers(columns: Mapping[str, Sequence[str]], *, native: bool) -> NumberFinding:
    """The style of the numbers in these columns.

    Args:
        native: whether the format itself says what is a number (JSON, Parquet, a workbook), so that none is unclear.
    """
    numeric = {name: counts for name, cells in columns.items() if _is_numeric(counts := Counter(cells))}
    texts = {text.strip() for counts in numeric.values() for text in counts if looks_like_number(text)}
    read = {style: sum(1 for text in texts if style.pattern.fullmatch(text)) for style in STYLES}
    most = max(read.values(), default=0)
    best = [style for style in STYLES if read[style] == most]
    style, rivals = best[0], []
    for other in [] if native else best[1:]:
        differs = [text for text in texts if (value := other.value(text)) is not None and style.value(text) != value]
        if differs:
            rivals.append((other, differs))
    missing = ("", *sorted({text.strip() for counts in numeric.values() for text in counts if _is_word(text, style)}))
    marks = [f"decimals by {style.decimal_char!r}"] + (
        [f"thousands by {style.group_char!r}"] if style.group_char else []
    )
    found = [Found("numbers", ", ".join(marks))]
    if len(missing) > 1:
        found.append(Found("no value", quoted(missing[1:], 6)))
    doubts = []
    if rivals:
        other, differs = rivals[0]
        one, another = style.value(differs[0]), other.value(differs[0])
        why = f"{quoted(differs[:1])} may be {one:g} or {another:g}: no number decides"
        doubts.append(
            Doubt("dialect.decimalChar", why, tuple(_as_yaml(each) for each in (style, *(r for r, _ in rivals))))
        )
    return NumberFinding(style, missing, tuple(found), tuple(doubts), bool(rivals))


def unit_of(cells: Sequence[str]) -> str | None:
    """What stands at the numbers of a column that are no plain ones, such as `%` or `€`."""
    filled = [cell.strip() for cell in cells if not is_null_word(cell)][:500]
    marked = [cell for cell in filled if not looks_like_number(cell) and looks_like_number(_UNIT.sub("", cell))]
    if not filled or len(marked) < 0.8 * len(filled):
        return None
    return (_UNIT.search(marked[0]) or [""])[0].strip()


def _is_word(text: str, style: NumberStyle) -> bool:
    return bool(text.strip()) and is_null_word(text) and style.value(text) is None


def _is_numeric(counts: Counter[str]) -> bool:
    numbers = sum(count for text, count in counts.items() if looks_like_number(text))
    others = sum(count for text, count in counts.items() if not is_null_word(text) and not looks_like_number(text))
    nulls = any(text.strip() for text in counts)
    return (numbers > others) if numbers else (nulls and not others)


def _as_yaml(style: NumberStyle) -> str:
    group = f'", groupChar "{style.group_char}"' if style.group_char else '"'
    return f'"{style.decimal_char}{group}'

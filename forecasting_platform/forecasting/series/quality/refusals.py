"""Summarises what could not be used of a feed's document: counts, three examples, one sentence.

`load`, `up`, each partition, the check and the incident show this sentence. The check decides what a finding stops.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from forecasting_platform.errors import shortened
from forecasting_platform.forecasting.series.days.date_range import DateRange

MAX_EXAMPLES = 3
MAX_EMPTY_DAYS = 14
"""Days that a feed may be late with, holidays and all; a load of more days that gives no value has another reason."""


@dataclass(frozen=True, slots=True)
class Refused:
    """One thing refused: a cell, or a whole row.

    Attributes:
        row: its number in the document, from 1, the header not counted.
        raw: as written.
        unique_id: the column of a cell; None for a row.
    """

    row: int
    raw: str
    reason: str
    unique_id: str | None = None

    def __str__(self) -> str:
        column = f" of {shortened(repr(self.unique_id))}" if self.unique_id is not None else ""
        return f"row {self.row:,}{column}, {shortened(repr(self.raw))}: {shortened(self.reason)}"


@dataclass(frozen=True, slots=True)
class Refusals:
    """How much of a document was refused.

    Attributes:
        rows: rows of the whole document; None where nobody counted.
        refused_rows: those refused whole, of whatever day.
        values: values of the days asked for that were taken.
        refused_values: values of the days asked for that were refused.
        unpublished: values of the days asked for that are announced and not known yet.
        published: the first and last day of the document's rows; None where no row has a day.
        examples: of what was refused.
    """

    rows: int | None = None
    refused_rows: int = 0
    values: int = 0
    refused_values: int = 0
    unpublished: int = 0
    published: DateRange | None = None
    examples: tuple[Refused, ...] = ()

    @property
    def share(self) -> float:
        """The larger of the shares of rows and of values that were refused, from 0 to 1."""
        return max(_share(self.refused_rows, self.rows or 0), _share(self.refused_values, self._given_values))

    @property
    def _given_values(self) -> int:
        return self.values + self.refused_values

    def __str__(self) -> str:
        """The sentence.

        >>> total = Refused(3, "Total,7", "its date names no day")
        >>> str(Refusals(rows=3, refused_rows=1, values=2, examples=(total,)))
        "1 of 3 rows (33 %) and 0 of 2 values of the days asked for were refused, such as row 3, 'Total,7': its date \
names no day"
        """
        rows = _counted(self.refused_rows, self.rows or 0)
        values = _counted(self.refused_values, self._given_values)
        such_as = f", such as {'; '.join(map(str, self.examples))}" if self.examples else ""
        return f"{rows.format('rows')} and {values.format('values of the days asked for')} were refused{such_as}"

    def problem(self, days: DateRange, max_share: float, due_days: int | None = None) -> str | None:
        """Why nothing should be built on a load of `days`; None where it may.

        A feed that has not published the newest days yet is no problem: up to `MAX_EMPTY_DAYS` may be without values
        as long as nothing of them was refused.

        Args:
            due_days: how many of the days have a value by their calendar; all by default.

        >>> from datetime import date
        >>> day = DateRange(date(2023, 7, 1), date(2023, 7, 1))
        >>> Refusals(rows=3, refused_values=2).problem(day, 0.5)
        'no value of the days asked for could be used'
        >>> Refusals(rows=3).problem(day, 0.5) is None
        True
        """
        # Before the share: few values, all refused, may be a small share of the rows.
        if not self.values and self.refused_values:
            return "no value of the days asked for could be used"
        if self.share > max_share:
            return f"more was refused than the {_percent(max_share)} that FORECASTING_MAX_REFUSED_SHARE lets pass"
        if self.rows is not None and not self.values and (len(days) if due_days is None else due_days) > MAX_EMPTY_DAYS:
            return f"none of the {len(days):,} days asked for has a value; {self._has()}"
        return None

    def _has(self) -> str:
        if self.unpublished:
            return f"{self.unpublished:,} are announced without one"
        return f"the document's rows are of {self.published}" if self.published else "the document has no rows"


def refusals_together(parts: Sequence[Refusals]) -> Refusals:
    """Those of several documents as if they were of one."""
    reaches = [part.published for part in parts if part.published]
    return Refusals(
        rows=None if any(part.rows is None for part in parts) else sum(part.rows or 0 for part in parts),
        refused_rows=sum(part.refused_rows for part in parts),
        values=sum(part.values for part in parts),
        refused_values=sum(part.refused_values for part in parts),
        unpublished=sum(part.unpublished for part in parts),
        published=DateRange(min(of.start for of in reaches), max(of.end for of in reaches)) if reaches else None,
        examples=varied_examples(example for part in parts for example in part.examples),
    )


def varied_examples(refused: Iterable[Refused]) -> tuple[Refused, ...]:
    """Up to three, the first of each column and reason before any second one."""
    first: dict[tuple[str | None, str], Refused] = {}
    others: list[Refused] = []
    for each in refused:
        if first.setdefault((each.unique_id, each.reason), each) is not each and len(others) < MAX_EXAMPLES:
            others.append(each)
        if len(first) == MAX_EXAMPLES:
            break
    return tuple([*first.values(), *others][:MAX_EXAMPLES])


def _share(part: int, whole: int) -> float:
    return part / whole if whole else 0.0


def _counted(part: int, whole: int) -> str:
    """Such as `1 of 3 {} (33 %)`, where `{}` stands for what is counted."""
    share = f" ({_percent(part / whole)})" if part and whole else ""
    return f"{part:,} of {whole:,} {{}}{share}"


def _percent(share: float) -> str:
    """Two digits, and more near the whole: what is left of it matters.

    >>> _percent(1.0), _percent(0.0004), _percent(0.9999)
    ('100 %', '0.04 %', '99.99 %')
    """
    return f"{100 * share:.4g} %" if share > 0.99 else f"{100 * share:.2g} %"

"""A range of days, both ends inclusive. Every range in this code base is one."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import date, timedelta

from forecasting_platform.errors import InvalidRangeError


@dataclass(frozen=True, slots=True)
class DateRange:
    """The days from `start` to `end`, both inclusive.

    Raises:
        InvalidRangeError: `end` lies before `start`.

    >>> len(DateRange(date(2018, 1, 1), date(2023, 6, 30)))
    2007
    """

    start: date
    end: date

    def __post_init__(self) -> None:
        if self.end < self.start:
            raise InvalidRangeError(f"the end {self.end} lies before the start {self.start}; swap them")

    def __len__(self) -> int:
        return (self.end - self.start).days + 1

    def __iter__(self) -> Iterator[date]:
        return (self.start + timedelta(days=offset) for offset in range(len(self)))

    def __contains__(self, day: date) -> bool:
        return self.start <= day <= self.end

    def __str__(self) -> str:
        return f"{self.start}..{self.end}"


def stretches(days: Iterable[date]) -> list[DateRange]:
    """The fewest ranges that hold exactly these days, the earliest first.

    >>> [str(stretch) for stretch in stretches([date(2023, 7, 3), date(2023, 7, 1), date(2023, 7, 2)])]
    ['2023-07-01..2023-07-03']
    """
    found: list[DateRange] = []
    for day in sorted(set(days)):
        if found and (day - found[-1].end).days == 1:
            found[-1] = DateRange(found[-1].start, day)
        else:
            found.append(DateRange(day, day))
    return found

"""The record of each feed: its newest load, since when it fails, the days it has and the next one due.

One record a feed, whatever its age. Its incidents are in `incidents`, what was refused row by row in
`quarantined_observations`, each load's numbers in Dagster.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from datetime import date, datetime
from typing import Any, Literal

import numpy as np

from forecasting_platform.forecasting.series.days.date_range import DateRange
from forecasting_platform.forecasting.series.days.due_days import EVERY_DAY, DueDays
from forecasting_platform.forecasting.series.quality.refusals import Refusals, Refused

State = Literal["loaded", "failing", "never loaded"]


@dataclass(frozen=True, slots=True)
class LoadedDocument:
    """The newest document of a feed that was read, and what a load made of it.

    Attributes:
        fetched_at: when it was received (aware).
        days: those asked for.
        source: its address, without credentials.
        new: values of these days that were stored for the first time.
        revised: values that replaced others.
        unchanged: values that were stored before.
        refusals: how much was refused, with examples.
        newest_day: the newest day with a value, None where there is none.
    """

    fetched_at: datetime
    days: DateRange
    source: str
    new: int
    revised: int
    unchanged: int
    refusals: Refusals
    newest_day: date | None

    @property
    def values(self) -> int:
        """Values of the days asked for that are stored."""
        return self.new + self.revised + self.unchanged

    def to_document(self) -> dict[str, Any]:
        """JSON-ready."""
        document = asdict(self)
        document["fetched_at"] = self.fetched_at.isoformat()
        document["newest_day"] = self.newest_day and self.newest_day.isoformat()
        document["days"] = _ends(self.days)
        document["refusals"]["published"] = self.refusals.published and _ends(self.refusals.published)
        return document

    @classmethod
    def from_document(cls, document: Mapping[str, Any]) -> "LoadedDocument":
        """The inverse of `to_document`."""
        refusals, newest = document["refusals"], document["newest_day"]
        read = {
            "fetched_at": datetime.fromisoformat(document["fetched_at"]),
            "days": _range(document["days"]),
            "newest_day": newest and date.fromisoformat(newest),
            "refusals": Refusals(
                **{
                    **refusals,
                    "published": refusals["published"] and _range(refusals["published"]),
                    "examples": tuple(Refused(**each) for each in refusals["examples"]),
                }
            ),
        }
        return cls(**{**document, **read})


@dataclass(frozen=True, slots=True)
class FeedLoad:
    """The newest load of a feed.

    Attributes:
        feed: its name.
        asked_at: when it was loaded last, or was to be (aware).
        asked_for: the days of that load.
        due_days: on which days it has values.
        problem: why not all of its values could be used, None where they could.
        failing_since: the first of the loads without a break that had a problem.
        document: the newest that was read, by that load or an earlier one; None where there never was one.
    """

    feed: str
    asked_at: datetime
    asked_for: DateRange
    due_days: DueDays = EVERY_DAY
    problem: str | None = None
    failing_since: datetime | None = None
    document: LoadedDocument | None = None

    @property
    def state(self) -> State:
        """Whether it can be used."""
        if self.document is None:
            return "never loaded"
        return "failing" if self.problem else "loaded"

    @property
    def not_yet(self) -> DateRange | None:
        """The days that its document has already and that are not complete, or have no value so far."""
        document = self.document
        if document is None or document.refusals.published is None or document.newest_day is None:
            return None
        first, last = self._newest_complete(document, document.newest_day), document.refusals.published.end
        due = self.due_days.between(np.datetime64(first, "D") + 1, np.datetime64(last, "D"))
        return DateRange(due[0].item(), due[-1].item()) if len(due) else None

    @property
    def next_due(self) -> date | None:
        """The first due day after the newest complete one; None where none is known or none follows."""
        if self.document is None or self.document.newest_day is None:
            return None
        newest = self._newest_complete(self.document, self.document.newest_day)
        following: date | None = self.due_days.next_due(np.array([newest], dtype="datetime64[D]"))[0].item()
        return following

    @property
    def complete_from(self) -> datetime | None:
        """When the value of the next due day is complete."""
        return self.due_days.complete_from(self.next_due) if self.next_due else None

    def _newest_complete(self, document: LoadedDocument, newest_day: date) -> date:
        return min(newest_day, self.due_days.newest_complete(document.fetched_at))


def after_load(known: Sequence[FeedLoad], loads: Sequence[FeedLoad], described: Collection[str]) -> list[FeedLoad]:
    """The record of each feed after a load, by name.

    Args:
        known: the record before it.
        loads: what the load gave of each feed that it asked, as if there had been no other.
        described: the feeds there are; one that is gone is forgotten.
    """
    kept = {each.feed: each for each in known if each.feed in described}
    for load in loads:
        before = kept.get(load.feed)
        kept[load.feed] = load if before is None else _following(before, load)
    return sorted(kept.values(), key=lambda each: each.feed)


def _following(before: FeedLoad, load: FeedLoad) -> FeedLoad:
    if before.asked_at > load.asked_at:
        # Two loads at once, of which this one began first and ended last.
        return before
    since = (before.failing_since or load.failing_since) if load.problem else None
    return replace(load, failing_since=since, document=_newest_of(before.document, load.document))


def _newest_of(before: LoadedDocument | None, found: LoadedDocument | None) -> LoadedDocument | None:
    """The one found; of an answer for some days only, the newest day may be of an earlier one."""
    if before is None or found is None or before.source != found.source or before.newest_day is None:
        return found or before
    return replace(found, newest_day=max(before.newest_day, found.newest_day or before.newest_day))


def _ends(days: DateRange) -> list[str]:
    return [days.start.isoformat(), days.end.isoformat()]


def _range(ends: Sequence[str]) -> DateRange:
    return DateRange(date.fromisoformat(ends[0]), date.fromisoformat(ends[1]))

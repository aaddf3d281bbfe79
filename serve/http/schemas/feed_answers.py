"""The schema of the answer of `/feeds`: each feed with its newest load, and the values that are held back.

For the OpenAPI document only: answers are not validated.
"""

from datetime import date, datetime
from typing import Literal

from pydantic import BaseModel, Field


class DayRange(BaseModel):
    """Days, both ends inclusive."""

    start: date
    end: date


class RefusedOfFeed(BaseModel):
    """One row or value that was refused."""

    row: int = Field(description="Its number in the document, from 1, the header not counted.")
    unique_id: str | None = Field(description="The series of a value; null of a row that was refused whole.")
    raw: str = Field(description="As written, cut where it is long.")
    reason: str


class LoadedFromFeed(DayRange):
    """The newest document of a feed that was read, and what was made of it; `start` and `end` are of that load."""

    at: datetime = Field(description="When it was received.")
    source: str = Field(description="Its address, without credentials.")
    values: int = Field(description="Values of these days that are stored: `new`, `revised` and `unchanged`.")
    new: int
    revised: int
    unchanged: int
    rows: int | None = Field(description="Rows of the whole document.")
    refused_rows: int = Field(description="Those that were refused whole, of whatever day.")
    refused_values: int = Field(description="Values of these days that were refused.")
    refused: list[RefusedOfFeed] = Field(description="At most three of them; all are in `quarantined_observations`.")


class FeedState(DayRange):
    """A feed; `start` and `end` are the days of its last load, which may have failed."""

    name: str
    state: Literal["loaded", "failing", "never loaded"]
    asked_at: datetime = Field(description="When it was asked by a load last.")
    problem: str | None = Field(description="Why that load could not use all of its values.")
    failing_since: datetime | None = Field(description="The first of the loads without a break that had a problem.")
    loaded: LoadedFromFeed | None = Field(description="Null where no document of it was ever read.")
    newest_day: date | None = Field(description="The newest day with a value.")
    not_yet: DayRange | None = Field(
        description="Days that its document has already, and that are not complete or have no value so far."
    )
    next_due: date | None = Field(description="By its calendar, the first day after the newest complete one.")
    complete_from: datetime | None = Field(description="When the value of that day is complete, by its `publication`.")
    is_late: bool = Field(description="Whether that time has passed.")


class HeldValue(BaseModel):
    """A value that is stored and that nothing is built on yet."""

    unique_id: str
    ds: date
    y: float
    reason: str


class FeedsAnswer(BaseModel):
    """Every feed by name, and which of the newest values are held back."""

    feeds: list[FeedState]
    feed_count: int = Field(description="How many there are in all.")
    held_count: int = Field(description="How many values of the newest 14 days are held back.")
    held: list[HeldValue] = Field(description="The newest 20 of them.")

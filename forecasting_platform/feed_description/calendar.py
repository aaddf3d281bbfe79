"""The parts of a feed's description that say when values are due: its calendar, and when a day is complete."""

from datetime import date, time
from typing import Annotated, Literal

from pydantic import BeforeValidator, Field

from forecasting_platform.feed_description.parts import WEEKDAYS, Part, Weekday
from forecasting_platform.feed_description.words import Holidays, one_or_several


class ClosedDays(Part):
    """Days on which no value is due."""

    start: date
    end: date


class Calendar(Part):
    """On which days a value is due; every day by default."""

    weekdays: Annotated[tuple[Weekday, ...], BeforeValidator(one_or_several)] = Field(
        default=WEEKDAYS, min_length=1, description="Weekdays on which a value is due; a weekly feed has one."
    )
    holidays: Holidays = Field(
        default=(),
        description="Public holidays on which none is due: of a country (`IE`), a part of one (`GB-SCT`) or a market "
        "(`XNYS`, `XECB`), or of several: `[US, XNYS]`.",
    )
    closed: tuple[date | ClosedDays, ...] = Field(
        default=(), description="Further days without a value: `2024-12-24`, or `start` and `end`."
    )
    closed_days_are: Literal["left_out", "zero"] = Field(
        default="left_out", description="Whether a closed day has no forecast, or one of 0 that is marked."
    )


class Publication(Part):
    """When the value of a day is complete; before that moment it is "not yet", and is not loaded."""

    lag_days: int = Field(default=1, ge=0, le=366, description="Days from a day to the one on which it is complete.")
    at: time = Field(default=time(0), description="The time of that day, on the clock of `day.time_zone`.")

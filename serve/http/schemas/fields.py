"""Fields that several requests share, with their limits, and the base of every request."""

import re
from datetime import date
from typing import Annotated

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, model_validator

MIN_DAY, MAX_DAY = date(1900, 1, 1), date(2199, 12, 31)
MAX_VALUE = 1e15
MAX_SERIES_ASKED = 1000
MAX_LEVELS = 50
MAX_EXOGENOUS = 1000
MAX_CHARACTERS_SHOWN = 100
_ISO_DAY = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")


def _iso_day(value: object) -> date:
    # Pydantic would also take 19539 or "2023-07-01T00:00" for a day; both are mistakes here.
    if not isinstance(value, str) or not _ISO_DAY.fullmatch(value):
        raise ValueError("a day is expected as text, written YYYY-MM-DD")
    try:
        return date.fromisoformat(value)
    except ValueError as error:
        raise ValueError(f"there is no such day: {error}") from error


def max_items(limit: int) -> BeforeValidator:
    """Refuse more items before any is validated, as pydantic does for lists only."""

    def check(items: object) -> object:
        if isinstance(items, list | dict) and len(items) > limit:
            raise ValueError(f"{len(items)} are given; at most {limit} are taken")
        return items

    return BeforeValidator(check)


Day = Annotated[
    date,
    BeforeValidator(_iso_day, json_schema_input_type=str),
    Field(ge=MIN_DAY, le=MAX_DAY, json_schema_extra={"type": "string", "format": "date"}, examples=["2023-07-01"]),
]
SeriesName = Annotated[str, Field(min_length=1, max_length=500, pattern=r"^[^\x00]*$")]
Series = Annotated[SeriesName, Field(examples=["Corrib production"])]
SeriesList = Annotated[list[Series], Field(min_length=1, max_length=MAX_SERIES_ASKED)]
Level = Annotated[int, Field(strict=True, ge=50, le=99)]
Levels = Annotated[
    tuple[Level, ...],
    Field(min_length=1, max_length=MAX_LEVELS, description="Interval levels in percent, 50 to 99."),
    max_items(MAX_LEVELS),
]
Explain = Annotated[
    bool,
    Field(strict=True, description="Add the parts of `y_hat`: `explain_level` and more, which add up to it."),
]
Number = Annotated[float, Field(strict=True, ge=-MAX_VALUE, le=MAX_VALUE, allow_inf_nan=False)]
AlertId = Annotated[str, Field(min_length=1, max_length=1000, pattern=r"^[^\x00]*\S[^\x00]*$")]
"""Longer than the name of a series, which it may hold."""
Name = Annotated[str, Field(min_length=1, max_length=200, pattern=r"^[^\x00]*\S[^\x00]*$")]


class StrictModel(BaseModel):
    """A part of a request: an unknown field is an error."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    @model_validator(mode="before")
    @classmethod
    def _refuse_unknown_field(cls, given: object) -> object:
        # Each unknown field would become an error of its own, and a body has room for a hundred thousand.
        if isinstance(given, dict) and len(given) > len(cls.model_fields):
            unknown = next(name for name in given if name not in cls.model_fields)
            raise ValueError(f"there is no field {unknown[:MAX_CHARACTERS_SHOWN]!r}")
        return given

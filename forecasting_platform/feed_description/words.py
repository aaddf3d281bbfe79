"""Types of the values in a description, each with its check. The parts made of them are in `parts`."""

from typing import Annotated
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import jmespath
from jmespath.exceptions import JMESPathError
from pydantic import AfterValidator, BeforeValidator, Field

from forecasting_platform.errors import ConfigurationError
from forecasting_platform.feed_description.day_format import DayFormat
from forecasting_platform.forecasting.series.days.due_days import holidays_of_year


def _time_zone(name: str) -> str:
    try:
        ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError) as error:
        raise ValueError(f"{name!r} is no time zone of the IANA database, such as Europe/Dublin or UTC") from error
    return name


def _day_format(declared: str) -> str:
    DayFormat.compile(declared)
    return declared


def _jmespath(expression: str) -> str:
    try:
        jmespath.compile(expression)
    except JMESPathError as error:
        raise ValueError(f"{expression!r} is no JMESPath expression: {str(error).splitlines()[0]}") from error
    return expression


def one_or_several(given: object) -> object:
    """A list, where a text alone was given."""
    return [given] if isinstance(given, str) else given


def _public_holidays(code: str) -> str:
    try:
        holidays_of_year(code, 2024)
    except ConfigurationError as error:
        raise ValueError(error.problem) from error
    return code


def _any_number(given: object) -> object:
    return () if given is None else one_or_several(given)


TimeZone = Annotated[str, AfterValidator(_time_zone)]


JMESPath = Annotated[str, Field(min_length=1), AfterValidator(_jmespath)]


Character = Annotated[str, Field(min_length=1, max_length=1)]


Mark = Annotated[str, Field(pattern=r"^[\t\x20-\x7e]$")]
"""One ASCII character that is no line break."""


Names = Annotated[tuple[str, ...], BeforeValidator(one_or_several)]
"""One name or several."""


Holidays = Annotated[tuple[Annotated[str, AfterValidator(_public_holidays)], ...], BeforeValidator(_any_number)]


Formats = Annotated[tuple[Annotated[str, AfterValidator(_day_format)], ...], BeforeValidator(one_or_several)]

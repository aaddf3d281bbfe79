"""Reads a recipe from its TOML file; an error names the key and what to write there.

What a recipe is belongs to `recipe`. A published page is made of the words here.
"""

import inspect
import json
import re
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import fields, replace
from datetime import date
from difflib import get_close_matches
from functools import lru_cache
from pathlib import Path
from typing import Any, Self, get_args, get_type_hints

import numpy as np
from pydantic import BaseModel, ConfigDict, Field, ValidationError, create_model, field_validator, model_validator

from forecasting_platform.errors import ConfigurationError, RecipeFileError, shortened
from forecasting_platform.forecasting.models.candidates.candidate import Candidate
from forecasting_platform.forecasting.models.candidates.registry import (
    candidate_named,
    in_order,
    refuse_taken_names,
)
from forecasting_platform.forecasting.models.losses import Loss
from forecasting_platform.forecasting.models.recipes.recipe import Recipe, share_weight
from forecasting_platform.forecasting.series.covariates.events import MAX_WINDOW_DAYS, Event, Events
from forecasting_platform.forecasting.series.covariates.exogenous import exogenous_from
from forecasting_platform.forecasting.series.days.calendar import is_holiday, public_holidays
from forecasting_platform.forecasting.series.days.not_normal import NotNormal, NotNormalPeriod

_KEYS = {
    "FORECASTING_EXOGENOUS": "exogenous", "FORECASTING_HOLIDAY_COUNTRY": "country", "options": "candidates",
}  # fmt: skip
"""The key in a recipe file of what a setting declares elsewhere."""

_ANY_DAY = np.array(["2024-01-01"], dtype="datetime64[D]")
_STRICT = ConfigDict(extra="forbid", strict=True, allow_inf_nan=False)


class NotNormalWords(BaseModel):
    """A period of which nothing is learned and by which nothing is judged; one table each."""

    model_config = _STRICT

    start: date = Field(description="Its first day.")
    end: date = Field(description="Its last day.")
    reason: str = Field(pattern=r"\S", description="Why it is not normal, such as a strike: shown wherever it is.")
    unique_id: list[str] = Field(default=[], min_length=1, description="The series that it is of; by default all.")

    @model_validator(mode="after")
    def _refuse_wrong_order(self) -> Self:
        if self.end < self.start:
            raise ValueError(f"end {self.end} lies before start {self.start}")
        return self


class EventWords(BaseModel):
    """Days that are like each other and unlike the rest, such as a sale; one table each.

    Several tables of one name are one event, such as one of other days in other series.
    """

    model_config = _STRICT

    name: str = Field(pattern=r"^[^{}]*[^{}\s][^{}]*$", description="How it is named wherever it is shown.")
    days: list[date] = Field(default=[], min_length=1, description="Its days, past ones and those to come.")
    every: list[str] = Field(default=[], min_length=1, description="Days of each year, as `MM-DD`.")
    holidays_of: str = Field(
        default="", description="A country or a part of one (`DE-BY`) whose public holidays are its days."
    )
    days_before: int = Field(
        default=0, ge=0, le=MAX_WINDOW_DAYS, description="Days before each that are unlike others too, in another way."
    )
    days_after: int = Field(default=0, ge=0, le=MAX_WINDOW_DAYS, description="The same after each.")
    unique_id: list[str] = Field(default=[], min_length=1, description="The series that it is of; by default all.")

    @model_validator(mode="after")
    def _refuse_no_days(self) -> Self:
        if not (self.days or self.every or self.holidays_of):
            raise ValueError("it has no day: give `days`, `every` or `holidays_of`")
        return self

    @field_validator("every")
    @classmethod
    def _refuse_no_day_of_a_year(cls, every: list[str]) -> list[str]:
        for day in every:
            try:
                date.fromisoformat(f"2024-{day}")
            except ValueError as error:
                raise ValueError(f"{day!r} is no day of a year; write it as MM-DD, such as 12-06") from error
        return every

    @field_validator("holidays_of")
    @classmethod
    def _refuse_no_country(cls, country: str) -> str:
        try:
            public_holidays(country, 2024)
        except NotImplementedError as error:
            raise ValueError("it is no country the holidays package knows; give a code such as DE-BY") from error
        return country


class RecipeWords(BaseModel):
    """The keys of a recipe file. What is left out is as in the recipe that trains without a file."""

    model_config = _STRICT

    horizon: int = Field(default=15, ge=1, le=60, description="Days a forecast covers.")
    country: str = Field(
        default="IE",
        description="ISO code of the country, or of a part of one such as `GB-SCT`, whose public holidays count "
        "for the days to forecast. Those of the days before are of FORECASTING_HOLIDAY_COUNTRY.",
    )
    loss: Loss = Field(
        default="squared",
        description="What candidates are weighed by and promotion judges by: `squared` errors, `absolute` ones, or "
        "`pinball`, which judges the intervals too.",
    )
    shrinkage: float = Field(
        default=0.1, ge=0, description="How strongly the weights of each series are drawn to the prior weights."
    )
    backtest_days: int = Field(default=730, ge=1, description="The newest days that serve as cutoffs of the backtest.")
    refit_days: int = Field(default=91, ge=1, description="Days between two fits in the backtest.")
    exogenous: list[dict[str, Any]] = Field(
        default=[],
        description="Exogenous series, as tables with `unique_id`, `known` and perhaps `delay_days`, like "
        "FORECASTING_EXOGENOUS; by default all that are declared there.",
    )
    not_normal: list[NotNormalWords] = Field(
        default=[],
        description="Periods that are left out of fitting, weighing, intervals, scores, promotion and control, as "
        "tables `[[not_normal]]`. Their days stay stored and shown, and lags of later days.",
    )
    events: list[EventWords] = Field(
        default=[],
        description="Own holidays and other days that a forecast knows in advance, as tables `[[events]]`. A forecast "
        "knows those that its model's recipe had.",
    )
    candidates: dict[str, dict[str, Any]] = Field(
        default={},
        min_length=1,
        description="A table for each candidate with its options. Prior weights keep their proportions and are "
        "scaled to sum to 1.",
    )


def read_recipe(path: Path, defaults: Recipe) -> Recipe:
    """The recipe in a file; see `parse_recipe`.

    Raises:
        RecipeFileError: there is no such file, or something in it cannot be used.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except OSError as error:
        raise RecipeFileError(str(path), f"it cannot be read: {error.strerror or error}") from error
    except UnicodeDecodeError as error:
        raise RecipeFileError(str(path), f"it is no UTF-8 text: {error.reason} at byte {error.start}") from error
    return parse_recipe(text, defaults, str(path))


def parse_recipe(text: str, defaults: Recipe, file: str = "given") -> Recipe:
    r"""The recipe that a text in TOML is.

    Args:
        defaults: what counts where the text has no word of it.
        file: names it in messages.

    Raises:
        RecipeFileError: the text is no TOML, or a key or a value in it cannot be used; names the key.

    >>> parse_recipe("[candidates.direct_ridge]\npenalty = 0.1", Recipe()).candidates
    (DirectRidge(prior_weight=1.0, training_days=1500, penalty=0.1, clip_sigmas=5.0),)
    """
    try:
        document = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise RecipeFileError(file, f"it is no TOML: {error}") from error
    try:
        found = _checked(RecipeWords, document, ()).model_dump(exclude_unset=True)
        if "not_normal" in found:
            found["not_normal"] = NotNormal(tuple(NotNormalPeriod(**_tuples(of)) for of in found["not_normal"]))
        if "events" in found:
            found["events"] = Events(tuple(Event(**_tuples(of)) for of in found["events"]))
        if "candidates" in found:
            found["candidates"] = _candidates(found["candidates"])
        if "exogenous" in found:
            found["exogenous"] = exogenous_from(found["exogenous"])
        recipe = replace(defaults, **found)
        is_holiday(_ANY_DAY, recipe.country)
    except _MistakeError as error:
        raise RecipeFileError(file, str(error)) from error
    except ConfigurationError as error:
        raise RecipeFileError(file, f"`{_KEYS.get(error.setting, error.setting)}`: {error.problem}") from error
    return recipe


@lru_cache
def options_of(candidate: type[Candidate]) -> type[BaseModel]:
    """The options that a candidate's table may hold, with their types, defaults and what its docstring says of them."""
    hints, meaning = get_type_hints(candidate, include_extras=True), _meanings(candidate)
    words: dict[str, Any] = {
        field.name: (hints[field.name], Field(default=field.default, description=meaning.get(field.name)))
        for field in fields(candidate)
    }
    words["prior_weight"] = (
        float,
        Field(default=candidate().prior_weight, ge=0, description="Its share of a forecast before there is evidence."),
    )
    summary = (inspect.getdoc(candidate) or "").partition("\n\n")[0]
    return create_model(candidate.__name__, __config__=_STRICT, __doc__=summary, **words)


class _MistakeError(Exception):
    """What is wrong with a file, with its key."""


def _candidates(tables: Mapping[str, Mapping[str, Any]]) -> tuple[Candidate, ...]:
    refuse_taken_names(tables)
    kinds = {name: candidate_named(name) for name in tables}
    found = {
        name: kind(**_checked(options_of(kind), tables[name], ("candidates", name)).model_dump(exclude_unset=True))
        for name, kind in kinds.items()
    }
    return share_weight([found[name] for name in in_order(found)])


def _tuples(table: Mapping[str, Any]) -> dict[str, Any]:
    return {name: tuple(value) if isinstance(value, list) else value for name, value in table.items()}


def _checked(words: type[BaseModel], document: Mapping[str, Any], at: Sequence[str]) -> BaseModel:
    try:
        # As JSON, of which a list is also a tuple. A day or an infinite number is no option and becomes text.
        return words.model_validate_json(json.dumps(document, default=str))
    except ValidationError as error:
        raise _MistakeError(_sentence(error, words, at)) from error


def _sentence(error: ValidationError, words: type[BaseModel], at: Sequence[str]) -> str:
    """The first mistake: its key, what is wrong, what was found, and what to write there."""
    first = error.errors()[0]
    key = _key((*at, *first["loc"]))
    more = f" (and {error.error_count() - 1} more)" if error.error_count() > 1 else ""
    if first["type"] == "extra_forbidden":
        word, known = str(first["loc"][-1]), _words_of(words, first["loc"]).model_fields
        near = get_close_matches(word, known, n=1)
        guess = f"did you mean `{near[0]}`? " if near else ""
        return f"`{key}` is no key: {guess}There are {', '.join(f'`{name}`' for name in known)}{more}"
    message = first["msg"].removeprefix("Value error, ")
    return f"`{key}`: {message[:1].lower()}{message[1:]}, found {shortened(repr(first['input']))}{more}"


def _words_of(words: type[BaseModel], places: Sequence[str | int]) -> type[BaseModel]:
    """The words of the table that a place is in: of one of several, those of all of them."""
    if len(places) < 3:
        return words
    (table,) = get_args(words.model_fields[str(places[0])].annotation)
    return _words_of(table, places[2:])


def _key(places: Sequence[str | int]) -> str:
    """The key of a mistake; a table of several by its number, as people count.

    >>> _key(("not_normal", 0, "end"))
    'not_normal[1].end'
    """
    return "".join(f"[{of + 1}]" if isinstance(of, int) else f".{of}" for of in places).removeprefix(".")


def _meanings(candidate: type[Candidate]) -> dict[str, str]:
    """What the docstrings of a class, and of those that it extends, say of each option."""
    told = [inspect.cleandoc(each.__doc__ or "").partition("Attributes:\n")[2] for each in reversed(candidate.__mro__)]
    found = re.findall(r"^ {4}(\w+): (.*(?:\n {5,}.*)*)", "\n".join(told), flags=re.MULTILINE)
    return {name: " ".join((text[:1].upper() + text[1:]).split()) for name, text in found}

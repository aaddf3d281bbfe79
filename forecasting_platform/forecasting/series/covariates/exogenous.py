"""Declares exogenous series, such as weather or promotions: forecasts use them, and they are not forecast.

The type says how early a value is known. `KnownAtCutoff` is measured: its newest value is that of the cutoff.
`KnownInAdvance` is forecast: one series for each day ahead, stored under the day on which the forecast was made, as
archives of weather forecasts are. `KnownByTargetDay` is planned: stored under the day that it is of, by the time at
which it became known. A feature row is made of what was known at the end of its day, so no later value can leak into
it. The values are computed in `exogenous_values`.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import MISSING, dataclass, fields
from functools import lru_cache
from typing import Any, ClassVar, Literal

import numpy as np
import numpy.typing as npt

from forecasting_platform.errors import ConfigurationError, examples

STEP, SERIES = "{step}", "{series}"
MAX_DELAY_DAYS = 30
MAX_DAYS_AHEAD = 60
_SETTING = "FORECASTING_EXOGENOUS"
Groups = tuple[tuple[str, tuple[str, ...]], ...]


@dataclass(frozen=True, slots=True)
class _Declared:
    """What all exogenous series have.

    Attributes:
        unique_id: the series in the store. With `{series}` in it, one for each series that is forecast or each group of
            them, and `{series}` stands for the same text as in `of`, or for the name of the group.
        delay_days: days after its own that a value becomes known.
        of: the series that one with `{series}` is of, with `{series}` in it.
        groups: names of groups and their series, where `{series}` stands for a group.
    """

    unique_id: str
    delay_days: int = 0
    of: str = SERIES
    groups: Groups = ()

    @property
    def is_of_all(self) -> bool:
        """Whether it is of all series alike."""
        return SERIES not in self.unique_id

    def owns(self, unique_id: str) -> bool:
        """Whether a stored series is this one, or one of these."""
        return _match(self.unique_id, unique_id) is not None

    def series_of(self, unique_id: str) -> tuple[str, ...] | None:
        """The series that a stored one is of; None for all of them."""
        found = _match(self.unique_id, unique_id)
        if found is None or self.is_of_all:
            return None
        if self.groups:
            return dict(self.groups).get(found["series"], ())
        return (self.of.replace(SERIES, found["series"]),)

    def _column(self, step: int | None = None) -> str:
        """Its name without `{series}`, as the column is the same for all."""
        name = self.unique_id if step is None else self.unique_id.replace(STEP, str(step))
        return " ".join(name.replace(SERIES, " ").split()).strip(" _-:;,/|") if not self.is_of_all else name


@lru_cache
def _pattern(unique_id: str) -> re.Pattern[str]:
    marks = {STEP: "(?P<step>[1-9][0-9]?)", SERIES: "(?P<series>.+)"}
    parts = re.split(f"({re.escape(STEP)}|{re.escape(SERIES)})", unique_id)
    return re.compile("".join(marks.get(part) or re.escape(part) for part in parts), re.DOTALL)


def _match(pattern: str, unique_id: str) -> re.Match[str] | None:
    return _pattern(pattern).fullmatch(unique_id)


@dataclass(frozen=True, slots=True)
class KnownAtCutoff(_Declared):
    """A series of which the value of a day is known at the day's end, or some days later."""

    known: ClassVar[Literal["at_cutoff"]] = "at_cutoff"

    def columns(self, horizon: int) -> list[str]:
        """Its columns in the input frame: one."""
        return [self._column()]

    def column_of(self, unique_id: str) -> str | None:
        """The column that a stored series becomes; None if it becomes none."""
        return self._column() if self.owns(unique_id) else None

    def describes(self, horizon: int) -> npt.NDArray[np.bool_]:
        """Which of its columns describe the day of each step; shape (horizon, 1)."""
        return np.ones((horizon, 1), dtype=bool)


@dataclass(frozen=True, slots=True)
class KnownInAdvance(_Declared):
    """A family of series, one for each day ahead: of step 3, the value under day t is the forecast made on t of t + 3.

    Its `unique_id` has `{step}` in the place of the number of days ahead; `delay_days` counts from the day on which the
    forecast was made.
    """

    known: ClassVar[Literal["in_advance"]] = "in_advance"

    def columns(self, horizon: int) -> list[str]:
        """Its columns in the input frame: one a step."""
        return [self._column(step) for step in range(1, horizon + 1)]

    def column_of(self, unique_id: str) -> str | None:
        """The column that a stored series becomes: known `delay_days` late, it is that many steps nearer.

        None if it becomes none: it is of another family, or its day is past when it becomes known.
        """
        found = _match(self.unique_id, unique_id)
        step = int(found["step"]) if found else 0
        return self._column(step - self.delay_days) if step > self.delay_days else None

    def describes(self, horizon: int) -> npt.NDArray[np.bool_]:
        """Which of its columns describe the day of each step; shape (horizon, horizon)."""
        return np.eye(horizon, dtype=bool)


@dataclass(frozen=True, slots=True)
class KnownByTargetDay(_Declared):
    """A series whose values are known before their day, such as a promotion's plan or an announced outage.

    Under day t stands what is known of t, each version with the time at which it became known. A row of feature day t
    has what was known at its end of t itself and of each of the next days; a later version never comes into it.

    Attributes:
        days_ahead: how many of the next days have a column.
        known_days_ahead: of a value that came with the series' first load, or was stored after its own day, when it had
            been known: so many days before its day. Nobody recorded it, so it is declared.
    """

    known: ClassVar[Literal["by_target_day"]] = "by_target_day"
    days_ahead: int = 15
    known_days_ahead: int = 0

    def columns(self, horizon: int) -> list[str]:
        """Its columns in the input frame: of the cutoff day, then of each day ahead."""
        return [self.column_ahead(ahead) for ahead in range(min(horizon, self.days_ahead) + 1)]

    def column_ahead(self, ahead: int) -> str:
        """The column of the day that lies so many days after the row's."""
        return f"{self._column()} +{ahead}" if ahead else self._column()

    def column_of(self, unique_id: str) -> str | None:
        """None: its values become several columns, by their day."""
        return None

    def describes(self, horizon: int) -> npt.NDArray[np.bool_]:
        """Which of its columns describe the day of each step; shape (horizon, 1 + days).

        The cutoff's own value does so of each: what it added to that day is not there on another.
        """
        ahead = min(horizon, self.days_ahead)
        return np.hstack([np.ones((horizon, 1), dtype=bool), np.eye(horizon, ahead, dtype=bool)])


Exogenous = KnownAtCutoff | KnownInAdvance | KnownByTargetDay
_TYPES: dict[str, type[Exogenous]] = {of.known: of for of in (KnownAtCutoff, KnownInAdvance, KnownByTargetDay)}
_NUMBERS = {"delay_days": (0, MAX_DELAY_DAYS), "days_ahead": (1, MAX_DAYS_AHEAD), "known_days_ahead": (0, 731)}


def exogenous_from(documents: Sequence[Mapping[str, Any]]) -> tuple[Exogenous, ...]:
    """The series that a setting or a recipe declares; the inverse of `exogenous_document`.

    Args:
        documents: each with `unique_id`, `known` (`at_cutoff`, `in_advance` or `by_target_day`) and perhaps the other
            fields of its type.

    Raises:
        ConfigurationError: one of them is not like this, or a series is declared twice; says which.

    >>> exogenous_from([{"unique_id": "Temperature", "known": "at_cutoff"}])
    (KnownAtCutoff(unique_id='Temperature', delay_days=0, of='{series}', groups=()),)
    """
    found = tuple(_declared(document) for document in documents)
    names = [declared.unique_id for declared in found]
    if repeated := sorted({name for name in names if names.count(name) > 1}):
        raise ConfigurationError(_SETTING, f"declares {examples(repeated)} twice")
    return found


def _declared(document: Mapping[str, Any]) -> Exogenous:
    known = str(document.get("known"))
    if problem := _problem(document, known):
        raise ConfigurationError(_SETTING, f"{dict(document)} {problem}")
    groups = tuple((str(name), tuple(of)) for name, of in document.get("groups", {}).items())
    own = {name: value for name, value in document.items() if name != "known"}
    return _TYPES[known](**own | ({"groups": groups} if groups else {}))


def _problem(document: Mapping[str, Any], known: str) -> str | None:
    """What is wrong with a declaration; None of a right one."""
    unique_id = document.get("unique_id")
    if not isinstance(unique_id, str) or not unique_id:
        return "is not an object with unique_id and known"
    if known not in _TYPES:
        return f"has known {document.get('known')!r}; choose one of {sorted(_TYPES)}"
    allowed = {"known", *(field.name for field in fields(_TYPES[known]))}
    if unknown := sorted(document.keys() - allowed):
        return f"has {examples(unknown)}, which is none of its fields; they are {sorted(allowed)}"
    for name, (least, most) in _NUMBERS.items():
        value = document.get(name, least)
        if not isinstance(value, int) or isinstance(value, bool) or not least <= value <= most:
            return f"has {name} {value!r}; {least} to {most} are expected"
    if unique_id.count(STEP) != (1 if known == KnownInAdvance.known else 0):
        return f"has unique_id {unique_id!r}; {STEP} stands once in one that is known in advance, and in no other"
    return _problem_of_series(document, unique_id)


def _problem_of_series(document: Mapping[str, Any], unique_id: str) -> str | None:
    of, groups = document.get("of", SERIES), document.get("groups", {})
    if unique_id.count(SERIES) > 1 or (unique_id.count(SERIES) == 0 and {"of", "groups"} & document.keys()):
        return f"has unique_id {unique_id!r}; {SERIES} stands once in one of some series, which `of` and `groups` need"
    if not isinstance(of, str) or of.count(SERIES) != 1:
        return f"has of {of!r}; the name of a series is expected, with {SERIES} once in it"
    is_groups = isinstance(groups, Mapping) and all(
        isinstance(names, list | tuple) and all(isinstance(name, str) for name in names) for names in groups.values()
    )
    if not is_groups or ("of" in document and groups):
        return "has groups that are not lists of series by the name of their group, without `of`"
    return None


def exogenous_document(exogenous: Sequence[Exogenous]) -> list[dict[str, Any]]:
    """JSON-ready; what has its default is left out, except `delay_days`."""
    return [_document(declared) for declared in exogenous]


def _document(declared: Exogenous) -> dict[str, Any]:
    own = {field.name: (getattr(declared, field.name), field.default) for field in fields(declared)}
    kept = {
        name: value
        for name, (value, default) in own.items()
        if default is MISSING or value != default or name == "delay_days"
    }
    if declared.groups:
        kept["groups"] = {name: list(of) for name, of in declared.groups}
    return kept | {"known": declared.known}


def exogenous_columns(exogenous: Sequence[Exogenous], horizon: int) -> tuple[str, ...]:
    """The columns of the input frame, in order.

    >>> exogenous_columns([KnownAtCutoff("wind"), KnownInAdvance("wind +{step}")], 2)
    ('wind', 'wind +1', 'wind +2')
    """
    return tuple(name for declared in exogenous for name in declared.columns(horizon))


def columns_by_step(exogenous: Sequence[Exogenous], horizon: int) -> npt.NDArray[np.bool_]:
    """Which columns describe the day of each step; shape (horizon, E)."""
    columns = [declared.describes(horizon) for declared in exogenous]
    return np.hstack(columns) if columns else np.empty((horizon, 0), dtype=bool)


def is_exogenous(unique_ids: Sequence[str], exogenous: Sequence[Exogenous]) -> npt.NDArray[np.bool_]:
    """Which series are exogenous, and so not forecast; shape (n,)."""
    # Each different name is matched once: a frame repeats its series on every row.
    names = np.asarray(unique_ids, dtype=object)
    found = [name for name in set(names.tolist()) if any(declared.owns(name) for declared in exogenous)]
    return np.isin(names, np.array(found, dtype=object))

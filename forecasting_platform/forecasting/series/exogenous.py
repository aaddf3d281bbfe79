"""Exogenous columns: series that are not forecast but help to forecast others, such as the weather.

The type says how early a value is known. `KnownAtCutoff` is measured: its newest value is that of the cutoff.
`KnownInAdvance` is forecast or planned: one series for each day ahead, stored under the day on which the forecast was
made, as archives of weather forecasts are. In either case a feature row is made of rows of its own day or earlier, so
no later value can leak into it. `KnownByTargetDay` is planned, and kept by day and time of knowledge.
"""

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, ClassVar, Literal

import numpy as np
import numpy.typing as npt
import pandas as pd

from forecasting_platform.errors import ConfigurationError, examples
from forecasting_platform.forecasting.series.arrays import Days, Floats

STEP = "{step}"
MAX_DELAY_DAYS = 30
_SETTING = "FORECASTING_EXOGENOUS"


@dataclass(frozen=True, slots=True)
class KnownAtCutoff:
    """A series of which the value of a day is known at the day's end, or some days later.

    Attributes:
        unique_id: the series in the store.
        delay_days: days after its own that a value becomes known.
    """

    known: ClassVar[Literal["at_cutoff"]] = "at_cutoff"
    unique_id: str
    delay_days: int = 0

    def columns(self, horizon: int) -> list[str]:
        """Its columns in the input frame: one."""
        return [self.unique_id]

    def owns(self, unique_id: str) -> bool:
        """Whether a stored series is this one."""
        return unique_id == self.unique_id

    def column_of(self, unique_id: str) -> str | None:
        """The column that a stored series becomes; None if it becomes none."""
        return unique_id if self.owns(unique_id) else None

    def describes(self, horizon: int) -> npt.NDArray[np.bool_]:
        """Which of its columns describe the day of each step; shape (horizon, 1)."""
        return np.ones((horizon, 1), dtype=bool)


@dataclass(frozen=True, slots=True)
class KnownInAdvance:
    """A family of series, one for each day ahead: of step 3, the value under day t is the forecast made on t of t + 3.

    Attributes:
        unique_id: their name in the store, with `{step}` in the place of the number of days ahead.
        delay_days: days after the forecast was made that it becomes known.
    """

    known: ClassVar[Literal["in_advance"]] = "in_advance"
    unique_id: str
    delay_days: int = 0

    def columns(self, horizon: int) -> list[str]:
        """Its columns in the input frame: one a step."""
        return [self.unique_id.replace(STEP, str(step)) for step in range(1, horizon + 1)]

    def owns(self, unique_id: str) -> bool:
        """Whether a stored series is of this family."""
        return self._step_of(unique_id) is not None

    def column_of(self, unique_id: str) -> str | None:
        """The column that a stored series becomes: known `delay_days` late, it is that many steps nearer.

        None if it becomes none: it is of another family, or its day is past when it becomes known.
        """
        step = self._step_of(unique_id)
        if step is None or step <= self.delay_days:
            return None
        return self.unique_id.replace(STEP, str(step - self.delay_days))

    def _step_of(self, unique_id: str) -> int | None:
        before, after = map(re.escape, self.unique_id.split(STEP))
        found = re.fullmatch(f"{before}([1-9][0-9]?){after}", unique_id)
        return int(found[1]) if found else None

    def describes(self, horizon: int) -> npt.NDArray[np.bool_]:
        """Which of its columns describe the day of each step; shape (horizon, horizon)."""
        return np.eye(horizon, dtype=bool)


@dataclass(frozen=True, slots=True)
class KnownByTargetDay:
    """A series whose values are known before their day, such as a plan or an announced outage.

    Each version is kept in `planned_values` under the day it is of, with the time at which it became known. Models do
    not use them yet: it has no column in the input frame.

    Attributes:
        unique_id: the series in the store.
        delay_days: always 0.
    """

    known: ClassVar[Literal["by_target_day"]] = "by_target_day"
    unique_id: str
    delay_days: int = 0

    def columns(self, horizon: int) -> list[str]:
        """Its columns in the input frame: none."""
        return []

    def owns(self, unique_id: str) -> bool:
        """Whether a stored series is this one."""
        return unique_id == self.unique_id

    def column_of(self, unique_id: str) -> str | None:
        """The column that a stored series becomes: none."""
        return None

    def describes(self, horizon: int) -> npt.NDArray[np.bool_]:
        """Which of its columns describe the day of each step; shape (horizon, 0)."""
        return np.empty((horizon, 0), dtype=bool)


Exogenous = KnownAtCutoff | KnownInAdvance | KnownByTargetDay
_TYPES: dict[str, type[Exogenous]] = {of.known: of for of in (KnownAtCutoff, KnownInAdvance, KnownByTargetDay)}


def exogenous_from(documents: Sequence[Mapping[str, Any]]) -> tuple[Exogenous, ...]:
    """The columns that a setting or a recipe declares; the inverse of `exogenous_document`.

    Args:
        documents: each with `unique_id`, `known` (`at_cutoff`, `in_advance` or `by_target_day`) and perhaps
            `delay_days`.

    Raises:
        ConfigurationError: one of them is not like this, or a series is declared twice; says which.

    >>> exogenous_from([{"unique_id": "Temperature", "known": "at_cutoff"}])
    (KnownAtCutoff(unique_id='Temperature', delay_days=0),)
    """
    found = tuple(_declared(document) for document in documents)
    names = [declared.unique_id for declared in found]
    if repeated := sorted({name for name in names if names.count(name) > 1}):
        raise ConfigurationError(_SETTING, f"declares {examples(repeated)} twice")
    return found


def _declared(document: Mapping[str, Any]) -> Exogenous:
    unique_id, known, delay = document.get("unique_id"), document.get("known"), document.get("delay_days", 0)
    problem = None
    if not isinstance(unique_id, str) or not unique_id or document.keys() - {"unique_id", "known", "delay_days"}:
        problem = "is not an object of unique_id, known and delay_days"
    elif str(known) not in _TYPES:
        problem = f"has known {known!r}; choose one of {sorted(_TYPES)}"
    elif not isinstance(delay, int) or isinstance(delay, bool) or not 0 <= delay <= MAX_DELAY_DAYS:
        problem = f"has delay_days {delay!r}; 0 to {MAX_DELAY_DAYS} are expected"
    elif unique_id.count(STEP) != (1 if known == KnownInAdvance.known else 0):
        problem = f"has unique_id {unique_id!r}; {STEP} stands once in one that is known in advance, and in no other"
    if problem:
        raise ConfigurationError(_SETTING, f"{dict(document)} {problem}")
    return _TYPES[str(known)](str(unique_id), int(delay))


def exogenous_document(exogenous: Sequence[Exogenous]) -> list[dict[str, Any]]:
    """JSON-ready."""
    return [asdict(declared) | {"known": declared.known} for declared in exogenous]


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


def known_at(days: Days, observations: pd.DataFrame, exogenous: Sequence[Exogenous]) -> npt.NDArray[np.object_]:
    """The exogenous values known at the end of each day, as JSON objects; None if none was known.

    Args:
        days: T consecutive days.
        observations: `unique_id`, `ds`, `y` of exogenous series, one row a series and day.

    Returns:
        Shape (T,). A value that is not known is left out: none is carried forward from earlier days.
    """
    # A value stands in the row of the day on which it became known, not in that of its own day.
    known: list[dict[str, float]] = [{} for _ in days]
    for name, delay, rows in _columns(observations, exogenous):
        positions = (rows["ds"].to_numpy().astype("datetime64[D]") - days[0]).astype(np.int64) + delay
        for position, value in zip(positions.tolist(), rows["y"].tolist(), strict=True):
            if 0 <= position < len(known):
                known[position][name] = value
    # One text a day, the same for every series: stores keep it as it is, and equal texts compress.
    texts = [json.dumps(values, ensure_ascii=False) if values else None for values in known]
    return np.array(texts, dtype=object)


def _columns(observations: pd.DataFrame, exogenous: Sequence[Exogenous]) -> Iterator[tuple[str, int, pd.DataFrame]]:
    for unique_id, rows in observations.groupby("unique_id", sort=True):
        for declared in exogenous:
            if (name := declared.column_of(str(unique_id))) is not None:
                yield name, declared.delay_days, rows


def exogenous_names(texts: "pd.Series[Any]") -> tuple[str, ...]:
    """The columns that any of the rows' JSON objects hold, sorted."""
    return tuple(sorted({name for text in texts.dropna().unique() for name in json.loads(text)}))


def exogenous_values(texts: "pd.Series[Any]", names: Sequence[str]) -> Floats:
    """Some columns of the rows' JSON objects; shape (n, len(names)), NaN where not known."""
    if not names:
        return np.empty((len(texts), 0))
    # The series of a day share one object: each is read once.
    codes, unique = pd.factorize(texts)
    read = [json.loads(text) for text in unique]
    # `factorize` codes a null as -1, which picks the last row: one without values.
    values = np.array([[of.get(name, np.nan) for name in names] for of in [*read, {}]], dtype=np.float64)
    return values[codes]


def unknown_columns(texts: "pd.Series[Any]", names: Sequence[str]) -> list[str]:
    """The columns of which none of the rows' JSON objects holds a value, in order; all of them without rows.

    >>> unknown_columns(pd.Series(['{"wind": 3.0}', None]), ["wind", "rain"])
    ['rain']
    """
    values = exogenous_values(texts, names)
    return [name for position, name in enumerate(names) if np.isnan(values[:, position]).all()]


def refuse_never_known(shares: Mapping[str, float]) -> None:
    """Refuse a training in which a declared column had no value on any day.

    Args:
        shares: column -> share of the observed days on which its value was known.

    Raises:
        ConfigurationError: one was never known; says which, and what to do.
    """
    if never := sorted(name for name, share in shares.items() if not share > 0):
        raise ConfigurationError(
            _SETTING,
            f"declares {examples(never)}, of which feature_table knows no value; compare the names with the feed's, "
            "and load the days to train on again",
        )

"""The values of exogenous series that were known at the end of each day, and how feature rows hold them.

A feature row holds a JSON object of them, by column. Which columns there are is declared in `exogenous`.
"""

import json
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from forecasting_platform.errors import ConfigurationError, examples
from forecasting_platform.forecasting.series.arrays import Days, Floats
from forecasting_platform.forecasting.series.covariates.exogenous import MAX_DAYS_AHEAD, Exogenous, KnownByTargetDay

Known = list[dict[str, float]]
"""By day, the values known at its end, by column."""


def known_at(
    days: Days,
    unique_ids: Sequence[str],
    observations: pd.DataFrame,
    exogenous: Sequence[Exogenous],
    versions: pd.DataFrame | None = None,
) -> npt.NDArray[np.object_]:
    """The exogenous values known of each series at the end of each day, as JSON objects; None if none was known.

    Args:
        days: T consecutive days.
        unique_ids: the S series that they are known of.
        observations: `unique_id`, `ds`, `y` of exogenous series, one row a series and day.
        versions: `unique_id`, `ds`, `y`, `available_at` of those known by target day, every version; by default
            those of `observations`, as if each had been stored after its day.

    Returns:
        Shape (S, T). A value that is not known is left out: none is carried forward from earlier days.
    """
    common: Known = [{} for _ in days]
    own: defaultdict[str, Known] = defaultdict(lambda: [{} for _ in days])
    for of, column, position, value in _values(days, observations, exogenous, versions):
        for known in [common] if of is None else [own[unique_id] for unique_id in of]:
            known[position][column] = value
    # One text a day of all series that have nothing of their own: stores keep it as it is, and equal texts compress.
    shared = _texts(common)
    texts = np.empty((len(unique_ids), len(days)), dtype=object)
    for place, unique_id in enumerate(unique_ids):
        mine = own.get(unique_id)
        texts[place] = (
            shared if mine is None else _texts([of_all | of_it for of_all, of_it in zip(common, mine, strict=True)])
        )
    return texts


def _texts(known: Known) -> npt.NDArray[np.object_]:
    texts = [json.dumps(values, ensure_ascii=False) if values else None for values in known]
    return np.array(texts, dtype=object)


Value = tuple[tuple[str, ...] | None, str, int, float]
"""The series that a value is of (None: all), its column, the position of the day whose row it stands in, and itself."""


def _values(
    days: Days, observations: pd.DataFrame, exogenous: Sequence[Exogenous], versions: pd.DataFrame | None
) -> Iterator[Value]:
    for unique_id, rows in observations.groupby("unique_id", sort=True):
        for declared in exogenous:
            if (column := declared.column_of(str(unique_id))) is not None:
                # A value stands in the row of the day on which it became known, not in that of its own day.
                positions = _positions(rows["ds"], days) + declared.delay_days
                inside = (positions >= 0) & (positions < len(days))
                values = rows["y"].to_numpy()[inside]
                of = declared.series_of(str(unique_id))
                for position, value in zip(positions[inside].tolist(), values.tolist(), strict=True):
                    yield of, column, position, value
    if any(isinstance(declared, KnownByTargetDay) for declared in exogenous):
        known = observations.assign(available_at=pd.Timestamp("NaT")) if versions is None else versions
        for unique_id, rows in known.groupby("unique_id", sort=True):
            for declared in exogenous:
                if isinstance(declared, KnownByTargetDay) and declared.owns(str(unique_id)):
                    of = declared.series_of(str(unique_id))
                    yield from ((of, *value) for value in _planned(rows, declared, days))


def _planned(versions: pd.DataFrame, declared: KnownByTargetDay, days: Days) -> Iterator[tuple[str, int, float]]:
    """Column, position of the row's day, and value: for each row the newest version that was known at its end."""
    # A version whose time nobody recorded is the oldest of its day.
    ordered = versions.sort_values(["ds", "available_at"], kind="stable", na_position="first")
    target = _positions(ordered["ds"], days)
    since = _known_since(ordered, target, days, declared)
    # A version counts until the next one of its day is known.
    until = np.append(since[1:], 0)
    is_last = np.append(target[1:] != target[:-1], True)
    until = np.where(is_last, len(days), until)
    columns = [declared.column_ahead(ahead) for ahead in range(declared.days_ahead + 1)]
    rows = zip(target.tolist(), since.tolist(), until.tolist(), ordered["y"].tolist(), strict=True)
    for day, first, next_known, value in rows:
        # From the day on which it was known, no earlier than the plan reaches, until the next version or its own day.
        for row in range(max(first, day - declared.days_ahead, 0), min(next_known, day + 1, len(days))):
            yield columns[day - row], row, value


def _known_since(
    ordered: pd.DataFrame, target: npt.NDArray[np.int64], days: Days, declared: KnownByTargetDay
) -> npt.NDArray[np.int64]:
    """Position of the first day at whose end each version was known."""
    available = ordered["available_at"]
    stored = pd.to_datetime(available, utc=True).dt.tz_localize(None)
    # Half of the largest number: days are added to it below.
    never = np.iinfo(np.int64).max // 2
    since = np.where(stored.isna(), never, _positions(stored.fillna(pd.Timestamp(0)), days)) + declared.delay_days
    is_first = np.append(True, target[1:] != target[:-1])
    # Stored after its day, or by the first load of all: nobody recorded when it had been known, so it is as declared.
    # Of any other version it is as recorded, never before.
    is_declared = is_first & ((since > target) | stored.isna() | (stored == stored.min()))
    return np.where(is_declared, np.minimum(since, target - declared.known_days_ahead + declared.delay_days), since)


def _positions(ds: "pd.Series[Any]", days: Days) -> npt.NDArray[np.int64]:
    positions: npt.NDArray[np.int64] = (ds.to_numpy().astype("datetime64[D]") - days[0]).astype(np.int64)
    return positions


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


def refuse_never_known(shares: Mapping[str, float], exogenous: Sequence[Exogenous]) -> None:
    """Refuse a training or a backtest in which a declared column had no value on any day.

    Of a plan, one of the days ahead is enough: how far it reaches is its publisher's matter.

    Args:
        shares: column -> share of the observed days on which its value was known.
        exogenous: what the columns were declared by.

    Raises:
        ConfigurationError: one was never known; says which, and what to do.
    """
    if never := [name for declared in exogenous for name in _never_known(declared, shares)]:
        raise ConfigurationError(
            "FORECASTING_EXOGENOUS",
            f"declares {examples(never)}, of which feature_table knows no value; compare the names with the feed's, "
            "declare `known_days_ahead` of plans whose history was loaded at once, and load the days to train on again",
        )


def _never_known(declared: Exogenous, shares: Mapping[str, float]) -> list[str]:
    columns = [name for name in declared.columns(MAX_DAYS_AHEAD) if name in shares]
    never = [name for name in columns if not shares[name] > 0]
    if isinstance(declared, KnownByTargetDay):
        # The first column is of the cutoff day itself, which is known of any history.
        ahead = columns[1:]
        return ahead[:1] if set(ahead) <= set(never) else []
    return never

"""The rules of writing that every table store shares: what is refused, and what a write changes.

Pure. Storage and the isolation of concurrent writers belong to each store.
"""

import hashlib
import json
from collections.abc import Hashable, Iterable, Iterator
from dataclasses import dataclass, replace
from datetime import datetime
from itertools import chain

import numpy as np
import pandas as pd

from forecasting_platform.errors import InvalidFrameError, examples
from forecasting_platform.forecasting.series.days.date_range import DateRange
from forecasting_platform.forecasting.series.frames import (
    OBSERVATIONS,
    PLANNED_VALUES,
    PREDICTION_LOG,
    QUARANTINED_OBSERVATIONS,
    REPLACEABLE_TABLES,
    UNIQUE_ID,
)
from forecasting_platform.forecasting.series.quality.limits import (
    MAX_VALUE,
    beyond_limits,
    legal_name,
    series_name_problem,
)
from forecasting_platform.forecasting.series.table import Table
from forecasting_platform.ports.table_store import COUNTS, LoadReport

_LOADED = replace(
    OBSERVATIONS, columns=tuple(c for c in OBSERVATIONS.columns if c.name != "available_at"), key=("unique_id", "ds")
)
_REFUSED_COLUMNS = tuple(c for c in QUARANTINED_OBSERVATIONS.columns if c.name not in {"fingerprint", "available_at"})
_REFUSED = replace(QUARANTINED_OBSERVATIONS, columns=_REFUSED_COLUMNS, key=tuple(c.name for c in _REFUSED_COLUMNS))


@dataclass(frozen=True, slots=True)
class Load:
    """One load of observations, checked.

    Attributes:
        observations: `unique_id`, `ds`, `y`, ordered by key, all days in `period`.
        refused: rows of `QUARANTINED_OBSERVATIONS`, each refusal once.
        refused_days: the day of each refused row as given, null where it could not be read.
    """

    observations: pd.DataFrame
    refused: pd.DataFrame
    refused_days: pd.Series
    period: DateRange
    available_at: pd.Timestamp


def check_load(
    observations: pd.DataFrame, period: DateRange, available_at: datetime, quarantined: pd.DataFrame | None
) -> Load:
    """The load as a store may write it.

    Raises:
        InvalidFrameError: promise 5 of the table store, or `available_at` has no time zone.
    """
    if available_at.tzinfo is None:
        raise InvalidFrameError(OBSERVATIONS.name, f"available_at {available_at} has no time zone; pass an aware time")
    known_at = pd.Timestamp(available_at).tz_convert("UTC").as_unit("ns").floor("us")
    given = _REFUSED.empty() if quarantined is None else quarantined
    # A document refuses the same row each time it is loaded: within one load it counts once.
    distinct = conform(_REFUSED, given.drop_duplicates(), period)
    loaded = conform(_LOADED, observations, period)
    refused = beyond_limits(loaded["y"].to_numpy())
    if len(refused):
        problem = f"column y holds {examples(refused.tolist())}; values lie within ±{MAX_VALUE:g}"
        raise InvalidFrameError(OBSERVATIONS.name, problem)
    return Load(
        observations=loaded,
        refused=_stamped(distinct, known_at),
        refused_days=pd.to_datetime(given["ds"]),
        period=period,
        available_at=known_at,
    )


def check_plans(planned: pd.DataFrame, available_at: datetime) -> pd.DataFrame:
    """The rows of `PLANNED_VALUES` that a store may write, ordered by key.

    Raises:
        InvalidFrameError: promise 5 of the table store, or `available_at` has no time zone.
    """
    if available_at.tzinfo is None:
        raise InvalidFrameError(
            PLANNED_VALUES.name, f"available_at {available_at} has no time zone; pass an aware time"
        )
    known_at = pd.Timestamp(available_at).tz_convert("UTC").as_unit("ns").floor("us")
    return conform(PLANNED_VALUES, planned.assign(available_at=known_at))


def plans_to_add(planned: pd.DataFrame, known: pd.DataFrame) -> pd.DataFrame:
    """The rows of `planned` that say something else than the newest version known of their day, or are the first.

    Args:
        planned: rows of `check_plans`.
        known: every version of their days, rows of `PLANNED_VALUES` ordered by key. One that is no older than
            `planned` stays the newest: it was fetched later.
    """
    newest = known.drop_duplicates(["unique_id", "ds"], keep="last")
    compared = planned.merge(newest, on=["unique_id", "ds"], how="left", suffixes=("", "_known"))
    is_new = compared["available_at_known"].isna()
    # A plan that says the same again is no new version, or each load would add one a day ahead.
    differs = (compared["y"] != compared["y_known"]) & (compared["available_at"] > compared["available_at_known"])
    return planned[(is_new | differs).to_numpy()].reset_index(drop=True)


def plan_days(planned: pd.DataFrame) -> DateRange:
    """The days from the first to the last planned one; there is at least one row."""
    return DateRange(planned["ds"].min().date(), planned["ds"].max().date())


def versions_to_add(load: Load, newest: pd.DataFrame) -> tuple[pd.DataFrame, LoadReport]:
    """The rows of `OBSERVATIONS` that the load adds, and what it does to each day.

    Args:
        newest: the newest version of each series and day of the load's period, as stored.

    Raises:
        InvalidFrameError: a changed value is no newer than the version it would replace.
    """
    compared = _beside(load.observations, newest)
    is_new = compared["available_at"].isna()
    is_revised = ~is_new & (compared["y"] != compared["y_known"])
    # A load that was fetched earlier and writes later would undo what is newer.
    stale = compared[is_revised & (compared["available_at"] >= load.available_at)]
    if len(stale):
        found = examples(f"{row.unique_id} {row.ds:%Y-%m-%d}: {row.available_at}" for row in stale.itertuples())
        problem = f"values known at {load.available_at} would replace newer ones ({found}); fetch the feed again"
        raise InvalidFrameError(OBSERVATIONS.name, f"{problem} and load that")
    added = load.observations[is_new | is_revised].assign(available_at=load.available_at)
    days = compared["ds"]
    outcomes = {"new": days[is_new], "revised": days[is_revised], "unchanged": days[~is_new & ~is_revised]}
    outcomes["quarantined"] = load.refused_days.dropna()
    counts = pd.DataFrame({name: outcomes[name].value_counts() for name in COUNTS})
    by_day = counts.reindex(pd.date_range(load.period.start, load.period.end)).fillna(0).astype("int64")
    by_day.index = pd.Index(list(load.period), name="ds")
    report = LoadReport(
        by_day,
        quarantined_without_day=int(load.refused_days.isna().sum()),
        by_series=_by_series(compared["unique_id"], is_new, is_revised),
    )
    return added.reset_index(drop=True), report


def _by_series(unique_ids: pd.Series, is_new: pd.Series, is_revised: pd.Series) -> pd.DataFrame:
    """The counts of `LoadReport.by_series`; the values are ordered by series."""
    outcomes = {"new": is_new, "revised": is_revised, "unchanged": ~is_new & ~is_revised}
    names = unique_ids.to_numpy(dtype=object)
    # Ordered by series, the rows of each are one stretch: it is added up without grouping.
    starts = np.flatnonzero(np.concatenate([[True], names[1:] != names[:-1]])) if len(names) else np.zeros(0, int)
    counts = {
        name: np.add.reduceat(found.to_numpy(dtype=np.int64), starts) if len(starts) else np.zeros(0, np.int64)
        for name, found in outcomes.items()
    }
    return pd.DataFrame(counts, index=pd.Index(names[starts], name="unique_id", dtype=object))


def _beside(loaded: pd.DataFrame, newest: pd.DataFrame) -> pd.DataFrame:
    """Each loaded row with what is known of it, `y_known` and `available_at`, both null where nothing is.

    Args:
        loaded, newest: ordered by key.
    """
    keys = ["unique_id", "ds"]
    if len(loaded) == len(newest) and all((loaded[key].to_numpy() == newest[key].to_numpy()).all() for key in keys):
        # The same days again, as most loads are: nothing is looked for.
        return loaded.assign(y_known=newest["y"].to_numpy(), available_at=newest["available_at"].array)
    return loaded.merge(newest, on=keys, how="left", suffixes=("", "_known"))


def check_replacement(
    table: Table, rows: pd.DataFrame | Iterable[pd.DataFrame], period: DateRange
) -> Iterator[pd.DataFrame]:
    """The rows as a store may write them in place of the period's, part by part; the first is checked at once.

    Raises:
        InvalidFrameError: promise 5, or a table that only grows.
    """
    if table not in REPLACEABLE_TABLES:
        raise InvalidFrameError(table.name, "the table only grows; its days are not replaced")
    parts = iter([rows] if isinstance(rows, pd.DataFrame) else rows)
    first = conform(table, next(parts, table.empty()), period)
    return chain([first], (conform(table, part, period) for part in parts))


def one_replacement(table: Table, rows: pd.DataFrame | Iterable[pd.DataFrame], period: DateRange) -> pd.DataFrame:
    """`check_replacement` as one frame, for a store that writes all at once."""
    parts = list(check_replacement(table, rows, period))
    return parts[0] if len(parts) == 1 else pd.concat(parts, ignore_index=True)


def check_addition(table: Table, rows: pd.DataFrame) -> pd.DataFrame:
    """The rows as a store may append them.

    Raises:
        InvalidFrameError: promise 5, or a table that is not appended to.
    """
    if table != PREDICTION_LOG:
        raise InvalidFrameError(table.name, f"rows are appended to {PREDICTION_LOG.name} only")
    return conform(table, rows)


def conform(table: Table, rows: pd.DataFrame, period: DateRange | None = None) -> pd.DataFrame:
    """`Table.conform`, and what storing asks for besides: storable text, whole microseconds, None for no text.

    Raises:
        InvalidFrameError: as `Table.conform`, or a text that UTF-8 or Postgres cannot hold, or no name of a series.
    """
    conformed = table.conform(rows, period)
    for column in table.columns:
        values = conformed[column.name]
        if column.name == UNIQUE_ID.name:
            _refuse_illegal_names(table, values)
        elif column.kind == "text":
            _refuse_unstorable_text(table, column.name, values)
        elif column.kind == "timestamp":
            conformed[column.name] = values.dt.floor("us")
        if column.kind == "text" and column.nullable:
            conformed.loc[values.isna(), column.name] = None
    return conformed


def _refuse_unstorable_text(table: Table, column: str, values: pd.Series) -> None:
    unfit = [value for value in values.unique() if not (pd.isna(value) or _is_storable(value))]
    if unfit:
        problem = (
            f"column {column} holds texts that cannot be stored (NUL, half a character, not a str): {examples(unfit)}"
        )
        raise InvalidFrameError(table.name, problem)


def _refuse_illegal_names(table: Table, names: pd.Series) -> None:
    problems = {name: problem for name in names.dropna().unique() if (problem := series_name_problem(name))}
    if problems:
        found = examples(legal_name(name) for name in problems)
        raise InvalidFrameError(table.name, f"unique_id {found}: {next(iter(problems.values()))}")


def _is_storable(value: object) -> bool:
    if not isinstance(value, str) or "\x00" in value:
        return False
    try:
        value.encode()
    except UnicodeEncodeError:
        return False
    return True


def _stamped(refused: pd.DataFrame, known_at: pd.Timestamp) -> pd.DataFrame:
    rows = zip(*(refused[name] for name in ("ds", "unique_id", "reason", "raw")), strict=True)
    fingerprints = pd.Series([_fingerprint(*row) for row in rows], dtype="object")
    return conform(QUARANTINED_OBSERVATIONS, refused.assign(fingerprint=fingerprints, available_at=known_at))


def _fingerprint(day: pd.Timestamp, *texts: Hashable) -> str:
    named = ["" if pd.isna(day) else day.date().isoformat(), *texts]
    return hashlib.sha256(json.dumps(named).encode()).hexdigest()

"""Answers the questions of drift from the tables: references are learnt once a month and kept.

All days of a month are judged by one reference, of the years up to 120 days before the month. It is learnt by the first
check that needs it. A value of those years that arrives or is revised later is noticed by the number of versions; then
the references of the series whose values did change are learnt anew, so that what is kept is always what would be
learnt now. One that is learnt for the days of an earlier month is not kept.
"""

import hashlib
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta

import numpy as np
import pandas as pd

from forecasting_platform.forecasting.monitoring.control.charts import BUDGETS
from forecasting_platform.forecasting.monitoring.control.drift import (
    DriftReference,
    exogenous_features,
    judge,
    learn,
    monthly_reference_until,
)
from forecasting_platform.forecasting.monitoring.control.drift_questions import LEVEL_DAYS, QUESTIONS, DriftQuestion
from forecasting_platform.forecasting.monitoring.control.report import ControlReport
from forecasting_platform.forecasting.series.covariates.exogenous import Exogenous
from forecasting_platform.forecasting.series.days.date_range import DateRange
from forecasting_platform.forecasting.series.days.not_normal import ALL_NORMAL, NotNormal
from forecasting_platform.forecasting.series.days.series_calendars import DAILY, Calendars
from forecasting_platform.forecasting.series.features.feature_table import WINDOW_DAYS
from forecasting_platform.forecasting.series.frames import (
    DRIFT_REFERENCES,
    FEATURE_TABLE,
    HELD_OBSERVATIONS,
    OBSERVATIONS,
)
from forecasting_platform.ports.table_store import TableStore

BLOCK_SERIES = 100
COLUMNS = tuple(dict.fromkeys(column for question in QUESTIONS for column in question.columns))


@dataclass(frozen=True, slots=True)
class DriftJudge:
    """Judges the newest days of every series of a store.

    Attributes:
        not_normal: periods from which nothing is learnt, and of which no day is judged.
        keeps: whether what is learnt is written to the store; a reader learns for itself alone.
    """

    store: TableStore
    exogenous: Sequence[Exogenous] = ()
    calendars: Calendars = DAILY
    not_normal: NotNormal = ALL_NORMAL
    keeps: bool = True

    def report(self, question: DriftQuestion, end: date, *, pages_a_year: float) -> ControlReport:
        """Whether the days up to `end` (inclusive) are as their month's reference has it."""
        periods = question.judging_periods(end)
        recent, *earlier = (self._read(question.columns, period) for period in periods)
        features = pd.concat([recent, *earlier], ignore_index=True)
        references = self._references(monthly_reference_until(end), recent["unique_id"].unique().tolist())
        own = {name: found for (name, asked), found in references.items() if asked == question.name}
        return judge(
            question,
            features,
            own,
            pages_a_year=pages_a_year,
            calendars=self.calendars,
            not_normal=self.not_normal,
        )

    def _read(self, columns: Sequence[str], period: DateRange, unique_ids: Sequence[str] | None = None) -> pd.DataFrame:
        """Columns of the features of some days, with those of exogenous series unless series are named."""
        if self.not_normal:
            # Means that reach into a period are made anew, of the days before.
            period = DateRange(period.start - timedelta(days=LEVEL_DAYS - 1), period.end)
        own = self.store.read(FEATURE_TABLE.only(*columns), period, unique_ids=unique_ids)
        return own if unique_ids is not None else pd.concat([own, self._read_exogenous(columns, period)])

    def _read_exogenous(self, columns: Sequence[str], period: DateRange) -> pd.DataFrame:
        rows = FEATURE_TABLE.empty()
        if self.exogenous:
            before = DateRange(period.start - timedelta(days=LEVEL_DAYS - 1), period.end)
            rows = self.store.read(FEATURE_TABLE.only("exogenous"), before)
        found = exogenous_features(rows, self.exogenous)
        return found.loc[found["ds"] >= pd.Timestamp(period.start), ["unique_id", "ds", *columns]]

    def _references(self, until: date, needed: Sequence[str]) -> dict[tuple[str, str], DriftReference]:
        """The references of each series and question, learnt from the years up to a day."""
        day, period = DateRange(until, until), _learning_period(until)
        kept = self.store.read(DRIFT_REFERENCES, day)
        known_as = _digest(self._known(period).encode())
        known = set(kept["unique_id"])
        is_current = bool((kept["known_as"] == known_as).all())
        wanted = sorted(set(needed) - known) if is_current else sorted(known | set(needed))
        if wanted:
            kept = self._learn(wanted, period, kept, known_as)
            self._keep(kept, day)
        rows = kept[["unique_id", "question", "reference", "why"]].to_numpy(dtype=object)
        return {(name, asked): DriftReference.from_json(learnt, why) for name, asked, learnt, why in rows}

    def _known(self, period: DateRange) -> str:
        """A text that changes where the values of the period's features may have, or what is declared of them."""
        decides = DateRange(period.start - timedelta(days=WINDOW_DAYS), period.end)
        counts = [self.store.count(table, decides) for table in (OBSERVATIONS, HELD_OBSERVATIONS)]
        return json.dumps([*counts, BUDGETS, self.not_normal.to_document(), self.calendars.to_document()])

    def _declared(self, unique_id: str) -> str:
        # A reference that was learnt for other budgets is of another form.
        return f"{BUDGETS} {self.not_normal.of(unique_id)} {self.calendars.of(unique_id).to_document()}"

    def _learn(self, wanted: Sequence[str], period: DateRange, kept: pd.DataFrame, known_as: str) -> pd.DataFrame:
        """The kept rows and those of the wanted series, which are learnt only where their values are others."""
        learnt_from = dict(zip(kept["unique_id"], kept["learnt_from"], strict=True))
        rows: list[dict[str, object]] = []
        same: set[str] = set(kept["unique_id"]) - set(wanted)
        for names, features in self._blocks(wanted, period):
            inside = features[features["ds"] >= pd.Timestamp(period.start)]
            values = _digests(inside)
            of_each = {name: _digest((values.get(name, "") + self._declared(name)).encode()) for name in names}
            same |= {name for name, found in of_each.items() if learnt_from.get(name) == found}
            changed = [name for name in names if name not in same]
            rows += _rows_of(changed, features, period, of_each, known_as, self)
        carried = kept[kept["unique_id"].isin(same)].assign(known_as=known_as)
        return pd.concat([carried, pd.DataFrame(rows, columns=DRIFT_REFERENCES.column_names)], ignore_index=True)

    def _blocks(self, names: Sequence[str], period: DateRange) -> Iterator[tuple[Sequence[str], pd.DataFrame]]:
        """The features of the series, block by block, so that memory holds one block's history."""
        exogenous = self._read_exogenous(COLUMNS, period)
        of_exogenous = sorted(set(exogenous["unique_id"]) & set(names))
        if of_exogenous:
            yield of_exogenous, exogenous[exogenous["unique_id"].isin(of_exogenous)]
        own = [name for name in names if name not in set(of_exogenous)]
        for start in range(0, len(own), BLOCK_SERIES):
            block = own[start : start + BLOCK_SERIES]
            yield block, self._read(COLUMNS, period, block)

    def _keep(self, rows: pd.DataFrame, day: DateRange) -> None:
        held = self.store.span(DRIFT_REFERENCES)
        if not self.keeps or (held is not None and held.end > day.end):
            return
        self.store.replace(DRIFT_REFERENCES, rows, day)
        if held is not None and held.start < day.start:
            earlier = DateRange(held.start, day.start - timedelta(days=1))
            self.store.replace(DRIFT_REFERENCES, DRIFT_REFERENCES.empty(), earlier)


def _learning_period(until: date) -> DateRange:
    return DateRange(min(question.learning_period(until).start for question in QUESTIONS), until)


def _digests(rows: pd.DataFrame) -> dict[str, str]:
    """Of the days and values of each series; rows are ordered by series and day."""
    names = rows["unique_id"].to_numpy()
    days = rows["ds"].to_numpy().astype("datetime64[D]")
    values = np.ascontiguousarray(rows[list(COLUMNS)].to_numpy(dtype=np.float64))
    if not len(names):
        return {}
    starts = np.flatnonzero(np.concatenate([[True], names[1:] != names[:-1]]))
    stops = np.append(starts[1:], len(names))
    return {
        str(names[start]): _digest(days[start:stop].tobytes(), values[start:stop].tobytes())
        for start, stop in zip(starts, stops, strict=True)
    }


def _digest(*parts: bytes) -> str:
    return hashlib.sha256(b"".join(parts)).hexdigest()


def _rows_of(
    names: Iterable[str],
    features: pd.DataFrame,
    period: DateRange,
    fingerprints: Mapping[str, str],
    known_as: str,
    of: DriftJudge,
) -> Iterator[dict[str, object]]:
    own = features[features["unique_id"].isin(list(names))]
    for question in QUESTIONS:
        learnt = learn(question, own, period.end, of.calendars, of.not_normal)
        for name in names:
            found = learnt.get(name, DriftReference(None, (), "it has no days of reference"))
            yield {
                "unique_id": name,
                "ds": pd.Timestamp(period.end),
                "question": question.name,
                "learnt_from": fingerprints[name],
                "known_as": known_as,
                "reference": found.to_json(),
                "why": found.why or None,
            }

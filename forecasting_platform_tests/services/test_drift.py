"""References of drift are learnt once a month, kept, and always those that would be learnt now."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from typing import Any

import numpy as np
import pandas as pd
import pytest

from forecasting_platform.adapters.memory.table_store import MemoryTableStore
from forecasting_platform.forecasting.monitoring.control.drift import (
    DriftReference,
    exogenous_features,
    judge,
    learn,
    monthly_reference_until,
)
from forecasting_platform.forecasting.monitoring.control.drift_questions import LEVEL, QUESTIONS, DriftQuestion
from forecasting_platform.forecasting.series.covariates.exogenous import exogenous_from
from forecasting_platform.forecasting.series.days.date_range import DateRange
from forecasting_platform.forecasting.series.days.not_normal import NotNormal, NotNormalPeriod
from forecasting_platform.forecasting.series.frames import DRIFT_REFERENCES, FEATURE_TABLE
from forecasting_platform.services import drift
from forecasting_platform.services.drift import DriftJudge
from forecasting_platform_tests.support.example_series import features_of, observations, seasonal

LENGTH = 2400
MONTH_END = date(2023, 7, 31)
EVERY_DAY = DateRange(MONTH_END - timedelta(days=LENGTH - 1), MONTH_END)
SHORT = timedelta(days=150)


@dataclass
class Learnt:
    """The series that were learnt, in the order in which they were."""

    names: list[str] = field(default_factory=list)

    def watch(self, monkeypatch: pytest.MonkeyPatch) -> None:
        def watched(question: DriftQuestion, features: pd.DataFrame, *rest: Any) -> dict[str, DriftReference]:
            if question is LEVEL:
                self.names += sorted(features["unique_id"].unique())
            return learn(question, features, *rest)

        monkeypatch.setattr(drift, "learn", watched)


@pytest.fixture
def learnt(monkeypatch: pytest.MonkeyPatch) -> Learnt:
    found = Learnt()
    found.watch(monkeypatch)
    return found


@pytest.fixture(scope="module")
def features() -> pd.DataFrame:
    at = np.arange(LENGTH)
    values = {"a": seasonal(LENGTH), "moved": seasonal(LENGTH, seed=1) + 30 * (at >= LENGTH - 20)}
    values["young"] = np.where(at < LENGTH - 200, np.nan, seasonal(LENGTH, seed=2))
    temperature = pd.Series(np.round(seasonal(LENGTH, seed=3), 3), pd.date_range(EVERY_DAY.start, EVERY_DAY.end))
    built = features_of(observations(values, MONTH_END), MONTH_END)
    return built.assign(exogenous=[f'{{"Temperature": {temperature[day]}}}' for day in built["ds"]])


def store_of(features: pd.DataFrame) -> MemoryTableStore:
    store = MemoryTableStore()
    values = features[["unique_id", "ds", "y"]]
    store.record_observations(values, EVERY_DAY, available_at=datetime(2023, 8, 1, tzinfo=UTC))
    store.replace(FEATURE_TABLE, features, EVERY_DAY)
    return store


def revise(store: MemoryTableStore, name: str, day: date, y: float, hour: int = 1) -> None:
    """A value of a day becomes another, and so does its feature row."""
    one = DateRange(day, day)
    value = pd.DataFrame({"unique_id": [name], "ds": [pd.Timestamp(day)], "y": [y]})
    store.record_observations(value, one, available_at=datetime(2023, 8, 1, hour, tzinfo=UTC))
    rows = store.read(FEATURE_TABLE, one)
    store.replace(FEATURE_TABLE, rows.assign(y=rows["y"].where(rows["unique_id"] != name, y)), one)


def ask(
    store: MemoryTableStore, end: date, questions: Sequence[DriftQuestion] = QUESTIONS, **options: Any
) -> list[Any]:
    return [DriftJudge(store, **options).report(question, end, pages_a_year=1.0) for question in questions]


@pytest.mark.parametrize("question", QUESTIONS, ids=lambda question: question.name)
def test_a_day_is_judged_by_the_reference_of_its_month(features: pd.DataFrame, question: DriftQuestion) -> None:
    end = MONTH_END - timedelta(days=3)
    (found,) = ask(store_of(features), end, [question])
    until = monthly_reference_until(end)
    assert until == date(2023, 3, 2)
    reference = learn(question, features[features["ds"] <= pd.Timestamp(until)], until)
    expected = judge(question, features[features["ds"] <= pd.Timestamp(end)], reference, pages_a_year=1.0)
    pd.testing.assert_frame_equal(found.series, expected.series)
    pd.testing.assert_frame_equal(found.daily, expected.daily)
    assert found.series.set_index("unique_id")["state"].to_dict() == {"a": "good", "moved": "bad", "young": "unknown"}


def test_references_are_learnt_once_a_month_for_both_questions(features: pd.DataFrame, learnt: Learnt) -> None:
    store = store_of(features)
    for day in (date(2023, 7, 1), date(2023, 7, 2), MONTH_END):
        ask(store, day)
    assert learnt.names == ["a", "moved", "young"]
    ask(store, date(2023, 6, 30), [LEVEL])
    assert learnt.names == 2 * ["a", "moved", "young"], "another month has another reference"


def test_after_the_first_check_of_a_month_only_the_judged_days_are_read(
    features: pd.DataFrame, monkeypatch: pytest.MonkeyPatch
) -> None:
    store, longest = store_of(features), timedelta()
    ask(store, date(2023, 7, 1))
    read = store.read

    def watched(table: Any, period: DateRange | None = None, **named: Any) -> pd.DataFrame:
        nonlocal longest
        assert period is not None
        longest = max(longest, period.end - period.start)
        assert table == DRIFT_REFERENCES or set(table.column_names) <= {"unique_id", "ds", "y", "mean_91"}
        return read(table, period, **named)

    monkeypatch.setattr(store, "read", watched)
    ask(store, date(2023, 7, 2))
    assert longest < SHORT


def test_a_value_revised_in_the_reference_has_its_series_learnt_anew_and_no_other(
    features: pd.DataFrame, learnt: Learnt
) -> None:
    store = store_of(features)
    ask(store, MONTH_END)
    before = store.read(DRIFT_REFERENCES).set_index(["unique_id", "question"])["reference"]
    revise(store, "a", date(2022, 6, 1), 5e3)
    learnt.names.clear()
    ask(store, MONTH_END)
    assert learnt.names == ["a"]
    after = store.read(DRIFT_REFERENCES).set_index(["unique_id", "question"])["reference"]
    assert (after["a"] != before["a"]).all()
    assert after["moved"].tolist() == before["moved"].tolist()
    learnt.names.clear()
    ask(store, MONTH_END)
    assert learnt.names == []


def test_a_value_revised_after_the_reference_learns_nothing(features: pd.DataFrame, learnt: Learnt) -> None:
    store = store_of(features)
    ask(store, MONTH_END)
    learnt.names.clear()
    revise(store, "a", date(2023, 7, 30), 5e3)
    ask(store, MONTH_END)
    assert learnt.names == []


def test_a_series_that_comes_within_the_month_is_learnt_alone(features: pd.DataFrame, learnt: Learnt) -> None:
    store = store_of(features[features["unique_id"] != "moved"])
    ask(store, MONTH_END)
    store.replace(FEATURE_TABLE, features, EVERY_DAY)
    learnt.names.clear()
    found, _ = ask(store, MONTH_END)
    assert learnt.names == ["moved"]
    assert found.series["state"].tolist() == ["good", "bad", "unknown"]


def test_a_period_declared_later_has_its_series_learnt_anew(features: pd.DataFrame, learnt: Learnt) -> None:
    store = store_of(features)
    ask(store, MONTH_END)
    learnt.names.clear()
    period = NotNormal((NotNormalPeriod(date(2022, 3, 1), date(2022, 5, 1), "outage", ("moved",)),))
    found, _ = ask(store, MONTH_END, not_normal=period)
    assert learnt.names == ["moved"]
    until = monthly_reference_until(MONTH_END)
    reference = learn(LEVEL, features, until, not_normal=period)
    expected = judge(LEVEL, features, reference, pages_a_year=1.0, not_normal=period)
    pd.testing.assert_frame_equal(found.series, expected.series)


def test_days_of_a_declared_period_are_judged_by_means_of_the_days_before(features: pd.DataFrame) -> None:
    period = NotNormal((NotNormalPeriod(MONTH_END - timedelta(days=119), MONTH_END - timedelta(days=60), "strike"),))
    found, _ = ask(store_of(features), MONTH_END, not_normal=period)
    reference = learn(LEVEL, features, monthly_reference_until(MONTH_END), not_normal=period)
    expected = judge(LEVEL, features, reference, pages_a_year=1.0, not_normal=period)
    pd.testing.assert_frame_equal(found.series, expected.series)
    assert found.series["left_out"].tolist() == [60, 60, 60]


def test_only_the_newest_months_references_are_kept(features: pd.DataFrame) -> None:
    store = store_of(features)
    for newest in (date(2023, 5, 31), date(2023, 6, 30), MONTH_END, date(2023, 5, 31)):
        ask(store, newest)
    kept = store.read(DRIFT_REFERENCES)
    assert kept["ds"].dt.date.unique().tolist() == [monthly_reference_until(MONTH_END)]
    assert len(kept) == 3 * len(QUESTIONS)


def test_who_only_reads_keeps_nothing(features: pd.DataFrame) -> None:
    store = store_of(features)
    expected = ask(store_of(features), MONTH_END)
    for found, same in zip(ask(store, MONTH_END, keeps=False), expected, strict=True):
        pd.testing.assert_frame_equal(found.series, same.series)
    assert store.read(DRIFT_REFERENCES).empty


@pytest.mark.parametrize("question", QUESTIONS, ids=lambda question: question.name)
def test_exogenous_series_are_judged_as_any_other(features: pd.DataFrame, question: DriftQuestion) -> None:
    exogenous = exogenous_from([{"unique_id": "Temperature", "known": "at_cutoff"}])
    (found,) = ask(store_of(features), MONTH_END, [question], exogenous=exogenous)
    every = pd.concat([features, exogenous_features(features, exogenous)], ignore_index=True)
    until = monthly_reference_until(MONTH_END)
    reference = learn(question, every, until)
    expected = judge(question, every, reference, pages_a_year=1.0)
    assert found.series["unique_id"].tolist() == ["Temperature", "a", "moved", "young"]
    # A rolling mean is carried along in pandas: its last bits depend on where it began.
    pd.testing.assert_frame_equal(found.series, expected.series, rtol=1e-6, atol=1e-6)


def test_series_without_any_day_of_reference_are_unknown(features: pd.DataFrame) -> None:
    young = features[features["ds"] > pd.Timestamp(MONTH_END - timedelta(days=60))]
    for found in ask(store_of(young), MONTH_END):
        assert set(found.series["state"]) == {"unknown"}
        assert set(found.series["why"]) == {"it has no days of reference"}


def test_no_features_are_no_drift() -> None:
    assert [found.state for found in ask(MemoryTableStore(), MONTH_END)] == ["unknown", "unknown"]


def test_a_reference_is_kept_to_the_last_bit(features: pd.DataFrame) -> None:
    for found in learn(LEVEL, features, monthly_reference_until(MONTH_END)).values():
        assert DriftReference.from_json(found.to_json(), found.why) == found

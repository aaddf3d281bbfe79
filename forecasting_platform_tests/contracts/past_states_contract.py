"""What every table store promises about the past and the newest: a part of `TableStoreContract`."""

import itertools
from datetime import date, timedelta
from typing import ClassVar

import pandas as pd
from hypothesis import given, settings
from hypothesis import strategies as st

from forecasting_platform.forecasting.series.days.date_range import DateRange
from forecasting_platform.forecasting.series.frames import (
    FEATURE_TABLE,
)
from forecasting_platform.forecasting.series.quality.limits import MAX_VALUE
from forecasting_platform.ports.table_store import TableStore
from forecasting_platform_tests.contracts.table_store_rows import (
    DAY_2,
    JANUARY,
    MONDAY,
    TUESDAY,
    features,
    observations,
)

# Loads of two series on three days: how long after the one before, and what.
values = st.floats(-MAX_VALUE, MAX_VALUE) | st.sampled_from([0.0, -0.0, 1.0])
keys = st.tuples(st.sampled_from("ab"), st.sampled_from(["2020-01-01", "2020-01-02", "2020-01-03"]))
histories = st.lists(st.tuples(st.integers(1, 3), st.dictionaries(keys, values, max_size=6)), min_size=1, max_size=5)


class PastStatesContract:
    """What was known at a time, the newest row of each series, the first and last day.

    Attributes:
        as_of_examples: random histories of loads tried; fewer where a load takes long.
    """

    as_of_examples: ClassVar[int] = 10

    # 9. Reading `as_of` a time gives exactly what was known then.

    def test_as_of_gives_what_was_known_then(self, store: TableStore) -> None:
        store.record_observations(observations(("a", "2020-01-01", 1)), JANUARY, available_at=MONDAY)
        store.record_observations(
            observations(("a", "2020-01-01", 2), ("b", "2020-01-01", 3)), JANUARY, available_at=TUESDAY
        )
        assert store.read_observations(as_of=MONDAY - timedelta(microseconds=1)).empty
        assert store.read_observations(as_of=MONDAY)["y"].tolist() == [1.0]
        assert store.read_observations(as_of=TUESDAY - timedelta(microseconds=1))["y"].tolist() == [1.0]
        assert store.read_observations(JANUARY, as_of=TUESDAY)["y"].tolist() == [2.0, 3.0]
        assert store.read_observations(as_of=TUESDAY, unique_ids=["b"])["y"].tolist() == [3.0]

    def test_every_past_state_is_read_as_it_was(self, store: TableStore) -> None:
        names, moment = itertools.count(), MONDAY

        @settings(max_examples=self.as_of_examples, deadline=None, database=None)
        @given(histories)
        def remember(history: list[tuple[int, dict[tuple[str, str], float]]]) -> None:
            nonlocal moment
            prefix = f"history {next(names)}, "
            known: dict[tuple[str, str], str] = {}
            states = []
            for microseconds, load in history:
                states.append((moment, dict(known)))  # after the load before this one
                moment += timedelta(microseconds=microseconds)
                rows = observations(*((prefix + name, day, y) for (name, day), y in load.items()))
                store.record_observations(rows, JANUARY, available_at=moment)
                # A value equal to the one before is none; 0.0 and -0.0 are equal, and the first one stays.
                known |= {key: y.hex() for key, y in load.items() if key not in known or float.fromhex(known[key]) != y}
                states.append((moment, dict(known)))
                moment += timedelta(microseconds=1)
            for at, expected in states:
                found = store.read_observations(JANUARY, unique_ids=[prefix + "a", prefix + "b"], as_of=at)
                keys = zip(found["unique_id"].str.removeprefix(prefix), found["ds"].dt.date.astype(str), strict=True)
                assert dict(zip(keys, map(float.hex, found["y"]), strict=True)) == expected

        remember()

    # The newest row of each series.

    def test_the_newest_row_of_each_series(self, store: TableStore) -> None:
        store.replace(FEATURE_TABLE, pd.concat([features(JANUARY, ("a",)), features(DAY_2, ("b",))]), JANUARY)
        newest = store.read_newest(FEATURE_TABLE)
        assert newest["unique_id"].tolist() == ["a", "b"]
        assert newest["ds"].dt.date.tolist() == [date(2020, 1, 31), date(2020, 1, 2)]
        assert list(newest.dtypes) == list(FEATURE_TABLE.empty().dtypes)

    def test_the_newest_row_at_or_before_a_day(self, store: TableStore) -> None:
        store.replace(FEATURE_TABLE, pd.concat([features(JANUARY, ("a",)), features(DAY_2, ("b",))]), JANUARY)
        assert store.read_newest(FEATURE_TABLE, at_or_before=date(2020, 1, 1))["unique_id"].tolist() == ["a"]
        newest = store.read_newest(FEATURE_TABLE, at_or_before=date(2020, 1, 5), unique_ids=["a", "unknown"])
        assert newest["ds"].dt.date.tolist() == [date(2020, 1, 5)]
        assert store.read_newest(FEATURE_TABLE, unique_ids=[]).empty
        twice = store.read_newest(FEATURE_TABLE, unique_ids=["b", "a", "b"])
        assert twice["unique_id"].tolist() == ["a", "b"]

    def test_the_span_of_some_series_is_theirs(self, store: TableStore) -> None:
        store.replace(FEATURE_TABLE, pd.concat([features(DAY_2, ("a",)), features(JANUARY, ("b",))]), JANUARY)
        assert store.span(FEATURE_TABLE, unique_ids=["a"]) == DAY_2
        assert store.span(FEATURE_TABLE, unique_ids=["a", "b"]) == JANUARY
        assert store.span(FEATURE_TABLE, unique_ids=["unknown"]) is None
        assert store.span(FEATURE_TABLE, unique_ids=[]) is None

    def test_the_span_of_a_table_is_its_first_and_last_day(self, store: TableStore) -> None:
        assert store.span(FEATURE_TABLE) is None
        store.replace(FEATURE_TABLE, pd.concat([features(DAY_2, ("a",)), features(JANUARY, ("b",))]), JANUARY)
        assert store.span(FEATURE_TABLE) == JANUARY
        for day in (JANUARY.start, JANUARY.end):
            store.replace(FEATURE_TABLE, FEATURE_TABLE.empty(), DateRange(day, day))
        assert store.span(FEATURE_TABLE) == DateRange(date(2020, 1, 2), date(2020, 1, 30))

"""What every table store promises; subclassed once for each adapter, which overrides the fixtures only."""

import base64
import random
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import date, datetime, timedelta

import numpy as np
import pandas as pd
import pytest

from forecasting_platform.errors import InvalidFrameError, StoreUnavailableError
from forecasting_platform.forecasting.monitoring.prediction_errors import match_predictions
from forecasting_platform.forecasting.series.days.date_range import DateRange
from forecasting_platform.forecasting.series.frames import (
    DRIFT_REFERENCES,
    FEATURE_TABLE,
    FORECAST_ERRORS,
    FORECASTS,
    HELD_OBSERVATIONS,
    OBSERVATIONS,
    PLANNED_VALUES,
    PREDICTION_ERRORS,
    PREDICTION_LOG,
    QUARANTINED_OBSERVATIONS,
)
from forecasting_platform.forecasting.series.quality.limits import MAX_NAME_BYTES
from forecasting_platform.forecasting.series.table import Table
from forecasting_platform.ports.table_store import TableStore
from forecasting_platform_tests.contracts.past_states_contract import PastStatesContract
from forecasting_platform_tests.contracts.table_store_rows import (
    DAILY_SUMS,
    DAY_1,
    DAY_2,
    JANUARY,
    MONDAY,
    ODD_NAMES,
    ODD_TEXTS,
    TUESDAY,
    WEDNESDAY,
    daily_sums,
    drift_references,
    features,
    forecasts,
    held,
    observations,
    predictions,
    refused,
)


class TableStoreContract(PastStatesContract):
    """The promises of `TableStore`, by number; 9 is in `PastStatesContract`."""

    @pytest.fixture
    def store(self) -> TableStore:
        """A prepared, empty store."""
        raise NotImplementedError

    @pytest.fixture
    def break_next_write(self, monkeypatch: pytest.MonkeyPatch) -> Callable[[], None]:
        """Makes the next write raise RuntimeError after it has begun."""
        raise NotImplementedError

    # 1. What was written is read back: columns, dtypes, nulls, order by key.

    def test_observations_are_read_back_with_dtypes_and_in_order(self, store: TableStore) -> None:
        loaded = observations(("b", "2020-01-01", 0.1 + 0.2), ("a", "2020-01-02", -1e-300), ("a", "2020-01-01", 1e50))
        store.record_observations(loaded, JANUARY, available_at=MONDAY)
        expected = loaded.assign(available_at=pd.Timestamp(MONDAY).as_unit("ns"))
        expected = expected.sort_values(["unique_id", "ds"], ignore_index=True)
        pd.testing.assert_frame_equal(store.read_observations(), expected)
        pd.testing.assert_frame_equal(store.read(OBSERVATIONS), expected)

    @pytest.mark.parametrize(
        ("table", "rows"),
        [
            (HELD_OBSERVATIONS, held(JANUARY)),
            (FEATURE_TABLE, features(JANUARY)),
            (FORECAST_ERRORS, forecasts(JANUARY).assign(y=float(np.pi), y_first=np.nan)),
            (DRIFT_REFERENCES, drift_references(JANUARY)),
            *((table, daily_sums(table, JANUARY)) for table in DAILY_SUMS),
        ],
        ids=lambda given: given.name if isinstance(given, Table) else "rows",
    )
    def test_replaced_rows_are_read_back(self, store: TableStore, table: Table, rows: pd.DataFrame) -> None:
        period = DateRange(JANUARY.start, JANUARY.end + timedelta(days=1))
        assert store.replace(table, rows.sample(frac=1, random_state=0), period) == len(rows)
        pd.testing.assert_frame_equal(store.read(table), table.conform(rows))

    def test_nulls_of_refused_rows_are_read_back(self, store: TableStore) -> None:
        rows = refused((None, None, "no object", "7"), ("a", "2020-01-01", "not a number", '"n/a"'))
        store.record_observations(observations(), JANUARY, available_at=MONDAY, quarantined=rows)
        kept = store.read(QUARANTINED_OBSERVATIONS)
        assert list(kept.dtypes) == list(QUARANTINED_OBSERVATIONS.empty().dtypes)
        found = kept.sort_values("raw")[["unique_id", "ds", "reason", "raw"]].reset_index(drop=True)
        expected = rows.sort_values("raw").reset_index(drop=True)
        pd.testing.assert_frame_equal(found, expected)
        assert found["unique_id"].tolist() == ["a", None]

    def test_reading_picks_days_and_series(self, store: TableStore) -> None:
        store.replace(FEATURE_TABLE, features(JANUARY, ("a", "b", "c")), JANUARY)
        picked = store.read(FEATURE_TABLE, DAY_2, unique_ids=["c", "a", "unknown"])
        pd.testing.assert_frame_equal(picked, features(DAY_2, ("a", "c")))
        store.record_observations(
            observations(("a", "2020-01-01", 1), ("a", "2020-01-02", 2), ("b", "2020-01-02", 3)),
            JANUARY,
            available_at=MONDAY,
        )
        assert store.read_observations(DAY_2, unique_ids=["b"])["y"].tolist() == [3.0]
        assert store.read_observations(unique_ids=[]).empty

    def test_a_table_with_fewer_columns_is_read_without_the_others(self, store: TableStore) -> None:
        store.replace(FEATURE_TABLE, features(JANUARY, ("a", "b")), JANUARY)
        narrow, kept = FEATURE_TABLE.only("mean_91", "exogenous"), ["unique_id", "ds", "mean_91", "exogenous"]
        whole = store.read(FEATURE_TABLE, DAY_2, unique_ids=["b"])
        pd.testing.assert_frame_equal(store.read(narrow, DAY_2, unique_ids=["b"]), whole[kept])
        pd.testing.assert_frame_equal(store.read_newest(narrow), store.read_newest(FEATURE_TABLE)[kept])
        assert store.count(narrow, JANUARY) == store.count(FEATURE_TABLE, JANUARY)
        assert store.span(narrow) == store.span(FEATURE_TABLE)

    def test_an_empty_store_reads_as_empty_frames_with_dtypes(self, store: TableStore) -> None:
        for table in (
            OBSERVATIONS,
            QUARANTINED_OBSERVATIONS,
            FEATURE_TABLE,
            FORECASTS,
            FORECAST_ERRORS,
            PREDICTION_LOG,
        ):
            pd.testing.assert_frame_equal(store.read(table, JANUARY), table.empty())
        pd.testing.assert_frame_equal(store.read_observations(JANUARY), OBSERVATIONS.empty())
        pd.testing.assert_frame_equal(store.read_newest(FEATURE_TABLE), FEATURE_TABLE.empty())

    def test_what_is_read_is_no_view_of_what_is_stored(self, store: TableStore) -> None:
        store.replace(FEATURE_TABLE, features(DAY_1), DAY_1)
        held = store.read(FEATURE_TABLE)
        held["y"] = -1.0
        held.loc[0, "unique_id"] = "changed"
        pd.testing.assert_frame_equal(store.read(FEATURE_TABLE), features(DAY_1))

    # 2. The same values again add no row; a changed value adds one version and keeps the old.

    def test_the_same_values_again_add_no_row(self, store: TableStore) -> None:
        loaded = observations(("a", "2020-01-01", 1), ("a", "2020-01-02", 2))
        first = store.record_observations(loaded, JANUARY, available_at=MONDAY)
        again = store.record_observations(loaded, JANUARY, available_at=TUESDAY)
        assert first.totals == {"new": 2, "revised": 0, "unchanged": 0, "quarantined": 0}
        assert again.totals == {"new": 0, "revised": 0, "unchanged": 2, "quarantined": 0}
        assert len(store.read(OBSERVATIONS)) == 2

    def test_a_changed_value_adds_a_version_and_keeps_the_old(self, store: TableStore) -> None:
        store.record_observations(observations(("a", "2020-01-01", 1)), JANUARY, available_at=MONDAY)
        report = store.record_observations(observations(("a", "2020-01-01", 2)), JANUARY, available_at=TUESDAY)
        assert report.totals["revised"] == 1
        assert store.read(OBSERVATIONS)["y"].tolist() == [1.0, 2.0]
        assert store.read_observations()["y"].tolist() == [2.0]

    def test_a_value_that_returns_to_an_earlier_one_is_a_revision(self, store: TableStore) -> None:
        for value, moment in ((1, MONDAY), (2, TUESDAY), (1, WEDNESDAY)):
            report = store.record_observations(observations(("a", "2020-01-01", value)), JANUARY, available_at=moment)
        assert report.totals["revised"] == 1
        assert store.read(OBSERVATIONS)["y"].tolist() == [1.0, 2.0, 1.0]

    def test_what_a_load_does_not_hold_stays(self, store: TableStore) -> None:
        store.record_observations(
            observations(("a", "2020-01-01", 1), ("b", "2020-01-01", 2)), JANUARY, available_at=MONDAY
        )
        store.record_observations(observations(("c", "2020-01-02", 3)), JANUARY, available_at=TUESDAY)
        assert store.read_observations()["unique_id"].tolist() == ["a", "b", "c"]

    def test_the_report_counts_each_day_and_series(self, store: TableStore) -> None:
        store.record_observations(
            observations(("a", "2020-01-01", 1), ("b", "2020-01-01", 1)), JANUARY, available_at=MONDAY
        )
        report = store.record_observations(
            observations(("a", "2020-01-01", 1), ("b", "2020-01-01", 2), ("a", "2020-01-02", 3)),
            DateRange(date(2020, 1, 1), date(2020, 1, 3)),
            available_at=TUESDAY,
            quarantined=refused(("b", "2020-01-02", "not a number", "n/a"), (None, None, "no object", "7")),
        )
        assert report.by_day.index.tolist() == [date(2020, 1, 1), date(2020, 1, 2), date(2020, 1, 3)]
        assert report.by_day.columns.tolist() == ["new", "revised", "unchanged", "quarantined"]
        assert report.by_day.to_numpy().tolist() == [[0, 1, 1, 0], [1, 0, 0, 1], [0, 0, 0, 0]]
        assert report.quarantined_without_day == 1
        assert report.totals == {"new": 1, "revised": 1, "unchanged": 1, "quarantined": 2}
        assert report.by_series.to_dict("index") == {
            "a": {"new": 1, "revised": 0, "unchanged": 1},
            "b": {"new": 0, "revised": 1, "unchanged": 0},
        }

    def test_a_refusal_seen_before_is_kept_once_and_counted_again(self, store: TableStore) -> None:
        rows = refused(("a", "2020-01-01", "not a number", "n/a"), ("a", "2020-01-01", "not a number", "n/a"))
        for moment in (MONDAY, TUESDAY):
            report = store.record_observations(observations(), JANUARY, available_at=moment, quarantined=rows)
            assert report.totals["quarantined"] == 2
        kept = store.read(QUARANTINED_OBSERVATIONS)
        assert kept["available_at"].tolist() == [pd.Timestamp(MONDAY)]

    # 3. Replacing twice leaves one copy; replacing one day leaves the others.

    def test_a_plan_is_kept_in_every_version_and_each_once(self, store: TableStore) -> None:
        first = observations(("Größe", "2030-01-01", 1.0), ("Größe", "2030-01-02", 0.0), ("b", "2030-01-02", 0.1))
        assert store.record_plans(first, available_at=MONDAY) == 3
        assert store.record_plans(first, available_at=TUESDAY) == 0
        changed = observations(("Größe", "2030-01-01", 0.0), ("Größe", "2030-01-03", 1.0))
        assert store.record_plans(changed, available_at=WEDNESDAY) == 2
        assert store.record_plans(changed.head(0), available_at=WEDNESDAY) == 0
        kept = store.read(PLANNED_VALUES, unique_ids=["Größe"])
        assert list(zip(kept["ds"].dt.day, kept["y"], kept["available_at"], strict=True)) == [
            (1, 1.0, pd.Timestamp(MONDAY)),
            (1, 0.0, pd.Timestamp(WEDNESDAY)),
            (2, 0.0, pd.Timestamp(MONDAY)),
            (3, 1.0, pd.Timestamp(WEDNESDAY)),
        ]
        assert store.read_observations().empty

    def test_a_plan_fetched_earlier_and_recorded_later_replaces_nothing(self, store: TableStore) -> None:
        store.record_plans(observations(("a", "2030-01-01", 1.0)), available_at=TUESDAY)
        assert store.record_plans(observations(("a", "2030-01-01", 2.0)), available_at=MONDAY) == 0
        assert store.read(PLANNED_VALUES)["y"].tolist() == [1.0]

    def test_a_bad_plan_is_refused_before_any_write(self, store: TableStore) -> None:
        twice = observations(("a", "2030-01-01", 1.0), ("a", "2030-01-01", 2.0))
        for bad in (twice, observations(("", "2030-01-01", 1.0)), twice.drop(columns="y")):
            with pytest.raises(InvalidFrameError, match="planned_values"):
                store.record_plans(bad, available_at=MONDAY)
        with pytest.raises(InvalidFrameError, match="has no time zone"):
            store.record_plans(observations(("a", "2030-01-01", 1.0)), available_at=MONDAY.replace(tzinfo=None))
        assert store.read(PLANNED_VALUES).empty

    def test_replacing_twice_leaves_one_copy(self, store: TableStore) -> None:
        for _ in range(2):
            store.replace(FEATURE_TABLE, features(JANUARY), JANUARY)
        pd.testing.assert_frame_equal(store.read(FEATURE_TABLE), features(JANUARY))

    def test_replacing_a_day_leaves_the_others(self, store: TableStore) -> None:
        store.replace(FEATURE_TABLE, features(JANUARY), JANUARY)
        store.replace(FEATURE_TABLE, features(DAY_1, value=9.0), DAY_1)
        held = store.read(FEATURE_TABLE)
        assert held.loc[held["ds"] == "2020-01-01", "y"].tolist() == [9.0, 9.0]
        assert len(held) == 62

    def test_replacing_by_nothing_empties_the_days(self, store: TableStore) -> None:
        store.replace(FEATURE_TABLE, features(JANUARY), JANUARY)
        assert store.replace(FEATURE_TABLE, FEATURE_TABLE.empty(), DAY_1) == 0
        assert len(store.read(FEATURE_TABLE)) == 60

    def test_a_forecast_is_recorded_once_for_each_series_cutoff_and_version(self, store: TableStore) -> None:
        assert store.record_forecasts(FORECASTS.empty()) == 0
        assert store.record_forecasts(forecasts(JANUARY, "1").sample(frac=1, random_state=0)) == 31
        pd.testing.assert_frame_equal(store.read(FORECASTS), forecasts(JANUARY, "1"))
        february = DateRange(JANUARY.end, JANUARY.end + timedelta(days=1))
        # One of a day that has some already, and of it a longer horizon: refused as a whole.
        again = forecasts(february, "1", y_hat=9.0)
        longer = again.assign(ds=again["ds"] + pd.Timedelta(days=1))
        assert store.record_forecasts(pd.concat([again, longer])) == 2
        held = store.read(FORECASTS)
        assert held.loc[held["y_hat"] == 9.0, "cutoff"].unique().tolist() == [pd.Timestamp(february.end)]
        assert store.record_forecasts(again.assign(unique_id="b")) == 2
        assert store.record_forecasts(again.assign(model_version="2")) == 2

    def test_what_was_recorded_first_was_issued_first(self, store: TableStore) -> None:
        store.record_forecasts(forecasts(DAY_1, "1"))
        store.record_forecasts(forecasts(DAY_1, "2").assign(issued_at=pd.Timestamp(MONDAY) - pd.Timedelta(days=1)))
        store.record_forecasts(forecasts(DAY_1, "3"))
        store.record_forecasts(forecasts(DAY_1, "4").assign(issued_at=pd.Timestamp(TUESDAY)))
        issued = store.read(FORECASTS).set_index("model_version")["issued_at"]
        assert issued.sort_values().index.tolist() == ["1", "2", "3", "4"]
        assert issued["1"] == pd.Timestamp(MONDAY)
        assert issued["4"] == pd.Timestamp(TUESDAY)

    def test_of_two_who_issue_the_same_at_once_one_is_recorded_whole(self, store: TableStore) -> None:
        with ThreadPoolExecutor(4) as writers:
            numbers = [float(number) for number in range(4)]
            added = list(writers.map(lambda y: store.record_forecasts(forecasts(JANUARY, "1", y_hat=y)), numbers))
        assert sorted(added) == [0, 0, 0, 31]
        assert store.read(FORECASTS)["y_hat"].unique().tolist() == [numbers[added.index(31)]]

    def test_rows_are_counted_by_day_and_growth_is_seen(self, store: TableStore) -> None:
        assert store.count(OBSERVATIONS, JANUARY) == 0
        for value, moment in ((1, MONDAY), (1, TUESDAY), (2, WEDNESDAY)):
            rows = observations(("a", "2020-01-01", value), ("a", "2020-01-02", 1))
            store.record_observations(rows, JANUARY, available_at=moment)
        assert [store.count(OBSERVATIONS, days) for days in (JANUARY, DAY_1, DAY_2)] == [3, 2, 1]
        store.record_forecasts(forecasts(JANUARY))
        assert [store.count(FORECASTS, days) for days in (JANUARY, DAY_1)] == [31, 1]

    def test_appending_keeps_a_key_that_is_there(self, store: TableStore) -> None:
        assert store.append(PREDICTION_LOG, predictions("r1")) == 1
        assert store.append(PREDICTION_LOG, predictions("r1", y_hat=9.0, unique_ids=("a", "b"))) == 1
        assert store.read(PREDICTION_LOG)["y_hat"].tolist() == [5.0, 9.0]
        assert store.append(PREDICTION_LOG, PREDICTION_LOG.empty()) == 0

    def test_answers_are_matched_with_actuals(self, store: TableStore) -> None:
        answered = predictions("r1", y_hat=5.0, unique_ids=("a", "b", "not observed"))
        again = predictions("r2", y_hat=5.0).assign(served_at=pd.Timestamp(WEDNESDAY))
        revised = predictions("r3", y_hat=6.5).assign(served_at=pd.Timestamp(WEDNESDAY))
        scenario = predictions("r4", y_hat=99.0).assign(given_inputs=True)
        for rows in (answered, again, revised, scenario):
            store.append(PREDICTION_LOG, rows)
        first = observations(("a", "2020-01-02", 1.0), ("b", "2020-01-02", 7.0))
        store.record_observations(first, JANUARY, available_at=TUESDAY)
        store.record_observations(observations(("a", "2020-01-02", 4.0)), JANUARY, available_at=WEDNESDAY)
        read = store.read(PREDICTION_ERRORS, DAY_2)
        expected = match_predictions(store.read(PREDICTION_LOG), store.read(OBSERVATIONS))
        pd.testing.assert_frame_equal(read, expected)
        shown = read[["unique_id", "y_hat", "y", "error", "step", "answers", "before_actual"]].values.tolist()
        assert shown == [["a", 5.0, 4.0, 1.0, 1, 2, True], ["a", 6.5, 4.0, 2.5, 1, 1, False],
                         ["b", 5.0, 7.0, -2.0, 1, 1, True]]  # fmt: skip
        assert read["last_served_at"].tolist()[:2] == [pd.Timestamp(WEDNESDAY)] * 2
        assert store.read(PREDICTION_ERRORS, DAY_1).empty
        assert store.read(PREDICTION_ERRORS, DAY_2, unique_ids=["b"])["y"].tolist() == [7.0]

    # 4. A write that fails leaves what was there, whole.

    def test_a_replacement_that_fails_leaves_the_old_rows(
        self, store: TableStore, break_next_write: Callable[[], None]
    ) -> None:
        store.replace(FEATURE_TABLE, features(JANUARY), JANUARY)
        break_next_write()
        with pytest.raises(RuntimeError, match="broken on purpose"):
            store.replace(FEATURE_TABLE, features(JANUARY, value=9.0), JANUARY)
        pd.testing.assert_frame_equal(store.read(FEATURE_TABLE), features(JANUARY))

    def test_a_load_that_fails_leaves_no_row(self, store: TableStore, break_next_write: Callable[[], None]) -> None:
        break_next_write()
        rows = observations(("a", "2020-01-01", 1), ("b", "2020-01-01", 1))
        with pytest.raises(RuntimeError, match="broken on purpose"):
            store.record_observations(
                rows, JANUARY, available_at=MONDAY, quarantined=refused((None, None, "no object", "7"))
            )
        assert store.read(OBSERVATIONS).empty
        assert store.read(QUARANTINED_OBSERVATIONS).empty

    def test_an_append_that_fails_leaves_no_row(self, store: TableStore, break_next_write: Callable[[], None]) -> None:
        store.append(PREDICTION_LOG, predictions("r1"))
        break_next_write()
        with pytest.raises(RuntimeError, match="broken on purpose"):
            store.append(PREDICTION_LOG, predictions("r2", unique_ids=("a", "b", "c")))
        pd.testing.assert_frame_equal(store.read(PREDICTION_LOG), predictions("r1"), check_dtype=False)

    # 5. Wrong columns, kinds, repeated keys, and days outside the range are refused by name before any write.

    @pytest.mark.parametrize(
        ("rows", "named"),
        [
            (observations(("a", "2020-01-01", 1)).drop(columns="y"), "missing columns .'y'."),
            (observations(("a", "2020-01-01", 1)).assign(colour="red"), "unknown columns .'colour'."),
            (observations(("a", "2020-01-01", 1)).assign(available_at=MONDAY), "unknown columns .'available_at'."),
            (observations(("a", "2020-01-01", 1)).assign(y="much"), "column y is not float"),
            (observations(("a", "2020-01-01", float("nan"))), "column y holds 1 nulls"),
            (observations(("a", "2020-01-01", float("inf"))), "column y holds 1 infinite"),
            (observations(("a", "2020-01-01 12:00", 1)), "column ds holds a time of day"),
            (observations(("a", "2020-01-01", 1), ("a", "2020-01-01", 2)), "a, 2020-01-01"),
            (observations(("a", "2020-02-01", 1)), "ds lies outside 2020-01-01..2020-01-31: '2020-02-01'"),
            (observations(("a\x00", "2020-01-01", 1)), "unique_id .*: its name holds .*, a control character"),
            (observations(("\ud800", "2020-01-01", 1)), "unique_id .*: its name holds .*, a control character"),
            (observations(("a\nb", "2020-01-01", 1)), "unique_id .*: its name holds .*, a control character"),
            (observations((" ", "2020-01-01", 1)), "unique_id .*: its name is empty"),
            (observations(("é" * 251, "2020-01-01", 1)), "unique_id .*: its name has 502 bytes"),
            (observations(("x" * 1_000_000, "2020-01-01", 1)), "unique_id .*: its name has 1,000,000 bytes"),
            (observations(("a", "2020-01-01", -1.7e308)), "column y holds -1.7e.308; values lie within ±1e.50"),
        ],
    )
    def test_a_bad_load_is_refused_by_name_before_any_write(
        self, store: TableStore, rows: pd.DataFrame, named: str
    ) -> None:
        with pytest.raises(InvalidFrameError, match=named) as caught:
            store.record_observations(rows, JANUARY, available_at=MONDAY)
        assert caught.value.table == "raw_observations"
        assert store.read(OBSERVATIONS).empty

    def test_a_bad_replacement_is_refused_before_any_write(self, store: TableStore) -> None:
        store.replace(FEATURE_TABLE, features(JANUARY), JANUARY)
        with pytest.raises(InvalidFrameError, match=r"missing columns .'lag_3'."):
            store.replace(FEATURE_TABLE, features(DAY_1).drop(columns="lag_3"), DAY_1)
        with pytest.raises(InvalidFrameError, match=r"ds lies outside 2020-01-02..2020-01-02: '2020-01-01'"):
            store.replace(FEATURE_TABLE, features(DAY_1), DAY_2)
        with pytest.raises(InvalidFrameError, match=r"the key .* occurs twice"):
            store.replace(FEATURE_TABLE, pd.concat([features(DAY_1)] * 2), DAY_1)
        pd.testing.assert_frame_equal(store.read(FEATURE_TABLE), features(JANUARY))

    def test_a_wrong_frame_of_refused_values_is_refused_with_the_load_it_came_with(self, store: TableStore) -> None:
        rows = observations(("a", "2020-01-01", 1))
        with pytest.raises(InvalidFrameError, match="raw") as caught:
            store.record_observations(
                rows, JANUARY, available_at=MONDAY, quarantined=refused((None, None, "x", "7")).drop(columns="raw")
            )
        assert caught.value.table == "quarantined_observations"
        assert store.read(OBSERVATIONS).empty
        assert store.read(QUARANTINED_OBSERVATIONS).empty

    def test_every_table_refuses_what_is_no_name(self, store: TableStore) -> None:
        bad = "x" * (MAX_NAME_BYTES + 1)
        for write in (
            lambda: store.replace(FEATURE_TABLE, features(DAY_1, (bad,)), DAY_1),
            lambda: store.record_forecasts(forecasts(DAY_1).assign(unique_id=bad)),
        ):
            with pytest.raises(InvalidFrameError, match="its name has 501 bytes"):
                write()
        given = refused((bad, "2020-01-01", "too long", "1"))
        with pytest.raises(InvalidFrameError, match="its name has 501 bytes"):
            store.record_observations(observations(), JANUARY, available_at=MONDAY, quarantined=given)
        assert store.read(QUARANTINED_OBSERVATIONS).empty

    def test_tables_that_only_grow_are_not_replaced_and_the_others_not_appended_to(self, store: TableStore) -> None:
        for table in (OBSERVATIONS, FORECASTS):
            with pytest.raises(InvalidFrameError, match=rf"{table.name} .* only grows"):
                store.replace(table, table.empty(), JANUARY)
        with pytest.raises(InvalidFrameError, match="appended to prediction_log only"):
            store.append(FEATURE_TABLE, features(DAY_1))

    def test_a_time_without_zone_is_refused(self, store: TableStore) -> None:
        with pytest.raises(InvalidFrameError, match="has no time zone"):
            store.record_observations(observations(), JANUARY, available_at=datetime(2020, 2, 3))  # noqa: DTZ001 - the case

    def test_a_change_that_is_no_newer_than_what_it_changes_is_refused(self, store: TableStore) -> None:
        store.record_observations(observations(("a", "2020-01-01", 1)), JANUARY, available_at=TUESDAY)
        for moment in (MONDAY, TUESDAY):
            with pytest.raises(InvalidFrameError, match=r"would replace newer ones .*a 2020-01-01"):
                store.record_observations(
                    observations(("a", "2020-01-01", 2), ("b", "2020-01-01", 2)), JANUARY, available_at=moment
                )
        assert store.read(OBSERVATIONS)["y"].tolist() == [1.0]

    # 6. Any legal name is a `unique_id`.

    def test_any_legal_name_is_a_series(self, store: TableStore) -> None:
        store.record_observations(
            observations(*((name, "2020-01-01", index) for index, name in enumerate(ODD_NAMES))),
            JANUARY,
            available_at=MONDAY,
            quarantined=refused(*(("a", "2020-01-01", text, text) for text in ODD_TEXTS)),
        )
        held = store.read_observations()
        assert dict(zip(held["unique_id"], held["y"], strict=True)) == {n: float(i) for i, n in enumerate(ODD_NAMES)}
        assert held["unique_id"].tolist() == sorted(ODD_NAMES)
        assert sorted(store.read(QUARANTINED_OBSERVATIONS)["raw"]) == sorted(ODD_TEXTS)
        for name in ODD_NAMES:
            assert store.read_observations(unique_ids=[name])["unique_id"].tolist() == [name]
        store.replace(FEATURE_TABLE, features(DAY_1, tuple(ODD_NAMES)), DAY_1)
        assert store.read_newest(FEATURE_TABLE)["unique_id"].tolist() == sorted(ODD_NAMES)

    def test_the_longest_name_fits_every_key(self, store: TableStore) -> None:
        # Random, since an index compresses what repeats.
        name = base64.b85encode(random.Random(1).randbytes(MAX_NAME_BYTES)).decode()[:MAX_NAME_BYTES]
        store.record_observations(observations((name, "2020-01-01", 1)), JANUARY, available_at=MONDAY)
        store.replace(FEATURE_TABLE, features(DAY_1, (name,)), DAY_1)
        store.record_forecasts(forecasts(DAY_1).assign(unique_id=name))
        for table in (FEATURE_TABLE, FORECASTS):
            assert set(store.read(table)["unique_id"]) == {name}

    # 7. Two writers of different days both survive; of the same day, one whole version does.

    def test_writers_of_different_days_both_survive(self, store: TableStore) -> None:
        days = [DateRange(day, day) for day in JANUARY][:8]

        def write(period: DateRange) -> None:
            store.replace(FEATURE_TABLE, features(period), period)
            store.record_observations(observations(("a", str(period.start), 1)), period, available_at=MONDAY)

        with ThreadPoolExecutor(4) as writers:
            list(writers.map(write, days))
        assert len(store.read(FEATURE_TABLE)) == 16
        assert len(store.read(OBSERVATIONS)) == 8

    def test_writers_of_the_same_day_leave_one_whole_version(self, store: TableStore) -> None:
        def write(version: int) -> None:
            names = tuple(f"series {number}" for number in range(version + 1))
            store.replace(FEATURE_TABLE, features(DAY_1, names, value=float(version)), DAY_1)

        with ThreadPoolExecutor(4) as writers:
            list(writers.map(write, range(8)))
        held = store.read(FEATURE_TABLE)
        assert held["y"].nunique() == 1
        assert len(held) == held["y"].iloc[0] + 1

    def test_two_loads_of_the_same_values_at_once_add_them_once(self, store: TableStore) -> None:
        rows = observations(*((f"series {number}", "2020-01-01", number) for number in range(50)))

        def write(second: int) -> int:
            moment = MONDAY + timedelta(seconds=second)
            return store.record_observations(rows, DAY_1, available_at=moment).totals["new"]

        with ThreadPoolExecutor(4) as writers:
            added = list(writers.map(write, range(6)))
        assert sorted(added) == [0, 0, 0, 0, 0, 50]
        assert len(store.read(OBSERVATIONS)) == 50

    def test_preparing_again_keeps_what_is_there(self, store: TableStore) -> None:
        store.replace(FEATURE_TABLE, features(DAY_1), DAY_1)
        with ThreadPoolExecutor(4) as callers:
            list(callers.map(lambda _: store.prepare(), range(4)))
        pd.testing.assert_frame_equal(store.read(FEATURE_TABLE), features(DAY_1))


class RemoteTableStoreContract(TableStoreContract):
    """The promises of a table store that may be out of reach."""

    @pytest.fixture
    def unreachable_store(self) -> TableStore:
        """A store whose server is not there."""
        raise NotImplementedError

    # 8. A store that does not answer raises `StoreUnavailableError`.

    @pytest.mark.parametrize(
        "call",
        [
            lambda store: store.prepare(),
            lambda store: store.read_observations(),
            lambda store: store.read(FEATURE_TABLE, DAY_1),
            lambda store: store.read_newest(FEATURE_TABLE),
            lambda store: store.span(FEATURE_TABLE),
            lambda store: store.replace(FEATURE_TABLE, features(DAY_1), DAY_1),
            lambda store: store.append(PREDICTION_LOG, predictions("r1")),
            lambda store: store.record_observations(observations(), JANUARY, available_at=MONDAY),
        ],
        ids=["prepare", "read_observations", "read", "read_newest", "span", "replace", "append", "record_observations"],
    )
    def test_a_store_out_of_reach_says_so(
        self, unreachable_store: TableStore, call: Callable[[TableStore], object]
    ) -> None:
        with pytest.raises(StoreUnavailableError, match=r"is unavailable: .* then retry"):
            call(unreachable_store)

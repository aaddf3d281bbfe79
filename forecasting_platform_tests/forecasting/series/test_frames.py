"""A frame that does not fit its table is refused by name; every error says what to do."""

from datetime import date
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from forecasting_platform import errors
from forecasting_platform.adapters.postgres.migrations import MigrationError
from forecasting_platform.adapters.postgres.schema import SchemaRevisionError
from forecasting_platform.errors import InvalidFrameError, InvalidRangeError
from forecasting_platform.forecasting.models.candidates.candidate import CandidateError
from forecasting_platform.forecasting.series.days.calendar import is_holiday, is_year_end, weekday
from forecasting_platform.forecasting.series.days.date_range import DateRange
from forecasting_platform.forecasting.series.features.inputs import InvalidInputsError, ModelInputs
from forecasting_platform.forecasting.series.frames import FEATURE_TABLE, OBSERVATIONS, QUARANTINED_OBSERVATIONS
from forecasting_platform.local.copying import BackupError
from forecasting_platform_tests.support.example_series import days_after, features_of, observations, seasonal, trained

ROW = {"unique_id": "a", "ds": "2023-07-01", "y": 1.0, "available_at": "2023-07-02T00:00:00Z"}


def rows(**changes: object) -> pd.DataFrame:
    return pd.DataFrame([ROW | changes])


@pytest.mark.parametrize(
    ("frame", "message"),
    [
        (rows().drop(columns="y"), r"missing columns \['y'\]"),
        (rows(extra=1), r"unknown columns \['extra'\]"),
        (rows(y="many"), "column y is not float"),
        (rows(y=float("inf")), "column y holds 1 infinite"),
        (rows(y=None), "column y holds 1 nulls"),
        (rows(unique_id=7), "column unique_id is not text: integer was found"),
        (pd.concat([rows(), rows(unique_id=7)]), "column unique_id is not text: mixed-integer was found"),
        (rows(unique_id=None), "column unique_id holds 1 nulls"),
        (rows(available_at=pd.Timestamp("2023-07-02")), "column available_at is not timestamp"),
        (rows(ds=pd.Timestamp("2023-07-01", tz="UTC")), "column ds is not date"),
        (rows(ds="2023-07-01T10:00"), "time of day"),
        (pd.concat([rows(), rows(y=2.0)]), "occurs twice: 'a, 2023-07-01"),
        (rows(ds="2024-01-01"), r"ds lies outside 2023-07-01\.\.2023-07-31: '2024-01-01'"),
    ],
)
def test_a_frame_that_does_not_fit_is_refused_with_the_column_and_the_value(frame: pd.DataFrame, message: str) -> None:
    with pytest.raises(InvalidFrameError, match=message):
        OBSERVATIONS.conform(frame, DateRange(date(2023, 7, 1), date(2023, 7, 31)))


def test_a_frame_that_fits_has_the_tables_dtypes() -> None:
    assert OBSERVATIONS.conform(rows()).dtypes.to_dict() == OBSERVATIONS.empty().dtypes.to_dict()


def test_a_fraction_is_no_integer() -> None:
    features = features_of(observations({"a": seasonal(3)}))
    with pytest.raises(InvalidFrameError, match="column observed_days holds fractions"):
        FEATURE_TABLE.conform(features.assign(observed_days=1.5))


def test_rows_come_back_sorted_by_key_and_with_the_tables_columns_only_in_order() -> None:
    shuffled = pd.concat([rows(ds="2023-07-03"), rows(ds="2023-07-01"), rows(unique_id="A", ds="2023-07-02")])
    conformed = OBSERVATIONS.conform(shuffled[reversed(OBSERVATIONS.column_names)])
    assert conformed.columns.tolist() == OBSERVATIONS.column_names
    assert conformed["ds"].dt.day.tolist() == [2, 1, 3]
    assert conformed.index.tolist() == [0, 1, 2]


def test_nullable_columns_may_be_null_and_no_rows_conform() -> None:
    refused = {"fingerprint": "x", "unique_id": None, "ds": pd.NaT, "reason": "r", "raw": "{}"}
    at = pd.Timestamp("2023-07-02", tz="UTC")
    assert len(QUARANTINED_OBSERVATIONS.conform(pd.DataFrame([refused | {"available_at": at}]))) == 1
    assert OBSERVATIONS.conform(OBSERVATIONS.empty()).empty


def test_a_range_holds_both_its_ends() -> None:
    days = DateRange(date(2024, 2, 28), date(2024, 3, 1))
    assert [str(day) for day in days] == ["2024-02-28", "2024-02-29", "2024-03-01"]
    assert len(days) == 3
    assert date(2024, 3, 1) in days
    assert date(2024, 3, 2) not in days
    assert str(days) == "2024-02-28..2024-03-01"
    assert len(DateRange(date(2024, 2, 28), date(2024, 2, 28))) == 1


def test_a_range_that_ends_before_it_starts_is_refused() -> None:
    with pytest.raises(InvalidRangeError, match="swap them"):
        DateRange(date(2023, 7, 2), date(2023, 7, 1))


def test_the_calendar_knows_irish_holidays_weekdays_and_the_end_of_the_year() -> None:
    days = np.array(["2023-12-23", "2023-12-24", "2023-12-25", "2024-01-01", "2024-01-02"], dtype="datetime64[D]")
    assert is_holiday(days, "IE").tolist() == [0, 0, 1, 1, 0]
    assert is_year_end(days).tolist() == [0, 1, 1, 1, 0]
    assert weekday(days).tolist() == [5, 6, 0, 0, 1]
    with pytest.raises(errors.ConfigurationError, match="'XX'"):
        is_holiday(days, "XX")


@pytest.fixture(scope="module")
def inputs() -> ModelInputs:
    return trained({"a": seasonal(60)}).model.inputs(days_after(3))


class TestModelInputs:
    def test_records_and_frames_round_trip(self, inputs: ModelInputs) -> None:
        for copy in (ModelInputs.from_records(inputs.to_records()), ModelInputs.from_frame(inputs.to_frame())):
            np.testing.assert_array_equal(copy.values, inputs.values)
            np.testing.assert_array_equal(copy.ds, inputs.ds)
            assert copy.unique_id.tolist() == inputs.unique_id.tolist()

    @pytest.mark.parametrize(
        ("change", "message"),
        [
            ({"y": None}, "neither numbers nor days"),
            ({"y": "many"}, "neither numbers nor days"),
            ({"y": float("nan")}, "not finite numbers: 'row 0 y'"),
            ({"ds": "2023-06-30"}, "ds must lie after cutoff"),
            ({"ds": "soon"}, "neither numbers nor days"),
        ],
    )
    def test_a_row_that_cannot_be_answered_is_refused(
        self, inputs: ModelInputs, change: dict[str, object], message: str
    ) -> None:
        records = inputs.to_records()
        records[0] |= change
        with pytest.raises(InvalidInputsError, match=message):
            ModelInputs.from_records(records)

    def test_a_missing_key_is_named_with_its_row(self, inputs: ModelInputs) -> None:
        records = inputs.to_records()
        del records[1]["lag_3"]
        with pytest.raises(InvalidInputsError, match="row 1 of the input frame lacks 'lag_3'"):
            ModelInputs.from_records(records)


RENDERED: list[tuple[errors.ForecastingPlatformError, str]] = [
    (errors.FeedUnavailableError("the feed", "refused"), "then retry"),
    (errors.FeedDocumentError("http://x", "row 3 has no Date", "Name the column."), "row 3 has no Date. Name"),
    (errors.InsufficientHistoryError(3, 15), "the longest has 3"),
    (errors.MissingMetricError("RMSE", "version 2", float("nan")), "RMSE of version 2 is nan"),
    (errors.NoChampionError("m"), "m has no champion yet"),
    (errors.RecipeFileError("my.toml", "`horizon`: 0 was found"), "the recipe my.toml: `horizon`: 0 was found"),
    (CandidateError("trees", "their-trees 1.0", "to fit: no rows"), "'trees' of their-trees 1.0 failed to fit"),
    (errors.NoChallengerError("m"), "m has no challenger"),
    (
        BackupError(Path("backup"), "pg_dump failed: disk full", "What was there still is."),
        "pg_dump failed: disk full",
    ),
    (SchemaRevisionError("0009", "0003"), "is at revision 0009, this release needs 0003; install the newer"),
    (SchemaRevisionError("0001", "0003"), "run `forecasting-platform migrate`"),
    (SchemaRevisionError(None, "0003"), "records no revision, this release needs 0003; name a database"),
    (MigrationError("0003", "permission denied"), "permission denied"),
    (errors.ReasonMissingError("rollback"), "by a person (rollback) needs a reason"),
    (errors.ChampionMovedError("1", None), "from version 1 but it is version none"),
    (errors.UnknownVersionError("9", ["1", "2"]), "no model version '9'; known versions are '1', '2'"),
    (errors.InvalidArtifactError("3", "a byte differs"), "version 3 cannot be used: a byte differs"),
    (errors.UnknownSeriesError(["x"], "abcdefg"), "'a', 'b', 'c', 'd', 'e' … (7 in all)"),
    (errors.UnknownAlertError("a:b@8", ["a:b@7"]), "no open incident is 'a:b@8'; open are 'a:b@7'"),
    (errors.ConfigurationError("FORECASTING_X", "is not set"), "setting FORECASTING_X: is not set"),
    (
        errors.FeedDescriptionError("gas.yaml", 3, "`day`: is missing"),
        "the feed's description gas.yaml, line 3: `day`: is missing",
    ),
    (errors.UnavailableError("a part", "it sleeps"), "a part is unavailable: it sleeps. Check"),
    (errors.ArchiveUnavailableError("the archive", "disk full"), "the archive is unavailable: disk full"),
    (errors.StoreUnavailableError("the store", "timeout"), "the store is unavailable: timeout"),
    (errors.OverlappingWritesError("feature_table", "2023-07-01", 20), "changed during each of 20 attempts for 2023"),
    (
        errors.PromotionOvertakenError(6, 7),
        "another process made decision 7 meanwhile; the newest one known here was",
    ),
    (errors.RegistryUnavailableError("MLflow", "HTTP 503"), "MLflow is unavailable: HTTP 503"),
    (errors.InvalidFrameError("forecasts", "a key occurs twice"), "rows for forecasts were refused"),
    (errors.InvalidRangeError("too far"), "too far"),
    (errors.EndedSeriesError({"road": date(2024, 6, 30)}), "with the last day of each: 'road (2024-06-30)'; ask for"),
    (errors.InvalidDataError("not a number"), "not a number"),
    (errors.PlatformStateError("port 3000 is taken"), "port 3000 is taken"),
    (errors.ForecastingPlatformError("anything"), "anything"),
]


@pytest.mark.parametrize(("error", "says"), RENDERED)
def test_every_message_renders_with_what_was_found(error: Exception, says: str) -> None:
    assert says in str(error)


def test_every_error_class_is_rendered_above() -> None:
    defined = {
        found
        for found in vars(errors).values()
        if isinstance(found, type) and issubclass(found, errors.ForecastingPlatformError)
    }
    assert defined <= {type(error) for error, _says in RENDERED}

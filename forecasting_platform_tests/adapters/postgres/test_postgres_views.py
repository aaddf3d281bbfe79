"""The views that people query say the same as the platform itself, on random histories."""

from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from itertools import count

import numpy as np
import pandas as pd
import psycopg
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from forecasting_platform.adapters.postgres.table_store import PostgresTableStore
from forecasting_platform.forecasting.models.record import forecasts_of_record
from forecasting_platform.forecasting.monitoring.prediction_errors import match_predictions
from forecasting_platform.forecasting.series.days.date_range import DateRange
from forecasting_platform.forecasting.series.frames import (
    FORECAST_ERRORS,
    OBSERVATIONS,
    PREDICTION_ERRORS,
    PREDICTION_LOG,
)
from forecasting_platform_tests.forecasting.histories import DAYS, VALUES, histories

pytestmark = pytest.mark.slow

PERIOD = DateRange(DAYS[0], DAYS[-1])
random_histories = settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
)


@pytest.fixture
def store(prepared_dsn: str) -> Iterator[PostgresTableStore]:
    prepared = PostgresTableStore(prepared_dsn)
    yield prepared
    prepared.close()


@random_histories
@given(histories())
def test_daily_accuracy_is_that_of_the_forecasts_of_record(
    store: PostgresTableStore, prepared_dsn: str, rows: pd.DataFrame
) -> None:
    store.replace(FORECAST_ERRORS, rows, PERIOD)
    with psycopg.connect(prepared_dsn) as connection:
        found = connection.execute(
            "SELECT unique_id, ds, forecasts, mean_y_hat, bias, bias_by_first_published "
            'FROM forecasting.daily_accuracy ORDER BY unique_id COLLATE "C", ds'
        ).fetchall()
    record = forecasts_of_record(store.read(FORECAST_ERRORS))
    expected = [
        (
            unique_id,
            ds.date(),
            len(day),
            day["y_hat"].mean(),
            (day["y_hat"] - day["y"]).mean(),
            (day["y_hat"] - day["y_first"]).mean(),
        )
        for (unique_id, ds), day in record.groupby(["unique_id", "ds"], sort=True)
    ]
    assert [row[:3] for row in found] == [row[:3] for row in expected]
    measured = [[np.nan if value is None else value for value in row[3:]] for row in found]
    np.testing.assert_allclose(np.array(measured), np.array([row[3:] for row in expected]), rtol=1e-9, atol=1e-6)


EPOCH = datetime(2023, 1, 10, tzinfo=UTC)
clock = count()
answers = st.lists(
    st.tuples(
        st.sampled_from("ab"),
        st.sampled_from(range(len(DAYS) - 1)),
        st.integers(1, 3),
        st.sampled_from(["9", "10"]),
        VALUES,
        st.integers(0, 40),
        st.booleans(),
    ),
    max_size=15,
)
values = st.dictionaries(st.tuples(st.sampled_from("ab"), st.sampled_from(DAYS)), VALUES, max_size=8)


@random_histories
@given(answers, st.lists(values, max_size=3))
def test_prediction_errors_are_those_of_the_pure_function(
    prepared_dsn: str, store: PostgresTableStore, asked: list[tuple[str, int, int, str, float, int, bool]],
    loads: list[dict[tuple[str, date], float]],
) -> None:  # fmt: skip
    with psycopg.connect(prepared_dsn) as connection:
        connection.execute("TRUNCATE forecasting.prediction_log, forecasting.raw_observations")
    log = pd.DataFrame(
        [
            {
                "request_id": f"request-{next(clock)}",
                "served_at": pd.Timestamp(EPOCH + timedelta(hours=hours)),
                "unique_id": unique_id,
                "cutoff": pd.Timestamp(DAYS[cutoff]),
                "ds": pd.Timestamp(DAYS[cutoff] + timedelta(days=step)),
                "model_version": version,
                "y_hat": y_hat,
                "given_inputs": given_inputs,
            }
            for unique_id, cutoff, step, version, y_hat, hours, given_inputs in asked
        ],
        columns=PREDICTION_LOG.column_names,
    )
    store.append(PREDICTION_LOG, log)
    for number, load in enumerate(loads):
        rows = pd.DataFrame(
            [{"unique_id": unique_id, "ds": pd.Timestamp(ds), "y": y} for (unique_id, ds), y in load.items()],
            columns=["unique_id", "ds", "y"],
        ).astype({"ds": "datetime64[ns]", "y": float, "unique_id": object})
        store.record_observations(rows, PERIOD, available_at=EPOCH + timedelta(hours=10 * number + 5))
    expected = match_predictions(store.read(PREDICTION_LOG), store.read(OBSERVATIONS))
    pd.testing.assert_frame_equal(store.read(PREDICTION_ERRORS), expected)


def test_the_views_columns_are_described(store: PostgresTableStore, prepared_dsn: str) -> None:
    with psycopg.connect(prepared_dsn) as connection:
        described = connection.execute(
            "SELECT attname, col_description(attrelid, attnum) FROM pg_attribute "
            "WHERE attrelid = 'forecasting.prediction_errors'::regclass AND attnum > 0 ORDER BY attnum"
        ).fetchall()
    assert described == [(column.name, column.description) for column in PREDICTION_ERRORS.columns]

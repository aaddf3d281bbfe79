from datetime import UTC, date, datetime

import numpy as np
import pandas as pd
import pytest

from forecasting_platform.adapters.great_expectations_quality import QualityReport, validate_observations
from forecasting_platform.forecasting.date_range import DateRange

pytestmark = pytest.mark.slow

JUNE = DateRange(date(2023, 6, 1), date(2023, 6, 30))
KNOWN = pd.Timestamp(datetime(2023, 7, 1, tzinfo=UTC))


def observations() -> pd.DataFrame:
    days = pd.date_range(JUNE.start, JUNE.end)
    return pd.concat(
        [
            pd.DataFrame({"unique_id": name, "ds": days, "y": np.arange(30.0), "available_at": KNOWN})
            for name in ("Corrib production", 'Größe "x"; drop table')
        ],
        ignore_index=True,
    )


def unmet(report: QualityReport) -> list[str]:
    return report.expectations.loc[~report.expectations["met"], "expectation"].tolist()


def test_whole_days_of_every_series_meet_every_expectation() -> None:
    report = validate_observations(observations(), JUNE)
    assert report.passed
    assert unmet(report) == []
    assert list(report.expectations.columns) == ["expectation", "met", "observed"]
    assert len(report.expectations) == 5


@pytest.mark.parametrize(
    ("rows", "expected"),
    [
        (pd.concat([observations(), observations().head(1)]), "expect_compound_columns_to_be_unique"),
        (
            observations().assign(y=lambda rows: rows["y"].where(rows.index != 3)),
            "expect_column_values_to_not_be_null y",
        ),
        (
            observations().assign(ds=lambda rows: rows["ds"] + pd.Timedelta(days=1)),
            "expect_column_values_to_be_between ds",
        ),
        (observations().drop(index=range(4)), "expect_column_values_to_be_between share_of_days"),
        (observations().assign(unit="GWh"), "expect_table_columns_to_match_set"),
        (observations().drop(columns="available_at"), "expect_table_columns_to_match_set"),
    ],
    ids=["a day twice", "no number", "a day outside", "days missing", "a column more", "a column less"],
)
def test_what_is_wrong_is_named_and_nothing_else(rows: pd.DataFrame, expected: str) -> None:
    report = validate_observations(rows, JUNE)
    assert not report.passed
    assert unmet(report) == [expected]


def test_a_tenth_of_the_days_may_be_missing() -> None:
    assert validate_observations(observations().drop(index=range(3)), JUNE).passed


def test_how_much_is_wrong_is_told() -> None:
    report = validate_observations(observations().assign(y=lambda rows: rows["y"].where(rows.index > 1)), JUNE)
    found = report.expectations.set_index("expectation")["observed"]
    assert found["expect_column_values_to_not_be_null y"] == "2 of 60 unexpected"


def test_nothing_is_reported_to_anybody(monkeypatch: pytest.MonkeyPatch) -> None:
    import os

    monkeypatch.delenv("GX_ANALYTICS_ENABLED", raising=False)
    validate_observations(observations(), JUNE)
    assert os.environ["GX_ANALYTICS_ENABLED"] == "false"

"""Periods that are not normal: which days and rows they are, and what they must leave."""

from datetime import date

import numpy as np
import pandas as pd
import pytest

from forecasting_platform.errors import ConfigurationError
from forecasting_platform.forecasting.series.days.not_normal import (
    ALL_NORMAL,
    NotNormal,
    NotNormalPeriod,
    not_normal_of,
    refuse_too_few_normal_days,
)

DAYS = np.arange(np.datetime64("2023-01-01"), np.datetime64("2023-02-01"))
STRIKE = NotNormalPeriod(date(2023, 1, 5), date(2023, 1, 7), "strike", ("a",))
STORM = NotNormalPeriod(date(2023, 1, 7), date(2023, 1, 9), "storm")
BOTH = NotNormal((STRIKE, STORM))


def test_a_period_is_of_its_series_and_one_without_any_of_all() -> None:
    mask = BOTH.mask(["a", "b"], DAYS)
    assert np.flatnonzero(mask[0]).tolist() == [4, 5, 6, 7, 8]
    assert np.flatnonzero(mask[1]).tolist() == [6, 7, 8]


def test_a_row_is_left_out_by_its_day_and_by_the_day_it_was_made_on() -> None:
    rows = pd.DataFrame(
        [("a", "2023-01-04", "2023-01-05"), ("b", "2023-01-04", "2023-01-05"), ("b", "2023-01-09", "2023-01-12")],
        columns=["unique_id", "cutoff", "ds"],
    ).astype({"cutoff": "datetime64[ns]", "ds": "datetime64[ns]"})
    assert BOTH.rows(rows, "cutoff", "ds").tolist() == [True, False, True]
    assert BOTH.rows(rows, "ds").tolist() == [True, False, False]
    assert not BOTH.rows(rows.head(0), "ds").any()
    assert not ALL_NORMAL.rows(rows, "ds").any()


def test_periods_are_stored_and_read_again() -> None:
    assert NotNormal.from_document(BOTH.to_document()) == BOTH
    assert not_normal_of({"recipe": {"not_normal": BOTH.to_document()}}) == BOTH
    assert not_normal_of({"recipe": {}}) == not_normal_of({}) == ALL_NORMAL
    assert BOTH | NotNormal((STORM,)) == BOTH


def test_a_series_that_there_is_not_is_named() -> None:
    assert BOTH.unknown_series(["b"]) == ["a"]
    assert BOTH.unknown_series(["a"]) == []


def test_too_few_days_that_are_left_are_refused_with_the_table_of_the_file() -> None:
    observed = np.ones((2, len(DAYS)), dtype=bool)
    long = NotNormalPeriod(date(2023, 1, 10), date(2023, 1, 31), "pandemic")
    with pytest.raises(ConfigurationError, match=r"leaves 6 of 31 days .* table 2, 2023-01-07 .* table 3, .*pandemic"):
        refuse_too_few_normal_days(NotNormal((STRIKE, STORM, long)), ["a", "b"], DAYS, observed, 15)
    own = NotNormalPeriod(long.start, long.end, "closed", ("a",))
    with pytest.raises(ConfigurationError, match=r"leaves 9 of 31 days of 'a' .* table 1, 2023-01-10 .*closed"):
        refuse_too_few_normal_days(NotNormal((own,)), ["a", "b"], DAYS, observed, 15)


def test_a_young_series_under_a_period_of_all_stops_nobody() -> None:
    observed = np.ones((2, len(DAYS)), dtype=bool)
    observed[1, :12] = False
    rest = NotNormal((NotNormalPeriod(date(2023, 1, 20), date(2023, 1, 31), "strike"),))
    refuse_too_few_normal_days(rest, ["a", "young"], DAYS, observed, 15)

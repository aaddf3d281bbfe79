"""What people call exogenous columns."""

import numpy as np
import pytest

from forecasting_platform.forecasting.series.covariates.covariate import covariates_of, describe_columns, name_of
from forecasting_platform.forecasting.series.covariates.exogenous import (
    Exogenous,
    KnownAtCutoff,
    KnownByTargetDay,
    KnownInAdvance,
    exogenous_columns,
)

DECLARED = (
    KnownAtCutoff("wind", delay_days=2),
    KnownInAdvance("Temperature +{step}"),
    KnownByTargetDay("{series} promotion", days_ahead=2),
)


@pytest.mark.parametrize(
    ("declared", "name"),
    [
        (KnownInAdvance("Temperature +{step}"), "Temperature"),
        (KnownInAdvance("t{step} of {series}"), "t of"),
        (KnownInAdvance("{series}: wind, day {step}"), "wind, day"),
        (KnownByTargetDay("{series} promotion"), "promotion"),
        (KnownAtCutoff("Größe {series}"), "Größe"),
    ],
)
def test_a_name_has_neither_steps_nor_series(declared: Exogenous, name: str) -> None:
    assert name_of(declared) == name


def test_each_covariate_is_the_column_of_each_steps_day() -> None:
    columns = exogenous_columns(DECLARED, 3)
    named = {
        of.name: [columns[at] if at >= 0 else None for at in of.columns_at(np.array([1, 2, 3, 4])).tolist()]
        for of in covariates_of(DECLARED, 3)
    }
    assert named == {
        "wind 2 days before the last known day": ["wind", "wind", "wind", None],
        "Temperature forecast for the day": ["Temperature +1", "Temperature +2", "Temperature +3", None],
        "promotion on the day": ["promotion +1", "promotion +2", None, None],
        "promotion on the last known day": ["promotion", "promotion", "promotion", None],
    }


def test_each_column_has_words() -> None:
    assert dict(zip(exogenous_columns(DECLARED, 2), describe_columns(DECLARED, 2), strict=True)) == {
        "wind": "wind 2 days before the last known day",
        "Temperature +1": "Temperature forecast 1 day ahead",
        "Temperature +2": "Temperature forecast 2 days ahead",
        "promotion": "promotion on the last known day",
        "promotion +1": "promotion 1 day ahead",
        "promotion +2": "promotion 2 days ahead",
    }

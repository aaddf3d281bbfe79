"""Values that a person gives as a frame, checked before anything is computed from them."""

import pandas as pd

from forecasting_platform.errors import InvalidFrameError, examples
from forecasting_platform.forecasting.series.frames import DS, UNIQUE_ID
from forecasting_platform.forecasting.series.quality.limits import beyond_limits, series_name_problem
from forecasting_platform.forecasting.series.table import Column, Table

VALUES = Table(
    "observations",
    "One row is the value of a series on a day; a day without a row, or with an empty value, has none.",
    (UNIQUE_ID, DS, Column("y", "float", "The value.", nullable=True)),
    key=("unique_id", "ds"),
    day_column="ds",
)


def checked_values(observations: object) -> pd.DataFrame:
    """`unique_id`, `ds`, `y` of the rows that have a value, ordered by series and day.

    Args:
        observations: a frame with those columns, in any order, and perhaps others, which are ignored; a row without a
            value is as none.

    Raises:
        InvalidFrameError: a column is missing, holds something else than text, days or numbers, a series has a day
            twice or cannot be called so, a value is beyond the accepted range, or there is none.
    """
    if not isinstance(observations, pd.DataFrame):
        found = type(observations).__name__
        raise InvalidFrameError(
            VALUES.name, f"a frame with {examples(VALUES.column_names)} is expected, {found} was found"
        )
    if missing := [name for name in VALUES.column_names if name not in observations.columns]:
        found = examples(map(str, observations.columns))
        raise InvalidFrameError(VALUES.name, f"it has no column {examples(missing)}; found: {found or 'none'}")
    values = VALUES.conform(observations[VALUES.column_names]).dropna(subset=["y"])
    if values.empty:
        raise InvalidFrameError(VALUES.name, "it holds no value")
    if len(refused := beyond_limits(values["y"].to_numpy())):
        raise InvalidFrameError(VALUES.name, f"column y holds values beyond the accepted range: {examples(refused)}")
    for unique_id in values["unique_id"].unique():
        if problem := series_name_problem(unique_id):
            raise InvalidFrameError(VALUES.name, f"a series cannot be called {unique_id!a}: {problem}")
    return values

"""Random histories of forecasts and their errors: several versions, cutoffs and issue times, some of them equal."""

from datetime import date, timedelta

import pandas as pd
from hypothesis import strategies as st

from forecasting_platform.forecasting.series.frames import FORECAST_ERRORS, FORECASTS

DAYS = [date(2023, 1, 1) + timedelta(days=offset) for offset in range(6)]
TIMES = [None, *pd.date_range("2023-01-03", periods=3, freq="6h", tz="UTC")]
VALUES = st.floats(-1e6, 1e6).map(lambda value: round(value, 3))


@st.composite
def histories(draw: st.DrawFn) -> pd.DataFrame:
    """Rows of `FORECAST_ERRORS`, each key once; versions include 9, 10 and 100, which text orders wrongly."""
    keys = draw(
        st.lists(
            st.tuples(
                st.sampled_from(["a", "Größe 'x'"]),
                st.sampled_from(range(len(DAYS) - 1)),
                st.integers(1, 3),
                st.sampled_from(["1", "2", "9", "10", "100"]),
            ),
            unique=True,
            max_size=25,
        )
    )
    rows = [
        {
            "unique_id": unique_id,
            "cutoff": pd.Timestamp(DAYS[cutoff]),
            "ds": pd.Timestamp(DAYS[cutoff] + timedelta(days=step)),
            "model_version": version,
            "issued_at": draw(st.sampled_from(TIMES)),
            "y": float(cutoff + step),
            "y_first": draw(st.sampled_from([None, 1.0])),
            **{name: draw(VALUES) for name in FORECASTS.column_names[5:]},
        }
        for unique_id, cutoff, step, version in keys
        if cutoff + step < len(DAYS)
    ]
    frame = pd.DataFrame(rows, columns=FORECAST_ERRORS.column_names)
    frame["issued_at"] = pd.to_datetime(frame["issued_at"], utc=True)
    return FORECAST_ERRORS.conform(frame)

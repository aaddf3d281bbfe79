import numpy as np
import pandas as pd

from forecasting_platform.forecasting.reports.many_series import MAX_SERIES, QUANTILES, show_series, worst_by


def table(series: int) -> pd.DataFrame:
    rows = [(f"s{number:02d}", window, float(number * window)) for number in range(series) for window in (7, 28)]
    return pd.DataFrame(rows, columns=["unique_id", "window_days", "rmse"])


def test_a_table_of_few_series_is_shown_as_it_is() -> None:
    rows = table(MAX_SERIES)
    shown = show_series(rows, ["s09"], ["window_days"])
    assert shown.rows is rows
    assert shown.quantiles.empty


def test_of_many_series_the_worst_are_shown_and_quantiles_of_all_by_window() -> None:
    rows = table(101)
    worst = worst_by(rows["unique_id"], rows["rmse"])
    assert worst[:2] == ["s100", "s99"]
    shown = show_series(rows, worst, ["window_days"])
    assert set(shown.rows["unique_id"]) == set(worst[:MAX_SERIES])
    assert len(shown.rows) == 2 * MAX_SERIES
    month = shown.quantiles[shown.quantiles["window_days"] == 28].set_index("quantile")
    assert month.index.tolist() == list(QUANTILES)
    assert (month["series"] == 101).all()
    np.testing.assert_allclose(month["rmse"], [28 * 100 * q for q in QUANTILES])


def test_a_series_without_a_score_is_never_among_the_worst() -> None:
    rows = table(30).assign(rmse=lambda of: of["rmse"].where(of["unique_id"] != "s29"))
    assert worst_by(rows["unique_id"], rows["rmse"])[-1] == "s29"
    assert show_series(rows, worst_by(rows["unique_id"], rows["rmse"])).quantiles["rmse"].notna().all()

"""Tables of a training: which series are unlike the others, and how each did in the backtest."""

from typing import Any

import pandas as pd

from forecasting_platform.forecasting.models.trained.model import ForecastModel
from forecasting_platform.forecasting.reports.many_series import Shown, show_series, worst_by_mase
from forecasting_platform.forecasting.series.days.not_normal import not_normal_of

MAX_APART = 100


def series_apart(model: ForecastModel) -> pd.DataFrame:
    """The series that are constant, ended or new, the first hundred: `unique_id`, `state`, and the newest day known."""
    states = sorted(model.states().items())[:MAX_APART]
    newest = dict(zip(model.unique_ids, model.feature_days.tolist(), strict=True))
    rows = [(unique_id, state, str(newest[unique_id])) for unique_id, state in states]
    return pd.DataFrame(rows, columns=["unique_id", "state", "newest_observation"])


def scores_table(metadata: dict[str, Any]) -> Shown:
    """One row a series: which candidate serves it and its scores over the backtest; of many the ten of largest MASE."""
    rows = pd.DataFrame(
        [
            {
                "unique_id": unique_id,
                "served by": series["winner"],
                "constant": series.get("constant", False),
                **{name: series["scores"][name] for name in ("rmse", "mae", "mase", "skill_naive")},
                **{f"coverage {level} %": share for level, share in series["coverage"].items()},
            }
            for unique_id, series in metadata["series"].items()
        ]
    )
    return show_series(rows, worst_by_mase(metadata["series"]))


def not_normal_table(model: ForecastModel) -> pd.DataFrame:
    """The periods from which nothing was learned, in the order of the recipe; empty where there are none."""
    rows = [
        (str(period.start), str(period.end), period.reason, ", ".join(period.unique_id) or "every series")
        for period in not_normal_of(model.metadata).periods
    ]
    return pd.DataFrame(rows, columns=["start", "end", "reason", "series"])

"""Adds new series to a model: it forecasts them by its `first_days`."""

from dataclasses import replace

import numpy as np
import pandas as pd

from forecasting_platform.forecasting.models.trained.first_days import age_of, scale_of
from forecasting_platform.forecasting.models.trained.joining import join_models
from forecasting_platform.forecasting.models.trained.model import ForecastModel
from forecasting_platform.forecasting.series.features.history import history_of
from forecasting_platform.forecasting.series.frames import FEATURE_NAMES
from forecasting_platform.forecasting.series.lifetime import ROUNDING, UNKNOWN_RHYTHM_DAYS, constant_series

_Y = FEATURE_NAMES.index("y")
_PAST = [_Y, *(FEATURE_NAMES.index(name) for name in FEATURE_NAMES if name.startswith(("lag_", "mean_")))]


def answer_from(model: ForecastModel, rows: pd.DataFrame) -> ForecastModel:
    """The same model, answering from other feature rows, also of series that it was not trained on.

    A series is new to a model that has not seen it, that has seen too few days of it to know it, or that knows it as
    constant when it is not any more. It is forecast by the model's `first_days`, and marked.

    Args:
        rows: rows of `FEATURE_TABLE`, at most one a series.
    """
    new = rows[rows["unique_id"].isin(_new_to(model, rows))].sort_values("unique_id")
    known = model.with_features(rows)
    return known if new.empty else _with_new(known, new)


def _new_to(model: ForecastModel, rows: pd.DataFrame) -> list[str]:
    """Those of the rows' series that the model does not know well enough."""
    position = {name: at for at, name in enumerate(model.unique_ids)}
    constant = constant_series(model.metadata)

    def is_new(unique_id: str, y: float) -> bool:
        at = position.get(unique_id)
        if at is None or model.is_new[at]:
            return True
        # A constant series that changes has woken up: its backtest has no error to make an interval of.
        value = model.features[at, _Y]
        return unique_id in constant and abs(y - value) > ROUNDING * abs(value)

    return [name for name, y in zip(rows["unique_id"], rows["y"], strict=True) if is_new(name, y)]


def _with_new(model: ForecastModel, rows: pd.DataFrame) -> ForecastModel:
    """The model with some series as new ones: in their place where it has one, else after the others."""
    count, names = len(model.unique_ids), rows["unique_id"].tolist()
    known = set(model.unique_ids)
    place = {name: at for at, name in enumerate([*model.unique_ids, *(name for name in names if name not in known)])}
    # Which row of the model, followed by the new ones, each place is given.
    source = np.arange(len(place))
    source[[place[name] for name in names]] = count + np.arange(len(names))
    return join_models([model, _new_alone(model, rows)]).take(source)


def _new_alone(model: ForecastModel, rows: pd.DataFrame) -> ForecastModel:
    """The same model of new series only."""
    first, count = model.first_days, len(rows)
    features, days = model.values_of(rows), rows["observed_days"].to_numpy(dtype=np.int64)
    age, own = age_of(days), features[:, : len(FEATURE_NAMES)]
    scale = scale_of(own, days, float(first.level[0]))
    # 0 bounds a series that was never negative, of a model that knows none that was.
    is_positive = bool((model.lower_bound[~model.is_new] >= 0).all())
    place = {name: at for at, name in enumerate(model.unique_ids)}
    unknown_range = np.full(model.trained_ranges.shape[1:], np.nan)
    ranges = [model.trained_ranges[place[name]] if name in place else unknown_range for name in rows["unique_id"]]
    return replace(
        model,
        unique_ids=tuple(rows["unique_id"]),
        candidates=tuple(candidate.take(age) for candidate in first.candidates),
        weights=first.weights[age],
        error_quantiles=first.errors[age] * scale[:, None, None],
        # Nothing widens their intervals twice: the scale of few days is already in the error quantiles.
        calm_volatility=np.full(count, np.inf),
        lower_bound=np.where((own[:, _PAST].min(axis=1) >= 0) & is_positive, 0.0, -np.inf),
        # A short past is no range to leave.
        plausible=np.tile([-np.inf, np.inf], (count, 1)),
        features=features,
        feature_days=rows["ds"].to_numpy().astype("datetime64[D]"),
        ended_after_days=np.full(count, UNKNOWN_RHYTHM_DAYS),
        trained_ranges=np.stack(ranges),
        is_new=np.ones(count, dtype=bool),
        history=history_of(rows, model.window_days),
        zero_values=np.full((count, model.zero_values.shape[1]), np.nan),
    )

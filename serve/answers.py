"""What a request is answered with: its input rows, then the forecasts of these rows, as plain records.

The range's meaning is decided here: a day after a series' newest observation is forecast from it, a
range that starts in the past from the day before its start. No HTTP.
"""

from collections.abc import Sequence
from datetime import date, timedelta
from itertools import pairwise
from typing import Any

import numpy as np
import pandas as pd

from forecasting_platform.errors import InvalidRangeError, examples
from forecasting_platform.forecasting.date_range import DateRange
from forecasting_platform.forecasting.frames import FEATURE_TABLE
from forecasting_platform.forecasting.inputs import InvalidInputsError, ModelInputs
from forecasting_platform.forecasting.model import MAX_HORIZON_DAYS, Forecasts
from forecasting_platform.ports.table_store import TableStore
from serve.champion import Champion

MOST_ROWS = 10_000
"""Series × days of one answer."""


def inputs_for(
    champion: Champion, period: DateRange, unique_ids: Sequence[str] | None, store: TableStore | None
) -> ModelInputs:
    """The champion's input rows of a range, ordered by `unique_id`, `ds`.

    Args:
        unique_ids: the series wanted, every one without.
        store: where the features of a past day are read.

    Raises:
        UnknownSeriesError: a series the champion does not have.
        InvalidRangeError: too far ahead, too many rows, or no features of the day before a past start.
        StoreUnavailableError: a past start needs the store, which does not answer.
    """
    wanted = sorted(set(champion.model.unique_ids if unique_ids is None else unique_ids))
    newest = champion.model.feature_days[champion.model.positions(wanted)].tolist()
    _refuse_too_many(period, len(wanted))
    past = [unique_id for unique_id, day in zip(wanted, newest, strict=True) if period.start <= day]
    model = champion.model.with_features(_features_before(period.start, past, store)) if past else champion.model
    # Asked for by name, a series that ended too long ago is refused; asked for with all, it is left out.
    return model.inputs(list(period), unique_ids=None if unique_ids is None else wanted)


def _refuse_too_many(period: DateRange, series: int) -> None:
    if len(period) > MAX_HORIZON_DAYS:
        raise InvalidRangeError(f"{period} has {len(period)} days; ask for at most {MAX_HORIZON_DAYS}")
    if len(period) * series > MOST_ROWS:
        raise InvalidRangeError(
            f"{len(period)} days of {series} series are {len(period) * series} forecasts; "
            f"at most {MOST_ROWS} are answered at once: ask for fewer days, or name series in unique_id"
        )


def _features_before(start: date, unique_ids: list[str], store: TableStore | None) -> pd.DataFrame:
    if store is None:
        raise InvalidRangeError(f"{start} lies in the past and the app has no store of past days; ask for later days")
    rows = store.read_newest(FEATURE_TABLE, at_or_before=start - timedelta(days=1), unique_ids=unique_ids)
    missing = sorted(set(unique_ids) - set(rows["unique_id"]))
    if missing:
        raise InvalidRangeError(
            f"nothing is known before {start} of {examples(missing)}; "
            f"the first day that can be asked of {missing[0]!r} is {_first_day(missing[0], store)}"
        )
    return rows


def _first_day(unique_id: str, store: TableStore) -> str:
    days = store.read(FEATURE_TABLE, unique_ids=[unique_id])["ds"]
    return f"{days.min().date() + timedelta(days=1)}" if len(days) else "the one after its newest observation"


def inputs_from(rows: Sequence[dict[str, Any]]) -> ModelInputs:
    """The input rows a client sent, ordered by `unique_id`, `ds`.

    Raises:
        InvalidInputsError: a row stands twice, or its `ds` is not 1 to 366 days after its `cutoff`.
    """
    if len(rows) > MOST_ROWS:
        raise InvalidInputsError(f"{len(rows)} rows were sent; at most {MOST_ROWS} are answered at once")
    ordered = sorted(rows, key=lambda row: (row["unique_id"], row["ds"]))
    inputs = ModelInputs.from_records(
        [row | {"cutoff": row["cutoff"].isoformat(), "ds": row["ds"].isoformat()} for row in ordered]
    )
    _refuse_far_or_repeated(inputs)
    return inputs


def _refuse_far_or_repeated(inputs: ModelInputs) -> None:
    if (inputs.step > MAX_HORIZON_DAYS).any():
        raise InvalidInputsError(f"ds lies up to {inputs.step.max()} days after cutoff; at most {MAX_HORIZON_DAYS} can")
    keys = list(zip(inputs.unique_id.tolist(), inputs.ds.tolist(), strict=True))
    repeated = sorted({f"{key[0]} {key[1]}" for key, following in pairwise(keys) if key == following})
    if repeated:
        raise InvalidInputsError(f"the same series and day stands twice: {examples(repeated)}")


def forecast(champion: Champion, inputs: ModelInputs, levels: Sequence[int]) -> Forecasts:
    """The champion's forecasts of input rows.

    Raises:
        UnknownSeriesError: a series the champion does not have.
        InvalidInputsError: the rows lead to no finite forecast.
    """
    forecasts = champion.model.predict(inputs, sorted(set(levels)))
    numbers = [forecasts.y_hat, *(bound for bounds in forecasts.bounds.values() for bound in bounds)]
    if not all(np.isfinite(values).all() for values in numbers):
        raise InvalidInputsError("the input rows lead to forecasts that are not finite numbers")
    return forecasts


def forecast_records(forecasts: Forecasts, trained_until: date) -> list[dict[str, Any]]:
    """One record a forecast, days as ISO text; the two marks stand only where they are true.

    Args:
        trained_until: last day the champion has seen, inclusive.
    """
    columns = _columns(forecasts)
    records = [dict(zip(columns, row, strict=True)) for row in zip(*columns.values(), strict=True)]
    marks = {"extrapolated": forecasts.extrapolated, "in_training": forecasts.ds <= np.datetime64(trained_until, "D")}
    for mark, holds in marks.items():
        for position in np.flatnonzero(holds):
            records[position][mark] = True
    return records


def _columns(forecasts: Forecasts) -> dict[str, list[Any]]:
    columns: dict[str, list[Any]] = {
        "unique_id": forecasts.unique_id.tolist(),
        "cutoff": forecasts.cutoff.astype(str).tolist(),
        "ds": forecasts.ds.astype(str).tolist(),
        "y_hat": forecasts.y_hat.tolist(),
    }
    for level, (lower, upper) in forecasts.bounds.items():
        columns |= {f"y_hat_lo_{level}": lower.tolist(), f"y_hat_hi_{level}": upper.tolist()}
    return columns

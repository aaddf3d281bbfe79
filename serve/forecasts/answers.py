"""Computes answers: the input rows of a request, then the forecasts of these rows.

Decides what a range means: days after a series' newest observation are forecast from that observation, a range that
starts in the past from the day before its start. No HTTP.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import date, timedelta
from itertools import pairwise
from typing import Any

import numpy as np
import pandas as pd

from forecasting_platform.errors import EndedSeriesError, InvalidRangeError, examples
from forecasting_platform.forecasting.models.steps_ahead import MAX_HORIZON_DAYS
from forecasting_platform.forecasting.models.trained.forecasts import PARTS, Forecasts
from forecasting_platform.forecasting.models.trained.model_covariates import covariate_parts
from forecasting_platform.forecasting.models.trained.new_series import answer_from
from forecasting_platform.forecasting.series.days.date_range import DateRange
from forecasting_platform.forecasting.series.features.inputs import KEYS, InvalidInputsError, ModelInputs
from forecasting_platform.forecasting.series.frames import FEATURE_TABLE
from forecasting_platform.ports.table_store import TableStore
from forecasting_platform.services.newest_features import newest_features
from serve.forecasts.champion import Champion
from serve.forecasts.precomputed import describe_left_out, is_finite
from serve.forecasts.rendering import Record

MAX_CELLS = 250_000
"""Rows × columns of one answer; writing them as text takes a second of a core at most."""
OF_COVARIATE = "exogenous: "
"""Begins the name of the part of a covariate."""
MAX_INPUT_ROWS = 5_000
"""Rows of the input frame in one answer, or in one request."""
CHUNK_ROWS = 10_000
"""Forecasts computed at once; each takes a few hundred bytes meanwhile."""


def max_rows(levels: Sequence[int], more: int = 0) -> int:
    """Forecasts of one answer at most, each with the bounds of these levels and so many further columns.

    >>> max_rows([80, 95]), max_rows(range(50, 100))
    (31250, 2403)
    """
    return MAX_CELLS // (len(KEYS) + 1 + 2 * len(set(levels)) + more)


@dataclass(frozen=True, slots=True)
class ForecastRequest:
    """Days of some series to forecast.

    Attributes:
        unique_ids: the series wanted; every one without.
        as_of: the last day a forecast may know, inclusive; without it the day before a start in the
            past, else the newest observation.
    """

    period: DateRange
    unique_ids: Sequence[str] | None = None
    as_of: date | None = None

    @property
    def known_until(self) -> date:
        """The last day a forecast may know.

        Raises:
            InvalidRangeError: it does not lie before the first day asked for.
        """
        before = self.period.start - timedelta(days=1)
        if self.as_of is not None and self.as_of > before:
            raise InvalidRangeError(
                f"as_of {self.as_of} does not lie before the start {self.period.start}; ask for days after it"
            )
        return before if self.as_of is None else self.as_of


def inputs_for(champion: Champion, request: ForecastRequest, store: TableStore | None, row_limit: int) -> ModelInputs:
    """The champion's input rows of a range, ordered by `unique_id`, `ds`.

    Without names these are all series that can be forecast: those that had not ended, and had begun.

    Args:
        store: where the features of a past day are read.
        row_limit: rows that are answered at once.

    Raises:
        UnknownSeriesError: a series the champion does not have.
        EndedSeriesError: a series asked for by name had ended by the last day that may be known.
        InvalidRangeError: too far ahead, too many rows, or no features of the last day that may be known.
        StoreUnavailableError: a past start needs the store, which does not answer.
    """
    known_until, model = request.known_until, champion.model
    wanted = sorted(set(model.unique_ids if request.unique_ids is None else request.unique_ids))
    # Before the store is asked: a range that cannot be answered costs it nothing.
    refuse_too_many(request.period, len(wanted), row_limit)
    newest = model.feature_days[model.positions(wanted)].tolist()
    past = [unique_id for unique_id, day in zip(wanted, newest, strict=True) if day > known_until]
    if past:
        if store is None:
            raise InvalidRangeError(
                f"what was known on {known_until} cannot be read: the app has no store of past days; ask for later days"
            )
        rows = newest_features(store, model.window_days, at_or_before=known_until, unique_ids=past)
        # A series without a row on that day had not begun. Asked for by name that is an error, else it is left out.
        begun = set(rows["unique_id"]) | (set(wanted) - set(past))
        if len(begun) < len(wanted) and (request.unique_ids is not None or not begun):
            raise _not_begun(known_until, sorted(set(past) - begun), store)
        wanted, model = [name for name in wanted if name in begun], answer_from(model, rows)
    if request.unique_ids is None:
        wanted = model.reaching(request.period.end, wanted, known_until)
    else:
        ended = model.ended_at(known_until)
        if named := {name: ended[name] for name in wanted if name in ended}:
            raise EndedSeriesError(named)
    return model.inputs(list(request.period), unique_ids=wanted)


def list_left_out(champion: Champion, inputs: ModelInputs, request: ForecastRequest) -> list[Record]:
    """The series that an answer leaves out, each with why; of those that were named the ones without a due day."""
    model, answered = champion.model, set(inputs.unique_id.tolist())
    others = set(model.unique_ids if request.unique_ids is None else request.unique_ids) - answered
    if not others:
        return []
    days = np.arange(np.datetime64(request.period.start), np.datetime64(request.period.end) + 1)
    closed = {name for name in others if not model.calendars.of(name).is_due(days).any()}
    return describe_left_out(model, others, request.known_until, closed)


def refuse_too_many(period: DateRange, series: int, row_limit: int) -> None:
    """Refuse a range of too many days, or of too many days and series.

    Raises:
        InvalidRangeError: says how many were asked for and how many are answered.
    """
    if len(period) > MAX_HORIZON_DAYS:
        raise InvalidRangeError(f"{period} has {len(period)} days; ask for at most {MAX_HORIZON_DAYS}")
    if len(period) * series > row_limit:
        raise InvalidRangeError(
            f"{len(period)} days of {series} series are {len(period) * series} forecasts; at most {row_limit} "
            f"with so many columns are answered at once: ask for fewer days or levels, or name series in unique_id"
        )


def _not_begun(last: date, missing: list[str], store: TableStore | None) -> InvalidRangeError:
    span = None if store is None else store.span(FEATURE_TABLE, unique_ids=missing[:1])
    first = span.start + timedelta(days=1) if span is not None else "the one after its newest observation"
    return InvalidRangeError(
        f"nothing is known on {last} of {examples(missing)}; "
        f"the first day that can be asked of {missing[0]!r} is {first}"
    )


def inputs_from(champion: Champion, rows: Sequence[dict[str, Any]], row_limit: int) -> ModelInputs:
    """The input rows a client sent, ordered by `unique_id`, `ds`; exogenous columns are the champion's.

    Args:
        row_limit: rows that are answered at once.

    Raises:
        InvalidInputsError: there are too many, a row is given twice, has an exogenous column that the champion lacks,
            or its `ds` is not 1 to 366 days after its `cutoff`.
    """
    if len(rows) > row_limit:
        raise InvalidInputsError(f"{len(rows)} rows were sent; at most {row_limit} are answered with so many columns")
    known = champion.model.exogenous
    if unknown := sorted({name for row in rows for name in row.get("exogenous") or {}} - set(known)):
        found = examples(known) if known else "none"
        raise InvalidInputsError(f"{examples(unknown)} is no exogenous column of the champion; it has {found}")
    # Sorted as the answer is, so that repeated keys are neighbours.
    ordered = sorted(rows, key=lambda row: (row["unique_id"], row["ds"]))
    inputs = ModelInputs.from_records(ordered, champion.model.exogenous, champion.model.window_days)
    _refuse_far_or_repeated(inputs)
    return inputs


def _refuse_far_or_repeated(inputs: ModelInputs) -> None:
    if (inputs.step > MAX_HORIZON_DAYS).any():
        raise InvalidInputsError(
            f"ds lies up to {inputs.step.max()} days after cutoff; at most {MAX_HORIZON_DAYS} are allowed"
        )
    keys = list(zip(inputs.unique_id.tolist(), inputs.ds.tolist(), strict=True))
    repeated = sorted({f"{key[0]} {key[1]}" for key, following in pairwise(keys) if key == following})
    if repeated:
        raise InvalidInputsError(f"the same series and day is given twice: {examples(repeated)}")


def forecast(champion: Champion, inputs: ModelInputs, levels: Sequence[int]) -> Forecasts:
    """The champion's forecasts of input rows.

    Raises:
        UnknownSeriesError: a series the champion does not have.
        InvalidInputsError: the rows lead to no finite forecast.
    """
    ordered = sorted(set(levels))
    # Rows are forecast each by itself, so pieces give the same bits and hold less memory at once.
    chunks = [champion.model.predict(part, ordered) for part in _chunks(inputs)]
    forecasts = chunks[0] if len(chunks) == 1 else Forecasts.join(chunks)
    if not is_finite(forecasts).all():
        raise InvalidInputsError("the input rows lead to forecasts that are not finite numbers")
    return forecasts


def _chunks(inputs: ModelInputs) -> list[ModelInputs]:
    if len(inputs) <= CHUNK_ROWS:
        return [inputs]
    return [inputs.rows(slice(start, start + CHUNK_ROWS)) for start in range(0, len(inputs), CHUNK_ROWS)]


def parts_of(champion: Champion, inputs: ModelInputs) -> pd.DataFrame:
    """The parts of the forecast of each input row: `PARTS`, which add up to its `y_hat`, then those of covariates.

    The columns of these are `OF_COVARIATE` and the covariate's name; they say what `exogenous` is made of.
    """
    chunks = [
        pd.concat(
            [champion.model.explain(part)[list(PARTS)], covariate_parts(champion.model, part).add_prefix(OF_COVARIATE)],
            axis=1,
        )
        for part in _chunks(inputs)
    ]
    return pd.concat(chunks, ignore_index=True)


def explanation(parts: pd.DataFrame) -> dict[str, list[float]]:
    """The result of `parts_of` as columns of an answer: `explain_` and the part's name -> its values."""
    return {f"explain_{part}": parts[part].tolist() for part in parts.columns}


def moved_since(
    champion: Champion,
    inputs: ModelInputs,
    parts: pd.DataFrame,
    request: ForecastRequest,
    since: date,
    store: TableStore | None,
) -> dict[str, list[float | None]]:
    """How far each forecast moved since the champion would have made it from what was known at an earlier day.

    Args:
        inputs: the rows of a range that the forecasts are made from.
        parts: those of these forecasts.
        request: what was asked for.
        since: the earlier last day known, inclusive.

    Returns:
        `moved`, and `moved_` and a part's name -> its values, of which `PARTS` add up to it; None where all series
        were asked for and one could not be forecast then.

    Raises:
        InvalidRangeError: the day does not lie before the newest cutoff, or what was known then is not.
        StoreUnavailableError: the store does not answer.
    """
    newest = inputs.cutoff.max().item()
    if since >= newest:
        raise InvalidRangeError(
            f"since {since} does not lie before {newest}, which the forecast knows; ask for an earlier day"
        )
    earlier = inputs_for(champion, replace(request, as_of=since), store, MAX_CELLS)
    now, before = (
        of.set_index(pd.MultiIndex.from_arrays([rows.unique_id, rows.ds]))
        for of, rows in ((parts, inputs), (parts_of(champion, earlier), earlier))
    )
    # By series and day: what was not forecast at the earlier day has no difference.
    moved = now - before.reindex(now.index)
    moved.insert(0, "moved", moved[list(PARTS)].sum(axis=1, skipna=False))
    names = {"moved": "moved"} | {part: f"moved_{part}" for part in parts.columns}
    known = moved.notna().all(axis=1).tolist()
    return {
        name: [value if there else None for value, there in zip(moved[of].tolist(), known, strict=True)]
        for of, name in names.items()
    }


def actuals_of(forecasts: Forecasts, store: TableStore) -> list[float | None]:
    """The actual of each forecast's day, None where it is not known."""
    days = DateRange(forecasts.ds.min().item(), forecasts.ds.max().item())
    observed = store.read_observations(days, unique_ids=sorted(set(forecasts.unique_id.tolist())))
    found = dict(zip(zip(observed["unique_id"], observed["ds"].dt.date, strict=True), observed["y"], strict=True))
    keys = zip(forecasts.unique_id.tolist(), forecasts.ds.tolist(), strict=True)
    return [found.get(key) for key in keys]

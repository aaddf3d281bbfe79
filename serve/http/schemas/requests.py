"""Bodies and queries of requests.

Meaning (which day a range is forecast from, which series exist) does not belong here; see `serve.forecasts.answers`.
"""

from typing import Annotated, Any, Self, cast, get_args

from pydantic import AfterValidator, Discriminator, FailFast, Field, RootModel, Tag, create_model, model_validator

from forecasting_platform.forecasting.series.days.date_range import DateRange
from forecasting_platform.forecasting.series.features.history import MAX_WINDOW_DAYS
from forecasting_platform.forecasting.series.features.inputs import INPUT_NAMES
from forecasting_platform.forecasting.series.frames import LEVELS
from serve.forecasts.answers import MAX_INPUT_ROWS, ForecastRequest
from serve.forecasts.series_list import Order
from serve.forecasts.whatif import Change, Operation
from serve.http.schemas.fields import (
    MAX_EXOGENOUS,
    AlertId,
    Day,
    Explain,
    Levels,
    Name,
    Number,
    Series,
    SeriesList,
    SeriesName,
    StrictModel,
    max_items,
)

OPERATIONS: tuple[Operation, ...] = get_args(Operation)


class RangeBody(StrictModel):
    """Days to forecast, both ends inclusive, of some series (all without `unique_id`)."""

    start: Day = Field(description="First day to forecast, inclusive.")
    end: Day = Field(description="Last day to forecast, inclusive.")
    unique_id: Series | SeriesList | None = Field(default=None, description="One series, or several; all without it.")
    level: Levels = LEVELS
    as_of: Day | None = Field(
        default=None,
        description="Last day the forecast may know, inclusive; by default the day before a start in the past.",
    )

    @property
    def period(self) -> DateRange:
        """The days asked for; `InvalidRangeError` when the end lies before the start."""
        return DateRange(self.start, self.end)

    @property
    def unique_ids(self) -> list[str] | None:
        """The series asked for, None for all."""
        return [self.unique_id] if isinstance(self.unique_id, str) else self.unique_id

    @property
    def forecast_request(self) -> ForecastRequest:
        """The request as `serve.forecasts.answers` takes it."""
        return ForecastRequest(self.period, self.unique_ids, self.as_of)


class PredictRangeBody(RangeBody):
    """Days to forecast, and what to add to the forecasts."""

    actuals: bool = Field(default=False, strict=True, description="Add `y`, the actual of the day; null if not known.")
    explain: Explain = False
    since: Day | None = Field(
        default=None,
        description="An earlier last day known: add `moved`, how far the forecast has moved since, in all and by part.",
    )

    def further_columns(self, parts: int) -> int:
        """Columns of the answer besides the forecast and its bounds.

        Args:
            parts: in how many a forecast is explained.
        """
        moved = 0 if self.since is None else 1 + parts
        return self.actuals + self.explain * parts + moved

    @property
    def is_plain(self) -> bool:
        """Whether nothing but days and series is asked for."""
        more = self.as_of or self.actuals or self.explain or self.since
        return not more and self.level == LEVELS


class ChangeBody(StrictModel):
    """The change of a column: exactly one of the three."""

    set: Number | None = Field(default=None, description="The new value.")
    add: Number | None = Field(default=None, description="Added to each value.")
    multiply: Number | None = Field(default=None, description="Each value is multiplied by it.")

    @model_validator(mode="after")
    def _require_one_operation(self) -> Self:
        if len(self._operations()) != 1:
            raise ValueError("give exactly one of set, add and multiply")
        return self

    @property
    def change(self) -> Change:
        """The change asked for."""
        return self._operations()[0]

    def _operations(self) -> list[Change]:
        return [Change(name, number) for name in OPERATIONS if (number := getattr(self, name)) is not None]


Changes = create_model(
    "Changes",
    __base__=StrictModel,
    __doc__="Columns of the input frame to change, in every row.",
    exogenous=(
        Annotated[dict[Series, ChangeBody], max_items(MAX_EXOGENOUS)],
        Field(
            default={},
            description="Changes of covariates by name, such as `promotion on the day`, or `promotion` alone "
            "(`/model` lists them); or of single exogenous columns, such as `promotion +3`.",
        ),
    ),
    **dict.fromkeys(INPUT_NAMES, (ChangeBody | None, None)),  # type: ignore[call-overload] # the columns are known at run time only
)


class WhatIfBody(RangeBody):
    """Days to forecast twice: from the champion's own inputs, and from changed ones."""

    changes: Changes = Field(examples=[{"y": {"add": 10.0}}])

    @property
    def changed_columns(self) -> dict[str, Change]:
        """The changes by column."""
        return {name: given.change for name in INPUT_NAMES if (given := getattr(self.changes, name)) is not None}

    @property
    def changed_exogenous(self) -> dict[str, Change]:
        """The changes by exogenous column."""
        return {name: given.change for name, given in self.changes.exogenous.items()}  # type: ignore[attr-defined] # made at run time


InputRow = create_model(
    "InputRow",
    __base__=StrictModel,
    __doc__="One row of the champion's input frame, as `/simulate` gives it.",
    unique_id=(Series, ...),
    cutoff=(Day, Field(description="Last day known, inclusive.")),
    ds=(Day, Field(description="The day to forecast, after `cutoff`.")),
    exogenous=(
        Annotated[dict[Series, Number | None], max_items(MAX_EXOGENOUS)] | None,
        Field(default=None, description="Exogenous columns, where the champion has any; null where not known."),
    ),
    history=(
        Annotated[list[Number | None], max_items(MAX_WINDOW_DAYS)] | None,
        Field(
            default=None,
            description="The values up to `cutoff`, the oldest first, where a candidate of the champion needs them; "
            "null where there was none.",
        ),
    ),
    **dict.fromkeys(INPUT_NAMES, (Number, ...)),  # type: ignore[call-overload] # the columns are known at run time only
)


class InputsBody(StrictModel):
    """Rows of the input frame, as `/simulate` gave them, changed or not."""

    inputs: Annotated[
        # Kept as dictionaries: thousands of models would take twice the memory.
        list[Annotated[InputRow, AfterValidator(vars)]],
        Field(min_length=1, max_length=MAX_INPUT_ROWS),
        FailFast(),
        max_items(MAX_INPUT_ROWS),
    ]
    level: Levels = LEVELS
    explain: Explain = False

    def further_columns(self, parts: int) -> int:
        """Columns of the answer besides the forecast and its bounds.

        Args:
            parts: in how many a forecast is explained.
        """
        return self.explain * parts

    @property
    def rows(self) -> list[dict[str, Any]]:
        """The rows, by field."""
        return cast("list[dict[str, Any]]", self.inputs)


def _kind_of_body(body: object) -> str:
    return "inputs" if isinstance(body, InputsBody) or (isinstance(body, dict) and "inputs" in body) else "range"


class PredictBody(RootModel[Any]):
    """Either a range of days or rows of the input frame."""

    root: Annotated[
        Annotated[PredictRangeBody, Tag("range")] | Annotated[InputsBody, Tag("inputs")],
        Discriminator(_kind_of_body),
    ]


class AcknowledgeBody(StrictModel):
    """An open incident, and who takes care of it."""

    alert_id: AlertId = Field(examples=["forecast_errors:forecasts_beat_naive@512"])
    by: Name = Field(description="Who; with a gateway, the person who logged in is recorded instead.")


class MuteBody(StrictModel):
    """Incidents of which nobody is notified for a while."""

    pattern: Name = Field(description="Pattern of fingerprints; `*` matches any text.", examples=["forecast_errors:*"])
    hours: float = Field(strict=True, ge=0, le=8760, allow_inf_nan=False, description="0 ends the mute.")
    reason: Name = Field(description="Why; shown with each incident.")
    by: Name = Field(description="Who; with a gateway, the person who logged in is recorded instead.")


class HistoryQuery(StrictModel):
    """Days to show, both ends inclusive; the last year without them."""

    start: Day | None = None
    end: Day | None = None
    unique_id: SeriesList | None = Field(default=None, description="May be repeated; all series without it.")


class PredictionErrorsQuery(StrictModel):
    """A series, and how many days up to its newest observation are looked at."""

    # Without an example: those of a query have another shape.
    unique_id: SeriesName
    days: int = Field(default=90, ge=1, le=366)


class DecisionsQuery(StrictModel):
    """How much of each decision to show."""

    evidence: bool = Field(default=False, description="Add the evidence of each; then at most 5 are answered.")
    limit: int = Field(default=50, ge=1, le=50)
    before: int | None = Field(
        default=None, ge=1, description="Only those with a smaller `decision_id`: the last one's gives the next page."
    )


class AlertsQuery(StrictModel):
    """Which incidents to show."""

    unique_id: SeriesName | None = Field(default=None, description="Only incidents of this series.")
    open_only: bool = Field(default=False, description="Leave out what is resolved.")
    limit: int = Field(default=50, ge=1, le=50)
    before: AlertId | None = Field(
        default=None,
        description="Only those after the incident of this `alert_id`: the last one's gives the next page.",
    )


class ModelQuery(StrictModel):
    """Which series to describe."""

    unique_id: SeriesList | None = Field(default=None, description="May be repeated; without it the first by name.")
    limit: int = Field(default=1000, ge=0, le=1000, description="How many without `unique_id`.")


class SeriesQuery(StrictModel):
    """Which series to list."""

    search: str = Field(default="", max_length=500, description="A part of the name, in any case; all without it.")
    order: Order = Field(default="name", description="`worst`: the largest MASE of the champion's backtest first.")
    limit: int = Field(default=100, ge=1, le=100)
    offset: int = Field(default=0, ge=0, le=1_000_000, description="How many to leave out before the first.")

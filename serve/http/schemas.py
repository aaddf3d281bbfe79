"""What requests may hold and what answers do hold, as pydantic models: validation and OpenAPI in one place.

Meaning (which day a range is forecast from, which series exist) does not belong here; see `answers`.
"""

import re
from datetime import date, datetime
from typing import Annotated, Any, Literal, Self, cast, get_args

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Discriminator,
    FailFast,
    Field,
    RootModel,
    Tag,
    create_model,
    model_validator,
)

from forecasting_platform.forecasting.models.forecasts import PARTS
from forecasting_platform.forecasting.series.date_range import DateRange
from forecasting_platform.forecasting.series.frames import LEVELS
from forecasting_platform.forecasting.series.inputs import INPUT_NAMES
from serve.forecasts.answers import MAX_INPUT_ROWS, ForecastRequest
from serve.forecasts.whatif import Change, Operation

MIN_DAY, MAX_DAY = date(1900, 1, 1), date(2199, 12, 31)
MAX_VALUE = 1e15
MAX_SERIES_ASKED = 1000
MAX_LEVELS = 50
MAX_EXOGENOUS = 1000
MAX_CHARACTERS_SHOWN = 100
OPERATIONS: tuple[Operation, ...] = get_args(Operation)
_ISO_DAY = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")


def _iso_day(value: object) -> date:
    # Pydantic would also take 19539 or "2023-07-01T00:00" for a day; both are mistakes here.
    if not isinstance(value, str) or not _ISO_DAY.fullmatch(value):
        raise ValueError("a day is expected as text, written YYYY-MM-DD")
    try:
        return date.fromisoformat(value)
    except ValueError as error:
        raise ValueError(f"there is no such day: {error}") from error


def _max_items(limit: int) -> BeforeValidator:
    """Refuses more items before any is looked at, as pydantic does for lists only."""

    def check(items: object) -> object:
        if isinstance(items, list | dict) and len(items) > limit:
            raise ValueError(f"{len(items)} are given; at most {limit} are taken")
        return items

    return BeforeValidator(check)


Day = Annotated[
    date,
    BeforeValidator(_iso_day, json_schema_input_type=str),
    Field(ge=MIN_DAY, le=MAX_DAY, json_schema_extra={"type": "string", "format": "date"}, examples=["2023-07-01"]),
]
SeriesName = Annotated[str, Field(min_length=1, max_length=500, pattern=r"^[^\x00]*$")]
Series = Annotated[SeriesName, Field(examples=["Corrib production"])]
SeriesList = Annotated[list[Series], Field(min_length=1, max_length=MAX_SERIES_ASKED)]
Level = Annotated[int, Field(strict=True, ge=50, le=99)]
Levels = Annotated[
    tuple[Level, ...],
    Field(min_length=1, max_length=MAX_LEVELS, description="Interval levels in percent, 50 to 99."),
    _max_items(MAX_LEVELS),
]
Explain = Annotated[
    bool,
    Field(strict=True, description="Add what `y_hat` is made of: `explain_level` and more, which add up to it."),
]
Number = Annotated[float, Field(strict=True, ge=-MAX_VALUE, le=MAX_VALUE, allow_inf_nan=False)]


class StrictModel(BaseModel):
    """A request's part: an unknown field is an error, not ignored."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    @model_validator(mode="before")
    @classmethod
    def _refuse_unknown_field(cls, given: object) -> object:
        # Each unknown field would become an error of its own, and a body has room for a hundred thousand.
        if isinstance(given, dict) and len(given) > len(cls.model_fields):
            unknown = next(name for name in given if name not in cls.model_fields)
            raise ValueError(f"there is no field {unknown[:MAX_CHARACTERS_SHOWN]!r}")
        return given


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
        """What is asked for."""
        return ForecastRequest(self.period, self.unique_ids, self.as_of)


class PredictRangeBody(RangeBody):
    """Days to forecast, and what else to tell of them."""

    actuals: bool = Field(default=False, strict=True, description="Add `y`, what came on the day; null if not known.")
    explain: Explain = False
    since: Day | None = Field(
        default=None,
        description="An earlier last day known: add `moved`, how far the forecast moved since, and in which part.",
    )

    @property
    def further_columns(self) -> int:
        """Columns of the answer besides the forecast and its bounds."""
        moved = 0 if self.since is None else 1 + len(PARTS)
        return self.actuals + self.explain * len(PARTS) + moved

    @property
    def is_plain(self) -> bool:
        """Whether nothing but days and series is asked for."""
        more = self.as_of or self.actuals or self.explain or self.since
        return not more and self.level == LEVELS


class ChangeBody(StrictModel):
    """What becomes of a column; exactly one of the three."""

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
        Annotated[dict[Series, ChangeBody], _max_items(MAX_EXOGENOUS)],
        Field(default={}, description="Changes of exogenous columns, by name."),
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

    @property
    def changed_names(self) -> list[str]:
        """All changed columns."""
        return [*self.changed_columns, *self.changed_exogenous]


InputRow = create_model(
    "InputRow",
    __base__=StrictModel,
    __doc__="One row of the champion's input frame, as `/simulate` gives it.",
    unique_id=(Series, ...),
    cutoff=(Day, Field(description="Last day known, inclusive.")),
    ds=(Day, Field(description="The day to forecast, after `cutoff`.")),
    exogenous=(
        Annotated[dict[Series, Number | None], _max_items(MAX_EXOGENOUS)] | None,
        Field(default=None, description="Exogenous columns, where the champion has any; null where not known."),
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
        _max_items(MAX_INPUT_ROWS),
    ]
    level: Levels = LEVELS
    explain: Explain = False

    @property
    def further_columns(self) -> int:
        """Columns of the answer besides the forecast and its bounds."""
        return self.explain * len(PARTS)

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


Name = Annotated[str, Field(min_length=1, max_length=200, pattern=r"^[^\x00]*\S[^\x00]*$")]


class AcknowledgeBody(StrictModel):
    """Somebody is on an open incident."""

    alert_id: Name = Field(examples=["forecast_errors:forecasts_beat_naive@512"])
    by: Name = Field(description="Who.")


class MuteBody(StrictModel):
    """Nobody is told of some incidents for a while."""

    pattern: Name = Field(description="Of fingerprints; `*` is any text.", examples=["forecast_errors:*"])
    hours: float = Field(strict=True, ge=0, le=8760, allow_inf_nan=False, description="0 ends the mute.")
    reason: Name = Field(description="Why; shown with each incident.")
    by: Name = Field(description="Who.")


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
    """How much of each decision to tell."""

    evidence: bool = Field(default=False, description="Add the evidence of each; then at most 5 are answered.")


class ModelQuery(StrictModel):
    """Which series to tell of."""

    unique_id: SeriesList | None = Field(default=None, description="May be repeated; without it the first 1,000.")


class ModelName(BaseModel):
    """The version an answer came from."""

    name: str
    version: str
    cutoff: date = Field(description="Last day the model has seen, inclusive.")
    run_id: str


class ForecastRow(BaseModel):
    """One forecast of one day; other levels asked for name their columns alike (`y_hat_lo_90`)."""

    unique_id: str
    cutoff: date = Field(description="Last day the forecast may know, inclusive.")
    ds: date
    y_hat: float
    y_hat_lo_80: float
    y_hat_hi_80: float
    y_hat_lo_95: float
    y_hat_hi_95: float
    extrapolated: Literal[True] | None = Field(default=None, description="Present beyond the trained horizon.")
    replaced: Literal[True] | None = Field(
        default=None, description="Present where the model's forecast was not plausible and the naive one is answered."
    )
    lacks_exogenous: Literal[True] | None = Field(
        default=None,
        description="Present where an exogenous value of the day was not known: the season's mean stands in.",
    )
    new_series: Literal[True] | None = Field(
        default=None,
        description="Present where the series is new to the champion: the known series stand for its past.",
    )
    in_training: Literal[True] | None = Field(default=None, description="Present where the model has seen the day.")
    y: float | None = Field(default=None, description="What came on the day, where `actuals` was asked for.")
    explain_level: float | None = Field(default=None, description="Where `explain` was asked for, like those below.")
    explain_trend: float | None = None
    explain_weekly: float | None = None
    explain_yearly: float | None = None
    explain_holiday: float | None = None
    explain_exogenous: float | None = None
    explain_recent: float | None = None
    moved: float | None = Field(
        default=None, description="`y_hat` less what it was, where `since` was asked for; those below add up to it."
    )
    moved_level: float | None = None
    moved_trend: float | None = None
    moved_weekly: float | None = None
    moved_yearly: float | None = None
    moved_holiday: float | None = None
    moved_exogenous: float | None = None
    moved_recent: float | None = None


ALSO_CSV: Any = {"openapi_extra": {"content": {"text/csv": {"schema": {"type": "string"}}}}}
"""A model's setting, read by flask-openapi3: the same rows may be had as CSV."""


class LeftOut(BaseModel):
    """A series that an answer for all series does not hold."""

    unique_id: str
    state: Literal["ended", "unobserved"] = Field(
        description="`ended`: no value for longer than its own rhythm explains. "
        "`unobserved`: no value by the last day that may be known, or none for over a year."
    )
    newest_observation: date = Field(description="The newest day known of it.")


LeftOutSeries = Annotated[
    list[LeftOut] | None,
    Field(description="Present where all series were asked for, and some cannot be answered."),
]


class PredictAnswer(BaseModel):
    """Forecasts ordered by `unique_id`, `ds`."""

    model_config = ALSO_CSV

    model: ModelName
    left_out: LeftOutSeries = None
    forecasts: list[ForecastRow]


class ScenarioRow(ForecastRow):
    """A forecast from changed inputs."""

    difference: float = Field(description="From the baseline's `y_hat`.")


class ScenarioWarning(BaseModel):
    """What to know of a scenario; the numbers stand where a column lies outside what was trained on."""

    message: str
    unique_id: str | None = None
    column: str | None = None
    value: float | None = None
    lowest: float | None = None
    highest: float | None = None


class WhatIfAnswer(BaseModel):
    """The same days forecast twice, rows in the same order."""

    model: ModelName
    baseline: list[ForecastRow]
    scenario: list[ScenarioRow]
    warnings: list[ScenarioWarning]


class SimulateAnswer(BaseModel):
    """The champion's input frame."""

    model_config = ALSO_CSV

    left_out: LeftOutSeries = None
    inputs: list[InputRow]


class SeriesState(BaseModel):
    """A series and the newest day known of it."""

    unique_id: str
    newest_observation: date
    state: Literal["constant", "ended", "new"] | None = Field(
        description="`constant` in the champion's backtest: served, deciding nothing. `ended`: not forecast any more. "
        "`new` to the champion: forecast from its first days and from how the known series go on."
    )


class ModelAnswer(ModelName):
    """The champion."""

    trained: datetime
    promoted: datetime | None = Field(description="When it became champion, where the ledger knows it.")
    scores: dict[str, Any] = Field(description="Backtest scores, as the training recorded them.")
    metadata: dict[str, Any]
    horizon: int = Field(description="Trained steps ahead, in days.")
    series_count: int = Field(description="How many series it has in all.")
    series: list[SeriesState]


class HistoryAnswer(BaseModel):
    """Actuals, and for each day the newest forecast issued before it, of record and of every other version."""

    start: date
    end: date
    actuals: list[dict[str, Any]]
    forecasts: list[dict[str, Any]]
    shadows: list[dict[str, Any]] = Field(description="What the other versions forecast of the same days.")


class PredictionAccuracyRow(BaseModel):
    """Forecasts answered by one version, a number of days ahead, before their days' values were known."""

    unique_id: str
    model_version: str
    days_ahead: str = Field(description="From the cutoff to the day forecast.", examples=["1-3"])
    forecasts: int = Field(description="Different forecasts; each counts once in what follows.")
    answers: int = Field(description="How often they were answered.")
    bias: float = Field(description="Mean of forecast less actual.")
    rmse: float
    mae: float


class PredictionErrorsAnswer(BaseModel):
    """What the app answered, compared with what came."""

    start: date
    end: date
    accuracy: list[PredictionAccuracyRow]


class DecisionsAnswer(BaseModel):
    """Promotion decisions, newest first; `evidence` is empty unless it was asked for."""

    decisions: list[dict[str, Any]]


class AlertsAnswer(BaseModel):
    """Incidents, newest first."""

    alerts: list[dict[str, Any]]


class AcknowledgedAnswer(BaseModel):
    """Who is on an incident, and since when."""

    alert_id: str
    acknowledged: datetime
    acknowledged_by: str


class MutedAnswer(BaseModel):
    """What nobody is told of, until when."""

    pattern: str
    until: datetime
    reason: str
    muted_by: str


class HealthAnswer(BaseModel):
    """The process answers."""

    status: Literal["alive"]


class ReadyAnswer(BaseModel):
    """The app can forecast."""

    status: Literal["ready"]
    model: ModelName


class Problem(BaseModel):
    """An error (RFC 9457), sent as `application/problem+json`."""

    type: str = "about:blank"
    title: str
    status: int
    detail: str
    instance: str
    errors: list[dict[str, str]] | None = Field(default=None, description="Each invalid field, for a validation error.")

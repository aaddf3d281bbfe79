"""The schemas of answers and errors. For the OpenAPI document only: answers are not validated."""

from datetime import date, datetime
from typing import Annotated, Any, Literal

from pydantic import BaseModel, Field

from serve.http.schemas.requests import InputRow


class ModelName(BaseModel):
    """The version an answer came from."""

    name: str
    version: str
    cutoff: date = Field(description="Last day the model has seen, inclusive.")
    run_id: str


class ForecastRow(BaseModel):
    """One forecast of one day; other levels have columns of the same pattern (`y_hat_lo_90`).

    Where `explain` was requested each covariate has a column too, such as `explain_exogenous: promotion on the day`:
    what `explain_exogenous` is made of, as far as the candidates tell; where `since` was, one such as
    `moved_exogenous: promotion on the day`.
    """

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
        description="Present where an exogenous value of the day was not known: the season's mean is used instead.",
    )
    new_series: Literal[True] | None = Field(
        default=None,
        description="Present where the series is new to the champion: its first days and the known series are used.",
    )
    closed: Literal[True] | None = Field(
        default=None, description="Present where no value is due on the day, so that 0 is answered."
    )
    in_training: Literal[True] | None = Field(
        default=None, description="Present where the model was trained on the day."
    )
    y: float | None = Field(default=None, description="Actual of the day, where `actuals` was requested.")
    explain_level: float | None = Field(default=None, description="Where `explain` was requested, like those below.")
    explain_trend: float | None = None
    explain_weekly: float | None = None
    explain_yearly: float | None = None
    explain_holiday: float | None = None
    explain_exogenous: float | None = None
    explain_recent: float | None = None
    moved: float | None = Field(
        default=None, description="`y_hat` less what it was, where `since` was requested; those below add up to it."
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
    """A series that an answer does not hold."""

    unique_id: str
    state: Literal["ended", "closed", "unobserved"] = Field(
        description="`ended`: no value for longer than its own rhythm explains. "
        "`closed`: no value is due on the days asked for. "
        "`unobserved`: no value by the last day that may be known, or none for over a year."
    )
    newest_observation: date = Field(description="The newest day known of it.")


LeftOutSeries = Annotated[
    list[LeftOut] | None,
    Field(
        description="Present where some of the series requested have no forecast; days without a due value have none."
    ),
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
    """A warning about a scenario; with numbers where a column lies outside its range in the training."""

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
        description="`constant` in the champion's backtest: served, but not counted in promotions. "
        "`ended`: no longer forecast. `new` to the champion: forecast from its first days and the known series."
    )
    next_due: date | None = Field(
        default=None, description="Where its feed declares a calendar: the next day on which a value is due."
    )
    complete_from: datetime | None = Field(default=None, description="When the value of that day is complete.")


class ModelAnswer(ModelName):
    """The champion."""

    trained: datetime
    promoted: datetime | None = Field(description="When it became champion, where the ledger knows it.")
    scores: dict[str, Any] = Field(description="Backtest scores, as the training recorded them.")
    metadata: dict[str, Any]
    horizon: int = Field(description="Trained steps ahead, in days.")
    covariates: list[str] = Field(description="Names of its exogenous values, as explanation and what-if have them.")
    series_count: int = Field(description="How many series it has in all.")
    series: list[SeriesState]


class ListedSeries(SeriesState):
    """A series in a list, with what its training recorded."""

    winner: str | None = Field(description="The candidates it is forecast by.")
    scores: dict[str, Any] | None
    coverage: dict[str, Any] | None = Field(description="Share of actuals within the intervals, by level.")


class SeriesAnswer(BaseModel):
    """Some of the champion's series."""

    series_count: int = Field(description="How many the champion has.")
    matching: int = Field(description="How many match the search.")
    series: list[ListedSeries]


class HistoryAnswer(BaseModel):
    """Actuals, and for each day the newest forecast issued before it, of record and of every other version."""

    start: date
    end: date
    actuals: list[dict[str, Any]] = Field(
        description="`unique_id`, `ds`, `y`; and `held`, the reason, where nothing is built on the value."
    )
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
    """Answered forecasts, compared with the actuals."""

    start: date
    end: date
    accuracy: list[PredictionAccuracyRow]


class DecisionsAnswer(BaseModel):
    """Promotion decisions, newest first; `evidence` is empty unless it was requested."""

    decisions: list[dict[str, Any]]


class AlertsAnswer(BaseModel):
    """Incidents, newest first."""

    alerts: list[dict[str, Any]]


class AcknowledgedAnswer(BaseModel):
    """Who takes care of an incident, and since when."""

    alert_id: str
    acknowledged: datetime
    acknowledged_by: str


class MutedAnswer(BaseModel):
    """Which incidents nobody is notified of, and until when."""

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

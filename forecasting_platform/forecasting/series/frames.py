"""The tables of the platform as values: every frame that crosses a port is one. Storage does not belong here."""

from dataclasses import replace

from forecasting_platform.forecasting.series.table import Column, Table

UNIQUE_ID = Column("unique_id", "text", "The series: the feed column's name as published.")
DS = Column("ds", "date", "The day of the value.")
CUTOFF = Column("cutoff", "date", "Last day the forecast may know, inclusive.")
MODEL_VERSION = Column("model_version", "text", "Version of the registered model that made the forecast.")

OBSERVATIONS = Table(
    "raw_observations",
    "One row is a value of a day as first known at `available_at`; a revision is a new row.",
    (
        UNIQUE_ID,
        DS,
        Column("y", "float", "The value, in the feed's unit."),
        Column("available_at", "timestamp", "When this value became known to the platform."),
    ),
    key=("unique_id", "ds", "available_at"),
    day_column="ds",
)

PLANNED_VALUES = replace(
    OBSERVATIONS,
    name="planned_values",
    description="One row is a value known before its day, as first known at `available_at`: a promotion, an outage, a "
    "weather forecast; a change of plan is a new row.",
)

QUARANTINED_OBSERVATIONS = Table(
    "quarantined_observations",
    "One row is a feed row (or one value of it) refused, with the reason and the raw text.",
    (
        Column("fingerprint", "text", "SHA-256 of day, series, reason and raw text: the same refusal is kept once."),
        Column("unique_id", "text", "The series, where it is known.", nullable=True),
        Column("ds", "date", "The day, where it could be read.", nullable=True),
        Column("reason", "text", "Why it was refused."),
        Column("raw", "text", "The feed's own text, cut at 1,000 characters."),
        Column("available_at", "timestamp", "When it was first seen."),
    ),
    key=("fingerprint",),
    day_column="ds",
)

LAGS = tuple(range(1, 8))
MEAN_WINDOWS = (7, 14, 28, 91, 364)
LEVEL_SMOOTHINGS = (0.05, 0.1, 0.2, 0.4, 0.8)
VOLATILITY_SMOOTHINGS = (0.02, 0.1)


def level_column(smoothing: float) -> str:
    """Name of the exponentially smoothed level's column.

    >>> level_column(0.05)
    'level_05'
    """
    return f"level_{round(smoothing * 100):02d}"


def volatility_column(smoothing: float) -> str:
    """Name of the exponentially smoothed absolute weekly change's column.

    >>> volatility_column(0.1)
    'volatility_10'
    """
    return f"volatility_{round(smoothing * 100):02d}"


FEATURE_COLUMNS: tuple[Column, ...] = (
    Column("y", "float", "The day's own value."),
    *(Column(f"lag_{lag}", "float", f"The value {lag} day{'s' if lag > 1 else ''} earlier.") for lag in LAGS),
    *(Column(f"mean_{days}", "float", f"Mean of the last {days} days.") for days in MEAN_WINDOWS),
    *(
        Column(f"weekday_effect_{ahead}", "float", f"Mean difference from the week of the weekday {ahead} days ahead.")
        for ahead in range(1, 8)
    ),
    *(
        Column(level_column(smoothing), "float", f"Exponentially smoothed, weekday-adjusted level, alpha {smoothing}.")
        for smoothing in LEVEL_SMOOTHINGS
    ),
    *(
        Column(
            volatility_column(smoothing), "float", f"Exponentially smoothed |y - y a week before|, alpha {smoothing}."
        )
        for smoothing in VOLATILITY_SMOOTHINGS
    ),
    Column("is_holiday", "float", "1 on a public holiday of the declared country from Monday to Friday, else 0."),
    Column("is_year_end", "float", "1 from 24 December to 1 January, else 0."),
    Column("recent_holidays", "float", "Holidays among the last 7 days."),
)
FEATURE_NAMES: tuple[str, ...] = tuple(column.name for column in FEATURE_COLUMNS)

FEATURE_TABLE = Table(
    "feature_table",
    "One row is what was known of a series at the end of day `ds`; only observed days have a row.",
    (
        UNIQUE_ID,
        DS,
        *FEATURE_COLUMNS,
        Column("observed_days", "integer", "Observed days among the last 364, this one included."),
        Column("exogenous", "text", "Exogenous columns as known at the end of the day: a JSON object.", nullable=True),
    ),
    key=("unique_id", "ds"),
    day_column="ds",
)

LEVELS = (80, 95)
"""Interval levels that are stored, in percent."""


def interval_columns(levels: tuple[int, ...] = LEVELS) -> list[str]:
    """Names of the interval bounds, lowest level first.

    >>> interval_columns((80,))
    ['y_hat_lo_80', 'y_hat_hi_80']
    """
    return [f"y_hat_{side}_{level}" for level in levels for side in ("lo", "hi")]


INTERVALS = tuple(
    Column(f"y_hat_{side}_{level}", "float", f"{'Lower' if side == 'lo' else 'Upper'} bound of the {level} % interval.")
    for level in LEVELS
    for side in ("lo", "hi")
)

FORECASTS = Table(
    "forecasts",
    "One row is one forecast of one day, made at the end of day `cutoff`.",
    (
        UNIQUE_ID,
        CUTOFF,
        DS,
        MODEL_VERSION,
        Column("issued_at", "timestamp", "When it was made."),
        Column("y_hat", "float", "The forecast, in the unit of the series."),
        *INTERVALS,
        Column("y_hat_naive", "float", "The naive forecast: the value of the cutoff day."),
        Column("y_hat_seasonal_naive", "float", "The seasonal naive forecast: the value a whole number of weeks ago."),
    ),
    key=("unique_id", "cutoff", "ds", "model_version"),
    day_column="cutoff",
)

FORECAST_ERRORS = Table(
    "forecast_errors",
    "One row is a forecast matched with its actual.",
    (
        *(column for column in FORECASTS.columns if column.name != "issued_at"),
        Column("issued_at", "timestamp", "When the forecast was made.", nullable=True),
        Column("y", "float", "The newest actual of the day."),
        Column("y_first", "float", "The actual of the day as first published.", nullable=True),
    ),
    key=FORECASTS.key,
    day_column="ds",
)

FIRST_STEP = Column("first_step", "integer", "First step of a group of steps that are judged alike: 1, 4 or 8.")


def baseline_error_column(baseline: str) -> str:
    """Name of the column of a baseline's mean absolute error.

    >>> baseline_error_column("naive")
    'mean_absolute_error_naive'
    """
    return f"mean_absolute_error_{baseline}"


DAILY_ERRORS = Table(
    "daily_errors",
    "One row is the errors of a series, day and group of steps together, of forecasts of record; control judges by it.",
    (
        UNIQUE_ID,
        DS,
        FIRST_STEP,
        Column("forecasts", "integer", "How many forecasts of the day there are in the group."),
        Column("mean_error", "float", "Mean of forecast less actual."),
        Column("mean_absolute_error", "float", "Mean of its absolute value."),
        Column("rmse", "float", "Root of the mean of its square."),
        Column("inside_80", "float", "Share of the forecasts whose 80 % interval holds the actual."),
        Column(baseline_error_column("naive"), "float", "Mean absolute error of the naive forecast."),
        Column(baseline_error_column("seasonal_naive"), "float", "Mean absolute error of the seasonal naive forecast."),
        Column("rmse_first", "float", "As `rmse`, by the actual as first published.", nullable=True),
    ),
    key=("unique_id", "ds", "first_step"),
    day_column="ds",
)

DAILY_MOVES = Table(
    "daily_moves",
    "One row is how far the forecasts of a series and group of steps moved from the cutoff a day before, of record.",
    (
        UNIQUE_ID,
        CUTOFF,
        Column("ds", "date", "The first of the days that are forecast; all lie in one season."),
        FIRST_STEP,
        Column("forecasts", "integer", "How many days were forecast on both cutoffs."),
        Column("mean_move", "float", "Mean absolute difference of the two forecasts of a day.", nullable=True),
    ),
    key=("unique_id", "cutoff", "ds"),
    day_column="cutoff",
)

PREDICTION_LOG = Table(
    "prediction_log",
    "One row is one forecast the app answered with.",
    (
        Column("request_id", "text", "The request it belongs to."),
        Column("served_at", "timestamp", "When it was answered."),
        UNIQUE_ID,
        CUTOFF,
        DS,
        MODEL_VERSION,
        Column("y_hat", "float", "The forecast answered."),
        Column("given_inputs", "boolean", "Whether the request gave the input rows itself."),
    ),
    key=("request_id", "unique_id", "ds"),
    day_column="ds",
)

PREDICTION_ERRORS = Table(
    "prediction_errors",
    "One row is a forecast that the app answered from its own inputs, matched with its actual; a view, only read.",
    (
        UNIQUE_ID,
        CUTOFF,
        DS,
        MODEL_VERSION,
        Column("step", "integer", "Days ahead: from `cutoff` to `ds`."),
        Column("y_hat", "float", "The forecast answered."),
        Column("answers", "integer", "How many requests it answered."),
        Column("first_served_at", "timestamp", "When it was answered first."),
        Column("last_served_at", "timestamp", "When it was answered last."),
        Column("y", "float", "The newest actual of the day."),
        Column("error", "float", "`y_hat - y`."),
        Column("before_actual", "boolean", "Whether it was answered before any value of the day was known."),
    ),
    key=("unique_id", "cutoff", "ds", "model_version", "y_hat"),
    day_column="ds",
)

HELD_OBSERVATIONS = Table(
    "held_observations",
    "One row is an observation held back: stored and shown, but nothing is built on it until it is let go.",
    (
        UNIQUE_ID,
        DS,
        Column("y", "float", "The value held."),
        Column("reason", "text", "Why: `far off` its series' past, `too low` for a whole day, or `not yet` complete."),
        Column(
            "lowest", "float", "The lowest value that would not be held; null of one not yet complete.", nullable=True
        ),
        Column("highest", "float", "The highest value that would not be held, likewise.", nullable=True),
    ),
    key=("unique_id", "ds"),
    day_column="ds",
)

DRIFT_REFERENCES = Table(
    "drift_references",
    "One row is what a drift check compares a series' newest days with; learnt once a month, the newest is kept.",
    (
        UNIQUE_ID,
        Column("ds", "date", "Last day of the years that it was learnt from."),
        Column("question", "text", "Name of the check."),
        Column("learnt_from", "text", "SHA-256 of the values that it was learnt from, and of what was declared."),
        Column("known_as", "text", "SHA-256 of how many versions of observations there were of any series."),
        Column("reference", "text", "Its chart's reference and the seasons' weights, a JSON object.", nullable=True),
        Column("why", "text", "Why nothing could be learnt.", nullable=True),
    ),
    key=("unique_id", "ds", "question"),
    day_column="ds",
)

REPLACEABLE_TABLES = (
    HELD_OBSERVATIONS, FEATURE_TABLE, FORECAST_ERRORS, DAILY_ERRORS, DAILY_MOVES, DRIFT_REFERENCES
)  # fmt: skip
"""Tables whose days are replaced as a whole."""

DERIVED_TABLES = (
    HELD_OBSERVATIONS, FEATURE_TABLE, FORECASTS, FORECAST_ERRORS, DAILY_ERRORS, DAILY_MOVES, DRIFT_REFERENCES
)  # fmt: skip
"""What the platform makes of observations, in this order."""

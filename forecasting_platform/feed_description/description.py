"""The description of a feed as a whole: its parts, which fit together, and the days that follow from them."""

from datetime import date, datetime, time, timedelta
from typing import Annotated, Literal, Self
from zoneinfo import ZoneInfo

from pydantic import Field, model_validator

from forecasting_platform.errors import ConfigurationError
from forecasting_platform.feed_description.calendar import Calendar, Publication
from forecasting_platform.feed_description.day_format import DayFormat
from forecasting_platform.feed_description.parts import (
    Aggregate,
    Covariate,
    Day,
    Dialect,
    Long,
    Part,
    Series,
    Source,
)
from forecasting_platform.feed_description.words import JMESPath
from forecasting_platform.forecasting.series.covariates.exogenous import Exogenous


def _shifted(moment: datetime, begins_at: time) -> datetime:
    """On a clock that shows midnight when a day begins."""
    return moment - timedelta(hours=begins_at.hour, minutes=begins_at.minute, seconds=begins_at.second)


class FeedDescription(Part):
    """A feed: where it is, how it is written, which days and series it has."""

    name: Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]{0,62}$")] = Field(
        default="feed", description="What the feed is called in checks, incidents and on the page."
    )
    source: Source = Field(description="Where the documents are.")
    format: Literal["csv", "json", "jsonl", "parquet", "excel"] | None = Field(
        default=None, description="null: CSV or JSON, recognized by the content type or the first character."
    )
    dialect: Dialect = Field(default_factory=Dialect, description="How its text is written.")
    records: JMESPath | None = Field(
        default=None, description="Where the rows are in JSON; null: the array itself, or the one under `records`."
    )
    orient: Literal["records", "list", "index", "columns"] = Field(
        default="records",
        description="How the rows stand in JSON, in pandas' words. `records`: a list of objects. `list`: an object "
        "with a list a column. `index`: an object with a row a day, by the day. `columns`: an object a column, each "
        "with its values by the day. A day that is a key is put into `day.column`; a row that is a number alone "
        "becomes a column `value`.",
    )
    error: JMESPath | None = Field(
        default=None, description="Where a JSON answer has its error message; a load that finds one fails with it."
    )
    sheet: str | None = Field(default=None, description="The sheet of a workbook; null for the first.")
    day: Day = Field(default_factory=Day, description="Which day a row is of.")
    days_are_columns: bool = Field(
        default=False,
        description="Whether each day has a column that is named by it, and each series a row. The table is turned "
        "into one row a series and day, with the day in `day.column` and the value in `long.value`, before it is read; "
        "other columns than days stay.",
    )
    long: Long | None = Field(default=None, description="One row a series and day; null: one column a series.")
    aggregate: Aggregate | None = Field(default=None, description="How several rows of a day become its value.")
    series: Series = Field(default_factory=Series, description="Which columns are series, and their names.")
    covariates: tuple[Covariate, ...] = Field(default=(), description="Series that help and are not forecast.")
    calendar: Calendar = Field(default_factory=Calendar, description="On which days a value is due.")
    publication: Publication | None = Field(
        default=None, description="When a day is complete; null: as soon as it is published."
    )

    @model_validator(mode="after")
    def _fits_together(self) -> Self:
        formats = [DayFormat.compile(declared) for declared in self.day.format]
        if self.aggregate and not any(each.has_time for each in formats) and self.aggregate.every_minutes:
            raise ValueError("aggregate.every_minutes counts rows by their time, and day.format has none")
        if self.aggregate and self.aggregate.min_share < 1 and self.aggregate.every_minutes is None:
            raise ValueError("aggregate.min_share needs every_minutes, which says how many rows a day has")
        if self.aggregate and self.aggregate.method == "count" and self.aggregate.every_minutes:
            raise ValueError(
                "aggregate.every_minutes is of rows at a fixed step, and events that are counted have none"
            )
        if self.orient != "records" and self.format not in {None, "json"}:
            raise ValueError(f"orient is of JSON, and format is {self.format}")
        if self.long and (both := sorted({*self.long.series, *self.day.column} & set(self.long.value))):
            raise ValueError(f"long.value names {both[0]!r}, which is the day or names the series")
        if (self.days_are_columns or self.orient in {"index", "columns"}) and len(self.day.column) > 1:
            raise ValueError("day.column names several columns, and the day is one key or the name of one column")
        if self.days_are_columns and (self.long is None or len(self.long.value) > 1):
            raise ValueError("days_are_columns needs long: series (the columns that name a row), and one name as value")
        return self

    @property
    def planned(self) -> tuple[Exogenous, ...]:
        """The series whose values are known before their day."""
        return tuple(each.declared() for each in self.covariates if each.known == "by_target_day")

    def newest_day(self, now: datetime) -> date:
        """The newest day that may have a value at a moment: the one in progress, or the last that is complete.

        >>> from datetime import UTC
        >>> feed = FeedDescription(source=Source(url="https://host/feed"), publication=Publication(at=time(6)))
        >>> feed.newest_day(datetime(2023, 7, 2, 5, tzinfo=UTC)).isoformat()
        '2023-06-30'
        """
        if self.publication is None:
            return self.today(now)
        local = _shifted(now.astimezone(ZoneInfo(self.day.time_zone)), self.publication.at)
        return local.date() - timedelta(days=self.publication.lag_days)

    def today(self, now: datetime) -> date:
        """The feed's day that is in progress at a moment."""
        return _shifted(now.astimezone(ZoneInfo(self.day.time_zone)), self.day.begins_at).date()

    @classmethod
    def of_default_shape(cls, url: str, date_format: str = "dd/mm/yyyy") -> Self:
        """The shape that a URL without a description has: JSON or CSV, `Date` and one column a series.

        Raises:
            ConfigurationError: the format is none of a day.
        """
        try:
            DayFormat.compile(date_format)
        except ValueError as error:
            raise ConfigurationError("FORECASTING_FEED_DATE_FORMAT", str(error)) from error
        return cls(source=Source(url=url), day=Day(column=("Date",), format=(date_format,)))

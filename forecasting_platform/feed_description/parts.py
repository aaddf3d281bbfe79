"""The keys of a feed's description.

`dialect` uses the vocabulary of the Frictionless standards (https://datapackage.org/standard/table-dialect/), field
formats are strptime's as there, and places in JSON are JMESPath expressions (https://jmespath.org). The other keys
are what a forecast needs besides: which day a row is of, which columns are series, on which days values are due.

Each field's description is what an editor shows, and what the documentation lists.
"""

from collections import Counter
from datetime import time
from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, FiniteFloat, field_validator, model_validator

from forecasting_platform.errors import ConfigurationError
from forecasting_platform.feed_description.words import (
    Character,
    Formats,
    JMESPath,
    Mark,
    Names,
    TimeZone,
)
from forecasting_platform.forecasting.series.covariates.exogenous import (
    MAX_DAYS_AHEAD,
    SERIES,
    Exogenous,
    exogenous_from,
)

Weekday = Literal["monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday"]
WEEKDAYS: tuple[Weekday, ...] = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")


class Part(BaseModel):
    """A part of a description; an unknown key is an error."""

    model_config = ConfigDict(extra="forbid", frozen=True, populate_by_name=True)


class Pages(Part):
    """How an answer in several pages is read to its end."""

    parameter: str | None = Field(default=None, description="Query parameter of the page's number, or of its offset.")
    counts: Literal["pages", "records"] = Field(
        default="pages", description="What the parameter counts: pages, or the records before the page (an offset)."
    )
    first: int = Field(default=1, ge=0, description="Number of the first page; an offset begins at 0.")
    last: JMESPath | None = Field(
        default=None,
        description="Where an answer has the number of the last page, or of all records; null: until an empty page.",
    )
    next: JMESPath | None = Field(default=None, description="Where an answer has the URL of the next page.")
    at_most: int = Field(default=1000, ge=1, description="Most pages that are read; a feed with more is refused.")

    @model_validator(mode="after")
    def _one_way(self) -> Self:
        if (self.parameter is None) == (self.next is None):
            raise ValueError("give either parameter (the page's number) or next (where the next page's URL is)")
        return self

    @property
    def start(self) -> int:
        """The parameter of the first page."""
        return 0 if self.counts == "records" else self.first


class Source(Part):
    """Where the documents are."""

    url: str = Field(
        min_length=1,
        description="`http(s)://…`, `ckan+https://portal/dataset-id`, `file:///path`, or `s3://bucket/key` and every "
        "other URL that fsspec knows. `{start}` and `{end}` become the days asked for; `${NAME}` is read from the "
        "environment.",
    )
    headers: dict[str, str] = Field(
        default={},
        description="Headers of each request, sent to the URL's own server only; `${NAME}` is read from the "
        "environment and never shown.",
    )
    pages: Pages | None = Field(default=None, description="How an answer in several pages is read.")
    member: str | None = Field(
        default=None,
        description="Which file of a zip that holds several: a name, or a pattern such as `*.csv`.",
    )


class Dialect(Part):
    """How a text is written; the words are Frictionless's."""

    delimiter: Mark = Field(default=",", description="Separates fields.")
    quote_char: Mark | None = Field(
        default='"', alias="quoteChar", description="Quotes a field that contains the delimiter; null for none."
    )
    decimal_char: Literal[".", ","] = Field(default=".", alias="decimalChar", description="Decimal separator.")
    group_char: Annotated[Character, Field(pattern=r"^[^0-9A-Za-z+-]$")] | None = Field(
        default=None, alias="groupChar", description="Thousands separator."
    )
    skip_initial_space: bool = Field(
        default=False,
        alias="skipInitialSpace",
        description="Whether spaces before a field mean nothing: true with the delimiter ' ' where columns are aligned "
        "by several.",
    )
    comment_char: Annotated[str, Field(min_length=1)] | None = Field(
        default=None, alias="commentChar", description="A line that begins with it is a comment."
    )
    header: bool = Field(
        default=True, description="Whether there is a header; without one, columns are named field1, field2, …"
    )
    header_rows: tuple[Annotated[int, Field(ge=1)], ...] = Field(
        default=(1,),
        min_length=1,
        alias="headerRows",
        description="Line numbers of the header; lines before it are skipped.",
    )
    header_join: str = Field(
        default=" ", alias="headerJoin", description="Joins the lines of a header that has several."
    )
    missing_values: tuple[str, ...] = Field(
        default=("",), alias="missingValues", description='Texts that mean "no value": "", N/A, -.'
    )
    true_values: tuple[str, ...] = Field(
        default=(), alias="trueValues", description="Texts that are the number 1 in a column of yes and no: `[True]`."
    )
    false_values: tuple[str, ...] = Field(
        default=(), alias="falseValues", description="Texts that are the number 0 there: `[False]`."
    )
    encoding: str = Field(default="utf-8", description="Text encoding, such as utf-8, iso-8859-1 or windows-1252.")

    @model_validator(mode="after")
    def _distinct(self) -> Self:
        if self.delimiter in {self.decimal_char, self.quote_char}:
            other = "decimalChar" if self.delimiter == self.decimal_char else "quoteChar"
            if other == "quoteChar":
                raise ValueError(f"delimiter and quoteChar are both {self.delimiter!r}")
        if self.group_char == self.decimal_char:
            raise ValueError(f"groupChar and decimalChar are both {self.decimal_char!r}")
        words = Counter((*set(self.missing_values), *set(self.true_values), *set(self.false_values)))
        if twice := [word for word, count in words.items() if count > 1]:
            raise ValueError(f"{twice[0]!r} is in more than one of missingValues, trueValues and falseValues")
        try:
            "".encode(self.encoding)
        except LookupError as error:
            raise ValueError(f"{self.encoding!r} is no encoding, such as utf-8 or iso-8859-1") from error
        return self


class Day(Part):
    """Which day a row is of."""

    column: Names = Field(
        default=("Date",),
        min_length=1,
        description="The column of the day; texts of several (year, month, day) are joined by a space.",
    )
    format: Formats = Field(
        default=("%Y-%m-%d",),
        min_length=1,
        description="How it is written: strptime's directives, `dd/mm/yyyy`, `unix` or `unix_ms`; `...` at the "
        "end stands for any text. Several where a file mixes its spellings.",
    )
    time_zone: TimeZone = Field(default="UTC", description="Time zone of the days, and of times that have no offset.")
    begins_at: time = Field(default=time(0), description="When a day begins: 06:00 for a gas day.")
    stamp: Literal["start", "end"] = Field(
        default="start",
        description="Whether a row's time is the start or the end of the interval that its value covers.",
    )

    @field_validator("column")
    @classmethod
    def _is_chosen(cls, column: tuple[str, ...]) -> tuple[str, ...]:
        if "?" in column:
            raise ValueError("'?' stands for a column that is to be chosen; write its name")
        return column


class Aggregate(Part):
    """How several rows of a day become its value."""

    method: Literal["sum", "mean", "max", "min", "last", "count"] = Field(
        description="How the rows of a day are combined; `count` counts those with anything in the column, such as "
        "arrivals. A day without a row has no value."
    )
    every_minutes: int | None = Field(
        default=None,
        ge=1,
        le=1440,
        description="Minutes between two rows, which give the number of rows of a complete day.",
    )
    min_share: float = Field(
        default=1.0, ge=0, le=1, description="Smallest share of a day's rows that makes a value; needs every_minutes."
    )


class Long(Part):
    """One row a series and day."""

    series: Names = Field(min_length=1, description="The columns that name the series.")
    value: Names = Field(min_length=1, description="The column of the value; of several, each is a series of its own.")
    join: str = Field(default=" / ", description="Joins the names of several columns.")


class Series(Part):
    """Which columns (or, in a long layout, names) are series, and what they are called."""

    include: tuple[str, ...] | None = Field(
        default=None, description="Only these series, by their published names; null for all."
    )
    exclude: tuple[str, ...] = Field(default=(), description="All series but these, by their published names.")
    rename: dict[str, str] = Field(default={}, description="New names, keyed by the published names.")
    prefix: str = Field(
        default="", description="Put before each name, so that the series of two feeds have different names."
    )
    unit_factor: FiniteFloat = Field(default=1.0, description="Each value is multiplied by it.")

    @model_validator(mode="after")
    def _not_both(self) -> Self:
        if self.include is not None and (both := sorted(set(self.include) & set(self.exclude))):
            raise ValueError(f"include and exclude both name {both[0]!r}")
        if not self.unit_factor:
            raise ValueError("a unit_factor of 0 would make every value 0")
        return self


class Covariate(Part):
    """A series that forecasts use and that is not forecast."""

    unique_id: str = Field(description="Its name, after rename and prefix.")
    known: Literal["at_cutoff", "in_advance", "by_target_day"] = Field(
        default="at_cutoff",
        description="`at_cutoff`: at the day's end. `in_advance`: a series a day ahead, each under the day on which it "
        "was made. `by_target_day`: a plan under its own day; days to come are kept in `planned_values`.",
    )
    delay_days: int = Field(default=0, ge=0, le=30, description="Days by which its values come later than that.")
    of: str = Field(
        default=SERIES,
        description="The series that it is of, where unique_id has `{series}` in it: `{series} promotion` with "
        "`{series} sales` here. By default `{series}` is the whole name.",
    )
    groups: dict[str, tuple[str, ...]] = Field(
        default={}, description="Series by the name of their group, where `{series}` in unique_id is that name."
    )
    days_ahead: int = Field(
        default=15, ge=1, le=MAX_DAYS_AHEAD, description="Of `by_target_day`: how many of the next days are used."
    )
    known_days_ahead: int = Field(
        default=0, ge=0, le=731,
        description="Of `by_target_day`: how many days before its day a value was known that came with the first load, "
        "or was loaded after its day.",
    )  # fmt: skip

    @model_validator(mode="after")
    def _can_be_used(self) -> Self:
        try:
            self.declared()
        except ConfigurationError as error:
            raise ValueError(error.problem) from error
        return self

    def document(self) -> dict[str, Any]:
        """As FORECASTING_EXOGENOUS declares it."""
        return {**self.model_dump(exclude_defaults=True), "unique_id": self.unique_id, "known": self.known}

    def declared(self) -> Exogenous:
        """The exogenous series that it declares.

        Raises:
            ConfigurationError: its fields do not fit together; says which.
        """
        return exogenous_from([self.document()])[0]

"""A description's file: what it says, and the line of each fault."""

from datetime import date, time
from pathlib import Path

import pytest

from forecasting_platform.errors import FeedDescriptionError
from forecasting_platform.feed_description.calendar import ClosedDays
from forecasting_platform.feed_description.description import FeedDescription
from forecasting_platform.feed_description.file import parse_description, read_description, read_descriptions

WHOLE = """\
name: gas
source:
  url: https://host/feed.csv
  headers: {x-key: "${GAS_KEY}"}
dialect: {delimiter: ";", decimalChar: ",", missingValues: ["", N/A]}
day: {column: Date, format: ["%d.%m.%Y", "%Y-%m-%d"], begins_at: 06:00, time_zone: Europe/Berlin}
series: {exclude: [Total], rename: {Corrib: Corrib production}}
calendar: {weekdays: friday, holidays: NO, closed: [2024-12-24, {start: 2024-01-01, end: 2024-01-05}]}
publication: {lag_days: 2, at: 16:00}
"""


def test_a_description_says_what_stands_in_it_and_the_defaults() -> None:
    found = parse_description(WHOLE, "gas.yaml")
    assert found.source.headers == {"x-key": "${GAS_KEY}"}
    assert (found.dialect.delimiter, found.dialect.decimal_char) == (";", ",")
    assert found.dialect.missing_values == ("", "N/A")
    assert (found.day.format, found.day.begins_at) == (("%d.%m.%Y", "%Y-%m-%d"), time(6))
    assert found.calendar.closed == (date(2024, 12, 24), ClosedDays(start=date(2024, 1, 1), end=date(2024, 1, 5)))
    assert found.publication is not None
    assert (found.publication.lag_days, found.publication.at) == (2, time(16))
    assert (found.format, found.long, found.aggregate) == (None, None, None)


def test_words_that_yaml_takes_for_something_else_stay_words() -> None:
    """YAML 1.1 reads NO as false and 16:00 as 960."""
    found = parse_description(WHOLE, "gas.yaml")
    assert found.calendar.holidays == ("NO",)
    assert found.publication is not None
    assert found.publication.at == time(16)


@pytest.mark.parametrize(
    ("text", "line", "problem"),
    [
        ("", 1, "is no description; it begins with `source:` and its `url:`"),
        ("- a\n", 1, "is no description"),
        ("name: a\n", 1, "`source`: is missing"),
        ("source:\n  url: x\n  urll: y\n", 3, "`source.urll`: is no word of a feed's description"),
        ("source: {url: x}\nday:\n  format: '%Q'\n", 3, "'%Q' is no format of a day"),
        ("source: {url: x}\nday:\n  column: a\n  column: b\n", 4, "'column' is given a second time"),
        ("source: {url: x\n", 2, "is no YAML"),
        ("source: {url: x}\ncalendar:\n  closed:\n    - 2024-13-01\n", 4, "found '2024-13-01'"),
        ("source: {url: x}\ncalendar:\n  weekdays: funday\n", 3, "found 'funday'"),
        ("source: {url: x}\nlong:\n  series: a\n", 2, "`long.value`: is missing"),
        ("source: {url: x}\nday:\n  time_zone: Mars/Base\n", 3, "'Mars/Base' is no time zone of the IANA database"),
        ("source: {url: x}\ndialect:\n  encoding: klingon\n", 2, "'klingon' is no encoding"),
        ("source: {url: x}\ndialect:\n  trueValues: [y]\n  falseValues: [y]\n", 2, "'y' is in more than one of"),
        ('source: {url: x}\ndialect:\n  delimiter: "\\n"\n', 3, "`dialect.delimiter`"),
        ("source: {url: x}\ndialect:\n  delimiter: §\n", 3, "`dialect.delimiter`"),
        ("source: {url: x}\ndialect:\n  groupChar: x\n", 3, "`dialect.groupChar`"),
        ("source: {url: x}\nrecords: '[['\n", 2, "is no JMESPath expression"),
        ("source: {url: x}\naggregate: {method: sum, min_share: 0.5}\n", 1, "min_share needs every_minutes"),
        ("source: {url: x}\nday: {format: '%Y-%m-%d %H:%M'}\naggregate: {method: count, every_minutes: 60}\n", 1,
         "events that are counted have none"),
        ("source: {url: x}\nformat: jsonl\norient: index\n", 1, "orient is of JSON, and format is jsonl"),
        ("source: {url: x}\ndays_are_columns: true\n", 1, "days_are_columns needs long"),
        ("source: {url: x}\norient: index\nday: {column: [y, m]}\n", 1, "day.column names several columns"),
        ("source: {url: x}\nday: {column: '?'}\n", 2, "stands for a column that is to be chosen"),
        ("source: {url: x}\nlong: {series: a, value: a}\n", 1, "long.value names 'a'"),
        ("name: Not a name\nsource: {url: x}\n", 1, "found 'Not a name'"),
    ],
)  # fmt: skip
def test_a_fault_is_told_with_its_line(text: str, line: int, problem: str) -> None:
    with pytest.raises(FeedDescriptionError) as caught:
        parse_description(text, "gas.yaml")
    assert caught.value.line == line
    assert str(caught.value).startswith(f"the feed's description gas.yaml, line {line}: ")
    assert problem in str(caught.value)


def test_a_feed_is_called_as_its_file_where_it_has_no_name(tmp_path: Path) -> None:
    (tmp_path / "Gas-supply 2.yaml").write_text("source: {url: x}", encoding="utf-8")
    assert read_description(tmp_path / "Gas-supply 2.yaml").name == "gas_supply_2"


def test_a_folder_holds_a_feed_a_file_each_of_another_name(tmp_path: Path) -> None:
    with pytest.raises(FeedDescriptionError, match="holds no description"):
        read_descriptions(tmp_path)
    (tmp_path / "b.yaml").write_text("source: {url: y}", encoding="utf-8")
    (tmp_path / "a.yml").write_text("source: {url: x}", encoding="utf-8")
    assert [each.name for each in read_descriptions(tmp_path)] == ["a", "b"]
    (tmp_path / "c.yaml").write_text("name: a\nsource: {url: y}", encoding="utf-8")
    with pytest.raises(FeedDescriptionError, match="another file here describes a feed 'a' too"):
        read_descriptions(tmp_path)


@pytest.mark.parametrize(("content", "problem"), [(None, "No such file"), (b"\xff", "is no UTF-8 text")])
def test_a_file_that_cannot_be_read_is_named(tmp_path: Path, content: bytes | None, problem: str) -> None:
    path = tmp_path / "gas.yaml"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(FeedDescriptionError, match=problem) as caught:
        read_description(path)
    assert "gas.yaml" in str(caught.value)


def test_the_default_shape_is_a_description_too() -> None:
    found = FeedDescription.of_default_shape("https://host/feed")
    assert (found.day.column, found.day.format, found.format) == (("Date",), ("dd/mm/yyyy",), None)

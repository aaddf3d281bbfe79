"""Documents of other shapes than the default one, as their descriptions say."""

import io
import json
import zipfile
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pandas as pd
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st
from openpyxl import Workbook
from pyarrow import parquet

from forecasting_platform.adapters.feeds.documents import typed_rows
from forecasting_platform.adapters.feeds.documents.feed_document import read_document
from forecasting_platform.errors import FeedDocumentError
from forecasting_platform.feed_description.file import parse_description
from forecasting_platform.forecasting.series.days.date_range import DateRange
from forecasting_platform.ports.observation_feed import FeedDocument
from forecasting_platform_tests.support.workbooks import workbook

NOW = datetime(2024, 6, 1, 12, tzinfo=UTC)
ALL = DateRange(date(2000, 1, 1), date(2030, 1, 1))


def read(content: str | bytes, description: str = "", *, now: datetime = NOW, period: DateRange = ALL) -> FeedDocument:
    return read_document(
        content.encode() if isinstance(content, str) else content,
        description=parse_description(f"source: {{url: 'https://host/feed'}}\n{description}", "feed.yaml"),
        content_type=None,
        source="feed",
        fetched_at=now,
        period=period,
    )


def values(document: FeedDocument) -> list[tuple[str, str, float]]:
    rows = document.observations
    return list(zip(rows["unique_id"], rows["ds"].dt.strftime("%m-%d"), rows["y"], strict=True))


def refused(document: FeedDocument) -> list[tuple[str | None, str]]:
    return list(zip(document.quarantined["unique_id"], document.quarantined["reason"], strict=True))


# --- dialects ---


def test_newest_first_with_a_trailing_comma_and_words_for_no_value() -> None:
    content = "Date,USD,CYP,\n2024-01-03,1.2,N/A,\n2024-01-02,1.1,0.5,\n"
    document = read(content, "dialect: {missingValues: [N/A]}")
    assert values(document) == [("CYP", "01-02", 0.5), ("USD", "01-02", 1.1), ("USD", "01-03", 1.2)]
    assert document.unpublished == (("CYP", date(2024, 1, 3)),)
    assert document.quarantined.empty


@pytest.mark.parametrize("content", [
    "Date,sales,promotion\n2024-01-01,10,True\n2024-01-02,12,False\n2024-01-03,3,maybe\n",
    """[{"Date": "2024-01-01", "promotion": true}, {"Date": "2024-01-02", "promotion": false},
    {"Date": "2024-01-03", "promotion": "maybe"}]""",
], ids=["csv", "json"])  # fmt: skip
def test_words_declared_as_true_and_false_are_1_and_0_and_others_are_refused(content: str) -> None:
    document = read(content, "dialect: {trueValues: [true, True], falseValues: [false, False]}")
    assert [row for row in values(document) if row[0] == "promotion"] == [
        ("promotion", "01-01", 1.0), ("promotion", "01-02", 0.0),
    ]  # fmt: skip
    assert refused(document) == [("promotion", "not a number")]


def test_semicolons_decimal_commas_groups_and_another_encoding() -> None:
    content = "Datum;Größe\n01.02.2024;1.234,5\n02.02.2024;-7\n03.02.2024;1.23,4\n".encode("iso-8859-1")
    document = read(
        content,
        "dialect: {delimiter: ';', decimalChar: ',', groupChar: '.', encoding: iso-8859-1}\n"
        "day: {column: Datum, format: '%d.%m.%Y'}",
    )
    assert values(document) == [("Größe", "02-01", 1234.5), ("Größe", "02-02", -7.0)]
    assert refused(document) == [("Größe", "not a number")]


@pytest.mark.parametrize("space", [" ", "\u00a0", "\u202f"])
def test_groups_may_be_parted_by_any_space(space: str) -> None:
    content = f"Date;a\n2024-01-01;1{space}234{space}567,5\n"
    document = read(content, "dialect: {delimiter: ';', decimalChar: ',', groupChar: ' '}")
    assert values(document) == [("a", "01-01", 1234567.5)]


def test_a_file_without_a_header_has_numbered_fields_and_three_columns_may_be_the_day() -> None:
    content = "2024;01;31;2024.085; 124; 14.5\n2024;02;01;2024.087;  -1; 15.0\n"
    document = read(
        content,
        "dialect: {delimiter: ';', header: false, missingValues: ['-1']}\n"
        "day: {column: [field1, field2, field3], format: '%Y %m %d'}\n"
        "series: {include: [field5], rename: {field5: sunspots}}",
    )
    assert values(document) == [("sunspots", "01-31", 124.0)]
    assert document.unpublished == (("sunspots", date(2024, 2, 1)),)


def test_lines_before_the_header_comments_and_a_header_of_two_lines() -> None:
    content = "Exported on Monday\n# units\nDate,Gas,Gas\n,supply,demand\n2024-01-01,1,2\n# end\n"
    document = read(content, "dialect: {commentChar: '#', headerRows: [2, 3]}")
    assert values(document) == [("Gas demand", "01-01", 2.0), ("Gas supply", "01-01", 1.0)]


def test_a_quote_that_is_never_closed_condemns_the_document_instead_of_swallowing_its_rows() -> None:
    with pytest.raises(FeedDocumentError, match="it is not valid CSV: unexpected end of data at line 4"):
        read('Date,a\n2024-01-01,"1\n2024-01-02,2\n2024-01-03,3\n')


def test_quoted_fields_may_hold_delimiters_and_line_breaks() -> None:
    content = 'Date,"a, b",note\n2024-01-01,"1","two\nlines"\n2024-01-02,2,x\n'
    assert values(read(content, "series: {exclude: [note]}")) == [("a, b", "01-01", 1.0), ("a, b", "01-02", 2.0)]


# --- other formats ---


def test_json_records_anywhere_with_numbers_as_text() -> None:
    content = '{"data": {"rows": [{"day": "2024-01-01", "a": "741.9174", "b": "-"}, {"day": "2024-01-02", "a": 5}]}}'
    document = read(content, "records: data.rows\nday: {column: day}\ndialect: {missingValues: ['-']}")
    assert values(document) == [("a", "01-01", 741.9174), ("a", "01-02", 5.0)]
    assert document.unpublished == (("b", date(2024, 1, 1)),)


@pytest.mark.parametrize(
    ("content", "description"),
    [
        ('{"error": "access denied", "data": []}', "records: data"),
        (
            '{"state": "access denied", "data": [{"Date": "2024-01-01", "a": 1}]}',
            "records: data\nerror: state",
        ),
    ],
)
def test_an_answer_that_is_an_error_is_told_with_its_message(content: str, description: str) -> None:
    with pytest.raises(FeedDocumentError, match="the source answered with an error: access denied"):
        read(content, description)


@pytest.mark.parametrize("described", ["records: sort(a)", "records: nothing(a)", "records: b\nerror: length(a)"])
def test_an_expression_that_does_not_fit_the_document_is_told(described: str) -> None:
    with pytest.raises(FeedDocumentError, match=r"the expression '.*\(a\)' cannot be applied to it"):
        read('{"a": 1, "b": []}', described)


def test_a_decimal_comma_is_of_text_and_never_of_a_json_number() -> None:
    document = read('[{"Date": "2024-01-01", "a": 1.5, "b": "1,5"}]', "dialect: {decimalChar: ',', groupChar: '.'}")
    assert values(document) == [("a", "01-01", 1.5), ("b", "01-01", 1.5)]


def test_a_bad_line_of_json_lines_is_refused_alone() -> None:
    document = read('{"Date": "2024-01-01", "a": 1}\n{"Date": \n\n{"Date": "2024-01-03", "a": 3}\n', "format: jsonl")
    assert values(document) == [("a", "01-01", 1.0), ("a", "01-03", 3.0)]
    ((_, reason),) = refused(document)
    assert reason.startswith("the line is not valid JSON: Expecting value at line 1")


ORIENTED: dict[str, Any] = {
    "records: daily\norient: list": {"daily": {"Date": ["2024-01-01", "2024-01-02"], "a": [1, 2], "b": [3, None]}},
    "orient: index": {"2024-01-01": {"a": 1, "b": 3}, "2024-01-02": {"a": 2, "b": None}},
    "records: p.all\norient: columns": {
        "p": {"all": {"a": {"2024-01-01": 1, "2024-01-02": 2}, "b": {"2024-01-01": 3}}}
    },
}


@pytest.mark.parametrize(("described", "document"), ORIENTED.items(), ids=["list", "index", "columns"])
def test_json_may_hold_its_rows_by_column_or_by_day(described: str, document: dict[str, Any]) -> None:
    expected = [("a", "01-01", 1.0), ("a", "01-02", 2.0), ("b", "01-01", 3.0)]
    assert values(read(json.dumps(document), described)) == expected


def test_a_number_a_day_is_a_column_of_values() -> None:
    found = read('{"20240102": 5.25, "20240103": "x"}', 'orient: index\nday: {column: day, format: "%Y%m%d"}')
    assert values(found) == [("value", "01-02", 5.25)]
    assert refused(found) == [("value", "not a number")]


@pytest.mark.parametrize(
    ("content", "described", "said"),
    [
        ('{"Date": ["2024-01-01"], "a": [1, 2]}', "orient: list", "different lengths ('Date: 1', 'a: 2')"),
        ('{"Date": "2024-01-01"}', "orient: list", "no list a column"),
        ('[{"Date": "2024-01-01"}]', "orient: list", "an object with a list a column (orient: list) is expected"),
        ('{"2024-01-01": {"Date": "x", "a": 1}}', "orient: index", "a column 'Date' of their own"),
        ('{"data": 5}', "records: data\norient: columns", "(orient: columns) is expected at 'data'"),
    ],
)
def test_json_of_another_orientation_than_described_is_refused_in_words(
    content: str, described: str, said: str
) -> None:
    with pytest.raises(FeedDocumentError) as raised:
        read(content, described)
    assert said in str(raised.value)


def test_json_lines_may_be_nested_and_a_bad_line_stands_alone() -> None:
    lines = [
        '{"at": {"day": "2024-01-01"}, "load": {"mw": 5}}',
        "broken",
        '{"at": {"day": "2024-01-02"}, "load": {"mw": "x"}}',
    ]
    described = 'format: jsonl\nrecords: "[*].{day: at.day, mw: load.mw}"\nday: {column: day}'
    found = read("\n".join(lines), described)
    assert values(found) == [("mw", "01-01", 5.0)]
    assert found.quarantined["raw"].tolist() == ["broken", "x"]


def test_days_that_are_columns_become_rows() -> None:
    content = "place,Lat,1/2/24,1/3/24,note\nCork,51.9,5,6,x\nGalway,53.3,7,?,y\n"
    described = 'days_are_columns: true\nday: {format: "%m/%d/%y"}\nlong: {series: place, value: seen}'
    found = read(content, described)
    assert values(found) == [("Cork", "01-02", 5.0), ("Cork", "01-03", 6.0), ("Galway", "01-02", 7.0)]
    assert refused(found) == [("Galway", "not a number")]
    assert values(read(content, described, period=DateRange(date(2024, 1, 3), date(2024, 1, 3)))) == [
        ("Cork", "01-03", 6.0)
    ]


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("place,v\nCork,1\n", "no column of it is named by a day"),
        ("place,Date,2024-01-01\nCork,1,2\n", "its column 'Date' has the name"),
        ("place,seen,2024-01-01\nCork,1,2\n", "its column 'seen' has the name"),
    ],
)
def test_a_table_that_cannot_be_turned_is_refused_in_words(content: str, said: str) -> None:
    with pytest.raises(FeedDocumentError) as raised:
        read(content, "days_are_columns: true\nlong: {series: place, value: seen}")
    assert said in str(raised.value)


def test_the_name_of_a_group_of_columns_is_that_of_each() -> None:
    content = "Armagh\nday,load,,wind\n,real,plan,real\n2024-01-01,1,2,3\n"
    found = read(content, "dialect: {headerRows: [2, 3]}\nday: {column: day}")
    assert [name for name, _, _ in values(found)] == ["load plan", "load real", "wind real"]


def test_spaces_may_align_the_columns() -> None:
    aligned = "Station of Armagh\n  yyyy mm  dd   tmax\n  2023  1   2    9.5\n  2023 12  31   -0.5 \n"
    found = read(
        aligned,
        'dialect: {delimiter: " ", skipInitialSpace: true, headerRows: [2]}\n'
        'day: {column: [yyyy, mm, dd], format: "%Y %m %d"}',
    )
    assert values(found) == [("tmax", "01-02", 9.5), ("tmax", "12-31", -0.5)]


def test_the_start_of_an_interval_is_the_day_of_its_row() -> None:
    content = "when,v\n01.01.2024 22:00 - 01.01.2024 23:00,1\n01.01.2024 23:00 - 02.01.2024 00:00,2\n"
    found = read(content, 'day: {column: when, format: "%d.%m.%Y %H:%M - ..."}\naggregate: {method: sum}')
    assert values(found) == [("v", "01-01", 3.0)]


def test_events_are_counted_whatever_their_cells_say() -> None:
    day = 'day: {column: at, format: "%Y-%m-%d %H:%M"}\naggregate: {method: count}'
    wide = "at,ward\n2024-01-01 03:10,A\n2024-01-01 03:10,A\n2024-01-01 09:00,\n2024-01-02 02:00,A\n"
    found = read(wide, f"{day}\nseries: {{unit_factor: 10}}")
    assert values(found) == [("ward", "01-01", 20.0), ("ward", "01-02", 10.0)]
    assert found.quarantined.empty, "an empty cell is no event, and makes no day incomplete"
    long = "at,ward,n\n2024-01-01 03:10,A,x\n2024-01-01 09:00,B,x\n2024-01-01 10:00,A,y\n"
    assert values(read(long, f"{day}\nlong: {{series: ward, value: n}}")) == [("A", "01-01", 2.0), ("B", "01-01", 1.0)]


def test_parquet_with_days_and_moments_of_its_own() -> None:
    table = pa.table(
        {
            "day": pa.array([date(2024, 1, 1), date(2024, 1, 2), None]),
            "a": pa.array([0.1, float("nan"), 3.0]),
            "b": pa.array([1, None, 3]),
            "tags": pa.array([["x"], [], []]),
        }
    )
    buffer = io.BytesIO()
    parquet.write_table(table, buffer)
    document = read(buffer.getvalue(), "format: parquet\nday: {column: day}")
    assert values(document) == [("a", "01-01", 0.1), ("b", "01-01", 1.0)]
    assert document.unpublished == (("a", date(2024, 1, 2)), ("b", date(2024, 1, 2)))
    assert refused(document) == [(None, "the row has no text in day")]
    with pytest.raises(FeedDocumentError, match="it is no Parquet file"):
        read(b"PAR1 and no more", "format: parquet")


def test_a_number_of_parquet_comes_back_to_the_last_digit() -> None:
    numbers = [0.1, 1 / 3, 1e-300, 123456789.123456789, -2.5e17]
    days = [date(2024, 1, day) for day in range(1, 6)]
    buffer = io.BytesIO()
    parquet.write_table(pa.table({"Date": days, "a": numbers}), buffer)
    assert read(buffer.getvalue(), "format: parquet\ndialect: {decimalChar: ','}").observations["y"].tolist() == numbers


def test_a_workbook_has_days_of_its_own_and_notes_above_its_header() -> None:
    book = Workbook()
    sheet = book.active
    assert sheet is not None
    sheet.title = "Data"
    for row in (
        ["Exported"],
        ["Date", "a", "b"],
        [datetime(2024, 1, 1), 1.5, "7,5"],  # noqa: DTZ001 # Excel knows no zones
        [date(2024, 1, 2), 2, None],
        ["Total", 3.5],
    ):
        sheet.append(row)
    buffer = io.BytesIO()
    book.save(buffer)
    content = buffer.getvalue()
    document = read(content, "format: excel\ndialect: {headerRows: [2], decimalChar: ','}")
    assert values(document) == [("a", "01-01", 1.5), ("a", "01-02", 2.0), ("b", "01-01", 7.5)]
    assert refused(document) == [(None, "its date names no day, read as %Y-%m-%d")]
    with pytest.raises(FeedDocumentError, match="it has no sheet 'Other'; found: 'Data'"):
        read(content, "format: excel\nsheet: Other")
    for broken in (b"PK nothing", content[:-100], b"\xd0\xcf\x11\xe0 an old workbook"):
        with pytest.raises(FeedDocumentError, match=r"it is no workbook \(XLSX\): .* saved as XLSX"):
            read(broken, "format: excel")


def with_part(content: bytes, name: str, change: Callable[[str], str]) -> bytes:
    """A workbook with one of its parts changed."""
    changed = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(content)) as parts, zipfile.ZipFile(changed, "w") as others:
        for part in parts.namelist():
            text = parts.read(part).decode()
            others.writestr(part, change(text) if part == name else text)
    return changed.getvalue()


SHEET = "xl/worksheets/sheet1.xml"


def test_a_workbook_with_one_cell_in_its_last_corner_is_refused_and_ends_no_process() -> None:
    """A reader that allocates what a sheet spans would ask for half a terabyte."""
    corner = '<row r="1048576"><c r="XFD1048576"><v>1</v></c></row></sheetData>'
    content = workbook([["Date", "a"], ["2024-01-01", 1.0]])
    with pytest.raises(FeedDocumentError, match="it has more than 10,000,000 cells"):
        read(with_part(content, SHEET, lambda xml: xml.replace("</sheetData>", corner)), "format: excel")


def test_rows_beyond_the_size_that_a_sheet_says_it_has_are_read() -> None:
    content = workbook([["Date", "a"], ["2024-01-01", 1.0], ["2024-01-02", 2.0]])
    lies = with_part(content, SHEET, lambda xml: xml.replace("<sheetData>", '<dimension ref="A1:B2"/><sheetData>'))
    assert values(read(lies, "format: excel")) == [("a", "01-01", 1.0), ("a", "01-02", 2.0)]


def test_a_small_file_that_unpacks_to_more_than_memory_is_for_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    once = pa.DictionaryArray.from_arrays(pa.array([0] * 2000, pa.int32()), pa.array(["x" * 1_000_000]))
    table = pa.table({"Date": ["2024-01-01"] * 2000, "a": once})
    buffer = io.BytesIO()
    parquet.write_table(table, buffer)
    assert len(buffer.getvalue()) < 1_000_000
    with pytest.raises(FeedDocumentError, match=r"unpacked it has 2,000,020,000 bytes, more than 1,073,741,824"):
        read(buffer.getvalue(), "format: parquet")
    monkeypatch.setattr(typed_rows, "MAX_UNPACKED_BYTES", 1000)
    with pytest.raises(FeedDocumentError, match=r"more than 1,000\. Leave out columns"):
        read(workbook([["Date", "a"], ["2024-01-01", 1.0]]), "format: excel")


# --- layouts and names ---


def test_a_long_layout_has_a_row_a_series_and_day() -> None:
    content = "store,item,day,sales,visitors\n1,a,2024-01-02,5,9\n1,a,2024-01-01,4,8\n2,a,2024-01-01,7,\n"
    long = "day: {column: day}\nlong: {series: [store, item], value: sales}"
    assert values(read(content, long)) == [("1 / a", "01-01", 4.0), ("1 / a", "01-02", 5.0), ("2 / a", "01-01", 7.0)]
    several = "day: {column: day}\nlong: {series: store, value: [sales, visitors], join: ' '}\n"
    several += "series: {exclude: [1 sales]}"
    document = read(content, several)
    assert values(document) == [("1 visitors", "01-01", 8.0), ("1 visitors", "01-02", 9.0), ("2 sales", "01-01", 7.0)]
    assert document.unpublished == (("2 visitors", date(2024, 1, 1)),)


def test_one_bad_cell_of_a_long_document_stops_no_other_series() -> None:
    document = read("s,Date,v\na,2024-01-01,x\nb,2024-01-01,1\n\n", "long: {series: s, value: v}")
    assert values(document) == [("b", "01-01", 1.0)]
    assert refused(document) == [("a", "not a number")]


def test_series_are_chosen_renamed_prefixed_and_converted() -> None:
    content = "Date,a,b,c\n2024-01-01,1,2,x\n"
    document = read(content, "series: {exclude: [c], rename: {a: Corrib}, prefix: 'gas ', unit_factor: 0.5}")
    assert values(document) == [("gas Corrib", "01-01", 0.5), ("gas b", "01-01", 1.0)]
    with pytest.raises(FeedDocumentError, match="'a' and 'b' would both be called 'b'"):
        read(content, "series: {rename: {a: b}}")


@pytest.mark.parametrize(
    "description",
    ["series: {include: [a, z]}", "long: {series: z, value: a}", "long: {series: b, value: z}", "day: {column: z}"],
)
def test_a_declared_column_that_is_missing_condemns_the_document(description: str) -> None:
    with pytest.raises(FeedDocumentError, match=r"it has no column 'z'; found: 'Date', 'a', 'b'"):
        read("Date,a,b\n2024-01-01,1,2\n", description)


def test_a_column_of_text_is_refused_once_and_not_a_cell_at_a_time() -> None:
    content = "Date,kind,a\n" + "".join(f"2024-01-{day:02d},weekday,{day}\n" for day in range(1, 30))
    document = read(content)
    assert len(document.observations) == 29
    ((name, reason),) = refused(document)
    assert name == "kind"
    assert reason == "no cell of the column is a number, in 29 rows; leave it out with series.exclude"


def test_a_bad_cell_of_a_day_is_no_column_of_text_where_the_document_has_numbers() -> None:
    content = "Date,a\n2024-01-01,1\n2024-01-02,x\n2024-01-03,y\n"
    period = DateRange(date(2024, 1, 2), date(2024, 1, 3))
    assert refused(read(content, period=period)) == [("a", "not a number")] * 2


# --- days ---


def test_several_formats_of_a_file_that_mixes_its_spellings() -> None:
    document = read("Date,a\n1 Jan 2024,1\n2024-01-02,2\n", "day: {format: ['%d %b %Y', '%Y-%m-%d']}")
    assert values(document) == [("a", "01-01", 1.0), ("a", "01-02", 2.0)]


def test_newest_first_days_written_month_first_are_still_found_out() -> None:
    days = [date(2024, 5, 1) - timedelta(days=n) for n in range(60)]
    content = "Date,a\n" + "".join(f"{day:%m/%d/%Y},1\n" for day in days)
    with pytest.raises(FeedDocumentError, match=r"FORECASTING_FEED_DATE_FORMAT, or day\.format"):
        read(content, "day: {format: '%d/%m/%Y'}")
    assert len(read(content, "day: {format: '%m/%d/%Y'}").observations) == 60


def test_days_that_begin_with_the_year_are_never_in_doubt() -> None:
    """One row a month: read day first, it could be a document of days in January."""
    content = "Date,a\n" + "".join(f"2023-{month:02d}-01,{month}\n" for month in range(1, 13))
    assert len(read(content).observations) == 12


def test_the_rows_of_a_gas_day_are_added_up_from_six_to_six() -> None:
    first = datetime(2024, 1, 1, 6, tzinfo=ZoneInfo("Europe/Dublin"))
    rows = [(first + timedelta(hours=hour), hour) for hour in range(48)]
    content = "Date,a\n" + "".join(f"{moment:%Y-%m-%dT%H:%M%z},{value}\n" for moment, value in rows)
    described = (
        "day: {format: '%Y-%m-%dT%H:%M%z', time_zone: Europe/Dublin, begins_at: 06:00}\n"
        "aggregate: {method: sum, every_minutes: 60}"
    )
    assert values(read(content, described)) == [("a", "01-01", sum(range(24))), ("a", "01-02", sum(range(24, 48)))]


@pytest.mark.parametrize(("method", "value"), [("sum", 6.0), ("mean", 1.5), ("max", 3.0), ("min", 0.0), ("last", 3.0)])
def test_what_becomes_of_the_rows_of_a_day(method: str, value: float) -> None:
    content = "Date,a\n" + "".join(f"2024-01-01 {6 * n:02d}:00,{n}\n" for n in (3, 0, 2, 1))
    described = f"day: {{format: '%Y-%m-%d %H:%M'}}\naggregate: {{method: {method}, every_minutes: 360}}"
    assert values(read(content, described)) == [("a", "01-01", value)]


@pytest.mark.parametrize(("day", "hours"), [(date(2024, 3, 31), 23), (date(2023, 10, 29), 25), (date(2024, 3, 30), 24)])
@pytest.mark.parametrize("written", ["%Y-%m-%dT%H:%M%z", "%Y-%m-%d %H:%M"])
def test_a_day_on_which_the_clock_changes_has_an_hour_less_or_more(day: date, hours: int, written: str) -> None:
    zone = ZoneInfo("Europe/Dublin")
    start = datetime(day.year, day.month, day.day, tzinfo=zone).astimezone(UTC)
    content = "Date,a\n" + "".join(
        f"{(start + timedelta(hours=hour)).astimezone(zone):{written}},{hour + 1}\n" for hour in range(hours)
    )
    described = f"day: {{format: '{written}', time_zone: Europe/Dublin}}\naggregate: {{method: sum, every_minutes: 60}}"
    assert values(read(content, described)) == [("a", f"{day:%m-%d}", hours * (hours + 1) / 2)]
    without_last = content[: content.rstrip().rindex("\n") + 1]
    assert read(without_last, described).observations.empty


def test_a_stamp_at_the_end_of_its_hour_belongs_to_the_day_before_midnight() -> None:
    content = "Date,a\n" + "".join(f"2024-01-01 {hour:02d}:00,1\n" for hour in range(1, 25))
    described = "day: {format: '%Y-%m-%d %H:%M', stamp: end}\naggregate: {method: sum, every_minutes: 60}"
    assert values(read(content, described)) == [("a", "01-01", 24.0)]


def test_a_day_with_too_few_rows_is_refused_and_the_newest_one_is_not_published_yet() -> None:
    rows = [(day, hour) for day, hours in ((1, 24), (2, 20), (3, 24), (4, 2)) for hour in range(hours)]
    content = "Date,a\n" + "".join(f"2024-01-{day:02d} {hour:02d}:00,1\n" for day, hour in rows)
    described = "day: {{format: '%Y-%m-%d %H:%M'}}\naggregate: {{method: sum, every_minutes: 60, min_share: {share}}}"
    document = read(content, described.format(share=1.0))
    assert values(document) == [("a", "01-01", 24.0), ("a", "01-03", 24.0)]
    assert refused(document) == [("a", "20 of the 24 rows of the day have a value; the day needs 100% of them")]
    assert document.unpublished == (("a", date(2024, 1, 4)),)
    assert ("a", "01-02", 20.0) in values(read(content, described.format(share=0.8)))


def test_the_newest_day_with_a_value_is_the_newest_one_whose_rows_are_there() -> None:
    rows = [(day, hour) for day, hours in ((1, 24), (2, 24), (3, 20), (4, 2)) for hour in range(hours)]
    content = "Date,a\n" + "".join(f"2024-01-{day:02d} {hour:02d}:00,1\n" for day, hour in rows)
    described = "day: {format: '%Y-%m-%d %H:%M'}\naggregate: {method: sum, every_minutes: 60}"
    for period in (ALL, DateRange(date(2024, 1, 1), date(2024, 1, 1))):
        assert read(content, described, period=period).last_published == date(2024, 1, 2)


def test_two_values_of_one_moment_are_refused_and_equal_ones_are_one() -> None:
    described = "day: {format: '%Y-%m-%d %H:%M'}\naggregate: {method: sum, every_minutes: 720}"
    content = "Date,a,b\n2024-01-01 00:00,1,1\n2024-01-01 00:00,1,2\n2024-01-01 12:00,5,5\n2024-01-02 00:00,0,0\n"
    document = read(content, described)
    assert values(document) == [("a", "01-01", 6.0)]
    assert refused(document)[:2] == [("b", "different values for one moment")] * 2


def test_a_bad_cell_makes_its_day_incomplete_and_never_a_smaller_sum() -> None:
    document = read("Date,a\n2024-01-01,1\n2024-01-01,x\n2024-01-02,3\n2024-01-02,4\n", "aggregate: {method: sum}")
    assert values(document) == [("a", "01-02", 7.0)]


def test_what_is_not_complete_yet_is_not_loaded() -> None:
    content = "Date,a\n2024-05-30,1\n2024-05-31,2\n2024-06-01,3\n"
    described = "publication: {lag_days: 1, at: 15:00}"
    assert len(read(content, described, now=datetime(2024, 6, 1, 14, tzinfo=UTC)).observations) == 1
    assert len(read(content, described, now=datetime(2024, 6, 1, 16, tzinfo=UTC)).observations) == 2
    assert len(read(content).observations) == 3


def test_a_moment_that_says_its_offset_is_never_there_twice() -> None:
    """On that day 01:00 of Dublin's clock is: in summer time, and an hour later without."""
    content = "Date,a\n2023-10-29T01:00+00:00,1\n2023-10-29T01:00+00:00,5\n2023-10-29T02:00+00:00,7\n"
    document = read(
        content,
        "day: {format: '%Y-%m-%dT%H:%M%z', time_zone: Europe/Dublin}\n"
        "aggregate: {method: max, every_minutes: 720, min_share: 0.5}",
    )
    assert values(document) == [("a", "10-29", 7.0)]
    assert refused(document) == [("a", "different values for one moment")] * 2


@pytest.mark.parametrize(
    ("content", "described", "reason"),
    [
        ("Date,a,b\n2024-01-01,1e45,1\n", "series: {unit_factor: 1e10}", "beyond"),
        (
            "Date,a,b\n2024-01-01,9e49,1e-10\n2024-01-01,9e49,0\n",
            "aggregate: {method: sum}",
            "the sum of the day is beyond",
        ),
    ],
)
def test_a_value_that_becomes_too_large_is_refused_alone(content: str, described: str, reason: str) -> None:
    document = read(content, described)
    assert [name for name, _, _ in values(document)] == ["b"]
    ((name, why),) = refused(document)
    assert name == "a"
    assert why == f"{reason} ±1e+50, the range of a value"


# --- days to come ---


def test_a_plan_is_known_before_its_day_and_nothing_else_is() -> None:
    content = "Date,sales,promotion\n2024-05-31,5,0\n2024-06-01,,1\n2024-06-02,,0\n2024-06-03,7,1\n2024-06-04,,x\n"
    described = "covariates: [{unique_id: promotion, known: by_target_day}]\nseries: {unit_factor: 2}"
    document = read(content, described)
    assert values(document) == [("promotion", "05-31", 0.0), ("promotion", "06-01", 2.0), ("sales", "05-31", 10.0)]
    planned = list(zip(document.planned["ds"].dt.strftime("%m-%d"), document.planned["y"], strict=True))
    assert planned == [("06-01", 2.0), ("06-02", 0.0), ("06-03", 2.0)], "of this day too, which no load may ask for"
    assert refused(document) == [("sales", "a day in the future"), ("promotion", "not a number")]
    assert document.refusals.published == DateRange(date(2024, 5, 31), date(2024, 6, 1))
    assert document.last_published == date(2024, 5, 31), "a plan is no news of its day"
    assert read(content, described, period=DateRange(date(2024, 5, 31), date(2024, 5, 31))).planned.equals(
        document.planned
    )


def test_what_is_no_value_of_this_day_is_refused_once() -> None:
    content = "Date,sales,promotion\n2024-05-31,5,0\n2024-06-01,7,x\n2024-06-02,,0\n"
    document = read(content, "covariates: [{unique_id: promotion, known: by_target_day}]")
    assert refused(document) == [("promotion", "not a number")]
    assert document.planned["y"].tolist() == [0.0]


def test_days_to_come_may_stand_before_or_between_the_others() -> None:
    content = "Date,sales,promotion\n2024-06-03,,9\n2024-05-31,5,7\n2024-06-02,,8\n2024-05-30,4,6\n"
    document = read(content, "covariates: [{unique_id: promotion, known: by_target_day}]")
    assert values(document) == [
        ("promotion", "05-30", 6.0),
        ("promotion", "05-31", 7.0),
        ("sales", "05-30", 4.0),
        ("sales", "05-31", 5.0),
    ]
    assert document.planned["y"].tolist() == [8.0, 9.0]


def test_without_a_declared_plan_a_row_of_a_day_to_come_is_refused() -> None:
    document = read("Date,promotion\n2024-06-01,0\n2024-06-02,1\n")
    assert document.planned.empty
    assert refused(document) == [(None, "a day in the future")]


# --- anything ---


@given(
    st.lists(
        st.floats(-1e40, 1e40),
        min_size=1,
        max_size=30,
    ),
    st.randoms(use_true_random=False),
    st.sampled_from([(",", "."), (";", ","), ("\t", ","), ("|", ".")]),
    st.sampled_from(["%Y-%m-%d", "%d %b %Y", "%Y%m%d"]),
)
def test_what_is_written_in_a_described_dialect_comes_back_the_same(
    numbers: list[float], random: "object", marks: tuple[str, str], written: str
) -> None:
    delimiter, decimal = marks
    days = [date(2023, 1, 1) + timedelta(days=place) for place in range(len(numbers))]
    rows = [f"{day:{written}}{delimiter}{repr(y).replace('.', decimal)}" for day, y in zip(days, numbers, strict=True)]
    random.shuffle(rows)  # type: ignore[attr-defined] # hypothesis' Random
    content = f"Date{delimiter}a\n" + "\n".join(rows)
    dialect = f"dialect: {{delimiter: {json.dumps(delimiter)}, decimalChar: '{decimal}'}}"
    described = f"{dialect}\nday: {{format: '{written}'}}"
    found = read(content, described)
    assert found.observations["y"].tolist() == numbers
    assert found.observations["ds"].tolist() == [pd.Timestamp(day) for day in days]

import hashlib
import json
from datetime import UTC, date, datetime, time, timedelta

import pandas as pd
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from forecasting_platform.adapters.feeds.documents import quarantine, text_table
from forecasting_platform.adapters.feeds.documents.feed_document import read_document
from forecasting_platform.adapters.table_writes import check_load
from forecasting_platform.errors import ConfigurationError, FeedDocumentError
from forecasting_platform.feed_description.description import FeedDescription
from forecasting_platform.forecasting.series.days.date_range import DateRange
from forecasting_platform.forecasting.series.quality.limits import MAX_VALUE, series_name_problem
from forecasting_platform.ports.observation_feed import FeedDocument

TODAY = date(2020, 6, 30)
YEAR = DateRange(date(2020, 1, 1), date(2020, 12, 31))


def parse(
    content: str | bytes,
    *,
    content_type: str | None = None,
    period: DateRange = YEAR,
    date_format: str = "dd/mm/yyyy",
    today: date = TODAY,
) -> FeedDocument:
    return read_document(
        content.encode() if isinstance(content, str) else content,
        content_type=content_type,
        source="https://feed.example/data",
        fetched_at=datetime.combine(today, time(12), UTC),
        description=FeedDescription.of_default_shape("https://feed.example/data", date_format),
        period=period,
    )


def values(document: FeedDocument) -> list[tuple[str, str, float]]:
    rows = document.observations
    return list(zip(rows["unique_id"], rows["ds"].dt.strftime("%Y-%m-%d"), rows["y"], strict=True))


def quarantined(document: FeedDocument) -> list[tuple[str | None, str | None, str, str]]:
    rows = document.quarantined
    days = [None if pd.isna(day) else str(day.date()) for day in rows["ds"]]
    return list(zip(rows["unique_id"], days, rows["reason"], rows["raw"], strict=True))


def daily(first: date, count: int, written: str = "%d/%m/%Y") -> str:
    return json.dumps([{"Date": f"{first + timedelta(days=n):{written}}", "a": n} for n in range(count)])


# --- what is read ---


@pytest.mark.parametrize(
    "content",
    [
        '[{"Date": "01/01/2020", "b": 1.5, "a": 2}, {"Date": "02/01/2020", "b": -3e2, "a": 4.25}]',
        '{"records": [{"Date": "01/01/2020", "b": 1.5, "a": 2}, {"Date": "02/01/2020", "b": -3e2, "a": 4.25}]}',
        "Date,b,a\n01/01/2020,1.5,2\n02/01/2020,-3e2,4.25\n",
        "\ufeffDate,b,a\r\n01/01/2020,1.5, 2\r\n\r\n02/01/2020,-300,+4.25",
        'b,"Date",a\n1.5,"01/01/2020",2\n-300.,02/01/2020,"4.25"\n',
    ],
    ids=["array", "records", "csv", "csv with BOM, CRLF and a blank line", "csv with quotes, Date inside"],
)
def test_json_and_csv_give_the_same_values_ordered_by_key(content: str) -> None:
    document = parse(content)
    assert values(document) == [
        ("a", "2020-01-01", 2.0), ("a", "2020-01-02", 4.25), ("b", "2020-01-01", 1.5), ("b", "2020-01-02", -300.0),
    ]  # fmt: skip
    assert document.quarantined.empty
    assert document.last_published == date(2020, 1, 2)


def test_frames_have_the_dtypes_of_the_tables_even_when_empty() -> None:
    for document in (parse(daily(date(2020, 1, 1), 3)), parse(daily(date(2019, 1, 1), 3))):
        assert document.observations.dtypes.astype(str).tolist() == ["object", "datetime64[ns]", "float64"]
        assert document.quarantined.dtypes.astype(str).tolist() == ["object", "datetime64[ns]", "object", "object"]


def test_only_the_days_asked_for_are_kept_but_the_whole_document_tells_what_is_published() -> None:
    document = parse(daily(date(2019, 12, 1), 100), period=DateRange(date(2020, 1, 5), date(2020, 1, 6)))
    assert [day for _, day, _ in values(document)] == ["2020-01-05", "2020-01-06"]
    assert document.last_published == date(2020, 3, 9)


def test_the_checksum_and_size_are_of_the_bytes() -> None:
    document = parse(daily(date(2020, 1, 1), 1))
    content = daily(date(2020, 1, 1), 1).encode()
    assert document.size_bytes == len(content)
    assert document.sha256 == hashlib.sha256(content).hexdigest()


def test_columns_of_any_row_are_series_and_absent_ones_are_nothing() -> None:
    document = parse('[{"Date": "01/01/2020", "a": 1}, {"Date": "02/01/2020", "a": 2, "Größe": 3}]')
    assert values(document) == [("Größe", "2020-01-02", 3.0), ("a", "2020-01-01", 1.0), ("a", "2020-01-02", 2.0)]
    assert document.unpublished == ()


def test_null_and_empty_mean_not_published_yet() -> None:
    rows = [
        {"Date": "01/01/2020", "a": 1, "b": 1},
        {"Date": "02/01/2020", "a": None, "b": 2},
        {"Date": "03/01/2020", "a": " ", "b": ""},
    ]
    document = parse(json.dumps(rows))
    assert document.unpublished == (("a", date(2020, 1, 2)), ("a", date(2020, 1, 3)), ("b", date(2020, 1, 3)))
    assert document.quarantined.empty
    assert document.last_published == date(2020, 1, 2)


@pytest.mark.parametrize(
    ("declared", "written"),
    [
        ("yyyy-mm-dd", "2020-02-01"),
        ("mm/dd/yyyy", "02/01/2020"),
        ("dd.mm.yyyy", "01.02.2020"),
        ("yyyymmdd", "20200201"),
    ],
)
def test_days_are_read_in_the_declared_format(declared: str, written: str) -> None:
    document = parse(f"Date,a\n{written},1\n", date_format=declared)
    assert values(document) == [("a", "2020-02-01", 1.0)]


# --- what is quarantined ---


@pytest.mark.parametrize(
    ("cell", "reason", "raw"),
    [
        ("NaN", "not a number", "NaN"),
        ("-Infinity", "not a number", "-Infinity"),
        ("1e999", "beyond ±1e+50, the range of a value", "1e999"),
        ("-1.7e308", "beyond ±1e+50, the range of a value", "-1.7e308"),
        ("1" + "0" * 400, "beyond ±1e+50, the range of a value", "1" + "0" * 400),
        ("true", "not a number", "true"),
        ('"n/a"', "not a number", "n/a"),
        ("[1]", "not a number", "[1.0]"),
        ('{"x": NaN}', "not a number", '{"x": "NaN"}'),
        ('"\\u0000\\ud800"', "not a number", "\\x00\\ud800"),
    ],
)
def test_a_bad_json_value_is_quarantined_as_written_and_its_row_survives(cell: str, reason: str, raw: str) -> None:
    document = parse(f'[{{"Date": "01/01/2020", "a": {cell}, "b": 2}}]')
    assert values(document) == [("b", "2020-01-01", 2.0)]
    assert quarantined(document) == [("a", "2020-01-01", reason, raw)]


@pytest.mark.parametrize("cell", ["NaN", "inf", "1e999", "n/a", "1_000", '"1,000"', "0x10", "１", "--1", "1e"])
def test_a_bad_csv_value_is_quarantined_as_written_and_its_row_survives(cell: str) -> None:
    document = parse(f"Date,a,b\n01/01/2020,{cell},2\n")
    assert values(document) == [("b", "2020-01-01", 2.0)]
    ((unique_id, day, _, raw),) = quarantined(document)
    assert (unique_id, day, raw) == ("a", "2020-01-01", cell.strip('"'))


@pytest.mark.parametrize(
    ("name", "problem", "shown"),
    [
        ("", "its name is empty", " (0 bytes"),
        ("Gas\n(GWh)", "its name holds '\\n', a control character", "Gas\\n(GWh) (9 bytes"),
        ("a\x00", "its name holds '\\x00', a control character", "a\\x00 (2 bytes"),
        ("\ud800", "its name holds '\\ud800', a control character", "\\ud800 (3 bytes"),
        ("x" * 1_000_000, "its name has 1,000,000 bytes in UTF-8; at most 500 are allowed", "x" * 40 + " (1,000,000"),
    ],
)
def test_the_values_of_a_column_that_cannot_name_a_series_are_quarantined_and_the_others_survive(
    name: str, problem: str, shown: str
) -> None:
    rows = [{"Date": "01/01/2020", name: 7, "b": 2}, {"Date": "02/01/2020", name: None, "b": 3}]
    document = parse(json.dumps(rows))
    assert values(document) == [("b", "2020-01-01", 2.0), ("b", "2020-01-02", 3.0)]
    ((unique_id, day, reason, raw),) = quarantined(document)
    assert (day, reason, raw) == ("2020-01-01", problem, "7")
    assert str(unique_id).startswith(shown)
    assert series_name_problem(unique_id) is None
    assert document.unpublished == ()


def test_a_trailing_comma_in_every_line_is_no_series() -> None:
    document = parse("Date,a,\n01/01/2020,1,\n")
    assert values(document) == [("a", "2020-01-01", 1.0)]
    assert quarantined(document) == []


def test_a_long_raw_text_is_cut() -> None:
    document = parse(json.dumps([{"Date": "01/01/2020", "a": "x" * 5000, "b": 1}]))
    assert document.quarantined["raw"].str.len().tolist() == [1000]


@pytest.mark.parametrize(
    ("row", "reason", "raw"),
    [
        ("7", "the row is not an object", "7"),
        ("null", "the row is not an object", "null"),
        ('{"a": 1}', "the row has no text in Date", '{"a": "1"}'),
        ('{"Date": null, "a": 1}', "the row has no text in Date", '{"Date": "", "a": "1"}'),
        ('{"Date": 20200101, "a": 1}', "its date names no day, read as dd/mm/yyyy", '{"Date": "20200101", "a": "1"}'),
    ],
)
def test_a_row_without_a_day_is_quarantined_and_the_others_survive(row: str, reason: str, raw: str) -> None:
    document = parse(f'[{row}, {{"Date": "01/01/2020", "a": 1}}]')
    assert values(document) == [("a", "2020-01-01", 1.0)]
    assert quarantined(document) == [(None, None, reason, raw)]


@pytest.mark.parametrize("line", ["02/01/2020,5", "02/01/2020,5,6,7"])
def test_a_csv_row_with_missing_or_extra_fields_is_quarantined(line: str) -> None:
    document = parse(f"Date,a,b\n01/01/2020,1,2\n{line}\n03/01/2020,3,4\n")
    assert [day for _, day, _ in values(document)] == ["2020-01-01", "2020-01-03"] * 2
    ((_, day, reason, raw),) = quarantined(document)
    assert day is None
    assert f"the row has {line.count(',') + 1} fields, its header 3" == reason
    assert raw == line


@pytest.mark.parametrize("written", ["Total", "31/06/2019", "3/6/2019", "2019-06-03", "x" * 1_000_000])
def test_a_row_whose_date_is_no_day_says_nothing_about_the_others(written: str) -> None:
    content = f"Date,a\n01/06/2020,1\n02/06/2020,2\n{written},3\n04/06/2020,4\n"
    document = parse(content)
    assert [day for _, day, _ in values(document)] == ["2020-06-01", "2020-06-02", "2020-06-04"]
    ((unique_id, day, reason, raw),) = quarantined(document)
    assert (unique_id, day, reason) == (None, None, "its date names no day, read as dd/mm/yyyy")
    assert written[:900] in raw
    assert (document.refusals.rows, document.refusals.refused_rows, document.refusals.values) == (4, 1, 3)
    assert str(document.refusals).startswith("1 of 4 rows (25 %) and 0 of 3 values of the days asked for were refused")
    assert "such as row 3, " in str(document.refusals)


def test_what_was_refused_is_counted_with_three_different_examples() -> None:
    """One row a series and day, as most portals publish: read as one column a series, all of it is refused."""
    long = "Series,Date,Value\nid_1,01/01/2020,22.5\nid_1,02/01/2020,20.5\nid_2,01/01/2020,1.5\nid_2,02/01/2020,2.5\n"
    document = parse(long)
    assert document.observations.empty
    assert document.refusals.share == 1
    assert str(document.refusals) == (
        "0 of 4 rows and 5 of 5 values of the days asked for (100 %) were refused, such as "
        "row 1 of 'Series', 'id_1': no cell of the column is a number, in 4 rows; leave it out with series.exclude; "
        "row 1 of 'Value', '22.5': different values for one day: 22.5, 1.5; "
        "row 2 of 'Value', '20.5': different values for one day: 20.5, 2.5"
    )


def test_nothing_refused_is_said_too() -> None:
    assert str(parse(daily(date(2020, 1, 1), 3)).refusals) == (
        "0 of 3 rows and 0 of 3 values of the days asked for were refused"
    )
    before = parse(daily(date(2020, 1, 1), 3), period=DateRange(date(2020, 2, 1), date(2020, 2, 1))).refusals
    assert (before.rows, before.values, before.published) == (3, 0, DateRange(date(2020, 1, 1), date(2020, 1, 3)))


def test_a_message_about_a_document_is_short_whatever_the_document_holds() -> None:
    with pytest.raises(FeedDocumentError) as caught:
        parse("x" * 1_000_000 + ",b\n01/01/2020,1\n")
    assert len(str(caught.value)) < 1000
    refused = parse(json.dumps([{"Date": "01/01/2020", "a" * 400: "b" * 1_000_000}])).refusals
    assert len(str(refused)) < 600


def test_a_day_in_the_future_is_quarantined_whatever_the_period() -> None:
    document = parse(daily(TODAY, 3), period=DateRange(TODAY, TODAY))
    assert [day for _, day, _ in values(document)] == ["2020-06-30"]
    assert [(row[1], row[2]) for row in quarantined(document)] == [(None, "a day in the future")] * 2
    assert document.last_published == TODAY
    assert '"Date": "01/07/2020"' in quarantined(document)[0][3]


def test_a_repeated_day_with_the_same_values_is_harmless() -> None:
    document = parse("Date,a\n01/01/2020,1\n02/01/2020,2\n01/01/2020,1.0\n")
    assert values(document) == [("a", "2020-01-01", 1.0), ("a", "2020-01-02", 2.0)]
    assert document.quarantined.empty


def test_of_different_values_for_one_day_none_is_trusted_and_the_rest_is_kept() -> None:
    document = parse("Date,a,b\n01/01/2020,1,5\n02/01/2020,2,6\n01/01/2020,1.5,5\n")
    assert values(document) == [("a", "2020-01-02", 2.0), ("b", "2020-01-01", 5.0), ("b", "2020-01-02", 6.0)]
    reason = "different values for one day: 1.0, 1.5"
    assert quarantined(document) == [("a", "2020-01-01", reason, "1"), ("a", "2020-01-01", reason, "1.5")]


def test_a_day_announced_and_then_published_is_published() -> None:
    document = parse("Date,a\n01/01/2020,\n01/01/2020,1\n")
    assert values(document) == [("a", "2020-01-01", 1.0)]
    assert document.unpublished == ()


def test_rows_may_stand_in_any_order() -> None:
    document = parse("Date,a\n03/01/2020,3\n01/01/2020,1\n02/01/2020,2\n")
    assert values(document) == [("a", "2020-01-01", 1.0), ("a", "2020-01-02", 2.0), ("a", "2020-01-03", 3.0)]


def test_a_number_written_as_text_in_json_is_a_number() -> None:
    document = parse('[{"Date": "01/01/2020", "a": "12.5", "b": 0.1}]')
    assert values(document) == [("a", "2020-01-01", 12.5), ("b", "2020-01-01", 0.1)]


# --- what condemns the whole document ---


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        ("", "it is empty"),
        (" \n", "it is empty"),
        ("[]", "it holds no rows"),
        ('{"records": []}', "it holds no rows"),
        ("Date,a\n", "it holds no rows"),
        ("<!doctype html><title>x</title>", "it is a web page or XML"),
        (b"\xff\xfe\x00", "it is not UTF-8 text"),
        ('[{"Date": "01/01/2020", "a": 1}', "it is not valid JSON: .* at line 1, column"),
        ("[" * 100_000, "nested too deeply"),
        ('{"rows": []}', "an object with the keys 'rows'"),
        ('[{"Day": "01/01/2020", "a": 1}]', "no column 'Date'; found: 'Day', 'a'"),
        ('[{"date": "01/01/2020", "a": 1}]', "no column 'Date'"),
        ("[1, 2]", "no row of it can be used; of the first, the row is not an object: '1'"),
        ("Day,a\n01/01/2020,1\n", "no column 'Date'; found: 'Day', 'a'"),
        ("Date;a\n01/01/2020;1\n", "no column 'Date'; found: 'Date;a'"),
        ('[{"Date": "01/01/2020", "a": 1, "a": 2}]', "the key 'a' occurs twice in one object"),
        ("Date,a,a\n01/01/2020,1,2\n", "the column 'a' occurs twice"),
        ('[{"Date": "01/01/2020"}]', "it has no series"),
        ("Date\n01/01/2020\n", "it has no series"),
        ('Date,a\n"01/01/2020"x,1\n', "it is not valid CSV"),
        ('[{"Date": 1, "a": 1}]', "the date '1' of row 1, read as dd/mm/yyyy, names no day"),
    ],
)  # fmt: skip
def test_a_document_that_cannot_be_used_is_refused_whole(content: str | bytes, problem: str) -> None:
    with pytest.raises(FeedDocumentError, match=problem) as caught:
        parse(content)
    assert caught.value.source == "https://feed.example/data"
    assert caught.value.remedy.endswith(".")


@pytest.mark.parametrize("content_type", ["application/json", "application/geo+json; charset=utf-8"])
def test_a_declared_json_is_read_as_json(content_type: str) -> None:
    with pytest.raises(FeedDocumentError, match="not valid JSON"):
        parse("Date,a\n01/01/2020,1\n", content_type=content_type)


@pytest.mark.parametrize(
    ("dates", "row"),
    [
        (["13/01/2020", "01/14/2020"], 2),
        (["2020-01-01"], 1),
        (["01/01/2020", "02/13/2020", "03/01/2020"], 2),
        (["31/02/2020", "01/01/2020", "1/2/2020"], 1),
        (["1/1/2020"], 1),
        (["01/01/20"], 1),
        (["today"], 1),
        (["01/01/2020 00:00"], 1),
    ],
)
def test_a_date_that_cannot_be_read_condemns_a_document_of_such_dates(dates: list[str], row: int) -> None:
    with pytest.raises(FeedDocumentError, match=rf"'{dates[row - 1]}' of row {row}, read as dd/mm/yyyy, "):
        parse(json.dumps([{"Date": written, "a": 1} for written in dates]))


@pytest.mark.slow
@given(first=st.dates(date(2018, 1, 1), date(2020, 5, 1)), count=st.integers(2, 60))
@example(first=date(2019, 1, 1), count=12)
@example(first=date(2019, 3, 5), count=2)
def test_days_written_month_first_are_never_taken_for_day_first(first: date, count: int) -> None:
    # A single day such as 03/05 cannot be told from 05/03; from two days on it can.
    content = daily(first, count, "%m/%d/%Y")
    document = parse(content, date_format="mm/dd/yyyy", period=DateRange(date(2018, 1, 1), TODAY))
    assert values(document) == [("a", str(first + timedelta(days=n)), float(n)) for n in range(count)]
    with pytest.raises(FeedDocumentError, match="FORECASTING_FEED_DATE_FORMAT"):
        parse(content)


@given(first=st.dates(date(2018, 1, 1), date(2020, 1, 1)), count=st.integers(3, 40), data=st.data())
def test_a_single_day_written_the_other_way_round_never_passes_as_another_day(
    first: date, count: int, data: st.DataObject
) -> None:
    at = data.draw(st.integers(0, count - 1))
    rows = json.loads(daily(first, count))
    day, month, year = rows[at]["Date"].split("/")
    if day == month:
        return
    rows[at]["Date"] = f"{month}/{day}/{year}"
    with pytest.raises(FeedDocumentError, match=f"of row {at + 1}|of row {at + 2}"):
        parse(json.dumps(rows))


@pytest.mark.slow
@given(first=st.dates(date(2018, 1, 1), date(2020, 1, 1)), gap=st.integers(2, 100))
def test_a_gap_in_a_daily_document_is_no_fault(first: date, gap: int) -> None:
    rows = json.loads(daily(first, 20 + gap))
    document = parse(json.dumps(rows[:10] + rows[10 + gap :]), period=DateRange(date(2018, 1, 1), TODAY))
    numbers = [n for n in range(20 + gap) if not 10 <= n < 10 + gap]
    assert values(document) == [("a", str(first + timedelta(days=n)), float(n)) for n in numbers]


@pytest.mark.parametrize(
    "declared", ["", "dd/mm", "dd/mm/yy", "dd/mm/yyyy hh", "dd/dd/yyyy", "%d/%m", "%d/%m/%Q", "ddmmmyyyy"]
)
def test_a_format_that_is_no_date_is_a_configuration_error(declared: str) -> None:
    with pytest.raises(ConfigurationError, match=r"FORECASTING_FEED_DATE_FORMAT: .* is no format of a day"):
        FeedDescription.of_default_shape("https://feed.example/data", declared)


# --- anything at all ---

names = st.text(min_size=1).filter(lambda name: series_name_problem(name) is None and name != "Date")
published = st.dictionaries(
    names, st.lists(st.none() | st.floats(-MAX_VALUE, MAX_VALUE), min_size=5, max_size=5), min_size=1
)


@pytest.mark.slow
@given(published)
def test_what_is_published_is_read_back_exactly(series: dict[str, list[float | None]]) -> None:
    days = [date(2020, 1, 1) + timedelta(days=n) for n in range(5)]
    rows = [
        {"Date": f"{day:%d/%m/%Y}", **{name: y[index] for name, y in series.items()}} for index, day in enumerate(days)
    ]
    document = parse(json.dumps(rows))
    expected = {(name, str(days[n])): y for name, ys in series.items() for n, y in enumerate(ys) if y is not None}
    assert {(name, day): y for name, day, y in values(document)} == expected
    assert len(document.unpublished) + len(expected) == 5 * len(series)
    assert document.quarantined.empty
    assert document.observations.equals(document.observations.sort_values(["unique_id", "ds"]))


def assert_is_parsed_or_refused(content: bytes, content_type: str | None) -> None:
    try:
        document = parse(content, content_type=content_type)
    except FeedDocumentError:
        return
    assert document.size_bytes == len(content)
    # What a feed gives, every store takes.
    check_load(document.observations, YEAR, document.fetched_at, document.quarantined)


types = st.sampled_from([None, "application/json", "text/csv", "text/html", ""])
cells = st.one_of(
    st.text(max_size=5), st.sampled_from(["NaN", "1", "01/01/2020", "", '"', ",", "\n", "\x00", "[", "{}", "1e400"])
)


@given(st.binary(max_size=200), types)
def test_any_bytes_are_parsed_or_refused(content: bytes, content_type: str | None) -> None:
    assert_is_parsed_or_refused(content, content_type)


@given(st.lists(st.lists(cells, max_size=4), max_size=6), types)
def test_anything_like_csv_is_parsed_or_refused(lines: list[list[str]], content_type: str | None) -> None:
    text = "\n".join([f"Date,{','.join(line)}" if not at else ",".join(line) for at, line in enumerate(lines)])
    assert_is_parsed_or_refused(text.encode("utf-8", "replace"), content_type)


json_values = st.recursive(
    st.none() | st.booleans() | st.floats() | st.integers() | st.text(max_size=4) | st.just("01/01/2020"),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(["Date", "a", "", "records"]), inner),
    max_leaves=12,
)


@given(json_values, types)
def test_any_json_is_parsed_or_refused(value: object, content_type: str | None) -> None:
    assert_is_parsed_or_refused(json.dumps(value).encode("utf-8", "replace"), content_type)


def one_day(column: int) -> str:
    return f'{{"Date": "01/01/2020", "c{column}": 1}}'


@pytest.mark.timeout(120)
@pytest.mark.parametrize(
    ("content", "taken", "refused"),
    [
        ("Date," + ",".join(f"c{n}" for n in range(100_000)) + "\n01/01/2020" + ",1" * 100_000, 100_000, 0),
        ("[" + ",".join(map(one_day, range(3_000))) + "]", 3_000, 0),
        ("Date,a\n" + "".join(f"01/01/2020,{n}\n" for n in range(20_000)), 0, 20_000),
        ("Date,a\n01/01/2020,1\n" + "".join(f"01/01/2020,{n}x\n" for n in range(20_000)), 1, 20_000),
        (f"Date,a,b\n01/01/2020,{'1' * 1_000_000}x,2", 1, 1),
        (f"Date,a,b\n01/01/2020,{'1' * 1_000_000},2", 1, 1),
        (f"Date,a,b\n01/01/2020,0.{'1' * 1_000_000},2", 2, 0),
    ],
    ids=["columns", "a column a row", "values of a day", "refused rows", "no number", "huge number", "long number"],
)
def test_the_work_grows_with_the_document_and_not_with_its_square(content: str, taken: int, refused: int) -> None:
    """With the square of these the time would be an hour."""
    document = parse(content)
    assert (len(document.observations), len(document.quarantined)) == (taken, refused)


def test_a_document_of_more_cells_or_refusals_than_memory_is_for_is_refused_whole(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(text_table, "MAX_CELLS", 6)
    monkeypatch.setattr(quarantine, "MAX_REFUSED", 2)
    assert len(parse("Date,a,b\n01/01/2020,1,1\n02/01/2020,2,2\n").observations) == 4
    for content in (
        "Date,a,b\n01/01/2020,,\n02/01/2020,,\n03/01/2020,,\n",
        '[{"Date": "01/01/2020", "a": 1, "b": 1, "c": 1, "d": 1, "e": 1, "f": 1}]',
    ):
        with pytest.raises(FeedDocumentError, match=r"it has more than 6 cells\. .* ask for fewer days"):
            parse(content)
    assert len(parse("Date,a\n01/01/2020,x\n02/01/2020,y\n03/01/2020,1\n").quarantined) == 2
    sparse = json.dumps(
        [{"Date": "01/01/2020", "a": 1}, {"Date": "02/01/2020", "b": 1}, {"Date": "03/01/2020", "c": 1}]
    )
    with pytest.raises(FeedDocumentError, match="it has more than 6 cells"):
        parse(sparse)
    monkeypatch.setattr(text_table, "MAX_CELLS", 100)
    with pytest.raises(
        FeedDocumentError, match="more than 2 of its rows and values cannot be used, such as row 1 of 'a'"
    ):
        parse("Date,a\n01/01/2020,x\n02/01/2020,y\n03/01/2020,z\n04/01/2020,1\n")

"""What an inspection proposes for documents as people publish them, and what is loaded by it.

Each document is a short one of a shape that is common in public data.
"""

import io
import json
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pandas as pd
import pytest

from forecasting_platform.adapters.feeds.documents.feed_document import read_document
from forecasting_platform.adapters.feeds.inspection import proposal as proposal_module
from forecasting_platform.adapters.feeds.inspection.dry_load import dry_load
from forecasting_platform.adapters.feeds.inspection.notes import NoLayoutError
from forecasting_platform.adapters.feeds.inspection.proposal import EVERY_DAY, Proposal, propose
from forecasting_platform.errors import FeedDescriptionError
from forecasting_platform.feed_description.file import parse_description
from forecasting_platform_tests.support.workbooks import workbook

NOW = datetime(2026, 9, 1, tzinfo=UTC)
MONDAY = date(2021, 1, 4)


def proposed(text: str | bytes, content_type: str | None = None) -> Proposal:
    content = text.encode() if isinstance(text, str) else text
    words = {"url": "https://host/feed"}
    return propose(content, content_type=content_type, source_words=words, source="feed", fetched_at=NOW)


def days(count: int, start: date = MONDAY) -> list[date]:
    return [start + timedelta(days=place) for place in range(count)]


def lines(*written: str) -> str:
    return "\n".join(written) + "\n"


def some(day: date, number: int = 7919) -> int:
    """A number for a day that does not follow from its month, weekday or number."""
    return 500 + day.toordinal() * number % 499


def decimal_year(day: date) -> str:
    return f"{day.year + (day.timetuple().tm_yday - 0.5) / 365:.3f}"


BUSINESS = [day for day in days(70) if day.weekday() < 5 and day not in {date(2021, 1, 18), date(2021, 2, 15)}]
HOURS = [datetime(2021, 1, 4) + timedelta(hours=place) for place in range(72)]  # noqa: DTZ001 # a local clock

SHIFTS = [datetime(2021, 1, 4) + timedelta(hours=place) for place in range(21 * 24)]  # noqa: DTZ001 # a local clock


def parquet_of(columns: dict[str, Any]) -> bytes:
    content = io.BytesIO()
    pd.DataFrame(columns).to_parquet(content)
    return content.getvalue()


@dataclass(frozen=True)
class Golden:
    """A document, the words of its description, and how many values and refusals a load by it gives."""

    text: str | bytes
    words: dict[str, Any]
    values: int
    refused: int = 0


GOLDEN = {
    "business days, newest first, with a trailing comma and N/A": Golden(
        lines(
            "Date,USD,CYP,JPY,",
            *(f"{d},1.{some(d)},N/A,{'N/A' if d.day == 20 else some(d, 31) / 10}," for d in reversed(BUSINESS)),
        ),
        {
            "dialect": {"missingValues": ["", "N/A"]},
            "calendar": {"weekdays": ["monday", "tuesday", "wednesday", "thursday", "friday"], "holidays": ["XNYS"]},
        },
        2 * len(BUSINESS) - 1,
    ),
    "one row a series and day": Golden(
        lines("series_id,timestamp,value", *(f"id_{s},{day},{s + day.day / 8}" for s in range(4) for day in days(40))),
        {"day": {"column": ["timestamp"]}, "long": {"series": ["series_id"], "value": ["value"]}},
        160,
    ),
    "no header, the day in three columns": Golden(
        lines(
            *(f"{d.year};{d:%m};{d:%d};{decimal_year(d)};  {some(d)};  1.{some(d, 31)};{d.day % 2}" for d in days(60)),
        ),
        {
            "dialect": {"delimiter": ";", "header": False},
            "day": {"column": ["field1", "field2", "field3"], "format": ["%Y %m %d"]},
            "series": {"exclude": ["field4", "field7"]},
        },
        120,
    ),
    "JSON with its records at a path and numbers as text": Golden(
        json.dumps({
            "last_page": 1,
            "data": [
                {"gasDayStart": str(d), "status": "C", "full": f"{60 + d.day / 100:.4f}", "capacity": "-"}
                for d in days(30)
            ],
        }),
        {
            "records": "data",
            "dialect": {"missingValues": ["", "-"]},
            "day": {"column": ["gasDayStart"]},
            "series": {"exclude": ["status"]},
        },
        30,
    ),
    "month first, with a stray header line": Golden(
        lines(
            "service_date,day_type,bus,rail",
            *(f"{d:%m/%d/%Y},{'U' if d.weekday() == 6 else 'W'},{some(d)},{some(d, 31)}" for d in days(20)),
            ",day_type,,",
            *(f"{d:%m/%d/%Y},W,{some(d)},{some(d, 31)}" for d in days(20, MONDAY + timedelta(days=20))),
        ),
        {"day": {"column": ["service_date"], "format": ["%m/%d/%Y"]}, "series": {"exclude": ["day_type"]}},
        80,
        1,
    ),
    "a total and a day that is none": Golden(
        lines(
            "\ufeffDate,Flights",
            *("31/02/2021,5998" if d == date(2021, 3, 2) else f"{d:%d/%m/%Y},{some(d)}" for d in days(80)),
            "Total,435000",
        ),
        {"day": {"format": ["%d/%m/%Y"]}},
        79,
        2,
    ),
    "hours": Golden(
        lines("date_time,users", *(f"{moment},{moment.hour}.0" for moment in HOURS)),
        {
            "day": {"column": ["date_time"], "format": ["%Y-%m-%d %H:%M:%S"]},
            "aggregate": {"method": "sum", "every_minutes": 60},
        },
        3,
    ),
    "shifts without anybody at weekends, the newest day in progress": Golden(
        lines("date_time,users", *(f"{moment},{moment.hour * (moment.weekday() < 5)}.0" for moment in SHIFTS[:-17])),
        {
            "day": {"column": ["date_time"], "format": ["%Y-%m-%d %H:%M:%S"]},
            "aggregate": {"method": "sum", "every_minutes": 60},
        },
        20,
    ),
    "a row counter, parts of the calendar and weather beside what is forecast": Golden(
        lines(
            "instant,dteday,season,yr,weekday,workingday,temp,cnt",
            *(
                f"{n},{d},{1 + d.month // 4},{d.year - 2021},{d.isoweekday() % 7},{int(d.weekday() < 5)},"
                f"0.{some(d, 31)},{some(d)}"
                for n, d in enumerate(days(500), start=1)
            ),
        ),
        {
            "day": {"column": ["dteday"]},
            "series": {"exclude": ["instant", "season", "yr", "weekday", "workingday"]},
        },
        1000,
    ),
    "a series that begins later and one that has ended, newest first": Golden(
        lines(
            "Date,metro,bus,train",
            *(
                f"{d},{some(d)},{some(d, 31) if n < 40 else ''},{some(d, 17) if n >= 50 else ''}"
                for n, d in reversed(list(enumerate(days(60))))
            ),
        ),
        {},
        60 + 40 + 10,
    ),
    "one bad date among days that are written day first, with a mark of its encoding": Golden(
        lines("Date,Flights", *(f"{d:%d/%m/%Y},{some(d)}" for d in days(40)), "30/02/2021,7").encode("utf-16"),
        {"dialect": {"encoding": "utf-16"}, "day": {"format": ["%d/%m/%Y"]}},
        40,
        1,
    ),
    "Parquet": Golden(
        parquet_of({"day": pd.to_datetime(days(30)), "load": [some(d) / 7 for d in days(30)]}),
        {"format": "parquet", "day": {"column": ["day"]}},
        30,
    ),
    "lines of JSON, a row a series and day": Golden(
        lines(*(json.dumps({"at": str(d), "meter": m, "kwh": some(d, 31)}) for d in days(30) for m in ("a", "b"))),
        {
            "format": "jsonl",
            "day": {"column": ["at"]},
            "long": {"series": ["meter"], "value": ["kwh"]},
        },
        60,
    ),
    "decimal commas, groups, and months by name in Windows' encoding": Golden(
        lines("Tag;Größe", *(f"{d:%d %b %Y};1.{some(d):03},5" for d in days(30))).encode("windows-1252"),
        {
            "dialect": {"encoding": "windows-1252", "delimiter": ";", "decimalChar": ",", "groupChar": "."},
            "day": {"column": ["Tag"], "format": ["%d %b %Y"]},
        },
        30,
    ),
    "one value a week": Golden(
        lines("Date,Price", *(f"{MONDAY + timedelta(days=4 + 7 * week)},{60 + week}" for week in range(30))),
        {"calendar": {"weekdays": ["friday"]}},
        30,
    ),
    "a workbook with a title": Golden(
        workbook([["Daily report", None], ["day", "gas"], *([f"{d}", 100.5 + some(d)] for d in days(20))]),
        {"format": "excel", "dialect": {"headerRows": [2]}, "day": {"column": ["day"]}},
        20,
    ),
    "settlement periods": Golden(
        lines("Day,Period,Demand", *(f"{d:%d-%b-%Y},{part},{part * 10}" for d in days(10) for part in range(1, 49))),
        {
            "day": {"column": ["Day"], "format": ["%d-%b-%Y"]},
            "aggregate": {"method": "sum"},
            "series": {"exclude": ["Period"]},
        },
        10,
    ),
    "the end of each hour, with 24:00": Golden(
        lines("Date,HourEnding,Load", *(f"{d:%m/%d/%Y},{h:02}:00,{h}.5" for d in days(15) for h in range(1, 25))),
        {
            "day": {"column": ["Date", "HourEnding"], "format": ["%m/%d/%Y %H:%M"], "stamp": "end"},
            "aggregate": {"method": "mean", "every_minutes": 60},
        },
        15,
    ),
    "JSON with a list a column": Golden(
        json.dumps({"latitude": 53.3, "daily_units": {"time": "iso8601"}, "daily": {
            "time": [str(d) for d in days(30)], "load": [some(d) for d in days(30)]}}),
        {"records": "daily", "orient": "list", "day": {"column": ["time"]}},
        30,
    ),
    "JSON with a row a day, by the day": Golden(
        json.dumps({"base": "EUR", "rates": {str(d): {"GBP": some(d) / 7, "USD": some(d, 31) / 7} for d in days(30)}}),
        {"records": "rates", "orient": "index"},
        60,
    ),
    "JSON with a column each, by the day": Golden(
        json.dumps({"parameter": {"T": {f"{d:%Y%m%d}": some(d) / 7 for d in days(30)},
                                  "P": {f"{d:%Y%m%d}": some(d, 31) / 7 for d in days(29)}}}),
        {"records": "parameter", "orient": "columns", "day": {"format": ["%Y%m%d"]}},
        59,
    ),
    "nested lines of JSON": Golden(
        lines(*(json.dumps({"at": {"day": str(d)}, "load": {"real": {"mw": some(d)}}}) for d in days(30))),
        {
            "format": "jsonl",
            "records": '@[*].{"at.day": at.day, "load.real.mw": load.real.mw}',
            "day": {"column": ["at.day"]},
        },
        30,
    ),
    "a column a day": Golden(
        lines(
            "State,Country,Lat," + ",".join(f"{d.month}/{d.day}/{d:%y}" for d in days(40)),
            *(f",{place},5{n}.1," + ",".join(str(some(d, 31 + n)) for d in days(40)) for n, place in enumerate("ABC")),
        ),
        {
            "days_are_columns": True,
            "day": {"format": ["%m/%d/%y"]},
            "long": {"series": ["Country"], "value": ["value"]},
        },
        120,
    ),
    "a workbook with a title, empty rows and a sheet of notes": Golden(
        workbook([["Daily report", None], [None, None], [None, None], ["day", "gas"],
                  *([f"{d}", 100.5 + some(d)] for d in days(20))]),
        {"format": "excel", "dialect": {"headerRows": [4]}, "day": {"column": ["day"]}},
        20,
    ),
    "names of groups over the names of columns": Golden(
        lines("Date,load,,wind,", ",real,plan,real,plan",
              *(",".join([f"{d}", *(str(some(d, n)) for n in (3, 31, 17, 7919))]) for d in days(30))),
        {"dialect": {"headerRows": [1, 2]}},
        120,
    ),
    "columns that spaces align": Golden(
        lines("Armagh", "Missing data: ---", "   yyyy  mm  dd   tmax   tmin",
              *(f"   {d.year}  {d.month:2d}  {d.day:2d} {some(d) / 10:6.1f} {'   ---' if n % 9 else '   1.5'}"
                for n, d in enumerate(days(60)))),
        {
            "dialect": {"delimiter": " ", "skipInitialSpace": True, "headerRows": [3], "missingValues": ["", "---"]},
            "day": {"column": ["yyyy", "mm", "dd"], "format": ["%Y %m %d"]},
        },
        60 + 7,
    ),
    "intervals": Golden(
        lines("MTU,Load", *(f"{m:%d.%m.%Y %H:%M} - {m + timedelta(hours=1):%d.%m.%Y %H:%M},{m.hour}" for m in SHIFTS)),
        {
            "day": {"column": ["MTU"], "format": ["%d.%m.%Y %H:%M - ..."]},
            "aggregate": {"method": "mean", "every_minutes": 60},
        },
        21,
    ),
    "numbers that differ by chance beside names of two columns": Golden(
        lines("store;product;date;sold", *(f"{names};{d};{10 + d.day % 7 + 8 * n}" for d in days(40)
              for n, names in enumerate(("Cork;milk", "Cork;tea", "Galway;milk", "Galway;tea")))),
        {
            "dialect": {"delimiter": ";"},
            "day": {"column": ["date"]},
            "long": {"series": ["store", "product"], "value": ["sold"]},
        },
        160,
    ),
    "midnights of Berlin in UTC": Golden(
        lines("time,flow", *(f"{d}T{'22' if date(2021, 3, 27) < d else '23'}:00:00Z,{some(d)}.5" for d in days(120))),
        {"day": {"column": ["time"], "format": ["%Y-%m-%dT%H:%M:%S%z"], "time_zone": "Europe/Berlin"}},
        120,
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", GOLDEN)
def test_the_proposed_description_loads_every_value(name: str) -> None:
    golden = GOLDEN[name]
    content = golden.text.encode() if isinstance(golden.text, str) else golden.text
    description = parse_description(proposed(content).yaml, "feed.yaml")
    found = description.model_dump(mode="json", by_alias=True, exclude_defaults=True)
    assert {word: value for word, value in found.items() if word != "source"} == golden.words
    document = read_document(
        content, description=description, content_type=None, source="feed", fetched_at=NOW, period=EVERY_DAY
    )
    assert (len(document.observations), len(document.quarantined)) == (golden.values, golden.refused)


def test_a_description_names_its_schema_and_only_what_differs_from_the_defaults() -> None:
    assert proposed(lines("Date,gas", *(f"{d},{some(d)}.5" for d in days(30)))).yaml.splitlines()[:3] == [
        "# yaml-language-server: $schema=docs/reference/feed.schema.json",
        "source:",
        "  url: https://host/feed",
    ]


def test_the_row_that_proves_the_order_of_day_and_month_is_named() -> None:
    found = {each.what: each for each in proposed(GOLDEN["month first, with a stray header line"].text).found}
    assert found["day's format"].value == "%m/%d/%Y"
    assert "row 10 '01/13/2021'" in found["day's format"].seen


def test_of_several_other_readings_some_may_be_disproved_and_the_others_absurd() -> None:
    """Of two digits each, day, month and year may change places in six ways."""
    text = "day,a\n" + "".join(f"{day:%d/%m/%y},{some(day)}\n" for day in reversed(days(40, date(2006, 2, 3))))
    proposal = proposed(text)
    assert proposal.document.observations["ds"].max() == pd.Timestamp("2006-03-14")
    assert not proposal.choices


METHODS = "sum or mean or max or min or last or count"


@pytest.mark.parametrize(
    ("text", "choices"),
    [
        (lines("Date,gas", *(f"{d:%d/%m/%Y},{d.day}.5" for d in days(9))), '"%d/%m/%Y" or "%m/%d/%Y"'),
        (lines("Date;gas", *(f"{d};{1 + d.day % 9},{d.day:03}" for d in days(30))), '"," or ".", groupChar ","'),
        (lines("Date,a", *(f"{m + timedelta(hours=1):%Y-%m-%dT%H:%M},{m.hour}" for m in HOURS)), "start or end"),
        (lines("Date,sold", *(f"{d},{n}" for d in days(20) for n in (5, 7, 7))), METHODS),
        (lines("at,triage", *(f"{d} 0{n}:{(7 * n + d.day) % 60:02},{n}" for d in days(9) for n in (1, 3, 8))), METHODS),
        (
            lines("Applicable At,Applicable For,v", *(f"{d + timedelta(days=1)},{d},{some(d)}" for d in days(30))),
            '"Applicable At" or "Applicable For"',
        ),
    ],
)  # fmt: skip
def test_what_could_load_wrong_values_without_an_error_has_to_be_chosen(text: str, choices: str) -> None:
    proposal = proposed(text)
    assert [" or ".join(doubt.choices) for doubt in proposal.choices] == [choices]
    with pytest.raises(FeedDescriptionError, match=r"line \d+: .*'\?'"):
        parse_description(proposal.yaml, "feed.yaml")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "it is empty"),
        ("<!DOCTYPE html><html></html>", "it is a web page"),
        ('{"error": "access denied", "message": "Invalid API key", "data": []}', "access denied; Invalid API key"),
        ("{}", "its JSON is an empty object, without rows"),
        ('{"id": ["time", "series"], "size": [2, 1], "value": [1]}', "no columns of one table ('id: 2', 'size: 2'"),
        ('{"daily": {"time": ["2024-01-01", "2024-01-02"], "v": [1]}}', "('daily.time: 2', 'daily.v: 1')"),
        ('{"data": [', "it is not valid JSON"),
        ("name,size\na,1\nb,2\n", "no delimiter makes rows with a day and a number"),
        (lines("Date,text", *(f"{d},hello" for d in days(9))), "no delimiter makes rows with a day and a number"),
        (lines("Date,v", *(f"{y}-{m:02}-01,{m}" for y in (2019, 2020) for m in range(1, 13))), "about 31 days apart"),
        (lines("Report of 2021", *(f"{d};{d.day}" for d in days(9))), "the 2 columns have no header"),
        (b"PK\x03\x04 broken", "it is no workbook"),
    ],
)  # fmt: skip
def test_a_document_without_a_layout_is_refused_with_what_is_wrong(text: str | bytes, said: str) -> None:
    with pytest.raises(NoLayoutError) as refused:
        proposed(text)
    assert said in str(refused.value)
    assert refused.value.remedy


def test_columns_that_are_no_series_are_left_out_with_the_reason() -> None:
    rows = [
        f"{place},{d},{d.weekday()},{d.month},{some(d) % 2},{'x' * (1 + d.day % 3)},{some(d)},{some(d, 31) / 30:.4f},5"
        for place, d in enumerate(days(500), start=1)
    ]
    proposal = proposed(lines("instant,Date,weekday,mnth,holiday,note,cnt,temp,store_id", *rows))
    assert proposal.left_out == {
        "instant": "counts the rows",
        "weekday": "follows from the weekday",
        "mnth": "follows from the month",
        "holiday": "0 or 1 in each row: a flag",
        "note": "text, such as 'x', 'xx' and 1 more",
        "store_id": "5 in each row",
    }
    assert "#   - unique_id: temp" in proposal.yaml.splitlines()


def test_a_column_of_yes_and_no_is_left_out_with_the_words_that_would_make_it_a_covariate() -> None:
    proposal = proposed(lines("Date,sales,open", *(f"{d},{some(d)},{d.weekday() < 5}" for d in days(60))))
    why = proposal.left_out["open"]
    assert why == "yes or no: to use it as a covariate, declare trueValues [True] and falseValues [False]"
    declared = "dialect: {trueValues: [True], falseValues: [False]}\n"
    assert parse_description(proposal.yaml.replace("[open]", "[]") + declared, "feed.yaml").dialect.true_values == (
        "True",
    )


def test_a_series_that_never_changes_is_kept_and_said() -> None:
    proposal = proposed(lines("Date,metro,unit 1", *(f"{d},{some(d)},0" for d in days(60))))
    assert set(proposal.document.observations["unique_id"]) == {"metro", "unit 1"}
    assert any("'unit 1' never changes" in doubt.why for doubt in proposal.doubts)


def test_a_newest_day_in_progress_is_said() -> None:
    newest = days(60)[-1]
    proposal = proposed(lines("Date,load", *(f"{d},{201.7 if d == newest else 5000 + some(d)}" for d in days(60))))
    assert any(doubt.at == "publication.lag_days" and "one in progress" in doubt.why for doubt in proposal.doubts)


def test_further_pages_of_an_answer_are_said() -> None:
    rows = [{"day": str(d), "v": d.day + 0.5} for d in days(20)]
    proposal = proposed(json.dumps({"last_page": 7, "data": rows}))
    assert any(doubt.at == "source.pages" and "7 pages" in doubt.why for doubt in proposal.doubts)


def test_text_of_a_document_cannot_leave_its_comment_or_its_quotes() -> None:
    names = ['evil: "x"', "#no", "- a", "{b}", "no", "x\\y", "a'b"]
    text = lines(
        "Date," + ",".join(f'"{n.replace(chr(34), chr(34) * 2)}"' for n in names),
        *(f"{d},{'t,' * 6}{some(d)}" for d in days(30)),
    )
    description = parse_description(proposed(text).yaml, "feed.yaml")
    assert description.series.exclude == tuple(names[:-1])


def test_the_calendar_is_of_the_days_that_are_loaded_not_of_the_clock_they_are_written_by() -> None:
    local = (day for day in days(250) if day.weekday() < 5)
    written = (datetime.combine(day, time(), ZoneInfo("Europe/Berlin")).astimezone(UTC) for day in local)
    proposal = proposed(lines("time,flow", *(f"{moment:%Y-%m-%dT%H:%M:%SZ},{some(moment)}" for moment in written)))
    assert proposal.description.calendar.weekdays == ("monday", "tuesday", "wednesday", "thursday", "friday")


def test_a_holiday_that_is_announced_without_a_value_is_a_closed_day() -> None:
    weekdays = [day for day in days(70) if day.weekday() < 5]
    proposal = proposed(lines("Date,DGS10", *(f"{day},{some(day) if day in BUSINESS else '.'}" for day in weekdays)))
    assert proposal.description.calendar.holidays == ("XNYS",)


def test_rows_that_are_not_sampled_are_no_gap(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(proposal_module, "_MAX_ROWS", 60)
    proposal = proposed(lines("Date,gas", *(f"{day},{some(day)}.5" for day in days(400))))
    assert (len(proposal.document.observations), proposal.due.missing) == (400, ())


def test_a_day_whose_rows_are_refused_is_not_declared_closed() -> None:
    rows = [
        f"{datetime.combine(day, time(hour)):%Y-%m-%d %H:%M},{some(day) + hour}.5"
        for day in days(70)
        for hour in range(24)
        if day.weekday() < 5 and not (day == date(2021, 2, 3) and hour < 5)
    ]
    proposal = proposed(lines("time,used", *rows))
    assert date(2021, 2, 3) not in proposal.description.calendar.closed


def test_a_dry_load_counts_what_is_missing_against_the_calendar() -> None:
    there = [day for day in BUSINESS if day != date(2021, 2, 3)]
    proposal = proposed(lines("Date,USD", *(f"{day},1.{day.day:02}" for day in there)))
    calendar = proposal.description.calendar.model_copy(update={"closed": ()})
    load = dry_load(proposal.document, proposal.description.model_copy(update={"calendar": calendar}))
    assert (load.values, load.refused, load.missing) == (len(there), 0, (date(2021, 2, 3),))
    assert load.months["2021-02"] == {"USD": sum(day.month == 2 for day in there)}

"""How a day is written: what a format reads, and what it never takes for a day."""

from datetime import UTC, date, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from forecasting_platform.feed_description.day_format import DayFormat


@pytest.mark.parametrize(
    ("declared", "text", "moment"),
    [
        ("dd/mm/yyyy", "01/02/2018", "2018-02-01T00:00:00"),
        ("%d/%m/%Y", "1/2/2018", "2018-02-01T00:00:00"),
        ("%m/%d/%y", "02/01/68", "2068-02-01T00:00:00"),
        ("%d.%m.%y", "01.02.69", "1969-02-01T00:00:00"),
        ("%Y%m%d", "20180201", "2018-02-01T00:00:00"),
        ("%Y %m %d", "2018 2 1", "2018-02-01T00:00:00"),
        ("%Y-%j", "2020-366", "2020-12-31T00:00:00"),
        ("%d-%b-%Y", "01-FEB-2018", "2018-02-01T00:00:00"),
        ("%A, %d %B %Y", "Thursday, 01 February 2018", "2018-02-01T00:00:00"),
        ("%Y-%m-%d %H:%M", "2018-02-01 24:00", "2018-02-02T00:00:00"),
        ("%m/%d/%Y %I:%M:%S %p", "02/01/2018 12:05:09 AM", "2018-02-01T00:05:09"),
        ("%m/%d/%Y %I:%M %p", "02/01/2018 12:05 pm", "2018-02-01T12:05:00"),
        ("%Y-%m-%dT%H:%M:%S.%f%z", "2018-02-01T03:04:05.25-0530", "2018-02-01T03:04:05.250000-05:30"),
        ("%Y-%m-%dT%H:%M%z", "2018-02-01T03:04Z", "2018-02-01T03:04:00+00:00"),
        ("unix", "1517443200", "2018-02-01T00:00:00+00:00"),
        ("unix_ms", "1517443200000", "2018-02-01T00:00:00+00:00"),
    ],
)
def test_a_format_reads_what_it_describes(declared: str, text: str, moment: str) -> None:
    found = DayFormat.compile(declared).moment(text)
    assert found is not None
    assert found.isoformat() == moment


@pytest.mark.parametrize(
    ("declared", "text"),
    [
        ("dd/mm/yyyy", "1/2/2018"),
        ("%d/%m/%Y", "01/02/2018 00:00"),
        ("%d/%m/%Y", "31/06/2018"),
        ("%d/%m/%Y", "01/02/18"),
        ("%Y%m%d", "2018201"),
        ("%Y-%j", "2018-366"),
        ("%Y-%j", "2018-000"),
        ("%Y-%m-%d %H:%M", "2018-02-01 24:01"),
        ("%Y-%m-%d", "Total"),
        ("%Y-%m-%d", "２０１８-02-01"),
        ("unix", "soon"),
        ("unix", "1e99"),
    ],
)
def test_a_text_that_is_no_day_of_the_format_is_none(declared: str, text: str) -> None:
    assert DayFormat.compile(declared).moment(text) is None


@pytest.mark.parametrize("declared", ["", "dd/mm", "%H:%M", "%Y", "%d/%d/%Y", "%Q", "%Y-%m", "dd/mm/yyyy x", "%Y%y%j"])
def test_what_describes_no_day_is_refused_with_examples(declared: str) -> None:
    with pytest.raises(ValueError, match=r"is no format of a day; write dd, mm and yyyy once each \(dd/mm/yyyy\)"):
        DayFormat.compile(declared)


@given(
    st.dates(date(1970, 1, 1), date(2068, 12, 31)),
    st.sampled_from(["%d/%m/%Y", "%m-%d-%y", "%Y%m%d", "%d %B %Y", "%Y-%j"]),
)
def test_a_day_is_read_as_python_writes_it(day: date, declared: str) -> None:
    found = DayFormat.compile(declared).moment(f"{day:{declared}}")
    assert found is not None
    assert found.date() == day


@given(
    st.datetimes(datetime(1970, 1, 1), datetime(2100, 1, 1)),  # noqa: DTZ001 # the zone is drawn beside it
    st.timedeltas(timedelta(hours=-14), timedelta(hours=14)),
)
def test_a_moment_with_an_offset_is_read_to_the_second(moment: datetime, offset: timedelta) -> None:
    zone = timezone(timedelta(minutes=offset // timedelta(minutes=1)))
    written = f"{moment.replace(tzinfo=zone):%Y-%m-%dT%H:%M:%S%z}"
    found = DayFormat.compile("%Y-%m-%dT%H:%M:%S%z").moment(written)
    assert found is not None
    assert found.astimezone(UTC) == moment.replace(microsecond=0, tzinfo=zone).astimezone(UTC)


@pytest.mark.parametrize(
    ("declared", "may_be"),
    [
        ("dd/mm/yyyy", True),
        ("%m/%d/%y", True),
        ("%Y-%m-%d", False),
        ("%Y-%d-%m", True),
        ("%d %b %Y", False),
        ("unix", False),
    ],
)
def test_only_digits_without_the_year_before_them_may_be_swapped(declared: str, may_be: bool) -> None:
    assert DayFormat.compile(declared).may_be_swapped is may_be

"""Records of feeds: one that is loaded, one that fails, one that was never loaded, one that publishes weekly."""

from dataclasses import replace
from datetime import UTC, date, datetime, time, timedelta

from forecasting_platform.forecasting.monitoring.feed_loads import FeedLoad, LoadedDocument
from forecasting_platform.forecasting.series.days.date_range import DateRange
from forecasting_platform.forecasting.series.days.due_days import DueDays
from forecasting_platform.forecasting.series.quality.refusals import Refusals, Refused

AT = datetime(2023, 7, 1, 6, tzinfo=UTC)
_DAYS = DateRange(date(2023, 6, 17), date(2023, 6, 30))
_REFUSED = (
    Refused(1119, "Total,5435000", "its date names no day, read as %d/%m/%Y"),
    Refused(3, "n/a", "not a number", "Corrib production"),
)
_GAS = LoadedDocument(
    AT,
    _DAYS,
    "https://host/gas.csv",
    new=28,
    revised=2,
    unchanged=1970,
    refusals=Refusals(2007, 1, 2000, 1, 0, DateRange(date(2018, 1, 1), date(2023, 6, 30)), _REFUSED),
    newest_day=date(2023, 6, 30),
)
GAS = FeedLoad("gas", AT, _DAYS, document=_GAS)
ECB = FeedLoad(
    "ecb",
    AT,
    _DAYS,
    DueDays(weekdays=(0, 1, 2, 3, 4), holidays=("XECB",), lag_days=0, at=time(16), time_zone="Europe/Berlin"),
    problem="https://host/ecb.csv is unavailable: it answered 503 SERVICE UNAVAILABLE. Check that it runs and is "
    "reachable, then retry.",
    failing_since=AT - timedelta(days=2),
    document=replace(
        _GAS,
        fetched_at=AT - timedelta(days=3),
        source="https://host/ecb.csv",
        refusals=Refusals(500, published=DateRange(date(2022, 1, 3), date(2023, 6, 28))),
        newest_day=date(2023, 6, 27),
    ),
)
BIKES = FeedLoad("bikes", AT, _DAYS, problem="the document was refused: it is a web page", failing_since=AT)
FEEDS = (BIKES, ECB, GAS)

"""What the app tells of each feed."""

from dataclasses import replace
from datetime import date

import pandas as pd
from flask.testing import FlaskClient

from forecasting_platform.adapters.memory.ledger import MemoryLedger
from forecasting_platform.adapters.memory.table_store import MemoryTableStore
from forecasting_platform.forecasting.series.days.date_range import DateRange
from forecasting_platform.forecasting.series.frames import HELD_OBSERVATIONS
from forecasting_platform_tests.support.recorded_feeds import ECB, FEEDS, GAS
from forecasting_platform_tests.support.served_model import MakeApp
from serve.http.schemas.feed_answers import FeedsAnswer


def hold(store: MemoryTableStore, *values: tuple[str, date, str]) -> None:
    rows = [(name, pd.Timestamp(day), 5.0, reason, 10.0, 20.0) for name, day, reason in values]
    period = DateRange(date(2023, 1, 1), date(2023, 6, 30))
    store.replace(HELD_OBSERVATIONS, pd.DataFrame(rows, columns=list(HELD_OBSERVATIONS.column_names)), period)


def test_before_any_load_there_is_no_feed(client: FlaskClient) -> None:
    assert client.get("/feeds").json == {"feeds": [], "feed_count": 0, "held": [], "held_count": 0}


def test_each_feed_tells_its_load_its_refusals_its_failure_and_its_next_day(
    client: FlaskClient, ledger: MemoryLedger
) -> None:
    ledger.change_feed_loads(lambda _: FEEDS)
    answer = client.get("/feeds").json
    FeedsAnswer.model_validate(answer)
    bikes, ecb, gas = answer["feeds"]
    assert (bikes["name"], bikes["state"], bikes["loaded"], bikes["next_due"]) == ("bikes", "never loaded", None, None)
    assert (ecb["state"], ecb["failing_since"]) == ("failing", "2023-06-29T06:00:00+00:00")
    assert "503 SERVICE UNAVAILABLE" in ecb["problem"]
    assert ecb["loaded"]["at"] == "2023-06-28T06:00:00+00:00", "the newest that was read"
    assert (ecb["newest_day"], ecb["next_due"]) == ("2023-06-27", "2023-06-28")
    assert ecb["not_yet"] == {"start": "2023-06-28", "end": "2023-06-28"}
    assert (ecb["complete_from"], ecb["is_late"]) == ("2023-06-28T16:00:00+02:00", True)
    assert (gas["state"], gas["problem"], gas["failing_since"]) == ("loaded", None, None)
    loaded = gas["loaded"]
    assert [loaded[name] for name in ("values", "new", "revised", "unchanged")] == [2000, 28, 2, 1970]
    assert (loaded["start"], loaded["end"]) == ("2023-06-17", "2023-06-30")
    assert [loaded[name] for name in ("rows", "refused_rows", "refused_values")] == [2007, 1, 1]
    total, cell = loaded["refused"]
    assert (total["row"], total["unique_id"], total["raw"]) == (1119, None, "Total,5435000")
    assert (cell["unique_id"], cell["reason"]) == ("Corrib production", "not a number")


def test_the_newest_values_that_are_held_back_are_named_the_newest_first(
    client: FlaskClient, ledger: MemoryLedger, store: MemoryTableStore
) -> None:
    ledger.change_feed_loads(lambda _: [GAS])
    old, before, newest = date(2023, 6, 1), date(2023, 6, 29), date(2023, 6, 30)
    hold(store, ("corrib", old, "far off"), ("corrib", before, "far off"), ("moffat", newest, "not yet"))
    answer = client.get("/feeds").json
    assert answer["held_count"] == 2, "an older one is not about the newest values"
    assert [(each["unique_id"], each["ds"], each["reason"]) for each in answer["held"]] == [
        ("moffat", "2023-06-30", "not yet"),
        ("corrib", "2023-06-29", "far off"),
    ]


def test_an_actual_that_is_held_back_is_marked_in_the_history(client: FlaskClient, store: MemoryTableStore) -> None:
    hold(store, ("Corrib production", date(2023, 6, 30), "too low"))
    days = {"start": "2023-06-29", "end": "2023-06-30"}
    marks = {
        (row["unique_id"], row["ds"]): row.get("held")
        for row in client.get("/history", query_string=days).json["actuals"]
    }
    assert len(marks) == 4
    assert {key for key, held in marks.items() if held} == {("Corrib production", "2023-06-30")}


def test_an_app_without_a_table_store_tells_of_feeds_all_the_same(make_app: MakeApp, ledger: MemoryLedger) -> None:
    ledger.change_feed_loads(lambda _: [GAS])
    answer = make_app(store=None).test_client().get("/feeds").json
    assert ([each["name"] for each in answer["feeds"]], answer["held"]) == (["gas"], [])


def test_an_answer_is_bounded_whatever_there_is(
    client: FlaskClient, ledger: MemoryLedger, store: MemoryTableStore
) -> None:
    ledger.change_feed_loads(lambda _: [replace(ECB, feed=f"feed_{n:03}") for n in range(250)] + [GAS])
    hold(store, *[(f"series {n}", date(2023, 6, 29), "far off") for n in range(30)])
    answer = client.get("/feeds").json
    assert (len(answer["feeds"]), answer["feed_count"]) == (200, 251)
    assert (len(answer["held"]), answer["held_count"]) == (20, 30)

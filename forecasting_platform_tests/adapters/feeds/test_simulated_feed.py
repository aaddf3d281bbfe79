import gzip
import itertools
import time
from datetime import UTC, date, datetime, timedelta
from typing import get_args

import pandas as pd
import pytest
from flask.testing import FlaskClient
from hypothesis import given, settings
from hypothesis import strategies as st

from forecasting_platform.adapters.feeds.documents.feed_document import read_document
from forecasting_platform.adapters.feeds.simulated_feed import FaultName, create_app
from forecasting_platform.adapters.feeds.simulated_gas_supply import (
    FIRST_DAY,
    SERIES,
    published_gas_supply,
    simulate_gas_supply,
    simulate_weather,
)
from forecasting_platform.errors import FeedDocumentError
from forecasting_platform.feed_description.description import FeedDescription
from forecasting_platform.forecasting.series.days.date_range import DateRange
from forecasting_platform.ports.observation_feed import FeedDocument

TODAY = date(2023, 7, 1)
HISTORY = DateRange(FIRST_DAY, date(2023, 6, 30))
JUNE = DateRange(date(2023, 6, 1), date(2023, 6, 30))


@pytest.fixture
def client() -> FlaskClient:
    return create_app(today=TODAY).test_client()


def fetched(client: FlaskClient, query: str = "", period: DateRange = HISTORY, *, path: str = "feed") -> FeedDocument:
    answer = client.get(f"/{path}?{query}")
    return read_document(
        answer.data,
        content_type=answer.content_type,
        source="simulated",
        fetched_at=datetime(TODAY.year, TODAY.month, TODAY.day, 12, tzinfo=UTC),
        description=FeedDescription.of_default_shape("http://simulated", "dd/mm/yyyy"),
        period=period,
    )


def add_fault(client: FlaskClient, name: str, **parameters: object) -> None:
    assert client.post("/faults", json={"name": name, **parameters}).status_code == 200


# --- the weather ---


@settings(max_examples=10, deadline=None)
@given(st.dates(FIRST_DAY, JUNE.end))
def test_a_day_has_the_same_weather_whatever_the_period(day: date) -> None:
    alone = simulate_weather(DateRange(day, day))
    pd.testing.assert_frame_equal(alone, simulate_weather(HISTORY).loc[[str(day)]], check_freq=False)


def test_a_weather_forecast_is_worth_the_less_the_farther_it_looks() -> None:
    weather = simulate_weather(HISTORY)
    errors = [(weather[f"Temperature +{step}"].shift(step) - weather["Temperature"]).std() for step in range(1, 16)]
    assert errors[0] < 0.5
    assert all(later > 0.9 * earlier for earlier, later in itertools.pairwise(errors))
    assert 2.0 < errors[-1] < 3.0


def test_the_weather_is_a_feed_of_its_own_that_publishes_a_day_on_the_next(client: FlaskClient) -> None:
    assert set(fetched(client).observations["unique_id"]) == set(SERIES)
    found = fetched(client, "", JUNE, path="weather").observations
    temperatures = found[found["unique_id"] == "Temperature"].set_index("ds")["y"]
    assert temperatures.tolist() == simulate_weather(JUNE)["Temperature"].tolist()
    csv = fetched(client, "format=csv", JUNE, path="weather").observations
    pd.testing.assert_frame_equal(csv, found)


def test_each_of_the_two_feeds_has_faults_of_its_own(client: FlaskClient) -> None:
    client.post("/faults", json={"name": "down", "path": "weather"})
    assert (client.get("/weather").status_code, client.get("/feed").status_code) == (503, 200)
    client.post("/faults", json={"name": "flaky"})
    assert [client.get("/feed").status_code for _ in range(2)] == [503, 200]
    assert client.get("/weather").status_code == 503
    client.delete("/faults")
    assert client.get("/weather").status_code == 200
    refused = client.post("/faults", json={"name": "level_shift", "path": "weather"})
    assert refused.status_code == 422
    assert "level_shift is about a series of the gas supply" in refused.json["error"]


# --- the supply ---


@settings(max_examples=15, deadline=None)
@given(st.tuples(st.dates(FIRST_DAY, JUNE.end), st.dates(FIRST_DAY, JUNE.end)))
def test_a_day_has_the_same_values_whatever_the_period(days: tuple[date, date]) -> None:
    period = DateRange(min(days), max(days))
    whole = simulate_gas_supply(HISTORY).loc[str(period.start) : str(period.end)]
    pd.testing.assert_frame_equal(simulate_gas_supply(period), whole, check_freq=False)


def test_the_seed_decides() -> None:
    assert not simulate_gas_supply(JUNE, seed=1).equals(simulate_gas_supply(JUNE, seed=2))
    assert simulate_gas_supply(JUNE, seed=1).equals(simulate_gas_supply(JUNE, seed=1))


def test_the_field_runs_dry_and_demand_has_seasons_and_weekends() -> None:
    supply = simulate_gas_supply(HISTORY)
    assert (supply >= 0).all(axis=None)
    corrib = supply["Corrib production"]
    assert 95 < corrib.loc["2018-01"].median() < 105
    assert 30 < corrib.loc["2023-06"].median() < 40
    assert (corrib.loc["2020"] == 0).sum() >= 4
    heating = supply["Non-daily metered demand"]
    assert heating[heating.index.month == 1].mean() > 2.5 * heating[heating.index.month == 7].mean()
    industry = supply["Daily metered demand"]
    assert industry[industry.index.day_of_week >= 5].mean() < 0.9 * industry[industry.index.day_of_week < 5].mean()


def test_nothing_is_there_before_the_first_day_or_the_next_morning() -> None:
    assert simulate_gas_supply(DateRange(date(2017, 1, 1), date(2017, 12, 31))).empty
    assert published_gas_supply(HISTORY, as_of=FIRST_DAY).empty
    assert published_gas_supply(HISTORY, as_of=FIRST_DAY + timedelta(days=1)).index.tolist() == [
        pd.Timestamp(FIRST_DAY)
    ]


def test_values_come_late_are_revised_and_then_stay() -> None:
    final = simulate_gas_supply(JUNE)
    mornings = [day + timedelta(days=1) for day in JUNE]
    first = pd.concat([published_gas_supply(JUNE, as_of=morning).iloc[-1:] for morning in mornings])
    assert first.isna().sum().sum() > 0
    assert ((first != final) & first.notna()).sum().sum() >= 3
    pd.testing.assert_frame_equal(published_gas_supply(JUNE, as_of=date(2023, 7, 20)), final, check_freq=False)


@pytest.mark.parametrize(
    ("morning", "first"), [(date(2023, 4, 15), date(2023, 1, 15)), (date(2023, 7, 15), date(2023, 4, 15))]
)
def test_a_quarter_is_republished_on_one_day_and_then_stays(morning: date, first: date) -> None:
    history = DateRange(FIRST_DAY, morning - timedelta(days=12))
    before, after = (published_gas_supply(history, as_of=day) for day in (morning - timedelta(days=1), morning))
    changed = after.index[(before != after).any(axis=1)]
    assert changed.min().date() >= first, "the quarter before it is settled"
    assert 0.5 * 78 < len(changed) <= 78, "a third of the values of each of four series"
    pd.testing.assert_frame_equal(after, simulate_gas_supply(history), check_freq=False)


def test_a_whole_day_can_be_late_while_the_next_one_is_there() -> None:
    autumn = DateRange(date(2021, 9, 1), date(2021, 10, 31))

    def is_out_of_order(as_of: date) -> bool:
        appeared = published_gas_supply(autumn, as_of=as_of).index
        return len(appeared) < len(DateRange(autumn.start, appeared[-1].date()))

    mornings = [date(2021, 9, 2) + timedelta(days=n) for n in range(50)]
    assert [morning for morning in mornings if is_out_of_order(morning)] == [date(2021, 9, 30), date(2021, 10, 1)]
    assert len(published_gas_supply(autumn, as_of=date(2021, 10, 2))) == 31


# --- the feed ---


def test_who_has_the_document_is_told_so_until_it_changes(client: FlaskClient) -> None:
    first = client.get("/feed")
    again = client.get("/feed", headers={"If-None-Match": first.headers["ETag"]})
    assert (again.status_code, again.data) == (304, b"")
    add_fault(client, "level_shift")
    assert client.get("/feed", headers={"If-None-Match": first.headers["ETag"]}).status_code == 200


def test_an_answer_is_compressed_for_who_reads_that(client: FlaskClient) -> None:
    plain, packed = client.get("/feed"), client.get("/feed", headers={"Accept-Encoding": "gzip"})
    assert gzip.decompress(packed.data) == plain.data
    assert packed.headers["Content-Encoding"] == "gzip"
    assert packed.headers["ETag"] != plain.headers["ETag"]


def test_the_whole_history_is_served_by_default_in_both_formats(client: FlaskClient) -> None:
    as_json, as_csv = fetched(client), fetched(client, "format=csv")
    pd.testing.assert_frame_equal(as_json.observations, as_csv.observations)
    assert sorted(as_json.observations["unique_id"].unique()) == sorted(SERIES)
    assert as_json.observations["ds"].nunique() == 2007
    assert as_json.quarantined.empty


def test_a_range_is_served_as_it_was_published_at_a_time(client: FlaskClient) -> None:
    document = fetched(client, "start=2023-06-01&end=2023-06-30&as_of=2023-06-11")
    assert document.observations["ds"].max() == pd.Timestamp("2023-06-10")
    assert client.get("/feed?start=2023-06-30&end=2023-06-30&as_of=2023-07-15").json == [
        {"Date": "30/06/2023", **simulate_gas_supply(JUNE).iloc[-1].to_dict()}
    ]


@pytest.mark.parametrize("query", ["start=x", "start=2023-06-02&end=2023-06-01", "colour=red", "as_of=0001-01-01"])
def test_a_question_that_makes_no_sense_is_answered_422(client: FlaskClient, query: str) -> None:
    answer = client.get(f"/feed?{query}")
    assert answer.status_code == 422
    assert answer.json["error"]


# --- faults ---


def test_a_fault_lasts_until_it_is_ended(client: FlaskClient) -> None:
    add_fault(client, "down")
    assert [client.get("/feed").status_code for _ in range(2)] == [503, 503]
    assert [fault["name"] for fault in client.get("/faults").json] == ["down"]
    assert client.delete("/faults").json == []
    assert client.get("/feed").status_code == 200


@pytest.mark.parametrize(
    ("fault", "problem"),
    [
        ("html", "web page"),
        ("empty", "it holds no rows"),
        ("wrong_column", "no column 'Date'; found: 'Day'"),
        ("swapped_dates", "of row 13"),
    ],
)
def test_a_fault_of_the_document_condemns_it(client: FlaskClient, fault: str, problem: str) -> None:
    add_fault(client, fault)
    with pytest.raises(FeedDocumentError, match=problem):
        fetched(client)


@pytest.mark.parametrize(("fault", "count"), [("nan", 1), ("text", 1), ("duplicate_day", 2)])
@pytest.mark.parametrize("form", ["json", "csv"])
def test_a_fault_of_a_value_is_quarantined(client: FlaskClient, fault: str, count: int, form: str) -> None:
    add_fault(client, fault, series="Moffat imports", day="2023-06-05")
    document = fetched(client, f"format={form}")
    assert document.quarantined["unique_id"].tolist() == ["Moffat imports"] * count
    assert set(document.quarantined["ds"]) == {pd.Timestamp("2023-06-05")}
    assert len(document.observations) == 4 * 2007 - 1


def test_a_flaky_feed_is_down_as_often_as_asked(client: FlaskClient) -> None:
    add_fault(client, "flaky", times=2)
    assert [client.get("/feed").status_code for _ in range(3)] == [503, 503, 200]


def test_a_busy_feed_says_how_long_to_wait(client: FlaskClient) -> None:
    add_fault(client, "busy", seconds=7)
    answer = client.get("/feed")
    assert (answer.status_code, answer.headers["Retry-After"]) == (429, "7")


def test_a_level_shift_moves_one_series_from_a_day_on(client: FlaskClient) -> None:
    before = fetched(client).observations
    add_fault(client, "level_shift", series="Moffat imports", **{"from": "2023-06-01"}, by=25.0)
    moved = (fetched(client).observations["y"] - before["y"]).round(3)
    is_hit = (before["unique_id"] == "Moffat imports") & (before["ds"] >= "2023-06-01")
    assert (moved == is_hit * 25.0).all()


def test_days_can_be_missing_or_null(client: FlaskClient) -> None:
    add_fault(client, "missing_days", **{"from": "2023-06-10", "to": "2023-06-12"})
    assert fetched(client).observations["ds"].nunique() == 2004
    client.delete("/faults")
    add_fault(client, "null_days", **{"from": "2023-06-10", "to": "2023-06-12"})
    assert len(fetched(client).unpublished) == 12


def test_an_answer_can_be_huge_and_slow(client: FlaskClient) -> None:
    add_fault(client, "slow", seconds=0.2)
    add_fault(client, "huge", megabytes=3)
    started = time.monotonic()
    assert len(client.get("/feed").data) == 3_000_002
    assert time.monotonic() - started >= 0.2


@pytest.mark.parametrize("name", get_args(FaultName))
def test_every_fault_changes_the_answer_or_only_its_time(
    client: FlaskClient, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    slept: list[float] = []
    monkeypatch.setattr(time, "sleep", slept.append)
    sound = client.get("/feed?start=2023-06-01")
    add_fault(client, name, seconds=0.3, megabytes=1)
    faulty = client.get("/feed?start=2023-06-01")
    assert ((faulty.status_code, faulty.data) != (sound.status_code, sound.data)) == (name != "slow")
    assert slept == ([0.3] if name == "slow" else [])


def test_an_unknown_fault_is_answered_with_the_known_ones(client: FlaskClient) -> None:
    answer = client.post("/faults", json={"name": "earthquake"})
    assert answer.status_code == 422
    assert "level_shift" in answer.json["error"]

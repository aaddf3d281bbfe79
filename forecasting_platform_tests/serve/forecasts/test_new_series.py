"""A series that appears in the feed is forecast by the app from its next look on, and marked everywhere."""

from datetime import UTC, date, datetime
from typing import Any

import numpy as np
import pandas as pd
import pytest
from flask.testing import FlaskClient

from forecasting_platform.adapters.memory.table_store import MemoryTableStore
from forecasting_platform.forecasting.series.days.date_range import DateRange
from forecasting_platform.forecasting.series.features.feature_table import build_features
from forecasting_platform.forecasting.series.frames import FEATURE_TABLE
from forecasting_platform_tests.support.served_model import FIRST_DAY, NEWEST, SERIES, MakeApp, make_observations
from serve.service import service_of

NEW = "Train"
NEXT = {"start": "2023-07-01", "end": "2023-07-15"}
ALL_OF_IT = DateRange(FIRST_DAY, NEWEST)


def add(store: MemoryTableStore, days: int) -> None:
    """A series whose first value was so many days ago."""
    ds = pd.date_range(end=pd.Timestamp(NEWEST), periods=days)
    rows = pd.concat([make_observations(), pd.DataFrame({"unique_id": NEW, "ds": ds, "y": 50.0 + ds.day % 7})])
    store.record_observations(rows, ALL_OF_IT, available_at=datetime(2023, 7, 2, days % 24, tzinfo=UTC))
    store.replace(FEATURE_TABLE, build_features(rows, ALL_OF_IT, "IE"), ALL_OF_IT)


@pytest.fixture
def client(make_app: MakeApp, store: MemoryTableStore) -> FlaskClient:
    """An app that has looked, before and after the series' first five values came."""
    app = make_app()
    watch = service_of(app).watch
    watch.look()
    watch.refresh_features()
    assert NEW not in watch.require().model.unique_ids
    add(store, 5)
    watch.refresh_features()
    return app.test_client()


def answer(client: FlaskClient, path: str = "/predict", **body: Any) -> dict[str, Any]:
    found = client.post(path, json=body)
    assert found.status_code == 200, found.text
    document: dict[str, Any] = found.json
    return document


@pytest.mark.parametrize("more", [{}, {"level": [80, 95]}, {"level": [60]}, {"explain": True}, {"actuals": True}])
def test_it_is_forecast_with_the_others_and_by_name_and_marked(client: FlaskClient, more: dict[str, Any]) -> None:
    rows = answer(client, **NEXT, **more)["forecasts"]
    assert {row["unique_id"] for row in rows} == {*SERIES, NEW}
    assert {row["unique_id"] for row in rows if row.get("new_series")} == {NEW}
    alone = answer(client, **NEXT, **more, unique_id=NEW)["forecasts"]
    assert alone == [row for row in rows if row["unique_id"] == NEW]
    assert all(row["cutoff"] == "2023-06-30" for row in alone)


def test_its_interval_holds_its_forecast_and_has_a_width(client: FlaskClient) -> None:
    for row in answer(client, **NEXT, unique_id=NEW)["forecasts"]:
        bounds = [row[name] for name in ("y_hat_lo_95", "y_hat_lo_80", "y_hat", "y_hat_hi_80", "y_hat_hi_95")]
        assert (np.diff(bounds) > 0).all()
        assert 40 < row["y_hat"] < 65


def test_its_input_rows_are_shown_and_give_the_same_forecasts(client: FlaskClient) -> None:
    inputs = answer(client, "/simulate", **NEXT, unique_id=NEW)["inputs"]
    assert answer(client, inputs=inputs)["forecasts"] == answer(client, **NEXT, unique_id=NEW)["forecasts"]
    scenario = answer(client, "/whatif", **NEXT, unique_id=NEW, changes={"y": {"add": 5.0}})
    assert all(row["new_series"] for row in scenario["scenario"])


def test_the_champion_and_the_history_know_it(client: FlaskClient) -> None:
    states = {row["unique_id"]: row["state"] for row in client.get("/model").json["series"]}
    assert states == {**dict.fromkeys(SERIES), NEW: "new"}
    history = client.get("/history", query_string={"unique_id": NEW, "start": "2023-06-01", "end": "2023-06-30"})
    assert len(history.json["actuals"]) == 5


def test_before_its_first_day_it_stops_no_other(client: FlaskClient) -> None:
    then = answer(client, start="2023-06-20", end="2023-06-22")
    assert {row["unique_id"] for row in then["forecasts"]} == set(SERIES)
    assert [row["unique_id"] for row in then["left_out"]] == [NEW]
    moved = answer(client, **NEXT, since="2023-06-20")["forecasts"]
    assert {row["unique_id"] for row in moved if row["moved"] is None} == {NEW}
    since_later = answer(client, **NEXT, since="2023-06-28", unique_id=NEW)["forecasts"]
    assert all(row["moved"] is not None for row in since_later)


def test_a_name_that_no_feed_has_is_still_unknown(client: FlaskClient) -> None:
    refused = client.post("/predict", json=NEXT | {"unique_id": "no such series"})
    assert refused.status_code == 404


def test_its_forecasts_follow_its_newest_days(make_app: MakeApp, store: MemoryTableStore) -> None:
    app = make_app()
    watch, widths = service_of(app).watch, []
    watch.look()
    for days in (1, 28):
        add(store, days)
        watch.refresh_features()
        model = watch.require().model
        found = model.predict(model.inputs([date(2023, 7, 1)], unique_ids=[NEW]))
        widths.append((found.bounds[80][1] - found.bounds[80][0]).item())
    assert widths[1] < widths[0]

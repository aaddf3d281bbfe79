"""The weather moves the whole way beside the gas: feed, observations, features, model, answers, scenarios."""

import csv
import io
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import dagster as dg
import pytest
from flask.testing import FlaskClient

from forecasting_platform.errors import ConfigurationError
from forecasting_platform.forecasting.series.days.date_range import DateRange
from forecasting_platform.forecasting.series.frames import FEATURE_TABLE
from forecasting_platform.settings import Settings
from forecasting_platform_tests.support.in_process import INITIAL, InProcessPlatform
from serve.http.app import create_app
from serve.service import service_of

pytestmark = pytest.mark.slow

WEATHER = [
    {"unique_id": "Temperature", "known": "at_cutoff"},
    {"unique_id": "Temperature +{step}", "known": "in_advance"},
]
DEMAND = "Non-daily metered demand"
NEXT = {
    "start": str(INITIAL.end + timedelta(days=1)),
    "end": str(INITIAL.end + timedelta(days=3)),
    "unique_id": DEMAND,
}


@pytest.fixture(scope="module")
def platform() -> Iterator[InProcessPlatform]:
    with dg.DagsterInstance.ephemeral() as instance:
        platform = InProcessPlatform(instance, Settings(exogenous=WEATHER), weather=True)
        assert all(platform.checks(platform.run("load_job", INITIAL)).values())
        platform.run("training_job")
        platform.run("promotion_job")
        platform.run("forecast_job", DateRange(INITIAL.end, INITIAL.end))
        yield platform


@pytest.fixture(scope="module")
def client(platform: InProcessPlatform) -> Iterator[FlaskClient]:
    app = create_app(Settings(), registry=platform.registry, store=platform.store, ledger=platform.ledger)
    service_of(app).watch.look()
    service_of(app).watch.refresh_features()
    yield app.test_client()
    service_of(app).stop()


def answer(client: FlaskClient, path: str, body: dict[str, Any]) -> Any:
    found = client.post(path, json=body)
    assert found.status_code == 200, found.text
    return found.json


def test_the_weather_is_stored_and_regressed_on_but_not_forecast(platform: InProcessPlatform) -> None:
    champion = platform.registry.version_at("champion")
    assert champion is not None
    model = platform.registry.load(champion)
    assert "Temperature" not in model.unique_ids
    assert model.exogenous == ("Temperature", *(f"Temperature +{step}" for step in range(1, 16)))
    assert "Temperature +15" in set(platform.store.read_observations()["unique_id"])
    assert not platform.store.read(FEATURE_TABLE)["unique_id"].str.startswith("Temperature").any()


def test_an_input_frame_with_its_weather_comes_back_as_the_same_forecasts(client: FlaskClient) -> None:
    inputs = answer(client, "/simulate", NEXT)["inputs"]
    assert inputs[0]["exogenous"].keys() == {"Temperature", *(f"Temperature +{step}" for step in range(1, 16))}
    sent = answer(client, "/predict", {"inputs": inputs})["forecasts"]
    assert [row["y_hat"] for row in sent] == [row["y_hat"] for row in answer(client, "/predict", NEXT)["forecasts"]]


def test_as_csv_each_exogenous_column_is_one_of_its_own(client: FlaskClient) -> None:
    inputs = answer(client, "/simulate", NEXT)["inputs"]
    found = client.post("/simulate", json=NEXT, headers={"Accept": "text/csv"})
    rows = list(csv.DictReader(io.StringIO(found.text)))
    assert "exogenous" not in rows[0]
    assert [float(row["Temperature +3"]) for row in rows] == [row["exogenous"]["Temperature +3"] for row in inputs]


def test_colder_weather_takes_more_gas_and_weather_never_seen_is_warned_of(client: FlaskClient) -> None:
    colder = {name: {"add": -3.0} for name in ("Temperature +1", "Temperature +2", "Temperature +3")}
    found = answer(client, "/whatif", NEXT | {"changes": {"exogenous": colder}})
    assert all(row["difference"] > 0 for row in found["scenario"])
    frozen = {"exogenous": {"Temperature +1": {"set": -40.0}}}
    (warning,) = answer(client, "/whatif", NEXT | {"changes": frozen})["warnings"]
    assert (warning["column"], warning["value"]) == ("Temperature +1", -40.0)


def test_a_column_the_champion_lacks_is_refused_by_name(client: FlaskClient) -> None:
    refused = client.post("/whatif", json=NEXT | {"changes": {"exogenous": {"Wind": {"add": 1.0}}}})
    assert refused.status_code == 422
    assert "'Wind' is no covariate of the champion" in refused.json["detail"]
    inputs = answer(client, "/simulate", NEXT)["inputs"]
    more = [row | {"exogenous": row["exogenous"] | {"Wind": 1.0}} for row in inputs]
    refused = client.post("/predict", json={"inputs": more})
    assert refused.status_code == 422
    assert "'Wind' is no exogenous column of the champion" in refused.json["detail"]
    del inputs[1]["exogenous"]
    refused = client.post("/predict", json={"inputs": inputs})
    assert refused.status_code == 422
    assert "row 1 of the input frame lacks 'Temperature'" in refused.json["detail"]


def test_a_forecast_made_without_a_value_that_is_not_known_is_marked(client: FlaskClient) -> None:
    inputs = answer(client, "/simulate", NEXT)["inputs"]
    assert not any("lacks_exogenous" in row for row in answer(client, "/predict", {"inputs": inputs})["forecasts"])
    inputs[1]["exogenous"]["Temperature +2"] = None
    marks = [row.get("lacks_exogenous") for row in answer(client, "/predict", {"inputs": inputs})["forecasts"]]
    assert marks == [True if position == 1 else None for position in range(len(marks))]


def test_the_weather_has_its_part_in_the_explanation(client: FlaskClient) -> None:
    rows = answer(client, "/predict", NEXT | {"explain": True})["forecasts"]
    assert any(abs(row["explain_exogenous"]) > 0.1 for row in rows)


def test_a_declared_column_that_the_feed_lacks_fails_a_check_and_ends_the_training(
    platform: InProcessPlatform,
) -> None:
    wind = [*WEATHER, {"unique_id": "Wind", "known": "at_cutoff"}]
    with dg.DagsterInstance.ephemeral() as instance:
        other = InProcessPlatform(instance, Settings(exogenous=wind), weather=True)
        loaded = other.run("load_job", DateRange(INITIAL.start, INITIAL.start + timedelta(days=60)))
        assert [name for name, passed in other.checks(loaded).items() if not passed] == ["exogenous_values_are_known"]
        with pytest.raises(ConfigurationError, match="'Wind', of which feature_table knows no value"):
            other.run("training_job")
        assert other.registry.version_at("challenger") is None

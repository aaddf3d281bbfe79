from dataclasses import replace
from datetime import date
from typing import Any

import numpy as np
import pytest
from flask.testing import FlaskClient

from forecasting_platform.forecasting.models.trained.model import ForecastModel
from forecasting_platform.forecasting.series.frames import FEATURE_NAMES
from forecasting_platform_tests.support.served_model import SERIES, MakeApp
from serve.forecasts.whatif import warnings_of

CORRIB = SERIES[0]
NEXT = {"start": "2023-07-01", "end": "2023-07-03", "unique_id": CORRIB}


def whatif(client: FlaskClient, **body: Any) -> dict[str, Any]:
    answer = client.post("/whatif", json=NEXT | body)
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json
    return found


def test_the_baseline_is_what_predict_answers(client: FlaskClient) -> None:
    answer = whatif(client, changes={"y": {"add": 1.0}})
    assert answer["baseline"] == client.post("/predict", json=NEXT).json["forecasts"]
    assert answer["model"]["version"] == "1"


@pytest.mark.parametrize("change", [{"add": 4.0}, {"multiply": 2.0}, {"set": 30.0}])
def test_the_scenario_is_what_predict_answers_for_the_changed_inputs(
    client: FlaskClient, change: dict[str, float]
) -> None:
    answer = whatif(client, changes={"y": change})
    (operation, number), inputs = next(iter(change.items())), client.post("/simulate", json=NEXT).json["inputs"]
    operate = {"set": lambda y: number, "add": lambda y: y + number, "multiply": lambda y: y * number}[operation]
    sent = [row | {"y": operate(row["y"])} for row in inputs]
    forecasts = client.post("/predict", json={"inputs": sent}).json["forecasts"]
    assert [row["y_hat"] for row in answer["scenario"]] == [row["y_hat"] for row in forecasts]
    differences = [a["y_hat"] - b["y_hat"] for a, b in zip(answer["scenario"], answer["baseline"], strict=True)]
    assert [row["difference"] for row in answer["scenario"]] == differences


def test_a_value_outside_the_training_range_is_warned_of_and_one_inside_is_not(client: FlaskClient) -> None:
    assert whatif(client, changes={"y": {"set": 31.0}})["warnings"] == []
    (warning,) = whatif(client, changes={"y": {"set": 99.0}, "target_is_holiday": {"set": 1.0}})["warnings"]
    assert (warning["unique_id"], warning["column"], warning["value"]) == (CORRIB, "y", 99.0)
    assert 25 <= warning["lowest"] < warning["highest"] <= 35
    assert "extrapolation" in warning["message"]


def test_a_scenario_reads_no_history_to_know_what_was_trained_on(make_app: MakeApp, store: Any) -> None:
    client = make_app(store=StoreWithoutHistory(store)).test_client()
    assert len(whatif(client, changes={"y": {"set": 99.0}})["warnings"]) == 1


class StoreWithoutHistory:
    """A store whose newest rows may be read and nothing else."""

    def __init__(self, store: Any) -> None:
        self._store = store

    def __getattr__(self, name: str) -> Any:
        if name != "read_newest":
            raise AssertionError(f"{name} was called")
        return self._store.read_newest


def test_warnings_are_bounded_and_the_rest_is_counted(model: ForecastModel) -> None:
    beyond = replace(model, trained_ranges=np.full((len(SERIES), len(FEATURE_NAMES), 2), 1e9))
    found = warnings_of(model.inputs([date(2023, 6, 16), date(2023, 6, 17)]), list(FEATURE_NAMES) * 3, beyond)
    lying_outside = 3 * len(FEATURE_NAMES) * len(SERIES)
    assert len(found) == 101
    assert found[-1]["message"].startswith(f"{lying_outside - 100} more")


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"nothing": {"set": 1}}, "there is no such field"),
        ({"y": {"set": 1, "add": 1}}, "exactly one"),
        ({"y": {}}, "exactly one"),
        ({"y": {"set": "1"}}, "changes.y.set"),
        ({"y": {"multiply": 1e300}}, "changes.y.multiply"),
    ],
)
def test_a_change_that_cannot_be_made_is_refused_by_name(client: FlaskClient, changes: Any, said: str) -> None:
    answer = client.post("/whatif", json=NEXT | {"changes": changes})
    assert answer.status_code == 422
    assert said in answer.text

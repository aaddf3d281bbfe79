from typing import Any

import pytest
from flask.testing import FlaskClient

from forecasting_platform.errors import StoreUnavailableError
from forecasting_platform_tests.serve.conftest import SERIES, MakeApp

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


def test_without_the_store_a_scenario_says_that_its_range_is_not_known(make_app: MakeApp) -> None:
    client = make_app(store=None).test_client()
    body = {**NEXT, "start": "2023-06-16", "end": "2023-06-17", "changes": {"y": {"set": 31.0}}}
    (warning,) = client.post("/whatif", json=body).json["warnings"]
    assert "not known" in warning["message"]


class StoreThatForgot:
    """A store whose newest rows are there, and whose past is not."""

    def __init__(self, store: Any) -> None:
        self._store = store

    def __getattr__(self, name: str) -> Any:
        if name == "read":
            raise StoreUnavailableError("the table store", "gone")
        return getattr(self._store, name)


def test_a_store_that_does_not_answer_costs_the_warning_only(make_app: MakeApp, store: Any) -> None:
    client = make_app(store=StoreThatForgot(store)).test_client()
    body = {**NEXT, "start": "2023-06-16", "end": "2023-06-17", "changes": {"y": {"set": 31.0}}}
    answer = client.post("/whatif", json=body)
    assert answer.status_code == 200
    assert "not known" in answer.json["warnings"][0]["message"]


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

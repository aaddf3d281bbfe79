"""Explanation and what-if speak of each covariate by its name."""

from typing import Any

import numpy as np
import pytest
from flask.testing import FlaskClient

from forecasting_platform.adapters.memory.model_registry import MemoryModelRegistry
from forecasting_platform.adapters.memory.table_store import MemoryTableStore
from forecasting_platform.forecasting.models.candidates.pooled.pooled_trees import PooledTrees
from forecasting_platform.forecasting.models.recipes.recipe import Recipe
from forecasting_platform.forecasting.models.trained.model_covariates import covariate_parts
from forecasting_platform.forecasting.reports.model_card import model_card
from forecasting_platform.forecasting.series.features.panel import panel_from
from forecasting_platform_tests.support.example_series import (
    days_after,
    features_of,
    observations,
)
from forecasting_platform_tests.support.sale_model import NEXT, SALE, sale_model, sales
from forecasting_platform_tests.support.served_model import MakeApp
from serve.service import service_of

DAYS = {"start": "2023-07-01", "end": "2023-07-06", "unique_id": "a"}
ON_THE_DAY = "event: sale on the day"


@pytest.fixture
def client(make_app: MakeApp) -> FlaskClient:
    registry = MemoryModelRegistry()
    registry.move_champion(registry.register(sale_model(), plots={}, run_tags={}), expected=None)
    app = make_app(registry=registry, store=MemoryTableStore())
    service_of(app).watch.look()
    return app.test_client()


def ask(client: FlaskClient, path: str, **body: Any) -> Any:
    answer = client.post(path, json=DAYS | body)
    assert answer.status_code == 200, answer.text
    return answer.json


def test_the_parts_of_covariates_are_what_the_exogenous_part_is_made_of() -> None:
    model = sale_model()
    inputs = model.inputs(days_after(20))
    parts, explained = covariate_parts(model, inputs), model.explain(inputs)
    np.testing.assert_allclose(parts.sum(axis=1), explained["exogenous"], atol=1e-9)
    is_sale = inputs.ds == np.datetime64(NEXT)
    assert (parts.loc[is_sale, ON_THE_DAY] > 15).all()
    assert (parts.loc[~is_sale, ON_THE_DAY].abs() < 5).all()
    assert (parts[inputs.step > model.horizon] == 0).all(axis=None)


def test_trees_tell_covariates_apart_too() -> None:
    trees = PooledTrees(prior_weight=1.0, iterations=10, max_examples=3000)
    recipe = Recipe((trees,), horizon=7, events=SALE)
    panel = recipe.view(panel_from(features_of(observations({"a": sales()}))))
    (fitted,) = recipe.fit(panel)
    rows, _, _ = panel.block(panel.days[-1:], 7, "IE").rows(2)
    assert fitted.exogenous_parts(rows, np.array([0]))[0, panel.exogenous.index("event: sale +3")] > 5


def test_an_answer_explains_each_covariate_by_name(client: FlaskClient) -> None:
    rows = ask(client, "/predict", explain=True)["forecasts"]
    assert rows[2][f"explain_exogenous: {ON_THE_DAY}"] > 15
    of_it = [value for name, value in rows[2].items() if name.startswith("explain_exogenous: ")]
    assert sum(of_it) == pytest.approx(rows[2]["explain_exogenous"])
    assert client.get("/model").json["covariates"] == [
        "event: sale on the day", "event: sale on the last known day", "event: fair on the day",
        "event: fair on the last known day", "event: after fair on the day", "event: after fair on the last known day",
    ]  # fmt: skip
    text = client.post("/predict", json=DAYS | {"explain": True}, headers={"Accept": "text/csv"}).text
    assert f"explain_exogenous: {ON_THE_DAY}" in text.partition("\r\n")[0]


@pytest.mark.parametrize("name", [ON_THE_DAY, "event: sale"])
def test_what_if_a_covariate_of_the_day_were_another(client: FlaskClient, name: str) -> None:
    """Each day's own value changes, whichever column it stands in."""
    answer = ask(client, "/whatif", changes={"exogenous": {name: {"set": 1.0}}})
    differences = [row["difference"] for row in answer["scenario"]]
    assert differences[2] == 0
    assert min(difference for day, difference in enumerate(differences) if day != 2) > 10
    assert answer["warnings"] == []


def test_a_single_column_may_be_changed_and_warnings_have_words(client: FlaskClient) -> None:
    answer = ask(client, "/whatif", changes={"exogenous": {"event: sale +2": {"set": 7.0}}})
    assert [day for day, row in enumerate(answer["scenario"]) if row["difference"] != 0] == [1]
    (warning,) = answer["warnings"]
    assert warning["column"] == "event: sale +2"
    assert warning["message"].startswith("event: sale 2 days ahead of 'a' is 7; the champion was trained on 0 to 1")


def test_days_that_a_covariate_does_not_reach_are_told(client: FlaskClient) -> None:
    answer = ask(client, "/whatif", end="2023-07-20", changes={"exogenous": {"event: sale": {"set": 1.0}}})
    assert [row["difference"] for row in answer["scenario"]][15:] == [0.0] * 5
    assert answer["warnings"][0]["message"] == (
        "event: sale on the day counts up to 15 days ahead: forecasts of later days do not change"
    )


def test_a_covariate_that_there_is_not_is_refused_with_those_that_there_are(client: FlaskClient) -> None:
    answer = client.post("/whatif", json=DAYS | {"changes": {"exogenous": {"sales": {"set": 1.0}}}})
    assert answer.status_code == 422
    assert "'sales' is no covariate of the champion; it has 'event: sale on the day'" in answer.json["detail"]


def test_the_card_names_what_the_model_sees() -> None:
    assert "own past, and event: sale on the day, event: sale on the last known day" in model_card(sale_model())

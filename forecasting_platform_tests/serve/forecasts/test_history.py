"""A champion with a candidate that needs a window of history: `/simulate` gives it, and `/predict` takes it back."""

import json
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any, ClassVar

import numpy as np
import pandas as pd
import pytest
from flask.testing import FlaskClient

from forecasting_platform.adapters.memory.model_registry import MemoryModelRegistry
from forecasting_platform.adapters.memory.table_store import MemoryTableStore
from forecasting_platform.candidate_contract import CandidateContract
from forecasting_platform.candidates import (
    Candidate,
    FittedCandidate,
    Floats,
    ModelInputs,
    Panel,
    Positions,
    Task,
    register_candidate,
)
from forecasting_platform.forecasting.models.recipes.recipe import Recipe
from forecasting_platform.forecasting.models.trained.model_document import arrays_of, document_of, model_from
from forecasting_platform.forecasting.models.training.training import train
from forecasting_platform.forecasting.series.days.date_range import DateRange
from forecasting_platform.forecasting.series.frames import FEATURE_TABLE
from forecasting_platform.services.forecasts import issue
from forecasting_platform.services.newest_features import newest_features
from forecasting_platform_tests.support.in_process_engine import in_process
from forecasting_platform_tests.support.served_model import CUTOFF, FIRST_DAY, NEWEST, SERIES, MakeApp
from serve.service import service_of

NEXT = {"start": "2023-07-01", "end": "2023-07-15"}
PAST = {"start": "2023-06-21", "end": "2023-06-25"}


@dataclass(frozen=True, slots=True)
class FittedMedian(FittedCandidate):
    """The median of the window, which no column of an input row tells."""

    name: ClassVar[str] = "median"
    window_days: ClassVar[int] = 10
    known: Floats

    def predict(self, inputs: ModelInputs, series: Positions) -> Floats:
        window = inputs.history[:, -self.window_days :]
        # The cutoff's own value is always known.
        return np.asarray(np.nanmedian(np.column_stack([window, inputs.column("y")]), axis=1))


@register_candidate
@dataclass(frozen=True, slots=True)
class Median(Candidate):
    """Has nothing to fit."""

    fitted: ClassVar[type[FittedCandidate]] = FittedMedian

    def fit(self, panel: Panel, task: Task) -> FittedMedian:
        return FittedMedian(np.zeros(len(panel.unique_ids)))


class TestMedian(CandidateContract):
    candidate = Median()


@pytest.fixture(scope="module")
def trained(features: pd.DataFrame) -> Any:
    recipe = Recipe((Median(prior_weight=1.0),), backtest_days=90, refit_days=40)
    return train(features, CUTOFF, recipe, code_version="test")


@pytest.fixture
def client(trained: Any, make_app: MakeApp) -> FlaskClient:
    registry = MemoryModelRegistry()
    registry.move_champion(registry.register(trained.model, plots={}, run_tags={}), expected=None)
    app = make_app(registry=registry)
    service_of(app).watch.look()
    service_of(app).watch.refresh_features()
    return app.test_client()


def forecasts(client: FlaskClient, **body: Any) -> list[dict[str, Any]]:
    answer = client.post("/predict", json=body)
    assert answer.status_code == 200, answer.text
    found: list[dict[str, Any]] = answer.json["forecasts"]
    return found


def median_until(features: pd.DataFrame, day: pd.Timestamp) -> dict[str, float]:
    known = features[(features["ds"] <= day) & (features["ds"] > day - pd.Timedelta(days=10))]
    medians: dict[str, float] = known.groupby("unique_id")["y"].agg(lambda y: np.median([*y, y.iloc[-1]])).to_dict()
    return medians


@pytest.mark.parametrize(("asked", "cutoff"), [(NEXT, "2023-06-30"), (PAST, "2023-06-20")])
def test_simulated_inputs_give_the_forecast_of_the_range_which_is_of_the_newest_days(
    client: FlaskClient, features: pd.DataFrame, asked: dict[str, str], cutoff: str
) -> None:
    inputs = client.post("/simulate", json=asked).json["inputs"]
    assert {len(row["history"]) for row in inputs} == {10}
    found = forecasts(client, **asked)
    assert forecasts(client, inputs=inputs) == found
    expected = median_until(features, pd.Timestamp(cutoff))
    assert {row["unique_id"]: row["y_hat"] for row in found} == pytest.approx(expected)


def test_a_history_that_is_changed_changes_the_forecast_and_one_that_is_missing_is_refused(client: FlaskClient) -> None:
    inputs = client.post("/simulate", json=NEXT | {"unique_id": SERIES[0]}).json["inputs"]
    changed = json.loads(json.dumps(inputs))
    for row in changed:
        row["history"] = [None] * 9 + [row["y"]]
    assert forecasts(client, inputs=changed)[0]["y_hat"] == inputs[0]["y"]
    del changed[3]["history"]
    answer = client.post("/predict", json={"inputs": changed})
    assert answer.status_code == 422
    assert "history" in answer.json["detail"]
    for row in changed:
        row["history"] = [0.0] * 367
    assert client.post("/predict", json={"inputs": changed}).status_code == 422


def test_in_csv_each_day_of_the_history_is_a_column(client: FlaskClient) -> None:
    text = client.post("/simulate", json=NEXT, headers={"Accept": "text/csv"}).text
    header = text.splitlines()[0].split(",")
    assert header[-10:] == [f"history_{before}" for before in range(9, -1, -1)]


def test_a_champion_with_windows_that_follows_one_without_answers_at_once_and_then_from_the_newest_days(
    trained: Any, make_app: MakeApp, registry: MemoryModelRegistry, features: pd.DataFrame
) -> None:
    app = make_app()
    watch = service_of(app).watch
    watch.look()
    watch.refresh_features()
    registry.move_champion(registry.register(trained.model, plots={}, run_tags={}), expected="1")
    watch.look()
    assert watch.require().model.window_days == 10
    watch.refresh_features()
    found = forecasts(app.test_client(), **NEXT)
    assert {row["unique_id"]: row["y_hat"] for row in found} == pytest.approx(
        median_until(features, pd.Timestamp(NEWEST))
    )


def test_forecasts_of_record_are_made_of_each_cutoffs_own_window(
    trained: Any, store: MemoryTableStore, features: pd.DataFrame
) -> None:
    registry = MemoryModelRegistry()
    registry.move_champion(registry.register(trained.model, plots={}, run_tags={}), expected=None)
    record = issue(store, in_process(store), registry, DateRange(NEWEST - timedelta(days=2), NEWEST)).record
    for cutoff, rows in record.groupby("cutoff"):
        expected = median_until(features, cutoff)
        assert rows.groupby("unique_id")["y_hat"].first().to_dict() == pytest.approx(expected)
    backtest = trained.results
    panel = trained.panel
    served = backtest.y_hat[0, :, -3, 0]
    assert served.tolist() == pytest.approx(
        [median_until(features, pd.Timestamp(backtest.cutoffs[-3]))[name] for name in panel.unique_ids]
    )


def test_an_ended_series_window_is_read_for_itself(features: pd.DataFrame) -> None:
    ended = features[(features["unique_id"] != SERIES[0]) | (features["ds"] <= "2023-02-20")]
    store = MemoryTableStore()
    store.replace(FEATURE_TABLE, ended, DateRange(FIRST_DAY, NEWEST))
    rows = newest_features(store, 10)
    windows = dict(zip(rows["unique_id"], rows["history"], strict=True))
    for name, last in ((SERIES[0], "2023-02-20"), (SERIES[1], str(NEWEST))):
        known = ended[(ended["unique_id"] == name) & (ended["ds"] <= last)]["y"].tail(10)
        np.testing.assert_array_equal(windows[name], known)


def test_a_stored_model_keeps_its_windows_and_one_that_needs_none_is_stored_as_before(trained: Any) -> None:
    model = trained.model
    again = model_from(arrays_of(model), document_of(model))
    np.testing.assert_array_equal(again.history, model.history)
    plain = replace(model, candidates=(), weights=np.empty((len(SERIES), 0)), history=np.empty((0, 0)))
    assert "history" not in arrays_of(plain)

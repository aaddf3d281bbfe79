"""Trees as arrays: they say what scikit-learn says, and a broken document is refused."""

from dataclasses import replace

import numpy as np
import pytest
from sklearn.ensemble import HistGradientBoostingRegressor
from threadpoolctl import threadpool_info, threadpool_limits

from forecasting_platform.candidate_contract import VALUES, panel_of
from forecasting_platform.forecasting.models.candidates.pooled import pooled_trees
from forecasting_platform.forecasting.models.candidates.pooled.pooled import fit_in_one_thread
from forecasting_platform.forecasting.models.candidates.pooled.pooled_trees import PooledTrees
from forecasting_platform.forecasting.models.candidates.pooled.trees import ROWS_AT_ONCE, trees_from, trees_of
from forecasting_platform.forecasting.models.recipes.recipe import Recipe


def fitted(columns: int = 4, **options: int) -> tuple[HistGradientBoostingRegressor, np.ndarray]:
    rng = np.random.default_rng(0)
    matrix = rng.normal(size=(2 * ROWS_AT_ONCE + 7, columns))
    matrix[rng.random(matrix.shape) < 0.1] = np.nan
    y = np.nan_to_num(matrix[:, 0]) * np.sign(np.nan_to_num(matrix[:, -1])) + np.isnan(matrix[:, 0])
    return HistGradientBoostingRegressor(random_state=0, **options).fit(matrix, y), matrix


@pytest.mark.parametrize(
    "options",
    [{"max_iter": 1}, {"max_iter": 50}, {"max_iter": 5, "max_leaf_nodes": 2}, {"max_iter": 5, "max_depth": 1}],
)
def test_they_say_what_scikit_learn_says_also_of_values_that_are_not_known(options: dict[str, int]) -> None:
    estimator, matrix = fitted(**options)
    again = trees_from(trees_of(estimator).to_bytes())
    np.testing.assert_allclose(again.predict(matrix), estimator.predict(matrix), rtol=1e-12, atol=1e-12)
    unknown = np.full((1, 4), np.nan)
    np.testing.assert_allclose(again.predict(unknown), estimator.predict(unknown), rtol=1e-12)


def test_a_target_that_never_changes_is_said_again() -> None:
    estimator = HistGradientBoostingRegressor(max_iter=3).fit(np.arange(100.0)[:, None], np.full(100, 2.5))
    assert trees_of(estimator).predict(np.array([[7.0]])).tolist() == [2.5]


@pytest.mark.parametrize("field", ["roots", "left", "right"])
def test_a_document_that_names_a_node_it_does_not_have_is_refused(field: str) -> None:
    trees = trees_of(fitted(max_iter=2)[0])
    broken = replace(trees, **{field: getattr(trees, field) + len(trees.value)})
    with pytest.raises(ValueError, match="names nodes that it does not have"):
        trees_from(broken.to_bytes())


def test_another_scikit_learn_that_stores_trees_otherwise_stops_the_training_in_words(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def other(estimator: HistGradientBoostingRegressor) -> object:
        trees = trees_of(estimator)
        return replace(trees, value=trees.value + 1)

    monkeypatch.setattr(pooled_trees, "trees_of", other)
    recipe = Recipe((PooledTrees(prior_weight=1.0, iterations=2),))
    with pytest.raises(RuntimeError, match=r"trees of scikit-learn .* are stored in a way that is not known"):
        recipe.fit(panel_of(VALUES))


def test_a_column_without_any_value_is_learnt_from_as_if_it_were_not_there() -> None:
    generator = np.random.default_rng(0)
    known = generator.normal(size=(500, 3))
    lacking = np.column_stack([known, np.full(500, np.nan)])
    trees = PooledTrees(iterations=5, column_share=1.0)
    learnt, without = (trees_from(trees.learn(matrix, known[:, 0])).predict(matrix) for matrix in (lacking, known))
    assert np.array_equal(learnt, without)


def test_a_fit_has_one_thread_of_a_library_that_was_loaded_before_it() -> None:
    class Spy:
        def fit(self, _matrix: np.ndarray, _changes: np.ndarray) -> "Spy":
            self.threads = {library["num_threads"] for library in threadpool_info()}
            return self

    with threadpool_limits(2):
        assert fit_in_one_thread(Spy(), np.zeros((1, 1)), np.zeros(1)).threads == {1}

"""A candidate of another package that fails is named, with its package; never replaced in silence."""

import bz2
import gzip
import io
import lzma
import pickle
import zipfile
import zlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt
import pytest

from forecasting_platform.candidates import (
    Candidate,
    FittedCandidate,
    FittedPooled,
    Floats,
    InputBlock,
    ModelInputs,
    Panel,
    PooledCandidate,
    Positions,
    Task,
    register_candidate,
)
from forecasting_platform.forecasting.models.candidates.candidate import CandidateError
from forecasting_platform.forecasting.models.candidates.pickles import PickleError, is_pickle
from forecasting_platform.forecasting.models.candidates.registry import candidate_arrays, candidates_from
from forecasting_platform.forecasting.models.candidates.ridge.direct_ridge import FittedDirectRidge
from forecasting_platform.forecasting.models.candidates.ridge.ridge_regressors import REGRESSORS
from forecasting_platform.forecasting.models.recipes.recipe import Recipe, default_recipe
from forecasting_platform.forecasting.reports.model_card import model_card
from forecasting_platform_tests.support.example_series import days_after, seasonal, trained


@dataclass(frozen=True, slots=True)
class FittedFaulty(FittedCandidate):
    name: ClassVar[str] = "faulty"
    fault: ClassVar[str] = ""

    def predict(self, inputs: ModelInputs, series: Positions) -> Floats:
        if self.fault == "raises at an answer":
            raise KeyError("missing")
        found = inputs.column("y")
        return found[:, None] if self.fault == "wrong rows" else found

    def predict_block(self, block: InputBlock) -> Floats:
        found = np.repeat(block.features[:, :, :1], block.shape[2], axis=2)
        if self.fault == "infinite":
            found[1, 3, 2] = np.inf
        return found[:, :, 0] if self.fault == "wrong shape" else found


@register_candidate
@dataclass(frozen=True, slots=True)
class Faulty(Candidate):
    fitted: ClassVar[type[FittedCandidate]] = FittedFaulty

    def fit(self, panel: Panel, task: Task) -> Any:
        if FittedFaulty.fault == "raises":
            raise ZeroDivisionError("boom")
        return None if FittedFaulty.fault == "nothing" else FittedFaulty()


RECIPE = Recipe((replace(Faulty(), prior_weight=1.0),), backtest_days=200, refit_days=60)
SERIES = {"a": seasonal(400), "b": seasonal(400, 1)}


@pytest.mark.parametrize(
    ("fault", "problem"),
    [
        ("raises", r"while it was fitted on 2 series \('a', 'b'\) until 20.*: ZeroDivisionError: boom"),
        ("nothing", "FittedFaulty was expected of fit, NoneType was found"),
        ("wrong shape", r"in the backtest, at cutoffs .*forecasts of shape \(2, \d+, 15\) were expected, \(2, "),
        ("infinite", r"1 forecasts are not finite, the first is of series 1 at cutoff 20.*, step 3"),
    ],
)
def test_a_training_stops_and_says_which_candidate_of_which_package(
    monkeypatch: pytest.MonkeyPatch, fault: str, problem: str
) -> None:
    monkeypatch.setattr(FittedFaulty, "fault", fault)
    with pytest.raises(CandidateError, match=f"'faulty' of this process failed .*{problem}.*leave it out of the"):
        trained(SERIES, RECIPE)


@pytest.mark.parametrize(
    ("fault", "problem"), [("raises at an answer", "KeyError: 'missing'"), ("wrong rows", r"\(3,\) were expected")]
)
def test_an_answer_is_refused_by_name(monkeypatch: pytest.MonkeyPatch, fault: str, problem: str) -> None:
    model = trained(SERIES, RECIPE).model
    monkeypatch.setattr(FittedFaulty, "fault", fault)
    with pytest.raises(CandidateError, match=f"'faulty' .* failed while it forecast 3 rows: .*{problem}"):
        model.predict(model.inputs(days_after(3), unique_ids=["a"]))


def test_a_model_card_says_what_is_not_explained() -> None:
    card = model_card(trained(SERIES, RECIPE).model)
    assert "\nNot explained: what `faulty` adds to a forecast; all of it stands under `recent`.\n" in card
    assert "Not explained" not in model_card(trained(SERIES, default_recipe(15, "IE", ("naive",))).model)


@dataclass(frozen=True, slots=True)
class FittedPickled(FittedPooled):
    name: ClassVar[str] = "pickled"

    def changes(self, document: bytes, matrix: Floats) -> Floats:
        return np.zeros(len(matrix))


@register_candidate
@dataclass(frozen=True, slots=True)
class Pickled(PooledCandidate):
    fitted: ClassVar[type[FittedPickled]] = FittedPickled

    def learn(self, matrix: Floats, changes: Floats) -> bytes:
        return pickle.dumps(changes.mean())


def stored_with(document: bytes) -> Mapping[str, npt.NDArray[Any]]:
    ridge = FittedDirectRidge(
        np.zeros((1, 15)), np.zeros((1, 15, REGRESSORS)), np.empty((1, 0, 5)), np.empty((1, 0, 0))
    )
    fitted = FittedPickled(np.array([0]), np.empty((15, 0), dtype=np.int64), np.array(True), ridge, (document,))
    return candidate_arrays([fitted])


def test_a_document_that_is_a_pickle_is_refused_by_name() -> None:
    for protocol in range(pickle.HIGHEST_PROTOCOL + 1):
        with pytest.raises(PickleError, match="'documents' of the candidate 'pickled' is a pickle, which runs code"):
            candidates_from(stored_with(pickle.dumps({"a": [1.5, "x"]}, protocol)), ["pickled"])
    assert candidates_from(stored_with(b"tree\nversion=v4\nend of trees."), ["pickled"])


def zipped(content: bytes) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as packed:
        packed.writestr("archive/data.pkl", content)
    return file.getvalue()


@pytest.mark.parametrize(
    "pack",
    [zlib.compress, gzip.compress, bz2.compress, lzma.compress, zipped],
    ids=["zlib", "gzip", "bz2", "lzma", "zip"],
)
def test_a_pickle_that_is_packed_is_recognized(pack: Callable[[bytes], bytes]) -> None:
    assert is_pickle(pack(pickle.dumps({"a": list(range(1000))})))
    assert not is_pickle(pack(b"tree\nversion=v4\n" * 100))


@pytest.mark.parametrize("start", [b"\x78", b"\x1f\x8b", b"BZh", b"\xfd7zXZ\x00", b"\x5d", b"PK\x03\x04"])
def test_what_only_begins_like_something_packed_is_no_pickle(start: bytes) -> None:
    assert not is_pickle(start + b" and other text")


def test_documents_that_are_not_whole_are_refused() -> None:
    arrays = dict(stored_with(b"abc"))
    arrays["pickled.documents"] = arrays["pickled.documents"][:2]
    with pytest.raises(ValueError, match="the documents of the candidate 'pickled' are not whole"):
        candidates_from(arrays, ["pickled"])

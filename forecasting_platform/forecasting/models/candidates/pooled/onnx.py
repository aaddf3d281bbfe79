"""Candidates made of scikit-learn's estimators: fitted with scikit-learn, stored as ONNX, run by onnxruntime.

The app needs onnxruntime alone. An ONNX document is a graph of known operations and runs no code of its own.
"""

import warnings
from abc import abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, ClassVar

import numpy as np

from forecasting_platform.errors import ConfigurationError
from forecasting_platform.forecasting.models.candidates.needed import needed_to_train
from forecasting_platform.forecasting.models.candidates.pooled.pooled import (
    FittedPooled,
    PooledCandidate,
    fit_in_one_thread,
)
from forecasting_platform.forecasting.series.arrays import Floats

SESSIONS = 512
"""Documents that are kept ready to run; a block of a hundred series has one."""


@dataclass(frozen=True, slots=True)
class FittedOnnx(FittedPooled):
    """Documents in ONNX, each a regressor of one input and one output."""

    needs: ClassVar[Mapping[str, str]] = {"onnxruntime": "forecasting-platform[onnx]"}

    def changes(self, document: bytes, matrix: Floats) -> Floats:
        """See `FittedPooled`."""
        session = _session(document)
        (found,) = session.run(None, {session.get_inputs()[0].name: matrix})
        changes: Floats = np.asarray(found, dtype=np.float64).reshape(len(matrix))
        return changes


@dataclass(frozen=True, slots=True)
class OnnxCandidate(PooledCandidate):
    """An estimator of scikit-learn over all series of a block.

    A covariate that is not known is NaN: an estimator that takes none stands behind a `SimpleImputer`.
    """

    @abstractmethod
    def estimator(self) -> Any:
        """The estimator that is to be fitted, a regressor or a pipeline that ends in one; with a fixed seed."""

    def learn(self, matrix: Floats, changes: Floats) -> bytes:
        """See `PooledCandidate`.

        Raises:
            ConfigurationError: skl2onnx, which converts the estimator, is not installed, or cannot convert it.
        """
        with needed_to_train(self.name, "forecasting-platform[onnx-training]"):
            from skl2onnx import to_onnx
            from skl2onnx.common.exceptions import MissingConverter, MissingShapeCalculator
        fitted = fit_in_one_thread(self.estimator(), matrix, changes)
        try:
            with warnings.catch_warnings():
                # The converter's own, of how it writes numbers: turned into errors they would stop it.
                warnings.simplefilter("ignore")
                document: bytes = to_onnx(fitted, matrix[:1]).SerializeToString()
        except (MissingConverter, MissingShapeCalculator) as error:
            kinds = ", ".join(type(each).__name__ for each in (fitted, *dict(getattr(fitted, "steps", [])).values()))
            problem = (
                f"the candidate {self.name!r} cannot be stored: skl2onnx converts not all of {kinds} to ONNX; take"
            )
            remedy = "what https://onnx.ai/sklearn-onnx/supported.html lists, or extend PooledCandidate"
            raise ConfigurationError("options", f"{problem} {remedy}") from error
        return document


@lru_cache(maxsize=SESSIONS)
def _session(document: bytes) -> Any:
    from onnxruntime import InferenceSession, SessionOptions

    options = SessionOptions()
    # Rows are few: threads would only take the cores from others, and the order of their sums from us.
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    return InferenceSession(document, options, providers=["CPUExecutionProvider"])

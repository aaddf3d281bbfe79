"""Candidates that are fitted over all series of a block at once, such as trees over every store's days.

What they learn is one document, the bytes of a model in a format that runs no code: ONNX, or a library's own text.
`onnx` has those made of scikit-learn's estimators.
"""

from abc import abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Annotated, Any, ClassVar, Self

import numpy as np
import numpy.typing as npt
from pydantic import Field

from forecasting_platform.forecasting.models.candidates.candidate import (
    NAMED_PARTS,
    Candidate,
    FittedCandidate,
    Positions,
    Task,
    named_parts,
)
from forecasting_platform.forecasting.models.candidates.pooled.pooled_columns import (
    centre_and_scale,
    columns_of,
    covariate_columns,
    lacks_covariate,
    pooled_matrix,
    with_other_ridge,
    with_weekday,
    without_covariates,
    without_holidays,
)
from forecasting_platform.forecasting.models.candidates.ridge.direct_ridge import DirectRidge, FittedDirectRidge
from forecasting_platform.forecasting.series.arrays import Floats
from forecasting_platform.forecasting.series.features.inputs import INPUT_NAMES, ModelInputs, input_values
from forecasting_platform.forecasting.series.features.panel import Panel

MAX_CHANGE = 20.0
"""Changes of more scales count as so many: one outage does not decide what all series learn."""

MIN_YEARLY_DAYS = 730
"""Over fewer days no season comes back, and the position in the year would be learned as the number of the day."""

MIN_EXAMPLES = 100
"""Of fewer nothing is learned: the forecast is the naive one."""

UNKNOWN_SHARE = 0.1
"""The share of the examples whose covariates are taken away."""

_RIDGE = "ridge_"


@dataclass(frozen=True, slots=True)
class FittedPooled(FittedCandidate):
    """The documents of one or more blocks, and which of them forecasts each series.

    Attributes:
        document: position in `documents` for each series, -1 of one that has none; shape (S,).
        covariates: which exogenous column describes the day of each step; shape (horizon, D).
        is_yearly: whether the position in the year was learned from; shape ().
        ridge: the regression of each series, whose forecast is a column: what is known of the one series alone.
        documents: what each block learned.
    """

    document: Positions
    covariates: Positions
    is_yearly: npt.NDArray[np.bool_]
    ridge: FittedDirectRidge
    documents: tuple[bytes, ...]

    @abstractmethod
    def changes(self, document: bytes, matrix: Floats) -> Floats:
        """What a document says of rows of `pooled_matrix`: changes from the centre in units of the scale; shape (n,).

        One call is made for all rows of a document. Each row counts alone.
        """

    def predict(self, inputs: ModelInputs, series: Positions) -> Floats:
        """The centre of each row and the change; the newest value of a series without a document; shape (n,)."""
        centre, scale = centre_and_scale(inputs.values)
        changed = centre + scale * self._changes(self._matrix(inputs, series), series)
        return np.where(self.document[series] >= 0, changed, inputs.column("y"))

    def parts(self, inputs: ModelInputs, series: Positions) -> Floats:
        """How the forecast differs from the mean of the seven weekdays, and from one without holidays or covariates.

        Each is changed alone, so they need not add up to what was learned: the rest stands under the newest days.
        """
        matrix, (_, scale) = self._matrix(inputs, series), centre_and_scale(inputs.values)
        ridge = dict(zip(NAMED_PARTS, self.ridge.parts(inputs, series).T, strict=True))
        lacking = {name: with_other_ridge(matrix, -part, scale) for name, part in ridge.items()}
        effects = self.ridge.weekday_effects(inputs, series)
        weekdays = [
            with_other_ridge(with_weekday(matrix, weekday, inputs.step), effects[:, weekday] - ridge["weekly"], scale)
            for weekday in range(7)
        ]
        without = {
            "trend": self._changes(lacking["trend"], series),
            "weekly": np.mean([self._changes(of, series) for of in weekdays], axis=0),
            "yearly": self._changes(lacking["yearly"], series),
            "holiday": self._changes(without_holidays(lacking["holiday"]), series),
            "exogenous": self._changes(without_covariates(lacking["exogenous"]), series),
        }
        whole = self._changes(matrix, series)
        return named_parts(inputs, **{name: scale * (whole - of) for name, of in without.items()})

    def exogenous_parts(self, inputs: ModelInputs, series: Positions) -> Floats:
        """How the forecast differs from one that lacks a covariate of the day; each is taken away alone."""
        found, ridge = np.zeros(inputs.exogenous_values.shape), self.ridge.exogenous_parts(inputs, series)
        matrix, (_, scale) = self._matrix(inputs, series), centre_and_scale(inputs.values)
        whole, columns = self._changes(matrix, series), columns_of(inputs.step, self.covariates)
        for covariate, column in enumerate(columns.T):
            # A plan has a column a day ahead: each row is told by the one of its own day.
            rows = np.flatnonzero(column >= 0)
            own = np.zeros(len(inputs))
            own[rows] = ridge[rows, column[rows]]
            without = without_covariates(with_other_ridge(matrix, -own, scale), covariate)
            found[rows, column[rows]] = (scale * (whole - self._changes(without, series)))[rows]
        return found

    def _matrix(self, inputs: ModelInputs, series: Positions) -> Floats:
        ridge = self.ridge.predict(inputs, series)
        return pooled_matrix(inputs.values, inputs.step, ridge, self.covariates, is_yearly=bool(self.is_yearly))

    def _changes(self, matrix: Floats, series: Positions) -> Floats:
        """What each row's document says of it; 0 without one; shape (n,)."""
        found, of = np.zeros(len(matrix)), self.document[series]
        for number in np.unique(of[of >= 0]):
            rows = np.flatnonzero(of == number)
            found[rows] = self.changes(self.documents[number], matrix[rows])
        return found

    def lacks_exogenous(self, inputs: ModelInputs, series: Positions) -> npt.NDArray[np.bool_]:
        """Whether a covariate of the day is not known, of series with a document."""
        lacks = lacks_covariate(inputs.values, inputs.step, self.covariates)
        return lacks & (self.document[series] >= 0)

    def unfitted(self, count: int) -> Self:
        """Without a document."""
        return replace(self, document=np.full(count, -1), ridge=self.ridge.unfitted(count), documents=())

    def take(self, series: Positions) -> Self:
        """Some series, with the documents that they use."""
        # Numbers are given anew, so that a part does not carry the documents of all.
        used, document = np.unique(self.document[series], return_inverse=True)
        # -1, which stands for none, comes first where there is one.
        without = int((used < 0).sum())
        kept = tuple(self.documents[number] for number in used[without:])
        return replace(self, document=document - without, ridge=self.ridge.take(series), documents=kept)

    @classmethod
    def join(cls, parts: Sequence[Self]) -> Self:
        """The series of several, one after the other; documents that are the same are kept once."""
        # Blocks that were fitted together share a document; it would be stored once a block.
        place: dict[bytes, int] = {}
        documents = []
        for part in parts:
            numbers = [place.setdefault(document, len(place)) for document in part.documents]
            documents.append(np.array([*numbers, -1], dtype=np.int64)[part.document])
        ridge = FittedDirectRidge.join([part.ridge for part in parts])
        return replace(parts[0], document=np.concatenate(documents), ridge=ridge, documents=tuple(place))

    @classmethod
    def average(cls, parts: Sequence[Self]) -> Self:
        """The first of several: documents have no mean."""
        return parts[0]

    def to_arrays(self) -> dict[str, npt.NDArray[Any]]:
        """The documents as bytes one after the other, with the end of each."""
        return {
            **{f"{_RIDGE}{name}": values for name, values in self.ridge.to_arrays().items()},
            "document": self.document,
            "covariates": self.covariates,
            "is_yearly": self.is_yearly,
            "documents": np.frombuffer(b"".join(self.documents), dtype=np.uint8),
            "document_ends": np.cumsum([len(document) for document in self.documents], dtype=np.int64),
        }

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, npt.NDArray[Any]]) -> Self:
        """See `FittedCandidate`.

        Raises:
            ValueError: a document is cut off, or a series has one that is not there.
        """
        content, ends = arrays["documents"].tobytes(), arrays["document_ends"].tolist()
        document = arrays["document"]
        if (ends[-1] if ends else 0) != len(content) or document.max(initial=-1) >= len(ends):
            raise ValueError(f"the documents of the candidate {cls.name!r} are not whole")
        # There is one more start than there are ends.
        documents = tuple(content[start:end] for start, end in zip([0, *ends], ends, strict=False))
        ridge = FittedDirectRidge.from_arrays(
            {name.removeprefix(_RIDGE): values for name, values in arrays.items() if name.startswith(_RIDGE)}
        )
        return cls(document, arrays["covariates"], arrays["is_yearly"], ridge, documents)


@dataclass(frozen=True, slots=True)
class PooledCandidate(Candidate):
    """One fit over all series of a block: rows of `pooled_matrix`, and the changes that came.

    Attributes:
        training_days: the newest days that it is fitted on.
        max_examples: of more series, days and steps as many are drawn, the same ones each time.
    """

    pools_series: ClassVar[bool] = True
    training_days: Annotated[int, Field(ge=1)] = 1500
    max_examples: Annotated[int, Field(ge=1)] = 50_000

    @abstractmethod
    def learn(self, matrix: Floats, changes: Floats) -> bytes:
        """The document of a fit.

        Args:
            matrix: shape (n, P + D), single precision; NaN of a covariate that is not known.
            changes: from the centre in units of the scale, within ± `MAX_CHANGE`; shape (n,).
        """

    def fit(self, panel: Panel, task: Task) -> FittedCandidate:
        """See `Candidate`; series are pooled, so each changes the fit of the others."""
        if not issubclass(self.fitted, FittedPooled):
            raise TypeError(f"{self.fitted.__name__} was found as `fitted`; it must extend FittedPooled")
        known, series = panel.newest_days(self.training_days), len(panel.unique_ids)
        covariates, is_yearly = covariate_columns(task), np.array(len(known.days) >= MIN_YEARLY_DAYS)
        # Its forecast is a column: the trees correct what a line per series cannot say.
        ridge = DirectRidge(training_days=self.training_days).fit(panel, task)
        matrix, changes = self._examples(known, task, ridge, covariates, is_yearly=bool(is_yearly))
        if len(changes) < MIN_EXAMPLES:
            return self.fitted(np.full(series, -1), covariates, is_yearly, ridge, ())
        document = self.learn(matrix, changes)
        return self.fitted(np.zeros(series, dtype=np.int64), covariates, is_yearly, ridge, (document,))

    def _examples(
        self, panel: Panel, task: Task, ridge: FittedDirectRidge, covariates: Positions, *, is_yearly: bool
    ) -> tuple[Floats, Floats]:
        """Rows of series, cutoffs and steps whose value came, and those values as changes."""
        ahead = panel.actuals(panel.days, task.horizon)
        place = np.flatnonzero(np.isfinite(ahead) & panel.observed[:, :, None])
        if len(place) > self.max_examples:
            # The same draw each time: the same data give the same model, bit for bit.
            place = np.sort(np.random.default_rng(0).choice(place, self.max_examples, replace=False))
        series, cutoff, step = np.unravel_index(place, ahead.shape)
        block = panel.block(panel.days, task.horizon, task.country)
        values = input_values(block.features[series, cutoff], block.calendar[cutoff, step])
        # A source of covariates may fail: what to forecast then is learned from examples that lack them.
        values[np.random.default_rng(1).random(len(values)) < UNKNOWN_SHARE, len(INPUT_NAMES) :] = np.nan
        centre, scale = centre_and_scale(values)
        # A row without a scale, as of a constant series, has no change in units of it.
        moves = scale > 0
        values, centre, scale, step = values[moves], centre[moves], scale[moves], step[moves] + 1
        days, names = panel.days[cutoff[moves]], np.full(len(step), "", dtype=object)
        inputs = ModelInputs(names, days, days + step, values, panel.exogenous)
        matrix = pooled_matrix(values, step, ridge.predict(inputs, series[moves]), covariates, is_yearly=is_yearly)
        # One wild change would decide a whole tree: beyond the limit all count alike.
        return matrix, np.clip((ahead.ravel()[place][moves] - centre) / scale, -MAX_CHANGE, MAX_CHANGE)


def fit_in_one_thread(estimator: Any, matrix: Floats, changes: Floats) -> Any:
    """Fit an estimator of scikit-learn in one thread; the fitted estimator.

    `Recipe.fit` limits the libraries that are loaded when it begins. Scikit-learn's own comes with the first estimator,
    and its threads would spend twenty times the work waiting for each other.
    """
    from threadpoolctl import threadpool_limits

    with threadpool_limits(1):
        return estimator.fit(matrix, changes)

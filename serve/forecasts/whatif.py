"""Scenarios: the champion's own inputs with some columns changed, and warnings about them. No HTTP."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

import numpy as np

from forecasting_platform.errors import examples
from forecasting_platform.forecasting.models.candidates.candidate import Positions
from forecasting_platform.forecasting.models.model import ForecastModel
from forecasting_platform.forecasting.series.arrays import Floats
from forecasting_platform.forecasting.series.frames import FEATURE_NAMES
from forecasting_platform.forecasting.series.inputs import INPUT_NAMES, InvalidInputsError, ModelInputs

Operation = Literal["set", "add", "multiply"]
MAX_WARNINGS = 100


@dataclass(frozen=True, slots=True)
class Change:
    """The change of a column: set to a number, the number added, or multiplied by it."""

    operation: Operation
    number: float

    def of(self, values: Floats) -> Floats:
        """The changed values; shape (n,).

        >>> Change("add", 2.0).of(np.array([1.0, 3.0])).tolist()
        [3.0, 5.0]
        """
        if self.operation == "set":
            return np.full_like(values, self.number)
        return values + self.number if self.operation == "add" else values * self.number


def apply_changes(inputs: ModelInputs, changes: Mapping[str, Change], exogenous: Mapping[str, Change]) -> ModelInputs:
    """The rows with some columns changed.

    Args:
        changes: by column of `INPUT_NAMES`.
        exogenous: by exogenous column; an unknown value stays unknown, unless it is set.

    Raises:
        InvalidInputsError: a changed value is not finite, or the champion has no such exogenous column.
    """
    if unknown := sorted(exogenous.keys() - set(inputs.exogenous)):
        known = examples(inputs.exogenous) if inputs.exogenous else "none"
        raise InvalidInputsError(f"{examples(unknown)} is no exogenous column of the champion; it has {known}")
    values, names = inputs.values.copy(), [*INPUT_NAMES, *inputs.exogenous]
    for name, change in {**changes, **exogenous}.items():
        position = names.index(name)
        values[:, position] = change.of(values[:, position])
    return replace(inputs, values=values)


def warnings_of(scenario: ModelInputs, columns: Sequence[str], model: ForecastModel) -> list[dict[str, Any]]:
    """One warning for each series and column that lies outside what the champion was trained on, at most 100.

    Args:
        columns: those that were changed, of the exogenous ones too; a column of the calendar has no range.
    """
    known = (*FEATURE_NAMES, *model.exogenous)
    names = [name for name in columns if name in known]
    if not names:
        return []
    series = model.positions(scenario.unique_id)
    ranges = {name: model.trained_ranges[series, known.index(name)] for name in names}
    found = [(name, row) for name in names for row in _outside(scenario.column(name), ranges[name], series)]
    warnings = [_warning(scenario, name, row, ranges[name][row]) for name, row in found[:MAX_WARNINGS]]
    if len(found) > MAX_WARNINGS:
        warnings.append({"message": f"{len(found) - MAX_WARNINGS} more columns of series lie outside their ranges"})
    return warnings


def _outside(values: Floats, ranges: Floats, series: Positions) -> list[int]:
    """The first row of each series whose value lies outside its range; shapes (n,), (n, 2) and (n,)."""
    lowest, highest = ranges.T
    rows = np.flatnonzero((values < lowest) | (values > highest))
    return rows[np.unique(series[rows], return_index=True)[1]].tolist()


def _warning(scenario: ModelInputs, name: str, row: int, bounds: Floats) -> dict[str, Any]:
    unique_id, value, (lowest, highest) = scenario.unique_id[row], float(scenario.column(name)[row]), bounds.tolist()
    return {
        "unique_id": unique_id,
        "column": name,
        "value": value,
        "lowest": lowest,
        "highest": highest,
        "message": f"{name} of {unique_id!r} is {value:g}; the champion was trained on {lowest:g} to {highest:g}, "
        "so this forecast is an extrapolation",
    }

"""Scenarios: the champion's own inputs with some columns changed, and warnings about them. No HTTP."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

import numpy as np

from forecasting_platform.errors import examples
from forecasting_platform.forecasting.models.candidates.candidate import Positions
from forecasting_platform.forecasting.models.steps_ahead import MAX_HORIZON_DAYS
from forecasting_platform.forecasting.models.trained.model import ForecastModel
from forecasting_platform.forecasting.models.trained.model_covariates import described_columns, model_covariates
from forecasting_platform.forecasting.series.arrays import Floats
from forecasting_platform.forecasting.series.covariates.covariate import Covariate
from forecasting_platform.forecasting.series.features.inputs import INPUT_NAMES, InvalidInputsError, ModelInputs
from forecasting_platform.forecasting.series.frames import FEATURE_NAMES

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


def apply_changes(
    inputs: ModelInputs, changes: Mapping[str, Change], exogenous: Mapping[str, Change], model: ForecastModel
) -> ModelInputs:
    """The rows with some columns changed.

    Args:
        changes: by column of `INPUT_NAMES`.
        exogenous: by covariate, of which each row's own column is changed, or by exogenous column; an unknown value
            stays unknown, unless it is set.

    Raises:
        InvalidInputsError: a changed value is not finite, or the champion has no such covariate or column.
    """
    values, rows = inputs.values.copy(), np.arange(len(inputs))
    for name, change in changes.items():
        position = INPUT_NAMES.index(name)
        values[:, position] = change.of(values[:, position])
    for covariate, change in zip(_named(exogenous, model), exogenous.values(), strict=True):
        column = covariate.columns_at(inputs.step)
        own = rows[column >= 0], len(INPUT_NAMES) + column[column >= 0]
        values[own] = change.of(values[own])
    return replace(inputs, values=values)


def _named(names: Iterable[str], model: ForecastModel) -> list[Covariate]:
    """What each name means: a covariate, by its whole name or its short one, or a single column.

    Raises:
        InvalidInputsError: one means none.
    """
    covariates = model_covariates(model)
    # Of a plan the short name is also that of a column: a person means the day to forecast.
    known = {name: Covariate(name, None, (at,) * MAX_HORIZON_DAYS) for at, name in enumerate(model.exogenous)}
    known |= {of.short: of for of in covariates if of.short} | {of.name: of for of in covariates}
    if unknown := sorted(name for name in names if name not in known):
        there_are = examples(of.name for of in covariates) if covariates else "none"
        raise InvalidInputsError(f"{examples(unknown)} is no covariate of the champion; it has {there_are}")
    return [known[name] for name in names]


def warnings_of(
    scenario: ModelInputs, columns: Sequence[str], model: ForecastModel, exogenous: Sequence[str] = ()
) -> list[dict[str, Any]]:
    """One warning for each series and column that lies outside what the champion was trained on, at most 100.

    Before them one for each covariate that is not known as far ahead as some of the rows.

    Args:
        columns: those of `INPUT_NAMES` that were changed; a column of the calendar has no range.
        exogenous: covariates and exogenous columns that were changed, by any of their names.
    """
    covariates = _named(exogenous, model)
    known, words = (*FEATURE_NAMES, *model.exogenous), described_columns(model)
    own = {at: None for of in covariates for at in of.columns_at(scenario.step).tolist() if at >= 0}
    names = [*(name for name in columns if name in known), *(model.exogenous[at] for at in own)]
    series = model.positions(scenario.unique_id)
    ranges = {name: model.trained_ranges[series, known.index(name)] for name in names}
    found = [(name, row) for name in names for row in _outside(scenario.column(name), ranges[name], series)]
    warnings = _unreached(scenario, covariates)
    warnings += [
        _warning(scenario, name, words.get(name, name), row, ranges[name][row]) for name, row in found[:MAX_WARNINGS]
    ]
    if len(found) > MAX_WARNINGS:
        warnings.append({"message": f"{len(found) - MAX_WARNINGS} more columns of series lie outside their ranges"})
    return warnings


def _unreached(scenario: ModelInputs, covariates: Sequence[Covariate]) -> list[dict[str, Any]]:
    found = []
    for of in covariates:
        beyond = scenario.step[of.columns_at(scenario.step) < 0]
        if len(beyond):
            reach = f"{beyond.min() - 1} days ahead"
            found.append({"message": f"{of.name} counts up to {reach}: forecasts of later days do not change"})
    return found


def _outside(values: Floats, ranges: Floats, series: Positions) -> list[int]:
    """The first row of each series whose value lies outside its range; shapes (n,), (n, 2) and (n,)."""
    lowest, highest = ranges.T
    rows = np.flatnonzero((values < lowest) | (values > highest))
    return rows[np.unique(series[rows], return_index=True)[1]].tolist()


def _warning(scenario: ModelInputs, name: str, words: str, row: int, bounds: Floats) -> dict[str, Any]:
    unique_id, value, (lowest, highest) = scenario.unique_id[row], float(scenario.column(name)[row]), bounds.tolist()
    return {
        "unique_id": unique_id,
        "column": name,
        "value": value,
        "lowest": lowest,
        "highest": highest,
        "message": f"{words} of {unique_id!r} is {value:g}; the champion was trained on {lowest:g} to {highest:g}, "
        "so this forecast is an extrapolation",
    }

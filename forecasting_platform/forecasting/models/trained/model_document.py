"""Converts a model to arrays and a JSON document, and back, bit for bit. `adapters.model_artifact` writes files."""

from collections.abc import Mapping
from datetime import date
from typing import Any

import numpy as np
import numpy.typing as npt

from forecasting_platform.errors import ConfigurationError
from forecasting_platform.forecasting.models.candidates.registry import (
    candidate_arrays,
    candidate_named,
    candidates_from,
    package_of,
    refuse_missing,
)
from forecasting_platform.forecasting.models.trained.first_days import FirstDays
from forecasting_platform.forecasting.models.trained.model import BY_SERIES, ForecastModel
from forecasting_platform.forecasting.series.covariates.events import Events
from forecasting_platform.forecasting.series.days.series_calendars import Calendars
from forecasting_platform.forecasting.series.frames import FEATURE_NAMES

FORMAT = 3
"""Version of the stored form; a model of another format is refused."""

_ZERO_DAYS = ("zero_values", "zero_columns")
_OPTIONAL = ("history", *_ZERO_DAYS)


def arrays_of(model: ForecastModel) -> dict[str, npt.NDArray[np.generic]]:
    """Every number of the model, by name."""
    own = {name: getattr(model, name) for name in ("probabilities", "zero_columns", *BY_SERIES)}
    # What a model has none of is left out, as in models of before there were windows and days of 0.
    has_zero_days = np.isfinite(model.zero_values).any()
    without = [*([] if model.window_days else ["history"]), *([] if has_zero_days else _ZERO_DAYS)]
    own = {name: values for name, values in own.items() if name not in without}
    return candidate_arrays(model.candidates) | own | model.first_days.to_arrays()


def document_of(model: ForecastModel) -> dict[str, Any]:
    """Everything of the model that is not a number, JSON-ready."""
    return {
        "format": FORMAT,
        "unique_ids": list(model.unique_ids),
        "cutoff": model.cutoff.isoformat(),
        "horizon": model.horizon,
        "country": model.country,
        "candidates": [candidate.name for candidate in model.candidates],
        "feature_names": list(FEATURE_NAMES),
        "exogenous": list(model.exogenous),
        "metadata": model.metadata,
        **({"calendars": model.calendars.to_document()} if model.calendars.each else {}),
        **({"events": model.events.to_document()} if model.events else {}),
        **({"packages": packages} if (packages := _packages(model)) else {}),
    }


def model_from(arrays: Mapping[str, npt.NDArray[Any]], document: Mapping[str, Any]) -> ForecastModel:
    """The model of `arrays_of` and `document_of`.

    Raises:
        ValueError: another format, other features, an unknown candidate, or a part is missing; says which.
    """
    if document.get("format") != FORMAT:
        raise ValueError(f"its format is {document.get('format')!r}, this code reads {FORMAT}")
    if document.get("feature_names") != list(FEATURE_NAMES):
        raise ValueError("it was trained on other features than this code builds")
    try:
        names, packages = document["candidates"], document.get("packages", {})
        for name in names:
            _refuse_absent(name, packages.get(name))
        return ForecastModel(
            unique_ids=tuple(document["unique_ids"]),
            cutoff=date.fromisoformat(document["cutoff"]),
            horizon=int(document["horizon"]),
            country=str(document["country"]),
            candidates=candidates_from(arrays, names),
            first_days=FirstDays.from_arrays(arrays, names),
            metadata=dict(document["metadata"]),
            exogenous=tuple(document["exogenous"]),
            calendars=Calendars.from_document(document.get("calendars", ())),
            events=Events.from_document(document.get("events", ())),
            **{name: arrays[name] for name in ("probabilities", *BY_SERIES) if name not in _OPTIONAL},
            **{name: arrays[name] for name in _OPTIONAL if name in arrays},
        )
    except KeyError as error:
        raise ValueError(f"it lacks {error.args[0]!r}") from error


def _packages(model: ForecastModel) -> dict[str, str]:
    """The packages of the candidates that are not the platform's own."""
    found = {candidate.name: package_of(candidate.name) for candidate in model.candidates}
    return {name: package for name, package in found.items() if package}


def _refuse_absent(name: str, package: str | None) -> None:
    """Refuse a candidate that cannot be used here; says which package it needs."""
    try:
        refuse_missing(candidate_named(name).fitted)
    except ConfigurationError as error:
        of = f" of {package}" if package else ""
        raise ValueError(f"it needs the candidate {name!r}{of}: {error.problem}") from error

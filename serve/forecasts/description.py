"""What the app tells of its champion: scores, metadata, the state of each series, JSON-ready. No HTTP."""

from collections.abc import Mapping, Sequence
from datetime import date
from typing import Any

import numpy as np

from forecasting_platform.forecasting.models.trained.model_covariates import model_covariates
from forecasting_platform.forecasting.promotion.kept_evidence import KEPT
from forecasting_platform.forecasting.series.days.series_calendars import Calendars
from serve.forecasts.champion import MAX_SERIES_DESCRIBED, Champion


def describe_champion(
    champion: Champion, unique_ids: Sequence[str] | None = None, limit: int = MAX_SERIES_DESCRIBED
) -> dict[str, Any]:
    """Describe a champion and some of its series, JSON-ready.

    Args:
        unique_ids: the series wanted; without, the first by name.
        limit: how many of those.

    Raises:
        UnknownSeriesError: one the model does not have.
    """
    model = champion.model
    wanted = sorted(model.unique_ids)[:limit] if unique_ids is None else sorted(set(unique_ids))
    series = describe_series(champion, wanted)
    control = model.metadata.get("control", {})
    # What promotion keeps for itself are sums of errors by day, more than all else of a champion.
    metadata = {name: of for name, of in model.metadata.items() if name != KEPT}
    metadata |= {"series": _select_series(model.metadata, wanted)}
    return {
        "scores": {unique_id: of.get("scores") for unique_id, of in metadata["series"].items()},
        "metadata": metadata | ({"control": control | {"series": _select_series(control, wanted)}} if control else {}),
        "horizon": model.horizon,
        "covariates": [of.name for of in model_covariates(model)],
        "series_count": len(model.unique_ids),
        "series": series,
    }


def describe_series(champion: Champion, wanted: Sequence[str]) -> list[dict[str, Any]]:
    """The newest day, the state and the next due day of some series, JSON-ready.

    Raises:
        UnknownSeriesError: one the model does not have.
    """
    model = champion.model
    newest, states = model.feature_days[model.positions(wanted)].tolist(), model.states(wanted)
    return [
        {"unique_id": unique_id, "newest_observation": day, "state": states.get(unique_id)}
        | _next_due(model.calendars, unique_id, day)
        for unique_id, day in zip(wanted, newest, strict=True)
    ]


def _next_due(calendars: Calendars, unique_id: str, newest: date) -> dict[str, Any]:
    """The next day with a value, and when it is complete; nothing where no calendar was declared."""
    if not calendars.each:
        return {}
    due = calendars.of(unique_id)
    following: date | None = due.next_due(np.array([newest], dtype="datetime64[D]"))[0].item()
    return {"next_due": following, "complete_from": following and due.complete_from(following)}


def _select_series(document: Mapping[str, Any], wanted: Sequence[str]) -> dict[str, Any]:
    known = document.get("series", {})
    return {unique_id: known[unique_id] for unique_id in wanted if isinstance(known.get(unique_id), dict)}

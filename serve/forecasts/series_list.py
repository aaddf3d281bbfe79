"""Some of the champion's series, found by a part of their name or as the worst: what a page of them shows. No HTTP."""

import math
from dataclasses import dataclass
from typing import Any, Literal

from serve.forecasts.champion import Champion
from serve.forecasts.description import describe_series

Order = Literal["name", "worst"]
SHOWN = ("winner", "scores", "coverage")


@dataclass(frozen=True, slots=True)
class SeriesPage:
    """Some series of those that match, JSON-ready.

    Attributes:
        series_count: how many the champion has.
        matching: how many match.
    """

    series_count: int
    matching: int
    series: list[dict[str, Any]]


def list_series(champion: Champion, search: str, order: Order, limit: int, offset: int) -> SeriesPage:
    """The series whose name holds a text, whatever its case.

    Args:
        order: `worst` is the largest MASE of the backtest first; series without one come last.
        limit, offset: how many, after leaving out so many.
    """
    wanted, names = search.casefold(), champion.model.unique_ids
    matching = sorted(name for name in names if wanted in name.casefold())
    known = champion.model.metadata.get("series", {})
    if order == "worst":
        matching.sort(key=lambda name: -champion.mase.get(name, -math.inf))
    shown = matching[offset : offset + limit]
    rows = [row | _about(known.get(row["unique_id"])) for row in describe_series(champion, shown)]
    return SeriesPage(len(names), len(matching), rows)


def _about(about: Any) -> dict[str, Any]:
    told: dict[str, Any] = about if isinstance(about, dict) else {}
    return {name: told.get(name) for name in SHOWN}

"""Writes the YAML file of a proposal, with its doubts as comments. Pure."""

from collections.abc import Mapping, Sequence
from typing import Any

from forecasting_platform.adapters.feeds.inspection.notes import UNDECIDED, Doubt
from forecasting_platform.feed_description.writing import write_description

_ORDER = (
    "source", "format", "sheet", "records", "orient", "error", "dialect", "days_are_columns", "day", "long",
    "aggregate", "series", "calendar",
)  # fmt: skip


def proposed_file(words: Mapping[str, Any], doubts: Sequence[Doubt], weather: Sequence[str]) -> str:
    """The file; where something has to be chosen it holds `UNDECIDED`, which a load refuses.

    Args:
        words: of the description, only those that differ from the defaults.
        weather: series that may be covariates.
    """
    given = {word: words[word] for word in _ORDER if words.get(word)}
    shown = {word: dict(value) if isinstance(value, dict) else value for word, value in given.items()}
    comments: dict[str, list[str]] = {}
    for doubt in doubts:
        why = f"CHOOSE {' or '.join(doubt.choices)}: {doubt.why}" if doubt.choices else doubt.why
        why += "" if why.endswith("?") else "."
        comments.setdefault(doubt.at, []).append(why[0].upper() + why[1:])
        if doubt.choices:
            part, _, word = doubt.at.partition(".")
            shown[part] = shown.get(part, {}) | {word: UNDECIDED}
            if word == "decimalChar":
                shown[part].pop("groupChar", None)
    last = []
    if weather:
        last = ["These look like weather: to have them help, and not be forecast, declare them:", "covariates:"]
        last += [f"  - unique_id: {name}" for name in weather]
    return write_description(shown, comments, last)

"""A model card in Markdown: what a version is, its scores, and its limits (Mitchell et al. 2019,
doi:10.1145/3287560.3287596).
"""

import re
from typing import Any

from forecasting_platform.forecasting.models.candidates.candidate import FittedCandidate
from forecasting_platform.forecasting.models.candidates.registry import package_of
from forecasting_platform.forecasting.models.trained.model import ForecastModel
from forecasting_platform.forecasting.models.trained.model_covariates import model_covariates
from forecasting_platform.forecasting.reports.many_series import MAX_SERIES, worst_by_mase
from forecasting_platform.forecasting.reports.markdown import markdown_cell
from forecasting_platform.forecasting.reports.training import not_normal_table
from forecasting_platform.forecasting.series.frames import LEVELS

_APART = {"constant": "constant", "new_series": "new"}

_TEXT = re.sub(
    # MLflow shows each line as one: a paragraph must be a single line.
    r"(?<=[\w,.])\n(?=[\w`])",
    " ",
    """\
# Forecasts of {count} series, {horizon} days ahead

Trained on what was known at the end of **{cutoff}**, by code {code_version}, on data `{data_fingerprint:.12}`.

## How it did

Backtest: {cutoffs} daily cutoffs from {first_cutoff} to {last_cutoff}, {refits} fits, none of which saw what it was
judged on. A skill is 1 - RMSE / RMSE of the naive forecast: above 0 is better. Coverage is of intervals that knew only
what came before. A constant or new series is served and decides nothing.

{table}
{more}
## How it works

Each series' forecast is a weighted sum of candidates ({candidates}); the weights come from past cutoffs only. Intervals
are quantiles of past errors, wider when the series is restless, corrected by what was missed lately.
{unexplained}{not_normal}
## What it is not for

Days more than {horizon} ahead repeat the last week with growing intervals. It sees the calendar of {country} and the
series' own past{sees}. After a break in a series the errors of the next fortnight
are larger than its intervals say.
""",
)


def model_card(model: ForecastModel) -> str:
    """The card of a trained model, from its metadata; Markdown, with the scores of its series or the worst ten."""
    metadata = model.metadata
    series = metadata["series"]
    shown = list(series) if len(series) <= MAX_SERIES else worst_by_mase(series)[:MAX_SERIES]
    coverage = [f"coverage {level} %" for level in LEVELS]
    head = ["series", "served by", "RMSE", "MASE", "skill to naive", "skill to seasonal naive", *coverage]
    rows = [head, ["---"] * len(head), *(_row(unique_id, series[unique_id]) for unique_id in shown)]
    more = len(series) - len(shown)
    return _TEXT.format(
        count=len(series),
        horizon=model.horizon,
        cutoff=model.cutoff,
        country=model.country,
        candidates=", ".join(candidate.name for candidate in model.candidates),
        table="\n".join(f"| {' | '.join(row)} |" for row in rows),
        unexplained=_unexplained(model),
        not_normal=_not_normal(model),
        sees=_sees(model),
        more=f"\nThe worst {len(shown)}; {more} more are in `series.jsonl` of the model's files.\n" if more else "",
        **{key: metadata[key] for key in ("code_version", "data_fingerprint")},
        **metadata["backtest"],
    )


def _unexplained(model: ForecastModel) -> str:
    """Which candidates do not say what their forecasts are made of; nothing where all do."""
    others = [candidate for candidate in model.candidates if package_of(candidate.name)]
    names = [f"`{candidate.name}`" for candidate in others if type(candidate).parts is FittedCandidate.parts]
    if not names:
        return ""
    return f"\nNot explained: what {', '.join(names)} adds to a forecast; all of it stands under `recent`.\n"


def _sees(model: ForecastModel) -> str:
    """What else the model sees, each covariate by its name."""
    names = [markdown_cell(of.name) for of in model_covariates(model)]
    return f", and {', '.join(names)}: nothing else" if names else ": no weather, no price, no announced outage"


def _not_normal(model: ForecastModel) -> str:
    """The periods from which nothing was learned; nothing where there are none."""
    rows = not_normal_table(model).map(markdown_cell).to_numpy().tolist()
    if not rows:
        return ""
    days = sum(of.get("not_normal_days", 0) for of in model.metadata["series"].values())
    head = ["from", "to", "not normal because of", "series"]
    table = "\n".join(f"| {' | '.join(row)} |" for row in [head, ["---"] * len(head), *rows])
    return (
        f"\nNothing was learned from these periods, and nothing judged by them ({days} values of all series):\n\n"
        f"{table}\n"
    )


def _row(unique_id: str, of: dict[str, Any]) -> list[str]:
    scores = of["scores"]
    return [
        markdown_cell(unique_id),
        of["winner"] + "".join(f" ({word})" for key, word in _APART.items() if of.get(key)),
        _number(scores["rmse"], ".4g"),
        *(_number(scores[name], ".3f") for name in ("mase", "skill_naive", "skill_seasonal_naive")),
        *(_number(of["coverage"][str(level)], ".1%") for level in LEVELS),
    ]


def _number(value: float | None, form: str) -> str:
    return "not measured" if value is None else format(value, form)

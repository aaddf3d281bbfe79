"""From `feature_table` to a model that can be registered: backtest, choose, refit, calibrate."""

import math
from dataclasses import asdict, dataclass
from datetime import date
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from forecasting_platform.errors import InsufficientHistoryError
from forecasting_platform.forecasting.models.combining import combination_weights
from forecasting_platform.forecasting.models.intervals import (
    PROBABILITIES,
    VOLATILITIES,
    WalkForward,
    adapt_quantiles,
    calm_volatility,
    error_quantiles,
    volatility_scale,
    walk_forward,
)
from forecasting_platform.forecasting.models.recipes.recipe import Recipe
from forecasting_platform.forecasting.models.trained.first_days import is_established, learn_first_days
from forecasting_platform.forecasting.models.trained.model import ForecastModel
from forecasting_platform.forecasting.models.trained.new_series import answer_from
from forecasting_platform.forecasting.models.training.backtest import MIN_HISTORY_DAYS, Backtest, backtest
from forecasting_platform.forecasting.models.training.scores import series_scores
from forecasting_platform.forecasting.models.zero_days import learn_zero_values, zero_columns
from forecasting_platform.forecasting.series.arrays import Floats
from forecasting_platform.forecasting.series.covariates.exogenous import exogenous_columns
from forecasting_platform.forecasting.series.days.date_range import DateRange
from forecasting_platform.forecasting.series.features.feature_table import fingerprint
from forecasting_platform.forecasting.series.features.panel import Panel, panel_from
from forecasting_platform.forecasting.series.frames import FEATURE_NAMES, LEVELS
from forecasting_platform.forecasting.series.lifetime import ended_after_days

PLAUSIBLE_RANGES = 1.0
"""A point forecast may leave the range of the history by this many times its width, and no further."""


@dataclass(frozen=True, slots=True)
class Training:
    """A trained model and the evidence it was chosen on: its backtest, and how its intervals did there."""

    model: ForecastModel
    results: Backtest
    panel: Panel
    intervals: WalkForward


def train(
    features: pd.DataFrame, cutoff: date, recipe: Recipe, *, code_version: str, first: date | None = None
) -> Training:
    """Train on what was known at the end of `cutoff`.

    Args:
        features: rows of `FEATURE_TABLE`; those after `cutoff` are not looked at.
        code_version: recorded in the metadata.
        first: the first day of any series, where these are some of many; by default that of `features`.

    Raises:
        InsufficientHistoryError: fewer than `MIN_HISTORY_DAYS` days up to `cutoff`.
        ConfigurationError: the periods that are not normal leave fewer.
    """
    known = features[features["ds"] <= pd.Timestamp(cutoff)]
    if known.empty:
        raise InsufficientHistoryError(0, MIN_HISTORY_DAYS)
    panel = panel_from(known, DateRange(first, cutoff) if first else None).until(cutoff)
    panel = recipe.view(panel)
    results, candidates = backtest(panel, recipe), recipe.fit(panel)
    weights = combination_weights(results.errors, recipe.prior, recipe.shrinkage, recipe.loss)
    # Errors on a constant series are rounding: the first candidate, which is the simplest, serves it.
    weights[results.constant] = np.eye(len(candidates))[0]
    judged = judge_intervals(results, panel)
    # In units of a calm day: a forecast made on a restless day is given its own scale again.
    scaled = _honest_errors(results, weights) / _scale(results, panel)[:, :, None]
    # The newest row of each series: the app answers from it while no store is reached.
    newest, newest_days = panel.newest()
    new, zeros = _is_new(panel, results), zero_columns(recipe.declared, recipe.horizon)
    model = ForecastModel(
        unique_ids=panel.unique_ids,
        cutoff=cutoff,
        horizon=recipe.horizon,
        country=recipe.country,
        # Fitted again on everything known: the backtest's fits judge, they do not serve.
        candidates=candidates,
        weights=weights,
        probabilities=PROBABILITIES,
        error_quantiles=adapt_quantiles(error_quantiles(scaled), judged.log_widths),
        calm_volatility=calm_volatility(panel.features),
        lower_bound=_lower_bound(panel),
        plausible=_plausible(panel),
        features=newest,
        feature_days=newest_days,
        history=panel.newest_history(newest_days, recipe.window_days),
        metadata=_metadata(known, panel, results, weights, judged.coverage(), new, recipe, code_version),
        exogenous=panel.exogenous,
        ended_after_days=ended_after_days(panel.observed, panel.days, panel.unique_ids, recipe.calendars),
        # Unlike `nanmin`, these take a column that was never known without a warning.
        trained_ranges=np.stack([limit.reduce(panel.features, axis=1) for limit in (np.fmin, np.fmax)], axis=2),
        first_days=learn_first_days(panel, recipe, candidates),
        is_new=new,
        calendars=recipe.calendars,
        events=recipe.events,
        zero_values=learn_zero_values(panel, zeros),
        zero_columns=zeros,
    )
    if new.any():
        # Series that are new at their training are forecast as those that the model will never have seen.
        rows = known[known["unique_id"].isin(np.array(panel.unique_ids, dtype=object)[new])].sort_values("ds")
        model = answer_from(model, rows.drop_duplicates("unique_id", keep="last"))
    return Training(model, results, panel, judged)


def _is_new(panel: Panel, results: Backtest) -> npt.NDArray[np.bool_]:
    """The series whose few days say less than how the others go on; shape (S,).

    Where all are young each is known by its own backtest, except one of which that says nothing.
    """
    established = is_established(panel)
    unmeasured = ~np.isfinite(results.served_errors).any(axis=(1, 2))
    return ~established & (established.any() | unmeasured)


def _honest_errors(results: Backtest, weights: Floats) -> Floats:
    """Errors as they would have been met: with the weights of the time, in the first block with the newest."""
    of_newest = results.y - np.einsum("ksch,sk->sch", results.y_hat, weights)
    in_its_time = results.scored[:, None] & ~results.constant[:, None, None]
    return np.where(in_its_time, results.served_errors, of_newest)


def _plausible(panel: Panel) -> Floats:
    low, high = np.nanmin(panel.y, axis=1), np.nanmax(panel.y, axis=1)
    # A constant series has no width; its own size stands in for it.
    width = PLAUSIBLE_RANGES * np.where(high > low, high - low, np.maximum(np.abs(high), 1.0))
    return np.column_stack([low - width, high + width])


def judge_intervals(results: Backtest, panel: Panel) -> WalkForward:
    """The intervals that would have been served at the cutoffs of a backtest after its first two blocks."""
    at_bound = results.y == _lower_bound(panel)[:, None, None]
    return walk_forward(
        results.served_errors, _scale(results, panel), results.cutoffs, results.fit_days, at_bound=at_bound
    )


def _lower_bound(panel: Panel) -> Floats:
    """0 for a series that was never negative, else -inf; shape (S,)."""
    return np.where(np.nanmin(panel.y, axis=1) >= 0, 0.0, -np.inf)


def _scale(results: Backtest, panel: Panel) -> Floats:
    features = panel.at(results.cutoffs)
    volatilities = features[:, :, [FEATURE_NAMES.index(name) for name in VOLATILITIES]]
    # What counts as calm is a unit, not knowledge: it is the same before and after every cutoff.
    return volatility_scale(volatilities, np.repeat(calm_volatility(panel.features)[:, None], volatilities.shape[1], 1))


def describe_weights(candidates: tuple[str, ...], weights: Floats) -> str:
    """The candidates that make a series' forecast, in words, the heaviest first.

    >>> describe_weights(("naive", "direct_ridge"), np.array([0.2, 0.8]))
    '80 % direct_ridge, 20 % naive'
    >>> describe_weights(("naive", "direct_ridge"), np.array([0.0, 1.0]))
    'direct_ridge'
    """
    shares = {name: round(100 * weight) for name, weight in zip(candidates, weights.tolist(), strict=True)}
    heaviest = sorted((name for name in shares if shares[name]), key=lambda name: -shares[name])
    return heaviest[0] if len(heaviest) == 1 else ", ".join(f"{shares[name]} % {name}" for name in heaviest)


def _metadata(
    features: pd.DataFrame,
    panel: Panel,
    results: Backtest,
    weights: Floats,
    coverage: Floats,
    new: npt.NDArray[np.bool_],
    recipe: Recipe,
    code_version: str,
) -> dict[str, Any]:
    scored = results.cutoffs[results.scored]
    observed, constant = panel.observed, results.constant
    left_out = None if panel.not_normal is None else observed & panel.not_normal
    known = np.isfinite(panel.features[observed][:, len(FEATURE_NAMES) :])
    served, *alone = series_scores(results, panel, [results.served_errors, *results.errors])
    metadata = {
        "recipe": recipe.to_document(),
        "recipe_fingerprint": recipe.fingerprint,
        "data_fingerprint": fingerprint(features, exogenous_columns(recipe.exogenous, recipe.horizon)),
        "code_version": code_version,
        # On which share of the observed days the value of each exogenous column was known.
        "exogenous_known": dict(zip(panel.exogenous, known.mean(axis=0).tolist(), strict=True)),
        "backtest": {
            "first_cutoff": str(scored[0]) if len(scored) else None,
            "last_cutoff": str(scored[-1]) if len(scored) else None,
            "cutoffs": len(scored),
            "refits": len(np.unique(results.fit_days)),
        },
        "series": {
            unique_id: {
                "winner": describe_weights(results.candidates, weights[series]),
                "weights": dict(zip(results.candidates, weights[series].tolist(), strict=True)),
                "scores": asdict(served[series]),
                "candidates": {
                    name: asdict(scores[series]) for name, scores in zip(results.candidates, alone, strict=True)
                },
                "coverage": dict(zip(map(str, LEVELS), coverage[series].tolist(), strict=True)),
                "constant": bool(constant[series]),
                "new_series": bool(new[series]),
                "observed_days": int(observed[series].sum()),
                **({"not_normal_days": int(left_out[series].sum())} if left_out is not None else {}),
                "last_observed": str(panel.days[np.nonzero(observed[series])[0][-1]]),
            }
            for series, unique_id in enumerate(panel.unique_ids)
        },
    }
    return _without_nan(metadata)


def _without_nan(value: Any) -> Any:
    """NaN is no JSON: what was not measured is null."""
    if isinstance(value, dict):
        return {key: _without_nan(item) for key, item in value.items()}
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value

"""The statistics of a decision, from its recorded inputs. What they lead to is in `rule`, the tests in `paired_tests`.

Each comparison is made so that asking again and again does not make chance look like skill.
"""

import hashlib
import json
import math
from datetime import date

import numpy as np

from forecasting_platform.forecasting.promotion.decision_inputs import Numbers
from forecasting_platform.forecasting.promotion.paired_tests import (
    block_bootstrap_bound,
    chance_in_a_year,
    confidence_sequence,
    diebold_mariano,
    least_detectable,
)
from forecasting_platform.forecasting.promotion.policy import PromotionPolicy
from forecasting_platform.forecasting.promotion.tries import read_tries, recipe_chance, shadow_chance
from forecasting_platform.forecasting.series.arrays import Floats
from forecasting_platform.forecasting.series.days.calendar import SEASONS, season_of


def compute_statistics(inputs: Numbers, policy: PromotionPolicy) -> Numbers:
    """Losses, gains and chances of a challenger against the champion; without a champion only its own loss."""
    challenger = np.array(inputs["challenger"]["loss"])
    statistics: Numbers = {
        "cutoffs": len(challenger),
        "challenger_loss": float(challenger.mean()),
        "naive_loss": inputs["naive_loss"],
    }
    if inputs["champion"] is None:
        return statistics
    champion = np.array(inputs["champion"]["loss"])
    age = date.fromisoformat(inputs["challenger"]["cutoff"]) - date.fromisoformat(inputs["champion"]["cutoff"])
    p_better = float(diebold_mariano(champion - challenger, inputs["horizon"]))
    asked = _ask_chances(inputs, policy, p_better)
    return statistics | {
        "champion_loss": float(champion.mean()),
        "days_newer": age.days,
        # Versions without a fingerprint do not count as the same recipe.
        "same_recipe": inputs["challenger"]["recipe_fingerprint"] == inputs["champion"]["recipe_fingerprint"] != "",
        **({"declares_other_days": True} if _declares_other_days(inputs) else {}),
        **_compare_recipes(champion, challenger, inputs, policy, asked["recipe"]),
        "clearly_worse": _find_clearly_worse(inputs, policy),
        "shadow": _compare_shadow(inputs, policy, asked["shadow"]),
        # Decisions that counted no tries recorded no such number, and are judged again to the same numbers.
        **({"asked": asked} if inputs.get("tries") else {}),
    }


def _declares_other_days(inputs: Numbers) -> bool:
    challenger, champion = (inputs[side].get("declared_days", "") for side in ("challenger", "champion"))
    return bool(challenger != champion)


def _ask_chances(inputs: Numbers, policy: PromotionPolicy, p_better: float) -> dict[str, float]:
    """Below which the chance of error by the backtest and by the shadow must be; 0 where the shadow cannot promote."""
    tries = read_tries(inputs.get("tries"))
    if tries is None:
        return {"recipe": policy.recipe_alpha, "shadow": policy.shadow_alpha}
    return {"recipe": recipe_chance(tries, policy), "shadow": shadow_chance(tries.with_first(p_better), policy)}


def _compare_recipes(
    champion: Floats, challenger: Floats, inputs: Numbers, policy: PromotionPolicy, asked: float
) -> Numbers:
    # A champion without any loss would make every share infinite.
    difference, horizon, mean = champion - challenger, inputs["horizon"], float(champion.mean()) or 1.0
    seed = _derive_seed(inputs)
    p_better, p_worse = (float(diebold_mariano(sign * difference, horizon)) for sign in (1, -1))
    return {
        "relative_gain": float(difference.mean()) / mean,
        "p_better": p_better,
        "p_worse": p_worse,
        "chance_better": float(chance_in_a_year(p_better, len(difference))),
        "chance_worse": float(chance_in_a_year(p_worse, len(difference))),
        "bootstrap_gain": block_bootstrap_bound(difference, policy.bootstrap_level, horizon, seed) / mean,
        "least_detectable_gain": least_detectable(difference, asked, horizon) / mean,
    }


def _derive_seed(inputs: Numbers) -> int:
    """A seed from the losses, so that judging again gives the same bits."""
    losses = json.dumps([inputs["challenger"]["loss"], inputs["champion"]["loss"]]).encode()
    return int.from_bytes(hashlib.sha256(losses).digest()[:4], "big")


def _compare_shadow(inputs: Numbers, policy: PromotionPolicy, asked: float) -> Numbers | None:
    shadow, horizon = inputs["shadow"], inputs["horizon"]
    if shadow is None or not shadow["days"]:
        return None
    champion = np.array(shadow["champion"])
    difference, mean = champion - np.array(shadow["challenger"]), float(champion.mean()) or 1.0
    # To reject what is worse is no promotion, so its bound does not share the chance.
    upper = float(confidence_sequence(difference, policy.shadow_alpha, horizon=horizon)[1][-1]) / mean
    lower = float(confidence_sequence(difference, asked, horizon=horizon)[0][-1]) / mean if asked else -math.inf
    gain, bounded = float(difference.mean()) / mean, math.isfinite(lower)
    return {
        "days": len(difference),
        "relative_gain": gain,
        "lower": lower if bounded else None,
        "upper": upper if math.isfinite(upper) else None,
        "least_detectable_gain": gain - lower if bounded else None,
        "days_to_decide": days_to_decide(len(difference), gain, gain - lower, horizon) if asked else None,
    }


def days_to_decide(days: int, gain: float, width: float, horizon: int) -> int | None:
    """About how many more days the bounds need to exclude zero at the present gain, narrowing as 1 / sqrt(days);
    None if the gain is zero.
    """
    if not math.isfinite(width):
        return 4 * horizon - days
    if gain == 0:
        return None
    return max(0, math.ceil(days * (width / abs(gain)) ** 2) - days)


def _find_clearly_worse(inputs: Numbers, policy: PromotionPolicy) -> list[str]:
    """Series, groups of steps and seasons in which the challenger is clearly worse, each kind sharing its chance."""
    from scipy import stats

    horizon, challenger, champion = inputs["horizon"], inputs["challenger"], inputs["champion"]
    series = {
        f"series {name}": float(stats.norm.sf(-one["difference"] / one["standard_error"]))
        for name, one in inputs["series"].items()
        if one["standard_error"] > 0
    }
    steps = {
        f"steps {name}": _p_worse(np.array(champion["by_step"][name]) - np.array(loss), horizon)
        for name, loss in challenger["by_step"].items()
    }
    difference = np.array(champion["loss"]) - np.array(challenger["loss"])
    season = season_of(np.array(inputs["cutoffs"], dtype="datetime64[D]"))
    of_season = {name: season == position for position, name in enumerate(SEASONS)}
    judged = [name for name, cutoffs in of_season.items() if cutoffs.sum() >= policy.season_cutoffs]
    seasons = {name: _p_worse(difference[of_season[name]], horizon) for name in judged}
    kinds = (series, steps, seasons)
    # Bonferroni: of many series that are no worse, some would seem so by chance.
    return [name for kind in kinds for name, p in kind.items() if p < policy.worse_alpha / len(kind)]


def _p_worse(difference: Floats, horizon: int) -> float:
    return float(diebold_mariano(-difference, horizon))

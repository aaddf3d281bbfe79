"""A champion changes only when the evidence says so."""

import json
from dataclasses import replace
from datetime import UTC, datetime

import numpy as np
import pytest
from scipy.stats import norm

from forecasting_platform.errors import MissingMetricError
from forecasting_platform.forecasting.models.recipes.recipe import Recipe, default_recipe
from forecasting_platform.forecasting.promotion.decision_inputs import Evidence, Fitness, ScoredVersion, Shadow
from forecasting_platform.forecasting.promotion.decision_statistics import days_to_decide
from forecasting_platform.forecasting.promotion.decisions import (
    PromotionDecision,
    hold_if_rolled_back,
    rollback_decision,
)
from forecasting_platform.forecasting.promotion.evidence import compare_recipes
from forecasting_platform.forecasting.promotion.policy import PromotionPolicy
from forecasting_platform.forecasting.promotion.rule import decide, judge_again, verify_decision
from forecasting_platform.forecasting.series.features.panel import panel_from
from forecasting_platform_tests.forecasting.promotion.decided import (
    CUTOFF,
    CUTOFFS,
    NOISE,
    evidence,
    judged,
    shadow,
)
from forecasting_platform_tests.support.example_series import features_of, observations, seasonal


def test_the_first_champion_is_promoted_even_if_it_is_only_naive() -> None:
    decision = judged(NOISE, None, naive=0.1)
    assert decision.verdict == "promote"
    assert decision.moves_champion


def test_an_equal_challenger_keeps_the_champion() -> None:
    decision = judged(NOISE, NOISE)
    assert decision.verdict == "hold"
    assert not decision.moves_champion


def test_a_clearly_better_challenger_is_promoted() -> None:
    assert judged(NOISE * 0.8, NOISE).verdict == "promote"


def test_a_gain_too_small_to_matter_holds_however_certain() -> None:
    assert judged(NOISE * 0.99, NOISE).verdict == "hold"


def test_a_gain_that_may_be_chance_holds_however_large() -> None:
    luck = np.random.default_rng(1).normal(0, 1.0, 300)
    decision = judged(NOISE - 0.05 * NOISE.mean() + luck - luck.mean(), NOISE)
    assert decision.evidence["statistics"]["relative_gain"] == pytest.approx(0.05)
    assert decision.verdict == "hold"


def test_a_clearly_worse_challenger_is_rejected() -> None:
    decision = judged(NOISE * 1.2, NOISE)
    assert decision.verdict == "reject"
    assert "20.0% higher" in decision.reason


def test_a_loss_that_may_be_higher_by_chance_holds() -> None:
    noise = np.random.default_rng(1).normal(0, 1.0, 300)
    decision = judged(1.05 * NOISE + noise - noise.mean(), NOISE)
    assert decision.evidence["statistics"]["relative_gain"] == pytest.approx(-0.05)
    assert decision.verdict == "hold"


def test_a_decision_records_its_loss_and_what_was_left_out_where_they_are_not_as_usual() -> None:
    usual = judged(NOISE * 0.8, NOISE).evidence["inputs"]
    assert not {"loss", "left_out"} & usual.keys()
    assert "declared_days" not in usual["challenger"]
    left_out = {"days": 3, "series": 2, "periods": [{"reason": "a strike"}]}
    own = evidence(NOISE * 0.8)
    own = replace(own, rmse={"a": 2.5})
    decision = judged(own, NOISE, loss="absolute", left_out=left_out, declared=("x", ""))
    found = decision.evidence["inputs"]
    assert (found["loss"], found["left_out"]) == ("absolute", left_out)
    assert (found["challenger"]["declared_days"], found["challenger"]["rmse"]) == ("x", {"a": 2.5})
    assert decision.reason.endswith(
        "; judged by the absolute loss; 3 days of 2 series left out as not normal (a strike)"
    )


def test_recipes_without_a_fingerprint_do_not_count_as_the_same() -> None:
    unnamed = [ScoredVersion(version, CUTOFF, "", evidence(NOISE)) for version in ("2", "1")]
    policy, at = PromotionPolicy.packaged(), datetime(2023, 7, 1, tzinfo=UTC)
    naive = {"naive": evidence(np.ones(300))}
    decision = decide(*unnamed, naive, policy, horizon=15, decided_at=at, decided_by="a test")
    assert decision.evidence["statistics"]["same_recipe"] is False


def test_gains_on_a_champion_without_any_loss_are_in_the_unit_of_the_loss() -> None:
    days = shadow(70, 0.0)
    zero = replace(days, champion=np.zeros(70))
    statistics = judged(NOISE, np.zeros(300), shadow=zero).evidence["statistics"]
    assert statistics["relative_gain"] == pytest.approx(-NOISE.mean())
    assert statistics["shadow"]["relative_gain"] == pytest.approx(-days.challenger.mean())


def test_losses_are_not_truncated_to_integers() -> None:
    # The old prototype compared int(RMSE): 5.9 and 5.1 were a tie.
    assert judged(NOISE * 5.1, NOISE * 5.9, naive=100).verdict == "promote"


@pytest.mark.parametrize(
    ("declared", "newer_days", "same_recipe", "verdict"),
    [
        (("strike", ""), 0, True, "refresh"),
        (("next sale", "sale"), 1, True, "refresh"),
        (("sale", "sale"), 1, True, "hold"),
        (("strike", ""), -1, True, "hold"),
        (("strike", ""), 1, False, "hold"),
    ],
)
def test_a_recipe_that_declares_other_days_refreshes_at_once(
    declared: tuple[str, str], newer_days: int, same_recipe: bool, verdict: str
) -> None:
    """A strike that was declared, or the next sale, is known by the champion without waiting for newer data."""
    decision = judged(NOISE, NOISE, newer_days=newer_days, same_recipe=same_recipe, declared=declared)
    assert decision.verdict == verdict
    assert verify_decision(decision) == "same"
    unfit = judged(NOISE, NOISE, newer_days=1, same_recipe=True, declared=("strike", ""), coverage=0.3)
    assert unfit.verdict == "reject"


@pytest.mark.parametrize(
    ("days", "same_recipe", "verdict"), [(15, True, "refresh"), (14, True, "hold"), (30, False, "hold")]
)
def test_newer_data_refresh_the_same_recipe_only(days: int, same_recipe: bool, verdict: str) -> None:
    assert judged(NOISE, NOISE, newer_days=days, same_recipe=same_recipe).verdict == verdict


def test_a_challenger_behind_naive_or_with_broken_intervals_is_rejected() -> None:
    assert "behind the naive" in judged(NOISE * 0.5, NOISE, naive=0.1).reason
    decision = judged(NOISE * 0.5, NOISE, coverage=0.4)
    assert decision.verdict == "reject"
    assert "40.0%" in decision.reason


def test_a_missing_loss_is_an_error_and_never_a_decision() -> None:
    broken = NOISE.copy()
    broken[3] = np.nan
    with pytest.raises(MissingMetricError, match="champion stays"):
        judged(broken, NOISE)
    with pytest.raises(MissingMetricError, match="version 1"):
        judged(NOISE, broken)
    with pytest.raises(MissingMetricError, match="200 cutoffs"):
        judged(NOISE, NOISE[:200])


def test_equal_recipes_have_identical_evidence_on_the_same_cells() -> None:
    panel = panel_from(features_of(observations({"a": seasonal(500), "b": seasonal(500, seed=9)})))
    recipe = Recipe(backtest_days=200, refit_days=60)
    comparison = compare_recipes(panel, recipe, recipe)
    assert comparison.champion is not None
    np.testing.assert_array_equal(comparison.challenger.loss, comparison.champion.loss)
    assert len(comparison.naive["naive"].loss) == len(comparison.challenger.loss)


def test_a_better_recipe_has_the_lower_loss_and_seasonal_naive_counts_one() -> None:
    panel = panel_from(features_of(observations({"a": seasonal(700)})))
    comparison = compare_recipes(panel, default_recipe(15, "IE"), default_recipe(15, "IE", ("seasonal_naive",)))
    assert comparison.champion is not None
    assert comparison.challenger.mean_loss < comparison.champion.mean_loss
    assert comparison.champion.mean_loss == pytest.approx(1.0, abs=0.05)


@pytest.mark.parametrize("count", [1, 2, 3])
def test_a_few_cutoffs_never_promote(count: int) -> None:
    assert judged(np.full(count, 0.5), np.full(count, 1.0)).verdict == "hold"


def test_the_champion_is_not_compared_with_itself() -> None:
    itself = ScoredVersion("1", CUTOFF, "x", evidence(NOISE))
    at = datetime(2023, 7, 1, tzinfo=UTC)
    policy, naive = PromotionPolicy.packaged(), {"naive": evidence(NOISE)}
    decision = decide(itself, itself, naive, policy, horizon=15, decided_at=at, decided_by="a test")
    assert decision.verdict == "hold"
    assert "is the champion already" in decision.reason


def test_a_challenger_unfit_to_serve_does_not_refresh_either() -> None:
    assert judged(NOISE, NOISE, newer_days=30, same_recipe=True, coverage=0.99).verdict == "reject"
    assert judged(NOISE, NOISE, newer_days=30, same_recipe=True, coverage=None).verdict == "refresh"


def test_a_coverage_that_is_no_number_is_an_error_and_one_not_measured_promotes_nothing() -> None:
    with pytest.raises(MissingMetricError, match="the coverage"):
        judged(NOISE * 0.8, NOISE, coverage=float("nan"))
    decision = judged(NOISE * 0.8, NOISE, coverage=None)
    assert (decision.verdict, "but coverage of its intervals is not measured" in decision.reason) == ("hold", True)


def test_no_measured_cutoff_is_an_error_and_never_a_decision() -> None:
    with pytest.raises(MissingMetricError, match="version 2 is None"):
        judged(NOISE[:0], None)


def test_a_decision_carries_its_evidence_as_json() -> None:
    evidence = json.loads(json.dumps(judged(NOISE * 0.8, NOISE, newer_days=15).evidence, allow_nan=False))
    statistics = evidence["statistics"]
    assert (statistics["cutoffs"], statistics["days_newer"]) == (300, 15)
    assert statistics["relative_gain"] == pytest.approx(0.2)
    assert statistics["p_better"] < 0.03 < statistics["p_worse"]
    assert len(evidence["policy"]["sha256"]) == 64


def test_a_rollback_moves_the_champion_and_keeps_the_persons_reason() -> None:
    decision = rollback_decision(
        to_version="1",
        to_cutoff=CUTOFF,
        champion_version="2",
        reason="the feed was wrong",
        decided_at=datetime(2023, 7, 1, tzinfo=UTC),
        decided_by="a person",
    )
    assert (decision.verdict, decision.moves_champion, decision.reason) == ("rollback", True, "the feed was wrong")
    assert (decision.challenger_version, decision.champion_version) == ("1", "2")


def test_a_late_request_does_not_undo_a_rollback_but_a_newer_decision_counts() -> None:
    at = datetime(2023, 7, 1, tzinfo=UTC)
    late = PromotionDecision("promote", "better", "2", "1", CUTOFF, at, "promotion_sensor")
    drill = rollback_decision(
        to_version="1", to_cutoff=CUTOFF, champion_version="2", reason="a drill", decided_at=at, decided_by="a person"
    )
    held = hold_if_rolled_back(late, [drill, late])
    assert (held.verdict, held.moves_champion) == ("hold", False)
    assert "version 2 was rolled back (a drill)" in held.reason
    assert hold_if_rolled_back(late, [late, drill]) == late


def better_but(**more: object) -> Evidence:
    return evidence(0.8 * NOISE, 0.8, **more)


def test_a_better_challenger_that_is_clearly_worse_in_one_series_steps_or_season_holds() -> None:
    of_steps = {"1-3": NOISE}
    challenger = better_but(by_step={"1-3": 1.3 * NOISE})
    decision = judged(challenger, evidence(NOISE, by_step=of_steps))
    assert decision.verdict == "hold"
    assert "worse in steps 1-3" in decision.reason
    decision = judged(better_but(by_series={"a": 1.3 * NOISE}), evidence(NOISE, by_series={"a": NOISE}))
    assert "worse in series a" in decision.reason
    spring = np.array([day.month in {3, 4, 5} for day in CUTOFFS])
    decision = judged(np.where(spring, 1.3, 0.5) * NOISE, NOISE)
    assert decision.evidence["statistics"]["clearly_worse"] == ["spring"]
    assert not decision.moves_champion


def test_what_just_can_serve_is_accepted() -> None:
    policy = PromotionPolicy.packaged()
    at_limits = Fitness(impossible=0, load_seconds=policy.max_load_seconds, megabytes=policy.max_megabytes)
    covered = (policy.min_coverage_80, policy.max_coverage_80)
    for coverage in covered:
        assert judged(0.8 * NOISE, NOISE, coverage=coverage, fitness=at_limits).verdict == "promote"


def test_a_rejection_names_the_higher_loss_without_a_sign() -> None:
    assert judged(1.25 * NOISE, NOISE).reason.startswith("its backtest loss is 25.0% higher (chance 0.000)")


@pytest.mark.parametrize(
    ("fitness", "says"),
    [
        (Fitness(impossible=3, load_seconds=1, megabytes=1), "3 of its forecasts are not finite"),
        (Fitness(impossible=0, load_seconds=61, megabytes=1), "61 s to load"),
        (Fitness(impossible=0, load_seconds=1, megabytes=501), "weighs 501 MB"),
    ],
)
def test_what_cannot_serve_is_rejected_even_as_the_first_champion(fitness: Fitness, says: str) -> None:
    for champion in (NOISE, None):
        decision = judged(0.8 * NOISE, champion, fitness=fitness)
        assert decision.verdict == "reject"
        assert says in decision.reason


def test_shadow_forecasts_that_are_clearly_better_promote_and_clearly_worse_reject() -> None:
    assert judged(NOISE, NOISE, shadow=shadow(200, 0.3)).verdict == "promote"
    worse = judged(NOISE, NOISE, shadow=shadow(200, -0.3))
    assert worse.verdict == "reject"
    assert worse.reason.startswith("its loss on 200 shadow days is 30.0% higher")
    assert judged(NOISE, NOISE, shadow=shadow(200, 0.0)).verdict == "hold"
    # However large, what has been seen on a few days decides nothing.
    assert judged(NOISE, NOISE, shadow=shadow(59, 0.9)).verdict == "hold"


def test_a_hold_says_what_would_be_seen_and_how_many_days_would_decide() -> None:
    luck = np.random.default_rng(1).normal(0, 0.5, 300)
    decision = judged(NOISE + luck - luck.mean() - 0.01, NOISE, shadow=shadow(30, 0.1), naive=100)
    statistics = decision.evidence["statistics"]
    assert statistics["shadow"]["days_to_decide"] == 30
    assert f"one of {statistics['least_detectable_gain']:.1%} would be found" in decision.reason
    assert "about 30 more days would decide" in decision.reason


@pytest.mark.parametrize(("gain", "verdict"), [(0.2, "promote"), (0.0, "hold"), (-0.2, "reject"), (0.0, "refresh")])
def test_every_verdict_on_two_models_says_which_gain_would_be_found(gain: float, verdict: str) -> None:
    newer = {"newer_days": 30, "same_recipe": True} if verdict == "refresh" else {}
    decision = judged(NOISE * (1 - gain), NOISE, **newer)
    assert decision.verdict == verdict
    assert "would be found four times in five; no shadow days yet, 60 would be the first to decide" in decision.reason


# --- what mutated code could say unnoticed ---


def crafted(**inputs: object) -> dict[str, object]:
    """The statistics of an equal challenger, with other inputs."""
    evidence = judged(NOISE, NOISE).evidence
    return judge_again(evidence | {"inputs": evidence["inputs"] | inputs})[2]


def test_an_entry_says_who_decided_about_which_versions_and_from_what() -> None:
    decision = judged(NOISE * 0.8, NOISE, provenance={"data": "abc"})
    assert (decision.challenger_version, decision.champion_version) == ("2", "1")
    assert (decision.challenger_cutoff, decision.decided_by) == (CUTOFF, "a test")
    assert decision.evidence["provenance"] == {"data": "abc"}
    assert judged(NOISE, None).evidence["provenance"] == {}
    assert judged(NOISE, None).champion_version is None


def test_gains_do_not_depend_on_the_unit_of_the_series() -> None:
    small, large = (
        judged(
            NOISE * 0.9 * unit, NOISE * unit, naive=1e6,
            shadow=Shadow(CUTOFFS[:200], NOISE[:200] * 0.9 * unit, NOISE[:200] * unit),
        ).evidence["statistics"]
        for unit in (1, 1024)
    )  # fmt: skip
    for name in ("relative_gain", "bootstrap_gain", "least_detectable_gain"):
        assert small[name] == pytest.approx(large[name], rel=0.05), name
    for name in ("relative_gain", "lower", "upper", "least_detectable_gain"):
        assert small["shadow"][name] == pytest.approx(large["shadow"][name]), name


def test_what_shadow_days_could_have_found_is_their_gain_less_its_bound() -> None:
    shadow = judged(NOISE, NOISE, shadow=Shadow(CUTOFFS[:200], NOISE[:200] * 0.99, NOISE[:200])).evidence["statistics"][
        "shadow"
    ]
    assert shadow["least_detectable_gain"] == shadow["relative_gain"] - shadow["lower"] > 0


@pytest.mark.parametrize(
    ("days", "gain", "width", "more"),
    [
        pytest.param(60, 0.05, 0.1, 180, id="bounds twice as wide as the gain need four times the days"),
        pytest.param(60, -0.05, 0.1, 180, id="a loss is found as a gain is"),
        pytest.param(60, 0.1, 0.05, 0, id="decided already"),
        pytest.param(20, 0.1, float("inf"), 40, id="before the first bound"),
        pytest.param(60, 0.0, 0.1, None, id="no gain is never found"),
    ],
)
def test_days_to_decide_follow_from_bounds_that_narrow_with_the_root_of_the_days(
    days: int, gain: float, width: float, more: int | None
) -> None:
    assert days_to_decide(days, gain, width, horizon=15) == more


def test_a_difference_that_no_number_of_days_finds_is_said_to_be_one() -> None:
    shadow = Shadow(CUTOFFS[:200], NOISE[:200], NOISE[:200])
    assert ", which no number of days decides" in judged(NOISE, NOISE, shadow=shadow).reason


def test_series_share_the_chance_of_being_called_worse() -> None:
    z = float(norm.isf(0.006))  # below 1 %, but not below a third of it
    one = {"difference": -z, "standard_error": 1.0}
    assert crafted(series={"a": one})["clearly_worse"] == ["series a"]
    assert crafted(series={"a": one, "b": one, "c": one})["clearly_worse"] == []
    assert crafted(series={"a": {"difference": -1.0, "standard_error": 0.0}})["clearly_worse"] == []


def test_a_season_is_judged_from_its_45th_cutoff_on_and_by_its_own_cutoffs() -> None:
    worse = judged(NOISE, NOISE).evidence["inputs"]["challenger"] | {"loss": list(NOISE[:100] * 1.5)}
    champion = worse | {"loss": list(NOISE[:100]), "version": "1"}

    def found(winter: int) -> object:
        cutoffs = ["2023-01-15"] * winter + ["2023-07-15"] * (100 - winter)
        both = {"loss": list(np.r_[NOISE[:winter] * 1.5, NOISE[winter:100]])}
        return crafted(challenger=worse | both, champion=champion, cutoffs=cutoffs)["clearly_worse"]

    assert found(45) == ["winter"]
    assert found(44) == []


def test_a_better_challenger_that_is_worse_in_many_series_names_five_and_counts_the_rest() -> None:
    evidence = judged(NOISE * 0.8, NOISE).evidence
    series = {name: {"difference": -9.0, "standard_error": 1.0} for name in "abcdefg"}
    verdict, reason, _ = judge_again(evidence | {"inputs": evidence["inputs"] | {"series": series}})
    assert verdict == "hold"
    assert "worse in series a, series b, series c, series d, series e and 2 more" in reason
    for names, rest in (("abcde", "series e:"), ("abcdef", "series e and 1 more:")):
        some = {name: series[name] for name in names}
        assert rest in judge_again(evidence | {"inputs": evidence["inputs"] | {"series": some}})[1]
    fewer = {name: series[name] for name in "ab"}
    reason = judge_again(evidence | {"inputs": evidence["inputs"] | {"series": fewer}})[1]
    assert "worse in series a, series b:" in reason


def test_an_error_of_a_missing_number_says_which_number_of_whom_was_what() -> None:
    with pytest.raises(MissingMetricError, match=r"^the loss of version 1 is nan"):
        judged(NOISE, np.full(300, np.nan))
    with pytest.raises(MissingMetricError, match=r"^the coverage of version 2 is nan"):
        judged(NOISE, NOISE, coverage=float("nan"))
    with pytest.raises(MissingMetricError, match=r"cutoffs of version 1 is '200 cutoffs'"):
        judged(NOISE, NOISE[:200])
    with pytest.raises(MissingMetricError, match=r"^the loss of the shadow forecasts is nan"):
        judged(NOISE, NOISE, shadow=Shadow(CUTOFFS[:2], np.array([1.0, np.nan]), np.ones(2)))

"""A champion changes only when the evidence says so."""

import json
from datetime import UTC, date, datetime

import numpy as np
import pytest
from scipy import stats

from forecasting_platform.errors import MissingMetricError
from forecasting_platform.forecasting.decisions import PromotionDecision, rollback_decision, unless_rolled_back
from forecasting_platform.forecasting.evaluation import compare_recipes
from forecasting_platform.forecasting.panel import panel_from
from forecasting_platform.forecasting.promotion import Candidacy, Evidence, PromotionPolicy, decide, diebold_mariano
from forecasting_platform.forecasting.recipe import Recipe, default_recipe
from forecasting_platform_tests.forecasting.series import features_of, observations, seasonal

NOISE = np.random.default_rng(0).gamma(4.0, 0.1, 300)
CUTOFF = date(2023, 6, 30)


def judge(
    challenger: np.ndarray,
    champion: np.ndarray | None,
    *,
    newer_days: int = 0,
    same_recipe: bool = False,
    coverage: float | None = 0.8,
    naive: float = 1.0,
) -> PromotionDecision:
    return decide(
        Candidacy("2", CUTOFF, "x", Evidence(challenger, {}, coverage)),
        None
        if champion is None
        else Candidacy(
            "1", date.fromordinal(CUTOFF.toordinal() - newer_days), "x" if same_recipe else "y", Evidence(champion, {})
        ),
        {"naive": Evidence(np.full(len(challenger), naive), {})},
        PromotionPolicy(),
        horizon=15,
        decided_at=datetime(2023, 7, 1, tzinfo=UTC),
        decided_by="a test",
    )


def test_the_first_champion_is_promoted_even_if_it_is_only_naive() -> None:
    decision = judge(NOISE, None, naive=0.1)
    assert decision.verdict == "promote"
    assert decision.moves_champion


def test_an_equal_challenger_keeps_the_champion() -> None:
    decision = judge(NOISE, NOISE)
    assert decision.verdict == "hold"
    assert not decision.moves_champion


def test_a_clearly_better_challenger_is_promoted() -> None:
    assert judge(NOISE * 0.8, NOISE).verdict == "promote"


def test_a_gain_too_small_to_matter_holds_however_certain() -> None:
    assert judge(NOISE * 0.99, NOISE).verdict == "hold"


def test_a_gain_that_may_be_chance_holds_however_large() -> None:
    luck = np.random.default_rng(1).normal(0, 1.0, 300)
    decision = judge(NOISE - 0.05 * NOISE.mean() + luck - luck.mean(), NOISE)
    assert decision.evidence["relative_gain"] == pytest.approx(0.05)
    assert decision.verdict == "hold"


def test_a_clearly_worse_challenger_is_rejected() -> None:
    decision = judge(NOISE * 1.2, NOISE)
    assert decision.verdict == "reject"
    assert "20.0% higher" in decision.reason


def test_losses_are_not_truncated_to_integers() -> None:
    # The old prototype compared int(RMSE): 5.9 and 5.1 were a tie.
    assert judge(NOISE * 5.1, NOISE * 5.9, naive=100).verdict == "promote"


@pytest.mark.parametrize(
    ("days", "same_recipe", "verdict"), [(15, True, "refresh"), (14, True, "hold"), (30, False, "hold")]
)
def test_newer_data_refresh_the_same_recipe_only(days: int, same_recipe: bool, verdict: str) -> None:
    assert judge(NOISE, NOISE, newer_days=days, same_recipe=same_recipe).verdict == verdict


def test_a_challenger_behind_naive_or_with_broken_intervals_is_rejected() -> None:
    assert "behind the naive" in judge(NOISE * 0.5, NOISE, naive=0.1).reason
    decision = judge(NOISE * 0.5, NOISE, coverage=0.4)
    assert decision.verdict == "reject"
    assert "40.0%" in decision.reason


def test_a_missing_loss_is_an_error_and_never_a_decision() -> None:
    broken = NOISE.copy()
    broken[3] = np.nan
    with pytest.raises(MissingMetricError, match="champion stays"):
        judge(broken, NOISE)
    with pytest.raises(MissingMetricError, match="version 1"):
        judge(NOISE, broken)
    with pytest.raises(MissingMetricError, match="200 cutoffs"):
        judge(NOISE, NOISE[:200])


def test_the_test_is_one_sided_and_rarely_wrong_without_a_difference() -> None:
    assert diebold_mariano(NOISE, NOISE * 0.8, 15) < 0.01
    assert diebold_mariano(NOISE * 0.8, NOISE, 15) > 0.99
    rng = np.random.default_rng(2)
    found = 0
    for _ in range(300):
        shocks = rng.normal(0, 1, 460)
        difference = np.convolve(shocks, 0.5 ** np.arange(10), mode="valid")[:400]
        found += diebold_mariano(difference, np.zeros(400), 15) < 0.05
    assert found / 300 < 0.12


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


def test_p_values_are_uniform_where_there_is_no_difference() -> None:
    rng = np.random.default_rng(4)
    shocks = rng.normal(0, 1, (400, 712))
    differences = np.array([np.convolve(row, 0.5 ** np.arange(12), mode="valid") for row in shocks])
    found = np.array([diebold_mariano(difference, np.zeros(701), 15) for difference in differences])
    assert stats.kstest(found, "uniform").pvalue > 0.01
    assert 0.02 < np.mean(found < 0.05) < 0.10
    assert 0.02 < np.mean(found > 0.95) < 0.10


@pytest.mark.parametrize("count", [1, 2, 3])
def test_a_few_cutoffs_never_promote(count: int) -> None:
    assert judge(np.full(count, 0.5), np.full(count, 1.0)).verdict == "hold"


def test_the_champion_is_not_compared_with_itself() -> None:
    itself = Candidacy("1", CUTOFF, "x", Evidence(NOISE, {}))
    decision = decide(
        itself,
        itself,
        {"naive": Evidence(NOISE, {})},
        PromotionPolicy(),
        horizon=15,
        decided_at=datetime(2023, 7, 1, tzinfo=UTC),
        decided_by="a test",
    )
    assert decision.verdict == "hold"
    assert "is the champion already" in decision.reason


def test_a_challenger_unfit_to_serve_does_not_refresh_either() -> None:
    assert judge(NOISE, NOISE, newer_days=30, same_recipe=True, coverage=0.99).verdict == "reject"
    assert judge(NOISE, NOISE, newer_days=30, same_recipe=True, coverage=float("nan")).verdict == "reject"
    assert judge(NOISE, NOISE, newer_days=30, same_recipe=True, coverage=None).verdict == "refresh"


def test_no_measured_cutoff_is_an_error_and_never_a_decision() -> None:
    with pytest.raises(MissingMetricError, match="version 2 is None"):
        judge(NOISE[:0], None)


def test_a_decision_carries_its_evidence_as_json() -> None:
    evidence = json.loads(json.dumps(judge(NOISE * 0.8, NOISE, newer_days=15).evidence, allow_nan=False))
    assert evidence["cutoffs"] == 300
    assert evidence["relative_gain"] == pytest.approx(0.2)
    assert evidence["days_newer"] == 15
    assert evidence["p_better"] < 0.05 < evidence["p_worse"]
    assert evidence["policy"]["significance"] == 0.05


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
    held = unless_rolled_back(late, [drill, late])
    assert (held.verdict, held.moves_champion) == ("hold", False)
    assert "version 2 was rolled back (a drill)" in held.reason
    assert unless_rolled_back(late, [late, drill]) == late

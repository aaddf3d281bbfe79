"""Series share one budget of false pages; many that move at once need less evidence each."""

import math
from dataclasses import replace

import numpy as np
import pytest

from forecasting_platform.forecasting.monitoring.control.chart_learning import learn_references
from forecasting_platform.forecasting.monitoring.control.charts import (
    Chart,
    Reference,
    accumulate_evidence,
    excursion_peaks,
)
from forecasting_platform.forecasting.monitoring.control.judging import Streams, judge_streams
from forecasting_platform.forecasting.monitoring.control.shared_budget import (
    PART_SHOWN_ALONE,
    PART_TOGETHER,
    how_many_are_many,
    pool_growth,
    share_budget,
)
from forecasting_platform.forecasting.series.arrays import Floats

LEVEL = Chart("level", allowance=0.45, two_sided=True, centred=False)


def learnt(streams: Floats) -> list[Reference]:
    return [of for of in learn_references(LEVEL, list(streams)) if of is not None]


@pytest.fixture(scope="module")
def references() -> list[Reference]:
    return learnt(np.random.default_rng(0).standard_normal((40, 640)))


def test_a_platform_of_calm_series_keeps_the_budget_of_one(references: list[Reference]) -> None:
    thresholds = share_budget(references, np.ones(40), 1.0).alone
    calm = np.random.default_rng(1).standard_normal((40, 25 * 365))
    pages = [
        (excursion_peaks(accumulate_evidence(LEVEL, of, stream, threshold)) >= threshold).sum()
        for of, stream, threshold in zip(references, calm, thresholds.tolist(), strict=True)
    ]
    assert sum(pages) / 25 <= 1.0


def test_the_more_series_the_higher_is_each_ones_threshold(references: list[Reference]) -> None:
    alone, few, many = (share_budget(references[:count], np.ones(count), 1.0).alone[0] for count in (1, 4, 40))
    assert alone < few < many


def test_many_series_teach_each_other_how_evidence_grows_and_so_need_less_of_it(references: list[Reference]) -> None:
    apart = np.array([of.threshold((1 - PART_TOGETHER) / 40) for of in references])
    shared = share_budget([replace(of, peaks=()) for of in references], np.ones(40), 1.0).alone
    assert shared.mean() < apart.mean()
    assert shared.std() < 0.8 * apart.std(), "they differ by chance only"


def test_a_series_unlike_all_others_keeps_how_its_evidence_grows(references: list[Reference]) -> None:
    unlike = replace(references[0], growth=4 * references[0].growth)
    pooled = pool_growth([unlike, *references[1:]])
    assert pooled[0].growth > 0.7 * unlike.growth
    assert all(of.growth < unlike.growth / 2 for of in pooled[1:])


@pytest.mark.parametrize(("squared", "days_of_growth"), [(False, 15), (True, 50)])
def test_growth_is_drawn_to_the_mean_by_as_much_as_chance_explains(
    references: list[Reference], squared: bool, days_of_growth: int
) -> None:
    """Reckoned by hand: five series of their own lengths and allowances, the last unlike the others."""
    made = [(1.0, 600, 0.45), (1.2, 700, 0.40), (1.3, 640, 0.45), (1.1, 500, 0.35), (4.0, 640, 0.45)]
    of = [
        replace(references[0], growth=growth, days=days, allowance=allowance, squared=squared)
        for growth, days, allowance in made
    ]
    logarithms = [math.log(growth * allowance) for growth, _, allowance in made]
    chances = [days_of_growth / days for _, days, _ in made]
    mean = sum(logarithms) / 5
    variance = sum((each - mean) ** 2 for each in logarithms) / 4
    kept = 1 - 2 / 4 * (sum(chances) / 5) / variance
    assert 0 < kept < 1
    for reference, own, chance, (_, _, allowance) in zip(pool_growth(of), logarithms, chances, made, strict=True):
        step = (1 - kept) * (mean - own)
        limited = max(-2 * math.sqrt(chance), min(2 * math.sqrt(chance), step))
        assert reference.growth == pytest.approx(math.exp(own + limited) / allowance)
        assert reference.own == pytest.approx(kept)
        assert reference.allowance == allowance


def test_series_that_differ_less_than_by_chance_become_as_the_mean(references: list[Reference]) -> None:
    of = [replace(references[0], growth=growth, days=600) for growth in (1.0, 1.01, 0.99, 1.0, 1.02)]
    kept = 1 - 2 / 4
    assert {reference.own for reference in pool_growth(of)} == {kept}


def test_each_share_of_a_budget_is_a_part_of_it(references: list[Reference]) -> None:
    """Without peaks of calm days only the number of series counts, and how many values a year each has."""
    of = [replace(each, peaks=()) for each in references[:6]]
    shares = np.array([1.0, 1.0, 0.5, 1 / 7, 1.0, 0.7])
    found = share_budget(of, shares, 2.0)
    pooled = list(zip(pool_growth(of), shares.tolist(), strict=True))
    assert found.many == 5
    assert found.alone.tolist() == pytest.approx(
        [each.threshold(2 * (1 - PART_TOGETHER) / 6 / s) for each, s in pooled]
    )
    assert found.together.tolist() == pytest.approx(
        [each.threshold(2 * PART_TOGETHER * 5 / 6 / s) for each, s in pooled]
    )


@pytest.mark.parametrize(("budget", "count"), [(1.0, 60), (4.5, 60), (1.0, 8)])
def test_calm_days_raise_thresholds_to_what_they_show(references: list[Reference], budget: float, count: int) -> None:
    """Reckoned by hand: four series, whose record shows rarer evidence than their number asks for."""
    peaks = tuple(90 - 0.2 * place**1.5 for place in range(count // 4))
    of = [replace(each, peaks=peaks, days=3650) for each in references[:4]]
    shares = np.array([1.0, 0.5, 1.0, 1.0])
    rarities = sorted(
        float(each.rarity(np.array([peak]))[0]) - math.log(share)
        for each, share in zip(of, shares.tolist(), strict=True)
        for peak in peaks
    )
    expected, tail = budget * PART_SHOWN_ALONE * (10 + 20 + 10 + 10) / 4, min(50, len(rarities) - 1)
    if expected >= len(rarities):
        rarity = math.log(4 / budget)
    elif expected >= tail:
        rarity = rarities[-1 - int(expected)]
    else:
        excess = sum(each - rarities[-1 - tail] for each in rarities[-tail:]) / tail
        rarity = rarities[-1 - tail] + excess * tail * ((tail / expected) ** (1 / tail) - 1)
    assert rarity > math.log(4 / budget) or count < 60
    rarity = max(rarity, math.log(4 / budget))
    wanted = [each.threshold(math.exp(-rarity) / share) for each, share in zip(of, shares.tolist(), strict=True)]
    assert share_budget(of, shares, budget).alone.tolist() == pytest.approx(wanted)


@pytest.mark.parametrize(("judged", "many"), [(1, 5), (50, 5), (51, 6), (1000, 100)])
def test_a_tenth_of_the_judged_series_and_five_at_least_are_many(judged: int, many: int) -> None:
    assert how_many_are_many(judged) == many


def test_few_series_teach_each_other_nothing(references: list[Reference]) -> None:
    assert pool_growth(references[:4]) == references[:4]


def test_rare_evidence_of_calm_days_raises_the_thresholds_of_all(references: list[Reference]) -> None:
    usual = share_budget(references, np.ones(40), 1.0).alone
    restless = [replace(of, peaks=(60.0, *of.peaks[:-1])) for of in references[:10]] + references[10:]
    assert (share_budget(restless, np.ones(40), 1.0).alone > usual).all()


def test_a_weekly_series_spends_as_much_in_a_year_as_a_daily_one(references: list[Reference]) -> None:
    every_day, weekly = (share_budget([replace(references[0], peaks=())], np.array([s]), 0.5) for s in (1.0, 1 / 7))
    assert every_day.alone[0] == pytest.approx(references[0].threshold(0.5))
    assert weekly.alone[0] == pytest.approx(references[0].threshold(3.5))


def test_rarity_is_the_inverse_of_the_threshold_beyond_the_kept_budgets_too(references: list[Reference]) -> None:
    for pages in (3.0, 0.02, 1e-9):
        threshold = np.array([references[0].threshold(pages)])
        assert references[0].rarity(threshold)[0] == pytest.approx(-np.log(pages))


@pytest.mark.parametrize(("moved", "is_told"), [(12, True), (3, False)])
def test_many_series_that_move_a_little_within_a_week_page_together_and_few_do_not(
    references: list[Reference], moved: int, is_told: bool
) -> None:
    values = np.random.default_rng(2).standard_normal((40, 90))
    values[:moved, 80:] += 1.5
    series, day = np.divmod(np.arange(values.size), 90)
    streams = Streams(
        [f"s{number:02}" for number in range(40)],
        series,
        np.datetime64("2023-01-01") + day,
        values.ravel(),
        references,
        np.zeros((40, 3)),
        [""] * 40,
    )
    found = judge_streams("level", LEVEL, streams, pages_a_year=1.0)
    assert found.passed is not is_told
    assert ("moved within a week" in found.summary) is is_told
    named = set(found.series.loc[found.series["state"] == "bad", "unique_id"])
    assert named <= set(found.series["unique_id"][:moved])

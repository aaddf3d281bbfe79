"""Series share one budget of false pages; many that move at once need less evidence each."""

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
from forecasting_platform.forecasting.monitoring.control.shared_budget import PART_TOGETHER, pool_growth, share_budget
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

"""A chart pages as often as its budget says, and stays quiet about one extreme day."""

import numpy as np
import pytest

from forecasting_platform.forecasting.monitoring.control.chart_learning import (
    MIN_REFERENCE_DAYS,
    days_to_detect,
    learn_references,
)
from forecasting_platform.forecasting.monitoring.control.charts import (
    BUDGETS,
    Chart,
    Reference,
    accumulate_evidence,
    excursion_peaks,
    is_paging,
)
from forecasting_platform.forecasting.series.arrays import Floats

LEVEL = Chart("level", allowance=0.45, two_sided=True, centred=False)
SPREAD = Chart("spread", allowance=0.4, squared=True)


def autoregressive(persistence: float, days: int, seed: int = 0) -> Floats:
    stream = np.random.default_rng(seed).standard_normal(days) * np.sqrt(1 - persistence**2)
    for day in range(1, days):
        stream[day] += persistence * stream[day - 1]
    return stream


def learnt(chart: Chart, stream: Floats) -> Reference:
    (found,) = learn_references(chart, [stream])
    assert found is not None
    return found


@pytest.mark.parametrize("persistence", [0.0, 0.8])
@pytest.mark.parametrize("chart", [LEVEL, SPREAD], ids=lambda chart: chart.name)
def test_streams_with_nothing_wrong_spend_no_more_than_the_budget(chart: Chart, persistence: float) -> None:
    reference = learnt(chart, autoregressive(persistence, 4000))
    threshold = reference.threshold(4.0)
    years = 60
    evidence = accumulate_evidence(chart, reference, autoregressive(persistence, 365 * years, seed=1), threshold)
    pages = (excursion_peaks(evidence) >= threshold).sum() / years
    assert 2.5 < pages < 4.6


def test_a_smaller_budget_never_has_a_lower_threshold() -> None:
    reference = learnt(LEVEL, autoregressive(0.5, 640))
    thresholds = [reference.threshold(budget) for budget in (1e-9, 1e-3, *BUDGETS)]
    assert thresholds == sorted(thresholds, reverse=True)


def test_a_lasting_step_in_persistent_days_adds_up_where_the_whole_allowance_would_eat_it() -> None:
    persistent = learnt(LEVEL, autoregressive(0.8, 4000))
    assert persistent.allowance < learnt(LEVEL, autoregressive(0.0, 4000)).allowance == LEVEL.allowance
    evidence = accumulate_evidence(LEVEL, persistent, np.full(200, 1.25), np.inf)
    assert evidence[0, -1] > evidence[0, 100] > evidence[0, 20] > 0


@pytest.mark.parametrize("step", [3.0, -3.0])
def test_a_lasting_step_pages_on_either_side_and_its_end_ends_the_page(step: float) -> None:
    reference = learnt(LEVEL, autoregressive(0.5, 640))
    threshold = reference.threshold(1.0)
    stream = autoregressive(0.5, 120, seed=3)
    stream[60:] += step
    assert not is_paging(accumulate_evidence(LEVEL, reference, stream[:60], threshold), threshold)
    assert is_paging(accumulate_evidence(LEVEL, reference, stream[:75], threshold), threshold)
    over = np.concatenate([stream[:80], autoregressive(0.5, 60, seed=4)])
    assert not is_paging(accumulate_evidence(LEVEL, reference, over, threshold), threshold)


def test_one_extreme_day_does_not_page() -> None:
    reference = learnt(LEVEL, autoregressive(0.0, 640))
    stream = np.zeros(40)
    stream[20] = 100.0
    threshold = reference.threshold(1.0)
    assert not is_paging(accumulate_evidence(LEVEL, reference, stream, threshold), threshold)


def test_a_page_lasts_until_its_evidence_is_used_up() -> None:
    reference = learnt(LEVEL, autoregressive(0.0, 640))
    threshold = reference.threshold(1.0)
    stream = np.concatenate([np.full(20, 2.0), np.zeros(30)])
    evidence = accumulate_evidence(LEVEL, reference, stream, threshold)
    below = int(np.flatnonzero(evidence[0, 20:] < threshold)[0]) + 20
    assert is_paging(evidence[:, : below + 1], threshold)
    assert evidence[0].max() == threshold, "it grows no further, so that it ends in time"
    assert not is_paging(evidence, threshold)


@pytest.mark.parametrize(
    "stream",
    [np.ones(400), np.arange(MIN_REFERENCE_DAYS - 1.0), np.full(400, np.nan)],
    ids=["constant", "short", "nan"],
)
def test_what_cannot_be_learnt_from_is_no_reference(stream: Floats) -> None:
    assert learn_references(LEVEL, [stream]) == [None]


def test_larger_changes_are_seen_sooner_and_persistence_hides_them() -> None:
    calm, persistent = autoregressive(0.0, 640), autoregressive(0.8, 640)
    (fast,) = days_to_detect(LEVEL, [(learnt(LEVEL, calm), calm)], [1.0, 2.0], 1.0)
    (slow,) = days_to_detect(LEVEL, [(learnt(LEVEL, persistent), persistent)], [1.0, 2.0], 1.0)
    assert fast[0] > fast[1]
    assert slow[0] > fast[0]
    (wide,) = days_to_detect(SPREAD, [(learnt(SPREAD, calm), calm)], [1.5, 3.0], 1.0)
    assert wide[0] > wide[1] >= 1

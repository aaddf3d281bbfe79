"""Candidates whose state is filtered on the newest days: held to their libraries' own forecasts, to an outage and to
what a library may do to one series."""

import sys

import numpy as np
import pytest

from forecasting_platform.candidate_contract import seasonal
from forecasting_platform.errors import ConfigurationError
from forecasting_platform.forecasting.models.candidates.candidate import (
    Candidate,
    CandidateError,
    FittedCandidate,
    Task,
)
from forecasting_platform.forecasting.models.candidates.filtered import ets, fitted_each, smoothing
from forecasting_platform.forecasting.models.candidates.filtered.auto_arima import AutoArima
from forecasting_platform.forecasting.models.candidates.filtered.auto_ets import AutoEts
from forecasting_platform.forecasting.models.candidates.filtered.ets import Ets
from forecasting_platform.forecasting.models.candidates.filtered.intermittent_demand import IntermittentDemand
from forecasting_platform.forecasting.series.features.panel import Panel, panel_from
from forecasting_platform_tests.support.example_series import features_of, observations

HORIZON = 15
TASK = Task(HORIZON, "IE")


def panel_of(**values: np.ndarray) -> Panel:
    return panel_from(features_of(observations(values)))


def ahead(fitted: FittedCandidate, panel: Panel) -> np.ndarray:
    """Forecasts from the last day; shape (S, HORIZON)."""
    return fitted.predict_block(panel.block(panel.days[-1:], HORIZON, "IE", fitted.window_days))[:, 0]


def moving(days: int, seed: int = 0) -> np.ndarray:
    """A level that walks, with a weekly season."""
    rng = np.random.default_rng(seed)
    return (
        100 + np.cumsum(rng.normal(0, 1, days)) + 10 * np.sin(np.arange(days) * 2 * np.pi / 7) + rng.normal(0, 1, days)
    )


def from_statsmodels(y: np.ndarray) -> np.ndarray:
    from statsmodels.tsa.exponential_smoothing.ets import ETSModel

    model = ETSModel(
        y, trend="add", damped_trend=True, seasonal="add", seasonal_periods=7, initialization_method="heuristic"
    )
    return np.asarray(model.fit(disp=False).forecast(HORIZON))


def from_auto_ets(y: np.ndarray) -> np.ndarray:
    from statsforecast.models import AutoETS

    return AutoETS(season_length=7, model="AZZ").forecast(y, HORIZON)["mean"]


def from_auto_arima(y: np.ndarray) -> np.ndarray:
    from statsforecast.models import AutoARIMA

    orders = {"max_p": 1, "max_q": 1, "max_P": 1, "max_Q": 1}
    return AutoARIMA(season_length=7, max_order=1, approximation=True, **orders).forecast(y, HORIZON)["mean"]


@pytest.mark.filterwarnings("ignore:possible convergence problem")  # of the library called as it is
@pytest.mark.parametrize(
    ("candidate", "library"),
    [(Ets(), from_statsmodels), (AutoEts(), from_auto_ets), (AutoArima(max_order=1), from_auto_arima)],
)
def test_filtered_on_its_window_it_forecasts_what_the_library_does(candidate: Candidate, library: object) -> None:
    y = moving(500)
    found = ahead(candidate.fit(panel := panel_of(a=y), TASK), panel)[0]
    np.testing.assert_allclose(found, library(y), atol=0.3 * np.abs(np.diff(y)).mean())


@pytest.mark.parametrize("candidate", [Ets(), AutoEts(), AutoArima(max_order=1)])
def test_a_new_value_counts_without_a_new_fit_and_an_outage_of_a_day_hardly(candidate: Candidate) -> None:
    y = moving(500)
    fitted = candidate.fit(panel_of(a=y[:450]), TASK)
    before, risen, outage = (
        ahead(fitted, panel_of(a=of)) for of in (y, y + 20 * (np.arange(500) > 485), y * (np.arange(500) < 499))
    )
    assert (risen - before > 10).all(), "fourteen days on a new level are one"
    assert np.abs(outage - before).max() < 10, "one day of 0 is none"


@pytest.mark.parametrize("candidate", [Ets(), AutoEts(), AutoArima(max_order=1)])
def test_a_far_new_level_is_reached_which_one_limit_a_day_would_not(candidate: Candidate) -> None:
    y = moving(400)
    fitted = candidate.fit(panel_of(a=y[:300]), TASK)
    before, risen = (ahead(fitted, panel_of(a=of)) for of in (y, y + 900 * (np.arange(400) > 340)))
    assert ((risen - before > 600) & (risen - before < 1300)).all()


def test_a_series_that_its_library_fails_on_has_a_default_is_named_and_stops_no_other(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def failing(_library: object, known: fitted_each.Known) -> fitted_each.Fields:
        if known.unit > 1e3:
            raise ZeroDivisionError
        return {**smoothing.DEFAULT, "limit": 3.0}

    monkeypatch.setattr(ets, "_fit", failing)
    panel = panel_of(bad=moving(200) * 1e6, good=moving(200, 1), short=moving(200, 2)[:9], still=np.full(200, 3.0))
    fitted = Ets().fit(panel, TASK)
    (remark,) = fitted.remarks(panel.unique_ids)
    assert fitted.is_default.tolist() == [True, False, True, True]
    assert remark.startswith("ets forecasts 'bad', 'short', 'still' by its default")
    assert np.isfinite(ahead(fitted, panel)).all()


def test_a_version_that_smooths_in_another_way_is_refused_by_name() -> None:
    state, values = smoothing.State(*map(np.zeros, (1, 1, (7, 1))), np.array([np.inf])), np.arange(60.0)
    with pytest.raises(CandidateError, match=r"'ets' of statsmodels \d.* smooths in another way"):
        smoothing.refuse_another_filter("ets", "statsmodels", state, values, np.array([0.5, 0.1, 0.1]), 0.9, values)


@pytest.mark.parametrize(
    ("candidate", "package", "module"),
    [
        (Ets(), "statsmodels", "statsmodels.tsa.exponential_smoothing.ets"),
        (AutoEts(), "statsforecast", "statsforecast.models"),
    ],
)
def test_without_its_library_a_fit_says_what_to_install_and_is_no_default(
    monkeypatch: pytest.MonkeyPatch, candidate: Candidate, package: str, module: str
) -> None:
    monkeypatch.setitem(sys.modules, package, None)
    monkeypatch.delitem(sys.modules, module, raising=False)
    panel = panel_of(a=seasonal(200))
    with pytest.raises(ConfigurationError, match=rf"{package}, which is not installed: pip install 'forecasting-pl"):
        candidate.fit(panel, TASK)


def test_how_long_nothing_is_known_of_a_demand_does_not_decide_how_it_is_smoothed() -> None:
    rng = np.random.default_rng(59)
    demand = np.where(rng.random(300) < 0.3, rng.integers(1, 20, 300), 0).astype(float)

    def smoothings(gap: int) -> tuple[float, float]:
        panel = panel_of(a=np.concatenate([demand[:150], np.full(gap, np.nan), demand[150:]]))
        fitted = IntermittentDemand().fit(panel, TASK)
        return fitted.chance_smoothing[0], fitted.size_smoothing[0]

    assert smoothings(20) == smoothings(200)

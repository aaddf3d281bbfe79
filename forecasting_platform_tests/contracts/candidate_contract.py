"""What every candidate promises; subclassed once for each, which overrides `candidate` only."""

import io
import json
import warnings
from dataclasses import replace
from datetime import timedelta

import numpy as np
import pandas as pd
import pytest

from forecasting_platform.forecasting.models.candidates.candidate import (
    NAMED_PARTS,
    Candidate,
    FittedCandidate,
    Task,
)
from forecasting_platform.forecasting.models.candidates.registry import (
    CANDIDATES,
    candidate_arrays,
    candidates_from,
)
from forecasting_platform.forecasting.models.new_series import answer_from
from forecasting_platform.forecasting.models.recipe import Recipe, recipe_from
from forecasting_platform.forecasting.series.exogenous import KnownAtCutoff
from forecasting_platform.forecasting.series.inputs import InputBlock
from forecasting_platform.forecasting.series.panel import Panel, panel_from
from forecasting_platform_tests.support.example_series import (
    END,
    days_after,
    features_of,
    observations,
    seasonal,
    trained,
)

WIND = KnownAtCutoff("Wind")


def gappy(days: int, seed: int) -> np.ndarray:
    """A walk without a value on each tenth day, but on the last one."""
    rng = np.random.default_rng(seed)
    values = 100 + np.cumsum(rng.normal(0, 1, days))
    values[:-1][rng.random(days - 1) < 0.1] = np.nan
    return values


VALUES = {"a": seasonal(420), "b": gappy(420, 1), "c": seasonal(90, 3)}
DEGENERATE = {
    "zeros": np.zeros(400),
    "constant": np.full(400, 7.5),
    "steps of one": np.arange(400.0),
    "two values": np.tile([0.0, 1e6], 200),
    "one value": np.array([3.0]),
    "a week": seasonal(7),
    "huge": seasonal(400) * 1e40,
    "ended": np.concatenate([seasonal(200), np.full(200, np.nan)]),
}


def panel_of(values: dict[str, np.ndarray], exogenous: bool = False) -> Panel:
    """The panel of some series, with wind on most days where asked for."""
    rows = features_of(observations(values))
    if exogenous:
        known = [f'{{"Wind": {day.dayofyear % 17}.5}}' if day.day > 2 else None for day in rows["ds"]]
        rows = rows.assign(exogenous=known)
    return panel_from(rows)


def without_last_series(panel: Panel, known: int) -> Panel:
    """As it was while the last series had no value yet: the first days."""
    features = panel.features[:, :known].copy()
    features[-1] = np.nan
    return replace(panel, days=panel.days[:known], features=features)


def read_only(panel: Panel) -> Panel:
    """The same, which nobody can write to."""
    panel.features.flags.writeable = False
    return panel


def forecasts_of(fitted: FittedCandidate, block: InputBlock) -> np.ndarray:
    """Through rows, as a model asks; shape (S, C, horizon)."""
    found = np.full(block.shape, np.nan)
    for step in range(block.shape[2]):
        rows, series, cutoff = block.rows(step)
        found[series, cutoff, step] = fitted.predict(rows, series)
    return found


class CandidateContract:
    """The promises of `Candidate` and `FittedCandidate`."""

    candidate: Candidate
    """The candidate, with its default options."""

    @pytest.mark.parametrize("horizon", [1, 8, 15])
    @pytest.mark.parametrize("exogenous", [(), (WIND,)], ids=["plain", "exogenous"])
    def test_a_block_is_forecast_as_each_of_its_rows(self, horizon: int, exogenous: tuple[KnownAtCutoff, ...]) -> None:
        panel = panel_of(VALUES, bool(exogenous))
        fitted = self.candidate.fit(panel, Task(horizon, "IE", exogenous))
        block = panel.block(panel.days[-30:], horizon, "IE")
        found = fitted.predict_block(block)
        assert found.shape == block.shape
        # NaN where a cutoff has no row, and nowhere else.
        np.testing.assert_array_equal(np.isnan(found), np.isnan(block.features[:, :, :1]).repeat(horizon, axis=2))
        np.testing.assert_allclose(found, forecasts_of(fitted, block), rtol=1e-9, atol=1e-9)

    def test_a_row_is_forecast_alike_whatever_stands_next_to_it(self) -> None:
        panel = panel_of(VALUES)
        fitted = self.candidate.fit(panel, Task(15, "IE"))
        rows, series, _ = panel.block(panel.days[-9:], 15, "IE").rows(7)
        alone = [fitted.predict(rows.rows(slice(at, at + 1)), series[at : at + 1])[0] for at in range(len(rows))]
        np.testing.assert_array_equal(fitted.predict(rows, series), alone)

    def test_saved_loaded_and_joined_it_forecasts_the_same_bits(self) -> None:
        task, together = Task(15, "IE"), panel_of(VALUES)
        parts = [replace(together, unique_ids=together.unique_ids[at], features=together.features[at])
                 for at in (slice(0, 2), slice(2, 3))]  # fmt: skip
        fits = [self.candidate.fit(part, task) for part in parts]
        loaded = []
        for fit in fits:
            file = io.BytesIO()
            np.savez(file, **candidate_arrays([fit]))
            with np.load(io.BytesIO(file.getvalue()), allow_pickle=False) as stored:
                loaded += candidates_from(dict(stored), [fit.name])
        joined = type(loaded[0]).join(loaded)
        cutoffs = together.days[-20:]
        blocks = [part.block(cutoffs, 15, "IE") for part in parts]
        expected = np.concatenate([forecasts_of(fit, block) for fit, block in zip(fits, blocks, strict=True)])
        np.testing.assert_array_equal(forecasts_of(joined, together.block(cutoffs, 15, "IE")), expected)
        order = np.array([2, 0, 1])
        turned = replace(together, features=together.features[order]).block(cutoffs, 15, "IE")
        np.testing.assert_array_equal(forecasts_of(joined.take(order), turned), expected[order])

    def test_nothing_after_the_cutoff_and_no_other_series_reaches_a_forecast(self) -> None:
        later = {name: np.concatenate([y[:-40], np.full(40, 1e4)]) for name, y in VALUES.items()}
        found = []
        for panel in map(panel_of, (VALUES, later, {"a": VALUES["a"]})):
            fitted = self.candidate.fit(panel.until(panel.days[-41]), Task(15, "IE"))
            found.append(forecasts_of(fitted, panel.block(panel.days[-49:-40], 15, "IE")))
        np.testing.assert_array_equal(found[0], found[1])
        np.testing.assert_allclose(found[2], found[0][:1], rtol=1e-8, atol=1e-8)

    def test_it_writes_to_nothing_that_it_is_given(self) -> None:
        panel = read_only(panel_of(VALUES, exogenous=True))
        fitted = self.candidate.fit(panel, Task(15, "IE", (WIND,)))
        block = panel.block(panel.days[-9:], 15, "IE")
        block.features.flags.writeable = block.calendar.flags.writeable = False
        fitted.predict_block(block)
        rows, series, _ = block.rows(3)
        rows.values.flags.writeable = False
        fitted.predict(rows, series)
        fitted.parts(rows, series)
        fitted.lacks_exogenous(rows, series)

    @pytest.mark.parametrize("values", DEGENERATE.values(), ids=DEGENERATE.keys())
    @pytest.mark.parametrize("others", [{}, VALUES], ids=["alone", "among others"])
    def test_whatever_the_history_forecasts_are_finite_and_nothing_is_warned_of(
        self, values: np.ndarray, others: dict[str, np.ndarray]
    ) -> None:
        panel = panel_of({**others, "z": values})
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            fitted = self.candidate.fit(panel, Task(15, "IE"))
            found = forecasts_of(fitted, panel.block(panel.days[-3:], 40, "IE"))
        assert np.isfinite(found[np.isfinite(panel.features[:, -3:, 0])]).all()

    def test_a_series_without_any_value_keeps_no_other_from_being_forecast(self) -> None:
        panel = panel_of({"a": seasonal(400), "z": seasonal(30)})
        fitted = self.candidate.fit(without_last_series(panel, 350), Task(15, "IE"))
        found = forecasts_of(fitted, panel.block(panel.days[-1:], 15, "IE"))
        assert np.isfinite(found).all()
        assert np.isfinite(forecasts_of(fitted.unfitted(2), panel.block(panel.days[-1:], 15, "IE"))).all()

    def test_its_arrays_are_numbers_with_the_series_first(self) -> None:
        fitted = self.candidate.fit(panel_of(VALUES), Task(15, "IE"))
        for name, values in fitted.to_arrays().items():
            assert values.dtype.kind in "biuf", name
            assert len(values) == len(VALUES), name

    def test_what_it_names_of_a_forecast_is_finite_and_in_order(self) -> None:
        panel = panel_of(VALUES, exogenous=True)
        fitted = self.candidate.fit(panel, Task(15, "IE", (WIND,)))
        rows, series, _ = panel.block(panel.days[-9:], 15, "IE").rows(14)
        parts, lacks = fitted.parts(rows, series), fitted.lacks_exogenous(rows, series)
        assert parts.shape == (len(rows), len(NAMED_PARTS))
        assert np.isfinite(parts).all()
        assert (lacks.shape, lacks.dtype) == ((len(rows),), np.dtype(bool))

    def test_a_recipe_carries_its_options(self) -> None:
        recipe = Recipe((replace(self.candidate, prior_weight=1.0),))
        document = json.loads(json.dumps(recipe.to_document(), sort_keys=True))
        assert recipe_from(document) == recipe
        assert recipe_from(document).fingerprint == recipe.fingerprint
        assert CANDIDATES[self.candidate.name] is type(self.candidate)

    def test_a_model_of_it_alone_forecasts_known_and_new_series(self) -> None:
        recipe = Recipe((replace(self.candidate, prior_weight=1.0),), backtest_days=200, refit_days=60)
        model = trained({"a": seasonal(400), "b": seasonal(400, 1)}, recipe).model
        taken_in = answer_from(model, features_of(observations({"new": seasonal(9)})).tail(1))
        forecasts = taken_in.predict(taken_in.inputs(days_after(40)))
        assert set(forecasts.unique_id) == {"a", "b", "new"}
        assert forecasts.new_series.sum() == 40
        assert np.isfinite(forecasts.y_hat).all()
        assert not forecasts.replaced.any()
        assert pd.Timestamp(forecasts.ds.min()) == pd.Timestamp(END) + timedelta(days=1)

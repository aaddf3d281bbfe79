"""The promises of every candidate, as tests for its author: `class TestMine(CandidateContract): candidate = Mine()`.

Needs no test framework: pytest collects the methods, and each of them can be called.
"""

import io
import json
import warnings
from collections.abc import Mapping
from dataclasses import replace
from datetime import date, timedelta

import numpy as np
import numpy.typing as npt
import pandas as pd

from forecasting_platform.forecasting.models.candidates.candidate import (
    NAMED_PARTS,
    Candidate,
    FittedCandidate,
)
from forecasting_platform.forecasting.models.candidates.pickles import refuse_pickles
from forecasting_platform.forecasting.models.candidates.registry import (
    candidate_arrays,
    candidate_named,
    candidates_from,
)
from forecasting_platform.forecasting.models.recipes.recipe import Recipe, recipe_from
from forecasting_platform.forecasting.models.trained.new_series import answer_from
from forecasting_platform.forecasting.models.training.training import train
from forecasting_platform.forecasting.series.arrays import Days, Floats
from forecasting_platform.forecasting.series.covariates.exogenous import Exogenous, KnownAtCutoff
from forecasting_platform.forecasting.series.days.date_range import DateRange
from forecasting_platform.forecasting.series.days.not_normal import NotNormal, NotNormalPeriod
from forecasting_platform.forecasting.series.features.feature_table import build_features
from forecasting_platform.forecasting.series.features.history import with_history
from forecasting_platform.forecasting.series.features.input_blocks import InputBlock
from forecasting_platform.forecasting.series.features.panel import Panel, panel_from

END = date(2023, 6, 30)
WIND = KnownAtCutoff("Wind")


def seasonal(days: int, seed: int = 0) -> Floats:
    """A positive series with weekly and yearly seasons."""
    t = np.arange(days)
    noise = np.random.default_rng(seed).normal(0, 3.0, days)
    values: Floats = 100 + 20 * np.cos(2 * np.pi * t / 365.25) - 15 * (t % 7 >= 5) + noise
    return values


def gappy(days: int, seed: int) -> Floats:
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


def features_of(values: Mapping[str, Floats]) -> pd.DataFrame:
    """The feature rows of series that end on `END`; NaN is a day without a value."""
    frames = [
        pd.DataFrame({"unique_id": name, "ds": pd.date_range(end=pd.Timestamp(END), periods=len(y)), "y": y})
        for name, y in values.items()
    ]
    rows = pd.concat(frames, ignore_index=True).dropna()
    return build_features(rows, DateRange(rows["ds"].min().date(), END), "IE")


def panel_of(values: Mapping[str, Floats], *, with_wind: bool = False) -> Panel:
    """The panel of some series, with wind on most days where asked for."""
    rows = features_of(values)
    if with_wind:
        known = [f'{{"Wind": {day.dayofyear % 17}.5}}' if day.day > 2 else None for day in rows["ds"]]
        rows = rows.assign(exogenous=np.array(known, dtype=object))
    return panel_from(rows)


def forecasts_of(fitted: FittedCandidate, block: InputBlock) -> Floats:
    """Through rows, as a model asks; shape (S, C, horizon)."""
    found = np.full(block.shape, np.nan)
    for step in range(block.shape[2]):
        rows, series, cutoff = block.rows(step)
        found[series, cutoff, step] = fitted.predict(rows, series)
    return found


def stored(fitted: FittedCandidate) -> FittedCandidate:
    """The fit, written to a file as a model's artifact is and read again."""
    file = io.BytesIO()
    np.savez(file, **candidate_arrays([fitted]))  # type: ignore[arg-type] # its own arguments have other names
    with np.load(io.BytesIO(file.getvalue()), allow_pickle=False) as arrays:
        return candidates_from(dict(arrays), [fitted.name])[0]


class CandidateContract:
    """The promises of `Candidate` and `FittedCandidate`. Where one is not kept, `AssertionError` says which."""

    candidate: Candidate
    """The candidate, with its default options."""

    tolerance: float = 1e-6
    """How far a row's forecast may move, relative to its size, by what is forecast in the same call. A product of
    matrices in single precision, as in ONNX, is rounded by their shape; 0 where a candidate is exact."""

    def test_it_is_found_by_its_name(self) -> None:
        """A recipe and a stored model name it, and no more."""
        assert candidate_named(self.candidate.name) is type(self.candidate)

    def test_a_block_is_forecast_as_each_of_its_rows(self) -> None:
        """`predict_block` and `predict` agree at each horizon, with and without exogenous columns."""
        cases: list[tuple[int, tuple[Exogenous, ...]]] = [(1, ()), (8, ()), (15, ()), (1, (WIND,)), (15, (WIND,))]
        for horizon, exogenous in cases:
            panel = panel_of(VALUES, with_wind=bool(exogenous))
            fitted = self._fit(panel, horizon, exogenous)
            block = self._block(panel, panel.days[-30:], horizon)
            found = fitted.predict_block(block)
            assert found.shape == block.shape, f"horizon {horizon}: {found.shape} instead of {block.shape}"
            # NaN where a cutoff has no row, and nowhere else.
            np.testing.assert_array_equal(np.isnan(found), np.isnan(block.features[:, :, :1]).repeat(horizon, axis=2))
            np.testing.assert_allclose(found, forecasts_of(fitted, block), rtol=max(1e-9, self.tolerance), atol=1e-9)

    def test_a_row_is_forecast_alike_whatever_stands_next_to_it(self) -> None:
        """A forecast of one series is the one that it has in a request for all."""
        panel = panel_of(VALUES)
        fitted = self._fit(panel)
        rows, series, _ = self._block(panel, panel.days[-9:], 15).rows(7)
        alone = [fitted.predict(rows.rows(slice(at, at + 1)), series[at : at + 1])[0] for at in range(len(rows))]
        np.testing.assert_allclose(fitted.predict(rows, series), alone, rtol=self.tolerance, atol=0)

    def test_saved_loaded_and_joined_it_forecasts_the_same_bits(self) -> None:
        """Blocks are trained apart, stored and joined, and series are taken out of the whole."""
        together = panel_of(VALUES)
        parts = [replace(together, unique_ids=together.unique_ids[at], features=together.features[at])
                 for at in (slice(0, 2), slice(2, 3))]  # fmt: skip
        fits = [self._fit(part) for part in parts]
        loaded = [stored(fit) for fit in fits]
        joined = stored(type(loaded[0]).join(loaded))
        cutoffs = together.days[-20:]
        blocks = [self._block(part, cutoffs, 15) for part in parts]
        expected = np.concatenate([forecasts_of(fit, block) for fit, block in zip(fits, blocks, strict=True)])
        self._same(forecasts_of(joined, self._block(together, cutoffs, 15)), expected)
        order = np.array([2, 0, 1])
        turned = self._block(replace(together, features=together.features[order]), cutoffs, 15)
        self._same(forecasts_of(joined.take(order), turned), expected[order])
        # The app takes series out of a model and joins new ones to it, again and again.
        again = type(joined).join([joined.take(np.array([1])), joined.unfitted(1), joined.take(np.array([2, 0]))])
        kept = forecasts_of(again.take(np.array([3, 0, 2])), self._block(together, cutoffs, 15))
        self._same(kept, expected)

    def test_nothing_after_the_cutoff_reaches_a_forecast(self) -> None:
        """Other values after the cutoff, in every series, leave a fit and its forecasts as they are."""
        later = {name: np.concatenate([y[:-40], np.full(40, 1e4)]) for name, y in VALUES.items()}
        known, changed = map(self._before_the_last_40_days, (VALUES, later))
        np.testing.assert_array_equal(known, changed)

    def test_no_other_series_reaches_a_forecast(self) -> None:
        """A series among others is forecast as alone, unless the candidate declares `pools_series`."""
        if not self.candidate.pools_series:
            alone, among = map(self._before_the_last_40_days, ({"a": VALUES["a"]}, VALUES))
            np.testing.assert_allclose(alone, among[:1], rtol=1e-8, atol=1e-8)

    def test_two_fits_of_the_same_days_are_the_same(self) -> None:
        """A training that is repeated forecasts the same: draws have a fixed seed.

        Its arrays may differ: converters to ONNX number their nodes by a counter of the process.
        """
        panel = panel_of(VALUES)
        block = self._block(panel, panel.days[-9:])
        first, second = (forecasts_of(self._fit(panel), block) for _ in range(2))
        np.testing.assert_array_equal(first, second)

    def test_it_writes_to_nothing_that_it_is_given(self) -> None:
        """The panel and the rows are shared with every other candidate."""
        panel = panel_of(VALUES, with_wind=True)
        panel.features.flags.writeable = False
        fitted = self._fit(panel, exogenous=(WIND,))
        block = self._block(panel, panel.days[-9:], 15)
        block.features.flags.writeable = block.calendar.flags.writeable = False
        fitted.predict_block(block)
        rows, series, _ = block.rows(3)
        rows.values.flags.writeable = False
        fitted.predict(rows, series)
        fitted.parts(rows, series)
        fitted.lacks_exogenous(rows, series)

    def test_whatever_the_history_forecasts_are_finite_and_no_number_is_invalid(self) -> None:
        """Constant, short, huge and ended series, each alone and all among others, also far beyond the horizon.

        numpy's warnings of invalid numbers fail it; a library may warn of what it likes, such as convergence.
        """
        together = {**VALUES, **DEGENERATE}
        for name, values in {**{name: {"z": y} for name, y in DEGENERATE.items()}, "together": together}.items():
            panel = panel_of(values)
            with warnings.catch_warnings():
                warnings.simplefilter("error", RuntimeWarning)
                fitted = self._fit(panel)
                found = forecasts_of(fitted, self._block(panel, panel.days[-3:], 40))
            assert np.isfinite(found[np.isfinite(panel.features[:, -3:, 0])]).all(), f"{name}: not finite"

    def test_a_series_without_any_value_keeps_no_other_from_being_forecast(self) -> None:
        """A series that begins after the days of a fit is in the panel without a value."""
        panel = panel_of({"a": seasonal(400), "z": seasonal(30)})
        features = panel.features[:, :350].copy()
        features[-1] = np.nan
        fitted = self._fit(replace(panel, days=panel.days[:350], features=features))
        newest = self._block(panel, panel.days[-1:], 15)
        assert np.isfinite(forecasts_of(fitted, newest)).all(), "not finite after a fit without one of the series"
        assert np.isfinite(forecasts_of(stored(fitted.unfitted(2)), newest)).all(), "not finite without a fit"

    def test_it_stores_numbers_and_no_pickle(self) -> None:
        """A model is data: reading one runs no code."""
        arrays = self._fit(panel_of(VALUES)).to_arrays()
        refuse_pickles(self.candidate.name, arrays)
        for name, values in arrays.items():
            assert values.dtype.kind in "biuf", f"{name} holds {values.dtype}, which are no numbers"

    def test_what_it_names_of_a_forecast_is_finite_and_in_order(self) -> None:
        """`parts` and `lacks_exogenous` have the shapes that the app reads."""
        panel = panel_of(VALUES, with_wind=True)
        fitted = self._fit(panel, exogenous=(WIND,))
        rows, series, _ = self._block(panel, panel.days[-9:], 15).rows(14)
        parts, lacks = fitted.parts(rows, series), fitted.lacks_exogenous(rows, series)
        assert parts.shape == (len(rows), len(NAMED_PARTS)), f"parts of shape {parts.shape}"
        assert np.isfinite(parts).all(), "a part is not finite"
        assert (lacks.shape, lacks.dtype) == ((len(rows),), np.dtype(bool)), f"{lacks.dtype} of shape {lacks.shape}"
        by_column = fitted.exogenous_parts(rows, series)
        assert by_column.shape == (len(rows), 1), f"exogenous parts of shape {by_column.shape}"
        assert np.isfinite(by_column).all(), "an exogenous part is not finite"

    def test_nothing_is_learned_from_days_that_are_not_normal(self) -> None:
        """Two histories that differ on such days only are one to it: it learns from `targets` and `actuals`."""
        panel, strike = panel_of(VALUES), NotNormalPeriod(END - timedelta(days=80), END - timedelta(days=60), "strike")
        declared = panel.without(NotNormal((strike,)))
        features = declared.features.copy()
        features[:, strike.holds(panel.days), 0] *= 1.5
        one, other = (self._fit(of) for of in (declared, replace(declared, features=features)))
        block = self._block(panel, panel.days[-9:])
        np.testing.assert_allclose(
            forecasts_of(one, block), forecasts_of(other, block), rtol=1e-6, err_msg="it learned from such a day"
        )

    def test_a_recipe_carries_its_options(self) -> None:
        """A version stores its recipe as JSON, and its challengers are compared by it."""
        recipe = Recipe((replace(self.candidate, prior_weight=1.0),))
        document = json.loads(json.dumps(recipe.to_document(), sort_keys=True))
        assert recipe_from(document) == recipe
        assert recipe_from(document).fingerprint == recipe.fingerprint

    def test_a_model_of_it_alone_forecasts_known_and_new_series(self) -> None:
        """From the backtest to the answer for a series that began after the training."""
        recipe = Recipe((replace(self.candidate, prior_weight=1.0),), backtest_days=200, refit_days=60)
        features = features_of({"a": seasonal(400), "b": seasonal(400, 1)})
        model = train(features, END, recipe, code_version="contract").model
        new = features_of({"new": seasonal(9)})
        taken_in = answer_from(model, with_history(new.tail(1), new, max(model.window_days, 1)))
        forecasts = taken_in.predict(taken_in.inputs([END + timedelta(days=step) for step in range(1, 41)]))
        assert set(forecasts.unique_id) == {"a", "b", "new"}
        assert forecasts.new_series.sum() == 40
        assert np.isfinite(forecasts.y_hat).all(), "a forecast is not finite"
        assert not forecasts.replaced.any(), "a forecast left the range of its series and was replaced"

    def _fit(self, panel: Panel, horizon: int = 15, exogenous: tuple[Exogenous, ...] = ()) -> FittedCandidate:
        # As a training does it: with one thread, and with what goes wrong told by name.
        alone = replace(self.candidate, prior_weight=1.0)
        return Recipe((alone,), horizon=horizon, exogenous=exogenous).fit(panel)[0]

    def _block(self, panel: Panel, cutoffs: Days, horizon: int = 15) -> InputBlock:
        # One day more than it needs: another candidate of a recipe may look further back.
        window_days = self.candidate.fitted.window_days
        return panel.block(cutoffs, horizon, "IE", window_days + 1 if window_days else 0)

    def _before_the_last_40_days(self, values: Mapping[str, Floats]) -> Floats:
        panel = panel_of(values)
        fitted = self._fit(panel.until(panel.days[-41]))
        return forecasts_of(fitted, self._block(panel, panel.days[-49:-40], 15))

    def _same(self, found: Floats, expected: npt.NDArray[np.float64]) -> None:
        np.testing.assert_allclose(found, expected, rtol=self.tolerance, atol=0)

"""What every engine promises; subclassed once for each adapter, which overrides the fixtures only."""

import json
import os
import signal
from dataclasses import asdict
from datetime import timedelta
from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from forecasting_platform.adapters.memory.table_store import MemoryTableStore
from forecasting_platform.errors import ForecastingPlatformError, InsufficientHistoryError
from forecasting_platform.forecasting.block_training import series_blocks
from forecasting_platform.forecasting.promotion.evidence import compare_recipes
from forecasting_platform.forecasting.series.days.date_range import DateRange
from forecasting_platform.forecasting.series.days.not_normal import ALL_NORMAL
from forecasting_platform.forecasting.series.days.series_calendars import DAILY
from forecasting_platform.forecasting.series.features.panel import panel_from
from forecasting_platform.forecasting.series.frames import FEATURE_TABLE, OBSERVATIONS
from forecasting_platform.ports.engine import BlockWork, Engine, Files, Read
from forecasting_platform.ports.table_store import TableStore
from forecasting_platform.services import interval_widths
from forecasting_platform.services.interval_widths import Learner, learn_from_matured
from forecasting_platform.services.promotion import recipe_comparison, stored_shadow
from forecasting_platform.services.promotion.recipe_comparison import compare_on_stored_series
from forecasting_platform.services.promotion.stored_shadow import measure_stored_shadow
from forecasting_platform.services.training.trainer import Trainer
from forecasting_platform_tests.contracts.training_examples import (
    BLOCK_SERIES,
    RECIPE,
    VALUES,
    assert_same_model,
    features,
    filled,
    lived,
    trained_by_the_core,
)
from forecasting_platform_tests.support.example_series import END, days_after, features_of, observations, seasonal
from forecasting_platform_tests.support.in_process_engine import in_process

BLOCKS = [["a", "b"], ["ended", "nobody"], ["unknown"], ["new"], ["z"]]

Summary = list[object]


def encode(summary: Summary) -> Files:
    return {"summary": json.dumps(summary).encode()}


def decode(files: Files) -> Summary:
    return list(json.loads(files["summary"]))


def summarize(number: int, *tables: pd.DataFrame) -> Summary:
    """The block's number, and of each table its series in order, how many rows there are, and their sum to the bit."""
    found: Summary = [number]
    for rows in tables:
        ordered = rows.sort_values(["unique_id", "ds"], kind="stable")
        assert ordered.index.equals(rows.index), "rows are ordered by key"
        found += [list(dict.fromkeys(rows["unique_id"])), len(rows), float(rows["y"].sum()).hex()]
    return found


def killed(number: int, *tables: pd.DataFrame) -> Summary:
    """Ends its own process at the fourth block, as the kernel does where memory is short."""
    if number == 3:
        os.kill(os.getpid(), signal.SIGKILL)
    return summarize(number, *tables)


def killed_once(number: int, *tables: pd.DataFrame, mark: Path) -> Summary:
    """The same, the first time only."""
    if number == 3 and not mark.exists():
        mark.touch()
        return killed(number, *tables)
    return summarize(number, *tables)


def refused(number: int, rows: pd.DataFrame) -> Summary:
    if number == 3:
        raise InsufficientHistoryError(len(rows), 1000)
    return summarize(number, rows)


def work_of(run: object) -> BlockWork[Summary]:
    return BlockWork(run, encode, decode)  # type: ignore[arg-type] # any of the functions here


class EngineContract:
    """The promises of `Engine`."""

    @pytest.fixture
    def store(self) -> TableStore:
        """The store whose tables it maps, empty."""
        raise NotImplementedError

    @pytest.fixture
    def engine(self, store: TableStore) -> Engine:
        """One that does several blocks at once."""
        raise NotImplementedError

    def test_results_are_those_of_one_process_in_the_order_of_the_blocks(
        self, store: TableStore, engine: Engine
    ) -> None:
        filled(store)
        days = DateRange(END.replace(month=1), END)
        found = list(engine.map_blocks(work_of(summarize), [Read(FEATURE_TABLE, days)], BLOCKS))
        memory = in_process(filled(MemoryTableStore()))
        assert found == list(memory.map_blocks(work_of(summarize), [Read(FEATURE_TABLE, days)], BLOCKS))
        assert [summary[0] for summary in found] == list(range(len(BLOCKS)))
        assert found[2] == [2, [], 0, (0.0).hex()], "a block without rows is done too"
        assert list(engine.map_blocks(work_of(summarize), [Read(FEATURE_TABLE)], [])) == []

    def test_a_worker_that_is_killed_changes_no_bit(self, store: TableStore, engine: Engine, tmp_path: Path) -> None:
        lived(filled(store))
        work, reads = work_of(partial(killed_once, mark=tmp_path / "mark")), [Read(FEATURE_TABLE), Read(OBSERVATIONS)]
        found = list(engine.map_blocks(work, reads, BLOCKS))
        assert (tmp_path / "mark").exists()
        assert found == list(in_process(store).map_blocks(work_of(summarize), reads, BLOCKS))

    def test_what_the_function_raises_is_told(self, store: TableStore, engine: Engine) -> None:
        filled(store)
        with pytest.raises(ForecastingPlatformError, match="1000"):
            list(engine.map_blocks(work_of(refused), [Read(FEATURE_TABLE)], BLOCKS))

    def test_matured_forecasts_give_the_same_bits_though_they_are_of_several_tables(
        self, store: TableStore, engine: Engine, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        for module in (interval_widths, stored_shadow):
            monkeypatch.setattr(module, "series_blocks", partial(series_blocks, size=BLOCK_SERIES))
        lived(store)
        memory = lived(MemoryTableStore())
        learner = Learner("1", END - timedelta(days=20), DAILY, ALL_NORMAL)
        days = DateRange(END - timedelta(days=3), END)
        found, expected = (
            learn_from_matured(by, [learner], days, [*VALUES, "nobody"])["1"] for by in (engine, in_process(memory))
        )
        np.testing.assert_equal(asdict(found), asdict(expected))
        assert (expected.at(np.datetime64(END), ["a", "b", "new", "z"]) != 0).all()
        assert (expected.at(np.datetime64(END), ["ended", "nobody"]) == 0).all()
        one, other = (
            measure_stored_shadow(by, days, [*VALUES, "nobody"], ["2"], ["1"], "squared", not_normal=ALL_NORMAL)
            for by in (engine, in_process(memory))
        )
        assert one is not None
        assert other is not None
        np.testing.assert_equal(asdict(one), asdict(other))

    def test_a_training_gives_the_same_bits(self, store: TableStore, engine: Engine) -> None:
        filled(store)
        memory = filled(MemoryTableStore())
        found, expected = (
            Trainer(of, by, block_series=BLOCK_SERIES).train(RECIPE, code_version="test")
            for of, by in ((store, engine), (memory, in_process(memory)))
        )
        assert found.model.unique_ids == tuple(sorted(VALUES))
        assert found.model.cutoff == END
        assert_same_model(found.model, expected.model)
        assert found.plots.keys() == expected.plots.keys()
        inputs = found.model.inputs(days_after(15))
        core = trained_by_the_core()
        pd.testing.assert_series_equal(
            pd.Series(found.model.predict(inputs).y_hat), pd.Series(core.predict(inputs).y_hat), rtol=1e-9
        )
        assert found.model.metadata["backtest"] == core.metadata["backtest"]

    def test_a_comparison_of_two_recipes_gives_the_same_bits(
        self, store: TableStore, engine: Engine, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(recipe_comparison, "series_blocks", partial(series_blocks, size=BLOCK_SERIES))
        filled(store)
        memory = filled(MemoryTableStore())
        recipes = RECIPE, RECIPE.with_candidates(("seasonal_naive",))
        found, expected = (
            compare_on_stored_series(of, by, [*VALUES, "nobody"], *recipes)
            for of, by in ((store, engine), (memory, in_process(memory)))
        )
        np.testing.assert_equal(asdict(found), asdict(expected))
        whole = compare_recipes(panel_from(features()), *recipes)
        np.testing.assert_allclose(found.challenger.loss, whole.challenger.loss, rtol=1e-9)
        assert found.champion is not None
        assert found.challenger.mean_loss != found.champion.mean_loss

    def test_a_table_without_enough_days_says_so(self, store: TableStore, engine: Engine) -> None:
        trainer = Trainer(store, engine)
        with pytest.raises(InsufficientHistoryError):
            trainer.train(RECIPE, code_version="test")
        few = features_of(observations({"a": seasonal(5)}))
        store.replace(FEATURE_TABLE, few, DateRange(few["ds"].min().date(), END))
        with pytest.raises(InsufficientHistoryError):
            trainer.train(RECIPE, code_version="test")

"""No interleaving of a few hundred seeds breaks a promise; the faults that were found once would be found again."""

from unittest.mock import patch

import pandas as pd
import pytest

from forecasting_platform.adapters.memory.table_store import MemoryTableStore
from forecasting_platform.forecasting.series.frames import FORECASTS
from forecasting_platform_tests.simulation.play import Played, play

SEEDS = {"alerts": 200, "promotion": 25, "registry": 25, "loads": 12, "forecasts": 4, "everything": 4}


def broken(mix: str, seeds: range) -> list[Played]:
    return [played for seed in seeds if (played := play(seed, mix)).broken]


@pytest.mark.parametrize("mix", SEEDS)
def test_no_interleaving_breaks_a_promise(mix: str) -> None:
    found = broken(mix, range(SEEDS[mix]))
    said = [f"python -m forecasting_platform_tests.simulation --mix {mix} --seed {played.seed}" for played in found]
    assert not found, "\n".join([*said, *found[0].trace])


def test_a_seed_is_played_the_same_again() -> None:
    assert play(3, "registry") == play(3, "registry")


def test_a_forecast_that_is_written_over_is_found() -> None:
    def write_over(store: MemoryTableStore, forecasts: pd.DataFrame) -> int:
        held = store.read(FORECASTS)
        key = ["unique_id", "cutoff", "model_version"]
        kept = held.merge(forecasts[key].drop_duplicates(), on=key, how="left", indicator="is_in")
        kept = kept.loc[kept["is_in"] == "left_only", FORECASTS.column_names]
        store._tables[FORECASTS.name] = FORECASTS.conform(pd.concat([kept, forecasts]))
        return len(forecasts)

    with patch.object(MemoryTableStore, "record_forecasts", write_over):
        found = broken("forecasts", range(2))
    assert found[0].broken[0].startswith("an issued forecast changed")

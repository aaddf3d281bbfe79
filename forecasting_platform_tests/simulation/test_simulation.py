"""No interleaving of a few hundred seeds breaks a promise; the faults that were found once would be found again."""

from unittest.mock import patch

import pandas as pd
import pytest

from forecasting_platform.adapters.memory.table_store import MemoryTableStore
from forecasting_platform.forecasting.series.frames import FEATURE_TABLE, FORECAST_ERRORS, FORECASTS, OBSERVATIONS
from forecasting_platform.ports.ledger import AlertsChange
from forecasting_platform.services import feature_table
from forecasting_platform_tests.simulation.play import Played, play
from forecasting_platform_tests.simulation.ports import SteppedLedger
from forecasting_platform_tests.simulation.rows import rows_of
from forecasting_platform_tests.simulation.rows_store import RowsTableStore

SEEDS = {"alerts": 300, "promotion": 50, "registry": 50, "loads": 40, "forecasts": 20, "everything": 20}


def broken(mix: str, seeds: range) -> list[Played]:
    return [played for seed in seeds if (played := play(seed, mix)).broken]


def said_of_broken(mix: str, seeds: range) -> str:
    """All that was said of the promises these seeds break."""
    return "\n".join(text for seed in seeds for text in play(seed, mix).broken)


@pytest.mark.parametrize("mix", SEEDS)
def test_no_interleaving_breaks_a_promise(mix: str) -> None:
    found = broken(mix, range(SEEDS[mix]))
    said = [f"python -m forecasting_platform_tests.simulation --mix {mix} --seed {played.seed}" for played in found]
    assert not found, "\n".join([*said, *found[0].trace])


def test_a_seed_is_played_the_same_again() -> None:
    assert play(3, "registry") == play(3, "registry")


@pytest.mark.parametrize("seed", [997, 1033, 3845])
def test_where_champion_and_challenger_are_damaged_the_next_training_replaces_them(seed: int) -> None:
    assert not play(seed, "registry").broken


@pytest.mark.parametrize("mix", ["loads", "everything"])
def test_the_fast_store_and_what_is_remembered_change_nothing(mix: str) -> None:
    """On the memory store all is computed anew by the platform's own functions."""
    fast, slow = RowsTableStore(shares=True), MemoryTableStore()
    assert play(2, mix, fast) == play(2, mix, slow)
    for table in (OBSERVATIONS, FEATURE_TABLE, FORECASTS, FORECAST_ERRORS):
        pd.testing.assert_frame_equal(pd.DataFrame(fast.read(table)), slow.read(table))


def test_a_build_that_leaves_out_later_days_is_found() -> None:
    with patch.object(feature_table, "days_depending_on", lambda loaded, _newest: loaded):
        assert "features are not those of the newest observations" in said_of_broken("loads", range(20))


def test_a_forecast_that_is_written_over_is_found() -> None:
    def write_over(store: RowsTableStore, forecasts: pd.DataFrame) -> int:
        issued = rows_of(FORECASTS, forecasts)
        said = {(*row[:2], row[3]) for row in issued}
        kept = [row for row in store.rows(FORECASTS) if (*row[:2], row[3]) not in said]
        store._rows[FORECASTS.name] = {row[:4]: row for row in sorted((*kept, *issued))}
        return len(issued)

    with patch.object(RowsTableStore, "record_forecasts", write_over):
        assert "an issued forecast changed" in said_of_broken("forecasts", range(2))


def test_an_incident_that_a_concurrent_teller_opens_again_is_found() -> None:
    def in_two_calls(ledger: SteppedLedger, change: AlertsChange) -> int:
        alerts, messages = change(ledger.alerts())
        ledger.save_alerts(alerts, messages)
        return len(alerts)

    with patch.object(SteppedLedger, "change_alerts", in_two_calls, create=True):
        assert "was RESOLVED and is FIRING" in said_of_broken("alerts", range(100))

"""A short, seeded slice of the kill tests; `make bench NAME=kill` runs hundreds."""

import itertools
from collections.abc import Iterator

import pytest

from benchmarks.local_server import open_directory
from forecasting_platform_tests.kill.arena import Arena, Driver, Outcome, kills
from forecasting_platform_tests.support.ports import free_ports

pytestmark = [pytest.mark.slow, pytest.mark.timeout(3600)]

SEED = 4


@pytest.fixture(scope="module")
def arena() -> Iterator[Arena]:
    with open_directory() as directory, Arena(directory, free_ports(1)) as made:
        yield made


@pytest.mark.parametrize(("driver", "count"), [("store", 8), ("dagster", 2)])
def test_a_load_disturbed_anywhere_leaves_all_or_nothing_and_its_repetition_leaves_all(
    arena: Arena, driver: Driver, count: int
) -> None:
    outcomes = [arena.suffer(kill) for kill in itertools.islice(kills(SEED, driver), count)]
    assert len(outcomes) == count
    # One that should come at the very last byte may come too late.
    assert sum(outcome.struck for outcome in outcomes) >= 0.75 * count, "loads ended before they were disturbed"
    assert _broken(outcomes) == []


def _broken(outcomes: list[Outcome]) -> list[str]:
    return [f"{outcome.kill}: {promise}" for outcome in outcomes for promise in outcome.broken]

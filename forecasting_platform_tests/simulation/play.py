"""One seed: who takes part, what happens to them, and whether the promises hold afterwards."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from datetime import datetime, tzinfo
from random import Random
from types import SimpleNamespace
from unittest.mock import patch

import pandas as pd

from forecasting_platform.adapters.memory.table_store import MemoryTableStore
from forecasting_platform.errors import ForecastingPlatformError
from forecasting_platform.forecasting.series.features.feature_table import build_features
from forecasting_platform.forecasting.series.frames import FEATURE_TABLE, HELD_OBSERVATIONS
from forecasting_platform.forecasting.series.quality.holding import held_observations
from forecasting_platform.services import feature_blocks, forecast_errors, forecasts
from forecasting_platform.services.promotion import evidence
from forecasting_platform_tests.simulation import actors
from forecasting_platform_tests.simulation.actors import Body, days_from, values_of
from forecasting_platform_tests.simulation.models import SERIES, compared, issued, matched
from forecasting_platform_tests.simulation.ports import Clock
from forecasting_platform_tests.simulation.promises import check, heal
from forecasting_platform_tests.simulation.rows import of_each_series
from forecasting_platform_tests.simulation.scheduler import Actor, Crash, Scheduler
from forecasting_platform_tests.simulation.world import World
from serve.telemetry import incidents

MIXES = ("loads", "forecasts", "promotion", "registry", "alerts", "everything")
FINGERPRINTS = ("feature_table:complete", "forecast_errors:bias")
MAX_CALLS_BEFORE_CRASH = 25


@dataclass
class Played:
    """What became of a seed."""

    seed: int
    mix: str
    broken: list[str] = field(default_factory=list)
    trace: list[str] = field(default_factory=list)


def play(seed: int, mix: str | None = None, tables: MemoryTableStore | None = None) -> Played:
    """Play one seed; which mix of actors, it says itself.

    Args:
        tables: the store behind the port, if not the simulation's own.
    """
    scheduler = Scheduler(seed)
    random = scheduler.random
    mix = mix or random.choice(MIXES)
    world = World(scheduler, tables)
    with stand_ins(world):
        set_up(world, mix)
        for actor in cast_of(world, mix, random):
            scheduler.add(actor)
        scheduler.run()
        for actor in scheduler.actors:
            if actor.error is not None and not isinstance(actor.error, Crash | ForecastingPlatformError):
                world.breaks(f"{actor.name} failed with {type(actor.error).__name__}: {actor.error}")
        if scheduler.deadlocked:
            world.breaks("everybody waits for somebody")
        else:
            heal(world)
            check(world, deaths=sum(isinstance(actor.error, Crash) for actor in scheduler.actors))
    return Played(seed, mix, world.broken, scheduler.trace)


def set_up(world: World, mix: str) -> None:
    """Before the actors begin: days 1 to 5 are loaded, version 1 serves, version 2 is the challenger."""
    if mix in {"loads", "forecasts", "everything"}:
        world.feed_state.publish(values_of(days_from(1, 6), 100.0))
        actors.load(world, days_from(1, 5))()
    if mix not in {"loads", "alerts"}:
        actors.training(world, "naive")()
        actors.promotion(world)()
        actors.training(world, "weekly")()


def cast_of(world: World, mix: str, random: Random) -> list[Actor]:
    """The actors of a mix, some of whom will die."""
    chosen: list[Actor] = []

    def join(name: str, make: Callable[[], Body], *, is_repeated: bool = True) -> None:
        crash = (random.choice(("before", "after")), random.randrange(MAX_CALLS_BEFORE_CRASH))
        again = (lambda: Actor(f"{name}, again", make())) if is_repeated else None
        crash_at = crash if random.random() < 0.25 else None
        chosen.append(Actor(name, make(), crash_at, again))  # type: ignore[arg-type] # a moment

    groups = {
        "loads": (_loads,),
        "forecasts": (_loads, _forecasts, _promotion) if random.random() < 0.3 else (_forecasts, _promotion),
        "promotion": (_promotion,),
        "registry": (_promotion, _faults),
        "alerts": (_alerts,),
        "everything": (_loads, _forecasts, _promotion, _alerts),
    }
    for group in groups[mix]:
        group(world, random, join)
    random.shuffle(chosen)
    return chosen


Join = Callable[..., None]


def _loads(world: World, random: Random, join: Join) -> None:
    changes = []
    for _ in range(random.randint(2, 4)):
        day = random.randint(1, 8)
        changes.append({(random.choice(SERIES), pd.Timestamp(days_from(day, day).start)): random.choice((3.0, 7.0))})
    if random.random() < 0.5:
        world.feed_state.publish({key: value for change in changes for key, value in change.items()})
    else:
        join("publisher", lambda: actors.publisher(world, changes), is_repeated=False)
    for number in range(random.randint(2, 3)):
        first = random.randint(1, 6)
        days = days_from(first, random.randint(first, 8))
        join(f"load {number} of {days.start:%d}..{days.end:%d}", lambda days=days: actors.load(world, days))


def _forecasts(world: World, random: Random, join: Join) -> None:
    for number in range(random.randint(1, 2) if random.random() < 0.7 else 3):
        first = random.randint(3, 5)
        days = days_from(first, random.randint(first, 6))
        join(f"forecast {number} of {days.start:%d}..{days.end:%d}", lambda days=days: actors.forecast(world, days))


def _promotion(world: World, random: Random, join: Join) -> None:
    possible: list[tuple[str, Callable[[], Body]]] = [
        ("promotion", lambda: actors.promotion(world)),
        ("promote", lambda: actors.promotion(world, "promote command")),
        ("sensor", lambda: actors.sensor(world, 2)),
        ("rollback", lambda: actors.person(world, "rollback")),
        ("override", lambda: actors.person(world, "override")),
        ("rollback to 1", lambda: actors.person(world, "rollback", "1")),
        ("training", lambda: actors.training(world, "newer")),
    ]
    for name, make in random.sample(possible, random.randint(2, 4)):
        join(name, make)


def _faults(world: World, random: Random, join: Join) -> None:
    faults = random.sample(sorted(actors.FAULTS), random.randint(1, 2))
    join("somebody", lambda: actors.somebody(world, faults), is_repeated=False)


def _alerts(world: World, random: Random, join: Join) -> None:
    for event_id in range(1, random.randint(4, 9)):
        became = random.choices(("passed", "failed", "unknown"), (4, 4, 1))[0]
        world.results.append(actors.result(world, random.choice(FINGERPRINTS), event_id, became))
    for number in range(random.randint(2, 3)):
        # The event log is read in its order, and its newest results again and again.
        seen = random.randint(1, len(world.results))
        join(f"teller {number}", lambda seen=seen: actors.teller(world, world.results[:seen]))
    troubles = [random.choice((None, "version 2 cannot be served")) for _ in range(3)]
    world.app_trouble = troubles[-1]
    join("app", lambda: actors.app(world, troubles))
    join("delivery", lambda: actors.delivery(world))
    if random.random() < 0.3:
        join("watch", lambda: actors.delivery(world))
    if random.random() < 0.5:
        join("ann", lambda: actors.acknowledging(world))


@contextmanager
def stand_ins(world: World) -> Iterator[None]:
    """The world's time instead of the machine's, people instead of channels, a backtest that was made before."""
    now = _datetime_of(world.clock)
    with ExitStack() as replaced:
        for module in (forecasts, incidents):
            replaced.enter_context(patch.object(module, "datetime", now))
        nanoseconds = SimpleNamespace(time_ns=lambda: int(world.clock.now().timestamp()) * 1_000_000_000)
        replaced.enter_context(patch.object(incidents, "time", nanoseconds))
        replaced.enter_context(patch.object(forecasts, "issue_forecasts", issued))
        replaced.enter_context(patch.object(forecasts, "learn_from_matured", lambda *_: {}))
        replaced.enter_context(patch.object(forecast_errors, "match_errors", matched))
        replaced.enter_context(patch.object(evidence, "measure_stored_shadow", lambda *_, **__: None))
        replaced.enter_context(
            patch.object(
                evidence,
                "compare_on_stored_series",
                lambda _store, _engine, _names, one, other: compared(
                    one.fingerprint, other.fingerprint if other else None
                ),
            )
        )
        for name, function in OF_EACH_SERIES.items():
            replaced.enter_context(patch.object(feature_blocks, name, function))
        yield


OF_EACH_SERIES = {
    "build_features": of_each_series(FEATURE_TABLE, build_features),
    "held_observations": of_each_series(HELD_OBSERVATIONS, held_observations),
}
"""What a build of features computes, which many seeds do of the same observations."""


def _datetime_of(clock: Clock) -> type[datetime]:
    class Simulated(datetime):
        @classmethod
        def now(cls, tz: tzinfo | None = None) -> datetime:  # type: ignore[override] # a plain datetime
            return clock.now()

    return Simulated

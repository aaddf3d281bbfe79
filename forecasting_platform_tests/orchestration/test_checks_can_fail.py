"""Each asset check passes on sound input, and fails on the input that it is there for."""

import functools
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import dagster as dg
import numpy as np
import pandas as pd
import pytest

from forecasting_platform.adapters.memory.table_store import MemoryTableStore
from forecasting_platform.definitions import ASSETS, CHECKS
from forecasting_platform.forecasting.series.days.date_range import DateRange
from forecasting_platform.forecasting.series.days.due_days import DueDays
from forecasting_platform.forecasting.series.days.series_calendars import DAILY, Calendars, SeriesCalendar
from forecasting_platform.forecasting.series.frames import FEATURE_TABLE, FORECAST_ERRORS, FORECASTS
from forecasting_platform.orchestration.checks import forecast_errors, forecasts
from forecasting_platform.orchestration.partitions import range_tags
from forecasting_platform.settings import Settings
from forecasting_platform_tests.forecasting.monitoring.control import controlled
from forecasting_platform_tests.support.example_series import features_of, observations, seasonal

pytestmark = pytest.mark.slow

DAYS, LENGTH = 60, 2600
SOUND = {"a": seasonal(LENGTH), "b": seasonal(LENGTH, seed=1)}
NEWEST = controlled.errors(DAYS)["ds"].max().date()
MONTH = DateRange(NEWEST - timedelta(days=30), NEWEST)
EXOGENOUS = [{"unique_id": "Temperature", "known": "at_cutoff"}]


def issued() -> pd.DataFrame:
    found = controlled.forecasts(DAYS, 1.0)
    bounds = {f"y_hat_{side}_{level}": found["y_hat"] + sign * level / 20
              for level in (80, 95) for side, sign in (("lo", -1), ("hi", 1))}  # fmt: skip
    return FORECASTS.conform(found.assign(**bounds, y_hat_naive=100.0, y_hat_seasonal_naive=100.0))


@functools.cache
def sound_features() -> pd.DataFrame:
    return features_of(observations(SOUND, NEWEST), NEWEST)


@dataclass
class World:
    """What the checks look at, sound until a test breaks it."""

    values: dict[str, np.ndarray] = field(default_factory=lambda: SOUND)
    issued: pd.DataFrame = field(default_factory=issued)
    errors: pd.DataFrame = field(default_factory=lambda: controlled.errors(DAYS))
    missing: str = ""
    temperature: str | None = '{"Temperature": 7.5}'
    y_hat: float = 1.0
    skill: float = 0.2
    calendars: Calendars = DAILY
    recipe: Path | None = None

    def version_at(self, alias: str) -> Any:
        return SimpleNamespace(version="1")

    def load(self, version: Any) -> Any:
        """The champion, or the challenger."""
        return SimpleNamespace(
            unique_ids=("a",),
            horizon=2,
            feature_days=np.array([NEWEST], dtype="datetime64[D]"),
            metadata={"series": {"a": {"scores": {"skill_naive": self.skill}}}},
            inputs=lambda days: days,
            predict=lambda inputs: SimpleNamespace(y_hat=np.full(len(inputs), self.y_hat)),
        )

    def store(self) -> MemoryTableStore:
        rows = observations(self.values, NEWEST)
        all_days = DateRange(rows["ds"].min().date(), NEWEST)
        built = sound_features() if self.values is SOUND else features_of(rows, NEWEST)
        features = built.assign(exogenous=self.temperature)
        store = MemoryTableStore()
        store.record_observations(rows, all_days, available_at=datetime(2023, 9, 1, tzinfo=UTC))
        store.replace(FEATURE_TABLE, features[features["ds"] != pd.Timestamp(self.missing or "NaT")], all_days)
        store.record_forecasts(self.issued)
        store.replace(FORECAST_ERRORS, self.errors, all_days)
        return store


def shift(world: World) -> None:
    world.values = world.values | {"a": world.values["a"] + 300.0 * (np.arange(LENGTH) >= LENGTH - 60)}


def silent_for(days: int) -> Callable[[World], None]:
    def fall_silent(world: World) -> None:
        world.values = world.values | {"b": np.where(np.arange(LENGTH) >= LENGTH - days, np.nan, world.values["b"])}

    return fall_silent


def cross(world: World) -> None:
    newest = world.issued["cutoff"] == world.issued["cutoff"].max()
    world.issued.loc[newest, "y_hat_lo_80"] = 1e6


def put(name: str, value: Callable[[], Any]) -> Callable[[World], None]:
    return lambda world: setattr(world, name, value())


BROKEN_BY: dict[str, Callable[[World], None]] = {
    "feature_table_has_every_series": put("missing", lambda: str(NEWEST - timedelta(days=3))),
    "exogenous_values_are_known": put("temperature", lambda: None),
    "every_series_goes_on": silent_for(days=33),
    "feature_table_matches_reference": shift,
    "actuals_match_earlier_years": shift,
    "trained_model_beats_naive": put("skill", lambda: -0.2),
    "champion_model_loads_and_forecasts": put("y_hat", lambda: float("nan")),
    "forecasts_have_ordered_intervals": cross,
    "forecasts_are_stable": put("issued", lambda: issued().assign(y_hat=lambda rows: 100 + 9 * (rows["y_hat"] - 100))),
    "forecast_bias_within_budget": put("errors", lambda: controlled.errors(DAYS, bias=5.0)),
    "forecast_rmse_within_budget": put("errors", lambda: controlled.errors(DAYS, scale=3.0)),
    "forecast_coverage_within_budget": put("errors", lambda: controlled.errors(DAYS, half=0.3)),
    "forecasts_beat_naive": put("errors", lambda: controlled.errors(DAYS, scale=3.0, naive=0.5)),
    "revisions_leave_errors_unchanged": put("errors", lambda: controlled.errors(DAYS).assign(y_first=103.0)),
    "actuals_are_complete": silent_for(days=10),
}
ELSEWHERE = {
    # Seen to fail in a load: test_quality_checks.py and test_load.py.
    "observations_are_well_formed", "observations_are_plausible", "observations_meet_expectations",
    "newest_values_are_complete", "feed_document_gives_values",
}  # fmt: skip
NAMED = {key.name: check for check in CHECKS for key in check.check_keys}
KEYS = {key.name: key for check in CHECKS for key in check.check_keys}


def passes(name: str, world: World) -> bool:
    return evaluated(name, world).passed


def evaluated(name: str, world: World) -> dg.AssetCheckEvaluation:
    (found,) = run_of([name], world).get_asset_check_evaluations()
    return found


def run_of(names: list[str], world: World, *, raise_on_error: bool = True) -> dg.ExecuteInProcessResult:
    """A run of some checks, which are evaluated by one function."""
    settings = Settings(exogenous=EXOGENOUS, recipe=world.recipe)
    resources: dict[str, Any] = {"table_store": world.store(), "model_registry": world, "settings": settings}
    resources["calendars"] = world.calendars
    definitions = dg.Definitions(
        assets=ASSETS,
        asset_checks=[NAMED[names[0]]],
        resources={**dict.fromkeys(("observation_feed", "engine", "ledger", "mlflow", "feed_loads")), **resources},
        jobs=[dg.define_asset_job("check", dg.AssetSelection.checks(*(KEYS[name] for name in names)))],
    )
    job = definitions.resolve_job_def("check")
    return job.execute_in_process(tags=range_tags(MONTH), raise_on_error=raise_on_error)


@pytest.fixture(autouse=True)
def _references(monkeypatch: pytest.MonkeyPatch) -> None:
    for module in (forecast_errors, forecasts):
        monkeypatch.setattr(module, "champion_metadata", lambda _registry: {})
        monkeypatch.setattr(module, "references_from", lambda _metadata: controlled.REFERENCES)


def test_no_check_is_forgotten() -> None:
    assert NAMED.keys() == BROKEN_BY.keys() | ELSEWHERE


@pytest.mark.parametrize("name", BROKEN_BY)
def test_a_check_passes_until_what_it_is_there_for_is_broken(name: str) -> None:
    assert passes(name, World())
    world = World()
    BROKEN_BY[name](world)
    assert not passes(name, world)


@pytest.mark.parametrize(
    "broken", [["forecast_bias_within_budget"], ["forecast_bias_within_budget", "forecasts_beat_naive"]]
)
def test_a_question_that_cannot_be_answered_takes_no_other_along(
    broken: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def report(*_: object, **__: object) -> None:
        raise ZeroDivisionError

    for name in broken:
        monkeypatch.setitem(forecast_errors.CONTROL, name, replace(forecast_errors.CONTROL[name], report=report))
    done = run_of([*forecast_errors.CONTROL], World(), raise_on_error=False)
    answered = {found.check_name for found in done.get_asset_check_evaluations()}
    assert answered == forecast_errors.CONTROL.keys() - set(broken)
    failure = done.failure_data_for_node("forecast_control")
    assert not done.success
    assert failure is not None
    assert "ZeroDivisionError" in str(failure.error)
    assert all(f"{name} could not be evaluated" in str(failure.error) for name in broken)


@pytest.mark.parametrize(("stale", "severity"), [(["b"], "WARN"), (["a", "b"], "ERROR")])
def test_late_series_are_named_and_an_error_only_where_all_are_late(stale: list[str], severity: str) -> None:
    world = World()
    for unique_id in stale:
        fresh = world.values[unique_id]
        world.values = world.values | {unique_id: np.where(np.arange(LENGTH) >= LENGTH - 10, np.nan, fresh)}
    found = evaluated("actuals_are_complete", world)
    assert (found.passed, found.severity.value) == (False, severity)
    assert f"{len(stale)} series are over 3 days late" in str(found.description)
    assert "b (" in str(found.description)
    # Late in all series is an incident of the feed, late in some one of each.
    assert ("findings" in found.metadata) is (severity == "WARN")


def test_an_exogenous_series_is_no_actual_whether_it_is_late_or_not() -> None:
    world, late = World(), silent_for(days=10)
    world.values = world.values | {"Temperature": world.values["a"]}
    late(world)
    world.values = world.values | {"a": np.where(np.arange(LENGTH) >= LENGTH - 10, np.nan, world.values["a"])}
    assert evaluated("actuals_are_complete", world).severity.value == "ERROR", "all that is forecast is late"
    world = World()
    world.values = world.values | {"Temperature": np.where(np.arange(LENGTH) >= LENGTH - 9, np.nan, world.values["a"])}
    assert passes("actuals_are_complete", world)


def test_a_weekly_series_is_late_a_week_after_its_last_due_day_and_not_before() -> None:
    world = World()
    silent_for(days=6)(world)
    assert not passes("actuals_are_complete", world)
    last = (NEWEST - timedelta(days=6)).weekday()
    world.calendars = Calendars((SeriesCalendar(DueDays(weekdays=(last,)), frozenset({"b"})),))
    assert passes("actuals_are_complete", world)
    silent_for(days=13)(world)
    found = evaluated("actuals_are_complete", world)
    assert not found.passed
    assert found.metadata["missing_days"].value == 7


@pytest.mark.parametrize("name", ["champion_model_loads_and_forecasts", "trained_model_beats_naive"])
def test_a_claim_about_a_version_fails_where_there_is_none(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(World, "version_at", lambda *_: None)
    assert not passes(name, World())


@pytest.mark.parametrize(
    "name",
    ["forecast_bias_within_budget", "forecasts_are_stable", "feature_table_matches_reference",
     "revisions_leave_errors_unchanged"],
)  # fmt: skip
def test_what_the_recipe_file_declares_as_not_normal_is_judged_by_no_check(name: str, tmp_path: Path) -> None:
    world = World(recipe=tmp_path / "recipe.toml")
    BROKEN_BY[name](world)
    world.recipe.write_text('[[not_normal]]\nstart = 2023-01-01\nend = 2023-12-31\nreason = "strike"')  # type: ignore[union-attr] # it was just given
    found = evaluated(name, world)
    assert found.passed
    assert found.metadata["state"].value == "unknown"
    assert "left out as not normal" in (found.description or "")

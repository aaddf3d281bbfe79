"""A day of data moves the whole way: feed, observations, features, model, champion, forecasts, errors."""

import json
from collections.abc import Iterator
from datetime import date, timedelta

import dagster as dg
import pandas as pd
import pytest

from forecasting_platform.definitions import ASSETS, CHECKS
from forecasting_platform.errors import ConfigurationError, NoChampionError
from forecasting_platform.forecasting.series.days.date_range import DateRange
from forecasting_platform.forecasting.series.frames import FEATURE_TABLE, FORECAST_ERRORS, FORECASTS
from forecasting_platform.settings import Settings
from forecasting_platform_tests.support.in_process import INITIAL, InProcessPlatform

pytestmark = pytest.mark.slow

JULY = DateRange(date(2023, 7, 1), date(2023, 7, 31))


@pytest.fixture(scope="module")
def platform() -> Iterator[InProcessPlatform]:
    with dg.DagsterInstance.ephemeral() as instance:
        yield InProcessPlatform(instance)


@pytest.fixture(scope="module")
def loaded(platform: InProcessPlatform) -> dg.ExecuteInProcessResult:
    return platform.run("load_job", INITIAL)


@pytest.fixture(scope="module")
def served(platform: InProcessPlatform, loaded: dg.ExecuteInProcessResult) -> InProcessPlatform:
    with pytest.raises(NoChampionError):
        platform.run("forecast_job", DateRange(INITIAL.end, INITIAL.end))
    platform.run("training_job")
    platform.run("promotion_job")
    platform.run("forecast_job", DateRange(INITIAL.end, INITIAL.end))
    return platform


@pytest.fixture(scope="module")
def july(served: InProcessPlatform) -> dg.ExecuteInProcessResult:
    """A month later: its actuals are loaded, forecasts are issued each day and matched."""
    served.run("load_job", JULY)
    return served.run("forecast_job", JULY)


@pytest.fixture(scope="module")
def refreshed(served: InProcessPlatform, july: dg.ExecuteInProcessResult) -> InProcessPlatform:
    """A challenger of the same recipe and a month of newer data was decided on."""
    served.run("training_job")
    served.run("training_job")
    assert served.run("promotion_job").success
    return served


def test_a_range_is_one_run_and_each_day_shows_its_rows(
    platform: InProcessPlatform, loaded: dg.ExecuteInProcessResult
) -> None:
    days = [
        event.partition
        for event in loaded.get_asset_materialization_events()
        if event.asset_key.path == ["raw_observations"]
    ]
    assert days == [day.isoformat() for day in INITIAL]
    series = platform.store.read_observations(INITIAL)["unique_id"].nunique()
    first = loaded.asset_materializations_for_node("raw_observations")[0]
    assert first.metadata["dagster/partition_row_count"].value == series
    assert all(platform.checks(loaded).values())


def test_a_reload_adds_no_row_and_doubles_no_day(
    platform: InProcessPlatform, loaded: dg.ExecuteInProcessResult
) -> None:
    before, june = platform.store.read_observations(INITIAL), DateRange(date(2023, 6, 1), INITIAL.end)
    again = platform.run("load_job", june)
    pd.testing.assert_frame_equal(platform.store.read_observations(INITIAL), before)
    metadata = again.asset_materializations_for_node("raw_observations")[0].metadata
    assert metadata["load_new"].value == 0
    assert metadata["load_unchanged"].value == len(platform.store.read_observations(june))
    assert len(platform.store.read(FEATURE_TABLE, INITIAL)) == len(before)


def test_a_feed_that_is_down_materializes_nothing(platform: InProcessPlatform) -> None:
    day = DateRange(date(2021, 1, 1), date(2021, 1, 2))
    platform.feed.down = True
    failed = platform.run("load_job", day, raising=False)
    platform.feed.down = False
    assert not failed.success
    assert not failed.get_asset_materialization_events()
    assert platform.store.read_observations(day).empty


def test_the_first_champion_is_promoted_and_the_decision_recorded(served: InProcessPlatform) -> None:
    champion = served.registry.version_at("champion")
    assert champion is not None
    assert champion.cutoff == INITIAL.end
    decision = served.ledger.decisions()[-1]
    assert (decision.verdict, decision.challenger_version) == ("promote", champion.version)


def test_forecasts_of_the_newest_cutoff_cover_the_horizon(served: InProcessPlatform) -> None:
    forecasts = served.store.read(FORECASTS, DateRange(INITIAL.end, INITIAL.end))
    assert set(forecasts["cutoff"].dt.date) == {INITIAL.end}
    assert forecasts.groupby("unique_id")["ds"].nunique().eq(15).all()


def test_a_month_later_forecasts_are_matched_with_actuals_and_judged(
    served: InProcessPlatform, july: dg.ExecuteInProcessResult
) -> None:
    errors = served.store.read(FORECAST_ERRORS, JULY)
    # 15 days reach from the cutoff of 30 June, and each day of July adds the days left of the month.
    expected = 15 + sum(min(15, 31 - day) for day in range(1, 31))
    assert errors.groupby("unique_id").size().eq(expected).all()
    judged = {
        key.name
        for check in CHECKS
        for key in check.check_keys
        if key.asset_key.to_user_string() in {"forecasts", "forecast_errors"}
    }
    assert "forecast_bias_within_budget" in judged
    assert served.checks(july).keys() == judged


@pytest.mark.usefixtures("july")
def test_every_materialization_tells_its_rows_and_every_fetch_its_checksum(served: InProcessPlatform) -> None:
    counted = {"dagster/row_count", "dagster/partition_row_count"}
    for asset in ASSETS:
        made = served.instance.fetch_materializations(asset.key, limit=5000).records
        assert made
        lacking = [each.partition_key for each in made if not counted & each.asset_materialization.metadata.keys()]
        assert lacking == [], asset.key
    days = {each.partition_key: each for each in made}
    errors = served.store.read(FORECAST_ERRORS, JULY)
    last = days[JULY.end.isoformat()].asset_materialization.metadata["dagster/partition_row_count"].value
    assert last == int((errors["ds"] == pd.Timestamp(JULY.end)).sum()) > 0
    fetched = served.instance.fetch_observations(dg.AssetKey(["feeds", "feed"]), limit=100).records
    assert {each.asset_observation.metadata["sha256"].value for each in fetched} == {"0" * 64}


@pytest.mark.usefixtures("july")
def test_forecasts_are_issued_once_and_stand_as_the_record(served: InProcessPlatform) -> None:
    before = served.store.read(FORECASTS)
    served.run("forecast_job", DateRange(date(2023, 7, 20), date(2023, 7, 26)))
    pd.testing.assert_frame_equal(served.store.read(FORECASTS), before)


def test_an_equal_challenger_keeps_the_champion(refreshed: InProcessPlatform) -> None:
    # A month of newer data refreshes the same recipe; the next one, on the same data, is a tie.
    assert refreshed.ledger.decisions(limit=1)[0].verdict == "refresh"
    champion = refreshed.registry.version_at("champion")
    assert champion is not None
    refreshed.run("training_job")
    refreshed.run("promotion_job")
    assert refreshed.ledger.decisions(limit=1)[0].verdict == "hold"
    assert refreshed.registry.version_at("champion") == champion
    assert refreshed.registry.version_at("previous") is not None


@pytest.mark.usefixtures("refreshed")
def test_a_worse_recipe_is_not_promoted(served: InProcessPlatform) -> None:
    before = served.registry.version_at("champion")
    config = {
        "options": ["seasonal_naive"],
        "recipe": "shrinkage = 0.2\n[candidates.naive]\n[candidates.seasonal_naive]",
    }
    served.run("training_job", config={"trained_model": {"config": config}})
    challenger = served.registry.version_at("challenger")
    assert challenger is not None
    recipe = served.registry.load(challenger).metadata["recipe"]
    assert (recipe["shrinkage"], [*recipe["candidates"]]) == (0.2, ["seasonal_naive"])
    served.run("promotion_job")
    assert served.ledger.decisions(limit=1)[0].verdict == "reject"
    assert served.registry.version_at("champion") == before


@pytest.mark.usefixtures("refreshed")
def test_a_rollback_needs_a_reason_and_moves_to_the_previous_version(served: InProcessPlatform) -> None:
    previous = served.registry.version_at("previous")
    assert previous is not None
    refused = served.run("promotion_job", config={"champion_model": {"config": {"action": "rollback"}}}, raising=False)
    assert not refused.success
    served.run(
        "promotion_job", config={"champion_model": {"config": {"action": "rollback", "reason": "too low in July"}}}
    )
    champion = served.registry.version_at("champion")
    assert champion is not None
    assert champion.version == previous.version
    assert served.ledger.decisions(limit=1)[0].reason == "too low in July"


def test_a_declared_lower_bound_holds_for_the_model_that_is_trained() -> None:
    days = DateRange(INITIAL.start, INITIAL.start + timedelta(days=60))
    with dg.DagsterInstance.ephemeral() as instance:
        platform = InProcessPlatform(instance, Settings(lower_bounds={"Corrib production": 1.0}))
        platform.run("load_job", days)
        platform.run("training_job")
        challenger = platform.registry.version_at("challenger")
        assert challenger is not None
        model = platform.registry.load(challenger)
    assert dict(zip(model.unique_ids, model.lower_bound.tolist(), strict=True))["Corrib production"] == 1.0


@pytest.mark.parametrize("bound", ["NaN", "Infinity", "none"])
def test_a_lower_bound_that_is_no_number_is_refused(monkeypatch: pytest.MonkeyPatch, bound: str) -> None:
    monkeypatch.setenv("FORECASTING_LOWER_BOUNDS", json.dumps({"Corrib production": bound}))
    with pytest.raises(ConfigurationError, match="Corrib production"):
        Settings()

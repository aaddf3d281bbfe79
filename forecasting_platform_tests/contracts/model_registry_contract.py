"""What every model registry promises; subclassed once for each adapter, which overrides the fixtures only."""

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, date, datetime
from functools import cache

import pandas as pd
import pytest

from forecasting_platform.adapters.feeds.simulated_gas_supply import simulate_gas_supply
from forecasting_platform.errors import ChampionMovedError, RegistryUnavailableError, UnknownVersionError
from forecasting_platform.forecasting.models.recipes.recipe import default_recipe
from forecasting_platform.forecasting.models.trained.model import ForecastModel
from forecasting_platform.forecasting.models.trained.model_document import document_of
from forecasting_platform.forecasting.models.training.training import train
from forecasting_platform.forecasting.series.days.date_range import DateRange
from forecasting_platform.forecasting.series.features.feature_table import build_features
from forecasting_platform.ports.model_registry import ModelRegistry, ModelVersion

PERIOD = DateRange(date(2022, 7, 1), date(2023, 6, 30))
NEXT = DateRange(date(2023, 7, 1), date(2023, 7, 20))
PNG = b"\x89PNG\r\n\x1a\n and the rest of a picture"


@cache
def trained_model() -> ForecastModel:
    """A model as the platform trains it, of all four simulated series."""
    wide = simulate_gas_supply(PERIOD).rename_axis(index="ds", columns="unique_id")
    observations = wide.reset_index().melt("ds", var_name="unique_id", value_name="y")
    features = build_features(observations, PERIOD, "IE")
    return train(features, PERIOD.end, default_recipe(15, "IE"), code_version="0.1.0").model


def forecasts(model: ForecastModel) -> pd.DataFrame:
    return model.predict(model.inputs(list(NEXT))).to_frame()


def register(registry: ModelRegistry, **run_tags: str) -> ModelVersion:
    return registry.register(trained_model(), plots={"backtest.png": PNG}, run_tags=run_tags)


class ModelRegistryContract:
    """The promises of `ModelRegistry`."""

    @pytest.fixture
    def registry(self) -> ModelRegistry:
        """A registry without any version."""
        raise NotImplementedError

    def test_an_alias_of_an_empty_registry_names_none(self, registry: ModelRegistry) -> None:
        assert [registry.version_at(alias) for alias in ("champion", "challenger", "previous")] == [None] * 3

    def test_a_registered_version_is_the_challenger_and_nothing_else(self, registry: ModelRegistry) -> None:
        version = register(registry)
        assert registry.version_at("challenger") == version == registry.get_version(version.version)
        assert registry.version_at("champion") is None
        assert registry.version_at("previous") is None
        assert (version.name, version.version) == (registry.name, "1")
        assert version.cutoff == PERIOD.end
        assert version.run_id
        assert abs((datetime.now(UTC) - version.trained_at).total_seconds()) < 600

    def test_the_next_registered_version_is_the_challenger_and_the_champion_stays(
        self, registry: ModelRegistry
    ) -> None:
        first = register(registry)
        registry.move_champion(first, expected=None)
        second = register(registry)
        assert second.version == "2"
        assert registry.version_at("challenger") == second
        assert registry.version_at("champion") == first

    def test_a_version_says_what_it_was_made_of(self, registry: ModelRegistry) -> None:
        tags, metadata = register(registry).tags, trained_model().metadata
        for name in ("code_version", "data_fingerprint", "recipe_fingerprint"):
            assert tags[name] == metadata[name]

    def test_a_registered_model_loads_to_the_same_forecasts_bit_for_bit(self, registry: ModelRegistry) -> None:
        loaded = registry.load(register(registry))
        pd.testing.assert_frame_equal(forecasts(loaded), forecasts(trained_model()), check_exact=True)
        assert loaded.metadata == trained_model().metadata
        assert document_of(loaded) == document_of(trained_model())

    def test_a_model_of_series_with_any_legal_names_is_registered(self, registry: ModelRegistry) -> None:
        model = trained_model()
        names = dict(zip(model.unique_ids, sorted(["Gas/", "../x", ".", "mean"]), strict=True))
        series = {names[name]: of for name, of in model.metadata["series"].items()}
        renamed = replace(model, unique_ids=tuple(names.values()), metadata=model.metadata | {"series": series})
        version = registry.register(renamed, plots={}, run_tags={})
        assert registry.load(version).unique_ids == renamed.unique_ids

    def test_the_champion_moves_and_the_old_one_becomes_previous(self, registry: ModelRegistry) -> None:
        first, second = register(registry), register(registry)
        registry.move_champion(first, expected=None)
        assert registry.version_at("previous") is None
        registry.move_champion(second, expected="1")
        assert [registry.version_at("champion"), registry.version_at("previous")] == [second, first]
        registry.move_champion(first, expected="2")
        assert [registry.version_at("champion"), registry.version_at("previous")] == [first, second]

    @pytest.mark.parametrize("expected", [None, "2"])
    def test_a_champion_that_was_moved_meanwhile_is_not_moved_again(
        self, registry: ModelRegistry, expected: str | None
    ) -> None:
        first, second = register(registry), register(registry)
        registry.move_champion(first, expected=None)
        with pytest.raises(ChampionMovedError, match=r"but it is version 1: .* Nothing was changed") as caught:
            registry.move_champion(second, expected=expected)
        assert (caught.value.expected, caught.value.found) == (expected, "1")
        assert registry.version_at("champion") == first
        assert registry.version_at("previous") is None

    def test_a_champion_where_there_is_none_is_not_expected(self, registry: ModelRegistry) -> None:
        with pytest.raises(ChampionMovedError, match="from version 1 but it is version none"):
            registry.move_champion(register(registry), expected="1")
        assert registry.version_at("champion") is None

    def test_naming_the_champion_again_keeps_the_previous_one(self, registry: ModelRegistry) -> None:
        first, second = register(registry), register(registry)
        registry.move_champion(first, expected=None)
        registry.move_champion(second, expected="1")
        registry.move_champion(second, expected="2")
        assert [registry.version_at("champion"), registry.version_at("previous")] == [second, first]

    def test_a_version_there_is_not_never_becomes_champion(self, registry: ModelRegistry) -> None:
        first, second = register(registry), register(registry)
        registry.move_champion(first, expected=None)
        registry.move_champion(second, expected="1")
        with pytest.raises(UnknownVersionError):
            registry.move_champion(replace(first, version="9"), expected="2")
        assert [registry.version_at("champion"), registry.version_at("previous")] == [second, first]

    @pytest.mark.parametrize("version", ["9", "0", "-1", "best", "", "1 or 1=1"])
    def test_an_unknown_version_is_answered_with_the_known_ones(self, registry: ModelRegistry, version: str) -> None:
        register(registry)
        with pytest.raises(UnknownVersionError, match="known versions are '1'") as caught:
            registry.get_version(version)
        assert (caught.value.version, caught.value.known) == (version, ("1",))

    @pytest.mark.parametrize(
        "call",
        [lambda registry, gone: registry.load(gone), lambda registry, gone: registry.tag(gone, {"a": "b"})],
        ids=["load", "tag"],
    )
    def test_an_unknown_version_is_neither_loaded_nor_tagged(
        self, registry: ModelRegistry, call: Callable[[ModelRegistry, ModelVersion], object]
    ) -> None:
        gone = replace(register(registry), version="9")
        with pytest.raises(UnknownVersionError, match="there is no model version '9'"):
            call(registry, gone)

    def test_tags_are_added_and_overwritten(self, registry: ModelRegistry) -> None:
        version = register(registry)
        registry.tag(version, {"decision": "hold: not better by 5 % – yet", "decision_id": "1"})
        registry.tag(version, {"decision": "promote"})
        assert registry.get_version("1").tags == version.tags | {"decision": "promote", "decision_id": "1"}


class RemoteModelRegistryContract(ModelRegistryContract):
    """The promises of a registry that may be out of reach."""

    @pytest.fixture
    def unreachable_registry(self) -> ModelRegistry:
        """A registry whose server is not there."""
        raise NotImplementedError

    @pytest.mark.parametrize(
        "call",
        [
            lambda registry, _: register(registry),
            lambda registry, _: registry.version_at("champion"),
            lambda registry, version: registry.get_version(version.version),
            lambda registry, version: registry.load(version),
            lambda registry, version: registry.move_champion(version, expected=None),
            lambda registry, version: registry.tag(version, {"a": "b"}),
        ],
        ids=["register", "version_at", "get_version", "load", "move_champion", "tag"],
    )
    def test_a_registry_out_of_reach_says_so(
        self, unreachable_registry: ModelRegistry, call: Callable[[ModelRegistry, ModelVersion], object]
    ) -> None:
        version = ModelVersion("forecasting_platform", "1", "run", PERIOD.end, datetime.now(UTC))
        with pytest.raises(RegistryUnavailableError, match=r"is unavailable: .* then retry"):
            call(unreachable_registry, version)

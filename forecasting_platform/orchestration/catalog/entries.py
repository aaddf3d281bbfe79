"""The catalog's entry of each asset, and the definitions with them."""

from collections.abc import Sequence
from dataclasses import dataclass

import dagster as dg

from forecasting_platform.code_version import code_version
from forecasting_platform.errors import ConfigurationError, examples
from forecasting_platform.forecasting.series.frames import FEATURE_TABLE, FORECAST_ERRORS, FORECASTS, OBSERVATIONS
from forecasting_platform.orchestration.catalog.columns import DECISION_SCHEMA, MODEL_SCHEMA, table_schema
from forecasting_platform.orchestration.catalog.external import app_spec, described, feed_specs
from forecasting_platform.orchestration.catalog.freshness import freshness_policies
from forecasting_platform.orchestration.catalog.places import Place, model_place, postgres_place, table_place
from forecasting_platform.orchestration.catalog.references import with_references
from forecasting_platform.settings import Settings

TABLES = {table.name: table for table in (OBSERVATIONS, FEATURE_TABLE, FORECASTS, FORECAST_ERRORS)}
READ_BY_APP = ("champion_model", "feature_table", "forecasts")
REFRESHED = {
    "raw_observations": "each-day",
    "feature_table": "each-load",
    "trained_model": "each-training-interval",
    "champion_model": "by-evidence",
    "forecasts": "each-load",
    "forecast_errors": "each-load",
}
"""The tag `forecasting/refreshed` of each asset."""
OTHERS = "default"


@dataclass(frozen=True, slots=True)
class _Entry:
    place: Place
    schema: dg.TableSchema


def catalogued(settings: Settings, assets: Sequence[dg.AssetsDefinition]) -> list[dg.AssetsDefinition]:
    """The assets with all that the catalog tells of them, and the feeds and the app around them.

    Raises:
        ConfigurationError: an owner is of no asset, or it is not known how to link to the repository.
    """
    feeds = feed_specs(settings)
    around = [*feeds, app_spec(settings, map(dg.AssetKey, READ_BY_APP))]
    everything = [*assets, *(dg.AssetsDefinition(specs=[spec]) for spec in around)]
    names = {key.to_user_string() for asset in everything for key in asset.keys}
    if unknown := settings.owners.keys() - names - {OTHERS}:
        problem = f"names {examples(sorted(unknown))}, of which there is no asset; there are {', '.join(sorted(names))}"
        raise ConfigurationError("FORECASTING_OWNERS", problem)

    policies = freshness_policies(settings)

    def entered(spec: dg.AssetSpec) -> dg.AssetSpec:
        name = spec.key.to_user_string()
        if name in REFRESHED:
            entry = _entry(name, settings)
            spec = spec.replace_attributes(kinds=set(entry.place.kinds)).merge_attributes(
                deps=[feed.key for feed in feeds] if name == OBSERVATIONS.name else [],
                metadata=described(entry.place, entry.schema),
                tags={"forecasting/refreshed": REFRESHED[name]},
            )
        return spec.replace_attributes(
            owners=_owners(spec, settings),
            code_version=code_version(),
            freshness_policy=policies.get(name),
        )

    return with_references(settings, [asset.map_asset_specs(entered) for asset in everything])


def _entry(name: str, settings: Settings) -> _Entry:
    if name == "trained_model":
        return _Entry(model_place(settings, "challenger"), MODEL_SCHEMA)
    if name == "champion_model":
        log, model = postgres_place(settings, "promotion_decisions"), model_place(settings, "champion")
        return _Entry(Place(log.name, model.uri, log.storage_kind, log.kinds | {"mlflow"}), DECISION_SCHEMA)
    return _Entry(table_place(settings, name), table_schema(TABLES[name]))


def _owners(spec: dg.AssetSpec, settings: Settings) -> list[str]:
    """Who is told of its incidents: the asset's own owner of the settings, the others', or the usual one."""
    owner = settings.owners.get(spec.key.to_user_string(), settings.owners.get(OTHERS))
    return [owner] if owner else [*spec.owners]

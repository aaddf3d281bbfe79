"""A Dagster component: a platform in somebody's own project, described by a few lines of YAML."""

from typing import Any

import dagster as dg
from pydantic import Field

from forecasting_platform.definitions import build_definitions
from forecasting_platform.orchestration.mounting.given_settings import GivenSettings

FILES = frozenset(name for name, field in GivenSettings.model_fields.items() if "Path" in str(field.annotation))
"""Settings that name a file or a folder, which may be given from where the YAML is."""

TEMPLATE = """\
type: {type}

# Read by Dagster when a run starts, so that no secret is written down: set them where Dagster runs.
requirements:
  env: [{postgres}, MLFLOW_TRACKING_URI]

attributes:
  name: {name}  # in front of all its assets, jobs and sensors; its schema and its model are called so too
  settings:  # docs/settings.md, in lowercase and without FORECASTING_
    feed_url: https://example.org/{name}.json
    owners: {{default: "team:{name}"}}
    schedules_enabled: true
  environment: {{postgres_dsn: {postgres}, mlflow_tracking_uri: MLFLOW_TRACKING_URI}}
"""


class ForecastingScaffolder(dg.Scaffolder):
    """Writes the YAML of a platform that is called as its folder."""

    def scaffold(self, request: dg.ScaffoldRequest) -> None:
        """Write `defs.yaml`."""
        name = request.target_path.name.lower().replace("-", "_")
        text = TEMPLATE.format(type=request.type_name, name=name, postgres=f"{name.upper()}_POSTGRES_DSN")
        (request.target_path / "defs.yaml").write_text(text, encoding="utf-8")


@dg.scaffold_with(ForecastingScaffolder)
class ForecastingComponent(dg.Component, dg.Resolvable, dg.Model):
    """A platform for the daily series of one feed or several: it loads, trains, promotes, forecasts and watches.

    Several platforms live in one project: each has its own name, tables and model.
    """

    name: str = Field(description="Name of the platform, in front of all its assets, jobs, schedules and sensors.")
    settings: dict[str, Any] = Field(default={}, description="Settings by their names in lowercase (docs/settings.md).")
    environment: dict[str, str] = Field(
        default={},
        description="Environment variables of settings such as passwords, which are read when a run starts.",
    )

    @classmethod
    def get_spec(cls) -> dg.ComponentTypeSpec:
        """What `dg list components` shows."""
        return dg.ComponentTypeSpec(
            description="Forecasts the daily series of a feed: load, train, promote, forecast, watch.",
            tags=["forecasting"],
            produces=["asset", "asset_check", "job", "resource", "schedule", "sensor"],
        )

    def build_defs(self, context: dg.ComponentLoadContext) -> dg.Definitions:
        """The platform's definitions.

        Raises:
            ConfigurationError: the name or a setting cannot be used.
        """
        files = {name: context.path / str(self.settings[name]) for name in FILES & self.settings.keys()}
        settings = GivenSettings(**{**self.settings, **files})
        return build_definitions(name=self.name, settings=settings, environment=self.environment)

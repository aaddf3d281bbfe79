"""Settings of a mounted platform: those that are given, and of the environment only variables that are named."""

import json
import os
import re
from collections.abc import Mapping, Sequence
from typing import Any, Self

import dagster as dg
from pydantic_settings import PydanticBaseSettingsSource, SettingsConfigDict

from forecasting_platform.errors import ConfigurationError, examples
from forecasting_platform.settings import Settings
from forecasting_platform.settings.app import NO_SETTING

MOUNT = re.compile(r"[a-z][a-z0-9_]{0,40}")


class GivenSettings(Settings):
    """The settings that are given, and nothing of the process's environment, which other platforms share."""

    model_config = SettingsConfigDict(extra="forbid")

    @classmethod
    def settings_customise_sources(cls, *_: Any, **sources: Any) -> tuple[PydanticBaseSettingsSource, ...]:
        """Leave out the environment."""
        return (sources["init_settings"],)

    @classmethod
    def _name(cls, place: Sequence[str]) -> str:
        """As it is given, in lowercase."""
        return ".".join(place)


def mounted(name: str, settings: Settings) -> Settings:
    """The settings with the platform's name, by which its schema and its model are called unless they are given.

    Raises:
        ConfigurationError: the name cannot be used, or a secret is among the settings.
    """
    if not MOUNT.fullmatch(name):
        problem = f"is {name!r}; give a word of at most 41 lowercase letters, digits and underscores, a letter first"
        raise ConfigurationError("name", problem)
    if secrets := sorted(setting for setting in settings.model_fields_set if is_secret(setting)):
        problem = "is a secret; name the environment variable that holds it, under `environment`"
        raise ConfigurationError(examples(secrets).replace("'", ""), problem)
    own = {setting: name for setting in ("postgres_schema", "model_name") if setting not in settings.model_fields_set}
    found = settings.model_copy(update=own)
    found._mounted_as = name
    return found


def is_secret(setting: str) -> bool:
    """Whether a setting may not be written down."""
    return setting in Settings.model_fields and "SecretStr" in str(Settings.model_fields[setting].annotation)


class MountedSettings(dg.ConfigurableResource[Settings]):
    """The settings of a mounted platform, completed from the environment variables that they name."""

    name: str
    given: dict[str, Any]
    environment: dict[str, str]

    @classmethod
    def of(cls, settings: Settings, environment: Mapping[str, str]) -> Self:
        """The resource of a platform's settings.

        Args:
            environment: the variable of a setting.

        Raises:
            ConfigurationError: it names what is no setting.
        """
        if unknown := sorted(environment.keys() - Settings.model_fields.keys()):
            raise ConfigurationError("environment", f"names {examples(unknown)}: {NO_SETTING}")
        given = settings.model_dump(mode="json", include=settings.model_fields_set, exclude_none=True)
        return cls(name=settings.mounted_as, given=given, environment=dict(environment))

    def create_resource(self, context: dg.InitResourceContext) -> Settings:
        """Read the variables, when a run or a tick starts.

        Raises:
            ConfigurationError: a variable is not set, or its value cannot be used.
        """
        read = {setting: _value(setting, variable) for setting, variable in self.environment.items()}
        found = GivenSettings(**{**self.given, **read})
        found._mounted_as = self.name
        return found


def _value(setting: str, variable: str) -> Any:
    text = os.environ.get(variable)
    if not text:
        raise ConfigurationError(variable, f"is not set; it holds the setting {setting} of a mounted platform")
    return json.loads(text) if isinstance(Settings.model_fields[setting].default, dict | list) else text

"""The settings of the app, and of those who call it: keys, addresses, limits."""

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Self

from pydantic import Field, SecretStr, ValidationError
from pydantic_settings import BaseSettings, SettingsConfigDict, SettingsError

from forecasting_platform.errors import ConfigurationError

NO_SETTING = "is no setting; docs/settings.md has them"


class AppSettings(BaseSettings):
    """The part of `Settings` that is about the app."""

    model_config = SettingsConfigDict(env_prefix="FORECASTING_", env_ignore_empty=True, frozen=True, extra="ignore")

    def __init__(self, **given: Any) -> None:
        """Read and check them.

        Raises:
            ConfigurationError: one cannot be used; names it.
        """
        # Not chained: these errors repeat the value, which may be a secret.
        try:
            super().__init__(**given)
        except SettingsError as error:
            field = re.search(r'field "(\w+)"', str(error))
            raise ConfigurationError(self._name([field[1] if field else "settings"]), "is no JSON") from None
        except ValidationError as error:
            found = error.errors(include_input=False, include_url=False)[0]
            problem = NO_SETTING if found["type"] == "extra_forbidden" else found["msg"]
            name = self._name([*map(str, found["loc"])] or ["settings"])
            raise ConfigurationError(name, problem.removeprefix("Value error, ")) from None

    @classmethod
    def _name(cls, place: Sequence[str]) -> str:
        """How a setting, or a part of one, is called where it is set."""
        return ".".join([f"{cls.model_config['env_prefix']}{place[0].upper()}", *place[1:]])

    api_keys: SecretStr | None = Field(
        default=None,
        description="Keys that the app accepts, separated by commas: plain, or `sha256:` and the key's SHA-256 in "
        "hexadecimal. Required on a public interface.",
    )
    api_key: SecretStr | None = Field(
        default=None,
        description="The key that commands send to the app; by default the first plain one of `FORECASTING_API_KEYS`.",
    )
    gateway_secret: SecretStr | None = Field(
        default=None,
        description="Secret of at least 32 characters that the gateway sends with each person's name and role. Set "
        "for the gateway, the app and Dagster's web server.",
    )
    app_host: str = Field(default="127.0.0.1", description="Interface the app listens on.")
    app_port: int = Field(default=3002, ge=1, le=65535, description="Port the app listens on.")
    allowed_hosts: str | None = Field(
        default=None,
        description="Further host names of the app and of Dagster's web server, separated by commas; `localhost`, "
        "`127.0.0.1` and `[::1]` are always allowed. Requests for any other Host are refused.",
    )
    app_rate_limit: str = Field(
        default="60000 per minute",
        description="Requests that the app accepts from one IP address: a number per second, minute, hour or day.",
    )
    dagster_url: str | None = Field(
        default=None, description="Dagster's web server, for commands that use a platform that is not embedded."
    )
    app_url: str | None = Field(default=None, description="The app, for the same commands.")
    champion_poll_seconds: float = Field(
        default=1.0, gt=0, description="Seconds between two requests to MLflow for the champion's version."
    )
    model_cache_dir: Path | None = Field(
        default=None, description="Folder where the app keeps its last valid champion, to start without MLflow."
    )

    def api_key_header(self) -> dict[str, str]:
        """The header by which a client shows its key to the app; empty where it has none."""
        accepted = self.api_keys.get_secret_value().split(",") if self.api_keys else []
        plain = [key.strip() for key in accepted if not key.strip().startswith("sha256:")]
        key = self.api_key.get_secret_value() if self.api_key else next(iter(plain), "")
        return {"X-API-Key": key} if key else {}

    def without_keys(self) -> Self:
        """The same, without the app's keys: for what lives as long as the app, which holds their hashes only."""
        return self.model_copy(update={"api_keys": None, "api_key": None, "gateway_secret": None})

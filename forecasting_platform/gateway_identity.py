"""Who sends a request, as the gateway says: the proxy that people log in at (deploy/compose/Caddyfile).

The gateway sends one header with a secret that only it and the servers behind it know, the person's role and name. All
three are in one header, so that whatever a client sends beside it makes it invalid, and is never read in its place. A
request without the header is no person's: then the rules without a gateway hold. How people log in is not known here.
"""

import hashlib
import hmac
import re
from dataclasses import dataclass
from typing import Literal, get_args

from pydantic import SecretStr

from forecasting_platform.errors import ConfigurationError, ForecastingPlatformError

HEADER = "X-Forecasting-Identity"
SETTING = "FORECASTING_GATEWAY_SECRET"
MIN_SECRET_CHARACTERS = 32
Role = Literal["reader", "operator", "admin"]
"""A reader changes nothing; an operator starts runs and answers incidents; an admin also writes to MLflow."""
ROLES: tuple[Role, ...] = get_args(Role)
PERSON_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._@-]{0,63}")
_IDENTITY = re.compile(rf"(\S+) ({'|'.join(ROLES)}) ({PERSON_NAME.pattern})")


class UntrustedIdentityError(ForecastingPlatformError):
    """A request claims an identity that the gateway did not give it."""

    def __init__(self) -> None:
        super().__init__(
            f"the request has a header {HEADER} that is not the gateway's; only the gateway sends it, with the secret "
            f"of {SETTING}"
        )


@dataclass(frozen=True, slots=True)
class Person:
    """Who logged in at the gateway."""

    name: str
    role: Role

    @property
    def may_change(self) -> bool:
        """Whether the person may do more than read."""
        return self.role != "reader"


class GatewayIdentity:
    """Reads the gateway's header; only the secret's checksum is kept.

    Args:
        secret: shared with the gateway; None where there is none, and then no identity is believed.

    Raises:
        ConfigurationError: the secret is too short to be one.
    """

    def __init__(self, secret: SecretStr | None) -> None:
        plain = secret.get_secret_value() if secret else ""
        if plain and len(plain) < MIN_SECRET_CHARACTERS:
            problem = (
                f"has {len(plain)} characters; give at least {MIN_SECRET_CHARACTERS}, such as of openssl rand -hex 24"
            )
            raise ConfigurationError(SETTING, problem)
        self._checksum = _checksum(plain) if plain else None

    def person(self, header: str | None) -> Person | None:
        """The person that a header names; None for a request without the header.

        Raises:
            UntrustedIdentityError: the header is not the gateway's.

        >>> gateway = GatewayIdentity(SecretStr("a-secret-of-at-least-32-characters"))
        >>> gateway.person("a-secret-of-at-least-32-characters operator anna@example.org")
        Person(name='anna@example.org', role='operator')
        """
        if header is None:
            return None
        sent = _IDENTITY.fullmatch(header)
        if sent is None or self._checksum is None or not hmac.compare_digest(_checksum(sent[1]), self._checksum):
            raise UntrustedIdentityError
        return Person(sent[3], next(role for role in ROLES if role == sent[2]))


def _checksum(secret: str) -> bytes:
    return hashlib.sha256(secret.encode()).digest()

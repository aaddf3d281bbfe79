"""API keys, and the refusal to listen beyond this machine without any."""

import hashlib
import hmac
import ipaddress

from pydantic import SecretStr
from werkzeug.datastructures import Authorization, Headers, WWWAuthenticate
from werkzeug.exceptions import Unauthorized

from forecasting_platform.errors import ConfigurationError

HASHED = "sha256:"


class ApiKeys:
    """The API keys of clients; only their hashes are kept in memory.

    Args:
        keys: separated by commas, each as it is or as `sha256:` and its checksum in hexadecimal digits;
            None requires no key.

    Raises:
        ConfigurationError: what follows `sha256:` is no checksum.
    """

    def __init__(self, keys: SecretStr | None) -> None:
        given = [] if keys is None else [key.strip() for key in keys.get_secret_value().split(",")]
        self._hashes = [_read_entry(key) for key in given if key]

    @property
    def needed(self) -> bool:
        """Whether requests need a key."""
        return bool(self._hashes)

    def require(self, headers: Headers, authorization: Authorization | None) -> None:
        """Check the key of a request (`X-API-Key`, or `Authorization: Bearer`).

        Raises:
            Unauthorized: it has no key, or an unknown one.
        """
        bearer = authorization.token if authorization is not None and authorization.type == "bearer" else None
        sent = _hash(headers.get("X-API-Key") or bearer or "")
        # Every hash is compared, so that the duration reveals nothing.
        if self.needed and not sum(hmac.compare_digest(sent, known) for known in self._hashes):
            raise Unauthorized(
                "send a known key in X-API-Key or as Authorization: Bearer", www_authenticate=WWWAuthenticate("bearer")
            )


def _read_entry(key: str) -> bytes:
    if not key.startswith(HASHED):
        return _hash(key)
    try:
        checksum = bytes.fromhex(key.removeprefix(HASHED))
    except ValueError:
        checksum = b""
    if len(checksum) != hashlib.sha256().digest_size:
        # Not quoted: it may be a key by mistake.
        raise ConfigurationError("FORECASTING_API_KEYS", f"has a {HASHED} entry that is not 64 hexadecimal digits")
    return checksum


def _hash(key: str) -> bytes:
    return hashlib.sha256(key.encode()).digest()


def refuse_open_interface(host: str, keys: ApiKeys) -> None:
    """Refuse to listen beyond this machine without keys.

    Raises:
        ConfigurationError: `host` is no loopback address and no key is set.
    """
    if not keys.needed and not _is_loopback(host):
        raise ConfigurationError(
            "FORECASTING_API_KEYS", f"is not set, but FORECASTING_APP_HOST is {host}: set keys, or listen on 127.0.0.1"
        )


def _is_loopback(host: str) -> bool:
    try:
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False

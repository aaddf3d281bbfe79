"""Reads the alert routes from the settings, each with a name that may be shown instead of its URL."""

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from hashlib import pbkdf2_hmac
from typing import Protocol

from pydantic import SecretStr

from forecasting_platform.forecasting.monitoring.alert_messages import Kind, Route
from forecasting_platform.forecasting.monitoring.incidents import Alert
from forecasting_platform.settings import Settings

URLS, ALERTMANAGER_URL = "FORECASTING_ALERT_URLS", "FORECASTING_ALERTMANAGER_URL"
_ENTRY = re.compile(r"^(?P<names>[\w+-]+)=(?P<url>\w[\w+.-]*://.*)$")
_SCHEME = re.compile(r"^([a-z][a-z0-9+.-]{0,19})://", re.IGNORECASE)


class Delivery(Protocol):
    """Sends to one route."""

    def send(self, kind: Kind, alerts: Sequence[Alert]) -> str | None:
        """One message about incidents that belong together; None once accepted, else why not, without addresses."""
        ...


@dataclass(frozen=True, slots=True)
class Destination:
    """A route with its URL.

    Attributes:
        shown: how a person finds the URL in the settings, such as `number 2 of 3 in FORECASTING_ALERT_URLS (slack)`.
    """

    route: Route
    url: SecretStr
    shown: str


def destinations(settings: Settings) -> list[Destination]:
    """The routes of the settings; a URL that is named twice is one route that takes what either entry asks for."""
    found: dict[str, Destination] = {}
    for destination in (*_apprise(settings), *_alertmanager(settings)):
        same = found.setdefault(destination.route.name, destination)
        if same is not destination:
            found[same.route.name] = replace(same, route=_joined(same.route, destination.route))
    return list(found.values())


def delivery_of(destination: Destination) -> Delivery:
    """The delivery that sends to a destination.

    Raises:
        ConfigurationError: its URL is none that Apprise understands.
    """
    scheme, _, _ = destination.route.name.rpartition("-")
    return DELIVERIES.get(scheme, _by_apprise)(destination.url.get_secret_value())


def _by_alertmanager(url: str) -> Delivery:
    from forecasting_platform.adapters.alerts.alertmanager import AlertmanagerDelivery

    return AlertmanagerDelivery(url)


def _by_apprise(url: str) -> Delivery:
    from forecasting_platform.adapters.alerts.apprise_urls import AppriseDelivery

    return AppriseDelivery(url)


DELIVERIES: dict[str, Callable[[str], Delivery]] = {"alertmanager": _by_alertmanager}
"""What sends to the URLs of a scheme, each of which imports its client when it is used; Apprise has all others."""


def _apprise(settings: Settings) -> Iterator[Destination]:
    text = settings.alert_urls.get_secret_value() if settings.alert_urls else ""
    entries = list(filter(None, re.split(r"[,\s]+", text)))
    for number, entry in enumerate(entries, start=1):
        match = _ENTRY.match(entry)
        url = match["url"] if match else entry
        only = (frozenset(match["names"].split("+")),) if match else ()
        match = _SCHEME.match(url)
        scheme = match[1].lower() if match else "unknown"
        shown = f"number {number} of {len(entries)} in {URLS} ({scheme})"
        yield Destination(Route(_name(scheme, url), only), SecretStr(url), shown)


def _alertmanager(settings: Settings) -> Iterator[Destination]:
    if settings.alertmanager_url:
        name = _name("alertmanager", settings.alertmanager_url)
        yield Destination(Route(name), SecretStr(settings.alertmanager_url), ALERTMANAGER_URL)


def _joined(first: Route, second: Route) -> Route:
    return replace(first, only=(*first.only, *second.only) if first.only and second.only else ())


@lru_cache
def _name(prefix: str, url: str) -> str:
    # Slow on purpose, and short: a weak password in the URL cannot be found by trying candidates.
    digest = pbkdf2_hmac("sha256", url.encode(), b"forecasting_platform alert route", 100_000, 4)
    return f"{prefix}-{digest.hex()}"

"""Sends messages about incidents.

Promises: each message is accepted or its problem is returned, never both, never an exception; a route that refuses,
hangs or cannot be used does not stop others; sending ends within a bounded time; no problem contains an address.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from forecasting_platform.forecasting.monitoring.alert_messages import Kind, Message, Route
from forecasting_platform.forecasting.monitoring.incidents import Alert


@dataclass(frozen=True, slots=True)
class Parcel:
    """Messages to one route that are sent as one, since their incidents belong together."""

    kind: Kind
    alerts: Sequence[Alert]
    messages: Sequence[Message]


@dataclass(frozen=True, slots=True)
class Outcome:
    """The result of sending one parcel; `problem` is why it was not accepted, None once accepted."""

    parcel: Parcel
    problem: str | None


class AlertChannels(Protocol):
    """The routes that an installation has."""

    @property
    def routes(self) -> Sequence[Route]:
        """All routes, each once."""
        ...

    def shown(self, route: str) -> str:
        """How a person finds a route in the settings, without its address."""
        ...

    def send(self, parcels: Mapping[str, Sequence[Parcel]]) -> Iterator[Outcome]:
        """Send each route's parcels in order until one is not accepted; the outcomes, as they come.

        A parcel without an outcome was not tried.

        Args:
            parcels: by the name of the route, the first to be tried first.
        """
        ...

    def call_heartbeat(self) -> None:
        """Call the service that pages a person when this call stays away; nothing where none is set."""
        ...

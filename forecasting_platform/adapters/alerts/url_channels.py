"""Sends alerts to the URLs of the settings, on many routes at once, within a bounded time.

The queue of messages and its record in the ledger belong to `services.alerts`.
"""

import logging
import queue
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence

import requests
from pydantic import SecretStr

from forecasting_platform.adapters.alerts.routes import Delivery, Destination, delivery_of
from forecasting_platform.errors import ConfigurationError
from forecasting_platform.forecasting.monitoring.alert_messages import Route
from forecasting_platform.ports.alert_channels import Outcome, Parcel

MAX_SECONDS = 30.0
"""For all routes together: with what else a look for alerts does, well below the 60 s that Dagster gives a sensor."""
MAX_ROUTES_AT_ONCE = 16
MAX_HEARTBEAT_SECONDS = 5.0

_logger = logging.getLogger(__name__)


class UrlChannels:
    """The `AlertChannels` port on Apprise URLs and an Alertmanager.

    Args:
        heartbeat_url: the service that pages a person when it is not called.
        deliver: makes what sends to a destination; an error of it is that route's problem only.
        max_seconds: for all routes of one `send` together.
    """

    def __init__(
        self,
        destinations: Sequence[Destination],
        heartbeat_url: SecretStr | None = None,
        *,
        deliver: Callable[[Destination], Delivery] = delivery_of,
        max_seconds: float = MAX_SECONDS,
        max_heartbeat_seconds: float = MAX_HEARTBEAT_SECONDS,
    ) -> None:
        self._destinations = {destination.route.name: destination for destination in destinations}
        self._heartbeat_url = heartbeat_url
        self._deliver = deliver
        self._max_seconds = max_seconds
        self._max_heartbeat_seconds = max_heartbeat_seconds

    @property
    def routes(self) -> list[Route]:
        """See `AlertChannels`."""
        return [destination.route for destination in self._destinations.values()]

    def shown(self, route: str) -> str:
        """See `AlertChannels`."""
        return self._destinations[route].shown

    def send(self, parcels: Mapping[str, Sequence[Parcel]]) -> Iterator[Outcome]:
        """See `AlertChannels`."""
        deadline = time.monotonic() + self._max_seconds
        slots = threading.Semaphore(MAX_ROUTES_AT_ONCE)
        answers: queue.SimpleQueue[Outcome | None] = queue.SimpleQueue()
        sending: dict[str, Parcel] = {}

        def send_route(route: str) -> None:
            if slots.acquire(timeout=self._max_seconds):
                for parcel in parcels[route]:
                    if time.monotonic() >= deadline:
                        break
                    sending[route] = parcel
                    problem = self._problem(route, parcel)
                    answers.put(Outcome(parcel, problem))
                    del sending[route]
                    if problem:
                        break
                slots.release()
            answers.put(None)

        # A thread cannot be ended: while one of an earlier round still hangs, no second one joins it.
        hanging = {thread.name for thread in threading.enumerate()}
        at_work = 0
        for route in parcels:
            if _thread_name(route) in hanging:
                yield Outcome(parcels[route][0], "an earlier attempt has still not ended")
            else:
                threading.Thread(target=send_route, args=(route,), name=_thread_name(route), daemon=True).start()
                at_work += 1
        while at_work:
            try:
                answer = answers.get(timeout=max(0.0, deadline - time.monotonic()))
            except queue.Empty:
                break
            if answer is None:
                at_work -= 1
            else:
                yield answer
        for parcel in list(sending.values()):
            yield Outcome(parcel, f"it did not answer within {self._max_seconds:g} s")

    def _problem(self, route: str, parcel: Parcel) -> str | None:
        try:
            return self._deliver(self._destinations[route]).send(parcel.kind, parcel.alerts)
        except ConfigurationError as error:
            return str(error)
        except Exception as error:  # noqa: BLE001 - whatever a service's client raises is this route's problem only
            # Its text may hold the URL.
            return f"sending failed with {type(error).__name__}"

    def call_heartbeat(self) -> None:
        """See `AlertChannels`."""
        if self._heartbeat_url is None or any(thread.name == "heartbeat" for thread in threading.enumerate()):
            return  # none is set, or the call before still hangs
        url = self._heartbeat_url.get_secret_value()
        thread = threading.Thread(target=self._get, args=(url,), name="heartbeat", daemon=True)
        thread.start()
        thread.join(self._max_heartbeat_seconds)

    def _get(self, url: str) -> None:
        try:
            requests.get(url, timeout=self._max_heartbeat_seconds, stream=True).close()
        except requests.RequestException as error:
            _logger.warning("the heartbeat URL did not answer: %s", type(error).__name__)


def _thread_name(route: str) -> str:
    return f"alert route {route}"

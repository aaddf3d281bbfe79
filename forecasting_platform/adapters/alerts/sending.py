"""Sends messages over many routes at once, within a time that is bounded whatever the routes do.

What is queued, and what becomes of it in the ledger, is `alert_outbox`'s.
"""

import queue
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from forecasting_platform.adapters.alerts.routes import Delivery
from forecasting_platform.errors import ConfigurationError
from forecasting_platform.forecasting.monitoring.alert_messages import Kind, Message
from forecasting_platform.forecasting.monitoring.incidents import Alert

MAX_SECONDS = 30.0
"""For all routes together: with what else a look for alerts does, well below the 60 s that Dagster gives a sensor."""
MAX_ROUTES_AT_ONCE = 16


@dataclass(frozen=True, slots=True)
class Parcel:
    """Messages to one route that are sent as one, since their incidents belong together."""

    kind: Kind
    alerts: Sequence[Alert]
    messages: Sequence[Message]


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of one parcel; `problem` says why it was not accepted."""

    parcel: Parcel
    problem: str | None


def send_parcels(
    parcels: Mapping[str, Sequence[Parcel]],
    delivery_of: Callable[[str], Delivery],
    *,
    max_seconds: float = MAX_SECONDS,
) -> Iterator[Outcome]:
    """Send each route's parcels in order until one is not accepted; the outcomes, as they come.

    A parcel that gets no outcome was not tried.

    Args:
        parcels: by the name of the route, the first to be tried first.
        delivery_of: makes what sends to a route; an error of it is that route's problem only.
    """
    deadline = time.monotonic() + max_seconds
    slots = threading.Semaphore(MAX_ROUTES_AT_ONCE)
    answers: queue.SimpleQueue[Outcome | None] = queue.SimpleQueue()
    sending: dict[str, Parcel] = {}

    def send_route(route: str) -> None:
        if slots.acquire(timeout=max_seconds):
            for parcel in parcels[route]:
                if time.monotonic() >= deadline:
                    break
                sending[route] = parcel
                problem = _problem(route, delivery_of, parcel)
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
        yield Outcome(parcel, f"it did not answer within {max_seconds:g} s")


def _thread_name(route: str) -> str:
    return f"alert route {route}"


def _problem(route: str, delivery_of: Callable[[str], Delivery], parcel: Parcel) -> str | None:
    try:
        return delivery_of(route).send(parcel.kind, parcel.alerts)
    except ConfigurationError as error:
        return str(error)
    except Exception as error:  # noqa: BLE001 - whatever a service's client raises is this route's problem only
        # Its text may hold the URL.
        return f"sending failed with {type(error).__name__}"

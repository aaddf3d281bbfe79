"""Messages about incidents: which routes they take, and when a failed one is retried.

A route is one URL that alerts are sent to. Each message has one row per route, so that a broken route neither delays
nor repeats messages on the others. Pure: reading URLs and sending are elsewhere.
"""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Literal

Kind = Literal["FIRING", "REMINDER", "RESOLVED"]

MIN_WAIT = timedelta(seconds=10)
MAX_WAIT = timedelta(minutes=15)
MAX_AGE = timedelta(days=7)
"""A message that was not delivered for so long is given up, as it is out of date."""

ROUTE_FAILURE = "alert_route"
"""First part of the fingerprint of the incident that reports a failing route."""


@dataclass(frozen=True, slots=True)
class Route:
    """One way to reach people.

    Attributes:
        name: stands for the URL wherever it is shown or stored, and holds no secret, such as `slack-1a2b3c4d`.
        only: severities and owners; the route takes an incident that has all names of one of these sets. Empty: all.
    """

    name: str
    only: tuple[frozenset[str], ...] = ()

    @property
    def fingerprint(self) -> str:
        """Of the incident that is open while this route does not work."""
        return f"{ROUTE_FAILURE}:{self.name}"

    def takes(self, fingerprint: str, severity: str, owner: str | None) -> bool:
        """Whether this route receives messages about an incident.

        The failure of another route goes to all routes, whatever they select; a route never reports its own.

        >>> Route("slack-1a2b3c4d", (frozenset({"error", "platform"}),)).takes("a:b", "error", "data-science")
        False
        """
        if fingerprint.partition(":")[0] == ROUTE_FAILURE:
            return fingerprint != self.fingerprint
        return not self.only or any(names <= {severity, owner} for names in self.only)


@dataclass(frozen=True, slots=True)
class Message:
    """One message of the outbox, to one route. It waits until it is delivered or given up.

    Attributes:
        key: the idempotency key: `alert_id/KIND/route`; a message is queued once, sent at least once.
        due_at: not tried before.
        given_up_at: when it was given up; `last_error` says why.
        last_error: why the newest attempt failed, without addresses.
    """

    key: str
    alert_id: str
    kind: Kind
    route: str
    created_at: datetime
    due_at: datetime
    delivered_at: datetime | None = None
    given_up_at: datetime | None = None
    attempts: int = 0
    last_error: str | None = None

    @property
    def ended_at(self) -> datetime | None:
        """When it was delivered or given up; None while it waits."""
        return self.delivered_at or self.given_up_at

    @property
    def place(self) -> tuple[str, datetime, str]:
        """Sort key among the messages about its incident: FIRING, REMINDER, RESOLVED, which is also alphabetical.

        By kind first, as the clocks of the processes that queue messages may differ.
        """
        return self.kind, self.created_at, self.key


def new_message(alert_id: str, kind: Kind, route: Route, at: datetime) -> Message:
    """A message to queue; a reminder is a new one each time."""
    suffix = f"-{at:%Y%m%dT%H%M%S}" if kind == "REMINDER" else ""
    return Message(f"{alert_id}/{kind}{suffix}/{route.name}", alert_id, kind, route.name, at, at)


def record_attempt(message: Message, at: datetime, problem: str | None) -> Message:
    """The message after one more attempt.

    Args:
        problem: why it was not accepted; None if it was.
    """
    tried = replace(message, attempts=message.attempts + 1, last_error=problem)
    if problem is None:
        return replace(tried, delivered_at=at)
    if at - message.created_at >= MAX_AGE:
        return replace(tried, given_up_at=at)
    return replace(tried, due_at=at + wait_after(tried.attempts))


def wait_after(attempts: int) -> timedelta:
    """How long a message waits after so many attempts (1 or more): twice as long each time, within bounds.

    >>> [wait_after(attempts).seconds for attempts in (1, 2, 3, 6, 7, 1000)]
    [10, 20, 40, 320, 640, 900]
    """
    doublings = min(attempts - 1, 30)
    return min(MIN_WAIT * 2**doublings, MAX_WAIT)


def due_messages(waiting: Iterable[Message], routes: Iterable[str], at: datetime) -> list[Message]:
    """The messages to try now, the longest due first, so that those that were not tried last time come first.

    A later message about an incident waits for the earlier ones to the same route.
    """
    first: dict[tuple[str, str], Message] = {}
    for message in sorted(waiting, key=lambda found: found.place):
        first.setdefault((message.alert_id, message.route), message)
    wanted = set(routes)
    due = [message for message in first.values() if message.route in wanted and message.due_at <= at]
    return sorted(due, key=lambda message: (message.due_at, *message.place))


def drop_pointless_reminders(queued: Iterable[Message], waiting: Iterable[Message]) -> list[Message]:
    """The messages to queue, without reminders of incidents whose first message to that route still waits."""
    untold = {(message.alert_id, message.route) for message in waiting}
    return [new for new in queued if new.kind != "REMINDER" or (new.alert_id, new.route) not in untold]

"""The way of an alert from an evaluation to people: incidents and messages into the ledger, then out of it.

Each route has a row of its own for each message: what one route refuses waits for that route, and is repeated on no
other. A message may be sent twice, when the process dies between sending and recording it; never not at all.
"""

import logging
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta

from forecasting_platform.adapters.alerts.routes import Destination, delivery_of, destinations, routes_of
from forecasting_platform.adapters.alerts.sending import Parcel, send_parcels
from forecasting_platform.forecasting.monitoring.alert_messages import (
    ROUTE_FAILURE,
    Message,
    Route,
    attempted,
    new_message,
    without_pointless_reminders,
)
from forecasting_platform.forecasting.monitoring.incidents import Alert, AlertPolicy, Evaluation, Result, take_in
from forecasting_platform.ports.ledger import Ledger
from forecasting_platform.settings import Settings

CLAIM = timedelta(minutes=2)
"""A message whose sender died is tried again after this; it is longer than any sender may take."""

Clock = Callable[[], datetime]
_logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Raised:
    """What one look did: incidents changed, messages accepted, and attempts that were not."""

    changed: int
    sent: int
    refused: int


def utc_now() -> datetime:
    """The time, aware."""
    return datetime.now(UTC)


def raise_alerts(
    ledger: Ledger, evaluations: Sequence[Evaluation], settings: Settings, clock: Clock = utc_now
) -> Raised:
    """One look: evaluations into incidents, what is due to its routes, and what that shows of the routes.

    Raises:
        StoreUnavailableError: the ledger does not answer; the next look does what this one could not.
    """
    routes = routes_of(settings)
    changed = tell(ledger, [*evaluations, *_of_gone_routes(ledger, routes, clock())], settings, clock)
    _hand_over(ledger, routes, clock())
    tried = send_waiting(ledger, settings, clock)
    sent = sum(message.delivered_at is not None for message in tried)
    return Raised(changed, sent, len(tried) - sent)


def tell(ledger: Ledger, evaluations: Sequence[Evaluation], settings: Settings, clock: Clock = utc_now) -> int:
    """Take evaluations into the ledger's incidents, with the messages they call for; how many incidents changed."""
    mutes, routes, waiting = ledger.mutes(), routes_of(settings), ledger.waiting_messages()
    policy = AlertPolicy(
        pending=timedelta(seconds=settings.alert_pending_seconds),
        repeat=timedelta(hours=settings.alert_repeat_hours),
    )

    def taken_in(alerts: list[Alert]) -> tuple[list[Alert], list[Message]]:
        # Looked up here, where nobody else changes incidents: of two messages the later one has the later time.
        changed, messages = take_in(alerts, evaluations, clock(), mutes=mutes, routes=routes, policy=policy)
        return changed, without_pointless_reminders(messages, waiting)

    return ledger.change_alerts(taken_in)


def send_waiting(ledger: Ledger, settings: Settings, clock: Clock = utc_now) -> list[Message]:
    """Try what is due to the routes of these settings, those of a group together; the messages that were tried.

    A route that refuses is an incident of its own, and so is told to the others.
    """
    found = {destination.route.name: destination for destination in destinations(settings)}
    claimed = ledger.claim_messages(found, clock(), clock() + CLAIM)
    if not claimed:
        return []
    tried = []
    for outcome in send_parcels(_parcels(claimed, ledger.alerts()), lambda route: delivery_of(found[route])):
        after = [attempted(message, clock(), outcome.problem) for message in outcome.parcel.messages]
        ledger.record_attempts(after)
        tried += after
        if outcome.problem:
            _logger.warning("an alert was not accepted by %s: %s", found[after[0].route].shown, outcome.problem)
    keys = {message.key for message in tried}
    # As it was: what was not tried is due before what was.
    ledger.record_attempts([message for message in claimed if message.key not in keys])
    tell(ledger, list(_of_routes(found, tried, ledger.waiting_messages(), settings, clock())), settings, clock)
    return tried


def _parcels(claimed: Sequence[Message], alerts: Sequence[Alert]) -> dict[str, list[Parcel]]:
    by_id = {alert.alert_id: alert for alert in alerts}
    together: dict[tuple[str, str, str], list[Message]] = {}
    for message in claimed:
        alert = by_id[message.alert_id]
        together.setdefault((message.route, message.kind, alert.group or alert.alert_id), []).append(message)
    parcels: dict[str, list[Parcel]] = {}
    for (route, _, _), messages in together.items():
        about = [by_id[message.alert_id] for message in messages]
        parcels.setdefault(route, []).append(Parcel(messages[0].kind, about, messages))
    return parcels


def _of_routes(
    found: Mapping[str, Destination],
    tried: Sequence[Message],
    waiting: Sequence[Message],
    settings: Settings,
    at: datetime,
) -> Iterator[Evaluation]:
    """What was seen of each route that was tried; one that takes some messages and refuses others does not work."""
    for name in dict.fromkeys(message.route for message in tried):
        problem = next((message.last_error for message in tried if message.route == name and message.last_error), None)
        left = [message for message in waiting if message.route == name]
        if problem:
            what = f"{found[name].shown} does not work: {problem}; {len(left)} messages wait for it"
            yield _route_evaluation(found[name].route, "failed", what, at, settings)
        elif not any(message.attempts for message in left):
            yield _route_evaluation(found[name].route, "passed", f"{found[name].shown} works again", at, settings)


def _of_gone_routes(ledger: Ledger, routes: Sequence[Route], at: datetime) -> list[Evaluation]:
    """The end of incidents about routes that are not in the settings any more."""
    names = {route.fingerprint for route in routes}
    return [
        _route_evaluation(Route(alert.fingerprint.partition(":")[2]), "passed", _GONE, at, None)
        for alert in ledger.alerts(open_only=True)
        if alert.fingerprint.startswith(f"{ROUTE_FAILURE}:") and alert.fingerprint not in names
    ]


_GONE = "the route is not in the settings any more"


def _route_evaluation(
    route: Route, result: Result, summary: str, at: datetime, settings: Settings | None
) -> Evaluation:
    return Evaluation(
        fingerprint=route.fingerprint,
        event_id=int(at.timestamp() * 1e6),
        result=result,
        severity="error",
        evaluated_at=at,
        summary=summary,
        runbook=f"{settings.runbooks_url.rstrip('/')}/{ROUTE_FAILURE}.md" if settings else None,
        owner="platform",
        group=ROUTE_FAILURE,
    )


def _hand_over(ledger: Ledger, routes: Sequence[Route], at: datetime) -> None:
    """End what waits for routes that are gone; routes that are new get it instead.

    The others have rows of the same key already, and keep them.
    """
    names = {route.name for route in routes}
    gone = [message for message in ledger.waiting_messages() if message.route not in names]
    if not gone:
        return
    alerts = {alert.alert_id: alert for alert in ledger.alerts()}
    handed = [
        new_message(message.alert_id, message.kind, route, at)
        for message in gone
        if message.kind != "REMINDER"
        for route in routes
        if _takes(route, alerts[message.alert_id])
    ]
    ledger.save_alerts([], handed)
    ledger.record_attempts([replace(message, given_up_at=at, last_error=_GONE) for message in gone])


def _takes(route: Route, alert: Alert) -> bool:
    return route.takes(alert.fingerprint, alert.severity, alert.owner)

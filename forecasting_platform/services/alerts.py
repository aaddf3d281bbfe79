"""Turns evaluations into incidents and messages in the ledger, and sends the messages to the routes.

Sensors, assets, the app and the watcher of the watchers all report here. The ledger has one row per message and route:
a message that one route refuses waits for that route, and is not repeated on others. A message may be sent twice, if
the process dies between sending and recording it; it is never lost.
"""

import logging
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta

from forecasting_platform.forecasting.monitoring.alert_messages import (
    ROUTE_FAILURE,
    Message,
    Route,
    drop_pointless_reminders,
    new_message,
    record_attempt,
)
from forecasting_platform.forecasting.monitoring.evaluations import apply_evaluations, latest_alerts
from forecasting_platform.forecasting.monitoring.incidents import (
    Alert,
    AlertPolicy,
    Evaluation,
    Result,
    next_alert,
)
from forecasting_platform.ports.alert_channels import AlertChannels, Parcel
from forecasting_platform.ports.ledger import Ledger

CLAIM = timedelta(minutes=2)
"""A message whose sender died is tried again after this; it is longer than any sender may take."""
ROUTE_IS_GONE = "the route is not in the settings any more"

_logger = logging.getLogger(__name__)


def utc_now() -> datetime:
    """The current time in UTC, aware."""
    return datetime.now(UTC)


@dataclass(frozen=True, slots=True)
class Raised:
    """The result of one call: numbers of changed incidents, sent messages and refused attempts."""

    changed: int
    sent: int
    refused: int


def record_incident(ledger: Ledger, evaluation: Evaluation, *, only_if_closed: bool = False) -> None:
    """Open, renew or resolve one incident; the alert sensor, which sees all incidents, notifies people.

    Args:
        only_if_closed: change nothing while the incident is open.
    """

    def change(alerts: list[Alert]) -> tuple[list[Alert], list[Message]]:
        current = latest_alerts(alerts).get(evaluation.fingerprint)
        if only_if_closed and current is not None and current.is_open:
            return [], []
        alert = next_alert(current, evaluation)
        return [alert] if alert is not None else [], []

    ledger.change_alerts(change)


@dataclass(frozen=True, slots=True)
class Alerts:
    """Incidents of one installation and the messages about them.

    Args:
        policy: when people are told.
        runbook_url: the address of a runbook by its name.
        now: the clock, aware.
    """

    ledger: Ledger
    channels: AlertChannels
    policy: AlertPolicy
    runbook_url: Callable[[str], str]
    now: Callable[[], datetime] = utc_now

    def raise_alerts(self, evaluations: Sequence[Evaluation]) -> Raised:
        """Turn evaluations into incidents, send due messages, and open incidents for failing routes.

        Raises:
            StoreUnavailableError: the ledger does not answer; the next look does what this one could not.
        """
        changed = self.report([*evaluations, *self._ended_route_failures()])
        self._hand_over_messages()
        tried = self.send_waiting()
        sent = sum(message.delivered_at is not None for message in tried)
        return Raised(changed, sent, len(tried) - sent)

    def report(self, evaluations: Sequence[Evaluation]) -> int:
        """Take evaluations into the incidents and queue the messages they call for; how many incidents changed."""
        mutes, waiting = self.ledger.mutes(), self.ledger.waiting_messages()

        def change(alerts: list[Alert]) -> tuple[list[Alert], list[Message]]:
            # Looked up here, where nobody else changes incidents: of two messages the later one has the later time.
            changed, messages = apply_evaluations(
                alerts, evaluations, self.now(), mutes=mutes, routes=self.channels.routes, policy=self.policy
            )
            return changed, drop_pointless_reminders(messages, waiting)

        return self.ledger.change_alerts(change)

    def send_waiting(self) -> list[Message]:
        """Try to send the due messages, those of a group together; returns the messages that were tried.

        A route that refuses is an incident of its own, which the other routes are told of.
        """
        claimed = self.ledger.claim_messages(
            {route.name for route in self.channels.routes}, self.now(), self.now() + CLAIM
        )
        if not claimed:
            return []
        tried = []
        for outcome in self.channels.send(_parcels(claimed, self.ledger.alerts())):
            attempts = [record_attempt(message, self.now(), outcome.problem) for message in outcome.parcel.messages]
            self.ledger.record_attempts(attempts)
            tried += attempts
            if outcome.problem:
                shown = self.channels.shown(attempts[0].route)
                _logger.warning("an alert was not accepted by %s: %s", shown, outcome.problem)
        keys = {message.key for message in tried}
        # A message that was not tried is given back as it was, so that it is due before those that were.
        self.ledger.record_attempts([message for message in claimed if message.key not in keys])
        self.report(list(self._route_evaluations(tried)))
        return tried

    def _route_evaluations(self, tried: Sequence[Message]) -> Iterator[Evaluation]:
        """Whether each tried route works; a route that refuses some messages does not."""
        waiting = self.ledger.waiting_messages()
        routes = {route.name: route for route in self.channels.routes}
        for name in dict.fromkeys(message.route for message in tried):
            problem = next((found.last_error for found in tried if found.route == name and found.last_error), None)
            left = [message for message in waiting if message.route == name]
            shown = self.channels.shown(name)
            if problem:
                summary = f"{shown} does not work: {problem}; {len(left)} messages wait for it"
                yield self._route_evaluation(routes[name], "failed", summary)
            elif not any(message.attempts for message in left):
                yield self._route_evaluation(routes[name], "passed", f"{shown} works again")

    def _ended_route_failures(self) -> list[Evaluation]:
        """Evaluations that resolve incidents of routes that were removed from the settings."""
        names = {route.fingerprint for route in self.channels.routes}
        return [
            self._route_evaluation(Route(alert.fingerprint.partition(":")[2]), "passed", ROUTE_IS_GONE)
            for alert in self.ledger.alerts(open_only=True)
            if alert.fingerprint.startswith(f"{ROUTE_FAILURE}:") and alert.fingerprint not in names
        ]

    def _route_evaluation(self, route: Route, result: Result, summary: str) -> Evaluation:
        at = self.now()
        return Evaluation(
            fingerprint=route.fingerprint,
            event_id=int(at.timestamp() * 1e6),
            result=result,
            severity="error",
            evaluated_at=at,
            summary=summary,
            runbook=self.runbook_url(ROUTE_FAILURE),
            owner="platform",
            group=ROUTE_FAILURE,
        )

    def _hand_over_messages(self) -> None:
        """Cancel messages to removed routes, and queue them for the present routes instead.

        A route that has a message already keeps its own row of it.
        """
        at, routes = self.now(), self.channels.routes
        names = {route.name for route in routes}
        gone = [message for message in self.ledger.waiting_messages() if message.route not in names]
        if not gone:
            return
        alerts = {alert.alert_id: alert for alert in self.ledger.alerts()}
        queued = [
            new_message(message.alert_id, message.kind, route, at)
            for message in gone
            if message.kind != "REMINDER"
            for route in routes
            if _takes(route, alerts[message.alert_id])
        ]
        self.ledger.save_alerts([], queued)
        self.ledger.record_attempts([replace(message, given_up_at=at, last_error=ROUTE_IS_GONE) for message in gone])


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


def _takes(route: Route, alert: Alert) -> bool:
    return route.takes(alert.fingerprint, alert.severity, alert.owner)

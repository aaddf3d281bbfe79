"""The way of an alert from an evaluation to people: incidents and messages into the ledger, then out of it.

What is refused waits on.
A message may be sent twice, when the process dies between sending and recording it; never not at all.
"""

import contextlib
import math
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import groupby
from typing import Protocol

import requests

from forecasting_platform.forecasting.alerts import (
    Alert,
    AlertPolicy,
    Evaluation,
    Kind,
    Message,
    latest_alerts,
    take_in,
)
from forecasting_platform.ports.ledger import Ledger
from forecasting_platform.settings import Settings

HEARTBEAT_SECONDS = 5
WATCHERS = ("alert_sensor", "promotion_sensor")


class Channel(Protocol):
    """One way to reach people; `name` is what messages to it carry."""

    name: str

    def send(self, kind: Kind, alerts: Sequence[Alert]) -> str | None:
        """One message about incidents that belong together; None once accepted, else why not."""
        ...


def channel_names(settings: Settings) -> list[str]:
    """The channels that are configured."""
    urls = settings.alert_urls.get_secret_value().strip(" ,") if settings.alert_urls else ""
    configured = {"apprise": urls, "alertmanager": settings.alertmanager_url}
    return [name for name, value in configured.items() if value]


def _channel(name: str, settings: Settings) -> Channel:
    if name == "alertmanager":
        from forecasting_platform.adapters.alertmanager_delivery import AlertmanagerDelivery

        return AlertmanagerDelivery(settings.alertmanager_url or "")
    from forecasting_platform.adapters.apprise_delivery import AppriseDelivery

    return AppriseDelivery(settings.alert_urls.get_secret_value() if settings.alert_urls else "")


def tell(ledger: Ledger, evaluations: Sequence[Evaluation], settings: Settings) -> int:
    """Take evaluations into the ledger's incidents, with the messages they call for; how many incidents changed."""
    alerts, messages = take_in(
        latest_alerts(ledger.alerts()),
        evaluations,
        datetime.now(UTC),
        mutes=ledger.mutes(),
        channels=channel_names(settings),
        policy=AlertPolicy(
            pending=timedelta(seconds=settings.alert_pending_seconds),
            repeat=timedelta(hours=settings.alert_repeat_hours),
        ),
    )
    if alerts or messages:
        ledger.save_alerts(alerts, messages)
    return len(alerts)


def watch_watchers(ledger: Ledger, settings: Settings, most_age: timedelta) -> dict[str, float]:
    """The dead man's switch, for a clock outside of Dagster: an incident for each watcher gone quiet.

    Its message is sent here, since the sensor that sends the others is what has gone quiet. Where no channel is
    configured the ledger is left alone: an incident told to nobody would keep the sensor from telling it.

    Returns:
        How many seconds ago each watcher last lived; infinite for one that never did.
    """
    now = datetime.now(UTC)
    seen = ledger.heartbeats()
    ages = {name: (now - seen[name]).total_seconds() if name in seen else math.inf for name in WATCHERS}
    evaluations = [
        Evaluation(
            fingerprint=f"dead_man:{name}",
            event_id=int(now.timestamp() * 1e6),
            result="failed" if age > most_age.total_seconds() else "passed",
            severity="error",
            evaluated_at=now,
            summary=f"{name} was last alive {age:.0f} s ago: no alert is sent until it is back",
            runbook=f"{settings.runbooks_url.rstrip('/')}/dead_man.md",
            owner="platform",
        )
        for name, age in ages.items()
    ]
    if channel_names(settings):
        tell(ledger, evaluations, settings.model_copy(update={"alert_pending_seconds": 0.0}))
        send_waiting(ledger, settings)
    return ages


def beat(ledger: Ledger, settings: Settings, name: str) -> None:
    """Say that a watcher lives: in the ledger, and to whoever pages when this call stays away.

    A service that does not answer is none of the watcher's business: it notices by itself.
    """
    ledger.beat(name, datetime.now(UTC))
    if settings.heartbeat_url is not None:
        with contextlib.suppress(requests.RequestException):
            requests.get(settings.heartbeat_url.get_secret_value(), timeout=HEARTBEAT_SECONDS)


def send_waiting(ledger: Ledger, settings: Settings) -> int:
    """Try every waiting message once, those of a group together; how many were accepted.

    A message to a channel that is configured no more is given up.

    Raises:
        ConfigurationError: a URL that nobody understands; nothing was sent to its channel.
    """
    waiting = ledger.waiting_messages()
    if not waiting:
        return 0
    alerts = {alert.alert_id: alert for alert in ledger.alerts()}
    channels = {name: _channel(name, settings) for name in channel_names(settings)}

    def together(message: Message) -> tuple[str, str, str]:
        alert = alerts[message.alert_id]
        return message.channel, message.kind, alert.group or alert.alert_id

    accepted = 0
    for (name, _kind, _group), messages in groupby(sorted(waiting, key=together), key=together):
        attempted = _attempt(channels.get(name), list(messages), alerts, datetime.now(UTC))
        ledger.record_attempts(attempted)
        accepted += sum(message.delivered_at is not None for message in attempted)
    return accepted


def _attempt(
    channel: Channel | None, messages: Sequence[Message], alerts: dict[str, Alert], at: datetime
) -> list[Message]:
    if channel is None:
        return [replace(message, delivered_at=at, last_error="the channel is not configured") for message in messages]
    problem = channel.send(messages[0].kind, [alerts[message.alert_id] for message in messages])
    return [
        replace(
            message,
            attempts=message.attempts + 1,
            delivered_at=None if problem else at,
            last_error=problem,
        )
        for message in messages
    ]

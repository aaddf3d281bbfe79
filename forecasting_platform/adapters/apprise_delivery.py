"""Messages about incidents, by Apprise: mail, chat, webhook and whatever else its URLs name."""

import re
from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime

import apprise

from forecasting_platform.errors import ConfigurationError
from forecasting_platform.forecasting.alerts import Alert


def deliver(alerts: Sequence[Alert], urls: str, now: datetime) -> list[Alert]:
    """Send one message an incident; the incidents that were accepted, with `delivered` set.

    Args:
        urls: Apprise URLs separated by commas or spaces. Without any, nobody waits for a message, and
            every incident counts as delivered.

    Returns:
        What was accepted. One that no service took is absent: it is tried again by the next call.

    Raises:
        ConfigurationError: a URL that Apprise does not understand; nothing was sent.
    """
    notifier = _notifier(list(filter(None, re.split(r"[,\s]+", urls))))
    return [replace(alert, delivered=now) for alert in alerts if not len(notifier) or _send(notifier, alert)]


def _notifier(urls: Sequence[str]) -> apprise.Apprise:
    notifier = apprise.Apprise()
    for number, url in enumerate(urls, start=1):
        if not notifier.add(url):
            # Not shown: it may hold a password or a token.
            raise ConfigurationError(
                "FORECASTING_ALERT_URLS", f"number {number} of its {len(urls)} URLs is none that Apprise understands"
            )
    return notifier


def _send(notifier: apprise.Apprise, alert: Alert) -> bool:
    firing = alert.state == "FIRING"
    return bool(
        notifier.notify(
            title=f"[{alert.state}] {alert.fingerprint}",
            body=f"{alert.summary}\nincident {alert.alert_id}, first seen {alert.first_seen:%Y-%m-%d %H:%M} UTC",
            notify_type=apprise.NotifyType.FAILURE if firing else apprise.NotifyType.SUCCESS,
        )
    )

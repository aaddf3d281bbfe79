"""Posts incidents to a Prometheus Alertmanager (API v2), which groups, routes and silences them itself.

https://github.com/prometheus/alertmanager/blob/main/api/v2/openapi.yaml
"""

from collections.abc import Sequence
from datetime import timedelta
from typing import Any

import requests

from forecasting_platform.forecasting.monitoring.alert_messages import Kind
from forecasting_platform.forecasting.monitoring.incidents import Alert

TIMEOUT_SECONDS = 10
LASTS = timedelta(hours=49)
"""An alert not posted again by then is over for the Alertmanager: two reminders may fail."""


class AlertmanagerDelivery:
    """Posts to one Alertmanager."""

    def __init__(self, url: str) -> None:
        self._url = f"{url.rstrip('/')}/api/v2/alerts"

    def send(self, kind: Kind, alerts: Sequence[Alert]) -> str | None:
        """Post incidents; None once accepted, else why not."""
        try:
            response = requests.post(
                self._url,
                json=[_posted(kind, alert) for alert in alerts],
                timeout=TIMEOUT_SECONDS,
                allow_redirects=False,  # a post that is redirected becomes a get, and nobody is told
            )
        except requests.RequestException as error:
            return f"the Alertmanager did not answer: {type(error).__name__}"
        accepted = response.ok and not response.is_redirect
        return None if accepted else f"the Alertmanager answered {response.status_code}"


def _posted(kind: Kind, alert: Alert) -> dict[str, Any]:
    newest = (
        alert.resolved
        if kind == "RESOLVED" and alert.resolved
        else max(filter(None, (alert.last_seen, alert.announced, alert.reminded))) + LASTS
    )
    links = {"runbook_url": alert.runbook, "link": alert.link}
    return {
        # The identity of an alert: equal labels are the same alert.
        "labels": {
            "alertname": alert.fingerprint,
            "severity": alert.severity,
            "owner": alert.owner or "",
            "incident": alert.alert_id,
        },
        "annotations": {"summary": alert.summary} | {name: value for name, value in links.items() if value},
        "startsAt": alert.first_seen.isoformat(),
        "endsAt": newest.isoformat(),
    }

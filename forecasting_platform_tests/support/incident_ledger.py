"""A ledger of incidents for tests: what was decided at each look is kept, and so are the messages."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from forecasting_platform.forecasting.monitoring.alert_messages import Message, Route
from forecasting_platform.forecasting.monitoring.evaluations import apply_evaluations
from forecasting_platform.forecasting.monitoring.incidents import Alert, Evaluation

HOOK = Route("hook")


class IncidentLedger:
    """Incidents and messages after a number of looks."""

    def __init__(self) -> None:
        self.alerts: dict[str, Alert] = {}
        self.messages: dict[str, Message] = {}

    def look(self, *seen: Evaluation, at: datetime, routes: Sequence[Route] = (HOOK,), **options: Any) -> None:
        """Take in what was seen."""
        alerts, messages = apply_evaluations(list(self.alerts.values()), seen, at, routes=routes, **options)
        self.alerts |= {alert.alert_id: alert for alert in alerts}
        for message in messages:
            self.messages.setdefault(message.key, message)

    @property
    def told(self) -> list[str]:
        """Which incident each message is about, and its kind."""
        return [f"{message.alert_id} {message.kind}" for message in self.messages.values()]

    @property
    def open(self) -> list[str]:
        """The fingerprints of open incidents."""
        return [alert.fingerprint for alert in self.alerts.values() if alert.is_open]

    @property
    def only(self) -> Alert:
        """The one incident."""
        (alert,) = self.alerts.values()
        return alert

"""A ledger in memory, for fast tests. Nothing outlives it."""

import threading
from collections.abc import Sequence
from dataclasses import replace

from forecasting_platform.adapters.ledger_entries import check_alerts, check_evidence
from forecasting_platform.forecasting.alerts import Alert
from forecasting_platform.forecasting.promotion import PromotionDecision


class MemoryLedger:
    """The `Ledger` port on lists in this process; safe for threads."""

    def __init__(self) -> None:
        self._decisions: list[PromotionDecision] = []
        self._alerts: dict[str, Alert] = {}
        self._lock = threading.Lock()

    def prepare(self) -> None:
        """Nothing to create."""

    def append_decision(self, decision: PromotionDecision) -> int:
        """See `Ledger`."""
        evidence = check_evidence(decision.evidence)
        with self._lock:
            decision_id = len(self._decisions) + 1
            self._decisions.append(replace(decision, decision_id=decision_id, evidence=evidence))
        return decision_id

    def decisions(self, limit: int | None = None) -> list[PromotionDecision]:
        """See `Ledger`."""
        with self._lock:
            return self._decisions[::-1][:limit]

    def save_alerts(self, alerts: Sequence[Alert]) -> None:
        """See `Ledger`."""
        with self._lock:
            saved = self._alerts | {alert.alert_id: alert for alert in alerts}
            check_alerts(saved.values())
            self._alerts = saved

    def alerts(self, *, open_only: bool = False) -> list[Alert]:
        """See `Ledger`."""
        with self._lock:
            listed = [alert for alert in self._alerts.values() if alert.state == "FIRING" or not open_only]
        return sorted(listed, key=lambda alert: (alert.first_seen, alert.alert_id), reverse=True)

    def close(self) -> None:
        """Nothing to give back."""

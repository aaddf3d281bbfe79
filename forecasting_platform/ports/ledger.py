"""What people must be able to trust afterwards: promotion decisions and alerts.

Transactional and small, so it stays in Postgres whichever table store is chosen. Promises: decisions
are append-only and read newest first; an alert is one row per incident, keyed by `alert_id`, and at
most one incident of a fingerprint is open; a ledger that does not answer raises `StoreUnavailableError`.
"""

from collections.abc import Sequence
from typing import Protocol

from forecasting_platform.forecasting.alerts import Alert
from forecasting_platform.forecasting.promotion import PromotionDecision


class Ledger(Protocol):
    """Decisions and alerts."""

    def prepare(self) -> None:
        """Create what is missing of the schema."""
        ...

    def append_decision(self, decision: PromotionDecision) -> int:
        """Write one decision; its number, larger than every earlier one."""
        ...

    def decisions(self, limit: int | None = None) -> list[PromotionDecision]:
        """Decisions, newest first, each with its `decision_id`."""
        ...

    def save_alerts(self, alerts: Sequence[Alert]) -> None:
        """Insert or update these incidents, in one transaction."""
        ...

    def alerts(self, *, open_only: bool = False) -> list[Alert]:
        """Incidents, the newest `first_seen` first."""
        ...

    def close(self) -> None:
        """Give back connections."""
        ...

"""Troubles of the app itself as incidents in `alerts`, beside those of checks.

An incident is written when the state changes; a ledger that is down is asked again until it knows. Who is told, and
when, belongs to the alert sensor, which looks at every incident.
"""

import time
from collections.abc import Callable
from datetime import UTC, datetime

from forecasting_platform.forecasting.monitoring.incidents import Evaluation
from forecasting_platform.ports.ledger import Ledger
from forecasting_platform.services.alerts import record_incident
from serve.periodic_task import PeriodicTask

CHAMPION_LOADS = "app:champion_loads"
LOOK_SECONDS = 2.0


class Incidents:
    """Tells the ledger whether the version named champion is the one that answers.

    Args:
        ledger: where incidents are kept; without one nothing is told.
        trouble: what is wrong now, None when nothing is.
        runbook: its address.
    """

    def __init__(self, ledger: Ledger | None, trouble: Callable[[], str | None], *, runbook: str | None = None) -> None:
        self._runbook = runbook
        self._ledger = ledger
        self._trouble = trouble
        # Told nothing yet: an incident of an earlier process ends with the first good look.
        self._reported: tuple[str | None] | None = None
        self._thread = PeriodicTask("incidents", LOOK_SECONDS, self.report)

    def start(self) -> None:
        """Begin to tell, in the background."""
        self._thread.start()

    def stop(self) -> None:
        """End telling; an open incident stays open."""
        self._thread.stop()

    def report(self) -> None:
        """Open, renew or end the incident, once for each change; open it again where another app ended it.

        Raises:
            StoreUnavailableError: the ledger does not answer; it is told later.
        """
        trouble = self._trouble()
        is_reported = self._reported == (trouble,)
        if self._ledger is None or (is_reported and trouble is None):
            return
        record_incident(self._ledger, _evaluation(trouble, self._runbook), only_if_closed=is_reported)
        self._reported = (trouble,)


def _evaluation(trouble: str | None, runbook: str | None) -> Evaluation:
    now = datetime.now(UTC)
    return Evaluation(
        fingerprint=CHAMPION_LOADS,
        # Not from an event log, but later ones are larger as well.
        event_id=time.time_ns() // 1_000,
        result="passed" if trouble is None else "failed",
        severity="error",
        evaluated_at=now,
        summary=(trouble or "the champion answers again")[:500],
        runbook=runbook,
        owner="platform",
    )

"""Reports problems of the app itself as incidents in `alerts`, like those of checks.

An incident is written when the state changes, and again while the ledger is down. Notifications do not belong here: the
alert sensor sends them for every incident.
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
    """Reports to the ledger whether the version named champion is the one that answers.

    Args:
        ledger: where incidents are kept; without one nothing is reported.
        trouble: returns what is wrong now, None when nothing is.
        runbook: the URL of its runbook.
    """

    def __init__(self, ledger: Ledger | None, trouble: Callable[[], str | None], *, runbook: str | None = None) -> None:
        self._runbook = runbook
        self._ledger = ledger
        self._trouble = trouble
        # Nothing reported yet: the first good look ends an incident of an earlier process.
        self._reported: tuple[str | None] | None = None
        self._thread = PeriodicTask("incidents", LOOK_SECONDS, self.report)

    def start(self) -> None:
        """Begin to report, in the background."""
        self._thread.start()

    def stop(self) -> None:
        """End reporting; an open incident stays open."""
        self._thread.stop()

    def report(self) -> None:
        """Open, renew or end the incident, once for each change; open it again where another app ended it.

        Raises:
            StoreUnavailableError: the ledger does not answer; the next call reports it.
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
        # Not from an event log, but growing as well.
        event_id=time.time_ns() // 1_000,
        result="passed" if trouble is None else "failed",
        severity="error",
        evaluated_at=now,
        summary=(trouble or "the champion answers again")[:500],
        runbook=runbook,
        owner="platform",
    )

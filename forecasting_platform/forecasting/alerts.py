"""What becomes of a failed check: one incident from the first failure to the recovery.

Pure: the store of incidents and their delivery live elsewhere.
"""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Literal

State = Literal["FIRING", "RESOLVED"]
Severity = Literal["warning", "error"]


@dataclass(frozen=True, slots=True)
class Evaluation:
    """One result of something watched: an asset check, or a run.

    Attributes:
        fingerprint: names what is watched, such as `feature_table:feature_table_has_every_series`.
        event_id: the event log's number of the result; a later one is larger.
        evaluated_at: when (aware).
        link: where a person reads more.
    """

    fingerprint: str
    event_id: int
    passed: bool
    severity: Severity
    evaluated_at: datetime
    summary: str
    link: str | None = None


@dataclass(frozen=True, slots=True)
class Alert:
    """One incident.

    Attributes:
        alert_id: `fingerprint@event_id` of the first failure: the idempotency key.
        last_event_id: the newest evaluation taken in.
        delivered: when the message about the present state was accepted, None while it waits.
    """

    alert_id: str
    fingerprint: str
    state: State
    severity: Severity
    summary: str
    first_seen: datetime
    last_seen: datetime
    last_event_id: int
    resolved: datetime | None = None
    delivered: datetime | None = None
    link: str | None = None


def next_alert(current: Alert | None, evaluation: Evaluation) -> Alert | None:
    """The incident after one more evaluation of its fingerprint.

    Args:
        current: the newest incident of the fingerprint, open or resolved; None if there was none.

    Returns:
        The incident to save, or None when nothing changes: a pass without an open incident, or an
        evaluation that was taken in before (events may be read twice, or late).

    >>> from datetime import UTC
    >>> failed = Evaluation("a:b", 7, False, "error", datetime(2023, 7, 1, tzinfo=UTC), "bias 3 GWh")
    >>> alert = next_alert(None, failed)
    >>> alert.state, alert.alert_id
    ('FIRING', 'a:b@7')
    >>> next_alert(alert, failed) is None
    True
    """
    if current is not None and evaluation.event_id <= current.last_event_id:
        return None
    is_open = current is not None and current.state == "FIRING"
    if current is not None and is_open:
        return _continued(current, evaluation)
    if evaluation.passed:
        return None
    return Alert(
        alert_id=f"{evaluation.fingerprint}@{evaluation.event_id}",
        fingerprint=evaluation.fingerprint,
        state="FIRING",
        severity=evaluation.severity,
        summary=evaluation.summary,
        first_seen=evaluation.evaluated_at,
        last_seen=evaluation.evaluated_at,
        last_event_id=evaluation.event_id,
        link=evaluation.link,
    )


def _continued(current: Alert, evaluation: Evaluation) -> Alert:
    seen = replace(current, last_event_id=evaluation.event_id)
    if evaluation.passed:
        # The recovery is a message of its own, so delivery starts anew.
        return replace(seen, state="RESOLVED", resolved=evaluation.evaluated_at, delivered=None)
    return replace(seen, last_seen=evaluation.evaluated_at, summary=evaluation.summary, severity=evaluation.severity)


def latest_alerts(alerts: Iterable[Alert]) -> dict[str, Alert]:
    """The newest incident of each fingerprint."""
    newest: dict[str, Alert] = {}
    for alert in sorted(alerts, key=lambda found: found.last_event_id):
        newest[alert.fingerprint] = alert
    return newest

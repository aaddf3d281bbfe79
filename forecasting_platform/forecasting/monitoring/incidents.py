"""Incidents: one from the first failure of a check or run to its recovery.

    no incident -> PENDING -> FIRING -> RESOLVED, with UNKNOWN and MUTED beside them

An incident is PENDING until it has lasted for a while or failed again, so that related incidents go out together and a
stale feed can mute those that it causes; MUTED while no message may be sent; UNKNOWN while the check has no answer, and
then the first failure fires at once. Exactly one message opens an incident and one ends it, even if results are read
twice, late or after a restart; reminders come between. Pure: storing and delivering are elsewhere.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Literal

from forecasting_platform.forecasting.monitoring.alert_messages import Kind, Message, Route, new_message
from forecasting_platform.forecasting.monitoring.findings import Findings
from forecasting_platform.forecasting.monitoring.next_steps import with_next_step

State = Literal["PENDING", "FIRING", "RESOLVED", "MUTED", "UNKNOWN"]
Severity = Literal["warning", "error"]
Result = Literal["passed", "failed", "unknown"]

HISTORICAL = "a historical backfill"


@dataclass(frozen=True, slots=True)
class Evaluation:
    """One result of something watched: an asset check, a run, a backfill.

    Attributes:
        fingerprint: names what is watched, such as `feature_table:feature_table_has_every_series`.
        event_id: the number of the result; a later one is larger.
        evaluated_at: when (aware).
        link, runbook: where to read more, and what to do.
        owner: the team that is responsible.
        group: results that failed together, such as a backfill; they share one message.
        historical: it concerns days long past, so no message is sent.
        findings: what a check found series by series, for which there are incidents of series instead.
        evidence: of an incident of series, what checks have found (`causes.Evidence` as JSON).
    """

    fingerprint: str
    event_id: int
    result: Result
    severity: Severity
    evaluated_at: datetime
    summary: str
    link: str | None = None
    runbook: str | None = None
    owner: str | None = None
    group: str | None = None
    historical: bool = False
    findings: Findings | None = None
    evidence: str | None = None


@dataclass(frozen=True, slots=True)
class Alert:
    """One incident.

    Attributes:
        alert_id: `fingerprint@event_id` of the first failure.
        last_event_id: the newest evaluation applied.
        delivered: when every message about the present state was accepted or given up, None while one waits.
        announced: when its opening message was put into the outbox; None before.
        reminded: when the newest reminder was put there.
        muted_by: why no message is sent; None otherwise.
        acknowledged, acknowledged_by: when and by whom it was taken on; no reminders after that.
        evidence: of an incident of series, what checks have found (`causes.Evidence` as JSON).
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
    runbook: str | None = None
    owner: str | None = None
    group: str | None = None
    muted_by: str | None = None
    announced: datetime | None = None
    reminded: datetime | None = None
    acknowledged: datetime | None = None
    acknowledged_by: str | None = None
    evidence: str | None = None

    @property
    def is_open(self) -> bool:
        """Not resolved."""
        return self.state != "RESOLVED"


@dataclass(frozen=True, slots=True)
class Mute:
    """No messages about incidents whose fingerprint matches, until a time (aware)."""

    pattern: str
    until: datetime
    reason: str
    muted_by: str


@dataclass(frozen=True, slots=True)
class AlertPolicy:
    """When messages are sent."""

    pending: timedelta = timedelta(seconds=30)
    repeat: timedelta = timedelta(hours=24)


def next_alert(current: Alert | None, evaluation: Evaluation, muted_by: str | None = None) -> Alert | None:
    """The incident after one more evaluation of its fingerprint.

    Args:
        current: the newest incident of the fingerprint, open or resolved; None if there was none.
        muted_by: why no message may be sent now.

    Returns:
        The incident to save, or None when nothing changes: a pass without an open incident, or an
        evaluation that was applied before (events may be read twice, or late).

    >>> from datetime import UTC
    >>> failed = Evaluation("a:b", 7, "failed", "error", datetime(2023, 7, 1, tzinfo=UTC), "bias 3 GWh")
    >>> alert = next_alert(None, failed)
    >>> alert.state, alert.alert_id
    ('PENDING', 'a:b@7')
    >>> next_alert(alert, failed) is None
    True
    """
    if current is not None and evaluation.event_id <= current.last_event_id:
        return None
    reason = HISTORICAL if evaluation.historical else muted_by
    if current is not None and current.is_open:
        return _continue_incident(current, evaluation, reason)
    return None if evaluation.result == "passed" else _open_incident(evaluation, reason)


def _open_incident(evaluation: Evaluation, muted_by: str | None) -> Alert:
    state: State = "UNKNOWN" if evaluation.result == "unknown" else "MUTED" if muted_by else "PENDING"
    return Alert(
        alert_id=f"{evaluation.fingerprint}@{evaluation.event_id}",
        fingerprint=evaluation.fingerprint,
        state=state,
        severity=evaluation.severity,
        summary=with_next_step(evaluation.summary, evaluation.fingerprint),
        first_seen=evaluation.evaluated_at,
        last_seen=evaluation.evaluated_at,
        last_event_id=evaluation.event_id,
        link=evaluation.link,
        runbook=evaluation.runbook,
        owner=evaluation.owner,
        group=evaluation.group,
        muted_by=muted_by,
        evidence=evaluation.evidence,
    )


def _continue_incident(current: Alert, evaluation: Evaluation, muted_by: str | None) -> Alert:
    seen = replace(current, last_event_id=evaluation.event_id, evidence=evaluation.evidence or current.evidence)
    if evaluation.result == "passed":
        # The recovery is a message of its own, so delivery starts anew.
        return replace(seen, state="RESOLVED", resolved=evaluation.evaluated_at, delivered=None)
    if evaluation.result == "unknown":
        return seen
    # Muting an incident whose opening was sent silences its reminders only.
    state: State = "MUTED" if muted_by and current.announced is None else "FIRING"
    return replace(
        seen,
        state=state,
        muted_by=muted_by,
        last_seen=evaluation.evaluated_at,
        summary=with_next_step(evaluation.summary, evaluation.fingerprint),
        severity=evaluation.severity,
        first_seen=evaluation.evaluated_at if current.state == "UNKNOWN" else current.first_seen,
        owner=evaluation.owner or current.owner,
        runbook=evaluation.runbook or current.runbook,
    )


def advance(alert: Alert, at: datetime, muted_by: str | None = None, policy: AlertPolicy | None = None) -> Alert:
    """The incident at a time, without a new evaluation: it fires after PENDING for long enough or when a mute ends."""
    policy = policy or AlertPolicy()
    if alert.state == "PENDING":
        if muted_by:
            return replace(alert, state="MUTED", muted_by=muted_by)
        return replace(alert, state="FIRING") if at - alert.first_seen >= policy.pending else alert
    if alert.state == "MUTED" and muted_by is None and alert.muted_by != HISTORICAL:
        return replace(alert, state="FIRING", muted_by=None)
    if alert.state == "FIRING" and alert.muted_by != muted_by:
        return replace(alert, muted_by=muted_by)
    return alert


def announce(
    alert: Alert,
    at: datetime,
    routes: Sequence[Route],
    policy: AlertPolicy | None = None,
    before: Alert | None = None,
) -> tuple[Alert, list[Message]]:
    """The messages that are due about an incident, and the incident marked as announced.

    Args:
        routes: where messages may go; an incident that no route takes counts as delivered.
        before: the incident as it was: routes that take it only now, since it became an error or its cause another
            owner's, are told that it is open.
    """
    kind = _due(alert, at, policy or AlertPolicy())
    taking = [route for route in routes if _takes(route, alert)]
    if kind is None:
        is_open = before is not None and alert.state == before.state == "FIRING" and alert.announced is not None
        new = [route for route in taking if is_open and before is not None and not _takes(route, before)]
        return alert, [new_message(alert.alert_id, "FIRING", route, at) for route in new]
    marked = replace(
        alert,
        announced=alert.announced or at,
        reminded=at if kind == "REMINDER" else alert.reminded,
        delivered=alert.delivered if kind == "REMINDER" else None if taking else at,
    )
    return marked, [new_message(alert.alert_id, kind, route, at) for route in taking]


def _takes(route: Route, alert: Alert) -> bool:
    return route.takes(alert.fingerprint, alert.severity, alert.owner)


def _due(alert: Alert, at: datetime, policy: AlertPolicy) -> Kind | None:
    if alert.state == "RESOLVED":
        return "RESOLVED" if alert.announced is not None and alert.delivered is None else None
    if alert.state != "FIRING":
        return None
    if alert.announced is None:
        return "FIRING"
    is_quiet = alert.acknowledged is not None or alert.muted_by is not None
    return "REMINDER" if not is_quiet and at - (alert.reminded or alert.announced) >= policy.repeat else None

"""Incidents: one from the first failure of a check or run to its recovery.

    no incident -> PENDING -> FIRING -> RESOLVED, with UNKNOWN and MUTED beside them

An incident is PENDING until it has lasted for a while or failed again, so that related incidents go out together and a
stale feed can mute those that it causes; MUTED while no message may be sent; UNKNOWN while the check has no answer, and
then the first failure fires at once. Exactly one message opens an incident and one ends it, even if results are read
twice, late or after a restart; reminders come between. Pure: storing and delivering are elsewhere.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from fnmatch import fnmatchcase
from typing import Literal

from forecasting_platform.forecasting.monitoring.alert_messages import Kind, Message, Route, new_message
from forecasting_platform.forecasting.monitoring.next_steps import with_next_step

State = Literal["PENDING", "FIRING", "RESOLVED", "MUTED", "UNKNOWN"]
Severity = Literal["warning", "error"]
Result = Literal["passed", "failed", "unknown"]

OPEN_STATES: tuple[State, ...] = ("PENDING", "FIRING", "MUTED", "UNKNOWN")
HISTORICAL = "a historical backfill"

INHIBITIONS: tuple[tuple[str, str], ...] = (
    ("run_failure:load_job", "forecast_errors:*"),
    ("backfill_failure:*raw_observations*", "forecast_errors:*"),
    ("forecast_errors:actuals_are_complete", "forecast_errors:*"),
)
"""(source, target): while an error of the source is open, incidents of the target send no messages."""


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
    )


def _continue_incident(current: Alert, evaluation: Evaluation, muted_by: str | None) -> Alert:
    seen = replace(current, last_event_id=evaluation.event_id)
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
    alert: Alert, at: datetime, routes: Sequence[Route], policy: AlertPolicy | None = None
) -> tuple[Alert, list[Message]]:
    """The messages that are due about an incident, and the incident marked as announced.

    Args:
        routes: where messages may go; an incident that no route takes counts as delivered.
    """
    kind = _due(alert, at, policy or AlertPolicy())
    if kind is None:
        return alert, []
    taking = [route for route in routes if route.takes(alert.fingerprint, alert.severity, alert.owner)]
    marked = replace(
        alert,
        announced=alert.announced or at,
        reminded=at if kind == "REMINDER" else alert.reminded,
        delivered=alert.delivered if kind == "REMINDER" else None if taking else at,
    )
    return marked, [new_message(alert.alert_id, kind, route, at) for route in taking]


def _due(alert: Alert, at: datetime, policy: AlertPolicy) -> Kind | None:
    if alert.state == "RESOLVED":
        return "RESOLVED" if alert.announced is not None and alert.delivered is None else None
    if alert.state != "FIRING":
        return None
    if alert.announced is None:
        return "FIRING"
    is_quiet = alert.acknowledged is not None or alert.muted_by is not None
    return "REMINDER" if not is_quiet and at - (alert.reminded or alert.announced) >= policy.repeat else None


def find_mute_reason(fingerprint: str, at: datetime, mutes: Iterable[Mute], newest: Mapping[str, Alert]) -> str | None:
    """Why a fingerprint sends no messages now: a person muted it, or another incident explains it; else None."""
    for mute in mutes:
        if at < mute.until and fnmatchcase(fingerprint, mute.pattern):
            return f"{mute.muted_by}: {mute.reason}"
    for source, target in INHIBITIONS:
        if fnmatchcase(fingerprint, target) and not fnmatchcase(fingerprint, source):
            for alert in newest.values():
                is_error = alert.severity == "error" and alert.state in {"PENDING", "FIRING"}
                if is_error and fnmatchcase(alert.fingerprint, source):
                    return f"follows from {alert.fingerprint}"
    return None


def latest_alerts(alerts: Iterable[Alert]) -> dict[str, Alert]:
    """The newest incident of each fingerprint."""
    newest: dict[str, Alert] = {}
    for alert in sorted(alerts, key=lambda found: found.last_event_id):
        newest[alert.fingerprint] = alert
    return newest


def apply_evaluations(
    alerts: Sequence[Alert],
    evaluations: Iterable[Evaluation],
    at: datetime,
    *,
    mutes: Sequence[Mute] = (),
    routes: Sequence[Route] = (),
    policy: AlertPolicy | None = None,
) -> tuple[list[Alert], list[Message]]:
    """Apply new evaluations in order, then the passing of time, and queue the messages that are due.

    Args:
        alerts: all incidents.
        at: now.

    Returns:
        The incidents that changed and the messages to queue, to be saved together.
    """
    now = latest_alerts(alerts)
    earlier = [alert for alert in alerts if now[alert.fingerprint] is not alert]
    changed: dict[str, Alert] = {}
    messages: list[Message] = []

    def keep(alert: Alert) -> None:
        marked, queued = announce(alert, at, routes, policy)
        if marked != now.get(alert.fingerprint):
            now[alert.fingerprint] = changed[alert.alert_id] = marked
        messages.extend(queued)

    for evaluation in sorted(evaluations, key=lambda found: found.event_id):
        name, when = evaluation.fingerprint, evaluation.evaluated_at
        if name in now and now[name].is_open and evaluation.event_id > now[name].last_event_id:
            # Between two looks it may have fired before it recovered.
            keep(advance(now[name], when, find_mute_reason(name, when, mutes, now), policy))
        alert = next_alert(now.get(name), evaluation, find_mute_reason(name, when, mutes, now))
        if alert is not None:
            keep(alert)
    for name, alert in list(now.items()):
        # Incidents that the app ended itself are announced here too; a message that is queued already is not repeated.
        keep(advance(alert, at, find_mute_reason(name, at, mutes, now), policy) if alert.is_open else alert)
    for alert in earlier:
        # Between two looks the app may have ended it and opened the next one.
        marked, queued = announce(alert, at, routes, policy)
        if marked != alert:
            changed[alert.alert_id] = marked
        messages.extend(queued)
    return list(changed.values()), messages

"""Applies new evaluations to all incidents: mutes, one incident for one cause, the passing of time, due messages.

What becomes of a single incident is in `incidents`, which findings are of one cause in `causes`.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from fnmatch import fnmatchcase

from forecasting_platform.forecasting.monitoring.alert_messages import Message, Route
from forecasting_platform.forecasting.monitoring.causes import (
    Evidence,
    Source,
    checks_of,
    new_causes,
    newest_seen,
)
from forecasting_platform.forecasting.monitoring.incidents import (
    Alert,
    AlertPolicy,
    Evaluation,
    Mute,
    advance,
    announce,
    next_alert,
)

INHIBITIONS: tuple[tuple[str, str], ...] = (
    ("run_failure:load_job", "forecast_errors:*"),
    ("backfill_failure:*raw_observations*", "forecast_errors:*"),
    ("forecast_errors:actuals_are_complete", "forecast_errors:*"),
)
"""(source, target): while an error of the source is open, incidents of the target send no messages."""


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


def _mute_reason(
    of: Alert | Evaluation, at: datetime, mutes: Iterable[Mute], newest: Mapping[str, Alert]
) -> str | None:
    """As `find_mute_reason`; an incident of series also where each check that it comes from sends no messages."""
    every = list(mutes)
    own = find_mute_reason(of.fingerprint, at, every, newest)
    if own or not of.evidence:
        return own
    reasons = [find_mute_reason(check, at, every, newest) for check in checks_of(of.evidence)]
    return reasons[0] if reasons and all(reasons) else None


def _of_causes(evaluation: Evaluation, newest: Mapping[str, Alert], seen: dict[str, int]) -> list[Evaluation]:
    """An evaluation of a check, or those of the incidents of series that its findings open, renew or end.

    Args:
        seen: the newest result of each check that was taken in; the evaluation is added.
    """
    findings = evaluation.findings
    if findings is None or evaluation.result == "unknown":
        return [evaluation]
    if evaluation.event_id <= seen.get(evaluation.fingerprint, -1):
        return []
    seen[evaluation.fingerprint] = evaluation.event_id
    source = Source(evaluation.fingerprint, evaluation.severity, evaluation.owner, evaluation.runbook)
    # The check itself has no incident, or no longer: it could be judged.
    found = [replace(evaluation, result="passed", findings=None)]
    left = dict(findings.bad)
    open_now = [alert for alert in newest.values() if alert.is_open and alert.evidence]
    for alert in sorted(open_now, key=lambda each: (each.first_seen, each.alert_id)):
        before = Evidence.from_json(alert.evidence or "")
        explained = [name for name, of in left.items() if before.explains(source.check, name, of)]
        for name in explained:
            del left[name]
        is_concerned = bool(explained) or source.check in before.found
        # What was judged about days long past neither adds to what is open nor ends it.
        if is_concerned and not evaluation.historical:
            found.append(_renewed(evaluation, alert, before.after(source, evaluation.event_id, findings)))
    taken = [alert.fingerprint for alert in open_now]
    for fingerprint, opened in new_causes(source, evaluation.event_id, left, findings.judged, taken):
        found.append(_with_evidence(evaluation, fingerprint, opened))
    return found


def _renewed(evaluation: Evaluation, alert: Alert, evidence: Evidence) -> Evaluation:
    # Results of several checks are of one incident: each is taken in once, in whatever order they come.
    after = replace(evaluation, event_id=max(evaluation.event_id, alert.last_event_id + 1))
    if not evidence.found:
        kept = evidence.to_json()
        return replace(after, fingerprint=alert.fingerprint, result="passed", findings=None, evidence=kept)
    return _with_evidence(after, alert.fingerprint, evidence)


def _with_evidence(evaluation: Evaluation, fingerprint: str, evidence: Evidence) -> Evaluation:
    leading = evidence.leading
    return replace(
        evaluation,
        fingerprint=fingerprint,
        result="failed",
        severity=evidence.severity,
        summary=evidence.describe(),
        runbook=leading.runbook,
        owner=leading.owner,
        findings=None,
        evidence=evidence.to_json(),
    )


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
        marked, queued = announce(alert, at, routes, policy, now.get(alert.fingerprint))
        if marked != now.get(alert.fingerprint):
            now[alert.fingerprint] = changed[alert.alert_id] = marked
        messages.extend(queued)

    seen = newest_seen(alert.evidence for alert in alerts)
    for evaluation in sorted(evaluations, key=lambda found: found.event_id):
        for each in _of_causes(evaluation, now, seen):
            name, when = each.fingerprint, each.evaluated_at
            if name in now and now[name].is_open and each.event_id > now[name].last_event_id:
                # Between two looks it may have fired before it recovered.
                keep(advance(now[name], when, _mute_reason(now[name], when, mutes, now), policy))
            alert = next_alert(now.get(name), each, _mute_reason(each, when, mutes, now))
            if alert is not None:
                keep(alert)
    for alert in list(now.values()):
        # Incidents that the app ended itself are announced here too; a message that is queued already is not repeated.
        keep(advance(alert, at, _mute_reason(alert, at, mutes, now), policy) if alert.is_open else alert)
    for alert in earlier:
        # Between two looks the app may have ended it and opened the next one.
        marked, queued = announce(alert, at, routes, policy)
        if marked != alert:
            changed[alert.alert_id] = marked
        messages.extend(queued)
    return list(changed.values()), messages

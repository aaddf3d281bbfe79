"""Monitors the monitoring: notices when the alert sensor stopped, or when no route works."""

import math
from dataclasses import replace
from datetime import timedelta

from forecasting_platform.forecasting.monitoring.incidents import Evaluation
from forecasting_platform.services.alerts import Alerts

WATCHERS = ("alert_sensor", "promotion_sensor")


def watch_watchers(alerts: Alerts, max_age: timedelta) -> dict[str, float]:
    """The dead man's switch, for a clock outside of Dagster: an incident for each watcher that is quiet for too long.

    Its message is sent here, since the sensor that sends the others is the one that is quiet. Where no route is
    configured the ledger is left alone: an incident that nobody hears of would keep the sensor from telling it.

    Returns:
        Seconds since each watcher was last alive; infinite for one that never was.
    """
    now = alerts.now()
    seen = alerts.ledger.heartbeats()
    ages = {name: (now - seen[name]).total_seconds() if name in seen else math.inf for name in WATCHERS}
    evaluations = [
        Evaluation(
            fingerprint=f"dead_man:{name}",
            event_id=int(now.timestamp() * 1e6),
            result="failed" if age > max_age.total_seconds() else "passed",
            severity="error",
            evaluated_at=now,
            summary=f"{name} {_describe_age(age)}: no alert is sent until it is back",
            runbook=alerts.runbook_url("dead_man"),
            owner="platform",
        )
        for name, age in ages.items()
    ]
    if alerts.channels.routes:
        replace(alerts, policy=replace(alerts.policy, pending=timedelta(0))).report(evaluations)
        alerts.send_waiting()
    return ages


def beat(alerts: Alerts, name: str) -> None:
    """Record that a watcher lives, and call the service that pages a person when this call stays away.

    The service is not called while no route works: then it is the only one left to page somebody.
    """
    alerts.ledger.beat(name, alerts.now())
    routes = alerts.channels.routes
    failing = {alert.fingerprint for alert in alerts.ledger.alerts(open_only=True) if alert.state == "FIRING"}
    if not routes or any(route.fingerprint not in failing for route in routes):
        alerts.channels.call_heartbeat()


def _describe_age(age_seconds: float) -> str:
    return "has never been alive" if math.isinf(age_seconds) else f"was last alive {age_seconds:.0f} s ago"

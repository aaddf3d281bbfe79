"""The watchers' watcher: who notices that alerts are looked for no more, or that no route works."""

import logging
import math
import threading
from collections.abc import Collection
from datetime import timedelta

import requests

from forecasting_platform.adapters.alert_outbox import send_waiting, tell, utc_now
from forecasting_platform.adapters.alerts.routes import routes_of
from forecasting_platform.forecasting.monitoring.alert_messages import Route
from forecasting_platform.forecasting.monitoring.incidents import Evaluation
from forecasting_platform.ports.ledger import Ledger
from forecasting_platform.settings import Settings

MAX_HEARTBEAT_SECONDS = 5.0
WATCHERS = ("alert_sensor", "promotion_sensor")

_logger = logging.getLogger(__name__)


def watch_watchers(ledger: Ledger, settings: Settings, max_age: timedelta) -> dict[str, float]:
    """The dead man's switch, for a clock outside of Dagster: an incident for each watcher gone quiet.

    Its message is sent here, since the sensor that sends the others is what has gone quiet. Where no route is
    configured the ledger is left alone: an incident told to nobody would keep the sensor from telling it.

    Returns:
        How many seconds ago each watcher last lived; infinite for one that never did.
    """
    now = utc_now()
    seen = ledger.heartbeats()
    ages = {name: (now - seen[name]).total_seconds() if name in seen else math.inf for name in WATCHERS}
    evaluations = [
        Evaluation(
            fingerprint=f"dead_man:{name}",
            event_id=int(now.timestamp() * 1e6),
            result="failed" if age > max_age.total_seconds() else "passed",
            severity="error",
            evaluated_at=now,
            summary=f"{name} {_seen(age)}: no alert is sent until it is back",
            runbook=f"{settings.runbooks_url.rstrip('/')}/dead_man.md",
            owner="platform",
        )
        for name, age in ages.items()
    ]
    if routes_of(settings):
        tell(ledger, evaluations, settings.model_copy(update={"alert_pending_seconds": 0.0}))
        send_waiting(ledger, settings)
    return ages


def beat(ledger: Ledger, settings: Settings, name: str) -> None:
    """Record that a watcher lives, and call the service that pages when this call stays away.

    It is not called while no route works: then it is the only one left to page somebody.
    """
    ledger.beat(name, utc_now())
    if settings.heartbeat_url is not None and not _is_nobody_reached(ledger, routes_of(settings)):
        _call(settings.heartbeat_url.get_secret_value())


def _is_nobody_reached(ledger: Ledger, routes: Collection[Route]) -> bool:
    dead = {alert.fingerprint for alert in ledger.alerts(open_only=True) if alert.state == "FIRING"}
    return bool(routes) and all(route.fingerprint in dead for route in routes)


def _call(url: str) -> None:
    """Call a service whose answer is none of our business, for a bounded time."""
    if any(thread.name == "heartbeat" for thread in threading.enumerate()):
        return  # the call before still hangs
    thread = threading.Thread(target=_get, args=(url,), name="heartbeat", daemon=True)
    thread.start()
    thread.join(MAX_HEARTBEAT_SECONDS)


def _get(url: str) -> None:
    try:
        requests.get(url, timeout=MAX_HEARTBEAT_SECONDS, stream=True).close()
    except requests.RequestException as error:
        _logger.warning("the heartbeat URL did not answer: %s", type(error).__name__)


def _seen(age_seconds: float) -> str:
    return "has never been alive" if math.isinf(age_seconds) else f"was last alive {age_seconds:.0f} s ago"

"""`alerts`: incidents, and what a person does about them."""

import getpass
import math
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

import click

from forecasting_platform.commands.terminal.connection import connect
from forecasting_platform.commands.terminal.options import data_dir_option, json_option
from forecasting_platform.commands.terminal.output import print_rows
from forecasting_platform.errors import PlatformStateError, UnknownAlertError
from forecasting_platform.forecasting.monitoring.incidents import Alert, Mute
from forecasting_platform.services.watchers import watch_watchers
from forecasting_platform.wiring import alerts_of


@click.group(epilog="Example: forecasting-platform alerts list")
def alerts() -> None:
    """Incidents: list them, say that you are on one, mute what is known, watch the watcher."""


@alerts.command("list", epilog="Example: forecasting-platform alerts list --all --json")
@click.option("--all", "every", is_flag=True, help="Resolved ones too.")
@data_dir_option
@json_option
def list_alerts(every: bool, data_dir: Path, as_json: bool) -> None:
    """Incidents, newest first."""
    with connect(data_dir).ledger() as ledger:
        found = ledger.alerts(open_only=not every)
    print_rows(alert_rows(found) if as_json else incident_rows(found), title="incidents", as_json=as_json)


@alerts.command(epilog="Example: forecasting-platform alerts acknowledge forecast_errors:forecasts_beat_naive@512")
@click.argument("alert_id")
@click.option("--by", default=getpass.getuser, show_default="you", help="Who is on it.")
@data_dir_option
@json_option
def acknowledge(alert_id: str, by: str, data_dir: Path, as_json: bool) -> None:
    """Say that somebody works on an incident, which ends its reminders. The part of its id before the @ is enough."""
    with connect(data_dir).ledger() as ledger:
        opened = ledger.alerts(open_only=True)
        found = next((alert.alert_id for alert in opened if alert_id in {alert.alert_id, alert.fingerprint}), alert_id)
        if not ledger.acknowledge(found, by, datetime.now(UTC)):
            raise UnknownAlertError(alert_id, [alert.alert_id for alert in opened])
    print_rows([{"alert_id": found, "acknowledged_by": by}], as_json=as_json)


@alerts.command(epilog="Example: forecasting-platform alerts mute run_failure:load_job --hours 8 --reason outage")
@click.argument("pattern")
@click.option("--hours", type=click.FloatRange(0, 8760), required=True, help="For how long; 0 ends the mute.")
@click.option("--reason", required=True, help="Why; shown with each incident.")
@click.option("--by", default=getpass.getuser, show_default="you", help="Who mutes.")
@data_dir_option
@json_option
def mute(pattern: str, hours: float, reason: str, by: str, data_dir: Path, as_json: bool) -> None:
    """Send nobody incidents whose fingerprint matches (a star is any text), for some hours."""
    until = datetime.now(UTC) + timedelta(hours=hours)
    with connect(data_dir).ledger() as ledger:
        ledger.mute(Mute(pattern, until, reason, by))
    print_rows([{"pattern": pattern, "until": f"{until:%Y-%m-%d %H:%M} UTC", "muted_by": by}], as_json=as_json)


@alerts.command(epilog="Example: forecasting-platform alerts watch --max-age 300 (from cron, each few minutes)")
@click.option("--max-age", type=click.IntRange(10), default=300, show_default=True, help="Seconds.")
@data_dir_option
@json_option
def watch(max_age: int, data_dir: Path, as_json: bool) -> None:
    """The dead man's switch: an incident of its own, and exit code 1, when the alert sensor has gone quiet."""
    connection = connect(data_dir)
    with connection.ledger() as ledger:
        installed = alerts_of(ledger, connection.settings)
        ages = watch_watchers(installed, timedelta(seconds=max_age))
    print_rows(
        [{"watcher": name, "seconds": age if math.isfinite(age) else None} for name, age in ages.items()],
        as_json=as_json,
    )
    if any(age > max_age for age in ages.values()):
        told = "" if installed.channels.routes else "; nobody was told: FORECASTING_ALERT_URLS is not set here"
        raise PlatformStateError(
            f"a watcher was silent for more than {max_age} s, so no alert would be sent; start Dagster's daemon{told}"
        )


def alert_rows(found: Sequence[Alert]) -> list[dict[str, object]]:
    """One row an incident."""
    return [
        {
            "alert": alert.fingerprint,
            "alert_id": alert.alert_id,
            "state": alert.state,
            "severity": alert.severity,
            "first_seen": f"{alert.first_seen:%Y-%m-%d %H:%M}",
            "owner": alert.owner,
            "acknowledged_by": alert.acknowledged_by,
            "muted_by": alert.muted_by,
            "summary": alert.summary,
        }
        for alert in found
    ]


def incident_rows(found: Sequence[Alert]) -> list[dict[str, object]]:
    """The same for a person, narrow enough for a terminal."""
    return [
        {
            "alert_id": alert.alert_id,
            "state": f"{alert.state} ({alert.severity})",
            "since": f"{alert.first_seen:%Y-%m-%d %H:%M}",
            "whose": _whose(alert),
            "summary": alert.summary,
        }
        for alert in found
    ]


def _whose(alert: Alert) -> str:
    on_it = f"{alert.acknowledged_by} is on it" if alert.acknowledged_by else ""
    muted = f"muted by {alert.muted_by}" if alert.muted_by else ""
    return "; ".join(said for said in (alert.owner, on_it, muted) if said)

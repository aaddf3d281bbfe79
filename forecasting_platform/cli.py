"""`forecasting-platform`: the commands. What they do is in `commands`; this module only parses and prints."""

import contextlib
import csv
import getpass
import math
import sys
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from forecasting_platform.commands.connection import DEFAULT_DATA_DIR, Connection, connect
from forecasting_platform.commands.output import print_json, print_rows, records
from forecasting_platform.csv_cells import cell
from forecasting_platform.errors import ForecastingPlatformError, PlatformStateError, UnknownAlertError
from forecasting_platform.forecasting.monitoring.incidents import Mute
from forecasting_platform.forecasting.promotion.decisions import first_break
from forecasting_platform.forecasting.series.date_range import DateRange
from forecasting_platform.redaction import shown
from forecasting_platform.settings import Settings

if TYPE_CHECKING:
    from forecasting_platform.commands.report import Report
    from forecasting_platform.local.backup import Backup
    from forecasting_platform.ports.ledger import Ledger

RUN_DEADLINE_SECONDS = 900.0
LOAD_DEADLINE_SECONDS = 3600.0

data_dir_option = click.option(
    "--data-dir", type=click.Path(path_type=Path), default=DEFAULT_DATA_DIR, show_default=True,
    help="Where the embedded platform keeps everything.",
)  # fmt: skip
json_option = click.option("--json", "as_json", is_flag=True, help="One JSON document instead of a table.")


class Day(click.ParamType[date]):  # type: ignore[type-arg,unused-ignore] # generic since click 8.2
    """A day as YYYY-MM-DD."""

    name = "YYYY-MM-DD"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> date:
        """The day, or a usage error that says what is expected."""
        if isinstance(value, date):
            return value
        try:
            return datetime.strptime(value, "%Y-%m-%d").date()  # noqa: DTZ007 # a day has no zone
        except ValueError:
            self.fail(f"{value!r} is no day; write YYYY-MM-DD", param, ctx)


class Moment(click.ParamType[datetime]):  # type: ignore[type-arg,unused-ignore] # generic since click 8.2
    """A time as ISO 8601 with its zone."""

    name = "TIME"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> datetime:
        """The time, or a usage error that says what is expected."""
        try:
            moment = datetime.fromisoformat(value)
        except ValueError:
            self.fail(f"{value!r} is no time; write it as 2023-07-01T06:00Z", param, ctx)
        if moment.tzinfo is None:
            self.fail(f"{value!r} has no time zone; add Z for UTC", param, ctx)
        return moment


class DayOrMoment(click.ParamType[datetime]):  # type: ignore[type-arg,unused-ignore] # generic since click 8.2
    """A day, which means its end in UTC, or a time as ISO 8601 with its zone."""

    name = "DAY|TIME"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> datetime:
        """The moment, or a usage error that says what is expected."""
        from forecasting_platform.forecasting.reports.as_of import end_of

        if isinstance(value, str) and len(value) == len("YYYY-MM-DD"):
            return end_of(Day().convert(value, param, ctx))
        return Moment().convert(value, param, ctx)


def range_options(required: bool = True) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """`--start` and `--end`, both inclusive."""

    def decorate(command: Callable[..., Any]) -> Callable[..., Any]:
        for name, text in (("--end", "Last day, inclusive."), ("--start", "First day, inclusive.")):
            command = click.option(name, type=Day(), required=required, help=text)(command)
        return command

    return decorate


def _range(start: date, end: date) -> DateRange:
    if end < start:
        raise click.UsageError(f"--end {end} lies before --start {start}; swap them")
    return DateRange(start, end)


class Commands(click.Group):
    """Errors of the platform are one sentence on standard error and exit code 1."""

    def invoke(self, ctx: click.Context) -> Any:
        """Run a command."""
        try:
            return super().invoke(ctx)
        except ForecastingPlatformError as error:
            click.echo(f"forecasting-platform: {error}", err=True)
            sys.exit(1)
        except KeyboardInterrupt:
            click.echo("stopped", err=True)
            sys.exit(0 if ctx.invoked_subcommand == "up" else 1)


@click.group(cls=Commands, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(package_name="forecasting-platform")
def main() -> None:
    """Load, train, promote, serve and control forecasts of daily series, on Dagster."""


@main.command(epilog='Example: forecasting-platform up --feed-url "http://127.0.0.1:8000/feed.json"')
@data_dir_option
@click.option(
    "--port-base",
    type=click.IntRange(1, 65530),
    default=3000,
    show_default=True,
    help="First of five ports, six with --spark.",
)
@click.option("--feed-url", help="Feed to load from (http, ckan+https, file); the simulated one by default.")
@click.option("--weather", is_flag=True, help="Load the simulated weather too, and train with it.")
@click.option("--spark", is_flag=True, help="Keep the tables in Spark SQL with a Hive metastore, and train on Spark.")
@click.option("--start", type=Day(), default="2018-01-01", show_default=True, help="First day of the initial load.")
@click.option("--end", type=Day(), default="2023-06-30", show_default=True, help="Last day of the initial load.")
@click.option("--live", is_flag=True, help="Run the schedules, and load up to yesterday.")
@click.option("--exit-when-served", is_flag=True, help="Stop everything once /predict has answered.")
@click.option("--no-main-job", is_flag=True, help="Start the platform only.")
@json_option
def up(
    data_dir: Path, port_base: int, feed_url: str | None, weather: bool, spark: bool, start: date, end: date,
    live: bool, exit_when_served: bool, no_main_job: bool, as_json: bool,
) -> None:  # fmt: skip
    """Start the embedded platform, run the main job on it, and stay up until Ctrl-C."""
    if weather and feed_url is not None:
        own = "name your own in FORECASTING_EXOGENOUS_FEED_URL and declare it in FORECASTING_EXOGENOUS"
        raise click.UsageError(f"--weather is simulated beside the simulated feed; {own}")
    from forecasting_platform.commands.up import run_platform

    run_platform(
        data_dir, port_base, feed_url, _range(start, end),
        live=live, weather=weather, spark=spark, main_job=not no_main_job, exit_when_served=exit_when_served,
        as_json=as_json,
    )  # fmt: skip


@main.command(epilog="Example: forecasting-platform down --data-dir .platform")
@data_dir_option
@json_option
def down(data_dir: Path, as_json: bool) -> None:
    """Stop the embedded platform of a data directory."""
    from forecasting_platform.commands.up import stop_platform

    stopped = stop_platform(data_dir)
    print_json({"stopped": stopped}) if as_json else click.echo("stopped" if stopped else "no platform runs there")


@main.command(epilog="Example: forecasting-platform migrate --data-dir .platform")
@data_dir_option
@json_option
def migrate(data_dir: Path, as_json: bool) -> None:
    """Bring the databases of an earlier release up to this one: ours, then Dagster's and MLflow's."""
    from forecasting_platform.commands.migrate import migrate_platform

    done = migrate_platform(data_dir)
    print_rows([{"database": each.part, "from": each.before, "to": each.after} for each in done], as_json=as_json)


@main.command(epilog="Example: forecasting-platform backup --to backups/2023-07-01")
@click.option("--to", "target", type=click.Path(path_type=Path), required=True, help="A folder that is not there yet.")
@data_dir_option
@json_option
def backup(target: Path, data_dir: Path, as_json: bool) -> None:
    """Write the databases, models and kept documents of a data directory into one folder, with checksums."""
    from forecasting_platform.local.backup import make_backup

    _print_backup(make_backup(data_dir, target), as_json=as_json)


@main.command(epilog="Example: forecasting-platform restore --from backups/2023-07-01 --data-dir .platform")
@click.option("--from", "source", type=click.Path(path_type=Path), required=True, help="A folder that backup wrote.")
@click.option("--overwrite", is_flag=True, help="Put it in the place of the data that are there.")
@data_dir_option
@json_option
def restore(source: Path, overwrite: bool, data_dir: Path, as_json: bool) -> None:
    """Put a backup into a data directory whose platform is stopped; `up` goes on from it."""
    from forecasting_platform.local.backup import restore_backup

    _print_backup(restore_backup(data_dir, source, overwrite=overwrite), as_json=as_json)


def _print_backup(found: "Backup", *, as_json: bool) -> None:
    row = {"backup": str(found.path), "made_at": found.made_at, "files": len(found.files), "bytes": found.size_bytes}
    print_rows([row], as_json=as_json)


@main.command(epilog="Example: forecasting-platform status --json")
@data_dir_option
@json_option
def status(data_dir: Path, as_json: bool) -> None:
    """What runs, which version serves, what was loaded last, and which alerts are open."""
    found = _status(connect(data_dir))
    print_json(found) if as_json else print_rows([{"what": key, "state": value} for key, value in found.items()])


def _status(connection: Connection) -> dict[str, Any]:
    days = connection.dagster.materialized_days("raw_observations")
    try:
        champion = connection.ask_app("GET", "/model")
    except ForecastingPlatformError as error:
        champion = {"version": None, "why": str(error)}
    alerts = _ledger_alerts(connection)
    return {
        "dagster": shown(connection.dagster_url),
        "app": shown(connection.app_url),
        "champion": champion.get("version"),
        "champion_cutoff": champion.get("cutoff"),
        "loaded_days": len(days),
        "last_loaded_day": str(max(days)) if days else None,
        "open_alerts": [alert["alert"] for alert in alerts if alert["state"] == "FIRING"],
    }


def _ledger_alerts(connection: Connection) -> list[dict[str, object]]:
    from forecasting_platform.commands.report import alert_rows
    from forecasting_platform.wiring import ledger_of

    ledger = ledger_of(connection.settings)
    try:
        ledger.prepare()
        return alert_rows(ledger.alerts(open_only=True))
    finally:
        ledger.close()


@main.command(epilog="Example: forecasting-platform load --start 2023-07-01 --end 2023-07-31")
@range_options()
@data_dir_option
@json_option
def load(start: date, end: date, data_dir: Path, as_json: bool) -> None:
    """Load a date range as one Dagster partition backfill, and wait for it."""
    from forecasting_platform.local.main_job import LOAD_ASSETS, loads_of, refused_by

    days, dagster = _range(start, end), connect(data_dir).dagster
    backfill_id = dagster.launch_backfill(LOAD_ASSETS, days, tags={"forecasting/asked_by": "load command"})
    click.echo(f"backfill {backfill_id} of {len(days)} days", err=True)
    done = dagster.wait_for_backfill(backfill_id, deadline_seconds=LOAD_DEADLINE_SECONDS)
    loads = loads_of(dagster, done)
    counts = {
        name: sum(found.metadata[f"load_{name}"] for found in loads)
        for name in ("new", "revised", "unchanged", "quarantined")
    }
    refused = {"refused": refused_by(loads)} if as_json else {}
    print_rows([{"backfill": backfill_id, "days": len(days), **counts, **refused}], as_json=as_json)
    if not as_json:
        click.echo(refused_by(loads))


@main.command(epilog="Example: forecasting-platform train")
@click.option("--option", "options", multiple=True, help="What a series may be served by; may be repeated.")
@data_dir_option
@json_option
def train(options: Sequence[str], data_dir: Path, as_json: bool) -> None:
    """Materialize `trained_model`: a new version with alias challenger."""
    config = {"ops": {"trained_model": {"config": {"options": list(options)}}}}
    _run_job(connect(data_dir), "training_job", config, ("model_version", "cutoff", "mlflow_run_id"), as_json=as_json)


@main.command(epilog="Example: forecasting-platform promote")
@click.option("--to-version", help="Serve this version whatever the evidence; needs --reason.")
@click.option("--reason", default="", help="Why; kept in the ledger.")
@data_dir_option
@json_option
def promote(to_version: str | None, reason: str, data_dir: Path, as_json: bool) -> None:
    """Evaluate challenger against champion now, and move the alias if the evidence says so."""
    if (to_version is None) != (not reason.strip()):
        raise click.UsageError("--to-version and --reason go together: a version served regardless needs a reason")
    override = {"action": "override", "to_version": to_version, "reason": reason} if to_version else {}
    _promotion(data_dir, {"decided_by": "promote command"} | override, as_json=as_json)


@main.command(epilog='Example: forecasting-platform rollback --reason "forecasts too low since Monday"')
@click.option("--to-version", help="The version to serve again; the previous champion by default.")
@click.option("--reason", required=True, help="Why; kept in the ledger.")
@data_dir_option
@json_option
def rollback(to_version: str | None, reason: str, data_dir: Path, as_json: bool) -> None:
    """Serve an earlier version again, and record why."""
    if not reason.strip():
        raise click.UsageError("--reason is empty; say why, it is kept in the ledger")
    config = {"decided_by": "rollback command", "action": "rollback", "reason": reason}
    _promotion(data_dir, config | ({"to_version": to_version} if to_version else {}), as_json=as_json)


def _promotion(data_dir: Path, config: dict[str, Any], *, as_json: bool) -> None:
    told = ("decision_id", "verdict", "champion_version", "reason")
    run_config = {"ops": {"champion_model": {"config": config}}}
    _run_job(connect(data_dir), "promotion_job", run_config, told, as_json=as_json)


def _run_job(
    connection: Connection, job: str, run_config: dict[str, Any], told: Sequence[str], *, as_json: bool
) -> None:
    dagster = connection.dagster
    run_id = dagster.launch_job(job, run_config=run_config)
    click.echo(f"{job}: {shown(dagster.url)}/runs/{run_id}", err=True)
    dagster.wait_for_run(run_id, deadline_seconds=RUN_DEADLINE_SECONDS)
    metadata = dagster.materializations(run_id)[0].metadata
    print_rows([{name: metadata[name] for name in told}], as_json=as_json)


@main.command(epilog="Example: forecasting-platform forecast --start 2023-07-01 --end 2023-07-15 --format csv")
@range_options()
@click.option("--format", "form", type=click.Choice(["table", "csv", "json"]), default="table", show_default=True)
@data_dir_option
@json_option
def forecast(start: date, end: date, form: str, data_dir: Path, as_json: bool) -> None:
    """The champion's forecast of a date range."""
    days = _range(start, end)
    body = {"start": days.start.isoformat(), "end": days.end.isoformat()}
    answer = connect(data_dir).ask_app("POST", "/predict", body)
    if as_json or form == "json":
        print_json(answer)
    elif form == "csv":
        _print_csv(answer["forecasts"])
    else:
        model = answer["model"]
        print_rows(answer["forecasts"], title=f"champion: version {model['version']}, cutoff {model['cutoff']}")


@main.command(epilog="Example: forecasting-platform simulate --start 2023-07-01 --end 2023-07-03 --json")
@range_options()
@data_dir_option
@json_option
def simulate(start: date, end: date, data_dir: Path, as_json: bool) -> None:
    """The model's input frame for a date range: CSV, or JSON that POST /predict takes back."""
    days = _range(start, end)
    body = {"start": days.start.isoformat(), "end": days.end.isoformat()}
    answer = connect(data_dir).ask_app("POST", "/simulate", body)
    print_json(answer) if as_json else _print_csv(answer["inputs"])


@main.command(
    epilog="Example: forecasting-platform features --start 2023-06-01 --end 2023-06-30 --as-of 2023-07-01T06:00Z"
)
@range_options()
@click.option("--as-of", type=Moment(), help="Use only what was known then; now by default.")
@data_dir_option
@json_option
def features(start: date, end: date, as_of: datetime | None, data_dir: Path, as_json: bool) -> None:
    """What models knew at the end of each day, built from what was known at a time: CSV, or JSON."""
    from forecasting_platform.commands.features import stored_features

    found = stored_features(connect(data_dir).settings, _range(start, end), as_of)
    rows = records(found.assign(ds=found["ds"].dt.date.astype(str)))
    print_json(rows) if as_json else _print_csv(rows, list(found.columns))


@main.command(name="as-of", epilog="Example: forecasting-platform as-of 2023-07-01 --json")
@click.argument("moment", type=DayOrMoment())
@data_dir_option
@json_option
def as_of_command(moment: datetime, data_dir: Path, as_json: bool) -> None:
    """Which champion, verdict, data, forecasts and incidents there were at the end of a past day or moment."""
    from forecasting_platform.commands.as_of import data_rows, decision_rows, document, snapshot_of_platform
    from forecasting_platform.commands.report import incident_rows

    found = snapshot_of_platform(connect(data_dir).settings, moment)
    if as_json:
        print_json(document(found))
        return
    print_rows(decision_rows(found), title=f"champion and newest verdict at {moment:%Y-%m-%d %H:%M:%S %Z}")
    print_rows(data_rows(found), title="data and forecasts known then")
    print_rows(incident_rows(found.incidents), title="incidents open then")


@main.command(
    name="backtest-policy", epilog="Example: forecasting-platform backtest-policy --series Total --every 15 --every 30"
)
@range_options(required=False)
@click.option("--series", multiple=True, help="A series to replay; all by default. Minutes grow with their number.")
@click.option("--every", type=click.IntRange(1, 366), multiple=True, default=(15, 30, 91), show_default=True,
              help="Days between two trainings.")  # fmt: skip
@click.option("--budget", type=click.FloatRange(0.05, 24), multiple=True, default=(0.5, 1.0, 4.0), show_default=True,
              help="False pages a series and year.")  # fmt: skip
@data_dir_option
@json_option
def backtest_policy(
    start: date | None, end: date | None, series: Sequence[str], every: Sequence[int], budget: Sequence[float],
    data_dir: Path, as_json: bool,
) -> None:  # fmt: skip
    """Replay the stored history under a grid of policies: how often to train, which promotion rule, when to page."""
    from forecasting_platform.commands.backtest_policy import recipe_of, replayed_policies, stored_history
    from forecasting_platform.forecasting.policy_backtest import policies

    if (start is None) != (end is None):
        raise click.UsageError("give both --start and --end, or neither for the whole history")
    days = _range(start, end) if start and end else None
    settings = connect(data_dir).settings
    features = stored_history(settings, days, series)
    grid = policies(every, budgets=budget)
    found = replayed_policies(features, recipe_of(settings), grid, lambda line: click.echo(line, err=True))
    print_rows(records(found), title="policies, the lowest RMSE first", as_json=as_json)


def _print_csv(rows: list[dict[str, Any]], columns: Sequence[str] | None = None) -> None:
    """With a header, which needs the columns where there may be no row."""
    # Some fields stand only in the rows where they are true.
    names = list(columns or dict.fromkeys(name for row in rows for name in row))
    writer = csv.writer(sys.stdout)
    writer.writerow(map(cell, names))
    writer.writerows([cell(row.get(name)) for name in names] for row in rows)


@main.command(epilog="Example: forecasting-platform report --html report.html")
@click.option("--html", "html_path", type=click.Path(path_type=Path, dir_okay=False), help="Write one offline file.")
@data_dir_option
@json_option
def report(html_path: Path | None, data_dir: Path, as_json: bool) -> None:
    """Accuracy, bias and coverage over windows, drift, and open alerts."""
    from forecasting_platform.commands.report import Report, alert_rows, incident_rows

    connection = connect(data_dir)
    found = Report(connection.settings, _champion(connection))
    if html_path is not None:
        _write_html(found, html_path)
        click.echo(f"written to {html_path}", err=True)
    tables = {
        "accuracy": "accuracy of the forecasts of record",
        "vintages": "by first published and by latest actuals",
        "answered": "forecasts answered by the app before their day's value was known, by version and days ahead",
        "drift": "drift: evidence of a lasting change, against the threshold of its budget",
        "detection": "median days until a change of the champion's errors pages, at one false page a year",
        "series": "series apart: new and constant ones decide nothing, ended ones are not forecast",
    }
    rows = {name: records(getattr(found, name)) for name in tables}
    if as_json:
        print_json({**rows, "alerts": alert_rows(found.alerts)})
        return
    for name, title in tables.items():
        print_rows(rows[name], title=title)
    print_rows(incident_rows(found.alerts), title="open incidents")


def _champion(connection: Connection) -> dict[str, Any]:
    """What the app says of the champion; empty where there is none yet."""
    try:
        found: dict[str, Any] = connection.ask_app("GET", "/model")
    except ForecastingPlatformError as error:
        click.echo(f"the champion's backtest is left out: {error}", err=True)
        return {}
    return found


@main.group(epilog="Example: forecasting-platform alerts list")
def alerts() -> None:
    """Incidents: list them, say that you are on one, mute what is known, watch the watcher."""


@alerts.command("list", epilog="Example: forecasting-platform alerts list --all --json")
@click.option("--all", "every", is_flag=True, help="Resolved ones too.")
@data_dir_option
@json_option
def list_alerts(every: bool, data_dir: Path, as_json: bool) -> None:
    """Incidents, newest first."""
    from forecasting_platform.commands.report import alert_rows, incident_rows

    with _ledger(data_dir) as ledger:
        found = ledger.alerts(open_only=not every)
    print_rows(alert_rows(found) if as_json else incident_rows(found), title="incidents", as_json=as_json)


@alerts.command(epilog="Example: forecasting-platform alerts acknowledge forecast_errors:forecasts_beat_naive@512")
@click.argument("alert_id")
@click.option("--by", default=getpass.getuser, show_default="you", help="Who is on it.")
@data_dir_option
@json_option
def acknowledge(alert_id: str, by: str, data_dir: Path, as_json: bool) -> None:
    """Say that somebody is on an incident: no reminders of it from then on. What stands before the @ is enough."""
    with _ledger(data_dir) as ledger:
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
    """Tell nobody of incidents whose fingerprint matches (a star is any text), for some hours."""
    until = datetime.now(UTC) + timedelta(hours=hours)
    with _ledger(data_dir) as ledger:
        ledger.mute(Mute(pattern, until, reason, by))
    print_rows([{"pattern": pattern, "until": f"{until:%Y-%m-%d %H:%M} UTC", "muted_by": by}], as_json=as_json)


@alerts.command(epilog="Example: forecasting-platform alerts watch --max-age 300 (from cron, each few minutes)")
@click.option("--max-age", type=click.IntRange(10), default=300, show_default=True, help="Seconds.")
@data_dir_option
@json_option
def watch(max_age: int, data_dir: Path, as_json: bool) -> None:
    """The dead man's switch: an incident of its own, and exit code 1, when the alert sensor has gone quiet."""
    from forecasting_platform.adapters.alert_watchers import watch_watchers
    from forecasting_platform.adapters.alerts.routes import routes_of

    settings = Settings()
    with _ledger(data_dir) as ledger:
        ages = watch_watchers(ledger, settings, timedelta(seconds=max_age))
    print_rows(
        [{"watcher": name, "seconds": age if math.isfinite(age) else None} for name, age in ages.items()],
        as_json=as_json,
    )
    if any(age > max_age for age in ages.values()):
        told = "" if routes_of(settings) else "; nobody was told: FORECASTING_ALERT_URLS is not set here"
        raise PlatformStateError(
            f"a watcher is quiet for more than {max_age} s, so no alert would be sent; start Dagster's daemon{told}"
        )


@contextlib.contextmanager
def _ledger(data_dir: Path) -> Iterator["Ledger"]:
    from forecasting_platform.wiring import ledger_of

    found = ledger_of(connect(data_dir).settings)
    try:
        found.prepare()
        yield found
    finally:
        found.close()


def _write_html(found: "Report", path: Path) -> None:
    try:
        found.write_html(path)
    except OSError as error:
        raise click.FileError(str(path), f"{error.strerror}; name another one with --html") from error


@main.group(invoke_without_command=True, epilog="Example: forecasting-platform decisions --limit 5")
@click.option("--limit", type=click.IntRange(1, 10_000), default=20, show_default=True, help="How many.")
@data_dir_option
@json_option
@click.pass_context
def decisions(context: click.Context, limit: int, data_dir: Path, as_json: bool) -> None:
    """The promotion ledger, newest first."""
    if context.invoked_subcommand is not None:
        return
    with _ledger(data_dir) as ledger:
        found = ledger.decisions(limit)
    rows = [
        {
            "decision": decision.decision_id,
            "decided_at": f"{decision.decided_at:%Y-%m-%d %H:%M:%S}",
            "verdict": decision.verdict,
            "challenger": decision.challenger_version,
            "champion": decision.champion_version,
            "decided_by": decision.decided_by,
            "reason": decision.reason,
            **({"evidence": decision.evidence} if as_json else {}),
        }
        for decision in found
    ]
    print_rows(rows, title="promotion decisions", as_json=as_json)


@decisions.command(epilog="Example: forecasting-platform decisions verify")
@data_dir_option
@json_option
def verify(data_dir: Path, as_json: bool) -> None:
    """Whether the ledger is as it was written: exit code 1, and where, when an entry was changed or is missing."""
    with _ledger(data_dir) as ledger:
        entries = ledger.decisions()
    broken = first_break(entries)
    if broken:
        raise PlatformStateError(f"the ledger is broken: {broken}; compare it with a backup")
    print_rows([{"decisions": len(entries), "chain": "whole"}], as_json=as_json)


@decisions.command(epilog="Example: forecasting-platform decisions replay 12")
@click.argument("decision_id", type=int, required=False)
@data_dir_option
@json_option
def replay(decision_id: int | None, data_dir: Path, as_json: bool) -> None:
    """Judge again from the stored evidence (all decisions without an id); exit code 1 where anything differs."""
    from forecasting_platform.forecasting.promotion.rule import replayed

    with _ledger(data_dir) as ledger:
        entries = ledger.decisions()
    if decision_id is not None and decision_id not in {entry.decision_id for entry in entries}:
        raise PlatformStateError(f"there is no decision {decision_id}; `forecasting-platform decisions` lists them")
    judged = [entry for entry in reversed(entries) if decision_id in {None, entry.decision_id}]
    rows = [{"decision": entry.decision_id, "verdict": entry.verdict, "replayed": replayed(entry)} for entry in judged]
    print_rows(rows, title="replayed", as_json=as_json)
    differing = [row["decision"] for row in rows if row["replayed"] == "differs"]
    if differing:
        raise PlatformStateError(f"judged again, decisions {differing} come out differently: changed, or another code")

"""How many incidents real days open, by checks and by causes, and whether a cause hides anything.

`make bench NAME=incidents DATA=folder of feeds`: the last year of the feeds, loaded week by week, with all checks of
each load and forecast, a training every two weeks and what the alert sensor does after each run. Without `DATA` it is
the simulated supply, in which one series stands at zero for three weeks. `FULL=0` is a quarter of a year, `--step 1`
loads day by day. The same results are also made into incidents by check, as they were until November 2026.

A check that fails for a series must have an open incident of that series, or of many, at that time.
"""

import argparse
import contextlib
import json
import logging
import os
from collections.abc import Iterator
from dataclasses import replace
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Any

import pandas as pd

from benchmarks.accuracy import feeds
from benchmarks.fleet import Fleet
from benchmarks.local_server import free_ports, open_directory
from benchmarks.results_file import Aim, report
from forecasting_platform.adapters.memory.ledger import MemoryLedger
from forecasting_platform.forecasting.monitoring.causes import Evidence
from forecasting_platform.forecasting.monitoring.evaluations import apply_evaluations
from forecasting_platform.forecasting.monitoring.incidents import Alert, AlertPolicy, Evaluation
from forecasting_platform.forecasting.series.days.date_range import DateRange
from forecasting_platform.local.postgres.embedded_postgres import EmbeddedPostgres
from forecasting_platform.orchestration.event_log import check_evaluations
from forecasting_platform.settings import Settings

TRAINING_DAYS = 14
ASSETS = ("raw_observations", "feature_table", "forecasts", "forecast_errors")
AT_ONCE = AlertPolicy(pending=timedelta(0))


def wide_values(folder: Path | None) -> pd.DataFrame:
    """One column a series, as a feed publishes them, of the days that all feeds have begun by."""
    every = pd.concat([observations for _, observations in feeds(folder)])
    wide = every.pivot_table(index="ds", columns="unique_id", values="y", aggfunc="first").sort_index()
    if folder is None:
        wide.iloc[-150:-129, 0] = 0.0
    wide.insert(0, "Date", wide.index.strftime("%d/%m/%Y"))
    return wide


class Incidents:
    """The incidents that results make, kept as a ledger keeps them."""

    def __init__(self) -> None:
        self._ledger = MemoryLedger()
        self._told: set[str] = set()

    def take(self, evaluations: list[Evaluation], at: datetime) -> None:
        """What the alert sensor does with results of checks."""
        self._ledger.change_alerts(lambda alerts: apply_evaluations(alerts, evaluations, at, policy=AT_ONCE))

    @property
    def alerts(self) -> list[Alert]:
        """All incidents."""
        return sorted(self._ledger.alerts(), key=lambda alert: alert.last_event_id)

    def newly_opened(self) -> list[Alert]:
        """Those that were not there when it was asked before."""
        opened = [alert for alert in self.alerts if alert.alert_id not in self._told]
        self._told.update(alert.alert_id for alert in opened)
        return opened

    def explains(self, name: str) -> bool:
        """Whether an incident of a series, or of many with it, is open."""
        return any(
            name in Evidence.from_json(alert.evidence).series
            for alert in self.alerts
            if alert.is_open and alert.evidence
        )


def ticks(history: DateRange, step: int) -> Iterator[DateRange]:
    """The days of each load."""
    start = history.start
    while start <= history.end:
        end = min(start + timedelta(days=step - 1), history.end)
        yield DateRange(start, end)
        start = end + timedelta(days=1)


def replay(fleet: Fleet, first: date, year: DateRange, step: int) -> dict[str, Any]:
    """All that happens from the initial load to the year's end; both kinds of incidents."""
    before, after, unexplained, cursor = Incidents(), Incidents(), set(), 0
    settings = Settings(load_look_back_days=30)

    def look() -> None:
        nonlocal cursor
        read_to = cursor
        results, cursor = check_evaluations(fleet.instance, cursor, settings, {})
        at = max(found.evaluated_at for found in results)
        before.take([replace(found, findings=None) for found in results], at)
        after.take(results, at)
        # A look reads some results again, whose incidents may be over by now.
        for found in (of for of in results if of.event_id > read_to and of.result == "failed"):
            for name in found.findings.bad if found.findings else ():
                if not after.explains(name):
                    unexplained.add((found.fingerprint, name, str(found.evaluated_at)))

    initial = DateRange(first, year.start - timedelta(days=1))
    fleet.publish(initial.end)
    fleet.load(initial)
    fleet.build_features(initial)
    fleet.train()
    fleet.promote()
    fleet.forecast(DateRange(initial.end - timedelta(days=40), initial.end))
    fleet.match(DateRange(initial.end - timedelta(days=40), initial.end))
    trained = initial.end
    for days in ticks(year, step):
        fleet.publish(days.end)
        fleet.load(days)
        fleet.build_features(days)
        fleet.forecast(days)
        fleet.match(days)
        for asset in ASSETS:
            fleet.check(asset, [name for names in fleet.checks(asset).values() for name in names], days)
            look()
        if days.end - trained >= timedelta(days=TRAINING_DAYS):
            fleet.train()
            fleet.promote()
            trained = days.end
        # A year takes hours: what is known so far is in the terminal.
        print(f"{days}: {len(before.alerts)} by check, {len(after.alerts)} by cause", flush=True)
        for how, incidents in (("check", before), ("cause", after)):
            for alert in incidents.newly_opened():
                print(f"  by {how}: {alert.fingerprint}: {alert.summary.partition(' Next: ')[0][:160]}", flush=True)
    return {"before": before.alerts, "after": after.alerts, "unexplained": sorted(unexplained)}


def main() -> None:
    """Measure and report."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, help="folder of JSON feeds")
    parser.add_argument("--step", type=int, default=7, help="days of a load")
    parser.add_argument("--until", type=date.fromisoformat, help="the last day, by default of the feeds")
    parser.add_argument("--days", type=int, help="so many days, by default a year")
    arguments = parser.parse_args()
    logging.disable(logging.INFO)
    values = wide_values(arguments.data)
    last = arguments.until or values.index.max().date()
    length = arguments.days or (365 if os.environ.get("FULL", "1") != "0" else 91)
    year = DateRange(last - timedelta(days=length - 1), last)
    with open_directory() as folder, EmbeddedPostgres(folder / "postgres", free_ports(1)) as server:
        server.create_database("incidents")
        with contextlib.closing(Fleet(server.dsn("incidents"), folder, values)) as fleet:
            found = replay(fleet, values.index.min().date(), year, arguments.step)
    rows = [
        {
            "incidents": how,
            "of": alert.fingerprint,
            "state": alert.state,
            "checks": len(json.loads(alert.evidence)["sources"]) if alert.evidence else 1,
            "summary": alert.summary.partition(" Next: ")[0][:300],
        }
        for how in ("before", "after")
        for alert in found[how]
    ]
    lost = len(found["unexplained"])
    report(
        f"incidents_{arguments.step}",
        rows,
        [
            Aim(f"incidents by check in {length} days, {arguments.step} a load", len(found["before"]), ">= 0", True),
            Aim("incidents by cause", len(found["after"]), "<= by check", len(found["after"]) <= len(found["before"])),
            Aim("failing series without an open incident", lost, "<= 0", lost == 0),
        ],
    )


if __name__ == "__main__":
    main()

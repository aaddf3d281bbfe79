"""`as-of`: what the platform knew, served and decided at a past moment."""

from datetime import datetime
from pathlib import Path
from typing import Any

import click
import pandas as pd

from forecasting_platform.commands.alerts import alert_rows, incident_rows
from forecasting_platform.commands.terminal.connection import connect
from forecasting_platform.commands.terminal.options import DayOrMoment, data_dir_option, json_option
from forecasting_platform.commands.terminal.output import print_json, print_rows, records
from forecasting_platform.forecasting.promotion.decisions import PromotionDecision
from forecasting_platform.forecasting.reports.as_of import Snapshot
from forecasting_platform.forecasting.series.features.feature_table import fingerprint
from forecasting_platform.services.as_of import stored_snapshot


@click.command(name="as-of", epilog="Example: forecasting-platform as-of 2023-07-01 --json")
@click.argument("moment", type=DayOrMoment())
@data_dir_option
@json_option
def as_of(moment: datetime, data_dir: Path, as_json: bool) -> None:
    """Which champion, verdict, data, forecasts and incidents there were at the end of a past day or moment."""
    connection = connect(data_dir)
    with connection.table_store() as store, connection.ledger() as ledger:
        found = stored_snapshot(store, ledger, moment, connection.settings)
    if as_json:
        print_json(document(found))
        return
    print_rows(decision_rows(found), title=f"champion and newest verdict at {moment:%Y-%m-%d %H:%M:%S %Z}")
    print_rows(data_rows(found), title="data and forecasts known then")
    print_rows(incident_rows(found.incidents), title="incidents open then")


def document(found: Snapshot) -> dict[str, Any]:
    """A snapshot as JSON; `data_fingerprint` is the one that a model trained on exactly these values carries."""
    days_as_text = {name: found.forecasts[name].dt.date.astype(str) for name in ("cutoff", "ds")}
    return {
        "as_of": found.moment.isoformat(),
        "champion": _decision(found.champion),
        "verdict": _decision(found.verdict),
        "data": data_rows(found),
        "data_fingerprint": fingerprint(found.observations) if len(found.observations) else None,
        "forecasts": records(found.forecasts.assign(**days_as_text)),
        "incidents": alert_rows(found.incidents),
    }


def data_rows(found: Snapshot) -> list[dict[str, Any]]:
    """One row a series: how much of it was known, its newest day and value, and its newest forecast."""
    newest = found.observations.drop_duplicates("unique_id", keep="last")
    counts = found.observations.groupby("unique_id").size().rename("known_days").reset_index()
    forecasts = found.forecasts.drop_duplicates("unique_id")[["unique_id", "cutoff", "model_version"]]
    rows = newest.merge(counts, on="unique_id").merge(forecasts, on="unique_id", how="left")
    shown = {
        "unique_id": rows["unique_id"],
        "known_days": rows["known_days"],
        "newest_day": rows["ds"].dt.strftime("%Y-%m-%d"),
        "y": rows["y"],
        "known_since": rows["available_at"].dt.strftime("%Y-%m-%d %H:%M:%S"),
        "forecast_cutoff": rows["cutoff"].dt.strftime("%Y-%m-%d"),
        "forecast_by": rows["model_version"],
    }
    return records(pd.DataFrame(shown))


def decision_rows(found: Snapshot) -> list[dict[str, Any]]:
    """The champion and the newest verdict, as rows."""
    decisions = {"champion": found.champion, "verdict": found.verdict}
    return [{"what": name, **row} for name, decision in decisions.items() if (row := _decision(decision))]


def _decision(decision: PromotionDecision | None) -> dict[str, Any] | None:
    if decision is None:
        return None
    return {
        "version": decision.challenger_version,
        "cutoff": str(decision.challenger_cutoff),
        "verdict": decision.verdict,
        "decided_at": f"{decision.decided_at:%Y-%m-%d %H:%M:%S}",
        "decided_by": decision.decided_by,
        "decision": decision.decision_id,
        "reason": decision.reason,
    }

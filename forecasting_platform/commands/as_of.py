"""`as-of`: what the platform knew and said at a past moment, read from its stores."""

from datetime import datetime
from typing import Any

import pandas as pd

from forecasting_platform.commands.output import records
from forecasting_platform.commands.report import alert_rows
from forecasting_platform.forecasting.models.training import fingerprint
from forecasting_platform.forecasting.promotion.decisions import PromotionDecision
from forecasting_platform.forecasting.reports.as_of import Snapshot, snapshot
from forecasting_platform.forecasting.series.date_range import DateRange
from forecasting_platform.forecasting.series.exogenous import exogenous_from, is_exogenous
from forecasting_platform.forecasting.series.frames import FORECASTS
from forecasting_platform.ports.ledger import Ledger
from forecasting_platform.ports.table_store import TableStore
from forecasting_platform.settings import Settings
from forecasting_platform.wiring import ledger_of, table_store_of


def stored_snapshot(store: TableStore, ledger: Ledger, moment: datetime) -> Snapshot:
    """The snapshot of a store and a ledger."""
    settings = Settings()
    first, observations = settings.first_partition_date, store.read_observations(as_of=moment)
    beside = is_exogenous(observations["unique_id"].tolist(), exogenous_from(settings.exogenous))
    return snapshot(
        moment,
        decisions=ledger.decisions(),
        observations=observations[~beside],
        forecasts=store.read(FORECASTS, DateRange(first, max(first, moment.date()))),
        incidents=ledger.alerts(),
    )


def snapshot_of_platform(settings: Settings, moment: datetime) -> Snapshot:
    """The snapshot of a platform."""
    store, ledger = table_store_of(settings), ledger_of(settings)
    try:
        return stored_snapshot(store, ledger, moment)
    finally:
        ledger.close()
        store.close()


def document(found: Snapshot) -> dict[str, Any]:
    """A snapshot as JSON; `data_fingerprint` is the one that a model trained on exactly these values carries."""
    return {
        "as_of": found.moment.isoformat(),
        "champion": _decision(found.champion),
        "verdict": _decision(found.verdict),
        "data": data_rows(found),
        "data_fingerprint": fingerprint(found.observations) if len(found.observations) else None,
        "forecasts": records(_days_as_text(found.forecasts)),
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


def _days_as_text(rows: pd.DataFrame) -> pd.DataFrame:
    return rows.assign(**{name: rows[name].dt.date.astype(str) for name in ("cutoff", "ds")})

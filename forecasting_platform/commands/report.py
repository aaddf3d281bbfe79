"""`report`: accuracy, bias, coverage and alerts, in the terminal or as one offline file."""

import base64
import html
from datetime import timedelta
from pathlib import Path

import pandas as pd
from pydantic import SecretStr

from forecasting_platform.adapters.chosen_table_store import table_store_of
from forecasting_platform.adapters.postgres_ledger import PostgresLedger
from forecasting_platform.forecasting.alerts import Alert
from forecasting_platform.forecasting.drift import REFERENCE_DAYS, WINDOW_DAYS, drift_report
from forecasting_platform.forecasting.frames import FEATURE_TABLE, FORECAST_ERRORS
from forecasting_platform.forecasting.plots import errors_plot
from forecasting_platform.forecasting.reporting import accuracy_report
from forecasting_platform.ports.table_store import TableStore
from forecasting_platform.settings import Settings

PAGE = """<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>Forecast report</title>
<style>body{{font:15px/1.5 system-ui,sans-serif;max-width:70rem;margin:2rem auto;padding:0 1rem;color:#1f2937}}
table{{border-collapse:collapse;width:100%;font-variant-numeric:tabular-nums}}
th,td{{padding:.3rem .6rem;border-bottom:1px solid #e5e7eb;text-align:right}}
th:first-child,td:first-child{{text-align:left}}img{{max-width:100%}}</style></head>
<body><h1>Forecast report</h1><h2>Accuracy</h2>{accuracy}<h2>Means of forecasts and actuals</h2>{plot}
<h2>Drift</h2>{drift}<h2>Open alerts</h2>{alerts}</body></html>
"""


class Report:
    """What is known of the forecasts now, read from the stores of one platform."""

    def __init__(self, postgres_dsn: str) -> None:
        store = table_store_of(Settings(postgres_dsn=SecretStr(postgres_dsn)))
        ledger = PostgresLedger(postgres_dsn)
        try:
            store.prepare()
            ledger.prepare()
            self.errors = store.read(FORECAST_ERRORS)
            self.accuracy = accuracy_report(self.errors)
            self.drift = drift_report(_newest_features(store)).series
            self.alerts = ledger.alerts(open_only=True)
        finally:
            ledger.close()
            store.close()

    def write_html(self, path: Path) -> None:
        """One file without references to anything else."""
        picture = base64.b64encode(errors_plot(self.errors)).decode() if len(self.errors) else ""
        page = PAGE.format(
            accuracy=_table(self.accuracy),
            plot=f'<img alt="daily means" src="data:image/png;base64,{picture}">'
            if picture
            else "<p>No errors yet.</p>",
            drift=_table(self.drift),
            alerts=_table(pd.DataFrame(alert_rows(self.alerts))),
        )
        path.write_text(page, encoding="utf-8")


def _newest_features(store: TableStore) -> pd.DataFrame:
    from forecasting_platform.forecasting.date_range import DateRange

    newest = store.read_newest(FEATURE_TABLE)
    if newest.empty:
        return newest
    end = newest["ds"].max().date()
    return store.read(FEATURE_TABLE, DateRange(end - timedelta(days=REFERENCE_DAYS + WINDOW_DAYS), end))


def alert_rows(alerts: list[Alert]) -> list[dict[str, object]]:
    """One row an incident."""
    return [
        {
            "alert": alert.fingerprint,
            "state": alert.state,
            "severity": alert.severity,
            "first_seen": f"{alert.first_seen:%Y-%m-%d %H:%M}",
            "summary": alert.summary,
        }
        for alert in alerts
    ]


def _table(rows: pd.DataFrame) -> str:
    if rows.empty:
        return "<p>None.</p>"
    head = "".join(f"<th>{html.escape(str(name))}</th>" for name in rows.columns)
    body = "".join(
        "<tr>" + "".join(f"<td>{html.escape(_text(value))}</td>" for value in row) + "</tr>"
        for row in rows.itertuples(index=False)
    )
    return f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"


def _text(value: object) -> str:
    return f"{value:,.3f}" if isinstance(value, float) else str(value)

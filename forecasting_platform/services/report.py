"""The report: accuracy, bias, coverage, drift and incidents, read from the stores; also as one offline page."""

import base64
import html
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any

import pandas as pd

from forecasting_platform.forecasting.block_training import series_blocks
from forecasting_platform.forecasting.models.record import forecasts_of_record
from forecasting_platform.forecasting.monitoring.control.drift_questions import QUESTIONS
from forecasting_platform.forecasting.monitoring.control.references import references_from
from forecasting_platform.forecasting.monitoring.control.report import ControlReport
from forecasting_platform.forecasting.monitoring.prediction_errors import match_predictions, prediction_accuracy
from forecasting_platform.forecasting.reports.accuracy import accuracy_report, detection_report, vintage_report
from forecasting_platform.forecasting.reports.many_series import show_series, worst_by
from forecasting_platform.forecasting.reports.plots import errors_plot, evidence_plot
from forecasting_platform.forecasting.series.covariates.exogenous import exogenous_from
from forecasting_platform.forecasting.series.days.date_range import DateRange
from forecasting_platform.forecasting.series.days.not_normal import ALL_NORMAL, NotNormal, not_normal_of
from forecasting_platform.forecasting.series.frames import (
    FEATURE_TABLE,
    FORECAST_ERRORS,
    OBSERVATIONS,
    PREDICTION_ERRORS,
    PREDICTION_LOG,
)
from forecasting_platform.ports.ledger import Ledger
from forecasting_platform.ports.table_store import TableStore
from forecasting_platform.services.drift import DriftJudge
from forecasting_platform.settings import Settings

ANSWERED_DAYS = 90
ERROR_DAYS = 366
MAX_SERIES_READ = 100
"""Series whose errors are read at once: a year of a hundred takes a few hundred megabytes."""
WORST_WINDOW = 28
"""Days over which the worst series are chosen."""
NO_DAYS = date(1970, 1, 1)
"""The newest day where there is none."""

PAGE = """<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>Forecast report</title>
<style>body{{font:15px/1.5 system-ui,sans-serif;max-width:70rem;margin:2rem auto;padding:0 1rem;color:#1f2937}}
table{{border-collapse:collapse;width:100%;font-variant-numeric:tabular-nums}}
th,td{{padding:.3rem .6rem;border-bottom:1px solid #e5e7eb;text-align:right}}
th:first-child,td:first-child{{text-align:left}}img{{max-width:100%}}</style></head>
<body><h1>Forecast report</h1><h2>Accuracy</h2>{accuracy}<h2>Left out as not normal</h2>{left_out}
<h2>Means of forecasts and actuals</h2>{plot}
<h2>By vintage of the actuals</h2>{vintages}
<h2>Answered by the app, compared with what came</h2>{answered}
<h2>Drift</h2>{drift}
<h2>How soon a change would page</h2>{detection}
<h2>New, constant and ended series</h2>{series}
<h2>Open incidents</h2>{alerts}</body></html>
"""


class Report:
    """What is known of the forecasts now, read from the stores of one platform.

    Of more than ten series a table shows those whose forecasts are worst in the 28-day window (of drift, those with the
    most evidence), and `quantiles` all of them by the table's name.

    Args:
        prediction_log: the store that the app logs its answers to; None where it is `store` itself.
        champion: the app's answer of `/model`; empty where there is no champion.
        declared: periods that are declared as not normal by now; those of the champion's recipe count too.
        every_series: show each series, however many there are.
    """

    def __init__(
        self,
        store: TableStore,
        ledger: Ledger,
        prediction_log: TableStore | None,
        settings: Settings,
        champion: Mapping[str, Any],
        declared: NotNormal = ALL_NORMAL,
        *,
        every_series: bool = False,
    ) -> None:
        metadata = champion.get("metadata", {})
        self.quantiles: dict[str, pd.DataFrame] = {}
        self._every_series = every_series
        self.series = _series_apart(champion)
        self.not_normal = declared | not_normal_of(metadata)
        found = _read_errors(store, self.not_normal)
        self._first, self.left_out = found.first, found.left_out
        answered = _prediction_errors(store, prediction_log)
        answers = prediction_accuracy(answered[~self.not_normal.rows(answered, "cutoff", "ds")])
        window = found.accuracy[found.accuracy["window_days"] == WORST_WINDOW]
        worst = worst_by(window["unique_id"], -window["skill_naive"])
        self.accuracy = self._shown("accuracy", found.accuracy, worst, ["window_days"])
        self.vintages = self._shown("vintages", found.vintages, worst, ["window_days"])
        self.answered = self._shown("answered", answers, worst, ["days_ahead"])
        self.detection = self._shown("detection", detection_report(references_from(metadata)), worst, ["change"])
        self._drift = _drift(store, settings, declared)
        drift = pd.concat([of.series.assign(question=name) for name, of in self._drift.items()])
        most = worst_by(drift["unique_id"], drift["evidence"] / drift["threshold"])
        self.drift = self._shown("drift", drift, most, ["question"])
        self.alerts = ledger.alerts(open_only=True)

    def _shown(self, name: str, rows: pd.DataFrame, worst: list[str], by: list[str]) -> pd.DataFrame:
        if self._every_series or rows.empty:
            return rows
        shown = show_series(rows, worst, by)
        if len(shown.quantiles):
            self.quantiles[name] = shown.quantiles
        return shown.rows

    def html(self, incidents: pd.DataFrame) -> str:
        """One page without references to anything else."""
        charts = [evidence_plot(found.telling_days()) for found in self._drift.values() if len(found.daily)]
        tables = {
            name: _table(getattr(self, name)) + (_table(self.quantiles[name]) if name in self.quantiles else "")
            for name in ("accuracy", "vintages", "answered", "drift", "detection")
        }
        return PAGE.format(
            accuracy=tables["accuracy"],
            left_out=_table(self.left_out),
            plot=_picture(errors_plot(forecasts_of_record(self._first), self.not_normal))
            if len(self._first)
            else "<p>No errors yet.</p>",
            vintages=tables["vintages"],
            answered=tables["answered"],
            drift=tables["drift"] + "".join(map(_picture, charts)),
            detection=tables["detection"],
            series=_table(self.series),
            alerts=_table(incidents),
        )


@dataclass(frozen=True, slots=True)
class _Errors:
    """What the newest `ERROR_DAYS` days of `forecast_errors` say, and its rows of the first series for a picture."""

    accuracy: pd.DataFrame
    vintages: pd.DataFrame
    left_out: pd.DataFrame
    first: pd.DataFrame


def _read_errors(store: TableStore, not_normal: NotNormal) -> _Errors:
    """Read some series at a time: all rows of a year of thousands of series would not fit into memory."""
    span = store.span(FORECAST_ERRORS)
    days = None if span is None else DateRange(max(span.start, span.end - timedelta(days=ERROR_DAYS - 1)), span.end)
    names = store.read_newest(OBSERVATIONS.only())["unique_id"] if days else ()
    blocks = series_blocks(names, MAX_SERIES_READ)
    newest = days.end if days and len(blocks) > 1 else None
    accuracy, vintages, first = (
        [accuracy_report(FORECAST_ERRORS.empty())],
        list[pd.DataFrame](),
        FORECAST_ERRORS.empty(),
    )
    left_out: list[set[pd.Timestamp]] = [set() for _ in not_normal.periods]
    for block in blocks:
        every = store.read(FORECAST_ERRORS, days, unique_ids=block)
        errors = every[~not_normal.rows(every, "cutoff", "ds")]
        accuracy.append(accuracy_report(errors, newest=newest))
        vintages.append(vintage_report(errors, newest=newest))
        for period, seen in zip(not_normal.periods, left_out, strict=True):
            seen.update(every.loc[NotNormal((period,)).rows(every, "ds"), "ds"])
        first = every if first.empty else first
    return _Errors(
        pd.concat([rows for rows in accuracy if len(rows)] or accuracy[:1], ignore_index=True),
        pd.concat(vintages or [vintage_report(FORECAST_ERRORS.empty())], ignore_index=True),
        _left_out(not_normal, [len(seen) for seen in left_out]),
        first,
    )


def _prediction_errors(store: TableStore, prediction_log: TableStore | None) -> pd.DataFrame:
    """What the app answered for the newest `ANSWERED_DAYS` days with a value, matched with it."""
    span = store.span(OBSERVATIONS)
    if span is None:
        return PREDICTION_ERRORS.empty()
    days = DateRange(span.end - timedelta(days=ANSWERED_DAYS - 1), span.end)
    if prediction_log is None:
        return store.read(PREDICTION_ERRORS, days)
    return match_predictions(prediction_log.read(PREDICTION_LOG, days), store.read(OBSERVATIONS, days))


def _series_apart(champion: Mapping[str, Any]) -> pd.DataFrame:
    """The series that are not like the others: `unique_id`, `state`, `newest_observation`."""
    columns = ["unique_id", "state", "newest_observation"]
    apart = [[series[name] for name in columns] for series in champion.get("series", ()) if series.get("state")]
    return pd.DataFrame(apart, columns=columns)


def _left_out(not_normal: NotNormal, days: list[int]) -> pd.DataFrame:
    """The periods, each with how many of its days have an error that counts for nothing."""
    rows = [
        [str(of.start), str(of.end), of.reason, ", ".join(of.unique_id) or "every series", count]
        for of, count in zip(not_normal.periods, days, strict=True)
    ]
    return pd.DataFrame(rows, columns=["start", "end", "reason", "series", "days_left_out"])


def _drift(store: TableStore, settings: Settings, not_normal: NotNormal) -> dict[str, ControlReport]:
    """The answers about the newest days; what is learnt for them is not kept, since a report only reads."""
    newest = store.span(FEATURE_TABLE)
    end = newest.end if newest else NO_DAYS
    judge = DriftJudge(store, exogenous_from(settings.exogenous), not_normal=not_normal, keeps=False)
    return {
        question.name: judge.report(question, end, pages_a_year=settings.false_pages_of(question.name))
        for question in QUESTIONS
    }


def _picture(png: bytes) -> str:
    return f'<img alt="plot" src="data:image/png;base64,{base64.b64encode(png).decode()}">'


def _table(rows: pd.DataFrame) -> str:
    if rows.empty:
        return "<p>None.</p>"
    head = "".join(f"<th>{html.escape(str(name))}</th>" for name in rows.columns)
    cells = [
        [f"{value:,.3f}" if isinstance(value, float) else str(value) for value in row]
        for row in rows.itertuples(index=False)
    ]
    body = "".join("<tr>" + "".join(f"<td>{html.escape(cell)}</td>" for cell in row) + "</tr>" for row in cells)
    return f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"

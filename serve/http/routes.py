"""The endpoints: each reads the champion once, calls `answers` or `history`, and writes JSON."""

from dataclasses import asdict
from datetime import UTC, datetime, timedelta
from http import HTTPStatus

import orjson
from flask import Response, render_template
from flask_openapi3.blueprint import APIBlueprint
from flask_openapi3.models.tag import Tag
from flask_openapi3.types import ResponseDict
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest

from forecasting_platform.errors import EXAMPLES_SHOWN, UnavailableError, UnknownAlertError
from forecasting_platform.forecasting.monitoring.incidents import Mute
from forecasting_platform.forecasting.monitoring.prediction_errors import prediction_accuracy
from forecasting_platform.forecasting.reports.incident_story import story
from forecasting_platform.forecasting.series.days.date_range import DateRange
from forecasting_platform.forecasting.series.features.inputs import INPUT_NAMES, KEYS
from forecasting_platform.forecasting.series.frames import OBSERVATIONS, PREDICTION_ERRORS
from serve.forecasts.answers import (
    MAX_CELLS,
    MAX_INPUT_ROWS,
    forecast,
    inputs_for,
    list_left_out,
    max_rows,
    refuse_too_many,
)
from serve.forecasts.champion import Champion
from serve.forecasts.description import describe_champion
from serve.forecasts.feeds import describe_feeds
from serve.forecasts.history import history_period, read_history
from serve.forecasts.series_list import list_series
from serve.forecasts.whatif import apply_changes, warnings_of
from serve.http.person import current_person, name_for_the_record
from serve.http.prediction import compute_answer, record_answer
from serve.http.problems import PROBLEM_JSON
from serve.http.responses import inputs_answer, name_of, precomputed_answer, wants_csv, whatif_answer
from serve.http.schemas.answers import (
    AcknowledgedAnswer,
    AlertsAnswer,
    DecisionsAnswer,
    HealthAnswer,
    HistoryAnswer,
    ModelAnswer,
    MutedAnswer,
    PredictAnswer,
    PredictionErrorsAnswer,
    ReadyAnswer,
    SeriesAnswer,
    SimulateAnswer,
    WhatIfAnswer,
)
from serve.http.schemas.feed_answers import FeedsAnswer
from serve.http.schemas.requests import (
    AcknowledgeBody,
    AlertsQuery,
    DecisionsQuery,
    HistoryQuery,
    InputsBody,
    ModelQuery,
    MuteBody,
    PredictBody,
    PredictionErrorsQuery,
    PredictRangeBody,
    RangeBody,
    SeriesQuery,
    WhatIfBody,
)
from serve.service import Service, current_service

STORY_DECISIONS = 50
MAX_DECISIONS_WITH_EVIDENCE = 5
"""The evidence of a decision has numbers for each day."""

_forecasts = Tag(name="forecasts", description="Forecasts of the champion, and its input rows.")
_records = Tag(name="records", description="The champion, actuals, decisions and alerts.")
_operations = Tag(name="operations", description="For load balancers and Prometheus; health and readiness need no key.")

_problem = {"content": {PROBLEM_JSON: {"schema": {"$ref": "#/components/schemas/Problem"}}}}
_problems: ResponseDict = {status: dict(_problem) for status in (400, 401, 403, 404, 413, 415, 422, 429, 500, 503)}

api = APIBlueprint("api", __name__, abp_responses=_problems)
OPEN_ENDPOINTS = frozenset(
    {"api.page", "api.docs", "api.openapi", "api.health", "api.ready", "static", "swagger.static"}
)
"""Endpoints that need no key."""
CHANGING_ENDPOINTS = frozenset({"api.acknowledge", "api.mute"})
"""Endpoints that a person with the role of a reader may not use."""


def _json(document: object, status: HTTPStatus = HTTPStatus.OK) -> Response:
    return Response(orjson.dumps(document), status, mimetype="application/json")


@api.post("/predict", tags=[_forecasts], responses={200: PredictAnswer})
def predict(body: PredictBody) -> Response:
    """Forecast a range of days, or input rows as `/simulate` gave them; as CSV where `Accept` says so."""
    service = current_service()
    champion = service.watch.require()
    content: PredictRangeBody | InputsBody = body.root
    if isinstance(content, PredictRangeBody) and content.is_plain and not wants_csv():
        refuse_too_many(content.period, len(content.unique_ids or champion.model.unique_ids), max_rows(content.level))
        precomputed = champion.precomputed.find(content.period, content.unique_ids)
        if precomputed is not None:
            record_answer(service, champion, precomputed)
            left_out = [] if content.unique_ids else champion.precomputed.left_out
            return precomputed_answer(champion, content.period, precomputed, left_out)
    return compute_answer(content, champion, service)


@api.post("/simulate", tags=[_forecasts], responses={200: SimulateAnswer})
def simulate(body: RangeBody) -> Response:
    """The champion's input frame for a range of days: everything its forecasts are computed from."""
    service = current_service()
    champion = service.watch.require()
    columns = len(KEYS) + len(INPUT_NAMES) + len(champion.model.exogenous) + champion.model.window_days
    inputs = inputs_for(champion, body.forecast_request, service.store, min(MAX_INPUT_ROWS, MAX_CELLS // columns))
    return inputs_answer(champion, inputs, list_left_out(champion, inputs, body.forecast_request))


@api.post("/whatif", tags=[_forecasts], responses={200: WhatIfAnswer})
def whatif(body: WhatIfBody) -> Response:
    """Forecast a range of days twice: from the champion's own inputs, and from changed ones."""
    service = current_service()
    champion = service.watch.require()
    inputs = inputs_for(champion, body.forecast_request, service.store, min(MAX_INPUT_ROWS, max_rows(body.level) // 2))
    scenario = apply_changes(inputs, body.changed_columns, body.changed_exogenous, champion.model)
    warnings = warnings_of(scenario, list(body.changed_columns), champion.model, list(body.changed_exogenous))
    return whatif_answer(
        champion, forecast(champion, inputs, body.level), forecast(champion, scenario, body.level), warnings
    )


@api.get("/model", tags=[_records], responses={200: ModelAnswer})
def model(query: ModelQuery) -> Response:
    """The champion: version, cutoff, when it was trained and promoted, its backtest scores."""
    service = current_service()
    champion = service.watch.require()
    return _json(
        name_of(champion)
        | {"trained": champion.version.trained_at, "promoted": _promotion_time(champion, service)}
        | describe_champion(champion, query.unique_id, query.limit)
    )


@api.get("/series", tags=[_records], responses={200: SeriesAnswer})
def series(query: SeriesQuery) -> Response:
    """Some of the champion's series: by a part of their name, or the worst of its backtest; at most 100 at once."""
    champion = current_service().watch.require()
    return _json(list_series(champion, query.search, query.order, query.limit, query.offset))


def _promotion_time(champion: Champion, service: Service) -> datetime | None:
    if service.ledger is None:
        return None
    try:
        moves = service.ledger.decisions(1, moving_to=champion.version.version, with_evidence=False)
    except UnavailableError:
        # The champion is known without the ledger; when it was promoted is not.
        return None
    return moves[0].decided_at if moves else None


@api.get("/history", tags=[_records], responses={200: HistoryAnswer})
def history(query: HistoryQuery) -> Response:
    """Actuals, and for each day the newest forecast issued before it, of record and of every other version."""
    service = current_service()
    champion = service.watch.require()
    champion.model.positions(query.unique_id or [])
    newest = champion.model.feature_days.max().item()
    shown = len(set(query.unique_id or champion.model.unique_ids))
    horizon = service.settings.horizon_days
    period = history_period(query.start, query.end, newest, shown, horizon)
    found = read_history(service.require_store(), period, query.unique_id, horizon)
    return _json({"start": period.start, "end": period.end, **asdict(found)})


@api.get("/prediction-errors", tags=[_records], responses={200: PredictionErrorsAnswer})
def prediction_errors(query: PredictionErrorsQuery) -> Response:
    """How far the forecasts answered for a series were off, by model version and days ahead."""
    service = current_service()
    champion = service.watch.require()
    champion.model.positions([query.unique_id])
    store = service.require_store()
    observed = store.span(OBSERVATIONS, unique_ids=[query.unique_id])
    newest = observed.end if observed else champion.model.cutoff
    days = DateRange(newest - timedelta(days=query.days - 1), newest)
    errors = store.read(PREDICTION_ERRORS, days, unique_ids=[query.unique_id])
    accuracy = prediction_accuracy(errors).to_dict("records")
    return _json({"start": days.start, "end": days.end, "accuracy": accuracy})


@api.get("/decisions", tags=[_records], responses={200: DecisionsAnswer})
def decisions(query: DecisionsQuery) -> Response:
    """Promotion decisions, newest first, page by page, at most 50 at once; with the evidence of each, at most 5."""
    limit = min(query.limit, MAX_DECISIONS_WITH_EVIDENCE) if query.evidence else query.limit
    ledger = current_service().require_ledger()
    return _json({"decisions": ledger.decisions(limit, before=query.before, with_evidence=query.evidence)})


@api.get("/feeds", tags=[_records], responses={200: FeedsAnswer})
def feeds() -> Response:
    """Each feed, by name: its newest load, what was refused, since when it fails, and its next due day; at most 200."""
    loads, store = current_service().require_ledger().feed_loads(), current_service().store
    return _json(describe_feeds(loads, store, datetime.now(UTC)))


@api.get("/alerts", tags=[_records], responses={200: AlertsAnswer})
def alerts(query: AlertsQuery) -> Response:
    """Incidents, newest first, page by page, at most 50 at once; an open one is PENDING, FIRING, MUTED or UNKNOWN, any
    other RESOLVED.

    Each has its story: detected, a training asked for, retrained, promoted or held, resolved.
    """
    ledger = current_service().require_ledger()
    asked = ledger.retrainings()
    decisions = ledger.decisions(STORY_DECISIONS, with_evidence=False) if asked else []
    found = ledger.alerts(open_only=query.open_only, limit=query.limit, before=query.before, unique_id=query.unique_id)
    return _json({"alerts": [{**asdict(alert), "story": story(alert, asked, decisions)} for alert in found]})


@api.post("/alerts/acknowledge", tags=[_records], responses={200: AcknowledgedAnswer})
def acknowledge(body: AcknowledgeBody) -> Response:
    """Acknowledge an open incident: no more reminders of it."""
    ledger, now, by = current_service().require_ledger(), datetime.now(UTC), name_for_the_record(body.by)
    if not ledger.acknowledge(body.alert_id, by, now):
        raise UnknownAlertError(
            body.alert_id, [alert.alert_id for alert in ledger.alerts(open_only=True, limit=EXAMPLES_SHOWN)]
        )
    return _json({"alert_id": body.alert_id, "acknowledged": now, "acknowledged_by": by})


@api.post("/alerts/mute", tags=[_records], responses={200: MutedAnswer})
def mute(body: MuteBody) -> Response:
    """Mute incidents whose fingerprint matches, for some hours: nobody is notified of them."""
    until, by = datetime.now(UTC) + timedelta(hours=body.hours), name_for_the_record(body.by)
    muted = Mute(body.pattern, until, body.reason, by)
    current_service().require_ledger().mute(muted)
    return _json(muted)


@api.get("/health", tags=[_operations], responses={200: HealthAnswer})
def health() -> Response:
    """Whether the process answers."""
    return _json({"status": "alive"})


@api.get("/ready", tags=[_operations], responses={200: ReadyAnswer})
def ready() -> Response:
    """Whether the app can forecast; 503 until there is a champion."""
    return _json({"status": "ready", "model": name_of(current_service().watch.require())})


@api.get("/metrics", tags=[_operations], responses={200: {"content": {"text/plain": {"schema": {"type": "string"}}}}})
def metrics() -> Response:
    """Metrics for Prometheus."""
    return Response(generate_latest(current_service().metrics.registry), content_type=CONTENT_TYPE_LATEST)


@api.get("/", doc_ui=False)
def page() -> str:
    """The demo page."""
    return render_template("index.html", columns=INPUT_NAMES, person=current_person())


@api.get("/docs", doc_ui=False)
def docs() -> str:
    """The documentation of the API, with requests to try; it needs no network."""
    return render_template("docs.html")

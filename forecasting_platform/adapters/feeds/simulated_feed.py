"""The simulated feed: `simulated_gas_supply` published over HTTP, with faults on request.

`GET /feed?start=&end=&as_of=&format=json|csv`: days inclusive, `YYYY-MM-DD`; the default is the whole history as
published by today, its days written `dd/mm/yyyy`. `GET /weather` is asked alike: the temperature and its forecast.

`POST /faults` `{"name": "down", "path": "feed"}` switches a fault on, `GET /faults` lists them, `DELETE /faults` ends
them all. Names and parameters stand at `Fault`. Faults live in the process: run one worker.

Answers carry an `ETag` and are compressed for who reads gzip.

Runs under any WSGI server as `forecasting_platform.adapters.feeds.simulated_feed:create_app()`. It listens
to everybody who reaches it: for development and tests only.
"""

import csv
import gzip
import io
import json
import math
import time
from collections.abc import Callable, Iterator
from datetime import UTC, date, datetime
from typing import Any, Literal, Self

import pandas as pd
from flask import Flask, Response, jsonify, request
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from forecasting_platform.adapters.feeds.simulated_gas_supply import (
    FIRST_DAY,
    SERIES,
    SeriesName,
    published_gas_supply,
    published_weather,
)
from forecasting_platform.errors import InvalidRangeError
from forecasting_platform.forecasting.series.days.date_range import DateRange

FaultName = Literal[
    "down",
    "html",
    "empty",
    "wrong_column",
    "swapped_dates",
    "nan",
    "text",
    "duplicate_day",
    "huge",
    "slow",
    "busy",
    "flaky",
    "moved",
    "level_shift",
    "missing_days",
    "null_days",
]
Path = Literal["feed", "weather"]
_Record = dict[str, Any]


class Fault(BaseModel):
    """One thing that is wrong with the feed.

    | name | the feed then |
    |---|---|
    | `down` | answers 503 |
    | `html` | answers 200 with a web page |
    | `empty` | has no rows |
    | `wrong_column` | calls its `Date` column `Day` |
    | `swapped_dates` | writes its days mm/dd/yyyy |
    | `nan`, `text` | has NaN or `n/a` for `series` on `day` (default: the last one) |
    | `duplicate_day` | has `day` twice, the second time with `series` greater by `by` |
    | `huge` | sends `megabytes` |
    | `slow` | waits `seconds` before it answers |
    | `busy` | answers 429 and asks to wait for `seconds` |
    | `flaky` | answers 503 `times` times, and then as ever |
    | `moved` | redirects to `location` |
    | `level_shift` | adds `by` to `series` on the days `from` to `to` |
    | `missing_days`, `null_days` | lacks the days `from` to `to`, or has no values for them |

    `path` says of which feed; those that are about a `series` are of the gas supply only.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: FaultName
    path: Path = "feed"
    series: SeriesName = "Corrib production"
    day: date | None = None
    first: date = Field(default=date.min, alias="from")
    last: date = Field(default=date.max, alias="to")
    by: float = 20.0
    seconds: float = Field(default=300.0, ge=0)
    megabytes: int = Field(default=400, ge=0)
    times: int = Field(default=1, ge=1)
    location: str = "http://169.254.169.254/"

    @model_validator(mode="after")
    def _has_its_series(self) -> Self:
        if self.path == "weather" and self.name in {"nan", "text", "duplicate_day", "level_shift"}:
            raise ValueError(f"{self.name} is about a series of the gas supply; leave path out")
        return self


class _Query(BaseModel):
    """What a request asks for."""

    model_config = ConfigDict(extra="forbid")

    start: date = FIRST_DAY
    end: date = date.max
    as_of: date | None = Field(default=None, ge=FIRST_DAY, le=date(2100, 1, 1))
    format: Literal["json", "csv"] = "json"


def create_app(*, seed: int = 0, today: date | None = None) -> Flask:
    """The feed as a WSGI app.

    Args:
        seed: another seed is another country.
        today: the day up to which it has published; the real day (UTC) when None.
    """
    app = Flask(__name__)
    faults: dict[tuple[Path, FaultName], Fault] = {}

    @app.get("/feed")
    def feed() -> Response:
        return answer("feed", published_gas_supply)

    @app.get("/weather")
    def weather() -> Response:
        return answer("weather", published_weather)

    def answer(path: Path, publish: Callable[..., pd.DataFrame]) -> Response:
        query = _Query.model_validate(request.args.to_dict())
        as_of = query.as_of or today or datetime.now(UTC).date()
        active = {fault.name: fault for fault in list(faults.values()) if fault.path == path}
        if "slow" in active:
            time.sleep(active["slow"].seconds)
        if "flaky" in active:
            _use_up(faults, active["flaky"])
        for name, failed in _ANSWER_FAULTS.items():
            if name in active:
                return failed(active[name])
        published = publish(DateRange(query.start, query.end), as_of=as_of, seed=seed)
        return _as_asked(_render(_faulty_records(published, active), query.format))

    @app.get("/faults")
    def list_faults() -> Response:
        return jsonify([fault.model_dump(mode="json", by_alias=True) for fault in faults.values()])

    @app.post("/faults")
    def add_fault() -> Response:
        fault = Fault.model_validate_json(request.get_data())
        faults[fault.path, fault.name] = fault
        return list_faults()

    @app.delete("/faults")
    def end_faults() -> Response:
        faults.clear()
        return list_faults()

    @app.get("/health")
    def health() -> Response:
        return jsonify({"status": "ok"})

    @app.errorhandler(ValidationError)
    @app.errorhandler(InvalidRangeError)
    def refuse(error: Exception) -> tuple[Response, int]:
        return jsonify({"error": str(error)}), 422

    return app


# --- faults, by what they touch ---


def _use_up(faults: dict[tuple[Path, FaultName], Fault], fault: Fault) -> None:
    if fault.times > 1:
        faults[fault.path, fault.name] = fault.model_copy(update={"times": fault.times - 1})
    else:
        faults.pop((fault.path, fault.name), None)


def _faulty_records(published: pd.DataFrame, faults: dict[FaultName, Fault]) -> list[_Record]:
    for name, change_values in _VALUE_FAULTS.items():
        if name in faults:
            published = change_values(published, faults[name])
    records = _records(published)
    for name, change_records in _RECORD_FAULTS.items():
        if name in faults and records:
            records = change_records(records, faults[name])
    return records


def _between(published: pd.DataFrame, fault: Fault) -> "pd.Series[bool]":
    days = published.index.to_series().dt.date
    return (days >= fault.first) & (days <= fault.last)


def _level_shift(published: pd.DataFrame, fault: Fault) -> pd.DataFrame:
    return published.assign(**{fault.series: published[fault.series] + fault.by * _between(published, fault)})


_VALUE_FAULTS: dict[FaultName, Callable[[pd.DataFrame, Fault], pd.DataFrame]] = {
    "level_shift": _level_shift,
    "missing_days": lambda published, fault: published[~_between(published, fault)],
    "null_days": lambda published, fault: published.where(~_between(published, fault)),
}


def _with_value(records: list[_Record], fault: Fault, value: object) -> list[_Record]:
    return [{**record, fault.series: value} if _is_hit(record, records, fault) else record for record in records]


def _is_hit(record: _Record, records: list[_Record], fault: Fault) -> bool:
    return bool(record["Date"] == (f"{fault.day:%d/%m/%Y}" if fault.day else records[-1]["Date"]))


def _duplicate_day(records: list[_Record], fault: Fault) -> list[_Record]:
    repeated = next((record for record in records if _is_hit(record, records, fault)), records[-1])
    return [*records, {**repeated, fault.series: (repeated[fault.series] or 0.0) + fault.by}]


def _swapped(record: _Record) -> _Record:
    day, month, year = record["Date"].split("/")
    return {**record, "Date": f"{month}/{day}/{year}"}


def _renamed(record: _Record) -> _Record:
    return {"Day" if name == "Date" else name: value for name, value in record.items()}


_RECORD_FAULTS: dict[FaultName, Callable[[list[_Record], Fault], list[_Record]]] = {
    "nan": lambda records, fault: _with_value(records, fault, float("nan")),
    "text": lambda records, fault: _with_value(records, fault, "n/a"),
    "duplicate_day": _duplicate_day,
    "swapped_dates": lambda records, _: [_swapped(record) for record in records],
    "wrong_column": lambda records, _: [_renamed(record) for record in records],
    "empty": lambda _records, _fault: [],
}


def _spaces(megabytes: int) -> Iterator[bytes]:
    yield b"["
    for _ in range(megabytes):
        yield b" " * 1_000_000
    yield b"]"


def _busy(fault: Fault) -> Response:
    return Response("Too many requests.", status=429, headers={"Retry-After": f"{fault.seconds:.0f}"})


def _moved(fault: Fault) -> Response:
    return Response(status=302, headers={"Location": fault.location})


_ANSWER_FAULTS: dict[FaultName, Callable[[Fault], Response]] = {
    "down": lambda _: Response("The feed is down.", status=503, mimetype="text/plain"),
    "busy": _busy,
    "flaky": lambda _: Response("The feed starts.", status=503, mimetype="text/plain"),
    "moved": _moved,
    "html": lambda _: Response("<!doctype html><title>Maintenance</title>", mimetype="text/html"),
    "huge": lambda fault: Response(_spaces(fault.megabytes), mimetype="application/json"),
}

# --- how an answer is written ---


def _records(published: pd.DataFrame) -> list[_Record]:
    dates = published.index.to_series().dt.strftime("%d/%m/%Y")
    return [
        {"Date": day, **{str(name): None if math.isnan(value) else value for name, value in values.items()}}
        for day, values in zip(dates, published.to_dict("records"), strict=True)
    ]


def _as_asked(response: Response) -> Response:
    """The answer compressed if the client reads that, or "not modified" if it has it already."""
    if request.accept_encodings.quality("gzip") > 0:
        response.set_data(gzip.compress(response.get_data(), mtime=0))
        response.content_encoding = "gzip"
    response.vary.add("Accept-Encoding")
    response.add_etag()
    response.make_conditional(request)
    return response


def _render(records: list[_Record], form: Literal["json", "csv"]) -> Response:
    if form == "json":
        return Response(json.dumps(records), mimetype="application/json")
    text = io.StringIO()
    writer = csv.DictWriter(text, fieldnames=list(records[0]) if records else ["Date", *SERIES])
    writer.writeheader()
    writer.writerows(records)
    return Response(text.getvalue(), mimetype="text/csv")

"""What is sent to the app: every route of its OpenAPI document, and the worst cases made by hand, each at every size.

Answers that are as dear as they may be, bodies of as many values as are let in, and what no schema asks for.
"""

from collections.abc import Iterator
from typing import Any

import requests

from benchmarks.hostile.app_server import KEY, Attacked
from benchmarks.hostile.attack import HEADER_BYTES, KIB, SIZES, Attack, json_bytes
from benchmarks.hostile.operation_attacks import attacks_on_operation
from serve.http.strict_json import INPUTS_PATH, MAX_INPUTS_BYTES, MAX_VALUES

TOO_LARGE = 2 * MAX_INPUTS_BYTES


def attacks_on(app: Attacked, document: dict[str, Any]) -> Iterator[Attack]:
    """Every request that is tried.

    Args:
        document: the app's OpenAPI document.
    """
    for _ in range(3):  # the first ones load what is loaded once
        yield Attack("as it is meant", "POST", "/predict", json_bytes(_RANGE | {"unique_id": app.series[0]}))
    yield from _dear_answers(app)
    yield from _at_the_limits()
    yield from _headers()
    for path, methods in document["paths"].items():
        for method, operation in methods.items():
            yield from attacks_on_operation(path, method.upper(), operation, document)


# ---- answers that are as large as they may be

_RANGE: dict[str, Any] = {"start": "2023-07-01", "end": "2023-07-15"}
_YEAR = {"start": "2023-07-01", "end": "2024-06-29"}
_EVERY_LEVEL = list(range(50, 100))


def _dear_answers(app: Attacked) -> Iterator[Attack]:
    csv = {"Accept": "text/csv"}
    bodies = {
        "15 days of every series": _RANGE,
        "a past month of every series": {"start": "2023-05-01", "end": "2023-05-30"},
        "the same with actuals, parts and since": {
            "start": "2023-05-01", "end": "2023-05-30", "actuals": True, "explain": True, "since": "2023-03-01",
        },
        "31 days of every series": {"start": "2023-07-01", "end": "2023-07-31"},
        "100 days of every series": {"start": "2023-07-01", "end": "2023-10-08"},
        "a year of 85 series": _YEAR | {"unique_id": list(app.series[:85])},
        "330 days of 30 series, their parts, moved": {
            "start": "2023-07-01", "end": "2024-05-25", "unique_id": list(app.series[:30]),
            "explain": True, "since": "2023-06-01",
        },
        "300 past days of 30 series, with all": {
            "start": "2022-09-01", "end": "2023-06-27", "unique_id": list(app.series[:30]),
            "actuals": True, "explain": True, "since": "2022-07-01",
        },
        "2 days of every series, every level": {"start": "2023-07-01", "end": "2023-07-02", "level": _EVERY_LEVEL},
        "a year of 250 series": _YEAR | {"unique_id": list(app.series[:250])},
        "a year of 250 series, every level": _YEAR | {"unique_id": list(app.series[:250]), "level": _EVERY_LEVEL},
        "a year of 250 series, its parts, moved": _YEAR
        | {"unique_id": list(app.series[:250]), "explain": True, "since": "2023-06-01"},
        "a year of one series, every level": _YEAR | {"unique_id": app.series[0], "level": _EVERY_LEVEL},
        "a day of every series, every level": {"start": "2023-07-01", "end": "2023-07-01", "level": _EVERY_LEVEL},
        "before the first day": {"start": "2021-06-30", "end": "2021-07-01", "unique_id": list(app.series)},
    }  # fmt: skip
    for what, body in bodies.items():
        yield Attack(what, "POST", "/predict", json_bytes(body))
        yield Attack(f"{what}, CSV", "POST", "/predict", json_bytes(body), csv)
    few: dict[str, dict[str, Any]] = {
        "5 days of every series": {"start": "2023-07-01", "end": "2023-07-05"},
        "5 past days of every series": {"start": "2023-05-01", "end": "2023-05-05"},
        "a day of every series": {"start": "2023-07-01", "end": "2023-07-01"},
        "a year of 13 series": _YEAR | {"unique_id": list(app.series[:13])},
        "a year of 3 series": _YEAR | {"unique_id": list(app.series[:3])},
    }
    changes = {"y": {"add": 1e6}, "lag_7": {"multiply": 2}, "mean_28": {"set": 0}}
    for what, body in few.items():
        yield Attack(what, "POST", "/simulate", json_bytes(body))
        yield Attack(f"{what}, CSV", "POST", "/simulate", json_bytes(body), csv)
        for levels in ([80, 95], _EVERY_LEVEL):
            asked = body | {"changes": changes, "level": levels}
            yield Attack(f"{what}, {len(levels)} levels", "POST", "/whatif", json_bytes(asked))
    yield from _input_rows(app)
    one = f"unique_id={app.series[0].replace('/', '%2F')}"
    decade = "start=2015-01-01&end=2025-01-01"
    several = "&".join(f"unique_id={name.replace('/', '%2F')}" for name in app.series[:80])
    for query in ("", f"?{decade}", f"?{decade}&{one}", f"?{one}", f"?start=2023-05-01&end=2023-06-28&{several}"):
        yield Attack("history", "GET", f"/history{query}")
    yield Attack("what was answered", "GET", f"/prediction-errors?{one}&days=366")
    for path in (
        "/model",
        "/decisions",
        "/decisions?evidence=true",
        "/alerts",
        "/feeds",
        "/metrics",
        "/openapi.json",
        "/",
        "/docs",
    ):
        yield Attack("read", "GET", path)
    unknown = {"alert_id": "none@1", "by": "x"}
    yield Attack("an unknown incident", "POST", "/alerts/acknowledge", json_bytes(unknown))
    yield Attack(
        "unknown series",
        "POST",
        "/predict",
        json_bytes(_RANGE | {"unique_id": ["x" * 490 + str(n) for n in range(1000)]}),
    )


def _input_rows(app: Attacked) -> Iterator[Attack]:
    asked = {"start": "2023-07-01", "end": "2023-07-05", "unique_id": list(app.series)}
    answer = requests.post(f"{app.url}/simulate", json=asked, headers={"X-API-Key": KEY}, timeout=60)
    rows = answer.json()["inputs"]
    exact = json_bytes({"inputs": rows})
    yield Attack(f"{len(rows)} input rows", "POST", "/predict", exact)
    yield Attack(
        "2,400 input rows, every level", "POST", "/predict", json_bytes({"inputs": rows[:2400], "level": _EVERY_LEVEL})
    )
    yield Attack("the same, explained", "POST", "/predict", json_bytes({"inputs": rows, "explain": True}))
    yield Attack(
        "the same, explained, every level",
        "POST",
        "/predict",
        json_bytes({"inputs": rows, "explain": True, "level": _EVERY_LEVEL}),
    )
    yield Attack(
        "the same, a colon in each name", "POST", "/predict", exact.replace(b'"unique_id":"', b'"unique_id":"a:')
    )
    yield Attack(
        "the same, one field too many in each",
        "POST",
        "/predict",
        json_bytes({"inputs": [row | {"x": 1} for row in rows]}),
    )
    yield Attack(
        "the same, each number a text",
        "POST",
        "/predict",
        json_bytes({"inputs": [{n: str(v) for n, v in row.items()} for row in rows]}),
    )
    yield Attack(
        "the same, no number finite",
        "POST",
        "/predict",
        json_bytes({"inputs": [row | {"y": 1e15, "lag_7": -1e15} for row in rows]}),
    )
    yield Attack(
        "the same, twice each",
        "POST",
        "/predict",
        json_bytes({"inputs": [row for row in rows[:2500] for _ in range(2)]}),
    )
    many = {f"x{n}": 0.5 for n in range(1000)}
    yield Attack(
        "rows with 1,000 exogenous columns",
        "POST",
        "/predict",
        json_bytes({"inputs": [row | {"exogenous": many} for row in rows[:1500]]}),
    )
    for size in (*SIZES, TOO_LARGE):
        yield Attack(
            f"{{}} {size // KIB} KiB", "POST", "/predict", b'{"inputs":[' + b",".join([b"{}"] * (size // 3)) + b"]}"
        )


# ---- bodies as large, and of as many values, as are let in


def _at_the_limits() -> Iterator[Attack]:
    values = MAX_VALUES - KIB
    wide = '"😀'.encode() + b"x" * (MAX_INPUTS_BYTES // 2) + b'"'
    fields = b",".join(b'"%x":0' % n for n in range(values))
    bodies = {
        "rows of one field": b'{"inputs":[%b],"x":":"}' % b",".join([b'{"a":0}'] * (values // 2)),
        "rows of one field, and a wide text": b'{"inputs":[%b],"x":%b}'
        % (b",".join([b'{"a":0}'] * (values // 2)), wide),
        "rows of one list": b'{"inputs":[%b],"x":":"}' % b",".join([b"[0]"] * (values // 2)),
        "rows that are texts": b'{"inputs":[%b],"x":":"}' % b",".join(b'"%08x"' % n for n in range(values)),
        "rows that are wide texts": b'{"inputs":[%b],"x":":"}'
        % b",".join('"😀%06x"'.encode() % n for n in range(values)),
        "fields": b'{"inputs":0,%b,"x":":"}' % fields,
        "fields, and a wide text": b'{"inputs":0,%b,"x":%b}' % (fields, wide),
        "a row of fields": b'{"inputs":[{%b}],"x":":"}' % fields,
        "a row of exogenous columns": b'{"inputs":[{"exogenous":{%b}}],"x":":"}' % fields,
        "a row whose first field comes again": b'{"inputs":[{%b,"0":0}],"x":":"}' % fields,
        "a row of one field, again and again": b'{"inputs":[{%b}],"x":":"}' % b",".join([b'"a":0'] * values),
        "names of series": b'{"inputs":0,"unique_id":[%b],"x":":"}' % b",".join(b'"%08x"' % n for n in range(values)),
    }
    for what, body in bodies.items():
        yield Attack(f"as many values as are let in: {what}", "POST", INPUTS_PATH, body)


# ---- what stands around a body


def _headers() -> Iterator[Attack]:
    body = json_bytes(_RANGE)
    csv_last = ",".join(f"a/{n:x};q=0.1" for n in range(HEADER_BYTES // 13)) + ",text/csv"
    tags = ",".join(f'"{n:x}"' for n in range(HEADER_BYTES // 8))
    for what, headers in {
        "thousands of media types": {"Accept": csv_last},
        "thousands of tags": {"If-None-Match": tags},
        "a cookie of thousands": {"Cookie": ";".join(f"{n:x}=1" for n in range(HEADER_BYTES // 8))},
        "thousands of ranges": {"Range": "bytes=" + ",".join(f"{n}-{n}" for n in range(HEADER_BYTES // 12))},
        "a long key": {"X-API-Key": "x" * HEADER_BYTES},
        "a long bearer": {"X-API-Key": "", "Authorization": "Bearer " + "x" * HEADER_BYTES},
        "a long type": {"Content-Type": "application/json;" + "a=b;" * (HEADER_BYTES // 4)},
        "hundreds of headers": {f"x-{n}": "y" * 500 for n in range(90)},
        "said to be gzip": {"Content-Encoding": "gzip"},
    }.items():
        yield Attack(what, "POST", "/predict", body, headers)
    for path in ("/static/app.js", "/docs/swagger/swagger-ui.css"):
        ranges = "bytes=" + ",".join(f"{n}-{n}" for n in range(HEADER_BYTES // 12))
        yield Attack("thousands of ranges", "GET", path, b"", {"Range": ranges})
    yield Attack("a long path", "GET", "/" + "x" * HEADER_BYTES)
    yield Attack("a path of thousands", "GET", "/x" * (HEADER_BYTES // 2))
    yield Attack("a path that climbs", "GET", "/static/" + "../" * (HEADER_BYTES // 3))
    yield Attack("a method nobody knows", "A" * 1000, "/predict")
    yield Attack("no chunks, but said to be", "POST", "/predict", body, {"Transfer-Encoding": "chunked"})
    for size in (*SIZES, TOO_LARGE):
        yield Attack(f"chunks, {size // KIB} KiB", "POST", "/predict", b" " * size, chunked=True)

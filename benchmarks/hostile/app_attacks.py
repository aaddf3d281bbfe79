"""What is sent to the app: every route of its OpenAPI document, and the worst cases made by hand, each at every size.

Answers that are as dear as they may be, bodies of as many values as are let in, and what no schema asks for.
"""

import itertools
import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import requests

from benchmarks.hostile.app_server import FULL, KEY, Attacked
from serve.http.strict_json import INPUTS_PATH, MAX_INPUTS_BYTES, MAX_RANGE_BYTES, MAX_VALUES

KIB = 1024
SIZES = (256 * KIB, MAX_INPUTS_BYTES - KIB) if FULL else (256 * KIB,)
TOO_LARGE = 2 * MAX_INPUTS_BYTES
HEADER_BYTES = 60 * KIB


@dataclass(frozen=True, slots=True)
class Attack:
    """One request."""

    what: str
    method: str
    path: str
    body: bytes = b""
    headers: dict[str, str] = field(default_factory=dict)
    chunked: bool = False

    @property
    def size(self) -> int:
        """Bytes of body, path and headers."""
        return len(self.body) + len(self.path) + sum(map(len, itertools.chain(*self.headers.items())))


def attacks_on(app: Attacked, document: dict[str, Any]) -> Iterator[Attack]:
    """Every request that is tried.

    Args:
        document: the app's OpenAPI document.
    """
    for _ in range(3):  # the first ones load what is loaded once
        yield Attack("as it is meant", "POST", "/predict", _json(_RANGE | {"unique_id": app.series[0]}))
    yield from _dear_answers(app)
    yield from _at_the_limits()
    yield from _headers()
    for path, methods in document["paths"].items():
        for method, operation in methods.items():
            yield from _of_operation(path, method.upper(), operation, document)


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
        yield Attack(what, "POST", "/predict", _json(body))
        yield Attack(f"{what}, CSV", "POST", "/predict", _json(body), csv)
    few: dict[str, dict[str, Any]] = {
        "5 days of every series": {"start": "2023-07-01", "end": "2023-07-05"},
        "5 past days of every series": {"start": "2023-05-01", "end": "2023-05-05"},
        "a day of every series": {"start": "2023-07-01", "end": "2023-07-01"},
        "a year of 13 series": _YEAR | {"unique_id": list(app.series[:13])},
        "a year of 3 series": _YEAR | {"unique_id": list(app.series[:3])},
    }
    changes = {"y": {"add": 1e6}, "lag_7": {"multiply": 2}, "mean_28": {"set": 0}}
    for what, body in few.items():
        yield Attack(what, "POST", "/simulate", _json(body))
        yield Attack(f"{what}, CSV", "POST", "/simulate", _json(body), csv)
        for levels in ([80, 95], _EVERY_LEVEL):
            asked = body | {"changes": changes, "level": levels}
            yield Attack(f"{what}, {len(levels)} levels", "POST", "/whatif", _json(asked))
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
    yield Attack("an unknown incident", "POST", "/alerts/acknowledge", _json(unknown))
    yield Attack(
        "unknown series", "POST", "/predict", _json(_RANGE | {"unique_id": ["x" * 490 + str(n) for n in range(1000)]})
    )


def _input_rows(app: Attacked) -> Iterator[Attack]:
    asked = {"start": "2023-07-01", "end": "2023-07-05", "unique_id": list(app.series)}
    answer = requests.post(f"{app.url}/simulate", json=asked, headers={"X-API-Key": KEY}, timeout=60)
    rows = answer.json()["inputs"]
    exact = _json({"inputs": rows})
    yield Attack(f"{len(rows)} input rows", "POST", "/predict", exact)
    yield Attack(
        "2,400 input rows, every level", "POST", "/predict", _json({"inputs": rows[:2400], "level": _EVERY_LEVEL})
    )
    yield Attack("the same, explained", "POST", "/predict", _json({"inputs": rows, "explain": True}))
    yield Attack(
        "the same, explained, every level",
        "POST",
        "/predict",
        _json({"inputs": rows, "explain": True, "level": _EVERY_LEVEL}),
    )
    yield Attack(
        "the same, a colon in each name", "POST", "/predict", exact.replace(b'"unique_id":"', b'"unique_id":"a:')
    )
    yield Attack(
        "the same, one field too many in each", "POST", "/predict", _json({"inputs": [row | {"x": 1} for row in rows]})
    )
    yield Attack(
        "the same, each number a text",
        "POST",
        "/predict",
        _json({"inputs": [{n: str(v) for n, v in row.items()} for row in rows]}),
    )
    yield Attack(
        "the same, no number finite",
        "POST",
        "/predict",
        _json({"inputs": [row | {"y": 1e15, "lag_7": -1e15} for row in rows]}),
    )
    yield Attack(
        "the same, twice each", "POST", "/predict", _json({"inputs": [row for row in rows[:2500] for _ in range(2)]})
    )
    many = {f"x{n}": 0.5 for n in range(1000)}
    yield Attack(
        "rows with 1,000 exogenous columns",
        "POST",
        "/predict",
        _json({"inputs": [row | {"exogenous": many} for row in rows[:1500]]}),
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
    body = _json(_RANGE)
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


# ---- each operation of the document, with what no schema asks for


def _of_operation(path: str, method: str, operation: dict[str, Any], document: dict[str, Any]) -> Iterator[Attack]:
    yield from _queries(path, method, [parameter["name"] for parameter in operation.get("parameters", [])])
    content = operation.get("requestBody", {}).get("content", {}).get("application/json")
    if content is None:
        yield Attack("a body nobody asked for", method, path, b"[" + b"{}," * (SIZES[-1] // 3) + b"{}]")
        return
    for size in SIZES if path == INPUTS_PATH else (MAX_RANGE_BYTES - KIB,):
        for what, body in _bodies(_fields(content["schema"], document), size):
            yield Attack(f"{what}, {size // KIB} KiB", method, path, body)


def _fields(schema: dict[str, Any], document: dict[str, Any]) -> list[str]:
    """Names of the fields at the top of a body, of each kind that it may be."""
    if "$ref" in schema:
        return _fields(document["components"]["schemas"][schema["$ref"].rpartition("/")[2]], document)
    kinds = [*schema.get("oneOf", []), *schema.get("anyOf", [])]
    return [*schema.get("properties", {}), *(name for kind in kinds for name in _fields(kind, document))]


def _queries(path: str, method: str, names: list[str]) -> Iterator[Attack]:
    for name in [*names, "unknown"]:
        for what, query in {
            "a long value": f"{name}=" + "x" * HEADER_BYTES,
            "thousands of values": "&".join([f"{name}="] * (HEADER_BYTES // (len(name) + 2))),
            "thousands of names": "&".join(f"{n:x}=" for n in range(HEADER_BYTES // 6)),
        }.items():
            yield Attack(f"{name}: {what}", method, f"{path}?{query}")


def _bodies(fields: list[str], size: int) -> Iterator[tuple[str, bytes]]:
    for what, grown in _grown(size):
        yield f"the body is {what}", grown
    for name in fields:
        for what, grown in _grown(size):
            yield f"{name} is {what}", b'{"%b":%b}' % (name.encode(), grown)
            yield (
                f"a range and {name} is {what}",
                b'{"start":"2023-07-01","end":"2023-07-15","%b":%b}' % (name.encode(), grown),
            )
    repeated = b",".join(b'"%x":0' % n for n in range(size // 9))
    yield "a field twice, at the end", b'{%b,"0":0,"end":":"}' % repeated
    yield "a field twice, at the end of the last row", b'{"inputs":[{%b,"0":0,"x":":"}]}' % repeated


def _grown(size: int) -> Iterator[tuple[str, bytes]]:
    """Values that fill so many bytes: each is the most of one kind that JSON can say in them."""
    lists = {"{}": b"{}", "[]": b"[]", "texts": b'"ab"', "null": b"null", "numbers": b"0.5", "rows": b'{"a":0}'}
    for what, item in lists.items():
        yield f"a list of {what}", b"[" + b",".join([item] * (size // (len(item) + 1))) + b"]"
    yield "an object of fields", b"{" + b",".join(b'"%x":0' % n for n in range(size // 9)) + b"}"
    yield "an object of objects", b"{" + b",".join(b'"%x":{"%x":0}' % (n, n) for n in range(size // 20)) + b"}"
    yield "nested lists", b"[" * (size // 2) + b"]" * (size // 2)
    yield "lists nested 900 deep", b"[" + b",".join([b"[" * 900 + b"]" * 900] * max(1, size // 1801)) + b"]"
    yield "a long text", b'"' + b"x" * size + b'"'
    yield "a wide text", '"😀'.encode() + b"x" * size + b'"'
    yield "an escaped text", b'"' + b"\\u00e9" * (size // 6) + b'"'
    yield "a long number", b"9" * size
    yield "a long fraction", b"0." + b"9" * size


def _json(document: Any) -> bytes:
    return json.dumps(document, separators=(",", ":")).encode()

"""Documents of a feed, as large and as awkward as they may be: what reading each costs, and how long a server can hold.

Each document is loaded by a process of its own, which ends with it. What is announced or unpacks to more than the limit
is refused before it is read; that is measured too.
"""

import contextlib
import gzip
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import date, timedelta
from functools import cache
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from benchmarks.hostile.app_server import FULL
from benchmarks.hostile.load_cost import cost
from benchmarks.results_file import Aim
from forecasting_platform.adapters.feeds.file_feed import FileFeed
from forecasting_platform.adapters.feeds.http_feed import HttpFeed
from forecasting_platform.feed_description.description import FeedDescription
from forecasting_platform.forecasting.series.days.date_range import DateRange

MIB = 1024 * 1024
LIMIT_BYTES = (64 if FULL else 4) * MIB
DAYS = DateRange(date(2000, 1, 1), date(2025, 12, 31))
DEADLINE_SECONDS = 2.0
MAX_CPU_SECONDS_A_MIB = 2.0
MAX_GROWTH = 8.0
"""Times the CPU seconds that four times the document may cost: 4 would be in proportion, 16 its square."""
MAX_MEMORY_MIB = 4096.0
"""Of a load's process: what a small machine has."""
Grow = Callable[[int], str]
"""Makes a document of about so many bytes."""


def feeds() -> tuple[list[dict[str, Any]], list[Aim]]:
    """A row a document, the dearest first, and whether all of them hold."""
    documents = [_document(what, grow) for what, grow in _DOCUMENTS.items()]
    packed = [_packed()]
    answers = [_answered(what, answer) for what, answer in _ANSWERS.items()]
    rows = sorted([*documents, *packed, *answers], key=lambda row: row["cpu_seconds"], reverse=True)
    return rows, _aims(documents, [*packed, *answers])


def _aims(documents: list[dict[str, Any]], others: list[dict[str, Any]]) -> list[Aim]:
    size = LIMIT_BYTES / MIB
    cpu = max(row["cpu_seconds"] for row in documents) / size
    growth = max(row["growth"] for row in documents)
    memory = max(row["memory_mib"] for row in documents)
    broken = sum(row["outcome"].startswith("exit") for row in [*documents, *others])
    waited = max(row["seconds"] for row in others)
    most = DEADLINE_SECONDS + 1.0
    return [
        Aim("feed documents tried", len(documents) + len(others), ">= 20", len(documents) + len(others) >= 20),
        Aim("CPU of a MiB of document, s, worst", cpu, f"<= {MAX_CPU_SECONDS_A_MIB:g}", cpu <= MAX_CPU_SECONDS_A_MIB),
        Aim("CPU of four times the document, times, worst", growth, f"<= {MAX_GROWTH:g}", growth <= MAX_GROWTH),
        Aim("memory of a document, MiB, worst", memory, f"<= {MAX_MEMORY_MIB:g}", memory <= MAX_MEMORY_MIB),
        Aim("loads that ended in anything but a document or an error of ours", broken, "<= 0", broken == 0),
        Aim("seconds that a server held a fetch, worst", waited, f"<= {most:g}", waited <= most),
    ]


# ---- documents


def _document(what: str, grow: Grow) -> dict[str, Any]:
    quarter, whole = (_loaded(grow(size).encode()) for size in (LIMIT_BYTES // 4, LIMIT_BYTES - MIB // 4))
    # Below half a second the clock and the interpreter decide.
    growth = whole["cpu_seconds"] / quarter["cpu_seconds"] if whole["cpu_seconds"] > 0.5 else 1.0
    return _row(what, whole | {"growth": round(growth, 1)})


def _packed() -> dict[str, Any]:
    return _row("a small gzip file of a huge document", _loaded(_small_file_of_a_huge_one()))


@cache
def _small_file_of_a_huge_one() -> bytes:
    return gzip.compress(b" " * 20 * LIMIT_BYTES, 1)


def _loaded(content: bytes) -> dict[str, Any]:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "feed"
        path.write_bytes(content)
        feed = FileFeed(FeedDescription.of_default_shape(path.as_uri()), timeout_seconds=60, max_bytes=LIMIT_BYTES)
        found = cost(lambda: str(feed.fetch(DAYS).refusals))
        # The results are kept: they name no path of the machine they were made on.
        return found | {"bytes": len(content), "outcome": found["outcome"].replace(path.as_uri(), "a file")}


def _row(what: str, measured: dict[str, Any]) -> dict[str, Any]:
    row = {
        "document": what,
        "bytes": measured.get("bytes", 0),
        "cpu_seconds": round(measured["cpu_seconds"], 2),
        "memory_mib": round(measured["memory_mib"], 1),
        "growth": measured.get("growth", 1.0),
        "seconds": round(measured["seconds"], 2),
        "outcome": measured["outcome"],
    }
    print(*row.values(), sep="\t", flush=True)
    return row


def _day(number: int) -> str:
    return f"{date(2000, 1, 1) + timedelta(days=number % 9000):%d/%m/%Y}"


def _rows(header: str, line: Callable[[int], str]) -> Grow:
    """A header, and lines until it is long enough."""

    def grow(size: int) -> str:
        lines, left, number = [header], size - len(header), 0
        while left > 0:
            lines.append(line(number))
            left -= len(lines[-1]) + 1
            number += 1
        return "\n".join(lines)

    return grow


def _array(element: Callable[[int], str]) -> Grow:
    lines = _rows('[{"Date": "01/01/2000", "a": 1}', lambda number: f",{element(number)}")
    return lambda size: f"{lines(size)}]"


def _wide(size: int) -> str:
    count = size // 12
    return "Date," + ",".join(f"c{n}" for n in range(count)) + "\n01/01/2000" + ",1" * count


def _cell(cell: Grow) -> Grow:
    return lambda size: f"Date,a,b\n01/01/2000,{cell(size)},2"


_THOUSAND = f"Date,{','.join(f'c{n}' for n in range(999))}"


def _json_wide(last: str) -> Grow:
    fields = "".join
    return lambda size: f"""[{{"Date": "01/01/2000"{fields(f', "c{n}": 1' for n in range(size // 14))}{last}}}]"""


_DOCUMENTS: dict[str, Grow] = {
    "CSV, wide": _wide,
    "CSV, long": _rows("Date,a", lambda n: f"{_day(n)},{n // 9000}" if n < 9000 else f"{_day(8999)},0"),
    "CSV, different values of one day": _rows("Date,a", lambda n: f"01/01/2000,{n}"),
    "CSV, two values of each day": _rows("Date,a", lambda n: f"{_day(n // 2 if n < 18000 else 8999)},{n}"),
    "CSV, nothing a number": _rows("Date,a", lambda n: f"{_day(min(n, 8999))},n/a"),
    "CSV, no row as long as its header": _rows("Date,a", lambda _: "01/01/2000"),
    "CSV, most of it cells": _rows(_THOUSAND, lambda n: f"{_day(min(n, 8999))}{',1' * 999}"),
    "CSV, empty cells": _rows(_THOUSAND, lambda n: f"{_day(min(n, 8999))}{',' * 999}"),
    "CSV, a cell of digits": _cell(lambda size: "1" * size),
    "CSV, a cell of digits and a letter": _cell(lambda size: "1" * size + "x"),
    "CSV, a long fraction": _cell(lambda size: "0." + "1" * size),
    "CSV, a cell of text": _cell(lambda size: "x" * size),
    "CSV, a date of millions": lambda size: f"Date,a\n01/01/2000,1\n02/01/2000,2\n{'1' * size},3",
    "CSV, a name of millions": lambda size: _rows(f"Date,{'x' * (size - 30_000)},b", lambda n: f"{_day(n)},1,2")(size),
    "CSV, a name twice among many": lambda size: _wide(size).replace(",c9,", ",c8,", 1),
    "CSV, a quote that never ends": _cell(lambda size: '"' + "x" * size),
    "CSV, quotes": _cell(lambda size: '"' + '""' * (size // 2) + '"'),
    "CSV, blank lines": lambda size: "Date,a\n01/01/2000,1" + "\n" * size,
    "JSON, a column a row": _array(lambda n: f'{{"Date": "01/01/2000", "c{n}": 1}}'),
    "JSON, wide": _json_wide(""),
    "JSON, a field twice": _json_wide(', "c1": 2'),
    "JSON, rows that are none": _array(lambda _: "1"),
    "JSON, days to come": _array(lambda _: '{"Date": "01/01/2999", "a": 1}'),
    "JSON, deep": lambda size: '[{"Date": "01/01/2000", "a": ' + "[" * (size // 2) + "]" * (size // 2) + "}]",
    "JSON, cells that are deep": _array(lambda n: f'{{"Date": "{_day(min(n, 8999))}", "a": {"[" * 400}{"]" * 400}}}'),
    "JSON, a cell of millions": lambda size: f"""[{{"Date": "01/01/2000", "a": [{'1,' * (size // 2)}1], "b": 1}}]""",
}  # fmt: skip


# ---- servers


class _Answering(BaseHTTPRequestHandler):
    answer: Callable[["_Answering"], None]

    def do_GET(self) -> None:
        with contextlib.suppress(OSError):  # the client gave up, as it should
            type(self).answer(self)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 # the base class names it
        pass


def _answered(what: str, answer: Callable[[_Answering], None]) -> dict[str, Any]:
    with _server(answer) as url:
        feed = HttpFeed(FeedDescription.of_default_shape(url), timeout_seconds=DEADLINE_SECONDS, max_bytes=LIMIT_BYTES)
        return _row(what, cost(lambda: str(feed.fetch(DAYS).refusals)))


@contextmanager
def _server(answer: Callable[[_Answering], None]) -> Iterator[str]:
    handler = type("Answering", (_Answering,), {"answer": answer})
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        server.daemon_threads = True
        threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}/feed"
        server.shutdown()


def _start(handler: _Answering, status: int = 200, **headers: str) -> None:
    handler.send_response(status)
    for name, value in headers.items():
        handler.send_header(name.replace("_", "-"), value)
    handler.end_headers()


def _trickle(handler: _Answering) -> None:
    _start(handler)
    while True:
        handler.wfile.write(b" ")
        time.sleep(0.05)


def _header_that_trickles(handler: _Answering) -> None:
    while True:
        handler.wfile.write(b"HTTP/1.1 200 OK\r\n"[:1])
        time.sleep(0.05)


def _silent(_handler: _Answering) -> None:
    time.sleep(10 * DEADLINE_SECONDS)


def _endless(handler: _Answering) -> None:
    _start(handler)
    while True:
        handler.wfile.write(b" " * MIB)


def _bomb(handler: _Answering) -> None:
    _start(handler, Content_Encoding="gzip")
    handler.wfile.write(_small_file_of_a_huge_one())


def _circle(handler: _Answering) -> None:
    _start(handler, 302, Location="/feed", Content_Length="0")


def _redirect_with_a_body(handler: _Answering) -> None:
    _start(handler, 302, Location="/feed")
    while True:
        handler.wfile.write(b" " * MIB)


def _elsewhere(handler: _Answering) -> None:
    _start(handler, 302, Location="http://[::ffff:0:127.0.0.1]/", Content_Length="0")


def _never_ready(handler: _Answering) -> None:
    _start(handler, 503, Retry_After="0", Content_Length="0")


_ANSWERS: dict[str, Callable[[_Answering], None]] = {
    "a body that trickles": _trickle,
    "a header that trickles": _header_that_trickles,
    "no answer": _silent,
    "an endless body": _endless,
    "a small answer that unpacks to a huge one": _bomb,
    "a redirect in a circle": _circle,
    "a redirect with an endless body": _redirect_with_a_body,
    "a redirect to a private address in disguise": _elsewhere,
    "unavailable for ever": _never_ready,
}

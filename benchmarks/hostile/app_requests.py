"""Requests to the app, of every route and every size up to the body limit: what each costs the app and Postgres.

What is sent is in `app_attacks`.
"""

import contextlib
import http.client
import time
from typing import Any

import requests

from benchmarks.hostile.app_attacks import attacks_on
from benchmarks.hostile.app_server import KEY, Attacked, attacked_app
from benchmarks.hostile.attack import Attack
from benchmarks.hostile.process_cost import cost_of
from benchmarks.results_file import Aim
from serve.http.strict_json import MAX_INPUTS_BYTES

MIB = 1024 * 1024
MAX_CPU_SECONDS, MAX_MEMORY_MIB = 1.0, 200.0
TIMEOUT_SECONDS = 120.0
DEAREST_SHOWN = 40


def app_requests() -> tuple[list[dict[str, Any]], list[Aim]]:
    """A row a request, the dearest first, and whether all of them hold."""
    with attacked_app() as app:
        document = requests.get(f"{app.url}/openapi.json", timeout=30).json()
        rows = [_measured(app, attack) for attack in attacks_on(app, document)]
    dearest = sorted(rows, key=lambda row: max(row["cpu_seconds"], row["memory_mib"] / MAX_MEMORY_MIB), reverse=True)
    return dearest[:DEAREST_SHOWN], _aims(rows)


def _aims(rows: list[dict[str, Any]]) -> list[Aim]:
    cpu, memory = (max(row[name] for row in rows) for name in ("cpu_seconds", "memory_mib"))
    silent = sum(row["status"] == 0 and row["bytes"] <= MAX_INPUTS_BYTES for row in rows)
    broken = sum(row["status"] == 500 for row in rows)
    return [
        Aim("requests tried", len(rows), ">= 100", len(rows) >= 100),
        Aim("CPU of a request, app and Postgres, s, worst", cpu, f"<= {MAX_CPU_SECONDS:g}", cpu <= MAX_CPU_SECONDS),
        Aim("memory of a request, MiB, worst", memory, f"<= {MAX_MEMORY_MIB:g}", memory <= MAX_MEMORY_MIB),
        Aim("requests up to the body limit without an answer", silent, "<= 0", silent == 0),
        Aim("answers that say the app failed (500)", broken, "<= 0", broken == 0),
    ]


def _measured(app: Attacked, attack: Attack) -> dict[str, Any]:
    with cost_of(app.app_pid, app.postgres_pid) as cost:
        began = time.monotonic()
        status, answered = _send(app.port, attack)
        seconds = time.monotonic() - began
    row = {
        "request": f"{attack.method[:10]} {attack.path[:30]} {attack.what}",
        "bytes": attack.size,
        "status": status,
        "answer_bytes": answered,
        "cpu_seconds": round(cost.cpu_seconds, 2),
        "memory_mib": round(cost.memory_mib, 1),
        "seconds": round(seconds, 2),
    }
    print(*row.values(), sep="\t", flush=True)
    return row


def _send(port: int, attack: Attack) -> tuple[int, int]:
    """Status and bytes of the answer; (0, 0) where there was none."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=TIMEOUT_SECONDS)
    headers = {"Content-Type": "application/json", "X-API-Key": KEY} | attack.headers
    body = iter([attack.body]) if attack.chunked else attack.body or None
    try:
        with contextlib.suppress(BrokenPipeError, ConnectionResetError):
            # A body over the limit is refused before it was sent whole; the answer may be there all the same.
            connection.request(attack.method, attack.path, body, headers, encode_chunked=attack.chunked)
        answer = connection.getresponse()
        size = 0
        while piece := answer.read(MIB):
            size += len(piece)
        return answer.status, size
    except (OSError, http.client.HTTPException):
        return 0, 0
    finally:
        connection.close()

"""A forecast over HTTP: requests a second, latency, processor time, and what a swap of the champion costs.

`make bench NAME=serve` (`FULL=0` for a run of two minutes). `wrk` is installed where that may be done. In one run,
after each other: the app with everything in the path (keys, rate limit, validation, metrics, log of requests, log
of predictions in Postgres), the floor (`serve_floor`, under the same server), and the peer, `mlflow models serve`
with the same version. Each answers 15 days of one series. Then the layers one by one, in this process. Then alias
moves in a real MLflow under steady load, each answer compared by value with the version it names. Last the page, in a
real browser (Chromium).
"""

import json
import logging
import os
import re
import shutil
import subprocess
import time
from pathlib import Path
from typing import Any

import numpy as np
import requests

from benchmarks.environments import system_program
from benchmarks.results_file import Aim, report
from benchmarks.serve_layers import layers
from benchmarks.serve_swaps import measure_swaps
from benchmarks.served_platform import ASKED, FULL, HEADERS, PORT_BASE, Bench, running
from forecasting_platform.adapters.mlflow.model_registry import MlflowModelRegistry
from forecasting_platform.local.processes import ChildProcess, family

SECONDS = 10 if FULL else 3
MOVES = 1000 if FULL else 30
CONNECTIONS = (1, 8, 32)
PAGE_LOADS = 20
CHROMIUM = os.environ.get("CHROMIUM") or shutil.which("chromium")


# ---- requests a second, latency, processor time


def load(what: str, child: ChildProcess, port: int, path: str, body: bytes) -> list[dict[str, Any]]:
    """One row a number of connections, by wrk."""
    script = child.program.log_file.with_suffix(".lua")
    headers = "\n".join(f'wrk.headers["{name}"] = "{value}"' for name, value in HEADERS.items())
    script.write_text(f'wrk.method = "POST"\n{headers}\nwrk.body = {json.dumps(body.decode())}\n', encoding="utf-8")
    _wrk(script, port, path, 8, 2)
    return [{"what": what, "connections": count} | _loaded(child, script, port, path, count) for count in CONNECTIONS]


def _loaded(child: ChildProcess, script: Path, port: int, path: str, connections: int) -> dict[str, Any]:
    before = _cpu_seconds(child)
    output = _wrk(script, port, path, connections, SECONDS)
    spent, count = _cpu_seconds(child) - before, int(_found(r"(\d+) requests in", output))
    failed = sum(map(int, re.findall(r"Non-2xx or 3xx responses: (\d+)", output)))
    return {
        "requests_per_second": float(_found(r"Requests/sec:\s+([\d.]+)", output)),
        "p50_ms": _milliseconds(_found(r"(?m)^\s+50%\s+(\S+)", output)),
        "p99_ms": _milliseconds(_found(r"(?m)^\s+99%\s+(\S+)", output)),
        "cpu_ms_per_request": round(1000 * spent / count, 3),
        "failed": failed + sum(map(int, re.findall(r"(?:connect|read|write|timeout) (\d+)", output))),
    }


def _wrk(script: Path, port: int, path: str, connections: int, seconds: int) -> str:
    command = ["wrk", "-t1", f"-c{connections}", f"-d{seconds}s", "--latency", "-s", str(script)]
    ended = subprocess.run(
        [*command, f"http://127.0.0.1:{port}{path}"], capture_output=True, text=True, check=True, timeout=seconds + 60
    )
    return ended.stdout


def _found(pattern: str, text: str) -> str:
    found = re.search(pattern, text)
    if found is None:
        raise ValueError(f"wrk did not say {pattern}: {text}")
    return found.group(1)


def _milliseconds(text: str) -> float:
    for unit, factor in (("us", 0.001), ("ms", 1.0), ("s", 1000.0)):
        if text.endswith(unit):
            return round(float(text.removesuffix(unit)) * factor, 3)
    raise ValueError(f"no time: {text}")


def _cpu_seconds(child: ChildProcess) -> float:
    times = [process.cpu_times() for process in family(child.pid or 0)]
    return sum(time.user + time.system for time in times)


def measure_load(bench: Bench) -> list[dict[str, Any]]:
    """The app, the floor and the peer."""
    plain, computed = json.dumps(ASKED).encode(), json.dumps(ASKED | {"level": [81, 95]}).encode()
    app_port, floor_port, peer_port = PORT_BASE + 2, PORT_BASE + 3, PORT_BASE + 4
    app = bench.app(app_port)
    try:
        answer = _post(app_port, "/predict", ASKED)
        inputs = _post(app_port, "/simulate", ASKED)["inputs"]
        rows = load("app", app, app_port, "/predict", plain)
        rows += load("app, every forecast computed", app, app_port, "/predict", computed)
    finally:
        app.stop()
    (bench.directory / "answer.json").write_text(json.dumps(answer, separators=(",", ":")), encoding="utf-8")
    rows += _floor(bench, floor_port, plain)
    rows += _peer(bench, peer_port, inputs)
    return rows


def _floor(bench: Bench, port: int, body: bytes) -> list[dict[str, Any]]:
    variables = {
        "FORECASTING_MLFLOW_TRACKING_URI": bench.mlflow_url,
        "FORECASTING_APP_PORT": str(port),
        "FLOOR_ANSWER": str(bench.directory / "answer.json"),
    }
    floor = bench.start("floor", ["benchmarks.serve_floor"], port, "/", **variables)
    try:
        return load("floor: bare Flask", floor, port, "/predict", body)
    finally:
        floor.stop()


def _peer(bench: Bench, port: int, inputs: list[dict[str, Any]]) -> list[dict[str, Any]]:
    model = f"models:/{bench.versions[0].name}@champion"
    peer = bench.start(
        "peer",
        ["mlflow", "models", "serve", "-m", model, "--env-manager", "local", "--port", str(port), "--workers", "1"],
        port,
        "/ping",
        MLFLOW_TRACKING_URI=bench.mlflow_url,
    )
    columns = list(inputs[0])
    body = {"dataframe_split": {"columns": columns, "data": [[row[name] for name in columns] for row in inputs]}}
    try:
        return load("peer: mlflow models serve", peer, port, "/invocations", json.dumps(body).encode())
    finally:
        peer.stop()


def _post(port: int, path: str, body: dict[str, Any]) -> dict[str, Any]:
    answer = requests.post(f"http://127.0.0.1:{port}{path}", json=body, headers=HEADERS, timeout=30)
    answer.raise_for_status()
    found: dict[str, Any] = answer.json()
    return found


# ---- swaps


# ---- the page


def measure_page(bench: Bench) -> dict[str, Any]:
    """One row: from asking for the page, nothing cached, to the forecast standing in it, in a real browser."""
    from playwright.sync_api import sync_playwright

    port = PORT_BASE + 2
    app = bench.app(port, API_KEYS="")
    try:
        with sync_playwright() as playwright:
            browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox", "--disable-gpu"])
            took = [_opened(browser, f"http://127.0.0.1:{port}/") for _ in range(PAGE_LOADS)]
    finally:
        app.stop()
    return {"what": "the page", "loads": PAGE_LOADS, "seconds_median": float(np.median(took)), "seconds_max": max(took)}


def _opened(browser: Any, url: str) -> float:
    page = browser.new_context().new_page()
    began = time.perf_counter()
    page.goto(url)
    page.wait_for_selector("#values tbody tr")
    took = time.perf_counter() - began
    page.context.close()
    return round(took, 3)


# ---- together


def aims_of(loads: list[dict[str, Any]], swaps: list[dict[str, Any]]) -> list[Aim]:
    """What issue 7 asks for."""
    at = {(row["what"], row["connections"]): row for row in loads}
    app, floor, peer = (at[what, 8] for what in ("app", "floor: bare Flask", "peer: mlflow models serve"))
    computed = at["app, every forecast computed", 8]
    speed = app["requests_per_second"]
    to_peer, to_floor = speed / peer["requests_per_second"], speed / floor["requests_per_second"]
    errors, mixed = (sum(row[name] for row in swaps) for name in ("errors", "mixed"))
    growth = max(row["memory_mib_at_the_end"] / row["memory_mib_after_a_tenth"] for row in swaps)
    return [
        _at_most("p99 at 8 connections, ms", app["p99_ms"], 20),
        _at_least("requests/s to the peer's, 8 connections", to_peer, 5),
        _at_least("requests/s to the floor's, 8 connections", to_floor, 0.6),
        _at_most("CPU a request, ms, 8 connections", app["cpu_ms_per_request"], 0.5),
        _at_most("the same, every forecast computed", computed["cpu_ms_per_request"], 0.5),
        _at_most("errors while swapping", errors, 0),
        _at_most("answers that are not of the version they name", mixed, 0),
        _at_most("memory at the end to a tenth of the way", growth, 1.05),
        _at_most("served after an alias move, s, worst", max(row["served_after_seconds_max"] for row in swaps), 5),
    ]


def _at_most(name: str, value: float, aim: float) -> Aim:
    return Aim(name, value, f"<= {aim:g}", value <= aim)


def _at_least(name: str, value: float, aim: float) -> Aim:
    return Aim(name, value, f">= {aim:g}", value >= aim)


def main() -> None:
    """Measure and report."""
    system_program("wrk")
    logging.getLogger("mlflow").setLevel(logging.ERROR)
    with running() as bench:
        loads = measure_load(bench)
        costs = layers(MlflowModelRegistry(bench.mlflow_url).load(bench.versions[0]), ASKED)
        swaps = [measure_swaps(bench, 6, 1.0), measure_swaps(bench, MOVES, 0.02)]
        page = measure_page(bench)
    aims = [*aims_of(loads, swaps), _at_most("the page with its forecast, s, worst", page["seconds_max"], 1)]
    report("serve", [*loads, *costs, *swaps, page], aims)


if __name__ == "__main__":
    main()

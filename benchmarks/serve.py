"""A forecast over HTTP: requests a second, latency, processor time, and what a swap of the champion costs.

`make bench NAME=serve` (`FULL=0` for a run of two minutes). `wrk` is installed where that may be done. In one run,
after each other: the app with everything in the path (keys, rate limit, validation, metrics, log of requests, log
of predictions in Postgres), the floor (`serve_floor`, under the same server), and the peer, `mlflow models serve`
with the same version. Each answers 15 days of one series. Then the layers one by one, in this process. Then alias
moves in a real MLflow under steady load, each answer compared by value with the version it names. Last the page, in a
real browser (Chromium).
"""

import http.client
import json
import logging
import os
import re
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import requests

from benchmarks.environments import system_program
from benchmarks.results_file import Aim, report
from benchmarks.serve_layers import layers
from forecasting_platform.adapters.feeds.simulated_gas_supply import simulate_gas_supply
from forecasting_platform.adapters.mlflow.model_registry import MlflowModelRegistry
from forecasting_platform.adapters.postgres.ledger import PostgresLedger
from forecasting_platform.adapters.postgres.table_store import PostgresTableStore
from forecasting_platform.forecasting.models.recipes.recipe import Recipe
from forecasting_platform.forecasting.models.training.training import train
from forecasting_platform.forecasting.series.days.date_range import DateRange
from forecasting_platform.forecasting.series.features.feature_table import build_features
from forecasting_platform.forecasting.series.frames import FEATURE_TABLE
from forecasting_platform.local.embedded_postgres import EmbeddedPostgres
from forecasting_platform.local.processes import ChildProcess, Program, family
from forecasting_platform.ports.model_registry import ModelVersion

FULL = os.environ.get("FULL", "1") != "0"
SECONDS = 10 if FULL else 3
MOVES = 1000 if FULL else 30
CONNECTIONS = (1, 8, 32)
CLIENTS_WHILE_SWAPPING = 4
PAGE_LOADS = 20
CHROMIUM = os.environ.get("CHROMIUM") or shutil.which("chromium")
PORT_BASE = 21_500
KEY = "benchmark-key"
PERIOD = DateRange(date(2018, 1, 1), date(2023, 6, 30))
ASKED = {"start": "2023-07-01", "end": "2023-07-15", "unique_id": "Corrib production"}
ENVIRONMENT = {
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "PYTHONPATH": str(Path.cwd()),
    # The peer starts its own server by name.
    "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ.get('PATH', '')}",
}
HEADERS = {"Content-Type": "application/json", "X-API-Key": KEY}


@dataclass
class Bench:
    """What runs while measuring."""

    directory: Path
    stack: ExitStack
    dsn: str = ""
    mlflow_url: str = ""
    versions: list[ModelVersion] = field(default_factory=list)

    def start(self, name: str, module: list[str], port: int, path: str, **environment: str) -> ChildProcess:
        """A program of this Python that is ready when `path` answers; stopped in the end at the latest."""
        program = Program(
            name=name,
            argv=[sys.executable, "-m", *module],
            environment=os.environ | ENVIRONMENT | environment,
            log_file=self.directory / f"{name.replace(' ', '-')}.log",
            is_ready=lambda: _answers(f"http://127.0.0.1:{port}{path}"),
            deadline_seconds=240,
            directory=self.directory,
        )
        child = ChildProcess(program)
        child.start()
        child.wait_until_ready()
        return child

    def app(self, port: int, **settings: str) -> ChildProcess:
        """The app, with every part it has."""
        named = {
            "MLFLOW_TRACKING_URI": self.mlflow_url,
            "POSTGRES_DSN": self.dsn,
            "APP_PORT": str(port),
            "API_KEYS": KEY,
            "APP_RATE_LIMIT": "100000000 per minute",
        } | settings
        variables = {f"FORECASTING_{name}": value for name, value in named.items()}
        return self.start("app", ["serve"], port, "/ready", **variables)


def _answers(url: str) -> bool:
    try:
        return requests.get(url, timeout=5).status_code < 500
    except requests.RequestException:
        return False


@contextmanager
def running() -> Iterator[Bench]:
    """Postgres and MLflow with two versions of a model, whose forecasts differ; the first is champion."""
    with ExitStack() as stack:
        bench = Bench(Path(stack.enter_context(tempfile.TemporaryDirectory())), stack)
        postgres = stack.enter_context(EmbeddedPostgres(bench.directory / "postgres", PORT_BASE))
        postgres.create_database("forecasting")
        bench.dsn, bench.mlflow_url = postgres.dsn("forecasting"), f"http://127.0.0.1:{PORT_BASE + 1}"
        options = ["--workers", "1", "--artifacts-destination", str(bench.directory / "artifacts")]
        mlflow = bench.start(
            "mlflow",
            ["mlflow", "server", "--host", "127.0.0.1", "--port", str(PORT_BASE + 1), *options],
            PORT_BASE + 1,
            "/health",
            MLFLOW_BACKEND_STORE_URI=f"sqlite:///{bench.directory}/mlflow.db",
            MLFLOW_SERVER_ENABLE_JOB_EXECUTION="false",
        )
        stack.callback(mlflow.stop)
        _fill(bench)
        yield bench


def _fill(bench: Bench) -> None:
    wide = simulate_gas_supply(PERIOD).rename_axis(index="ds", columns="unique_id")
    observations = wide.reset_index().melt("ds", var_name="unique_id", value_name="y")
    recipe = Recipe()
    features = build_features(observations, PERIOD, recipe.country)
    store, ledger = PostgresTableStore(bench.dsn), PostgresLedger(bench.dsn)
    store.prepare()
    ledger.prepare()
    store.record_observations(observations, PERIOD, available_at=datetime.now(UTC))
    store.replace(FEATURE_TABLE, features, PERIOD)
    first = train(features, PERIOD.end, recipe, code_version="benchmark").model
    naive = np.tile(np.eye(len(first.candidates))[0], (len(first.unique_ids), 1))
    registry = MlflowModelRegistry(bench.mlflow_url)
    for model in (first, replace(first, weights=naive)):
        bench.versions.append(registry.register(model, plots={}, run_tags={}))
    registry.move_champion(bench.versions[0], expected=None)
    store.close()
    ledger.close()


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


@dataclass
class Client:
    """Asks again and again, and compares each answer with the version it names."""

    port: int
    expected: dict[str, list[float]]
    stopping: threading.Event
    answers: int = 0
    errors: int = 0
    mixed: int = 0
    newest: str = ""

    def run(self) -> None:
        """Until told to stop."""
        connection, body = http.client.HTTPConnection("127.0.0.1", self.port, timeout=30), json.dumps(ASKED)
        while not self.stopping.is_set():
            self._ask(connection, body)
            # Steady, not as fast as it goes: what loads a version needs the processor too.
            time.sleep(0.01)

    def _ask(self, connection: http.client.HTTPConnection, body: str) -> None:
        try:
            connection.request("POST", "/predict", body, HEADERS)
            response = connection.getresponse()
            document = json.loads(response.read())
        except (OSError, http.client.HTTPException, ValueError):
            self.errors += 1
            connection.close()
            return
        self.answers += 1
        if response.status != 200:
            self.errors += 1
            return
        version = document["model"]["version"]
        self.mixed += [row["y_hat"] for row in document["forecasts"]] != self.expected[version]
        self.newest = version


def measure_swaps(bench: Bench, moves: int, poll_seconds: float) -> dict[str, Any]:
    """One row: alias moves under load, each waited for until it is served."""
    port = PORT_BASE + 2
    app = bench.app(port, CHAMPION_POLL_SECONDS=str(poll_seconds))
    stopping = threading.Event()
    registry, expected = MlflowModelRegistry(bench.mlflow_url), _expected(bench)
    clients = [Client(port, expected, stopping) for _ in range(CLIENTS_WHILE_SWAPPING)]
    threads = [threading.Thread(target=client.run) for client in clients]
    for thread in threads:
        thread.start()
    try:
        took, memory = _move(bench, registry, moves, clients[0], app)
    finally:
        stopping.set()
        for thread in threads:
            thread.join()
        app.stop()
    return {
        "what": f"alias moves, the app looks every {poll_seconds:g} s",
        "moves": moves,
        "answers": sum(client.answers for client in clients),
        "errors": sum(client.errors for client in clients),
        "mixed": sum(client.mixed for client in clients),
        "served_after_seconds_median": round(float(np.median(took)), 3),
        "served_after_seconds_max": round(max(took), 3),
        "memory_mib_after_a_tenth": round(memory[len(memory) // 10], 1),
        "memory_mib_at_the_end": round(memory[-1], 1),
    }


def _expected(bench: Bench) -> dict[str, list[float]]:
    registry, store = MlflowModelRegistry(bench.mlflow_url), PostgresTableStore(bench.dsn)
    newest = store.read_newest(FEATURE_TABLE)
    store.close()
    days = [date.fromisoformat(ASKED["start"]) + timedelta(days=ahead) for ahead in range(15)]
    expected = {}
    for version in bench.versions:
        model = registry.load(version).with_features(newest)
        expected[version.version] = model.predict(model.inputs(days, unique_ids=[ASKED["unique_id"]])).y_hat.tolist()
    if len({str(values) for values in expected.values()}) != len(bench.versions):
        raise ValueError("the versions forecast the same, so a mixed answer could not be seen")
    return expected


def _move(
    bench: Bench, registry: MlflowModelRegistry, moves: int, client: Client, app: ChildProcess
) -> tuple[list[float], list[float]]:
    took, memory = [], []
    for number in range(moves):
        current, target = bench.versions[number % 2], bench.versions[(number + 1) % 2]
        registry.move_champion(target, expected=current.version)
        moved = time.monotonic()
        while client.newest != target.version:
            if time.monotonic() - moved > 60:
                raise TimeoutError(f"version {target.version} was not served within 60 s of move {number}")
            time.sleep(0.005)
        took.append(time.monotonic() - moved)
        memory.append(sum(process.memory_info().rss for process in family(app.pid or 0)) / 2**20)
    if moves % 2:
        registry.move_champion(bench.versions[0], expected=bench.versions[1].version)
    return took, memory


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

"""Whether each answer comes from one version, whole, while the champion changes under load."""

import http.client
import json
import threading
import time
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any

import numpy as np

from benchmarks.served_platform import ASKED, HEADERS, PORT_BASE, Bench
from forecasting_platform.adapters.mlflow.model_registry import MlflowModelRegistry
from forecasting_platform.adapters.postgres.table_store import PostgresTableStore
from forecasting_platform.forecasting.series.frames import FEATURE_TABLE
from forecasting_platform.local.processes import ChildProcess, family

CLIENTS_WHILE_SWAPPING = 4


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

"""A Spark Connect server for tests, started as the platform starts it."""

import json
import os
import socket
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import psutil

from forecasting_platform.adapters.spark.connect_server import address_of, launch
from forecasting_platform.adapters.spark.java import java_home
from forecasting_platform.adapters.spark.options import SparkOptions
from forecasting_platform.local.environment import SPARK_OF_ONE_MACHINE
from forecasting_platform_tests.support.ports import free_ports
from forecasting_platform_tests.support.waiting import PATIENCE_SECONDS, wait_until

SPARK_MASTER = "local[*,2]"
OF_THE_TESTS = {"PYTHONPATH": str(Path(__file__).parents[2])}
"""Tasks run functions of the tests, which are not installed."""
OF_THE_CLUSTER = {
    "spark.driver.host": "127.0.0.1",
    "spark.driver.bindAddress": "127.0.0.1",
    "spark.executor.memory": "512m",
    "spark.executor.defaultJavaOptions": SPARK_OF_ONE_MACHINE["spark.driver.defaultJavaOptions"],
    "spark.sql.shuffle.partitions": "2",
}


@contextmanager
def running_spark(
    folder: Path, *, master: str = SPARK_MASTER, conf: Mapping[str, str] | None = None
) -> Iterator[SparkOptions]:
    """A server whose tables are in a folder; what it writes to its log is shown where it does not start."""
    port = free_ports()
    options = SparkOptions(
        str(folder / "ware house"),
        remote=address_of(port, "a token"),
        metastore_dir=folder / "metastore",
        master=master,
        conf={**SPARK_OF_ONE_MACHINE, **(conf or {})},
    )
    command, launched = launch(options, folder / "server")
    environment = os.environ | launched | OF_THE_TESTS
    log = folder / "spark.log"
    with log.open("w") as output:
        process = subprocess.Popen(
            command, env=os.environ | environment | OF_THE_TESTS, stdout=output, stderr=subprocess.STDOUT
        )
    try:
        wait_until("a Spark Connect server", lambda: _listens(port, process, log))
        yield replace(options, metastore_dir=None, conf={}, master=SPARK_MASTER)
    finally:
        process.terminate()
        process.wait(PATIENCE_SECONDS)


def _listens(port: int, process: subprocess.Popen[bytes], log: Path) -> bool:
    assert process.poll() is None, log.read_text()
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


@dataclass(frozen=True)
class Cluster:
    """A standalone cluster: its address, and the processes of its workers, each with one core."""

    master: str
    workers: list[subprocess.Popen[bytes]]

    @property
    def environment(self) -> dict[str, str]:
        """What a platform is started with, so that its Spark is this cluster."""
        conf = {**SPARK_OF_ONE_MACHINE, **OF_THE_CLUSTER}
        return {
            "FORECASTING_SPARK_MASTER": self.master,
            "FORECASTING_SPARK_CONF": json.dumps(conf),
            "PYSPARK_PYTHON": sys.executable,
        }

    def kill_executor(self, number: int) -> None:
        """Kill what runs the tasks of a worker; the worker starts it again."""
        for child in psutil.Process(self.workers[number].pid).children(recursive=True):
            child.kill()


@contextmanager
def standalone_cluster(folder: Path) -> Iterator[Cluster]:
    """A master and two workers, each a process of its own, from the jars that come with pyspark."""
    import pyspark

    port, home = free_ports(), folder / "java"
    home.mkdir(parents=True)
    environment = os.environ | {"JAVA_HOME": str(java_home(home)), "SPARK_LOCAL_IP": "127.0.0.1"}
    environment |= {"SPARK_WORKER_DIR": str(folder / "work"), "SPARK_DAEMON_MEMORY": "256m"}
    start, package = Path(pyspark.__file__).parent / "bin" / "spark-class", "org.apache.spark.deploy"
    master = f"spark://127.0.0.1:{port}"
    place = ["--host", "127.0.0.1", "--webui-port", "0"]
    words = [[f"{package}.master.Master", *place, "--port", str(port)]]
    words += [[f"{package}.worker.Worker", *place, "--cores", "1", "--memory", "1g", master]] * 2
    log = folder / "cluster.log"
    with log.open("w") as output, ExitStack() as stops:
        started = []
        for command in words:
            process = subprocess.Popen([str(start), *command], env=environment, stdout=output, stderr=subprocess.STDOUT)
            stops.callback(process.wait, PATIENCE_SECONDS)
            stops.callback(process.terminate)
            started.append(process)
            if process is started[0]:
                wait_until("a master", lambda: _listens(port, started[0], log))
        yield Cluster(master, started[1:])

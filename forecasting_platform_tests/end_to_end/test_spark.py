"""The same platform with its tables in Spark SQL, on a cluster: a master and two workers, processes of their own."""

import csv
import io
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import date

import psutil
import psycopg
import pytest
import requests

from forecasting_platform.adapters.feeds.simulated_gas_supply import simulate_gas_supply
from forecasting_platform.forecasting.series.days.date_range import DateRange
from forecasting_platform.local.dagster.api import DagsterApi
from forecasting_platform_tests.support.spark_server import Cluster, standalone_cluster
from forecasting_platform_tests.support.started_platform import Platform, processes_of, served_platform
from forecasting_platform_tests.support.waiting import PATIENCE_SECONDS, wait_until

pytestmark = [pytest.mark.slow, pytest.mark.end_to_end]

DAYS = DateRange(date(2022, 10, 1), date(2023, 6, 30))
WEEK = DateRange(date(2023, 7, 1), date(2023, 7, 7))
SERIES = 4


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    with standalone_cluster(tmp_path_factory.mktemp("cluster")) as running:
        yield running


@pytest.fixture(scope="module")
def started(tmp_path_factory: pytest.TempPathFactory, cluster: Cluster) -> Iterator[Platform]:
    data_dir = tmp_path_factory.mktemp("on spark") / "data dir"
    words = ["--spark", "--start", DAYS.start.isoformat(), "--end", DAYS.end.isoformat()]
    with served_platform(data_dir, data_dir.parent / "up.log", cluster.environment, words) as running:
        yield running


def test_the_days_loaded_into_spark_are_the_feeds_and_none_are_in_postgres(platform: Platform) -> None:
    assert DagsterApi(platform.endpoints["dagster"]).materialized_days("feature_table") == set(DAYS)
    done = platform.run("features", "--start", DAYS.start.isoformat(), "--end", DAYS.end.isoformat())
    assert done.returncode == 0, done.stderr
    found = {(row["unique_id"], row["ds"]): float(row["y"]) for row in csv.DictReader(io.StringIO(done.stdout))}
    fed = simulate_gas_supply(DAYS).stack()
    assert found == {(str(name), f"{day:%Y-%m-%d}"): value for (day, name), value in fed.items()}
    with psycopg.connect(platform.endpoints["postgres"]) as connection:
        assert connection.execute("select count(*) from forecasting.raw_observations").fetchall() == [(0,)]


def test_the_champion_was_trained_there_and_answers(platform: Platform) -> None:
    assert platform.json("status")["champion"] == "1"
    answer = platform.post("/predict", {"start": "2023-07-01", "end": "2023-07-15"}).json()
    assert len(answer["forecasts"]) == SERIES * 15


def test_runs_sensors_and_commands_share_two_cores_while_a_worker_is_lost(platform: Platform, cluster: Cluster) -> None:
    week = ("--start", WEEK.start.isoformat(), "--end", WEEK.end.isoformat())
    with ThreadPoolExecutor() as beside:
        training = beside.submit(platform.run, "train")
        (loaded,) = platform.json("load", *week)
        cluster.kill_executor(0)
        assert training.result().returncode == 0, training.result().stderr
    assert (loaded["new"], loaded["revised"], loaded["unchanged"]) == (SERIES * len(WEEK), 0, 0)
    dagster = DagsterApi(platform.endpoints["dagster"])
    wait_until("errors of the week", lambda: set(WEEK) <= dagster.materialized_days("forecast_errors"))
    (again,) = platform.json("load", *week)
    assert (again["new"], again["revised"], again["unchanged"]) == (0, 0, SERIES * len(WEEK))
    report = platform.json("report")
    assert {row["days"] for row in report["accuracy"] if row["window_days"] == 7} == {len(WEEK)}


def test_the_app_shows_past_days_of_its_tables(platform: Platform) -> None:
    found = requests.get(
        f"{platform.endpoints['app']}/history?start=2023-06-01&end=2023-06-30", timeout=PATIENCE_SECONDS
    ).json()
    assert len(found["actuals"]) == SERIES * 30
    past = platform.post("/predict", {"start": "2023-06-20", "end": "2023-06-22"}).json()
    assert {row["cutoff"] for row in past["forecasts"]} == {"2023-06-19"}


def test_all_share_one_java_process_that_is_reached_from_this_machine_only(platform: Platform) -> None:
    started = platform.process_of("Spark")
    java = [
        process
        for process in psutil.process_iter(["name", "environ"])
        if process.info["name"] == "java" and str(platform.data_dir) in str(process.info["environ"])
    ]
    assert java == [started]
    listeners = [found.laddr.ip for found in started.net_connections() if found.status == psutil.CONN_LISTEN]
    assert listeners
    assert all(address.endswith("127.0.0.1") for address in listeners)


def test_ctrl_c_leaves_nothing_running(platform: Platform) -> None:
    assert platform.stop() == 0
    assert processes_of(platform.data_dir) == []

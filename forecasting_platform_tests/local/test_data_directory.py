import json
import os
import stat
import subprocess
import sys
import time
from collections.abc import Iterator
from datetime import date
from pathlib import Path

import psutil
import pytest

from forecasting_platform.errors import PlatformStateError
from forecasting_platform.local.data_directory import OWNER_VARIABLE, DataDirectory
from forecasting_platform.local.platform import EmbeddedPlatform
from forecasting_platform_tests.support.waiting import wait_until

ENDPOINTS = {"dagster": "http://127.0.0.1:3000", "postgres": "postgresql://platform:secret@127.0.0.1:3003/forecasting"}


@pytest.fixture
def directory(tmp_path: Path) -> Iterator[DataDirectory]:
    found = DataDirectory(tmp_path / "not there yet" / "data")
    yield found
    found.release()


def test_a_second_claim_is_refused_naming_the_process_that_holds_it(directory: DataDirectory) -> None:
    directory.claim()
    with pytest.raises(PlatformStateError, match=rf"runs in .*data already \(process {os.getpid()}\).*down"):
        DataDirectory(directory.path).claim()
    directory.release()
    directory.claim()


def test_a_file_in_the_way_is_refused_naming_the_option(tmp_path: Path) -> None:
    (tmp_path / "data").write_text("a file")
    with pytest.raises(PlatformStateError, match=r"data cannot be used: .*Name another one with --data-dir"):
        DataDirectory(tmp_path / "data").claim()


@pytest.mark.skipif(not Path("/proc/self").exists(), reason="needs a place where nobody can write")
def test_a_place_where_nobody_can_write_is_refused() -> None:
    with pytest.raises(PlatformStateError, match="/proc/platform cannot be used"):
        DataDirectory(Path("/proc/platform")).claim()


def test_no_supervisor_is_found_where_none_runs(directory: DataDirectory) -> None:
    assert directory.supervisor() is None
    assert not directory.stop_supervisor()
    assert not directory.path.exists(), "looking makes nothing"


def test_the_supervisor_is_found_while_it_holds_the_directory(directory: DataDirectory) -> None:
    directory.claim()
    assert directory.supervisor() == psutil.Process()
    directory.release()
    assert directory.supervisor() is None


def test_a_number_that_another_process_has_by_now_is_no_supervisor(directory: DataDirectory) -> None:
    directory.claim()
    file = directory.path / "supervisor.json"
    file.write_text(json.dumps({**json.loads(file.read_text()), "created": time.time() - 9999.0}))
    assert directory.supervisor() is None


def test_endpoints_are_private_and_only_known_while_the_platform_runs(directory: DataDirectory) -> None:
    with pytest.raises(PlatformStateError, match=r"no platform runs in .*forecasting-platform up --data-dir"):
        directory.endpoints()
    directory.claim()
    directory.write_endpoints(ENDPOINTS)
    assert directory.endpoints() == ENDPOINTS
    file = directory.path / "endpoints.json"
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    directory.remove_endpoints()
    assert not file.exists()


def test_endpoints_left_by_a_crash_are_not_believed(directory: DataDirectory) -> None:
    directory.claim()
    directory.write_endpoints(ENDPOINTS)
    directory.release()
    with pytest.raises(PlatformStateError, match="no platform runs"):
        directory.endpoints()


@pytest.mark.slow
def test_recorded_processes_of_a_crashed_platform_are_stopped(directory: DataDirectory) -> None:
    directory.claim()
    with subprocess.Popen(["sleep", "600"]) as left:
        directory.record_processes({"sleeper": left.pid})
        assert directory.stop_leftovers() == [f"sleep ({left.pid})"]
        assert not psutil.pid_exists(left.pid)
    assert directory.stop_leftovers() == []


@pytest.mark.slow
def test_unrecorded_processes_that_carry_the_mark_of_the_directory_are_stopped(directory: DataDirectory) -> None:
    directory.claim()
    marked = {**os.environ, OWNER_VARIABLE: str(directory.path)}
    others = {**os.environ, OWNER_VARIABLE: f"{directory.path}-of-another"}
    with subprocess.Popen(["sleep", "600"], env=marked) as left, subprocess.Popen(["sleep", "600"], env=others) as kept:
        both = [psutil.Process(started.pid) for started in (left, kept)]
        wait_until("both programs", lambda: {process.name() for process in both} == {"sleep"})
        assert directory.stop_leftovers() == [f"sleep ({left.pid})"]
        assert kept.poll() is None
        kept.terminate()


@pytest.mark.slow
def test_a_recorded_number_that_another_process_has_by_now_is_left_alone(directory: DataDirectory) -> None:
    directory.claim()
    with subprocess.Popen(["sleep", "600"]) as innocent:
        directory.record_processes({"sleeper": innocent.pid})
        file = directory.path / "processes.json"
        file.write_text(json.dumps([{**json.loads(file.read_text())[0], "created": time.time() - 9999.0}]))
        assert directory.stop_leftovers() == []
        assert innocent.poll() is None
        innocent.terminate()


@pytest.mark.slow
def test_a_running_platform_is_stopped_from_another_process(directory: DataDirectory) -> None:
    script = (
        "import sys, time; from pathlib import Path\n"
        "from forecasting_platform.local.data_directory import DataDirectory\n"
        "DataDirectory(Path(sys.argv[1])).claim(); print('held', flush=True); time.sleep(600)\n"
    )
    with subprocess.Popen(
        [sys.executable, "-c", script, str(directory.path)], stdout=subprocess.PIPE, text=True
    ) as supervisor:
        assert supervisor.stdout is not None
        supervisor.stdout.readline()
        assert directory.stop_supervisor()
        assert directory.supervisor() is None


def test_a_log_that_grows_too_long_begins_anew_and_its_process_writes_on(tmp_path: Path) -> None:
    directory = DataDirectory(tmp_path)
    directory.claim()
    log, short = directory.logs / "app.log", directory.logs / "short.log"
    short.write_text("a line\n")
    with log.open("ab") as writer:
        writer.write(b"x" * 1000)
        writer.flush()
        directory.bound_logs(max_bytes=999)
        writer.write(b"goes on")
        writer.flush()
        directory.bound_logs(max_bytes=999)
    assert (log.read_bytes(), (directory.logs / "app.log.1").stat().st_size) == (b"goes on", 1000)
    assert short.read_text() == "a line\n"
    directory.release()


def test_the_first_partition_is_never_later_than_it_was(directory: DataDirectory) -> None:
    assert (directory.first_day(None), directory.known_first_day) == (None, None)
    directory.claim()
    for wanted, expected in ((date(2016, 1, 1), date(2016, 1, 1)), (date(2020, 1, 1), date(2016, 1, 1)),
                             (None, date(2016, 1, 1)), (date(1999, 1, 1), date(1999, 1, 1))):  # fmt: skip
        assert directory.first_day(wanted) == expected
    assert DataDirectory(directory.path).known_first_day == date(1999, 1, 1)


@pytest.mark.parametrize("is_folder", [False, True])
def test_a_described_feed_is_all_that_the_processes_are_told_of(tmp_path: Path, is_folder: bool) -> None:
    described = tmp_path / "feeds" / "gas.yaml"
    described.parent.mkdir()
    described.write_text("", encoding="utf-8")
    feed = described.parent if is_folder else described
    caller = {"FORECASTING_FEED": "/other.yaml", "FORECASTING_FEEDS": "/others", "FORECASTING_FEED_URL": "http://x"}
    (tmp_path / "data").mkdir()
    platform = EmbeddedPlatform(tmp_path / "data", feed=feed, first_day=date(2016, 1, 1), environment=caller)
    told = {name: value for name, value in platform._environment().items() if "FEED" in name or "FIRST" in name}
    del told["FORECASTING_FEED_ARCHIVE"]
    assert told == {
        "FORECASTING_FEED_URL": "",
        "FORECASTING_FEED": "" if is_folder else str(feed),
        "FORECASTING_FEEDS": str(feed) if is_folder else "",
        "FORECASTING_FIRST_PARTITION_DATE": "2016-01-01",
    }
    assert platform.settings["first_partition_date"] == "2016-01-01"
    assert platform.feed_url == feed.as_uri()


def test_commands_ask_for_the_model_that_the_platform_was_started_with(tmp_path: Path) -> None:
    platform = EmbeddedPlatform(tmp_path / "data", environment={"FORECASTING_MODEL_NAME": "gas"})
    assert platform.settings["model_name"] == "gas"
    assert "model_name" not in EmbeddedPlatform(tmp_path / "data", environment={}).settings

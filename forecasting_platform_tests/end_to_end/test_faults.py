"""What breaks on a platform that was started by its command, and what a person sees of it.

A load that is disturbed is in `orchestration/test_load_faults.py`.
"""

import os
import subprocess
from collections.abc import Iterator
from datetime import date
from pathlib import Path

import pytest
import requests

from forecasting_platform.forecasting.series.days.date_range import DateRange
from forecasting_platform_tests.support.faulty_feed import FaultyFeed, running_feed
from forecasting_platform_tests.support.ports import free_ports
from forecasting_platform_tests.support.started_platform import (
    COMMAND,
    PORTS,
    SERVED_SECONDS,
    STOP_SECONDS,
    Platform,
    processes_of,
    run_command,
)
from forecasting_platform_tests.support.waiting import PATIENCE_SECONDS, wait_until

pytestmark = [pytest.mark.slow, pytest.mark.end_to_end]

WEEK = DateRange(date(2023, 7, 1), date(2023, 7, 7))


@pytest.fixture(scope="module")
def feed() -> Iterator[FaultyFeed]:
    with running_feed(date(2023, 8, 31)) as found:
        yield found


@pytest.fixture
def sound_feed(feed: FaultyFeed) -> Iterator[FaultyFeed]:
    """The feed, without faults before and after."""
    feed.recover()
    yield feed
    feed.recover()


@pytest.mark.skipif(not Path("/proc/self").exists(), reason="needs a place where nobody can write")
def test_a_data_directory_where_nobody_can_write_is_refused_by_name() -> None:
    refused = run_command("up", "--data-dir", "/proc/platform", "--port-base", str(free_ports(PORTS)))
    assert (refused.returncode, refused.stdout) == (1, "")
    assert "/proc/platform cannot be used" in refused.stderr
    assert "--data-dir" in refused.stderr


@pytest.fixture(scope="module")
def bare(feed: FaultyFeed, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Platform]:
    """A platform without data, model or champion, whose feed the tests can break."""
    data_dir = tmp_path_factory.mktemp("bare platform") / "data"
    log = data_dir.parent / "up.log"
    words = ["up", "--data-dir", str(data_dir), "--port-base", str(free_ports(PORTS)), "--feed-url", feed.url]
    impatient = os.environ | {"FORECASTING_FEED_TIMEOUT_SECONDS": "10"}
    with log.open("w", encoding="utf-8") as output:
        process = subprocess.Popen(
            [COMMAND, *words, "--no-main-job"], stdout=output, stderr=subprocess.STDOUT, text=True, env=impatient
        )
    started = Platform(data_dir, process, log)

    def is_up() -> bool:
        text = log.read_text(encoding="utf-8")
        assert process.poll() is None, text
        return "Ctrl-C stops everything" in text

    try:
        wait_until("a platform that is up", is_up, SERVED_SECONDS)
        yield started
    finally:
        if process.poll() is None:
            process.terminate()
            process.wait(STOP_SECONDS)


def test_before_there_is_a_champion_the_app_says_how_to_get_one(bare: Platform) -> None:
    answer = bare.post("/predict", {"start": "2023-07-01", "end": "2023-07-15"})
    assert answer.status_code == 503
    assert answer.headers["Content-Type"] == "application/problem+json"
    assert "has no champion yet. Train a model (`forecasting-platform train`)" in answer.json()["detail"]
    app = bare.endpoints["app"]
    assert requests.get(f"{app}/health", timeout=PATIENCE_SECONDS).status_code == 200
    assert requests.get(f"{app}/ready", timeout=PATIENCE_SECONDS).status_code == 503


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("forecast", "--start", "2023-07-01", "--end", "2023-07-02"), "has no champion yet"),
        (("train",), "Load the days to train on, then train again"),
        (("promote",), "has no challenger to evaluate. Run `forecasting-platform train` first"),
        (("rollback", "--reason", "a drill"), "has no champion yet"),
    ],
    ids=["forecast", "train", "promote", "rollback"],
)
def test_a_command_that_comes_too_early_says_what_comes_first(
    bare: Platform, words: tuple[str, ...], said: str
) -> None:
    failed = bare.run(*words, "--json")
    assert (failed.returncode, failed.stdout) == (1, "")
    assert said in " ".join(failed.stderr.split())
    assert "Traceback" not in failed.stderr


def test_a_load_from_a_feed_that_is_down_fails_with_the_feeds_words(bare: Platform, sound_feed: FaultyFeed) -> None:
    sound_feed.fail("down")
    failed = bare.run("load", "--start", str(WEEK.start), "--end", str(WEEK.end), "--json")
    assert (failed.returncode, failed.stdout) == (1, "")
    assert "answered 503" in failed.stderr
    assert "Traceback" not in failed.stderr


def test_a_killed_server_ends_the_platform_by_name_with_its_log_and_leaves_nothing_running(bare: Platform) -> None:
    bare.process_of("MLflow").kill()
    assert bare.process.wait(STOP_SECONDS) == 1
    said = bare.log.read_text(encoding="utf-8")
    assert "forecasting-platform: MLflow ended with signal SIGKILL" in said
    assert '"GET /api/2.0/mlflow/registered-models/alias' in said, "the end of its log"
    assert "Traceback" not in said
    assert processes_of(bare.data_dir) == []
    assert not (bare.data_dir / "endpoints.json").exists()

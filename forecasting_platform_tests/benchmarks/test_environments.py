"""The environments of peers: made once, however many ask, and anew when the last one was cut short."""

import subprocess
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from benchmarks import environments


@pytest.fixture
def commands(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[list[str]]:
    """What is run; making an environment puts an interpreter there, and lets others go on meanwhile."""
    ran: list[list[str]] = []

    def run(command: list[object], **_options: object) -> None:
        ran.append([str(word) for word in command])
        threading.Event().wait(0.05)
        if "venv" in ran[-1]:
            python = Path(ran[-1][-1]) / "bin" / "python"
            python.parent.mkdir(parents=True)
            python.touch()

    monkeypatch.setattr(environments, "HERE", tmp_path)
    monkeypatch.setattr(environments.subprocess, "run", run)
    return ran


def test_two_threads_that_need_an_environment_at_once_make_it_once(commands: list[list[str]]) -> None:
    with ThreadPoolExecutor(4) as pool:
        found = set(pool.map(lambda _: environments.python_with("peers", ["a==1"]), range(4)))
    (python,) = found
    assert python.exists()
    assert len(commands) == 2


def test_an_environment_whose_making_was_cut_short_is_made_anew(
    commands: list[list[str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = environments.subprocess.run

    def broken(command: list[object], **options: object) -> None:
        whole(command, **options)
        if "install" in command:
            raise subprocess.CalledProcessError(1, "uv")

    monkeypatch.setattr(environments.subprocess, "run", broken)
    with pytest.raises(subprocess.CalledProcessError):
        environments.python_with("peers", ["a==1"])
    monkeypatch.setattr(environments.subprocess, "run", whole)
    environments.python_with("peers", ["a==1"])
    assert [("venv" in command, "install" in command) for command in commands] == [(True, False), (False, True)] * 2


def test_other_packages_make_another_environment(commands: list[list[str]]) -> None:
    environments.python_with("peers", ["a==1"])
    environments.python_with("peers", ["a==2"])
    environments.python_with("peers", ["a==2"])
    assert [command[-1] for command in commands if "install" in command] == ["a==1", "a==2"]

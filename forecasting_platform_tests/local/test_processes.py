import os
import signal
import subprocess
import sys
from pathlib import Path

import psutil
import pytest

from forecasting_platform.errors import PlatformStateError
from forecasting_platform.local.processes import ChildProcess, Program, log_tail
from forecasting_platform_tests.support.waiting import PATIENCE_SECONDS, wait_until

pytestmark = pytest.mark.slow


def program(directory: Path, *argv: str, ready: bool = True, deadline_seconds: float = PATIENCE_SECONDS) -> Program:
    return Program(
        name="the pump",
        argv=argv,
        environment={"PATH": os.environ["PATH"]},
        log_file=directory / "pump.log",
        is_ready=lambda: ready,
        deadline_seconds=deadline_seconds,
    )


def is_gone(pid: int) -> bool:
    return not psutil.pid_exists(pid) or psutil.Process(pid).status() == psutil.STATUS_ZOMBIE


def test_a_child_that_dies_is_reported_by_name_with_the_last_twenty_lines_of_its_log(tmp_path: Path) -> None:
    child = ChildProcess(program(tmp_path, "sh", "-c", "seq 1 30; exit 3", ready=False))
    child.start()
    with pytest.raises(PlatformStateError, match=r"the pump ended with exit code 3\. The end of .*pump\.log:") as error:
        child.wait_until_ready()
    assert [line.strip() for line in str(error.value).splitlines()[1:]] == [str(n) for n in range(11, 31)]
    child.stop()


def test_a_child_killed_by_a_signal_is_reported_with_the_signals_name(tmp_path: Path) -> None:
    child = ChildProcess(program(tmp_path, "sh", "-c", "kill -9 $$"))
    child.start()
    wait_until("the end of the child", lambda: not child.is_running)
    with pytest.raises(PlatformStateError, match=r"the pump ended with signal SIGKILL(?s:.*)wrote nothing"):
        child.require_alive()


def test_a_child_that_never_answers_is_given_up_at_its_deadline(tmp_path: Path) -> None:
    child = ChildProcess(program(tmp_path, "sleep", "600", ready=False, deadline_seconds=0.2))
    child.start()
    with pytest.raises(PlatformStateError, match=r"the pump did not answer within 0\.2 s"):
        child.wait_until_ready()
    child.stop()
    assert child.pid is None


def test_a_program_that_is_not_there_is_reported_by_name(tmp_path: Path) -> None:
    with pytest.raises(PlatformStateError, match=r"the pump cannot be started.*no-such-program"):
        ChildProcess(program(tmp_path, "/no-such-program")).start()


def test_a_stubborn_child_is_killed_after_the_grace_time(tmp_path: Path) -> None:
    child = ChildProcess(program(tmp_path, "sh", "-c", "trap '' TERM; echo deaf; while :; do sleep 0.1; done"))
    child.start()
    wait_until("a deaf child", lambda: "deaf" in log_tail(tmp_path / "pump.log"))
    pid = child.pid
    assert pid is not None
    child.stop(grace_seconds=0.3)
    assert is_gone(pid)


def test_stopping_a_child_stops_what_it_started_even_when_the_child_is_dead_already(tmp_path: Path) -> None:
    child = ChildProcess(program(tmp_path, "sh", "-c", "sleep 600 & echo $!; wait"))
    child.start()
    wait_until("a grandchild", lambda: log_tail(tmp_path / "pump.log").strip().isdigit())
    grandchild = int(log_tail(tmp_path / "pump.log"))
    assert child.pid is not None
    os.kill(child.pid, signal.SIGKILL)
    wait_until("the end of the child", lambda: not child.is_running)
    assert not is_gone(grandchild)
    child.stop()
    assert is_gone(grandchild)


def test_an_interrupt_while_stopping_still_leaves_nothing_running(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    child = ChildProcess(program(tmp_path, "sh", "-c", "trap '' TERM; echo deaf; while :; do sleep 0.1; done"))
    child.start()
    wait_until("a deaf child", lambda: "deaf" in log_tail(tmp_path / "pump.log"))
    pid = child.pid
    assert pid is not None

    def interrupted(*_: object, **__: object) -> None:
        monkeypatch.undo()
        raise KeyboardInterrupt

    monkeypatch.setattr(psutil, "wait_procs", interrupted)
    with pytest.raises(KeyboardInterrupt):
        child.stop()
    wait_until("its end", lambda: is_gone(pid))
    child.stop()


def test_the_log_of_the_start_before_is_kept(tmp_path: Path) -> None:
    for word in ("first", "second"):
        child = ChildProcess(program(tmp_path, "echo", word))
        child.start()
        wait_until("the end of the child", lambda child=child: not child.is_running)
        child.stop()
    assert (tmp_path / "pump.log").read_text() == "second\n"
    assert (tmp_path / "pump.log.1").read_text() == "first\n"


def test_a_child_hears_its_stop_signal_though_the_supervisor_was_started_deaf_to_interrupts(tmp_path: Path) -> None:
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        child = ChildProcess(
            program(
                tmp_path,
                sys.executable,
                "-c",
                "import signal; print(signal.getsignal(signal.SIGINT) is signal.SIG_IGN, flush=True)",
            )
        )
        child.start()
        wait_until("the end of the child", lambda: not child.is_running)
    finally:
        signal.signal(signal.SIGINT, before)
    assert (tmp_path / "pump.log").read_text() == "False\n"
    child.stop()


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells a child that its parent died")
def test_a_child_of_a_killed_supervisor_dies_with_it(tmp_path: Path) -> None:
    script = (
        "import sys, time; from pathlib import Path\n"
        "from forecasting_platform.local.processes import ChildProcess, Program\n"
        "child = ChildProcess(Program('sleeper', ['sleep', '600'], {}, Path(sys.argv[1]), lambda: True))\n"
        "child.start(); print(child.pid, flush=True); time.sleep(600)\n"
    )
    supervisor = subprocess.Popen(
        [sys.executable, "-c", script, str(tmp_path / "log")], stdout=subprocess.PIPE, text=True
    )
    assert supervisor.stdout is not None
    with supervisor.stdout:
        child = int(supervisor.stdout.readline())
        assert not is_gone(child)
        supervisor.kill()
        supervisor.wait()
        wait_until("its end", lambda: is_gone(child))

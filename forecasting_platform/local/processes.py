"""Starts, watches and stops child processes, and waits until they are ready.

`platform` decides which processes there are, and their order.
"""

import contextlib
import ctypes
import os
import signal
import subprocess
import sys
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypedDict

import psutil

from forecasting_platform.errors import PlatformStateError

Progress = Callable[[str], None]
"""Is given a line about each step of a start."""
LOG_LINES_SHOWN = 20
POLL_SECONDS = 0.05
_PR_SET_PDEATHSIG = 1
# Looked up before any fork: between fork and exec only what is loaded already may be called.
_prctl = ctypes.CDLL(None, use_errno=True).prctl if sys.platform == "linux" else None


class Identity(TypedDict, total=False):
    """The arguments of `subprocess` that choose the account of a process."""

    user: int
    group: int
    extra_groups: list[int]


@dataclass(frozen=True, slots=True)
class Account:
    """The operating system's account a process runs as."""

    uid: int
    gid: int


@dataclass(frozen=True, slots=True)
class Program:
    """What to run.

    Attributes:
        name: what a person calls it in messages.
        argv: never holds a secret, since everybody on the machine can read it; `environment` may.
        environment: the whole environment of the process.
        log_file: gets stdout and stderr; the log of the start before is kept as `<log_file>.1`.
        is_ready: whether it answers; called again and again, never raises.
        deadline_seconds: time to become ready.
        stop_signal: asks it to end in good order.
        account: whom it runs as, None for the account of the caller (another one needs root).
        directory: where it works.
    """

    name: str
    argv: Sequence[str]
    environment: Mapping[str, str]
    log_file: Path
    is_ready: Callable[[], bool]
    deadline_seconds: float = 120.0
    stop_signal: signal.Signals = signal.SIGTERM
    account: Account | None = None
    directory: Path = Path("/")


def identity(account: Account | None) -> Identity:
    """What `subprocess` needs to run as this account; nothing for the caller's own."""
    return {} if account is None else {"user": account.uid, "group": account.gid, "extra_groups": []}


def log_tail(log_file: Path, lines: int = LOG_LINES_SHOWN) -> str:
    """The last lines of a log, each on an indented line of its own."""
    try:
        with log_file.open(encoding="utf-8", errors="replace") as log:
            last = deque(log, maxlen=lines)
    except FileNotFoundError:
        last = deque()
    return "".join(f"\n    {line.rstrip()}" for line in last) or "\n    (it wrote nothing)"


def wait_or_kill(processes: Sequence[psutil.Process], grace_seconds: float) -> None:
    """Wait until processes are gone; those left after the grace time, or when interrupted, are killed."""
    try:
        psutil.wait_procs(processes, timeout=grace_seconds)
    finally:
        for process in processes:
            with contextlib.suppress(psutil.NoSuchProcess):
                process.kill()
    psutil.wait_procs(processes, timeout=grace_seconds)


def family(pid: int) -> list[psutil.Process]:
    """A process and all that descend from it; empty when it is gone."""
    try:
        leader = psutil.Process(pid)
        return [leader, *leader.children(recursive=True)]
    except psutil.NoSuchProcess:
        return []


def _prepare_child(parent: int, stop_signal: signal.Signals) -> None:
    """Runs in the child before exec."""
    # A shell's background job ignores SIGINT, its children inherit that, and Dagster treats SIGTERM likewise.
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    if _prctl is not None:
        _prctl(_PR_SET_PDEATHSIG, int(stop_signal))
        if os.getppid() != parent:  # it died before we asked
            os._exit(1)


class ChildProcess:
    """One running `Program`, leader of a session of its own, that on Linux ends with its supervisor.

    Linux ties a child to the *thread* that starts it: start it from one that lives as long.
    """

    def __init__(self, program: Program) -> None:
        self.program = program
        self._popen: subprocess.Popen[bytes] | None = None
        self._started_at = 0.0

    @property
    def pid(self) -> int | None:
        """The process number; None before the start and after the stop."""
        return self._popen.pid if self._popen else None

    @property
    def is_running(self) -> bool:
        """Whether the process lives."""
        return self._popen is not None and self._popen.poll() is None

    def start(self) -> None:
        """Start it and return at once.

        Raises:
            PlatformStateError: the program cannot be executed.
        """
        program = self.program
        if program.log_file.exists():
            program.log_file.replace(f"{program.log_file}.1")
        self._started_at = time.monotonic()
        supervisor = os.getpid()
        with program.log_file.open("ab") as log:
            try:
                self._popen = subprocess.Popen(
                    program.argv,
                    env=program.environment,
                    cwd=program.directory,
                    stdin=subprocess.DEVNULL,
                    stdout=log,
                    stderr=subprocess.STDOUT,
                    start_new_session=True,
                    preexec_fn=lambda: _prepare_child(supervisor, program.stop_signal),
                    **identity(program.account),
                )
            except OSError as error:
                raise PlatformStateError(f"{program.name} cannot be started: {error}") from error

    def wait_until_ready(self) -> float:
        """Block until it answers; the seconds that took since its start.

        Raises:
            PlatformStateError: it died, or its deadline passed; with the end of its log.
        """
        while not self.is_ready():
            time.sleep(POLL_SECONDS)
        return time.monotonic() - self._started_at

    def is_ready(self) -> bool:
        """Whether it answers by now.

        Raises:
            PlatformStateError: it died, or its deadline passed; with the end of its log.
        """
        self.require_alive()
        if self.program.is_ready():
            return True
        if time.monotonic() - self._started_at > self.program.deadline_seconds:
            raise self._failure(f"did not answer within {self.program.deadline_seconds:g} s")
        return False

    def require_alive(self) -> None:
        """Raise `PlatformStateError`, with the end of its log, if it was started and has died."""
        if self._popen is not None and (code := self._popen.poll()) is not None:
            how = f"signal {signal.Signals(-code).name}" if code < 0 else f"exit code {code}"
            raise self._failure(f"ended with {how}")

    def _failure(self, what: str) -> PlatformStateError:
        log_file = self.program.log_file
        return PlatformStateError(f"{self.program.name} {what}. The end of {log_file}:{log_tail(log_file)}")

    def ask_to_stop(self) -> None:
        """Send its process group the stop signal, without waiting."""
        if self._popen is not None:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self._popen.pid, self.program.stop_signal)

    def stop(self, grace_seconds: float = 10.0) -> None:
        """End it and all it started; safe to call twice, and before the start."""
        if self._popen is None:
            return
        # Listed before the signal: when the leader is gone nobody knows its children any more.
        # Others of its session outlive a leader that was killed.
        session = [process for process in psutil.process_iter() if _session_of(process.pid) == self._popen.pid]
        processes = [*family(self._popen.pid), *session]
        self.ask_to_stop()
        wait_or_kill(processes, grace_seconds)
        self._popen.wait()
        self._popen = None


def _session_of(pid: int) -> int | None:
    try:
        return os.getsid(pid)
    except (ProcessLookupError, PermissionError):
        return None


def silent(_: str) -> None:
    """The progress that nobody looks at."""


class ChildProcesses:
    """The processes of a platform, in the order of their start.

    Args:
        record: is given the numbers of all processes, by name, after each start.
    """

    def __init__(self, record: Callable[[dict[str, int]], None]) -> None:
        self._children: list[ChildProcess] = []
        self._record = record
        self._started_at = 0.0
        self.seconds: dict[str, float] = {}
        """How long after `start_clock` each answered."""

    def __iter__(self) -> Iterator[ChildProcess]:
        return iter(self._children)

    def start_clock(self) -> None:
        """Count `seconds` from now on."""
        self._started_at = time.monotonic()

    def append(self, child: ChildProcess) -> None:
        """Add a process that was started already."""
        self._children.append(child)

    def start(self, program: Program) -> ChildProcess:
        """Start a program without waiting for it."""
        child = ChildProcess(program)
        # Added first, so that one that fails half-way is stopped with the others.
        self._children.append(child)
        child.start()
        self._record({each.program.name: each.pid for each in self._children if each.pid is not None})
        return child

    def look(self, progress: Progress) -> None:
        """Report what has become ready since the last call, without waiting.

        Raises:
            PlatformStateError: a process died, or did not answer in time; named, with the end of its log.
        """
        # All first: what died is why the others do not answer.
        for child in self._children:
            child.require_alive()
        for child in self._children:
            name = child.program.name
            if name not in self.seconds and child.is_ready():
                self.seconds[name] = time.monotonic() - self._started_at
                progress(f"{name} answers after {self.seconds[name]:.1f} s")

    def wait_for(self, children: Iterable[ChildProcess], progress: Progress) -> None:
        """Look until each of these answers."""
        names = {child.program.name for child in children}
        while not names <= self.seconds.keys():
            self.look(progress)
            time.sleep(POLL_SECONDS)

    def stop(self) -> None:
        """Ask all but the first, which the others may need, to stop at once; then wait for them, the last one first."""
        for child in reversed(self._children[1:]):
            child.ask_to_stop()
        with contextlib.ExitStack() as stops:
            # The stack calls the last one first, and each even when one before it is interrupted.
            for child in self._children:
                stops.callback(child.stop)
        self._children.clear()
        self.seconds.clear()

"""Runs a call in the background and waits for it for a limited time. The caller decides what to do if it is late."""

import queue
import threading
from collections.abc import Callable
from typing import Generic, TypeVar

Result = TypeVar("Result")


class InBackground(Generic[Result]):
    """A call in a thread of its own, from the moment this is made.

    A thread, because name lookup, a header that trickles in and a file system that hangs have no timeout of their own.
    It is never joined: a call that is given up goes on until it ends by itself, or the process does.
    """

    def __init__(self, name: str, call: Callable[[], Result]) -> None:
        self._outcome: queue.SimpleQueue[Result | BaseException] = queue.SimpleQueue()
        self._call = call
        threading.Thread(target=self._run, name=name, daemon=True).start()

    def _run(self) -> None:
        try:
            self._outcome.put(self._call())
        except Exception as error:  # noqa: BLE001 - raised in the waiting thread
            self._outcome.put(error)

    def result(self, timeout_seconds: float) -> Result:
        """What the call gave, or the exception that it raised; may be asked once.

        Raises:
            TimeoutError: it has not ended by then.
        """
        try:
            outcome = self._outcome.get(timeout=max(timeout_seconds, 0.0))
        except queue.Empty as error:
            raise TimeoutError from error
        if isinstance(outcome, BaseException):
            raise outcome
        return outcome

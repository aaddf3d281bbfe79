"""A background thread that repeats one call until it is stopped."""

import logging
import threading
from collections.abc import Callable

from forecasting_platform.errors import ForecastingPlatformError

_log = logging.getLogger("serve.background")


RETRY_SECONDS = 1.0
"""Shortest wait after a call that failed."""


class PeriodicTask:
    """Calls `action` every `seconds`, from `start` to `stop`; a failed call is logged, and repeated like any other.

    Args:
        name: of the thread, and of the work in the log.
        action: must leave its own state consistent when it fails.
    """

    def __init__(self, name: str, seconds: float, action: Callable[[], object]) -> None:
        self._name = name
        self._seconds = seconds
        self._action = action
        self._stopping = threading.Event()
        self._last_failure: str | None = None
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)

    def start(self) -> None:
        """Begin; the first call comes at once."""
        self._thread.start()

    def stop(self, timeout_seconds: float = 5.0) -> None:
        """End after the current call, waiting for it at most `timeout_seconds`."""
        self._stopping.set()
        if self._thread.is_alive():
            self._thread.join(timeout_seconds)

    def _run(self) -> None:
        while not self._stopping.is_set():
            went_well = self.run_once()
            self._stopping.wait(self._seconds if went_well else max(self._seconds, RETRY_SECONDS))

    def run_once(self) -> bool:
        """Call once and return whether it succeeded; a failure is logged only when it differs from the last one."""
        try:
            self._action()
        except Exception as error:  # noqa: BLE001 - the thread outlives any failure; it is logged and tried again
            self._note_failure(error)
            return False
        if self._last_failure is not None:
            _log.info("%s works again", self._name)
        self._last_failure = None
        return True

    def _note_failure(self, error: Exception) -> None:
        if str(error) != self._last_failure:
            # The message of an expected failure is complete; any other needs its traceback.
            unexpected = None if isinstance(error, ForecastingPlatformError) else error
            _log.warning("%s failed and is tried again: %s", self._name, error, exc_info=unexpected)
        self._last_failure = str(error)

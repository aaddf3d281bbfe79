"""The app's log: lines of JSON on stderr."""

import logging
import os
import sys
from typing import Any

STDERR = 2

LOGGING: dict[str, Any] = {
    "version": 1,
    "disable_existing_loggers": False,
    "formatters": {"json_lines": {"()": "forecasting_platform.json_lines.JsonLines"}},
    "handlers": {"stderr": {"class": "serve.telemetry.logs.WholeLines", "formatter": "json_lines"}},
    "root": {"level": "WARNING", "handlers": ["stderr"]},
    "loggers": {
        "serve": {"level": "INFO"},
        # The app logs each request itself, with its id and the time taken.
        "_granian": {"level": "INFO", "handlers": [], "propagate": True},
    },
}
"""For `logging.config.dictConfig`."""


def skip_unused_log_fields() -> None:
    """Create log records without thread, process and task, which our lines do not show.

    Python's logging HOWTO, "Optimization". For our own processes only, since it changes every logger.
    """
    logging.logThreads = logging.logProcesses = logging.logMultiprocessing = False
    if sys.version_info >= (3, 12):
        logging.logAsyncioTasks = False


class WholeLines(logging.Handler):
    """Writes each line to stderr in one call of the system, which keeps lines of up to 4 KiB apart without a lock.

    So no thread that answers waits for another's line.
    """

    def handle(self, record: logging.LogRecord) -> bool:
        """Write the record's line, unless a filter refuses it."""
        kept = self.filter(record)
        if kept:
            self.emit(kept if isinstance(kept, logging.LogRecord) else record)
        return bool(kept)

    def emit(self, record: logging.LogRecord) -> None:
        """Write the record's line."""
        try:
            os.write(STDERR, (self.format(record) + "\n").encode("utf-8", "backslashreplace"))
        except Exception:  # noqa: BLE001 - a line that cannot be written fails no request
            self.handleError(record)

"""The app's log: lines of JSON on stderr, for people and machines alike."""

import logging
import sys
from typing import Any

LOGGING: dict[str, Any] = {
    "version": 1,
    "disable_existing_loggers": False,
    "formatters": {"json_lines": {"()": "forecasting_platform.json_lines.JsonLines"}},
    "handlers": {"stderr": {"class": "logging.StreamHandler", "formatter": "json_lines"}},
    "root": {"level": "WARNING", "handlers": ["stderr"]},
    "loggers": {
        "serve": {"level": "INFO"},
        # The app logs each request itself, with its id and the time taken.
        "_granian": {"level": "INFO", "handlers": [], "propagate": True},
    },
}
"""For `logging.config.dictConfig`."""


def skip_unused_log_fields() -> None:
    """Have records made without their thread, process and task, which no line of ours shows.

    Python's logging HOWTO, "Optimization". For a process of our own only: it concerns every logger.
    """
    logging.logThreads = logging.logProcesses = logging.logMultiprocessing = False
    if sys.version_info >= (3, 12):
        logging.logAsyncioTasks = False

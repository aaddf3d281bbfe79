"""The app's log: lines of JSON on stderr."""

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
    """Create log records without thread, process and task, which our lines do not show.

    Python's logging HOWTO, "Optimization". For our own processes only, since it changes every logger.
    """
    logging.logThreads = logging.logProcesses = logging.logMultiprocessing = False
    if sys.version_info >= (3, 12):
        logging.logAsyncioTasks = False

"""Logs as lines of JSON on stderr, for people and machines alike."""

import json
import logging
import sys
from datetime import UTC, datetime
from typing import Any

import orjson

_STANDARD = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime", "taskName"}


class JsonLines(logging.Formatter):
    """One JSON object a record: time, level, logger, message, the record's extra fields, the traceback.

    A record whose message is a dictionary holds nothing else: its fields stand as they are.
    """

    def format(self, record: logging.LogRecord) -> str:
        """The line, without its end."""
        line: dict[str, Any] = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "logger": record.name,
        }
        if isinstance(record.msg, dict):
            line |= record.msg
        else:
            line["message"] = record.getMessage()
            line |= {name: value for name, value in vars(record).items() if name not in _STANDARD}
        if record.exc_info:
            line["traceback"] = self.formatException(record.exc_info)
        try:
            return orjson.dumps(line, default=str).decode()
        except TypeError:  # it holds what is no UTF-8, or a number of more than 64 bits
            return json.dumps(line, default=str)


LOGGING: dict[str, Any] = {
    "version": 1,
    "disable_existing_loggers": False,
    "formatters": {"json_lines": {"()": "serve.logs.JsonLines"}},
    "handlers": {"stderr": {"class": "logging.StreamHandler", "formatter": "json_lines"}},
    "root": {"level": "WARNING", "handlers": ["stderr"]},
    "loggers": {
        "serve": {"level": "INFO"},
        # The app logs each request itself, with its id and the time taken.
        "_granian": {"level": "INFO", "handlers": [], "propagate": True},
    },
}
"""For `logging.config.dictConfig`."""


def log_without_lookups() -> None:
    """Have records made without their thread, process and task, which no line of ours shows.

    Python's logging HOWTO, "Optimization". For a process of our own only: it concerns every logger.
    """
    logging.logThreads = logging.logProcesses = logging.logMultiprocessing = False
    if sys.version_info >= (3, 12):
        logging.logAsyncioTasks = False

"""Formats log records as lines of JSON, for every process of the platform.

Each process chooses its handlers and levels.
"""

import json
import logging
from datetime import UTC, datetime
from typing import Any

import orjson

from forecasting_platform.redaction import without_credentials

_STANDARD = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime", "taskName"}


class JsonLines(logging.Formatter):
    """One JSON object a record: time, level, logger, message, the record's extra fields, the traceback.

    The credentials of every URL in it are left out.
    """

    def format(self, record: logging.LogRecord) -> str:
        """The line, without its end."""
        line: dict[str, Any] = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "logger": record.name,
        }
        line |= self.fields(record)
        if record.exc_info:
            line["traceback"] = self.formatException(record.exc_info)
        # Messages of others repeat the URL that they asked, its password included.
        return without_credentials(_as_json(line))

    def fields(self, record: logging.LogRecord) -> dict[str, Any]:
        """What the record says; a message that is a dictionary holds all there is, and its fields stand as they are."""
        if isinstance(record.msg, dict):
            return record.msg
        extra = {name: value for name, value in vars(record).items() if name not in _STANDARD}
        return {"message": record.getMessage(), **extra}


def _as_json(line: dict[str, Any]) -> str:
    try:
        return orjson.dumps(line, default=str).decode()
    except TypeError:  # it holds what is no UTF-8, or a number of more than 64 bits
        return json.dumps(line, default=str)

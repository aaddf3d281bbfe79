"""Writes the events of a run as lines of JSON to its standard output: `dagster_handler_config` of `dagster.yaml`.

Dagster's own log lines, for people, go to standard error.
"""

import logging
import sys
from collections.abc import Mapping
from typing import Any

import dagster as dg
from dagster._core.storage.tags import PARTITION_NAME_TAG

from forecasting_platform.json_lines import JsonLines
from forecasting_platform.orchestration.partitions import RANGE_END, RANGE_START

TOLD = frozenset(
    {
        dg.DagsterEventType.RUN_START,
        dg.DagsterEventType.RUN_SUCCESS,
        dg.DagsterEventType.RUN_FAILURE,
        dg.DagsterEventType.RUN_CANCELED,
        dg.DagsterEventType.STEP_START,
        dg.DagsterEventType.STEP_SUCCESS,
        dg.DagsterEventType.STEP_FAILURE,
        dg.DagsterEventType.STEP_UP_FOR_RETRY,
        dg.DagsterEventType.ASSET_MATERIALIZATION,
        dg.DagsterEventType.ASSET_CHECK_EVALUATION,
    }
)
"""Dagster's events that become lines; of the others, such as the loading of an input, only failures do."""

PLAIN = (
    dg.BoolMetadataValue,
    dg.FloatMetadataValue,
    dg.IntMetadataValue,
    dg.PathMetadataValue,
    dg.TextMetadataValue,
    dg.TimestampMetadataValue,
    dg.UrlMetadataValue,
)
"""Metadata whose value is one number or name; plots and tables are not."""


class RunLines(JsonLines):
    """Each line names run, job, step and partition; an event's line also has what was made: asset, day, numbers."""

    def fields(self, record: logging.LogRecord) -> dict[str, Any]:
        """The fields of a log record."""
        meta = vars(record)["dagster_meta"]
        event = meta["dagster_event"]
        said = {
            "message": meta["orig_message"],
            "run_id": meta["run_id"],
            "job": meta["job_name"],
            "step": meta["step_key"],
            "partition": _partition_of_run(meta["job_tags"]),
            # Dagster logs what goes well as "debug", which collectors drop.
            "level": "info" if record.levelno < logging.INFO else None,
            **({} if event is None else _fields_of(event)),
        }
        return {name: value for name, value in said.items() if value is not None}


def lines_on_stdout() -> logging.Handler:
    """The handler that `dagster.yaml` names; it omits events of no interest."""
    handler = logging.StreamHandler(sys.stdout)
    handler.setFormatter(RunLines())
    handler.addFilter(_is_told)
    return handler


def _is_told(record: logging.LogRecord) -> bool:
    event = vars(record)["dagster_meta"]["dagster_event"]
    return record.levelno >= (logging.INFO if event is None else logging.ERROR) or (
        event is not None and event.event_type in TOLD
    )


def _partition_of_run(tags: dict[str, str]) -> str | None:
    """A day, or the first and the last day of a range."""
    ends = [tags[end] for end in (RANGE_START, RANGE_END) if end in tags]
    return tags.get(PARTITION_NAME_TAG) or "..".join(ends) or None


def _fields_of(event: dg.DagsterEvent) -> dict[str, Any]:
    fields: dict[str, Any] = {"event": event.event_type.name}
    data = event.event_specific_data
    if (error := getattr(data, "error", None)) is not None:
        # What an asset raised is the cause of Dagster's own error.
        fields |= {"error": (error.cause or error).message.strip(), "traceback": error.to_string()}
    if event.event_type is dg.DagsterEventType.ASSET_MATERIALIZATION:
        made = event.step_materialization_data.materialization
        # Of one day of a range, which is not the run's own.
        fields |= {"asset": made.asset_key.to_user_string(), "metadata": _plain(made.metadata)}
        fields |= {} if made.partition is None else {"partition": made.partition}
    elif event.event_type is dg.DagsterEventType.ASSET_CHECK_EVALUATION:
        check = event.asset_check_evaluation_data
        fields |= {
            "asset": check.asset_key.to_user_string(),
            "check": check.check_name,
            "passed": check.passed,
            "severity": check.severity.value.lower(),
            "metadata": _plain(check.metadata),
        }
    return fields


def _plain(metadata: Mapping[str, dg.MetadataValue[Any]]) -> dict[str, Any]:
    return {name: entry.value for name, entry in metadata.items() if isinstance(entry, PLAIN)}

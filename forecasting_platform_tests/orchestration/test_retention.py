"""The daily deletion of what is outdated: asked for once a day, each part for itself."""

import os
import time
import uuid
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import dagster as dg
import pytest

from forecasting_platform.adapters.feeds.document_archive import DocumentArchive
from forecasting_platform.orchestration import retention
from forecasting_platform.orchestration.retention import retention_job, retention_sensor
from forecasting_platform.settings import Settings
from forecasting_platform_tests.support.dagster_internals import LocalComputeLogManager


class Clock(datetime):
    """A time that a test sets."""

    moment = datetime(2026, 11, 28, 12, tzinfo=UTC)

    @classmethod
    def now(cls, tz: Any = None) -> datetime:
        return cls.moment


@pytest.fixture
def instance(tmp_path: Path) -> Iterator[dg.DagsterInstance]:
    with dg.DagsterInstance.ephemeral(tempdir=str(tmp_path)) as found:
        yield found


def test_it_is_asked_for_once_a_day_and_not_before_the_first_day_is_over(
    instance: dg.DagsterInstance, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(retention, "datetime", Clock)
    cursor, asked = None, []
    for hours in range(0, 72, 6):
        monkeypatch.setattr(Clock, "moment", datetime(2026, 11, 28, 12, tzinfo=UTC) + timedelta(hours=hours))
        context = dg.build_sensor_context(instance=instance, cursor=cursor)
        answer = retention_sensor(context)
        cursor = context.cursor
        asked += [answer.run_key] if isinstance(answer, dg.RunRequest) else []
    assert asked == ["retention-2026-11-29", "retention-2026-11-30", "retention-2026-12-01"]


def run(
    instance: dg.DagsterInstance, monkeypatch: pytest.MonkeyPatch, settings: Settings
) -> tuple[bool, Mapping[str, Any]]:
    monkeypatch.setattr(retention, "delete_outdated", lambda *_, **__: {"prediction_log": 3, "alerts": 0})
    done = retention_job.execute_in_process(instance=instance, resources={"settings": settings}, raise_on_error=False)
    metadata = {
        name: value.value
        for event in done.all_events
        if event.event_type == dg.DagsterEventType.STEP_OUTPUT
        for name, value in event.step_output_data.metadata.items()
    }
    return done.success, metadata


def test_it_deletes_rows_documents_and_the_output_of_old_runs_and_says_how_many(
    instance: dg.DagsterInstance, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(DocumentArchive, "remove_old", lambda _archive: 2)
    manager = LocalComputeLogManager(str(tmp_path / "storage"))
    monkeypatch.setattr(type(instance), "compute_log_manager", manager)
    old, new = (str(uuid.uuid4()) for _ in range(2))
    long_ago = time.time() - 91 * 24 * 3600
    for name in (old, new, "not a run"):
        (tmp_path / "storage" / name / "compute_logs").mkdir(parents=True)
        (tmp_path / "storage" / name / "compute_logs" / "step.err").write_text("lines")
        if name != new:
            os.utime(tmp_path / "storage" / name, (long_ago, long_ago))
    settings = Settings(postgres_dsn="postgresql://x", feed_archive=str(tmp_path / "archive"))
    assert run(instance, monkeypatch, settings) == (
        True, {"prediction_log": 3, "alerts": 0, "documents": 2, "runs": 1},
    )  # fmt: skip
    assert not (tmp_path / "storage" / old).exists()
    for kept in (new, "not a run"):
        assert (tmp_path / "storage" / kept / "compute_logs" / "step.err").exists()


def test_a_part_that_fails_keeps_the_others_from_nothing(
    instance: dg.DagsterInstance, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = Settings(feed_archive="memory://kept/feeds")
    assert run(instance, monkeypatch, settings) == (False, {"documents": 0, "runs": 0}), "no DSN is set"

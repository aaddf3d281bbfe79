"""The daemon's pause between two looks for backfills is Dagster's constant: this fails when Dagster reads another."""

import logging
from collections.abc import Iterator
from typing import Any
from unittest.mock import Mock

import pytest

from forecasting_platform.orchestration.dagster_instance.daemon import BACKFILL_LOOK_SECONDS, look_for_backfills_often
from forecasting_platform_tests.support.dagster_internals import backfill, controller


def test_dagsters_loop_pauses_as_long_as_it_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    def finds_nothing(*_: Any, **__: Any) -> Iterator[None]:
        yield None

    monkeypatch.setattr(controller, "DEFAULT_DAEMON_INTERVAL_SECONDS", controller.DEFAULT_DAEMON_INTERVAL_SECONDS)
    monkeypatch.setattr(backfill, "execute_backfill_iteration", finds_nothing)
    look_for_backfills_often()
    shutdown = Mock()
    loop = backfill.execute_backfill_iteration_loop(Mock(), logging.getLogger(), shutdown)
    while not shutdown.wait.called:
        next(loop)
    (pause,) = shutdown.wait.call_args.args
    assert 0 < pause <= BACKFILL_LOOK_SECONDS

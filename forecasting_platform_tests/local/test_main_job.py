"""What cannot come is told at once with its reason, and not after the deadline."""

from collections.abc import Iterator
from datetime import date
from typing import Any

import pytest

from forecasting_platform.errors import PlatformStateError, UnavailableError
from forecasting_platform.forecasting.series.days.date_range import DateRange
from forecasting_platform.local import main_job
from forecasting_platform.local.dagster.answers import Materialization, RunFailedError
from forecasting_platform.local.main_job import MainJob
from forecasting_platform_tests.support.web_servers import Answering, RecordingServer

DAYS = DateRange(date(2016, 1, 1), date(2016, 12, 31))


class Dagster:
    """Has trained, and decided as a test wants."""

    def __init__(self, verdict: str = "promote", champion: str = "1", failed_run: str | None = None) -> None:
        self.metadata = {"verdict": verdict, "reason": "worse than naive", "champion_version": champion}
        self.failed, self.decided = failed_run, False

    def materialized_partitions(self, _asset: str) -> int:
        found, self.decided = self.decided, True
        return int(found and self.failed is None)

    def launch_job(self, _job: str) -> str:
        return "training"

    def wait_for_run(self, run_id: str, **_: Any) -> None:
        if run_id == self.failed:
            raise RunFailedError("promotion_job", "FAILURE", ["the registry is full"], "http://x")

    def failed_run(self, _job: str, _since: float) -> str | None:
        return self.failed

    def newest_materialization(self, asset: str) -> Materialization:
        return Materialization(asset, None, self.metadata)


@pytest.fixture
def app() -> Iterator[RecordingServer]:
    with RecordingServer(lambda request: request.send(b'{"forecasts": []}')) as running:
        yield running


def job(app: RecordingServer, dagster: Dagster | None = None) -> MainJob:
    return MainJob(dagster or Dagster(), app.url, DAYS, lambda _: None, lambda: None, horizon_days=7)  # type: ignore[arg-type] # a stand-in


def refuse(status: int, detail: str) -> Any:
    return lambda request: Answering.send(request, f'{{"detail": "{detail}"}}'.encode(), status)


def test_the_days_after_the_last_loaded_one_are_asked_for(app: RecordingServer) -> None:
    job(app).finish(None)
    assert app.asked[0].json == {"start": "2017-01-01", "end": "2017-01-07"}


def test_a_version_that_is_not_promoted_is_told_with_the_reason(app: RecordingServer) -> None:
    with pytest.raises(PlatformStateError, match=r"no version serves, .* \(reject: worse than naive\)"):
        job(app, Dagster("reject", "none")).finish(None)
    assert app.asked == []


def test_a_promotion_that_fails_is_told_with_its_message(app: RecordingServer) -> None:
    with pytest.raises(RunFailedError, match="the registry is full"):
        job(app, Dagster(failed_run="7")).finish(None)


def test_a_refusal_that_lasts_is_told_in_the_apps_words(app: RecordingServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(main_job, "REFUSAL_SECONDS", 0.0)
    app.answer = refuse(422, "no features of the last day")
    with pytest.raises(PlatformStateError, match="does not forecast 2017-01-01 to 2017-01-07: no features of the last"):
        job(app).wait_for_forecast()


def test_a_refusal_of_a_champion_of_before_is_overcome(app: RecordingServer) -> None:
    left = iter([refuse(422, "too far ahead"), refuse(503, "no champion")])
    app.answer = lambda request: next(left, lambda found: found.send(b"{}"))(request)
    assert job(app).wait_for_forecast() == {}


def test_an_app_that_never_answers_is_told_with_what_it_said_last(
    app: RecordingServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(main_job, "SERVE_DEADLINE_SECONDS", 0.5)
    app.answer = refuse(503, "MLflow is away")
    with pytest.raises(UnavailableError, match="it said last: MLflow is away"):
        job(app).wait_for_forecast()

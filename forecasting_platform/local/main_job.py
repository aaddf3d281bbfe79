"""The main job of `up`: initial load, training, promotion and forecasts, all run by Dagster.

It uses only the interfaces that any other client can use.
"""

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta

import requests

from forecasting_platform.errors import UnavailableError
from forecasting_platform.forecasting.series.date_range import DateRange
from forecasting_platform.local.app_request import ask_app
from forecasting_platform.local.dagster.answers import BackfillStatus, Materialization
from forecasting_platform.local.dagster.api import DagsterApi

LOAD_ASSETS = ("raw_observations", "feature_table")
LOAD_DEADLINE_SECONDS = 1800.0
RUN_DEADLINE_SECONDS = 900.0
SERVE_DEADLINE_SECONDS = 300.0
POLL_SECONDS = 0.25


def loads_of(dagster: DagsterApi, done: BackfillStatus) -> list[Materialization]:
    """The figures of each load in a backfill of `LOAD_ASSETS`."""
    return [found for run_id in done.run_ids for found in dagster.materializations(run_id, LOAD_ASSETS[0])[:1]]


def refused_by(loads: Sequence[Materialization]) -> str:
    """What was refused in these loads, one sentence per document."""
    return "; ".join(dict.fromkeys(str(found.metadata["load_refused"]) for found in loads))


@dataclass(frozen=True, slots=True)
class MainJob:
    """One pass of the main job.

    Attributes:
        days: what is to be loaded in the end.
        progress: told a line for each step.
        meanwhile: called at every look; raises when a process of the platform died.
        app_headers: headers of requests to the app (`Settings.api_key_header`).
    """

    dagster: DagsterApi
    app_url: str
    days: DateRange
    progress: Callable[[str], None]
    meanwhile: Callable[[], None]
    app_headers: Mapping[str, str] = field(default_factory=dict)

    def submit_load(self) -> str | None:
        """Request one backfill of the days that are not loaded yet; returns its id, None if all are."""
        loaded = self.dagster.materialized_days("feature_table")
        missing = [day for day in self.days if day not in loaded]
        if not missing:
            self.progress(f"all {len(self.days)} days of {self.days} are loaded")
            return None
        wanted = DateRange(missing[0], missing[-1])
        self.progress(f"backfill of {len(wanted)} days, {wanted}, as one run")
        return self.dagster.launch_backfill(LOAD_ASSETS, wanted, tags={"forecasting/asked_by": "main job"})

    def finish(self, backfill_id: str | None) -> dict[str, object]:
        """Wait for the load, train and wait for promotion where nothing serves yet; the first forecast served."""
        if backfill_id is not None:
            self._wait_for_load(backfill_id)
        if not self.dagster.materialized_partitions("champion_model"):
            self.progress("training: backtest of every option, refit, registration in MLflow")
            run_id = self.dagster.launch_job("training_job")
            self.dagster.wait_for_run(run_id, deadline_seconds=RUN_DEADLINE_SECONDS, meanwhile=self.meanwhile)
            self.progress("trained; the promotion sensor takes it from here")
            self._wait_until("the champion", lambda: bool(self.dagster.materialized_partitions("champion_model")))
        return self.wait_for_forecast()

    def _wait_for_load(self, backfill_id: str) -> None:
        done = self.dagster.wait_for_backfill(
            backfill_id, deadline_seconds=LOAD_DEADLINE_SECONDS, progress=self._show, meanwhile=self.meanwhile
        )
        loaded = self.dagster.materialized_partitions("raw_observations")
        refused = refused_by(loads_of(self.dagster, done))
        self.progress(f"loaded: {loaded} days are materialized; {refused}")

    def _show(self, status: BackfillStatus) -> None:
        if status.targeted:
            done = status.materialized + status.failed
            self.progress(f"load: {done} of {status.targeted} partitions of {len(LOAD_ASSETS)} assets")

    def wait_for_forecast(self) -> dict[str, object]:
        """Ask the app until it answers with a forecast of the days after the last one loaded."""
        body = {
            "start": (self.days.end + timedelta(days=1)).isoformat(),
            "end": (self.days.end + timedelta(days=15)).isoformat(),
        }
        answers: list[dict[str, object]] = []

        def answered() -> bool:
            try:
                response = ask_app(self.app_url, "POST", "/predict", body, headers=self.app_headers, timeout_seconds=5)
            except requests.RequestException:
                return False  # still starting; the deadline decides
            if response.status_code == requests.codes.ok:
                answers.append(response.json())
            return bool(answers)

        self._wait_until("an answer of /predict", answered, SERVE_DEADLINE_SECONDS)
        return answers[0]

    def _wait_until(
        self, what: str, is_there: Callable[[], bool], deadline_seconds: float = RUN_DEADLINE_SECONDS
    ) -> None:
        deadline = time.monotonic() + deadline_seconds
        while not is_there():
            self.meanwhile()
            if time.monotonic() > deadline:
                raise UnavailableError(what, f"it did not come within {deadline_seconds:g} s; look into Dagster's runs")
            time.sleep(POLL_SECONDS)
        self.progress(f"{what} is there")

"""The main job of `up`: initial load, training, promotion and forecasts, all run by Dagster.

It uses only the interfaces that any other client can use.
"""

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta

import requests

from forecasting_platform.errors import PlatformStateError, UnavailableError
from forecasting_platform.forecasting.series.days.date_range import DateRange
from forecasting_platform.local.app_request import ask_app, problem_of
from forecasting_platform.local.dagster.answers import BackfillStatus, Materialization
from forecasting_platform.local.dagster.api import DagsterApi

LOAD_ASSETS = ("raw_observations", "feature_table")
LOAD_DEADLINE_SECONDS = 1800.0
RUN_DEADLINE_SECONDS = 900.0
SERVE_DEADLINE_SECONDS = 300.0
REFUSAL_SECONDS = 20.0
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
        horizon_days: how many days after them are asked for in the end.
    """

    dagster: DagsterApi
    app_url: str
    days: DateRange
    progress: Callable[[str], None]
    meanwhile: Callable[[], None]
    app_headers: Mapping[str, str] = field(default_factory=dict)
    horizon_days: int = 15

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
            self._wait_for_champion()
        return self.wait_for_forecast()

    def _wait_for_champion(self) -> None:
        """Wait for the decision about the trained version.

        Raises:
            RunFailedError: the run that was to decide failed.
            PlatformStateError: it decided that this version does not serve.
        """
        began = time.time()

        def is_decided() -> bool:
            if run_id := self.dagster.failed_run("promotion_job", began):
                self.dagster.wait_for_run(run_id, deadline_seconds=RUN_DEADLINE_SECONDS)
            return bool(self.dagster.materialized_partitions("champion_model"))

        self._wait_until("the decision about a champion", is_decided)
        decision = self.dagster.newest_materialization("champion_model")
        if decision and decision.metadata["champion_version"] == "none":
            told = f"{decision.metadata['verdict']}: {decision.metadata['reason']}"
            raise PlatformStateError(f"no version serves, since the trained one was not promoted ({told})")

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
        """Ask the app until it answers with a forecast of the days after the last one loaded.

        Raises:
            PlatformStateError: it refuses to forecast them, in its words.
            UnavailableError: it did not answer in time; with what it said last.
        """
        body = {
            "start": (self.days.end + timedelta(days=1)).isoformat(),
            "end": (self.days.end + timedelta(days=self.horizon_days)).isoformat(),
        }
        answers: list[dict[str, object]] = []
        refused_since: list[float] = []
        said = ["nothing"]

        def answered() -> bool:
            try:
                response = ask_app(self.app_url, "POST", "/predict", body, headers=self.app_headers, timeout_seconds=5)
            except requests.RequestException as error:
                said[0] = type(error).__name__  # still starting; the deadline decides
                return False
            if response.status_code == requests.codes.ok:
                answers.append(response.json())
                return True
            said[0] = problem_of(response)
            # A champion of before may answer until the app has seen the new one.
            if not response.ok and response.status_code < requests.codes.server_error:
                refused_since.append(time.monotonic())
                if refused_since[-1] - refused_since[0] > REFUSAL_SECONDS:
                    raise PlatformStateError(f"the app does not forecast {body['start']} to {body['end']}: {said[0]}")
            else:
                refused_since.clear()
            return False

        self._wait_until("an answer of /predict", answered, SERVE_DEADLINE_SECONDS, lambda: f"it said last: {said[0]}")
        return answers[0]

    def _wait_until(
        self,
        what: str,
        is_there: Callable[[], bool],
        deadline_seconds: float = RUN_DEADLINE_SECONDS,
        why: Callable[[], str] = lambda: "look into Dagster's runs",
    ) -> None:
        deadline = time.monotonic() + deadline_seconds
        while not is_there():
            self.meanwhile()
            if time.monotonic() > deadline:
                raise UnavailableError(what, f"it did not come within {deadline_seconds:g} s; {why()}")
            time.sleep(POLL_SECONDS)
        self.progress(f"{what} is there")

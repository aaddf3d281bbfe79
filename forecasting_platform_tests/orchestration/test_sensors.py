"""What is noticed, and asked for once."""

import random
from collections.abc import Iterator
from datetime import UTC, date, datetime
from types import SimpleNamespace

import dagster as dg
import numpy as np
import pytest

from forecasting_platform.adapters.memory.ledger import MemoryLedger
from forecasting_platform.adapters.memory.model_registry import MemoryModelRegistry
from forecasting_platform.adapters.memory.table_store import MemoryTableStore
from forecasting_platform.definitions import build_definitions
from forecasting_platform.forecasting.models.candidates.naive import FittedNaive
from forecasting_platform.forecasting.models.trained.first_days import FirstDays
from forecasting_platform.forecasting.models.trained.model import ForecastModel
from forecasting_platform.forecasting.monitoring.incidents import Alert
from forecasting_platform.forecasting.promotion.decisions import PromotionDecision
from forecasting_platform.forecasting.series.frames import FEATURE_NAMES
from forecasting_platform.orchestration import sensors
from forecasting_platform.orchestration.event_log import run_failure
from forecasting_platform.orchestration.partitions import RANGE_END, RANGE_START
from forecasting_platform.orchestration.sensors import alert_sensor, forecast_sensor, promotion_sensor
from forecasting_platform.services.promotion.promoter import Promoter
from forecasting_platform.services.promotion.versions import MOVED_BY
from forecasting_platform.settings import Settings
from forecasting_platform_tests.support.dagster_internals import BulkActionStatus, PartitionBackfill
from forecasting_platform_tests.support.in_process_engine import in_process

CUTOFF = date(2023, 6, 30)


def model() -> ForecastModel:
    return ForecastModel(
        unique_ids=("a",),
        cutoff=CUTOFF,
        horizon=15,
        country="IE",
        candidates=(FittedNaive(),),
        weights=np.ones((1, 1)),
        probabilities=np.array([0.1, 0.5, 0.9]),
        error_quantiles=np.tile([-1.0, 0.0, 1.0], (1, 15, 1)),
        calm_volatility=np.array([np.inf]),
        lower_bound=np.zeros(1),
        plausible=np.array([[-10.0, 10.0]]),
        features=np.zeros((1, len(FEATURE_NAMES))),
        feature_days=np.array([CUTOFF], dtype="datetime64[D]"),
        ended_after_days=np.array([92]),
        trained_ranges=np.zeros((1, len(FEATURE_NAMES), 2)),
        is_new=np.array([False]),
        first_days=FirstDays.default((FittedNaive(),), 15, np.array([0.1, 0.5, 0.9])),
    )


def decided(verdict: str, challenger: str, champion: str | None) -> PromotionDecision:
    at = datetime(2023, 7, 1, tzinfo=UTC)
    return PromotionDecision(verdict, "because", challenger, champion, CUTOFF, at, "a test")  # type: ignore[arg-type]


@pytest.fixture
def registry() -> MemoryModelRegistry:
    return MemoryModelRegistry()


@pytest.fixture
def ledger() -> MemoryLedger:
    return MemoryLedger()


@pytest.fixture
def instance() -> Iterator[dg.DagsterInstance]:
    with dg.DagsterInstance.ephemeral() as ephemeral:
        yield ephemeral


class TestPromotionSensor:
    @pytest.fixture(autouse=True)
    def dagster(self, instance: dg.DagsterInstance) -> None:
        self.instance = instance

    def ask(self, registry: MemoryModelRegistry, ledger: MemoryLedger) -> dg.RunRequest | dg.SkipReason:
        context, store = dg.build_sensor_context(instance=self.instance), MemoryTableStore()
        parts = {"table_store": store, "engine": in_process(store), "model_registry": registry, "ledger": ledger}
        answer = promotion_sensor(context, **parts, settings=Settings())
        assert isinstance(answer, dg.RunRequest | dg.SkipReason)
        return answer

    def test_skips_without_a_challenger(self, registry: MemoryModelRegistry, ledger: MemoryLedger) -> None:
        answer = self.ask(registry, ledger)
        assert isinstance(answer, dg.SkipReason)
        assert "challenger" in str(answer.skip_message)

    def test_waits_for_a_promotion_in_progress(self, registry: MemoryModelRegistry, ledger: MemoryLedger) -> None:
        registry.register(model(), plots={}, run_tags={})
        self.instance.add_run(dg.DagsterRun("promotion_job", status=dg.DagsterRunStatus.STARTED))
        answer = self.ask(registry, ledger)
        assert isinstance(answer, dg.SkipReason)
        assert "in progress" in str(answer.skip_message)

    def test_asks_once_for_a_pair_of_versions(self, registry: MemoryModelRegistry, ledger: MemoryLedger) -> None:
        registry.register(model(), plots={}, run_tags={})
        first = self.ask(registry, ledger)
        again = self.ask(registry, ledger)
        assert isinstance(first, dg.RunRequest)
        assert isinstance(again, dg.RunRequest)
        assert first.run_key == again.run_key == "promotion-1-against-none"
        assert first.tags["forecasting/why"] == "version 1 is there, and no champion serves"

    def test_says_what_was_decided_instead_of_asking_again(
        self, registry: MemoryModelRegistry, ledger: MemoryLedger
    ) -> None:
        champion = registry.register(model(), plots={}, run_tags={})
        registry.move_champion(champion, expected=None)
        registry.register(model(), plots={}, run_tags={})
        ledger.append_decision(decided("hold", "2", "1"))
        answer = self.ask(registry, ledger)
        assert isinstance(answer, dg.SkipReason)
        assert "hold, because" in str(answer.skip_message)

    def test_asks_again_where_the_alias_never_moved_after_the_decision(
        self, registry: MemoryModelRegistry, ledger: MemoryLedger
    ) -> None:
        registry.move_champion(registry.register(model(), plots={}, run_tags={}), expected=None)
        registry.register(model(), plots={}, run_tags={})
        number = ledger.append_decision(decided("promote", "2", "1")).decision_id
        answer = self.ask(registry, ledger)
        assert isinstance(answer, dg.RunRequest)
        assert answer.run_key == f"promotion-finish-{number}"

    def test_does_not_promote_again_what_a_person_rolled_back(
        self, registry: MemoryModelRegistry, ledger: MemoryLedger
    ) -> None:
        first = registry.register(model(), plots={}, run_tags={})
        registry.move_champion(first, expected=None)
        registry.register(model(), plots={}, run_tags={})
        rolled_back = ledger.append_decision(decided("rollback", "1", "2"))
        registry.tag(first, {MOVED_BY: str(rolled_back.decision_id)})
        answer = self.ask(registry, ledger)
        assert isinstance(answer, dg.SkipReason)
        assert "rolled back" in str(answer.skip_message)

    def test_asks_again_each_hour_after_a_failed_run(
        self, registry: MemoryModelRegistry, ledger: MemoryLedger, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        registry.register(model(), plots={}, run_tags={})
        first = self.ask(registry, ledger)
        assert isinstance(first, dg.RunRequest)
        failed = dg.DagsterRun("promotion_job", tags=dict(first.tags), status=dg.DagsterRunStatus.FAILURE)
        self.instance.add_run(failed)

        def key_at(*time: int) -> str | None:
            now = datetime(2023, 7, 1, *time, tzinfo=UTC)
            monkeypatch.setattr(sensors, "datetime", SimpleNamespace(now=lambda _: now))
            again = self.ask(registry, ledger)
            assert isinstance(again, dg.RunRequest)
            return again.run_key

        assert first.run_key not in {key_at(10, 0), None}
        assert key_at(10, 0) == key_at(10, 59)
        assert key_at(10, 59) != key_at(11, 0)

    def test_asks_once_because_of_new_days_that_say_that_the_champion_should_change(
        self, registry: MemoryModelRegistry, ledger: MemoryLedger, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        registry.move_champion(registry.register(model(), plots={}, run_tags={}), expected=None)
        monkeypatch.setattr(Promoter, "shown_by_new_days", lambda _: "the champion goes wrong")
        parts = {"model_registry": registry, "ledger": ledger, "settings": Settings()}
        parts |= {"table_store": (store := MemoryTableStore()), "engine": in_process(store)}
        cursor: str | None = None

        def look() -> list[str | None]:
            nonlocal cursor
            context = dg.build_sensor_context(instance=self.instance, cursor=cursor, resources=parts)
            tick = promotion_sensor.evaluate_tick(context)
            cursor = tick.cursor
            return [request.run_key for request in tick.run_requests or []]

        assert look() == [], "no forecast has matured yet"
        materialize(self.instance, "forecast_errors", "2023-07-01")
        (first,) = look()
        assert str(first).startswith("promotion-days-")
        assert look() == [], "these days were looked at"
        materialize(self.instance, "forecast_errors", "2023-07-02")
        (second,) = look()
        assert second != first
        monkeypatch.setattr(Promoter, "shown_by_new_days", lambda _: None)
        materialize(self.instance, "forecast_errors", "2023-07-03")
        assert look() == [], "these days say nothing"


def materialize(instance: dg.DagsterInstance, asset: str, *days: str) -> None:
    for day in days:
        instance.report_runless_asset_event(dg.AssetMaterialization(asset, partition=day))


class TestForecastSensor:
    @pytest.fixture
    def champion(self, registry: MemoryModelRegistry) -> MemoryModelRegistry:
        registry.move_champion(registry.register(model(), plots={}, run_tags={}), expected=None)
        return registry

    def ask(self, instance: dg.DagsterInstance, registry: MemoryModelRegistry) -> dg.RunRequest | dg.SkipReason:
        context = dg.build_sensor_context(instance=instance)
        answer = forecast_sensor(context, model_registry=registry, settings=Settings())
        assert isinstance(answer, dg.RunRequest | dg.SkipReason)
        return answer

    def test_waits_for_a_champion(self, instance: dg.DagsterInstance, registry: MemoryModelRegistry) -> None:
        materialize(instance, "feature_table", "2023-07-01")
        assert isinstance(self.ask(instance, registry), dg.SkipReason)

    def test_asks_for_the_loaded_days_since_the_champions_cutoff(
        self, instance: dg.DagsterInstance, champion: MemoryModelRegistry
    ) -> None:
        materialize(instance, "feature_table", "2023-06-29", "2023-06-30", "2023-07-01")
        request = self.ask(instance, champion)
        assert isinstance(request, dg.RunRequest)
        assert (request.tags[RANGE_START], request.tags[RANGE_END]) == ("2023-06-30", "2023-07-01")
        assert request.tags["forecasting/why"] == "2 days were loaded after forecasts and errors were made last"

    def test_is_content_once_forecasts_and_errors_are_made(
        self, instance: dg.DagsterInstance, champion: MemoryModelRegistry
    ) -> None:
        materialize(instance, "feature_table", "2023-07-01")
        materialize(instance, "forecast_errors", "2023-07-01")
        assert isinstance(self.ask(instance, champion), dg.SkipReason)

    def test_asks_again_for_a_day_that_was_loaded_again(
        self, instance: dg.DagsterInstance, champion: MemoryModelRegistry
    ) -> None:
        materialize(instance, "feature_table", "2023-07-01", "2023-07-02")
        materialize(instance, "forecast_errors", "2023-07-01", "2023-07-02")
        materialize(instance, "feature_table", "2023-07-01")
        request = self.ask(instance, champion)
        assert isinstance(request, dg.RunRequest)
        assert request.tags["forecasting/why"].startswith("1 day was loaded after")
        assert request.tags[RANGE_END] == "2023-07-01"


DEFINITIONS = build_definitions()
SEQUENCES = 10
CHECK = "forecast_errors:forecast_bias_within_budget"


def evaluate(
    instance: dg.DagsterInstance,
    passed: bool,
    severity: dg.AssetCheckSeverity = dg.AssetCheckSeverity.ERROR,
    state: str = "",
) -> None:
    instance.report_runless_asset_event(
        dg.AssetCheckEvaluation(
            asset_key=dg.AssetKey("forecast_errors"),
            check_name="forecast_bias_within_budget",
            passed=passed,
            metadata={"state": dg.MetadataValue.text(state)} if state else {},
            severity=severity,
            description="bias of 1 series is out of budget",
        )
    )


class TestAlertSensor:
    @pytest.fixture(autouse=True)
    def no_waiting(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("FORECASTING_ALERT_PENDING_SECONDS", "0")

    def look(self, instance: dg.DagsterInstance, ledger: MemoryLedger, cursor: str | None = None) -> str:
        context = dg.build_sensor_context(instance=instance, cursor=cursor, definitions=DEFINITIONS)
        answer = alert_sensor(context, ledger=ledger, settings=Settings())
        assert isinstance(answer, dg.SensorResult)
        assert answer.cursor is not None
        return answer.cursor

    def one(self, ledger: MemoryLedger) -> Alert:
        (alert,) = ledger.alerts()
        return alert

    def test_a_failed_check_becomes_one_incident_and_resolves(
        self, instance: dg.DagsterInstance, ledger: MemoryLedger
    ) -> None:
        evaluate(instance, False)
        cursor = self.look(instance, ledger)
        assert self.one(ledger).state == "FIRING"
        assert self.one(ledger).fingerprint == CHECK
        assert self.one(ledger).owner == "data-science"
        assert str(self.one(ledger).runbook).endswith("runbooks/forecast_bias_within_budget.md")
        self.look(instance, ledger, cursor)
        evaluate(instance, False)
        evaluate(instance, True)
        self.look(instance, ledger, cursor)
        assert self.one(ledger).state == "RESOLVED"

    def test_reading_the_same_results_twice_opens_nothing_twice(
        self, instance: dg.DagsterInstance, ledger: MemoryLedger
    ) -> None:
        evaluate(instance, False, dg.AssetCheckSeverity.WARN)
        self.look(instance, ledger)
        self.look(instance, ledger)
        assert self.one(ledger).severity == "warning"

    def test_a_check_that_knows_nothing_is_unknown_and_not_good(
        self, instance: dg.DagsterInstance, ledger: MemoryLedger
    ) -> None:
        evaluate(instance, False)
        cursor = self.look(instance, ledger)
        evaluate(instance, True, state="unknown")
        self.look(instance, ledger, cursor)
        assert self.one(ledger).state == "FIRING"

    def test_a_message_nobody_took_is_tried_again(
        self, instance: dg.DagsterInstance, ledger: MemoryLedger, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("FORECASTING_ALERT_URLS", "json://127.0.0.1:9/nobody")
        evaluate(instance, False)
        cursor = self.look(instance, ledger)
        assert all(alert.delivered is None for alert in ledger.alerts() if alert.fingerprint == CHECK)
        (waiting,) = ledger.waiting_messages()
        assert (waiting.attempts, waiting.kind) == (1, "FIRING")
        monkeypatch.delenv("FORECASTING_ALERT_URLS")
        self.look(instance, ledger, cursor)
        assert ledger.waiting_messages() == []
        assert [alert.fingerprint for alert in ledger.alerts(open_only=True) if alert.delivered] == [CHECK]

    def test_the_sensor_says_that_it_lives(self, instance: dg.DagsterInstance, ledger: MemoryLedger) -> None:
        self.look(instance, ledger)
        assert set(ledger.heartbeats()) == {"alert_sensor"}

    @pytest.mark.parametrize(
        ("days", "state"),
        [(("2023-06-01", "2023-06-30"), "FIRING"), (("2023-01-01", "2023-06-30"), "MUTED"),
         (("2022-06-01", "2022-06-02"), "MUTED")],
        ids=["newest days", "many days", "days long past"],
    )  # fmt: skip
    def test_a_run_about_days_long_past_calls_nobody(
        self, instance: dg.DagsterInstance, ledger: MemoryLedger, days: tuple[str, str], state: str
    ) -> None:
        materialize(instance, "raw_observations", "2023-06-30")

        @dg.asset_check(asset="forecast_errors")
        def broken() -> dg.AssetCheckResult:
            return dg.AssetCheckResult(passed=False)

        job = dg.Definitions(asset_checks=[broken]).resolve_implicit_global_asset_job_def()
        job.execute_in_process(instance=instance, tags={RANGE_START: days[0], RANGE_END: days[1]})
        self.look(instance, ledger)
        assert self.one(ledger).state == state

    def test_a_backfill_is_told_once_and_its_runs_are_not(
        self, instance: dg.DagsterInstance, ledger: MemoryLedger
    ) -> None:
        for number, status in enumerate([BulkActionStatus.COMPLETED_FAILED, BulkActionStatus.COMPLETED_SUCCESS]):
            instance.add_backfill(backfill(f"number-{number}", status, 1_700_000_000.0 + number))
            self.look(instance, ledger)
            assert self.one(ledger).fingerprint == "backfill_failure:feature_table+raw_observations"
        assert self.one(ledger).state == "RESOLVED"
        run = dg.DagsterRun("__ASSET_JOB", tags={"dagster/backfill": "number-0"})
        assert run_failure(instance, run, "gone", Settings()) is None
        repeated = dg.DagsterRun("load_job", tags={"dagster/will_retry": "true"})
        assert run_failure(instance, repeated, "gone", Settings()) is None
        assert run_failure(instance, dg.DagsterRun("load_job"), "gone", Settings()) is not None

    def test_a_backfill_is_bad_when_its_days_are_there_but_its_run_failed_for_good(
        self, instance: dg.DagsterInstance, ledger: MemoryLedger
    ) -> None:
        instance.add_backfill(backfill("number-0", BulkActionStatus.COMPLETED_SUCCESS, 1_700_000_000.0))
        tags = {"dagster/backfill": "number-0"}
        repeated = dg.DagsterRun("load_job", tags=tags | {"dagster/will_retry": "true"})
        instance.add_run(repeated.with_status(dg.DagsterRunStatus.FAILURE))
        self.look(instance, ledger)
        assert ledger.alerts(open_only=True) == []
        instance.add_run(dg.DagsterRun("load_job", tags=tags).with_status(dg.DagsterRunStatus.FAILURE))
        self.look(instance, ledger)
        assert ": a run of it failed. Next: " in self.one(ledger).summary

    @pytest.mark.slow
    def test_random_sequences_with_restarts_lose_and_double_nothing(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("FORECASTING_ALERT_URLS", "json://127.0.0.1:9/nobody")
        monkeypatch.setattr("forecasting_platform.services.alerts.Alerts.send_waiting", lambda _: [])
        generator = random.Random(0)
        for _ in range(SEQUENCES):
            with dg.DagsterInstance.ephemeral() as instance:
                self.one_random_sequence(instance, generator)

    def one_random_sequence(self, instance: dg.DagsterInstance, generator: random.Random) -> None:
        ledger, cursors = MemoryLedger(), ["0"]
        fired = resolved = 0
        failing = False
        for _ in range(generator.randint(1, 8)):
            passed = generator.random() < 0.5
            evaluate(instance, passed)
            fired, resolved = fired + (not passed and not failing), resolved + (passed and failing)
            failing = not passed
            if generator.random() < 0.7:
                # A restart goes on from any cursor that was saved.
                cursors.append(self.look(instance, ledger, generator.choice(cursors)))
        self.look(instance, ledger, cursors[-1])
        kinds = [message.kind for message in ledger.waiting_messages()]
        assert (kinds.count("FIRING"), kinds.count("RESOLVED")) == (fired, resolved)


def backfill(backfill_id: str, status: BulkActionStatus, timestamp: float) -> PartitionBackfill:
    assets = [dg.AssetKey("raw_observations"), dg.AssetKey("feature_table")]
    return PartitionBackfill(
        backfill_id=backfill_id, status=status, from_failure=False, tags={}, backfill_timestamp=timestamp,
        asset_selection=assets,
    )  # fmt: skip

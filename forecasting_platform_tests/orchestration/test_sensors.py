"""What is noticed, and asked for once."""

from collections.abc import Iterator
from datetime import UTC, date, datetime

import dagster as dg
import numpy as np
import pytest

from forecasting_platform.adapters.memory_ledger import MemoryLedger
from forecasting_platform.adapters.memory_model_registry import MemoryModelRegistry
from forecasting_platform.forecasting.alerts import Alert
from forecasting_platform.forecasting.forecasters import Naive
from forecasting_platform.forecasting.frames import FEATURE_NAMES
from forecasting_platform.forecasting.model import ForecastModel
from forecasting_platform.forecasting.promotion import PromotionDecision
from forecasting_platform.orchestration.partitions import RANGE_END, RANGE_START
from forecasting_platform.orchestration.sensors import alert_sensor, forecast_sensor, promotion_sensor

CUTOFF = date(2023, 6, 30)


def model() -> ForecastModel:
    return ForecastModel(
        unique_ids=("a",),
        cutoff=CUTOFF,
        horizon=15,
        country="IE",
        candidates=(Naive(),),
        weights=np.ones((1, 1)),
        probabilities=np.array([0.1, 0.5, 0.9]),
        error_quantiles=np.tile([-1.0, 0.0, 1.0], (1, 15, 1)),
        calm_volatility=np.array([np.inf]),
        lower_bound=np.zeros(1),
        plausible=np.array([[-10.0, 10.0]]),
        features=np.zeros((1, len(FEATURE_NAMES))),
        feature_days=np.array([CUTOFF], dtype="datetime64[D]"),
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
        context = dg.build_sensor_context(instance=self.instance)
        answer = promotion_sensor(context, model_registry=registry, ledger=ledger)
        assert isinstance(answer, dg.RunRequest | dg.SkipReason)
        return answer

    def test_skips_without_a_challenger(self, registry: MemoryModelRegistry, ledger: MemoryLedger) -> None:
        answer = self.ask(registry, ledger)
        assert isinstance(answer, dg.SkipReason)
        assert "challenger" in str(answer.skip_message)

    def test_asks_once_for_a_pair_of_versions(self, registry: MemoryModelRegistry, ledger: MemoryLedger) -> None:
        registry.register(model(), plots={}, run_tags={})
        first = self.ask(registry, ledger)
        again = self.ask(registry, ledger)
        assert isinstance(first, dg.RunRequest)
        assert isinstance(again, dg.RunRequest)
        assert first.run_key == again.run_key == "promotion-1-against-none"

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
        number = ledger.append_decision(decided("promote", "2", "1"))
        answer = self.ask(registry, ledger)
        assert isinstance(answer, dg.RunRequest)
        assert answer.run_key == f"promotion-2-against-1-after-{number}"

    def test_does_not_promote_again_what_a_person_rolled_back(
        self, registry: MemoryModelRegistry, ledger: MemoryLedger
    ) -> None:
        first = registry.register(model(), plots={}, run_tags={})
        registry.move_champion(first, expected=None)
        registry.register(model(), plots={}, run_tags={})
        ledger.append_decision(decided("rollback", "1", "2"))
        answer = self.ask(registry, ledger)
        assert isinstance(answer, dg.SkipReason)
        assert "rolled back" in str(answer.skip_message)

    def test_asks_again_each_hour_after_a_failed_run(self, registry: MemoryModelRegistry, ledger: MemoryLedger) -> None:
        registry.register(model(), plots={}, run_tags={})
        first = self.ask(registry, ledger)
        assert isinstance(first, dg.RunRequest)
        failed = dg.DagsterRun("promotion_job", tags=dict(first.tags), status=dg.DagsterRunStatus.FAILURE)
        self.instance.add_run(failed)
        again = self.ask(registry, ledger)
        assert isinstance(again, dg.RunRequest)
        assert again.run_key is not None
        assert again.run_key.startswith(f"{first.run_key}-2")


def materialize(instance: dg.DagsterInstance, asset: str, *days: str) -> None:
    for day in days:
        instance.report_runless_asset_event(dg.AssetMaterialization(asset, partition=day))


class TestForecastSensor:
    @pytest.fixture
    def champion(self, registry: MemoryModelRegistry) -> MemoryModelRegistry:
        registry.move_champion(registry.register(model(), plots={}, run_tags={}), expected=None)
        return registry

    def ask(self, instance: dg.DagsterInstance, registry: MemoryModelRegistry) -> dg.RunRequest | dg.SkipReason:
        answer = forecast_sensor(dg.build_sensor_context(instance=instance), model_registry=registry)
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
        assert request.tags[RANGE_END] == "2023-07-01"


def evaluate(instance: dg.DagsterInstance, passed: bool, severity: dg.AssetCheckSeverity) -> None:
    instance.report_runless_asset_event(
        dg.AssetCheckEvaluation(
            asset_key=dg.AssetKey("forecast_errors"),
            check_name="forecast_bias_within_budget",
            passed=passed,
            metadata={},
            severity=severity,
            description="bias of 1 series is out of budget",
        )
    )


class TestAlertSensor:
    def look(self, instance: dg.DagsterInstance, ledger: MemoryLedger, cursor: str | None = None) -> str:
        context = dg.build_sensor_context(instance=instance, cursor=cursor)
        answer = alert_sensor(context, ledger=ledger)
        assert isinstance(answer, dg.SensorResult)
        assert answer.cursor is not None
        return answer.cursor

    def one(self, ledger: MemoryLedger) -> Alert:
        (alert,) = ledger.alerts()
        return alert

    def test_a_failed_check_becomes_one_incident_and_resolves(
        self, instance: dg.DagsterInstance, ledger: MemoryLedger
    ) -> None:
        evaluate(instance, False, dg.AssetCheckSeverity.ERROR)
        cursor = self.look(instance, ledger)
        assert self.one(ledger).state == "FIRING"
        assert self.one(ledger).fingerprint == "forecast_errors:forecast_bias_within_budget"
        self.look(instance, ledger, cursor)
        evaluate(instance, False, dg.AssetCheckSeverity.ERROR)
        evaluate(instance, True, dg.AssetCheckSeverity.ERROR)
        self.look(instance, ledger, cursor)
        assert self.one(ledger).state == "RESOLVED"

    def test_reading_the_same_results_twice_opens_nothing_twice(
        self, instance: dg.DagsterInstance, ledger: MemoryLedger
    ) -> None:
        evaluate(instance, False, dg.AssetCheckSeverity.WARN)
        self.look(instance, ledger)
        self.look(instance, ledger)
        assert self.one(ledger).severity == "warning"

    def test_a_message_nobody_took_is_tried_again(
        self, instance: dg.DagsterInstance, ledger: MemoryLedger, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("FORECASTING_ALERT_URLS", "json://127.0.0.1:9/nobody")
        evaluate(instance, False, dg.AssetCheckSeverity.ERROR)
        cursor = self.look(instance, ledger)
        assert self.one(ledger).delivered is None
        monkeypatch.delenv("FORECASTING_ALERT_URLS")
        self.look(instance, ledger, cursor)
        assert self.one(ledger).delivered is not None

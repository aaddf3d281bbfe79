"""The promoter on memory adapters, with models that a test gives."""

from datetime import UTC, datetime
from typing import Any

import pandas as pd

from forecasting_platform.adapters.memory.ledger import MemoryLedger
from forecasting_platform.adapters.memory.model_registry import MemoryModelRegistry
from forecasting_platform.adapters.memory.table_store import MemoryTableStore
from forecasting_platform.forecasting.models.trained.model import ForecastModel
from forecasting_platform.forecasting.promotion.decision_inputs import Fitness
from forecasting_platform.forecasting.promotion.policy import PromotionPolicy
from forecasting_platform.forecasting.series.days.date_range import DateRange
from forecasting_platform.forecasting.series.frames import FEATURE_TABLE
from forecasting_platform.ports.model_registry import ModelVersion
from forecasting_platform.services.promotion.promoter import Promoter
from forecasting_platform_tests.support.in_process_engine import in_process

NOW = datetime(2023, 8, 1, tzinfo=UTC)


class Promotions:
    """What a promotion works on, in memory."""

    def __init__(self, features: pd.DataFrame, models: dict[str, ForecastModel]) -> None:
        self.store, self.registry, self.ledger = MemoryTableStore(), MemoryModelRegistry(), MemoryLedger()
        self.models = models
        period = DateRange(features["ds"].min().date(), features["ds"].max().date())
        self.store.replace(FEATURE_TABLE, features, period)

    def promoter(self, **ports: Any) -> Promoter:
        parts: dict[str, Any] = {"store": self.store, "engine": in_process(self.store)}
        parts |= {"registry": self.registry, "ledger": self.ledger} | ports
        fit = Fitness(impossible=0, load_seconds=1, megabytes=1)
        policy = PromotionPolicy.packaged()
        return Promoter(**parts, policy=policy, fitness=lambda _: fit, impossible=lambda _: 0, now=lambda: NOW)

    def register(self, name: str) -> ModelVersion:
        return self.registry.register(self.models[name], plots={}, run_tags={})

    def champion(self) -> str | None:
        found = self.registry.version_at("champion")
        return found.version if found else None

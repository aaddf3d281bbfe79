"""One promotion on a real MLflow and Postgres in a process of its own, which is killed after a write of a number.

python -m forecasting_platform_tests.kill.promote DSN MLFLOW_URL MODEL_NAME WRITE
"""

import os
import signal
import sys
from datetime import UTC, datetime
from typing import Any

from forecasting_platform.adapters.mlflow.model_registry import MlflowModelRegistry
from forecasting_platform.adapters.postgres.ledger import PostgresLedger
from forecasting_platform.adapters.postgres.table_store import PostgresTableStore
from forecasting_platform.forecasting.promotion.decision_inputs import Fitness
from forecasting_platform.forecasting.promotion.policy import PromotionPolicy
from forecasting_platform.services.promotion.promoter import PROMOTION_SENSOR, Promoter
from forecasting_platform_tests.support.in_process_engine import in_process

WRITES = ("append_decision", "tag", "move_champion", "tag")


class Killed:
    """A port whose process kills itself after a write of a number, counted over several ports."""

    def __init__(self, port: Any, written: list[str], last: int) -> None:
        self._port, self._written, self._last = port, written, last

    def __getattr__(self, name: str) -> Any:
        method = getattr(self._port, name)
        if name not in WRITES:
            return method

        def write(*arguments: Any, **named: Any) -> Any:
            answer = method(*arguments, **named)
            self._written.append(name)
            if len(self._written) == self._last:
                os.kill(os.getpid(), signal.SIGKILL)
            return answer

        return write


def promoter(dsn: str, mlflow_url: str, name: str, kill_after: int = 0) -> Promoter:
    """On the real adapters; its process dies after so many writes, never at 0."""
    written: list[str] = []
    fit = Fitness(impossible=0, load_seconds=1, megabytes=1)
    registry: Any = Killed(MlflowModelRegistry(mlflow_url, name=name), written, kill_after)
    ledger: Any = Killed(PostgresLedger(dsn), written, kill_after)
    store = PostgresTableStore(dsn)
    return Promoter(
        store=store,
        engine=in_process(store),
        registry=registry,
        ledger=ledger,
        policy=PromotionPolicy.packaged(),
        fitness=lambda _: fit,
        impossible=lambda _: 0,
        now=lambda: datetime.now(UTC),
    )


if __name__ == "__main__":
    promoter(*sys.argv[1:4], kill_after=int(sys.argv[4])).evaluate(PROMOTION_SENSOR)

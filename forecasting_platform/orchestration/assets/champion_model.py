"""`trained_model` -> `champion_model`."""

from typing import Literal

import dagster as dg
from pydantic import Field

from forecasting_platform.forecasting.promotion.decisions import PromotionDecision
from forecasting_platform.orchestration.assets.trained_model import trained_model
from forecasting_platform.orchestration.metadata.promotion import decision_metadata
from forecasting_platform.ports.engine import Engine
from forecasting_platform.ports.ledger import Ledger
from forecasting_platform.ports.model_registry import ModelRegistry
from forecasting_platform.ports.table_store import TableStore
from forecasting_platform.services.promotion.promoter import Promoter
from forecasting_platform.settings import Settings
from forecasting_platform.wiring import declared_not_normal, promoter_of


class PromotionConfig(dg.Config):
    """Evaluate the challenger, or do what a person decided."""

    decided_by: str = Field(default="person", description="Who asked.")
    action: Literal["evaluate", "rollback", "override"] = Field(
        default="evaluate", description="Judge the challenger, serve an earlier version again, or serve one regardless."
    )
    to_version: str | None = Field(
        default=None,
        description="The version to serve; by default the previous one, or the challenger for an override.",
    )
    reason: str = Field(default="", description="Why; needed unless the challenger is evaluated.")


@dg.asset(group_name="promote", owners=["team:data-science"], kinds={"mlflow"}, deps=[trained_model])
def champion_model(
    context: dg.AssetExecutionContext,
    config: PromotionConfig,
    table_store: dg.ResourceParam[TableStore],
    engine: dg.ResourceParam[Engine],
    model_registry: dg.ResourceParam[ModelRegistry],
    ledger: dg.ResourceParam[Ledger],
    settings: dg.ResourceParam[Settings],
) -> dg.MaterializeResult[None]:
    """The version that serves. The challenger replaces it only when the evidence says that it is better.

    Refreshed when there is new evidence, by `promote`, or by `rollback`. The decision and its evidence are written
    first; the alias moves last. A champion that goes wrong is taken back without a person, whom the alert sensor tells.
    """
    promoter = promoter_of(table_store, engine, model_registry, ledger, declared_not_normal(settings))
    decision = _decided(promoter, config)
    context.log.info(f"{decision.verdict} version {decision.challenger_version}: {decision.reason}")
    recorded = len(ledger.decisions(with_evidence=False))
    return dg.MaterializeResult(metadata={**decision_metadata(decision), "dagster/row_count": recorded})


def _decided(promoter: Promoter, config: PromotionConfig) -> PromotionDecision:
    if config.action == "rollback":
        return promoter.roll_back(config.to_version, config.reason, config.decided_by)
    if config.action == "override":
        return promoter.override(config.to_version, config.reason, config.decided_by)
    return promoter.evaluate(config.decided_by)

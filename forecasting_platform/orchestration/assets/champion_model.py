"""`trained_model` -> `champion_model`."""

from datetime import UTC, datetime

import dagster as dg
from pydantic import Field

from forecasting_platform.errors import NoChallengerError, NoChampionError, UnknownVersionError
from forecasting_platform.forecasting.decisions import PromotionDecision, rollback_decision, unless_rolled_back
from forecasting_platform.forecasting.evaluation import Comparison, compare_recipes
from forecasting_platform.forecasting.frames import FEATURE_TABLE
from forecasting_platform.forecasting.panel import panel_from
from forecasting_platform.forecasting.promotion import Candidacy, Evidence, PromotionPolicy, decide
from forecasting_platform.forecasting.recipe import recipe_from
from forecasting_platform.orchestration.assets.trained_model import trained_model
from forecasting_platform.orchestration.metadata import document
from forecasting_platform.ports.ledger import Ledger
from forecasting_platform.ports.model_registry import ModelRegistry, ModelVersion
from forecasting_platform.ports.table_store import TableStore

PROMOTION_SENSOR = "promotion_sensor"


class PromotionConfig(dg.Config):
    """An evaluation of the challenger, or a person's rollback."""

    decided_by: str = Field(default="person", description="Who asked.")
    rollback: bool = Field(default=False, description="Serve an earlier version again instead of evaluating.")
    to_version: str | None = Field(
        default=None, description="The version to roll back to; the previous one by default."
    )
    reason: str = Field(default="", description="Why; needed for a rollback.")


@dg.asset(group_name="promote", kinds={"mlflow"}, deps=[trained_model])
def champion_model(
    context: dg.AssetExecutionContext,
    config: PromotionConfig,
    table_store: dg.ResourceParam[TableStore],
    model_registry: dg.ResourceParam[ModelRegistry],
    ledger: dg.ResourceParam[Ledger],
) -> dg.MaterializeResult[None]:
    """The version that serves. The challenger replaces it only when the evidence says that it is better.

    Refreshed when a new challenger appears, by `promote`, or by `rollback`. The decision and its
    evidence are written first; the alias moves last.
    """
    champion = model_registry.version_at("champion")
    decision = (
        _rollback(model_registry, champion, config)
        if config.rollback
        else _evaluate(table_store, model_registry, champion, config)
    )
    if config.decided_by == PROMOTION_SENSOR:
        decision = unless_rolled_back(decision, ledger.decisions(limit=50))
    number = ledger.append_decision(decision)
    challenger = model_registry.get_version(decision.challenger_version)
    model_registry.tag(challenger, {"decision": f"{decision.verdict}: {decision.reason}", "decision_id": str(number)})
    if decision.moves_champion:
        model_registry.move_champion(challenger, expected=champion.version if champion else None)
    context.log.info(f"{decision.verdict} version {decision.challenger_version}: {decision.reason}")
    serving = decision.challenger_version if decision.moves_champion else decision.champion_version
    return dg.MaterializeResult(
        metadata={
            "decision_id": number,
            "verdict": decision.verdict,
            "reason": decision.reason,
            "champion_version": serving or "none",
            "evidence": document(decision.evidence),
        }
    )


def _evaluate(
    table_store: TableStore, registry: ModelRegistry, champion: ModelVersion | None, config: PromotionConfig
) -> PromotionDecision:
    challenger = registry.version_at("challenger")
    if challenger is None:
        raise NoChallengerError("forecasting_platform")
    comparison = _compare(table_store, registry, challenger, champion)
    return decide(
        _candidacy(challenger, comparison.challenger),
        _candidacy(champion, comparison.champion) if champion and comparison.champion else None,
        comparison.naive,
        PromotionPolicy(),
        horizon=registry.load(challenger).horizon,
        decided_at=datetime.now(UTC),
        decided_by=config.decided_by,
    )


def _compare(
    table_store: TableStore, registry: ModelRegistry, challenger: ModelVersion, champion: ModelVersion | None
) -> Comparison:
    model = registry.load(challenger)
    serving = registry.load(champion) if champion else None
    shared = set(model.unique_ids) & set(serving.unique_ids if serving else model.unique_ids)
    panel = panel_from(table_store.read(FEATURE_TABLE, unique_ids=sorted(shared)))
    return compare_recipes(
        panel,
        recipe_from(model.metadata["recipe"]),
        recipe_from(serving.metadata["recipe"]) if serving else None,
    )


def _candidacy(version: ModelVersion, evidence: Evidence) -> Candidacy:
    return Candidacy(version.version, version.cutoff, version.tags.get("recipe_fingerprint", ""), evidence)


def _rollback(registry: ModelRegistry, champion: ModelVersion | None, config: PromotionConfig) -> PromotionDecision:
    if champion is None:
        raise NoChampionError("forecasting_platform")
    if not config.reason.strip():
        raise dg.Failure("a rollback needs a reason; it is kept in the ledger", allow_retries=False)
    to = registry.get_version(config.to_version) if config.to_version else registry.version_at("previous")
    if to is None or to.version == champion.version:
        raise UnknownVersionError(config.to_version or "previous", [champion.version])
    return rollback_decision(
        to_version=to.version,
        to_cutoff=to.cutoff,
        champion_version=champion.version,
        reason=config.reason,
        decided_at=datetime.now(UTC),
        decided_by=config.decided_by,
    )

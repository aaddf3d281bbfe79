"""Judges the challenger against what serves: loads it, gathers evidence, asks the rule. Moves nothing: `promoter`."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime

from forecasting_platform.errors import InvalidArtifactError, NoChallengerError
from forecasting_platform.forecasting.models.recipes.recipe import recipe_from
from forecasting_platform.forecasting.models.trained.model import ForecastModel
from forecasting_platform.forecasting.promotion.decision_inputs import Evidence, Fitness, ScoredVersion
from forecasting_platform.forecasting.promotion.decisions import PromotionDecision, Verdict
from forecasting_platform.forecasting.promotion.policy import PromotionPolicy
from forecasting_platform.forecasting.promotion.rule import decide
from forecasting_platform.ports.model_registry import FINGERPRINTS, ModelRegistry, ModelVersion
from forecasting_platform.services.promotion.evidence import PromotionEvidence
from forecasting_platform.services.promotion.versions import Serving, Versions


@dataclass(frozen=True, slots=True)
class ChallengerJudge:
    """Judges the version with the alias `challenger`.

    Args:
        fitness: loads a model as a clean process would.
        now: the clock.
    """

    registry: ModelRegistry
    versions: Versions
    policy: PromotionPolicy
    fitness: Callable[[ForecastModel], Fitness]
    now: Callable[[], datetime]

    def judge(self, serving: Serving, gathered: PromotionEvidence, decided_by: str) -> PromotionDecision:
        """The verdict about the challenger, against what serves.

        Raises:
            NoChallengerError: there is nothing to judge.
            MissingMetricError: a loss is missing; the champion stays.
        """
        challenger, champion = self.registry.version_at("challenger"), serving.version if serving.model else None
        if challenger is None:
            raise NoChallengerError(self.registry.name)
        model, problem = self.versions.load(challenger)
        if model is None:
            return self._unjudged("reject", problem or "", challenger, serving, decided_by)
        try:
            fitness = self.fitness(model)
        except InvalidArtifactError as error:
            return self._unjudged("reject", str(error), challenger, serving, decided_by)
        if serving.model is not None and set(model.unique_ids).isdisjoint(serving.model.unique_ids):
            reason = (
                f"version {challenger.version} shares no series with version {serving.number}, so nothing can be "
                f"compared; where the feed has other series now, serve it by "
                f"`promote --to-version {challenger.version} --reason …`"
            )
            return self._unjudged("hold", reason, challenger, serving, decided_by)
        gathered = gathered.besides(model)
        comparison = gathered.compare(model, serving.model)
        loss, naive, at = recipe_from(model.metadata["recipe"]).loss, comparison.naive["seasonal_naive"], self.now()
        unit = naive.rmse if loss == "squared" else naive.unit
        decision = decide(
            _scored_version(challenger, comparison.challenger, model),
            _scored_version(champion, comparison.champion, serving.model)
            if champion and comparison.champion and serving.model
            else None,
            comparison.naive,
            self.policy,
            horizon=model.horizon,
            decided_at=at,
            decided_by=decided_by,
            shadow=gathered.shadow(challenger, champion, unit, loss, unit) if champion else None,
            fitness=fitness,
            tries=gathered.tries(challenger, champion, at) if champion else None,
            left_out=comparison.left_out,
            loss=loss,
            provenance={
                version.version: {name: version.tags.get(name) for name in (*FINGERPRINTS, "artifact_sha256")}
                for version in (challenger, champion)
                if version
            },
        )
        if serving.broken is None:
            return decision
        # Judged as if nothing served, since nothing that serves could be judged.
        reason, evidence = f"{decision.reason}; {serving.broken}", decision.evidence | {"lost": serving.broken}
        return replace(decision, champion_version=serving.number, reason=reason, evidence=evidence)

    def _unjudged(
        self, verdict: Verdict, reason: str, challenger: ModelVersion, serving: Serving, decided_by: str
    ) -> PromotionDecision:
        return PromotionDecision(
            verdict=verdict,
            reason=reason,
            challenger_version=challenger.version,
            champion_version=serving.number,
            challenger_cutoff=challenger.cutoff,
            decided_at=self.now(),
            decided_by=decided_by,
        )


def _scored_version(version: ModelVersion, evidence: Evidence, model: ForecastModel) -> ScoredVersion:
    declared = recipe_from(model.metadata["recipe"]).declared_days
    fingerprint = version.tags.get("recipe_fingerprint", "")
    return ScoredVersion(version.version, version.cutoff, fingerprint, evidence, declared)

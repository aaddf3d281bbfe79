"""Decides about the champion and moves the alias: judge, record, tag, move, in this order.

Everything happens while this process alone may change the champion. The alias moves last: a decision without its move
is one that a crash prevented, and the next call makes exactly that move first.

Recovery needs nothing of what it replaces: a champion that is deleted, damaged or without its alias is rolled back,
replaced by the challenger, or replaced because a person says so, and the ledger records what was missing.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, Literal

from forecasting_platform.errors import (
    NoChampionError,
    ReasonMissingError,
    UnknownVersionError,
)
from forecasting_platform.forecasting.models.trained.model import ForecastModel
from forecasting_platform.forecasting.promotion.decision_inputs import Fitness
from forecasting_platform.forecasting.promotion.decisions import (
    AUTOMATIC,
    PromotionDecision,
    hold_if_rolled_back,
    rollback_decision,
)
from forecasting_platform.forecasting.promotion.policy import PromotionPolicy
from forecasting_platform.forecasting.promotion.rollback import BROKEN, may_roll_back
from forecasting_platform.forecasting.series.days.not_normal import ALL_NORMAL, NotNormal
from forecasting_platform.ports.engine import Engine
from forecasting_platform.ports.ledger import Ledger
from forecasting_platform.ports.model_registry import ModelRegistry, ModelVersion
from forecasting_platform.ports.table_store import TableStore
from forecasting_platform.services.promotion.challenger_judge import ChallengerJudge
from forecasting_platform.services.promotion.evidence import PromotionEvidence
from forecasting_platform.services.promotion.versions import (
    LEDGER_LOOK_BACK,
    MOVED_BY,
    AlreadyChampionError,
    Serving,
    Versions,
    describe_lost,
)

PROMOTION_SENSOR = "promotion_sensor"


@dataclass(frozen=True, slots=True)
class Promoter:
    """Changes the champion.

    Args:
        fitness: loads a model as a clean process would.
        impossible: counts the forecasts a model would issue that are not finite or not possible.
        now: the clock.
        not_normal: periods of which no error decides, besides those of the recipes of the models themselves.
    """

    store: TableStore
    engine: Engine
    registry: ModelRegistry
    ledger: Ledger
    policy: PromotionPolicy
    fitness: Callable[[ForecastModel], Fitness]
    impossible: Callable[[ForecastModel], int]
    now: Callable[[], datetime]
    not_normal: NotNormal = ALL_NORMAL

    def evaluate(self, decided_by: str) -> PromotionDecision:
        """Take a champion back that went wrong; else judge the challenger, and move the alias if it is better.

        Raises:
            NoChallengerError: there is nothing to judge.
            MissingMetricError: a loss is missing; the champion stays.
        """
        with self.ledger.promotion():
            known, finished = self.versions.newest_number(), self.finish()
            if finished is not None:
                return finished
            serving = self.versions.serving()
            evidence = self._evidence(serving.model)
            decision = self._take_back(serving, evidence, decided_by) or self._judge.judge(
                serving, evidence, decided_by
            )
            if decided_by == PROMOTION_SENSOR and AUTOMATIC not in decision.evidence and serving.broken is None:
                decision = hold_if_rolled_back(decision, self.ledger.decisions(LEDGER_LOOK_BACK, with_evidence=False))
            return self._carry_out(decision, after=known)

    def roll_back(self, to_version: str | None, reason: str, decided_by: str) -> PromotionDecision:
        """Serve an earlier version again, because a person says so; without `to_version` the newest earlier champion
        that can be loaded.

        Raises:
            ReasonMissingError: nothing says why.
            NoChampionError: there never was one.
            AlreadyChampionError: the version serves already.
            UnknownVersionError, InvalidArtifactError: there is none to go to, or it cannot be loaded.
        """
        return self._by_a_person("rollback", to_version, reason, decided_by)

    def override(self, to_version: str | None, reason: str, decided_by: str) -> PromotionDecision:
        """Serve a version whatever the evidence, because a person says so; the challenger without `to_version`.

        Raises:
            ReasonMissingError: nothing says why.
            NoChampionError: there never was one.
            AlreadyChampionError: the version serves already.
            UnknownVersionError, InvalidArtifactError: there is none to go to, or it cannot be loaded.
        """
        return self._by_a_person("override", to_version, reason, decided_by)

    def finish(self) -> PromotionDecision | None:
        """Make the move that a crash prevented, if one is owed; the decision that asked for it."""
        owed = self.versions.owed()
        if owed is None:
            return None
        self._move(owed, self.registry.get_version(owed.challenger_version))
        return self.ledger.decisions(1, before=(owed.decision_id or 0) + 1)[0]

    def shown_by_new_days(self) -> str | None:
        """What matured forecasts say without any backtest: that the champion goes wrong, or how its shadow does."""
        serving, challenger = self.versions.serving(), self.registry.version_at("challenger")
        if serving.broken is not None:
            return serving.broken
        champion, model = serving.version, serving.model
        if champion is None or model is None:
            return None
        evidence = self._evidence(model)
        trigger = evidence.rollback_trigger(champion, model, self.versions.earlier(champion.version))
        if trigger is not None:
            return f"version {champion.version}: {trigger.reason}"
        if challenger is None or challenger.version == champion.version:
            return None
        better = evidence.better_challenger(challenger, champion, model, self.now())
        return f"version {challenger.version}'s recipe: {better.reason}" if better else None

    @property
    def versions(self) -> Versions:
        """Which versions serve, served and should serve."""
        return Versions(self.registry, self.ledger)

    @property
    def _judge(self) -> ChallengerJudge:
        return ChallengerJudge(self.registry, self.versions, self.policy, self.fitness, self.now)

    def _evidence(self, serving: ForecastModel | None) -> PromotionEvidence:
        found = PromotionEvidence(self.store, self.engine, self.versions, self.policy, self.impossible, self.not_normal)
        return found.besides(serving) if serving else found

    # ---- carrying out

    def _carry_out(self, decision: PromotionDecision, *, after: int) -> PromotionDecision:
        entry = self.ledger.append_decision(decision, after=after)
        try:
            self._move(entry, self.registry.get_version(entry.challenger_version))
        except UnknownVersionError:
            # Deleted while it was judged. What was decided stands; a move that is asked for cannot be made.
            if entry.moves_champion:
                raise
        return entry

    def _move(self, entry: PromotionDecision, to: ModelVersion) -> None:
        if entry.challenger_version != entry.champion_version:
            said = {"decision": f"{entry.verdict}: {entry.reason}", "decision_id": str(entry.decision_id)}
            self.registry.tag(to, said | {"decision_hash": entry.entry_hash or ""})
        if not entry.moves_champion:
            return
        serving = self.versions.serving_number()
        if serving != to.version:
            # An alias that was lost since stands in nobody's way.
            self.registry.move_champion(to, expected=entry.champion_version if serving is not None else None)
        self.registry.tag(to, {MOVED_BY: str(entry.decision_id)})

    # ---- a person's word

    def _by_a_person(
        self, verdict: Literal["rollback", "override"], to_version: str | None, reason: str, decided_by: str
    ) -> PromotionDecision:
        if not reason.strip():
            raise ReasonMissingError(verdict)
        with self.ledger.promotion():
            known = self.versions.newest_number()
            # The person decides about what serves once everything decided before is done.
            self.finish()
            champion, lost = self.versions.serving_number(), describe_lost(self.versions.lost())
            if champion is None and lost is None:
                raise NoChampionError(self.registry.name)
            to = self._wanted(verdict, to_version, champion)
            self.registry.load(to)
            decision = self._rollback(champion, to, reason, decided_by)
            evidence = decision.evidence | ({"lost": lost} if lost else {})
            return self._carry_out(replace(decision, verdict=verdict, evidence=evidence), after=known)

    def _wanted(self, verdict: str, to_version: str | None, champion: str | None) -> ModelVersion:
        if to_version is not None:
            to: ModelVersion | None = self.registry.get_version(to_version)
        elif verdict == "rollback":
            to = self.versions.earlier(champion)
        else:
            to = self.registry.version_at("challenger")
        if to is None:
            raise UnknownVersionError(
                "previous" if verdict == "rollback" else "challenger", [champion] if champion else []
            )
        if to.version == champion:
            raise AlreadyChampionError(to.version)
        return to

    def _rollback(self, champion: str | None, to: ModelVersion, reason: str, decided_by: str) -> PromotionDecision:
        return rollback_decision(
            to_version=to.version,
            to_cutoff=to.cutoff,
            champion_version=champion,
            reason=reason,
            decided_at=self.now(),
            decided_by=decided_by,
        )

    # ---- taking back without a person

    def _take_back(self, serving: Serving, gathered: PromotionEvidence, decided_by: str) -> PromotionDecision | None:
        if serving.broken is not None:
            # Where only what was decided last is gone, what serves goes on, and the ledger says so.
            to = serving.version if serving.model is not None else self.versions.earlier(serving.number)
            return self._replaced(serving, to, serving.broken, {BROKEN: serving.broken}, decided_by) if to else None
        if serving.version is None or serving.model is None:
            return None
        previous = self.versions.earlier(serving.number)
        trigger = gathered.rollback_trigger(serving.version, serving.model, previous)
        if previous is None or trigger is None:
            return None
        reason = f"version {serving.number}: {trigger.reason}"
        decision = self._replaced(serving, previous, reason, trigger.numbers, decided_by)
        if may_roll_back(self.ledger.decisions(LEDGER_LOOK_BACK), self.now(), self.policy):
            return decision
        most, days = self.policy.max_automatic_rollbacks, self.policy.cool_down_days
        reason = f"{reason}; not rolled back: {most} automatic rollbacks in {days} days, so a person decides"
        return replace(decision, verdict="hold", reason=reason)

    def _replaced(
        self, serving: Serving, to: ModelVersion, reason: str, numbers: dict[str, Any], decided_by: str
    ) -> PromotionDecision:
        decision = self._rollback(serving.number, to, reason, decided_by)
        return replace(decision, evidence={AUTOMATIC: numbers})

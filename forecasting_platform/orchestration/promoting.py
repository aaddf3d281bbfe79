"""A promotion from evidence to alias: judge, record, tag, move, in this order; and what a crash left is finished first.

Knows the ports and no Dagster. Everything happens while this process alone may change the champion, and the alias
moves last: a decision without its move is one that a crash prevented, and the next call makes exactly that move.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import date, datetime

import pandas as pd

from forecasting_platform.errors import NoChallengerError, NoChampionError, ReasonMissingError, UnknownVersionError
from forecasting_platform.forecasting.date_range import DateRange
from forecasting_platform.forecasting.decisions import (
    AUTOMATIC,
    PromotionDecision,
    rollback_decision,
    unless_rolled_back,
)
from forecasting_platform.forecasting.evaluation import Comparison, compare_recipes
from forecasting_platform.forecasting.frames import FEATURE_TABLE, FORECAST_ERRORS
from forecasting_platform.forecasting.lifetime import new_series, undecided_series
from forecasting_platform.forecasting.model import ForecastModel
from forecasting_platform.forecasting.panel import panel_from
from forecasting_platform.forecasting.promotion import Candidacy, Evidence, Fitness, Shadow, decide
from forecasting_platform.forecasting.promotion_policy import PromotionPolicy
from forecasting_platform.forecasting.recipe import recipe_from
from forecasting_platform.forecasting.rollback import Trip, better_before, may_move, tripped
from forecasting_platform.forecasting.shadow import shadow_of
from forecasting_platform.ports.ledger import Ledger
from forecasting_platform.ports.model_registry import FINGERPRINTS, Alias, ModelRegistry, ModelVersion
from forecasting_platform.ports.table_store import TableStore
from forecasting_platform.settings import REGISTERED_MODEL

PROMOTION_SENSOR = "promotion_sensor"
LEDGER_LOOK_BACK = 100
MOVED_BY = "moved_by_decision"
"""Tag of a version: the decision whose move was completed. Without it the move is still owed."""


@dataclass(frozen=True, slots=True)
class Promoter:
    """Changes the champion.

    Args:
        fitness: loads a model as a clean process would.
        impossible: counts the forecasts a model would issue that are not finite or not possible.
        now: the clock.
    """

    store: TableStore
    registry: ModelRegistry
    ledger: Ledger
    policy: PromotionPolicy
    fitness: Callable[[ForecastModel], Fitness]
    impossible: Callable[[ForecastModel], int]
    now: Callable[[], datetime]

    def evaluate(self, decided_by: str) -> PromotionDecision:
        """Take a champion back that went wrong; else judge the challenger, and move the alias if it is better.

        Raises:
            NoChallengerError: there is nothing to judge.
            MissingMetricError: a loss is missing; the champion stays.
        """
        with self.ledger.promotion():
            finished = self.finish()
            if finished is not None:
                return finished
            decision = self._taken_back(decided_by) or self._judged(decided_by)
            if decided_by == PROMOTION_SENSOR and AUTOMATIC not in decision.evidence:
                decision = unless_rolled_back(decision, self.ledger.decisions(LEDGER_LOOK_BACK))
            return self._carry_out(decision)

    def roll_back(self, to_version: str | None, reason: str, decided_by: str) -> PromotionDecision:
        """Serve an earlier version again, because a person says so; the previous champion without `to_version`.

        Raises:
            ReasonMissingError: nothing says why.
            NoChampionError, UnknownVersionError: there is none to leave, or to go to.
        """
        return self._by_a_person("rollback", to_version, "previous", reason, decided_by)

    def override(self, to_version: str | None, reason: str, decided_by: str) -> PromotionDecision:
        """Serve a version whatever the evidence, because a person says so; the challenger without `to_version`.

        Raises:
            ReasonMissingError: nothing says why.
            NoChampionError, UnknownVersionError: there is none to leave, or to go to.
        """
        return self._by_a_person("override", to_version, "challenger", reason, decided_by)

    def finish(self) -> PromotionDecision | None:
        """Make the move that a crash prevented, if one is owed; the decision that asked for it."""
        owed = self.owed()
        if owed is not None:
            self._move(owed, self.registry.get_version(owed.challenger_version))
        return owed

    def owed(self) -> PromotionDecision | None:
        """The newest decision that moves the champion, where its move was not completed."""
        newest = next((found for found in self.ledger.decisions(LEDGER_LOOK_BACK) if found.moves_champion), None)
        if newest is None or newest.entry_hash is None:
            return None
        to, champion = self.registry.get_version(newest.challenger_version), self.registry.version_at("champion")
        serving = champion.version if champion else None
        # Where somebody moved the alias by hand meanwhile, what was decided was about another champion.
        if to.tags.get(MOVED_BY) == str(newest.decision_id) or serving not in {newest.champion_version, to.version}:
            return None
        return newest

    def shown_by_new_days(self) -> str | None:
        """What matured forecasts say without any backtest: that the champion goes wrong, or how its shadow does."""
        challenger, champion, previous = (
            self.registry.version_at(alias) for alias in ("challenger", "champion", "previous")
        )
        if champion is None:
            return None
        trip = self._trip(champion, previous) if previous and previous.version != champion.version else None
        if trip is not None:
            return f"version {champion.version}: {trip.reason}"
        if challenger is None or challenger.version == champion.version:
            return None
        model = self.registry.load(champion)
        shadow = self._shadow(challenger, champion, _unit(_of_deciding(self._errors(), model)))
        better = better_before(shadow, self.policy, model.horizon)
        return f"version {challenger.version}'s recipe: {better.reason}" if better else None

    # ---- carrying out

    def _carry_out(self, decision: PromotionDecision) -> PromotionDecision:
        entry = self.ledger.append_decision(decision)
        self._move(entry, self.registry.get_version(entry.challenger_version))
        return entry

    def _move(self, entry: PromotionDecision, to: ModelVersion) -> None:
        if entry.challenger_version != entry.champion_version:
            said = {"decision": f"{entry.verdict}: {entry.reason}", "decision_id": str(entry.decision_id)}
            self.registry.tag(to, said | {"decision_hash": entry.entry_hash or ""})
        if not entry.moves_champion:
            return
        champion = self.registry.version_at("champion")
        if champion is None or champion.version != to.version:
            self.registry.move_champion(to, expected=entry.champion_version)
        self.registry.tag(to, {MOVED_BY: str(entry.decision_id)})

    # ---- a person's word

    def _by_a_person(
        self, verdict: str, to_version: str | None, alias: Alias, reason: str, decided_by: str
    ) -> PromotionDecision:
        if not reason.strip():
            raise ReasonMissingError(verdict)
        with self.ledger.promotion():
            # The person decides about what serves once everything decided before is done.
            self.finish()
            champion = self.registry.version_at("champion")
            if champion is None:
                raise NoChampionError(REGISTERED_MODEL)
            to = self.registry.get_version(to_version) if to_version else self.registry.version_at(alias)
            if to is None or to.version == champion.version:
                raise UnknownVersionError(to_version or alias, [champion.version])
            decision = self._rollback(champion, to, reason, decided_by)
            return self._carry_out(replace(decision, verdict="override") if verdict == "override" else decision)

    def _rollback(self, champion: ModelVersion, to: ModelVersion, reason: str, decided_by: str) -> PromotionDecision:
        return rollback_decision(
            to_version=to.version,
            to_cutoff=to.cutoff,
            champion_version=champion.version,
            reason=reason,
            decided_at=self.now(),
            decided_by=decided_by,
        )

    # ---- taking back without a person

    def _taken_back(self, decided_by: str) -> PromotionDecision | None:
        champion, previous = self.registry.version_at("champion"), self.registry.version_at("previous")
        if champion is None or previous is None or previous.version == champion.version:
            return None
        trip = self._trip(champion, previous)
        if trip is None:
            return None
        decision = self._rollback(champion, previous, f"version {champion.version}: {trip.reason}", decided_by)
        decision = replace(decision, evidence={AUTOMATIC: trip.numbers})
        if may_move(self.ledger.decisions(LEDGER_LOOK_BACK), self.now(), self.policy):
            return decision
        most, days = self.policy.most_automatic_rollbacks, self.policy.cool_down_days
        reason = f"{decision.reason}; not rolled back: {most} automatic rollbacks in {days} days, so a person decides"
        return replace(decision, verdict="hold", reason=reason)

    def _trip(self, champion: ModelVersion, previous: ModelVersion) -> Trip | None:
        model = self.registry.load(champion)
        errors = _of_deciding(self._errors(), model)
        own = errors[errors["model_version"] == champion.version]
        trip = tripped(own, self.impossible(model), self.policy)
        if trip is not None:
            return trip
        shadow = shadow_of(errors, [previous.version], [champion.version], _unit(own))
        return better_before(shadow, self.policy, model.horizon)

    def _errors(self) -> pd.DataFrame:
        return self.store.read(FORECAST_ERRORS, DateRange(date(1900, 1, 1), date(2199, 12, 31)))

    # ---- judging the challenger

    def _judged(self, decided_by: str) -> PromotionDecision:
        challenger, champion = self.registry.version_at("challenger"), self.registry.version_at("champion")
        if challenger is None:
            raise NoChallengerError(REGISTERED_MODEL)
        model = self.registry.load(challenger)
        comparison = self._compared(model, self.registry.load(champion) if champion else None)
        return decide(
            _candidacy(challenger, comparison.challenger),
            _candidacy(champion, comparison.champion) if champion and comparison.champion else None,
            comparison.naive,
            self.policy,
            horizon=model.horizon,
            decided_at=self.now(),
            decided_by=decided_by,
            shadow=self._shadow(challenger, champion, comparison.naive["seasonal_naive"].rmse) if champion else None,
            fitness=self.fitness(model),
            provenance={version.version: _provenance(version) for version in (challenger, champion) if version},
        )

    def _compared(self, model: ForecastModel, serving: ForecastModel | None) -> Comparison:
        shared = set(model.unique_ids) & set(serving.unique_ids if serving else model.unique_ids)
        # A series new to one of them is forecast by what the others say, and judges no recipe.
        known = shared - new_series(model.metadata) - new_series(serving.metadata if serving else {})
        panel = panel_from(self.store.read(FEATURE_TABLE, unique_ids=sorted(known or shared)))
        champion = recipe_from(serving.metadata["recipe"]) if serving else None
        return compare_recipes(panel, recipe_from(model.metadata["recipe"]), champion)

    def _shadow(self, challenger: ModelVersion, champion: ModelVersion, unit: Mapping[str, float]) -> Shadow | None:
        errors = self._errors()
        if challenger.tags.get("recipe_fingerprint") == champion.tags.get("recipe_fingerprint"):
            # Of one recipe, so only the two frozen versions themselves can be told apart.
            return shadow_of(errors, [challenger.version], [champion.version], unit)
        recipes = {version: self._recipe_of(version) for version in errors["model_version"].unique().tolist()}

        def versions_of(version: ModelVersion) -> list[str]:
            return [found for found, recipe in recipes.items() if recipe == version.tags.get("recipe_fingerprint")]

        return shadow_of(errors, versions_of(challenger), versions_of(champion), unit)

    def _recipe_of(self, version: str) -> str:
        try:
            return self.registry.get_version(version).tags.get("recipe_fingerprint", "")
        except UnknownVersionError:
            # Deleted since; its forecasts stay on record, but nobody can say of which recipe they were.
            return ""


def _of_deciding(errors: pd.DataFrame, model: ForecastModel) -> pd.DataFrame:
    """The errors of the series that the model knows and that may decide."""
    decides = set(model.unique_ids) - undecided_series(model.metadata)
    return errors[errors["unique_id"].isin(decides)]


def _unit(errors: pd.DataFrame) -> dict[str, float]:
    """RMSE of each series' seasonal naive forecast, on the very days that are compared."""
    squares = (errors["y"] - errors["y_hat_seasonal_naive"]) ** 2
    return dict(squares.groupby(errors["unique_id"]).mean() ** 0.5)


def _provenance(version: ModelVersion) -> dict[str, str | None]:
    return {name: version.tags.get(name) for name in (*FINGERPRINTS, "artifact_sha256")}


def _candidacy(version: ModelVersion, evidence: Evidence) -> Candidacy:
    return Candidacy(version.version, version.cutoff, version.tags.get("recipe_fingerprint", ""), evidence)

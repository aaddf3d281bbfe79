"""A promotion from evidence to alias: judge, record, tag, move, in this order; and what a crash left is finished first.

Knows the ports and no Dagster. Everything happens while this process alone may change the champion, and the alias
moves last: a decision without its move is one that a crash prevented, and the next call makes exactly that move.

What recovers needs nothing of what it replaces: a champion that is deleted, damaged or without its alias is taken back,
replaced by the challenger, or left by a person's word, and the ledger says what was missing.
"""

from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import date, datetime
from typing import Any, Literal

import pandas as pd

from forecasting_platform.errors import (
    InvalidArtifactError,
    NoChallengerError,
    NoChampionError,
    ReasonMissingError,
    UnknownVersionError,
)
from forecasting_platform.forecasting.models.model import ForecastModel
from forecasting_platform.forecasting.models.recipe import recipe_from
from forecasting_platform.forecasting.promotion.decisions import (
    AUTOMATIC,
    PromotionDecision,
    Verdict,
    rollback_decision,
    unless_rolled_back,
)
from forecasting_platform.forecasting.promotion.evidence import Comparison, compare_recipes
from forecasting_platform.forecasting.promotion.policy import PromotionPolicy
from forecasting_platform.forecasting.promotion.rollback import BROKEN, Trip, better_before, may_move, tripped
from forecasting_platform.forecasting.promotion.rule import Candidacy, Evidence, Fitness, Shadow, decide
from forecasting_platform.forecasting.promotion.shadow import shadow_of
from forecasting_platform.forecasting.series.date_range import DateRange
from forecasting_platform.forecasting.series.frames import FEATURE_TABLE, FORECAST_ERRORS
from forecasting_platform.forecasting.series.lifetime import new_series, undecided_series
from forecasting_platform.forecasting.series.panel import panel_from
from forecasting_platform.ports.ledger import Ledger
from forecasting_platform.ports.model_registry import FINGERPRINTS, ModelRegistry, ModelVersion
from forecasting_platform.ports.table_store import TableStore
from forecasting_platform.settings import REGISTERED_MODEL

PROMOTION_SENSOR = "promotion_sensor"
LEDGER_LOOK_BACK = 100
MOVED_BY = "moved_by_decision"
"""Tag of a version: the decision whose move was completed. Without it the move is still owed."""


@dataclass(frozen=True, slots=True)
class Serving:
    """What the alias `champion` names.

    Attributes:
        number: the version, None where the alias names none.
        broken: why it cannot serve, or is not what was decided last; None where nothing is wrong.
        version, model: None where they cannot be had.
    """

    number: str | None
    broken: str | None = None
    version: ModelVersion | None = None
    model: ForecastModel | None = None


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
            known, finished = self._newest_number(), self.finish()
            if finished is not None:
                return finished
            serving = self._serving()
            decision = self._taken_back(serving, decided_by) or self._judged(serving, decided_by)
            if decided_by == PROMOTION_SENSOR and AUTOMATIC not in decision.evidence and serving.broken is None:
                decision = unless_rolled_back(decision, self.ledger.decisions(LEDGER_LOOK_BACK))
            return self._carry_out(decision, after=known)

    def roll_back(self, to_version: str | None, reason: str, decided_by: str) -> PromotionDecision:
        """Serve an earlier version again, because a person says so; without `to_version` the newest earlier champion
        that can be loaded.

        Raises:
            ReasonMissingError: nothing says why.
            NoChampionError: there never was one.
            UnknownVersionError, InvalidArtifactError: there is none to go to, or it cannot be loaded.
        """
        return self._by_a_person("rollback", to_version, reason, decided_by)

    def override(self, to_version: str | None, reason: str, decided_by: str) -> PromotionDecision:
        """Serve a version whatever the evidence, because a person says so; the challenger without `to_version`.

        Raises:
            ReasonMissingError: nothing says why.
            NoChampionError: there never was one.
            UnknownVersionError, InvalidArtifactError: there is none to go to, or it cannot be loaded.
        """
        return self._by_a_person("override", to_version, reason, decided_by)

    def finish(self) -> PromotionDecision | None:
        """Make the move that a crash prevented, if one is owed; the decision that asked for it."""
        owed = self.owed()
        if owed is not None:
            self._move(owed, self.registry.get_version(owed.challenger_version))
        return owed

    def owed(self) -> PromotionDecision | None:
        """The newest decision that moves the champion, where its move was not completed or the alias was lost since."""
        newest = self._newest_move()
        if newest is None or newest.entry_hash is None:
            return None
        to, serving = self._known(newest.challenger_version), self.serving_number()
        if to is None:
            return None
        if serving is None:
            return newest
        # Where somebody moved the alias by hand meanwhile, what was decided was about another champion.
        if to.tags.get(MOVED_BY) == str(newest.decision_id) or serving not in {newest.champion_version, to.version}:
            return None
        return newest

    def lost(self) -> PromotionDecision | None:
        """The newest decision that moves the champion, where its version is not in the registry any more."""
        newest = self._newest_move()
        return newest if newest is not None and self._known(newest.challenger_version) is None else None

    def shown_by_new_days(self) -> str | None:
        """What matured forecasts say without any backtest: that the champion goes wrong, or how its shadow does."""
        serving, challenger = self._serving(), self.registry.version_at("challenger")
        if serving.broken is not None:
            return serving.broken
        champion, model = serving.version, serving.model
        if champion is None or model is None:
            return None
        trip = self._trip(champion, model, self._earlier(champion.version))
        if trip is not None:
            return f"version {champion.version}: {trip.reason}"
        if challenger is None or challenger.version == champion.version:
            return None
        shadow = self._shadow(challenger, champion, _unit(_of_deciding(self._errors(), model)))
        better = better_before(shadow, self.policy, model.horizon)
        return f"version {challenger.version}'s recipe: {better.reason}" if better else None

    # ---- what there is

    def _newest_number(self) -> int:
        newest = next(iter(self.ledger.decisions(1, with_evidence=False)), None)
        return (newest and newest.decision_id) or 0

    def _newest_move(self) -> PromotionDecision | None:
        return next((found for found in self.ledger.decisions(LEDGER_LOOK_BACK) if found.moves_champion), None)

    def _known(self, version: str) -> ModelVersion | None:
        try:
            return self.registry.get_version(version)
        except (UnknownVersionError, InvalidArtifactError):
            return None

    def serving_number(self) -> str | None:
        """The version that the alias `champion` names, whatever it is."""
        try:
            champion = self.registry.version_at("champion")
        except InvalidArtifactError as error:
            return error.version
        return champion.version if champion else None

    def _loaded(self, version: ModelVersion) -> tuple[ForecastModel | None, str | None]:
        """Its model, or why there is none."""
        try:
            return self.registry.load(version), None
        except (UnknownVersionError, InvalidArtifactError) as error:
            return None, str(error)

    def _serving(self) -> Serving:
        number, lost = self.serving_number(), _said_of(self.lost())
        if number is None:
            return Serving(None, lost)
        version = self._known(number)
        if version is None:
            return Serving(number, f"version {number} has the alias champion, and this platform did not register it")
        model, problem = self._loaded(version)
        return Serving(number, problem or lost, version, model)

    def _earlier(self, champion: str | None) -> ModelVersion | None:
        """The newest earlier champion that can be loaded: `previous`, and where that is none, by the ledger."""
        decided = [found for found in self.ledger.decisions(LEDGER_LOOK_BACK) if found.moves_champion]
        named = [version for found in decided for version in (found.challenger_version, found.champion_version)]
        with suppress(InvalidArtifactError):
            previous = self.registry.version_at("previous")
            named.insert(0, previous.version if previous else None)
        for number in dict.fromkeys(named):
            version = self._known(number) if number is not None and number != champion else None
            if version is not None and self._loaded(version)[0] is not None:
                return version
        return None

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
        serving = self.serving_number()
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
            known = self._newest_number()
            # The person decides about what serves once everything decided before is done.
            self.finish()
            champion, lost = self.serving_number(), _said_of(self.lost())
            if champion is None and lost is None:
                raise NoChampionError(REGISTERED_MODEL)
            to = self._wanted(verdict, to_version, champion)
            self.registry.load(to)
            decision = self._rollback(champion, to, reason, decided_by)
            evidence = decision.evidence | ({"lost": lost} if lost else {})
            return self._carry_out(replace(decision, verdict=verdict, evidence=evidence), after=known)

    def _wanted(self, verdict: str, to_version: str | None, champion: str | None) -> ModelVersion:
        if to_version is not None:
            to: ModelVersion | None = self.registry.get_version(to_version)
        elif verdict == "rollback":
            to = self._earlier(champion)
        else:
            to = self.registry.version_at("challenger")
        if to is None or to.version == champion:
            named = "previous" if verdict == "rollback" else "challenger"
            raise UnknownVersionError(to_version or named, [champion] if champion else [])
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

    def _taken_back(self, serving: Serving, decided_by: str) -> PromotionDecision | None:
        if serving.broken is not None:
            # Where only what was decided last is gone, what serves goes on, and the ledger says so.
            to = serving.version if serving.model is not None else self._earlier(serving.number)
            return self._replaced(serving, to, serving.broken, {BROKEN: serving.broken}, decided_by) if to else None
        if serving.version is None or serving.model is None:
            return None
        previous = self._earlier(serving.number)
        trip = self._trip(serving.version, serving.model, previous)
        if previous is None or trip is None:
            return None
        reason = f"version {serving.number}: {trip.reason}"
        decision = self._replaced(serving, previous, reason, trip.numbers, decided_by)
        if may_move(self.ledger.decisions(LEDGER_LOOK_BACK), self.now(), self.policy):
            return decision
        most, days = self.policy.most_automatic_rollbacks, self.policy.cool_down_days
        reason = f"{reason}; not rolled back: {most} automatic rollbacks in {days} days, so a person decides"
        return replace(decision, verdict="hold", reason=reason)

    def _replaced(
        self, serving: Serving, to: ModelVersion, reason: str, numbers: dict[str, Any], decided_by: str
    ) -> PromotionDecision:
        decision = self._rollback(serving.number, to, reason, decided_by)
        return replace(decision, evidence={AUTOMATIC: numbers})

    def _trip(self, champion: ModelVersion, model: ForecastModel, previous: ModelVersion | None) -> Trip | None:
        if previous is None:
            return None
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

    def _judged(self, serving: Serving, decided_by: str) -> PromotionDecision:
        challenger, champion = self.registry.version_at("challenger"), serving.version if serving.model else None
        if challenger is None:
            raise NoChallengerError(REGISTERED_MODEL)
        model, problem = self._loaded(challenger)
        if model is None:
            return self._unjudged("reject", problem or "", challenger, serving, decided_by)
        try:
            fitness = self.fitness(model)
        except InvalidArtifactError as error:
            return self._unjudged("reject", str(error), challenger, serving, decided_by)
        if serving.model is not None and set(model.unique_ids).isdisjoint(serving.model.unique_ids):
            return self._unjudged("hold", _of_other_series(challenger, serving.number), challenger, serving, decided_by)
        comparison = self._compared(model, serving.model)
        decision = decide(
            _candidacy(challenger, comparison.challenger),
            _candidacy(champion, comparison.champion) if champion and comparison.champion else None,
            comparison.naive,
            self.policy,
            horizon=model.horizon,
            decided_at=self.now(),
            decided_by=decided_by,
            shadow=self._shadow(challenger, champion, comparison.naive["seasonal_naive"].rmse) if champion else None,
            fitness=fitness,
            provenance={version.version: _provenance(version) for version in (challenger, champion) if version},
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
        # One that was deleted: its forecasts stay on record, but nobody can say of which recipe they were.
        known = self._known(version)
        return known.tags.get("recipe_fingerprint", "") if known else ""


def _said_of(lost: PromotionDecision | None) -> str | None:
    if lost is None:
        return None
    return f"version {lost.challenger_version}, made champion by decision {lost.decision_id}, is not in MLflow any more"


def _of_other_series(challenger: ModelVersion, champion: str | None) -> str:
    return (
        f"version {challenger.version} shares no series with version {champion}, so nothing can be compared; "
        f"where the feed has other series now, serve it by `promote --to-version {challenger.version} --reason …`"
    )


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

"""Which version serves, which served before, and which one the ledger says should serve."""

from contextlib import suppress
from dataclasses import dataclass

from forecasting_platform.errors import ForecastingPlatformError, InvalidArtifactError, UnknownVersionError
from forecasting_platform.forecasting.models.trained.model import ForecastModel
from forecasting_platform.forecasting.promotion.decisions import PromotionDecision
from forecasting_platform.ports.ledger import Ledger
from forecasting_platform.ports.model_registry import ModelRegistry, ModelVersion

LEDGER_LOOK_BACK = 100
MOVED_BY = "moved_by_decision"
"""Tag of a version: the decision whose move was completed. Without it the move is still owed."""


class AlreadyChampionError(ForecastingPlatformError):
    """The version that a person wants to serve is the champion."""

    def __init__(self, version: str) -> None:
        self.version = version
        super().__init__(f"version {version} is the champion already; name another version")


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
class Versions:
    """Registered versions, by the registry and the ledger.

    Everything here works where the version that serves is deleted, damaged or without its alias.
    """

    registry: ModelRegistry
    ledger: Ledger

    def owed(self) -> PromotionDecision | None:
        """The newest decision that moves the champion, where its move was not completed or the alias was lost since."""
        newest = self.newest_move()
        if newest is None or newest.entry_hash is None:
            return None
        to, serving = self.known(newest.challenger_version), self.serving_number()
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
        newest = self.newest_move()
        return newest if newest is not None and self.known(newest.challenger_version) is None else None

    def newest_number(self) -> int:
        """The number of the newest decision, 0 before the first."""
        newest = next(iter(self.ledger.decisions(1, with_evidence=False)), None)
        return (newest and newest.decision_id) or 0

    def newest_move(self) -> PromotionDecision | None:
        """The newest decision that moves the champion, without its evidence."""
        return next(iter(self._moves()), None)

    def _moves(self) -> list[PromotionDecision]:
        return [move for move in self.ledger.decisions(LEDGER_LOOK_BACK, with_evidence=False) if move.moves_champion]

    def known(self, version: str) -> ModelVersion | None:
        """The version of a number, None where this platform did not register it or it is damaged."""
        try:
            return self.registry.get_version(version)
        except (UnknownVersionError, InvalidArtifactError):
            return None

    def registered(self, newest: str) -> list[ModelVersion]:
        """All versions up to a number, without those that were deleted or damaged: nobody can say what they were."""
        found = (self.known(str(number)) for number in range(1, int(newest) + 1))
        return [version for version in found if version is not None]

    def serving_number(self) -> str | None:
        """The version that the alias `champion` names, whatever it is."""
        try:
            champion = self.registry.version_at("champion")
        except InvalidArtifactError as error:
            return error.version
        return champion.version if champion else None

    def load(self, version: ModelVersion) -> tuple[ForecastModel | None, str | None]:
        """Its model, or why there is none."""
        try:
            return self.registry.load(version), None
        except (UnknownVersionError, InvalidArtifactError) as error:
            return None, str(error)

    def serving(self) -> Serving:
        """What the alias `champion` names, with its model where it can be loaded."""
        number, lost = self.serving_number(), describe_lost(self.lost())
        if number is None:
            return Serving(None, lost)
        version = self.known(number)
        if version is None:
            return Serving(number, f"version {number} has the alias champion, and this platform did not register it")
        model, problem = self.load(version)
        return Serving(number, problem or lost, version, model)

    def earlier(self, champion: str | None) -> ModelVersion | None:
        """The newest earlier champion that can be loaded: `previous`, and where that is none, by the ledger."""
        named = [version for found in self._moves() for version in (found.challenger_version, found.champion_version)]
        with suppress(InvalidArtifactError):
            previous = self.registry.version_at("previous")
            named.insert(0, previous.version if previous else None)
        for number in dict.fromkeys(named):
            version = self.known(number) if number is not None and number != champion else None
            if version is not None and self.load(version)[0] is not None:
                return version
        return None


def describe_lost(lost: PromotionDecision | None) -> str | None:
    """Why a decision that moved the champion does not hold any more; None of none."""
    if lost is None:
        return None
    return f"version {lost.challenger_version}, made champion by decision {lost.decision_id}, is not in MLflow any more"

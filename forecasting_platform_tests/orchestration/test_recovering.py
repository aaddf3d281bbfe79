"""Whatever happens to versions and aliases in MLflow, a champion that loads serves again, and the ledger says why."""

from collections.abc import Callable

import pandas as pd
import pytest

from forecasting_platform.errors import InvalidArtifactError, NoChallengerError, UnknownVersionError
from forecasting_platform.forecasting.models.trained.model import ForecastModel
from forecasting_platform.forecasting.promotion.decisions import AUTOMATIC, PromotionDecision, first_break
from forecasting_platform.forecasting.promotion.rollback import BROKEN
from forecasting_platform.forecasting.series.frames import FEATURE_TABLE
from forecasting_platform.orchestration.decision_results import evaluation_of
from forecasting_platform.services.promotion.promoter import PROMOTION_SENSOR
from forecasting_platform.settings import Settings
from forecasting_platform_tests.simulation.mlflow_in_memory import InMemoryMlflowRegistry, RegistryServer
from forecasting_platform_tests.support.promotions import Promotions


class Recovering(Promotions):
    """Versions 1 and 2 have served, 2 serves, 3 is the challenger."""

    def __init__(self, features: pd.DataFrame, models: dict[str, ForecastModel]) -> None:
        super().__init__(features, models)
        self.server = RegistryServer()
        self.registry = InMemoryMlflowRegistry(self.server)  # type: ignore[assignment] # another registry
        for name in ("naive", "weekly"):
            self.register(name)
            self.promoter().evaluate(PROMOTION_SENSOR)
        self.register("newer")
        self.decided = len(self.ledger.decisions())

    @property
    def newest(self) -> PromotionDecision:
        return self.ledger.decisions(1)[0]

    def delete(self, version: str) -> None:
        self.server.delete_model_version("", version)


@pytest.fixture
def platform(features: pd.DataFrame, models: dict[str, ForecastModel]) -> Recovering:
    return Recovering(features, models)


def agree(platform: Recovering) -> None:
    """The champion loads, is the newest that was decided, and the chain is whole."""
    champion = platform.registry.version_at("champion")
    assert champion is not None
    assert platform.registry.load(champion).unique_ids == ("a",)
    newest = next(found for found in platform.ledger.decisions() if found.moves_champion)
    assert champion.version == newest.challenger_version
    assert first_break(platform.ledger.decisions()) is None
    assert platform.promoter().versions.owed() is None
    assert platform.promoter().versions.lost() is None


BROKEN_CHAMPIONS: dict[str, Callable[[Recovering], object]] = {
    "deleted": lambda platform: platform.delete("2"),
    "damaged": lambda platform: platform.server.damage("2"),
}
COMMANDS: dict[str, Callable[[Recovering], PromotionDecision]] = {
    "sensor": lambda platform: platform.promoter().evaluate(PROMOTION_SENSOR),
    "promote": lambda platform: platform.promoter().evaluate("promote command"),
    "rollback": lambda platform: platform.promoter().roll_back(None, "it is broken", "ann"),
    "override": lambda platform: platform.promoter().override(None, "it is broken", "ann"),
}


@pytest.mark.parametrize("command", COMMANDS)
@pytest.mark.parametrize("fault", BROKEN_CHAMPIONS)
def test_a_broken_champion_is_replaced_by_every_command(platform: Recovering, fault: str, command: str) -> None:
    BROKEN_CHAMPIONS[fault](platform)
    decision = COMMANDS[command](platform)
    assert platform.champion() == ("3" if command == "override" else "1")
    assert decision.champion_version == (None if fault == "deleted" else "2")
    agree(platform)
    if command in {"sensor", "promote"}:
        assert decision.verdict == "rollback"
        assert decision.evidence[AUTOMATIC][BROKEN] == decision.reason
    if fault == "deleted":
        assert "version 2" in str(decision.evidence), "the ledger says what is gone"


@pytest.mark.parametrize("fault", BROKEN_CHAMPIONS)
def test_where_there_is_nothing_to_go_back_to_the_challenger_serves(platform: Recovering, fault: str) -> None:
    platform.delete("1")
    BROKEN_CHAMPIONS[fault](platform)
    decision = platform.promoter().evaluate(PROMOTION_SENSOR)
    assert (decision.verdict, platform.champion()) == ("promote", "3")
    assert "version 2" in decision.reason
    assert decision.evidence["lost"] in decision.reason
    agree(platform)


def test_a_training_after_everything_was_deleted_serves(platform: Recovering) -> None:
    for version in ("1", "2", "3"):
        platform.delete(version)
    with pytest.raises(NoChallengerError):
        platform.promoter().evaluate(PROMOTION_SENSOR)
    with pytest.raises(UnknownVersionError):
        platform.promoter().roll_back(None, "it is broken", "ann")
    platform.register("newer")
    assert platform.promoter().evaluate(PROMOTION_SENSOR).verdict == "promote"
    assert platform.champion() == "4"
    agree(platform)


def test_a_lost_alias_is_put_back_and_nothing_is_promoted_for_it(platform: Recovering) -> None:
    platform.server.delete_registered_model_alias("", "champion")
    assert platform.promoter().versions.owed() is not None, "the sensor asks"
    platform.promoter().evaluate(PROMOTION_SENSOR)
    assert (platform.champion(), len(platform.ledger.decisions())) == ("2", platform.decided)
    agree(platform)


def test_a_rollback_without_the_alias_previous_goes_by_the_ledger(platform: Recovering) -> None:
    platform.server.delete_registered_model_alias("", "previous")
    platform.promoter().roll_back(None, "a drill", "ann")
    assert platform.champion() == "1"
    agree(platform)


def test_nothing_that_cannot_be_loaded_is_served_by_a_person(platform: Recovering) -> None:
    platform.server.damage("1")
    platform.server.damage("3")
    for change in (
        lambda: platform.promoter().roll_back("1", "a drill", "ann"),
        lambda: platform.promoter().override(None, "a drill", "ann"),
    ):
        with pytest.raises(InvalidArtifactError):
            change()
    with pytest.raises(UnknownVersionError):
        platform.promoter().roll_back(None, "a drill", "ann")
    assert (platform.champion(), len(platform.ledger.decisions())) == ("2", platform.decided)


def test_a_damaged_challenger_is_rejected_and_not_judged_again(platform: Recovering) -> None:
    platform.server.damage("3")
    decision = platform.promoter().evaluate(PROMOTION_SENSOR)
    assert (decision.verdict, platform.champion()) == ("reject", "2")
    assert "version 3 cannot be used" in decision.reason
    agree(platform)


def test_a_deleted_challenger_is_no_reason_to_touch_the_champion(platform: Recovering) -> None:
    platform.delete("3")
    with pytest.raises(NoChallengerError):
        platform.promoter().evaluate(PROMOTION_SENSOR)
    platform.promoter().roll_back(None, "a drill", "ann")
    assert platform.champion() == "1"
    agree(platform)


def test_a_version_that_was_decided_and_deleted_before_it_moved_is_left_behind(platform: Recovering) -> None:
    entry = platform.promoter()._rollback("2", platform.registry.get_version("3"), "a drill", "ann")
    platform.ledger.append_decision(entry)
    platform.delete("3")
    lost = platform.promoter().versions.lost()
    assert lost is not None
    assert lost.challenger_version == "3"
    decision = platform.promoter().evaluate(PROMOTION_SENSOR)
    assert (decision.verdict, decision.challenger_version, platform.champion()) == ("rollback", "2", "2")
    agree(platform)


def test_without_features_a_broken_champion_is_taken_back(platform: Recovering) -> None:
    platform.store._tables.pop(FEATURE_TABLE.name)
    platform.server.damage("2")
    platform.promoter().evaluate(PROMOTION_SENSOR)
    assert platform.champion() == "1"
    agree(platform)


def test_replacing_broken_champions_uses_up_no_automatic_rollback(platform: Recovering) -> None:
    for broken, expected in (("2", "1"), ("1", "2"), ("2", "1"), ("1", "2")):
        platform.server.damaged = {broken}
        platform.promoter().evaluate(PROMOTION_SENSOR)
        assert platform.champion() == expected


def test_people_are_told_of_a_champion_that_was_replaced(platform: Recovering) -> None:
    platform.delete("2")
    evaluation = evaluation_of(platform.promoter().evaluate(PROMOTION_SENSOR), Settings())
    assert (evaluation.result, "version 2" in evaluation.summary) == ("failed", True)

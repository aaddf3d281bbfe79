"""A promotion survives a crash at any of its steps, two at once make one move, and a person's word is kept."""

import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import replace
from datetime import date
from typing import Any

import dagster as dg
import numpy as np
import pandas as pd
import pytest

from forecasting_platform.adapters.clean_process import fitness_of, impossible_forecasts
from forecasting_platform.adapters.memory.ledger import MemoryLedger
from forecasting_platform.errors import (
    InvalidArtifactError,
    NoChallengerError,
    NoChampionError,
    PromotionOvertakenError,
    ReasonMissingError,
    UnknownVersionError,
)
from forecasting_platform.forecasting.models.trained.model import ForecastModel
from forecasting_platform.forecasting.promotion.decisions import AUTOMATIC, PromotionDecision, first_break
from forecasting_platform.forecasting.series.days.date_range import DateRange
from forecasting_platform.forecasting.series.frames import FORECAST_ERRORS
from forecasting_platform.orchestration.assets import champion_model as champion_model_module
from forecasting_platform.orchestration.decision_results import decision_results
from forecasting_platform.orchestration.sensors import alert_sensor
from forecasting_platform.services.promotion.promoter import PROMOTION_SENSOR
from forecasting_platform.services.promotion.versions import MOVED_BY, AlreadyChampionError
from forecasting_platform.settings import Settings
from forecasting_platform_tests.support.example_errors import errors
from forecasting_platform_tests.support.in_process_engine import in_process
from forecasting_platform_tests.support.promotions import Promotions


class Crash(BaseException):
    """The process dies here: nothing after it runs."""


class Dying:
    """A port whose process dies before or after a call of a number, counted over several ports."""

    def __init__(self, port: Any, calls: list[str], die_at: tuple[str, int] | None = None) -> None:
        self._port, self._calls, self._die_at = port, calls, die_at

    def __getattr__(self, name: str) -> Any:
        method = getattr(self._port, name)
        if name not in {"append_decision", "tag", "move_champion"}:
            return method

        def call(*args: Any, **kwargs: Any) -> Any:
            number = len(self._calls)
            self._calls.append(name)
            if self._die_at == ("before", number):
                raise Crash
            answer = method(*args, **kwargs)
            if self._die_at == ("after", number):
                raise Crash
            return answer

        return call


@pytest.fixture
def platform(features: pd.DataFrame, models: dict[str, ForecastModel]) -> Promotions:
    """Version 1, naive, serves; version 2 is better."""
    made = Promotions(features, models)
    made.register("naive")
    made.promoter().evaluate(PROMOTION_SENSOR)
    made.register("weekly")
    return made


def agree(platform: Promotions) -> None:
    """Alias, ledger and tags say the same, and the alias names a version that is there."""
    newest = next(found for found in platform.ledger.decisions() if found.moves_champion)
    champion = platform.registry.version_at("champion")
    assert champion is not None
    assert platform.registry.load(champion).unique_ids == ("a",)
    assert champion.version == newest.challenger_version
    assert champion.tags[MOVED_BY] == champion.tags["decision_id"] == str(newest.decision_id)
    assert champion.tags["decision_hash"] == newest.entry_hash
    assert first_break(platform.ledger.decisions()) is None


def test_a_better_challenger_is_promoted_and_everything_agrees(platform: Promotions) -> None:
    decision = platform.promoter().evaluate(PROMOTION_SENSOR)
    assert (decision.verdict, platform.champion()) == ("promote", "2")
    previous = platform.registry.version_at("previous")
    assert previous is not None
    assert previous.version == "1"
    assert set(decision.evidence["provenance"]) == {"1", "2"}
    agree(platform)


CALLS = ["append_decision", "tag", "move_champion", "tag"]


def test_these_are_the_steps_of_a_promotion(platform: Promotions) -> None:
    calls: list[str] = []
    ports = {"registry": Dying(platform.registry, calls), "ledger": Dying(platform.ledger, calls)}
    platform.promoter(**ports).evaluate(PROMOTION_SENSOR)
    assert calls == CALLS


@pytest.mark.parametrize("step", range(len(CALLS)))
@pytest.mark.parametrize("when", ["before", "after"])
def test_a_crash_at_any_step_is_repaired_at_the_next_tick(platform: Promotions, when: str, step: int) -> None:
    calls: list[str] = []
    die_at = (when, step)
    dying = {
        "registry": Dying(platform.registry, calls, die_at),
        "ledger": Dying(platform.ledger, calls, die_at),
    }
    before = len(platform.ledger.decisions())
    with pytest.raises(Crash):
        platform.promoter(**dying).evaluate(PROMOTION_SENSOR)
    done = CALLS[: step + (when == "after")]
    assert platform.champion() == ("2" if "move_champion" in done else "1")
    assert len(platform.ledger.decisions()) - before == ("append_decision" in done)
    # Where nothing was decided nothing is owed, and the challenger is decided on at the next tick.
    assert (platform.promoter().versions.owed() is not None) == ("append_decision" in done and done != CALLS)
    if done != CALLS:
        platform.promoter().evaluate(PROMOTION_SENSOR)
    agree(platform)
    assert platform.champion() == "2"
    assert len(platform.ledger.decisions()) == before + 1, "one decision, made once"


def test_a_move_that_somebody_made_by_hand_meanwhile_is_left_alone(platform: Promotions) -> None:
    third = platform.register("newer")
    calls: list[str] = []
    dying = Dying(platform.registry, calls, ("before", 1))
    with pytest.raises(Crash):
        platform.promoter(registry=dying).evaluate(PROMOTION_SENSOR)
    platform.registry.move_champion(platform.registry.get_version("2"), expected="1")
    assert third.version == "3"
    assert platform.promoter().versions.owed() is None


class Losing:
    """A ledger whose Postgres lets go of the right to promote: while one decides, another one decided."""

    def __init__(self, ledger: MemoryLedger, meanwhile: Callable[[], object]) -> None:
        self._ledger = ledger
        self._meanwhile = meanwhile

    @contextmanager
    def promotion(self) -> Iterator[None]:
        yield

    def append_decision(self, *decision: Any, **known: Any) -> PromotionDecision:
        self._meanwhile()
        return self._ledger.append_decision(*decision, **known)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._ledger, name)


def test_a_promoter_that_lost_its_right_decides_nothing_on_what_is_past(platform: Promotions) -> None:
    other = platform.promoter()
    losing = Losing(platform.ledger, lambda: other.override("2", "meanwhile", "a person"))
    with pytest.raises(PromotionOvertakenError, match="another process made decision 2 meanwhile"):
        platform.promoter(ledger=losing).evaluate(PROMOTION_SENSOR)
    assert [found.reason for found in platform.ledger.decisions()][:-1] == ["meanwhile"]
    agree(platform)


def test_a_challenger_of_other_series_only_is_left_to_a_person(platform: Promotions) -> None:
    """A feed that was exchanged: no series is shared, so there is nothing to compare."""
    platform.models = platform.models | {"gone": replace(platform.models["naive"], unique_ids=("gone",))}
    platform.promoter().override(platform.register("gone").version, "the feed was another one", "a person")
    platform.register("weekly")
    decision = platform.promoter().evaluate(PROMOTION_SENSOR)
    assert (decision.verdict, decision.champion_version, platform.champion()) == ("hold", "3", "3")
    assert "version 4 shares no series with version 3" in decision.reason
    platform.promoter().override("4", "the feed is another one now", "a person")
    assert platform.champion() == "4"


def test_two_promoters_at_once_make_one_move(platform: Promotions) -> None:
    start = threading.Barrier(2)

    def promote(_: int) -> str:
        start.wait()
        return platform.promoter().evaluate(PROMOTION_SENSOR).verdict

    with ThreadPoolExecutor(2) as both:
        verdicts = sorted(both.map(promote, range(2)))
    assert verdicts == ["hold", "promote"]
    agree(platform)


def test_nobody_to_judge_is_an_error(features: pd.DataFrame, models: dict[str, ForecastModel]) -> None:
    empty = Promotions(features, models)
    with pytest.raises(NoChallengerError):
        empty.promoter().evaluate(PROMOTION_SENSOR)
    with pytest.raises(NoChampionError):
        empty.promoter().roll_back(None, "a drill", "a person")
    assert empty.ledger.decisions() == []


def test_a_person_rolls_back_with_a_reason_and_the_sensor_does_not_undo_it(platform: Promotions) -> None:
    platform.promoter().evaluate(PROMOTION_SENSOR)
    for reason in ("", "  "):
        with pytest.raises(ReasonMissingError, match="needs a reason"):
            platform.promoter().roll_back(None, reason, "a person")
    with pytest.raises(UnknownVersionError, match="no model version '9'"):
        platform.promoter().roll_back("9", "a drill", "a person")
    with pytest.raises(AlreadyChampionError, match="version 2 is the champion already"):
        platform.promoter().roll_back("2", "a drill", "a person")
    assert platform.champion() == "2"
    platform.promoter().roll_back(None, "a drill", "a person")
    assert platform.champion() == "1"
    assert platform.promoter().evaluate(PROMOTION_SENSOR).verdict == "hold"
    assert platform.champion() == "1"
    assert platform.promoter().evaluate("promote command").verdict == "promote"
    agree(platform)


def test_a_person_serves_a_version_whatever_the_evidence(platform: Promotions) -> None:
    decision = platform.promoter().override(None, "the feed was wrong", "a person")
    assert (decision.verdict, decision.reason, platform.champion()) == ("override", "the feed was wrong", "2")
    agree(platform)


def record_errors(platform: Promotions, *frames: pd.DataFrame) -> None:
    rows = pd.concat(frames)
    rows = rows[rows["unique_id"] == "a"]
    platform.store.replace(FORECAST_ERRORS, rows, DateRange(date(2023, 7, 1), date(2023, 12, 31)))


def test_a_champion_that_goes_wrong_is_taken_back_without_a_person(platform: Promotions) -> None:
    platform.promoter().evaluate(PROMOTION_SENSOR)
    assert platform.promoter().shown_by_new_days() is None
    record_errors(platform, errors("2", 5.0))
    assert "times the naive forecast's" in str(platform.promoter().shown_by_new_days())
    decision = platform.promoter().evaluate(PROMOTION_SENSOR)
    assert (decision.verdict, platform.champion()) == ("rollback", "1")
    assert decision.evidence[AUTOMATIC]["rmse_to_naive"] == pytest.approx(5.0)
    agree(platform)


def test_an_automatic_rollback_is_an_incident_until_the_next_decision(
    platform: Promotions, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FORECASTING_ALERT_PENDING_SECONDS", "0")
    monkeypatch.setattr(champion_model_module, "promoter_of", lambda *_: platform.promoter())

    looked: list[str] = ["0"]

    def materialize(**config: str) -> None:
        assert dg.materialize(
            [champion_model_module.champion_model],
            resources={
                "table_store": platform.store,
                "engine": in_process(platform.store),
                "model_registry": platform.registry,
                "ledger": platform.ledger,
                "settings": Settings(),
            },
            run_config={"ops": {"champion_model": {"config": config}}},
        ).success
        with dg.DagsterInstance.ephemeral() as instance:
            context = dg.build_sensor_context(instance=instance, cursor=looked[-1])
            answer = alert_sensor(context, ledger=platform.ledger, settings=Settings())
        assert isinstance(answer, dg.SensorResult)
        looked.append(str(answer.cursor))

    materialize()
    assert platform.ledger.alerts() == []
    record_errors(platform, errors("2", 5.0))
    materialize()
    (incident,) = platform.ledger.alerts()
    assert (incident.fingerprint, incident.state) == ("champion_model:automatic_rollback", "FIRING")
    assert incident.summary.startswith("rollback: ")
    assert str(incident.runbook).endswith("automatic_rollback.md")
    materialize(action="override", to_version="2", reason="the feed was wrong")
    assert [alert.state for alert in platform.ledger.alerts()] == ["RESOLVED"]


def test_a_rollback_whose_run_dies_before_it_tells_anybody_is_told(platform: Promotions) -> None:
    platform.promoter().evaluate(PROMOTION_SENSOR)
    record_errors(platform, errors("2", 5.0))
    with pytest.raises(Crash):
        platform.promoter(registry=Dying(platform.registry, [], ("before", 1))).evaluate(PROMOTION_SENSOR)
    found, newest = decision_results(platform.ledger, 0, Settings())
    assert [evaluation.result for evaluation in found] == ["passed", "passed", "failed"]
    assert found[-1].fingerprint == "champion_model:automatic_rollback"
    assert decision_results(platform.ledger, newest, Settings()) == ([], newest)
    # Carried out and followed by another decision before anybody looks, it is told nevertheless.
    platform.promoter().evaluate(PROMOTION_SENSOR)
    platform.promoter().override("2", "the feed was wrong", "a person")
    found, _newest = decision_results(platform.ledger, 2, Settings())
    assert [evaluation.result for evaluation in found] == ["failed", "passed"]


class Deciding:
    """A ledger to which a person adds a decision right after the first look at it."""

    def __init__(self, ledger: MemoryLedger, meanwhile: Callable[[], object]) -> None:
        self._ledger = ledger
        self._meanwhile = iter([meanwhile])

    def decisions(self, *limits: Any, **wanted: Any) -> list[PromotionDecision]:
        found = self._ledger.decisions(*limits, **wanted)
        for decide in self._meanwhile:
            decide()
        return found


def test_a_decision_made_while_decisions_are_read_pushes_no_other_out(platform: Promotions) -> None:
    promoter = platform.promoter()
    promoter.evaluate(PROMOTION_SENSOR)
    promoter.override("1", "first", "a person")
    before = len(platform.ledger.decisions())
    ledger: Any = Deciding(platform.ledger, lambda: promoter.override("2", "meanwhile", "a person"))
    found, newest = decision_results(ledger, 0, Settings())
    assert [evaluation.event_id for evaluation in found] == list(range(1, before + 2))
    assert newest == before + 1


def test_series_that_decide_nothing_do_not_hide_a_champion_that_misses_everything(
    features: pd.DataFrame, models: dict[str, ForecastModel]
) -> None:
    still = replace(models["weekly"], metadata={**models["weekly"].metadata, "series": {"b": {"constant": True}}})
    platform = Promotions(features, {"naive": models["naive"], "weekly": replace(still, unique_ids=("a", "b"))})
    platform.register("naive")
    platform.promoter().evaluate(PROMOTION_SENSOR)
    platform.promoter().override(platform.register("weekly").version, "a test", "a test")
    found = errors("2", 1.0, width=0.5)
    missed, covered = found[found["unique_id"] == "a"], found[found["unique_id"] == "b"].assign(y=lambda b: b["y_hat"])
    many = [covered.assign(unique_id=name) for name in ("b", "unknown", "never trained")]
    days = DateRange(date(2023, 7, 1), date(2023, 12, 31))
    platform.store.replace(FORECAST_ERRORS, pd.concat([missed, *many]), days)
    assert "held 0% of a week's actuals" in str(platform.promoter().shown_by_new_days())


def test_a_third_automatic_rollback_within_a_month_is_left_to_a_person(platform: Promotions) -> None:
    platform.promoter().evaluate(PROMOTION_SENSOR)
    record_errors(platform, errors("1", 5.0), errors("2", 5.0))
    verdicts = [platform.promoter().evaluate(PROMOTION_SENSOR).verdict for _ in range(3)]
    assert verdicts == ["rollback", "rollback", "hold"]
    assert "a person decides" in platform.ledger.decisions(1)[0].reason


@pytest.mark.slow
def test_a_version_is_loaded_in_a_clean_process(models: dict[str, ForecastModel]) -> None:
    fitness = fitness_of(models["weekly"])
    assert fitness.impossible == 0
    assert 0 < fitness.load_seconds < 60
    assert 0 < fitness.megabytes < 1


def test_forecasts_below_what_is_possible_are_counted(models: dict[str, ForecastModel]) -> None:
    model = models["weekly"]
    assert impossible_forecasts(model) == 0
    # A bound above everything the model forecasts, seen by the count only.
    assert impossible_forecasts(_Unbounded(model)) == model.horizon  # type: ignore[arg-type] # acts as a model


class _Unbounded:
    """A model whose forecasts do not keep its bound."""

    def __init__(self, model: ForecastModel) -> None:
        self._model = model
        self.lower_bound = np.array([1e9])

    def __getattr__(self, name: str) -> Any:
        return getattr(self._model, name)


@pytest.mark.slow
def test_a_version_that_does_not_load_in_a_clean_process_is_an_error_that_says_so(
    models: dict[str, ForecastModel], monkeypatch: pytest.MonkeyPatch
) -> None:
    def write(model: ForecastModel, folder: Any) -> str:
        (folder / "model.json").write_text("{}", encoding="utf-8")
        return ""

    monkeypatch.setattr("forecasting_platform.adapters.clean_process.write_artifact", write)
    with pytest.raises(InvalidArtifactError, match="a clean process cannot load it"):
        fitness_of(models["weekly"])

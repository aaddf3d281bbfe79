import functools
import gc
import shutil
import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import date
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from forecasting_platform.adapters.memory.table_store import MemoryTableStore
from forecasting_platform.errors import InvalidArtifactError, NoChampionError, RegistryUnavailableError
from forecasting_platform.forecasting.models.trained.model import ForecastModel
from forecasting_platform.forecasting.models.trained.model_document import document_of
from forecasting_platform.forecasting.series.days.date_range import DateRange
from forecasting_platform.forecasting.series.frames import FEATURE_TABLE
from forecasting_platform_tests.support.breakable_registry import Registry, watch_of
from forecasting_platform_tests.support.waiting import PATIENCE_SECONDS, wait_until
from serve.forecasts import champion
from serve.forecasts.champion import ChampionWatch
from serve.forecasts.last_good import load_copy, save_copy


@pytest.fixture
def registry(model: ForecastModel) -> Registry:
    registry = Registry()
    registry.promote(model)
    return registry


def version_of(watch: ChampionWatch) -> str:
    return watch.require().version.version


def test_the_alias_decides_who_answers(registry: Registry, model: ForecastModel) -> None:
    watch = watch_of(registry)
    watch.look()
    assert version_of(watch) == "1"
    registry.promote(model)
    watch.look()
    assert version_of(watch) == "2"


def test_a_version_is_loaded_once(registry: Registry) -> None:
    watch = watch_of(registry)
    for _ in range(3):
        watch.look()
    registry.tag(watch.require().version, {"decision": "3"})
    watch.look()
    assert registry.loads == 1
    assert watch.require().version.tags == {"decision": "3"}


def test_a_version_that_cannot_be_loaded_leaves_the_last_good_one_and_is_not_fetched_at_each_look(
    registry: Registry, model: ForecastModel
) -> None:
    watch = watch_of(registry)
    watch.look()
    registry.broken = frozenset({"2"})
    registry.promote(model)
    with pytest.raises(InvalidArtifactError):
        watch.look()
    watch.look()
    assert (version_of(watch), registry.loads) == ("1", 2)
    registry.promote(model)
    watch.look()
    assert version_of(watch) == "3"


def test_a_registry_that_is_down_leaves_the_champion(registry: Registry) -> None:
    watch = watch_of(registry)
    watch.look()
    registry.down = True
    with pytest.raises(RegistryUnavailableError):
        watch.look()
    assert version_of(watch) == "1"


def test_without_a_champion_a_request_learns_so_after_the_first_look() -> None:
    watch = watch_of(Registry())
    watch.look()
    with pytest.raises(NoChampionError):
        watch.require()


def test_a_request_waits_for_a_first_look_that_is_slow(registry: Registry, monkeypatch: pytest.MonkeyPatch) -> None:
    watch, answered = watch_of(registry), threading.Event()
    look = registry.version_at
    monkeypatch.setattr(registry, "version_at", lambda alias: answered.wait(PATIENCE_SECONDS) and look(alias))
    monkeypatch.setattr(champion, "FIRST_LOOK_SECONDS", PATIENCE_SECONDS)
    watch.start()
    with ThreadPoolExecutor(1) as aside:
        waiting = aside.submit(version_of, watch)
        assert not waiting.done()
        answered.set()
        assert waiting.result() == "1"
    watch.stop()


def test_a_request_that_waited_long_enough_for_a_first_look_is_told_that_there_is_no_champion_yet(
    registry: Registry, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(champion, "FIRST_LOOK_SECONDS", 0.01)
    with pytest.raises(NoChampionError):
        watch_of(registry).require()


def test_what_is_there_after_the_first_look_is_kept_from_the_garbage_collector(registry: Registry) -> None:
    from serve.wsgi import freeze_garbage_collector

    watch = ChampionWatch(lambda: registry, None, poll_seconds=1.0)
    waiting = threading.Thread(target=freeze_garbage_collector, args=[watch])
    waiting.start()
    waiting.join(0.2)
    assert waiting.is_alive(), "what the first look imports comes first"
    watch.look()
    waiting.join(PATIENCE_SECONDS)
    frozen = gc.get_freeze_count()
    gc.unfreeze()
    assert frozen > 100_000


def test_newest_features_become_the_cutoff_and_survive_a_swap(
    registry: Registry, model: ForecastModel, store: MemoryTableStore, features: pd.DataFrame
) -> None:
    watch = watch_of(registry, store)
    watch.look()
    assert set(watch.require().model.feature_days.tolist()) == {date(2023, 6, 15)}
    watch.refresh_features()
    assert set(watch.require().model.feature_days.tolist()) == {date(2023, 6, 30)}
    registry.promote(model)
    watch.look()
    assert version_of(watch) == "2"
    assert set(watch.require().model.feature_days.tolist()) == {date(2023, 6, 30)}
    next_day = DateRange(date(2023, 7, 1), date(2023, 7, 1))
    store.replace(
        FEATURE_TABLE, features[features["ds"] == "2023-06-30"].assign(ds=pd.Timestamp("2023-07-01")), next_day
    )
    watch.refresh_features()
    assert set(watch.require().model.feature_days.tolist()) == {date(2023, 7, 1)}


def test_the_champion_is_not_replaced_while_nothing_is_new(registry: Registry, store: MemoryTableStore) -> None:
    watch = watch_of(registry, store)
    watch.look()
    watch.refresh_features()
    champion = watch.current
    watch.look()
    watch.refresh_features()
    assert watch.current is champion


def test_a_cold_start_without_the_registry_answers_from_the_copy_on_disk(registry: Registry, tmp_path: Path) -> None:
    watch_of(registry, cache_dir=tmp_path).look()
    registry.down = True
    watch = watch_of(registry, cache_dir=tmp_path)
    with pytest.raises(RegistryUnavailableError):
        watch.look()
    assert version_of(watch) == "1"
    assert document_of(watch.require().model) == document_of(registry.load(watch.require().version))


def test_a_copy_of_another_model_never_answers(registry: Registry, tmp_path: Path) -> None:
    watch_of(registry, cache_dir=tmp_path).look()
    registry.down = True
    watch = ChampionWatch(lambda: registry, None, poll_seconds=1.0, cache_dir=tmp_path, model_name="gas")
    with pytest.raises(RegistryUnavailableError):
        watch.look()
    with pytest.raises(NoChampionError, match="gas has no champion yet"):
        watch.require()


def test_the_copy_on_disk_is_the_newest_and_the_only_one(
    tmp_path: Path, registry: Registry, model: ForecastModel
) -> None:
    save_copy(registry.promote(model), model, tmp_path)
    newest = registry.promote(model)
    save_copy(newest, model, tmp_path)
    kept = load_copy(tmp_path)
    assert kept is not None
    assert kept[0] == newest
    assert len(list(tmp_path.glob("version-*"))) == 1


@pytest.mark.parametrize("damage", ["parameters.npz", "model.json", "last_good.json", "folder"])
def test_a_damaged_copy_is_refused_and_the_app_still_starts(
    tmp_path: Path, registry: Registry, model: ForecastModel, damage: str
) -> None:
    watch_of(registry, cache_dir=tmp_path).look()
    if damage == "folder":
        shutil.rmtree(next(tmp_path.glob("version-*")))
    else:
        (file,) = tmp_path.rglob(damage)
        content = bytearray(file.read_bytes())
        content[len(content) // 2] ^= 1
        file.write_bytes(content[:-3] if damage == "last_good.json" else content)
    with pytest.raises(InvalidArtifactError):
        load_copy(tmp_path)
    registry.down = True
    watch = watch_of(registry, cache_dir=tmp_path)
    with pytest.raises(RegistryUnavailableError):
        watch.look()
    with pytest.raises(NoChampionError):
        watch.require()


@pytest.mark.slow
def test_no_answer_mixes_two_versions_during_swaps(
    make_app: Any, naive_and_seasonal: tuple[ForecastModel, ForecastModel]
) -> None:
    registry = Registry()
    registry.promote(naive_and_seasonal[1])
    client = make_app(registry=registry).test_client()
    body = {"start": "2023-07-01", "end": "2023-07-03", "unique_id": "Corrib production"}
    seen: dict[tuple[int, str], set[str]] = {}

    def ask() -> str:
        response = client.post("/predict", json=body)
        assert response.status_code == 200, response.text
        answer = response.json
        rows = answer["forecasts"]
        version: str = answer["model"]["version"]
        seen.setdefault((int(version) % 2, rows[0]["cutoff"]), set()).add(str([row["y_hat"] for row in rows]))
        return version

    for number in range(12):
        promoted = registry.promote(naive_and_seasonal[number % 2])
        # Without pauses this thread would keep the interpreter from the one that polls.
        is_served = functools.partial(lambda version: ask() == version, promoted.version)
        wait_until(f"an answer of version {promoted.version}", is_served, poll_seconds=0.001)
    assert {len(answers) for answers in seen.values()} == {1}
    assert {model for model, _ in seen} == {0, 1}

"""The champion held in memory, and the watch that keeps it the one the registry names.

A request reads `ChampionWatch.current` once: a champion never changes, it is replaced whole, so no
answer mixes two versions. What is answered with it is in `answers`.
"""

import logging
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pandas as pd

from forecasting_platform.errors import ForecastingPlatformError, InvalidArtifactError, NoChampionError
from forecasting_platform.forecasting.frames import FEATURE_TABLE
from forecasting_platform.forecasting.model import ForecastModel
from forecasting_platform.ports.model_registry import ModelRegistry, ModelVersion
from forecasting_platform.ports.table_store import TableStore
from forecasting_platform.settings import REGISTERED_MODEL
from serve.last_good import keep, recall
from serve.repeating import Repeating

FEATURE_REFRESH_SECONDS = 5.0
FIRST_LOOK_SECONDS = 10.0
REFUSED_VERSION_SECONDS = 30.0

_log = logging.getLogger("serve.champion")


@dataclass(frozen=True, slots=True)
class Champion:
    """One version with its model, answering from the newest feature rows known when it was made."""

    version: ModelVersion
    model: ForecastModel
    loaded_at: datetime

    def newest_observation(self) -> dict[str, date]:
        """The day each series is forecast from."""
        return dict(zip(self.model.unique_ids, self.model.feature_days.tolist(), strict=True))


class ChampionWatch:
    """Keeps `current` the registry's champion with the store's newest features.

    Args:
        registry: makes the registry; called in the background, so that starting needs no registry.
        store: where the newest feature rows are; without one the model's own rows answer.
        poll_seconds: time between two looks at the registry.
        cache_dir: where the last good champion is kept for a start without the registry.
    """

    def __init__(
        self,
        registry: Callable[[], ModelRegistry],
        store: TableStore | None,
        *,
        poll_seconds: float,
        cache_dir: Path | None = None,
    ) -> None:
        self._registry = registry
        self._store = store
        self._cache_dir = cache_dir
        self._swap = threading.Lock()
        self._loaded: Champion | None = None
        self._features: pd.DataFrame | None = None
        self._refused: tuple[str, float] | None = None
        self._looked = threading.Event()
        self._threads = [Repeating("champion-poll", poll_seconds, self.look)]
        if store is not None:
            self._threads.append(Repeating("feature-refresh", FEATURE_REFRESH_SECONDS, self.refresh_features))
        self.current: Champion | None = None

    def start(self) -> None:
        """Begin to watch, in the background."""
        for thread in self._threads:
            thread.start()

    def stop(self) -> None:
        """End watching; the champion stays."""
        for thread in self._threads:
            thread.stop()

    def require(self) -> Champion:
        """The champion; just after the start, what the first look finds.

        Raises:
            NoChampionError: there is none.
        """
        if self.current is None:
            self._looked.wait(FIRST_LOOK_SECONDS)
        champion = self.current
        if champion is None:
            raise NoChampionError(REGISTERED_MODEL)
        return champion

    def look(self) -> None:
        """Ask the registry once; load and warm another champion, then swap it in.

        A failure leaves the champion as it is and is raised.
        """
        try:
            self._follow(self._registry().version_at("champion"))
        except Exception:
            self._recall()
            raise
        finally:
            self._looked.set()

    def refresh_features(self) -> None:
        """Read the newest feature rows once; a store that does not answer leaves those there are."""
        if self._store is None:
            return
        rows = self._store.read_newest(FEATURE_TABLE)
        with self._swap:
            if self._features is None or not rows.equals(self._features):
                self._features = rows
                self._compose()

    def _follow(self, version: ModelVersion | None) -> None:
        loaded = self._loaded
        if version is None or (loaded is not None and version == loaded.version):
            return
        if loaded is not None and (version.version, version.run_id) == (loaded.version.version, loaded.version.run_id):
            self._hold(Champion(version, loaded.model, loaded.loaded_at))
        elif not self._is_refused(version):
            self._load(version)

    def _is_refused(self, version: ModelVersion) -> bool:
        # A broken artifact is not fetched anew at each look.
        return self._refused is not None and self._refused[0] == version.version and time.monotonic() < self._refused[1]

    def _load(self, version: ModelVersion) -> None:
        try:
            model = self._registry().load(version)
            warm(model)
        except Exception:
            self._refused = (version.version, time.monotonic() + REFUSED_VERSION_SECONDS)
            raise
        self._hold(Champion(version, model, datetime.now(UTC)))
        _log.info("champion is version %s", version.version, extra={"cutoff": version.cutoff.isoformat()})
        self._keep(version, model)

    def _hold(self, champion: Champion) -> None:
        with self._swap:
            self._loaded = champion
            self._compose()

    def _compose(self) -> None:
        loaded, features = self._loaded, self._features
        if loaded is None or features is None:
            self.current = loaded
            return
        self.current = Champion(loaded.version, loaded.model.with_features(features), loaded.loaded_at)

    def _keep(self, version: ModelVersion, model: ForecastModel) -> None:
        if self._cache_dir is None:
            return
        try:
            keep(version, model, self._cache_dir)
        except OSError as error:
            _log.warning("the champion could not be kept on disk", exc_info=error)

    def _recall(self) -> None:
        if self._loaded is not None or self._cache_dir is None:
            return
        try:
            kept = recall(self._cache_dir)
        except (OSError, InvalidArtifactError) as error:
            _log.error("the champion kept on disk cannot be used", exc_info=error)
            return
        if kept is not None:
            self._hold(Champion(*kept, datetime.now(UTC)))
            _log.warning(
                "the registry does not answer; the champion kept on disk does", extra={"version": kept[0].version}
            )


def warm(model: ForecastModel) -> None:
    """Forecast once from the model's own rows: caches fill, and a model that cannot answer fails here.

    Raises:
        ForecastingPlatformError: it cannot.
    """
    newest: date = model.feature_days.max().item()
    for unique_id, day in zip(model.unique_ids, model.feature_days.tolist(), strict=True):
        if day == newest:
            model.predict(model.inputs([newest + timedelta(days=1)], unique_ids=[unique_id]))
            return
    raise ForecastingPlatformError("the model has no series")

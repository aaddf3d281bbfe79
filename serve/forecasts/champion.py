"""The champion in memory, and the watch that follows the registry's champion alias.

A request reads `ChampionWatch.current` once. A champion never changes but is replaced as a whole, so no answer mixes
two versions. Answers are computed in `answers`.
"""

import logging
import math
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

import pandas as pd

from forecasting_platform.errors import InvalidArtifactError, NoChampionError
from forecasting_platform.forecasting.models.trained.model import ForecastModel
from forecasting_platform.forecasting.models.trained.new_series import answer_from
from forecasting_platform.forecasting.series.features.history import has_history
from forecasting_platform.ports.model_registry import ModelRegistry, ModelVersion
from forecasting_platform.ports.table_store import TableStore
from forecasting_platform.services.newest_features import newest_features
from forecasting_platform.settings import REGISTERED_MODEL
from serve.forecasts.free_memory import give_back_free_memory
from serve.forecasts.last_good import load_copy, save_copy
from serve.forecasts.precomputed import PrecomputedForecasts
from serve.periodic_task import PeriodicTask

FEATURE_REFRESH_SECONDS = 5.0
MAX_SERIES_DESCRIBED = 1000
FIRST_LOOK_SECONDS = 10.0
REFUSED_VERSION_SECONDS = 30.0

_log = logging.getLogger("serve.forecasts.champion")


@dataclass(frozen=True, slots=True)
class Champion:
    """One version with its model, answering from the newest feature rows known when it was made.

    Attributes:
        mase: of the backtest, of the series that have one.

    Raises:
        ForecastingPlatformError: the model cannot forecast from these rows.
    """

    version: ModelVersion
    model: ForecastModel
    loaded_at: datetime
    mase: Mapping[str, float]
    precomputed: PrecomputedForecasts = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "precomputed", PrecomputedForecasts(self.model))


@dataclass(frozen=True, slots=True)
class LoadedVersion:
    """A version as it was loaded: with the feature rows of its training, and no forecasts of them.

    Attributes:
        mase: see `Champion`; read once a version, since the records of all series are parsed for it.
    """

    version: ModelVersion
    model: ForecastModel
    loaded_at: datetime
    mase: Mapping[str, float] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "mase", _mase_of(self.model))


@dataclass(frozen=True, slots=True)
class RefusedVersion:
    """A version that could not be served, why, and until when (`time.monotonic`) it is not tried again."""

    version: str
    reason: str
    until: float


class ChampionWatch:
    """Keeps `current` up to date: the registry's champion with the store's newest features.

    Args:
        registry: returns the registry; called in the background, so that the app starts without one.
        store: has the newest feature rows; without one the model's own rows are used.
        poll_seconds: time between two looks at the registry.
        cache_dir: where the last good champion is kept for a start without the registry.
        model_name: of the registered model; a copy of another one is not used.
        refresh_seconds: time between two looks at the store.
    """

    def __init__(
        self,
        registry: Callable[[], ModelRegistry],
        store: TableStore | None,
        *,
        poll_seconds: float,
        cache_dir: Path | None = None,
        model_name: str = REGISTERED_MODEL,
        refresh_seconds: float = FEATURE_REFRESH_SECONDS,
    ) -> None:
        self._registry = registry
        self._store = store
        self._cache_dir = cache_dir
        self._model_name = model_name
        self._swap = threading.Lock()
        self._loaded: LoadedVersion | None = None
        self._features: pd.DataFrame | None = None
        self._refused: RefusedVersion | None = None
        self._is_alias_lost = False
        self._has_read_copy = False
        self._looked = threading.Event()
        self._threads = [PeriodicTask("champion-poll", poll_seconds, self.look)]
        if store is not None:
            self._threads.append(PeriodicTask("feature-refresh", refresh_seconds, self.refresh_features))
        self.current: Champion | None = None
        self.looked_at: datetime | None = None

    def start(self) -> None:
        """Begin to watch, in the background."""
        for thread in self._threads:
            thread.start()

    def stop(self) -> None:
        """End watching; the champion stays."""
        for thread in self._threads:
            thread.stop()

    def wait_for_first_look(self, seconds: float | None = None) -> None:
        """Wait until the first look at the registry is over, failed or not, or for so many seconds."""
        self._looked.wait(seconds)

    def require(self) -> Champion:
        """The champion; just after the start it waits for the first look.

        Raises:
            NoChampionError: there is none.
        """
        if self.current is None:
            self.wait_for_first_look(FIRST_LOOK_SECONDS)
        champion = self.current
        if champion is None:
            raise NoChampionError(self._model_name)
        return champion

    def trouble(self) -> str | None:
        """Why another version answers than the one named champion; None when it is the same."""
        refused, champion = self._refused, self.current
        answers = f"version {champion.version.version} goes on answering" if champion else "nothing is answered"
        if self._is_alias_lost:
            return f"no version has the alias champion any more, so {answers}"
        if refused is None:
            return None
        return f"version {refused.version} is champion but cannot be served, so {answers}: {refused.reason}"

    def look(self) -> None:
        """Look up the champion in the registry once; load and swap in a new one.

        The first look begins with the copy on disk, which answers until the registry does.
        A failure is raised and leaves the champion as it is.
        """
        self._load_copy()
        try:
            self._update_to(self._version_at_alias())
            self.looked_at = datetime.now(UTC)
        finally:
            self._looked.set()

    def refresh_features(self) -> None:
        """Read the newest feature rows once; a failure is raised and leaves the present ones."""
        if self._store is None:
            return
        loaded = self._loaded
        rows = newest_features(self._store, loaded.model.window_days if loaded else 0)
        with self._swap:
            if self._features is not None and rows.equals(self._features):
                return
            self.current = _with_features(self._loaded, rows)
            self._features = rows
        give_back_free_memory()

    def _version_at_alias(self) -> ModelVersion | None:
        try:
            return self._registry().version_at("champion")
        except InvalidArtifactError as error:
            self._is_alias_lost, self._refused = False, RefusedVersion(error.version, error.problem, time.monotonic())
            raise

    def _update_to(self, version: ModelVersion | None) -> None:
        # Before the first promotion an alias that is missing is no problem.
        self._is_alias_lost = version is None and self._loaded is not None
        if version is None:
            return
        if not self._answers(version):
            # No name here keeps the version before, which takes as much memory again.
            self._load(version)
            return
        # The alias names the version that answers, so an earlier refusal no longer matters.
        self._refused = None
        if self._loaded is not None and version != self._loaded.version:
            self._swap_in(LoadedVersion(version, self._loaded.model, self._loaded.loaded_at))

    def _answers(self, version: ModelVersion) -> bool:
        loaded = self._loaded
        return loaded is not None and (version.version, version.run_id) == (
            loaded.version.version,
            loaded.version.run_id,
        )

    def _load(self, version: ModelVersion) -> None:
        refused = self._refused
        if refused is not None and refused.version == version.version and time.monotonic() < refused.until:
            # A broken artifact is not downloaded at each look.
            return
        try:
            loaded = LoadedVersion(version, self._registry().load(version), datetime.now(UTC))
            self._swap_in(loaded)
        except Exception as error:
            until = time.monotonic() + REFUSED_VERSION_SECONDS
            self._refused = RefusedVersion(version.version, str(error) or type(error).__name__, until)
            raise
        self._refused = None
        _log.info("champion is version %s", version.version, extra={"cutoff": version.cutoff.isoformat()})
        self._save_copy(version, loaded.model)
        give_back_free_memory()

    def _swap_in(self, loaded: LoadedVersion) -> None:
        with self._swap:
            self.current = _with_features(loaded, self._features)
            self._loaded = loaded
        self._looked.set()

    def _save_copy(self, version: ModelVersion, model: ForecastModel) -> None:
        if self._cache_dir is None:
            return
        try:
            save_copy(version, model, self._cache_dir)
        except OSError as error:
            _log.warning("the champion could not be kept on disk", exc_info=error)

    def _load_copy(self) -> None:
        if self._has_read_copy or self._cache_dir is None:
            return
        self._has_read_copy = True
        try:
            kept = load_copy(self._cache_dir)
        except (OSError, InvalidArtifactError) as error:
            _log.error("the champion kept on disk cannot be used", exc_info=error)
            return
        if kept is not None and kept[0].name != self._model_name:
            _log.warning("the champion kept on disk is of %s and not of %s: unused", kept[0].name, self._model_name)
        elif kept is not None:
            self._swap_in(LoadedVersion(*kept, datetime.now(UTC)))
            _log.info("version %s, kept on disk, answers until the registry does", kept[0].version)


def _with_features(loaded: LoadedVersion | None, rows: pd.DataFrame | None) -> Champion | None:
    if loaded is None:
        return None
    model = loaded.model
    # One that needs longer windows than were read answers from its own rows until the next look at the store.
    if rows is not None and has_history(rows, model.window_days):
        model = answer_from(model, rows)
    return Champion(loaded.version, model, loaded.loaded_at, loaded.mase)


def _mase_of(model: ForecastModel) -> dict[str, float]:
    scores = ((name, (of.get("scores") or {}).get("mase")) for name, of in model.metadata.get("series", {}).items())
    return {name: mase for name, mase in scores if isinstance(mase, int | float) and math.isfinite(mase)}

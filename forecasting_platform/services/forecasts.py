"""Issues and stores the forecasts of the champion and its shadows for some cutoffs."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime

import pandas as pd

from forecasting_platform.errors import InvalidArtifactError, NoChampionError, UnknownVersionError
from forecasting_platform.forecasting.models.issuing import issue_forecasts
from forecasting_platform.forecasting.models.trained.model import ForecastModel
from forecasting_platform.forecasting.series.days.date_range import DateRange
from forecasting_platform.forecasting.series.days.not_normal import ALL_NORMAL, NotNormal, not_normal_of
from forecasting_platform.forecasting.series.frames import DAILY_MOVES, FEATURE_TABLE, FORECASTS
from forecasting_platform.forecasting.series.lifetime import new_series
from forecasting_platform.ports.engine import Engine
from forecasting_platform.ports.model_registry import ModelRegistry, ModelVersion
from forecasting_platform.ports.table_store import TableStore
from forecasting_platform.services.daily_sums import cutoffs_moved_by, forget, keep_moves
from forecasting_platform.services.interval_widths import Learner, learn_from_matured
from forecasting_platform.services.newest_features import with_windows


@dataclass(frozen=True, slots=True)
class Issued:
    """The result of issuing forecasts for some cutoffs.

    Attributes:
        champion: the version that issued first.
        record: its rows of `FORECASTS` for these cutoffs, earlier ones included.
        shadows: the other versions that forecast too.
        failed: why those that could not did not, by version.
        new_series: those of the record that are new to the champion.
    """

    champion: ModelVersion
    record: pd.DataFrame
    shadows: list[str] = field(default_factory=list)
    failed: dict[str, str] = field(default_factory=dict)
    new_series: list[str] = field(default_factory=list)


def issue(
    store: TableStore,
    engine: Engine,
    registry: ModelRegistry,
    cutoffs: DateRange,
    not_normal: NotNormal = ALL_NORMAL,
) -> Issued:
    """Issue the champion's forecasts, then those of its shadows; a shadow that fails is left out.

    How far the forecasts of record moved is summed up after them.

    Args:
        engine: works on blocks of series.
        not_normal: periods from which no interval learns, besides those of each model's recipe.

    Raises:
        NoChampionError: there is nothing to forecast with.
    """
    forget(store, DAILY_MOVES, cutoffs_moved_by(cutoffs))
    issuing = _Issuing(store, engine, cutoffs, not_normal, store.read(FEATURE_TABLE, cutoffs))
    issued = _issue_all(issuing, registry)
    keep_moves(store, cutoffs)
    return issued


def _issue_all(issuing: "_Issuing", registry: ModelRegistry) -> Issued:
    champion = registry.version_at("champion")
    if champion is None:
        raise NoChampionError(registry.name)
    model = registry.load(champion)
    issuing.issue([(champion, model)])
    found = issuing.store.read(FORECASTS, issuing.cutoffs)
    record = found[found["model_version"] == champion.version].reset_index(drop=True)
    known = set(model.unique_ids) - new_series(model.metadata)
    issued = Issued(champion, record, new_series=sorted(set(record["unique_id"]) - known))
    named = (registry.version_at("challenger"), registry.version_at("previous"))
    versions = {version.version: version for version in named if version is not None}
    shadows = []
    for number in sorted(versions.keys() - {champion.version}, key=int):
        try:
            shadows.append((versions[number], registry.load(versions[number])))
        except (InvalidArtifactError, UnknownVersionError) as error:
            issued.failed[number] = str(error)
    issuing.issue(shadows)
    issued.shadows.extend(version.version for version, _ in shadows)
    return issued


@dataclass(frozen=True, slots=True)
class _Issuing:
    """Issues and records forecasts of some cutoffs; what was recorded before stays."""

    store: TableStore
    engine: Engine
    cutoffs: DateRange
    not_normal: NotNormal
    features: pd.DataFrame

    def issue(self, models: Sequence[tuple[ModelVersion, ForecastModel]]) -> None:
        learners = [
            Learner(version.version, version.cutoff, model.calendars, self.not_normal | not_normal_of(model.metadata))
            for version, model in models
            if version.cutoff <= self.cutoffs.end
        ]
        widths = learn_from_matured(self.engine, learners, self.cutoffs, self.features["unique_id"].unique().tolist())
        for version, model in models:
            issued = issue_forecasts(
                model,
                with_windows(self.store, self.features, model.window_days),
                model_version=version.version,
                issued_at=datetime.now(UTC),
                widths=widths.get(version.version),
            )
            self.store.record_forecasts(issued)

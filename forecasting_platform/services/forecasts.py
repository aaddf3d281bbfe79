"""Issues and stores the forecasts of the champion and its shadows for some cutoffs."""

from dataclasses import dataclass, field
from datetime import UTC, datetime

import pandas as pd

from forecasting_platform.errors import InvalidArtifactError, NoChampionError, UnknownVersionError
from forecasting_platform.forecasting.models.issuing import issue_forecasts, match_actuals
from forecasting_platform.forecasting.models.trained.model import ForecastModel
from forecasting_platform.forecasting.series.days.date_range import DateRange
from forecasting_platform.forecasting.series.days.not_normal import ALL_NORMAL, NotNormal
from forecasting_platform.forecasting.series.frames import DAILY_MOVES, FEATURE_TABLE, FORECASTS, interval_columns
from forecasting_platform.forecasting.series.lifetime import new_series
from forecasting_platform.ports.model_registry import ModelRegistry, ModelVersion
from forecasting_platform.ports.table_store import TableStore
from forecasting_platform.services.daily_sums import cutoffs_moved_by, forget, keep_moves
from forecasting_platform.services.feature_table import plausible_observations
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


def issue(store: TableStore, registry: ModelRegistry, cutoffs: DateRange, not_normal: NotNormal = ALL_NORMAL) -> Issued:
    """Issue the champion's forecasts, then those of its shadows; a shadow that fails is left out.

    How far the forecasts of record moved is summed up after them.

    Args:
        not_normal: periods from which no interval learns, besides those of each model's recipe.

    Raises:
        NoChampionError: there is nothing to forecast with.
    """
    forget(store, DAILY_MOVES, cutoffs_moved_by(cutoffs))
    issued = _issue_all(store, registry, cutoffs, not_normal)
    keep_moves(store, cutoffs)
    return issued


def _issue_all(store: TableStore, registry: ModelRegistry, cutoffs: DateRange, not_normal: NotNormal) -> Issued:
    champion = registry.version_at("champion")
    if champion is None:
        raise NoChampionError(registry.name)
    features = store.read(FEATURE_TABLE, cutoffs)
    model = registry.load(champion)
    record = _issue(store, model, champion, features, cutoffs, not_normal)
    known = set(model.unique_ids) - new_series(model.metadata)
    issued = Issued(champion, record, new_series=sorted(set(record["unique_id"]) - known))
    named = (registry.version_at("challenger"), registry.version_at("previous"))
    versions = {version.version: version for version in named if version is not None}
    for number in sorted(versions.keys() - {champion.version}, key=int):
        try:
            _issue(store, registry.load(versions[number]), versions[number], features, cutoffs, not_normal)
        except (InvalidArtifactError, UnknownVersionError) as error:
            issued.failed[number] = str(error)
        else:
            issued.shadows.append(number)
    return issued


def _issue(
    store: TableStore,
    model: ForecastModel,
    version: ModelVersion,
    features: pd.DataFrame,
    cutoffs: DateRange,
    not_normal: NotNormal,
) -> pd.DataFrame:
    """Issue and record one version's forecasts; returns all that it ever issued for these cutoffs."""
    since = DateRange(min(version.cutoff, cutoffs.start), cutoffs.end)
    recorded = _of_version(store.read(FORECASTS.only(*interval_columns()), since), version)
    actuals = plausible_observations(store, since)[["unique_id", "ds", "y"]]
    issued = issue_forecasts(
        model,
        with_windows(store, features, model.window_days),
        model_version=version.version,
        issued_at=datetime.now(UTC),
        matured=match_actuals(recorded, actuals, since, model.calendars),
        not_normal=not_normal,
    )
    store.record_forecasts(issued)
    return _of_version(store.read(FORECASTS, cutoffs), version)


def _of_version(forecasts: pd.DataFrame, version: ModelVersion) -> pd.DataFrame:
    return forecasts[forecasts["model_version"] == version.version].reset_index(drop=True)

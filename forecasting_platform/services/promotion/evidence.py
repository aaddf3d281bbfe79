"""What decisions about the champion rest on: a backtest made now, shadow forecasts and matured errors."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from functools import partial

import pandas as pd

from forecasting_platform.forecasting.block_training import join_fingerprints, series_blocks
from forecasting_platform.forecasting.models.losses import Loss
from forecasting_platform.forecasting.models.recipes.recipe import Recipe, recipe_from
from forecasting_platform.forecasting.models.trained.model import ForecastModel
from forecasting_platform.forecasting.promotion.decision_inputs import Shadow
from forecasting_platform.forecasting.promotion.evidence import Comparison
from forecasting_platform.forecasting.promotion.kept_evidence import kept_comparison, kept_series
from forecasting_platform.forecasting.promotion.policy import PromotionPolicy
from forecasting_platform.forecasting.promotion.rollback import (
    TRIPWIRE_DAYS,
    RollbackTrigger,
    find_better_version,
    find_rollback_trigger,
)
from forecasting_platform.forecasting.promotion.tries import YEAR, Tries, count_tries, name_recipe, shadow_chance
from forecasting_platform.forecasting.series.covariates.exogenous import exogenous_columns
from forecasting_platform.forecasting.series.days.date_range import DateRange
from forecasting_platform.forecasting.series.days.not_normal import ALL_NORMAL, NotNormal, not_normal_of
from forecasting_platform.forecasting.series.features.feature_table import fingerprint
from forecasting_platform.forecasting.series.frames import FEATURE_TABLE, FORECAST_ERRORS
from forecasting_platform.forecasting.series.lifetime import new_series, undecided_series
from forecasting_platform.ports.engine import BlockWork, Engine, Files, Read
from forecasting_platform.ports.model_registry import ModelVersion
from forecasting_platform.ports.table_store import TableStore
from forecasting_platform.services.promotion.recipe_comparison import compare_on_stored_series
from forecasting_platform.services.promotion.stored_shadow import measure_stored_shadow
from forecasting_platform.services.promotion.versions import Versions


@dataclass(frozen=True, slots=True)
class PromotionEvidence:
    """Evidence for one look.

    Args:
        impossible: counts the forecasts a model would issue that are not finite or not possible.
        not_normal: periods of which no error decides.
    """

    store: TableStore
    engine: Engine
    versions: Versions
    policy: PromotionPolicy
    impossible: Callable[[ForecastModel], int]
    not_normal: NotNormal = ALL_NORMAL

    def besides(self, model: ForecastModel) -> "PromotionEvidence":
        """The same without the periods that a model's recipe declares."""
        return replace(self, not_normal=self.not_normal | not_normal_of(model.metadata))

    def compare(self, model: ForecastModel, serving: ForecastModel | None) -> Comparison:
        """Backtest the recipes of a challenger and of the version that serves, on the series that both know.

        Where the challenger's training has made this very backtest, it is not made again: nothing serves, or its
        recipe does already, and the data are still those that it was trained on.
        """
        shared = set(model.unique_ids) & set(serving.unique_ids if serving else model.unique_ids)
        # A series new to one of them is forecast by what the others say, and judges no recipe.
        known = shared - new_series(model.metadata) - new_series(serving.metadata if serving else {})
        recipe = recipe_from(model.metadata["recipe"])
        champion = recipe_from(serving.metadata["recipe"]) if serving else None
        is_same = champion is None or champion.fingerprint == recipe.fingerprint
        # Where periods are not normal, what is left out is counted on the data.
        is_normal = not recipe.not_normal and not (champion and champion.not_normal)
        # What is kept is of squared errors.
        is_kept = is_same and is_normal and recipe.loss == "squared"
        if is_kept and known == kept_series(model.metadata) and self._has_data_of(model, recipe):
            return kept_comparison(model.metadata, with_champion=champion is not None)
        return compare_on_stored_series(self.store, self.engine, sorted(known or shared), recipe, champion)

    def _has_data_of(self, model: ForecastModel, recipe: Recipe) -> bool:
        """Whether `feature_table` holds exactly what a model was trained on, block by block as it was."""
        # The columns of events are no data: they are made of the recipe.
        exogenous = exogenous_columns(recipe.exogenous, recipe.horizon)
        columns = FEATURE_TABLE.only("y", *(["exogenous"] if exogenous else []))
        names = self.store.read_newest(FEATURE_TABLE.only())["unique_id"]
        if set(names) != set(model.unique_ids):
            return False
        work = BlockWork(partial(_fingerprint, exogenous=exogenous), _fingerprint_files, _fingerprint_from)
        found = list(self.engine.map_blocks(work, [Read(columns)], series_blocks(names)))
        return join_fingerprints(found) == model.metadata["data_fingerprint"]

    def shadow(
        self,
        challenger: ModelVersion,
        champion: ModelVersion,
        unique_ids: Iterable[str],
        loss: Loss = "squared",
        unit: Mapping[str, float] | None = None,
    ) -> Shadow | None:
        """Compare the shadow forecasts of two recipes, over all versions of each; None if they share no days.

        Args:
            unique_ids: the series that decide.
            loss: what both are judged by.
            unit: by series, what losses are divided by; see `measure_block`.
        """
        if challenger.tags.get("recipe_fingerprint") == champion.tags.get("recipe_fingerprint"):
            # Of one recipe, so only the two frozen versions themselves can be told apart.
            return self._shadow([challenger], [champion], unique_ids, loss, unit)
        registered = self.versions.registered(max(challenger.version, champion.version, key=int))
        challengers, champions = (
            [found for found in registered if found.tags.get("recipe_fingerprint") == of.tags.get("recipe_fingerprint")]
            for of in (challenger, champion)
        )
        return self._shadow(challengers, champions, unique_ids, loss, unit)

    def _shadow(
        self,
        challengers: Sequence[ModelVersion],
        champions: Sequence[ModelVersion],
        unique_ids: Iterable[str],
        loss: Loss,
        unit: Mapping[str, float] | None = None,
    ) -> Shadow | None:
        if not (challengers and champions):
            return None
        # A version forecasts no day before its own cutoff.
        since = max(min(version.cutoff for version in of) for of in (challengers, champions))
        span = self.store.span(FORECAST_ERRORS)
        if span is None or span.end < since:
            return None
        return measure_stored_shadow(
            self.engine,
            DateRange(max(since, span.start), span.end),
            sorted(unique_ids),
            [version.version for version in challengers],
            [version.version for version in champions],
            loss,
            not_normal=self.not_normal,
            unit=unit,
        )

    def tries(self, challenger: ModelVersion, champion: ModelVersion, at: datetime) -> Tries | None:
        """The place of a comparison that is made now among those of a year; None for two versions of one recipe."""
        compared = self.versions.ledger.compared_recipes(at - YEAR)
        return count_tries(compared, (_recipe(challenger), _recipe(champion)), at, self.policy.promising_p)

    def better_challenger(
        self, challenger: ModelVersion, champion: ModelVersion, model: ForecastModel, at: datetime
    ) -> RollbackTrigger | None:
        """That the shadow shows the challenger to be better, by the chance of error that it may have after all tries.

        Args:
            model: the champion's.
        """
        shadow = self.shadow(challenger, champion, deciding_series(model), _loss_of(model))
        better = find_better_version(shadow, self.policy, model.horizon)
        tries = self.tries(challenger, champion, at) if better else None
        if tries is None:
            return better
        asked = shadow_chance(tries, self.policy)
        return find_better_version(shadow, replace(self.policy, shadow_alpha=asked), model.horizon) if asked else None

    def rollback_trigger(
        self, champion: ModelVersion, model: ForecastModel, previous: ModelVersion | None
    ) -> RollbackTrigger | None:
        """Why the champion must be rolled back, None where nothing shows it or there is no earlier version."""
        if previous is None:
            return None
        week = self._newest_week(champion, model)
        trigger = find_rollback_trigger(week, self.impossible(model), self.policy)
        if trigger is not None:
            return trigger
        shadow = self._shadow([previous], [champion], deciding_series(model), _loss_of(model))
        return find_better_version(shadow, self.policy, model.horizon)

    def _newest_week(self, champion: ModelVersion, model: ForecastModel) -> pd.DataFrame:
        """The champion's own errors of the newest days that have any, of the series that decide."""
        span = self.store.span(FORECAST_ERRORS)
        if span is None:
            return FORECAST_ERRORS.empty()
        first = span.end - timedelta(days=TRIPWIRE_DAYS - 1)
        errors = self.store.read(FORECAST_ERRORS, DateRange(first, span.end))
        own = errors[(errors["model_version"] == champion.version) & errors["unique_id"].isin(deciding_series(model))]
        return own[~self.not_normal.rows(own, "cutoff", "ds")]


def _fingerprint(_number: int, rows: pd.DataFrame, *, exogenous: Sequence[str]) -> str:
    return fingerprint(rows, exogenous)


def _fingerprint_files(found: str) -> Files:
    return {"fingerprint": found.encode()}


def _fingerprint_from(files: Files) -> str:
    return files["fingerprint"].decode()


def _recipe(version: ModelVersion) -> str:
    return name_recipe(version.tags.get("recipe_fingerprint", ""), version.version)


def deciding_series(model: ForecastModel) -> set[str]:
    """The series that the model knows and that may decide."""
    return set(model.unique_ids) - undecided_series(model.metadata)


def _loss_of(model: ForecastModel) -> Loss:
    return recipe_from(model.metadata["recipe"]).loss

"""What decisions about the champion rest on: a backtest made now, shadow forecasts and matured errors."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime
from functools import cached_property, partial

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
    RollbackTrigger,
    find_better_version,
    find_rollback_trigger,
)
from forecasting_platform.forecasting.promotion.shadow import measure_shadow
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
from forecasting_platform.services.promotion.versions import Versions


@dataclass(frozen=True)
class PromotionEvidence:
    """Evidence for one look: the errors are read once, when they are first needed.

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

    @cached_property
    def errors(self) -> pd.DataFrame:
        """The rows of `FORECAST_ERRORS` that may decide, of every version that ever forecast."""
        return self._errors_since(date.min)

    def _errors_since(self, day: date) -> pd.DataFrame:
        """Those of the days from one on: a version forecasts no day before its own cutoff."""
        span = self.store.span(FORECAST_ERRORS)
        if span is None or span.end < day:
            return FORECAST_ERRORS.empty()
        errors = self.store.read(FORECAST_ERRORS, DateRange(max(day, span.start), span.end))
        return errors[~self.not_normal.rows(errors, "cutoff", "ds")]

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
        self, challenger: ModelVersion, champion: ModelVersion, unit: Mapping[str, float], loss: Loss = "squared"
    ) -> Shadow | None:
        """Compare the shadow forecasts of two recipes, over all versions of each; None if they share no days.

        Args:
            unit: by series, what losses are divided by.
            loss: what both are judged by.
        """
        if challenger.tags.get("recipe_fingerprint") == champion.tags.get("recipe_fingerprint"):
            # Of one recipe, so only the two frozen versions themselves can be told apart.
            both = self._errors_since(max(challenger.cutoff, champion.cutoff))
            return measure_shadow(both, [challenger.version], [champion.version], unit, loss)
        recipes = {version: self._recipe_of(version) for version in self.errors["model_version"].unique().tolist()}

        def versions_of(version: ModelVersion) -> list[str]:
            return [found for found, recipe in recipes.items() if recipe == version.tags.get("recipe_fingerprint")]

        return measure_shadow(self.errors, versions_of(challenger), versions_of(champion), unit, loss)

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
        loss = _loss_of(model)
        shadow = self.shadow(challenger, champion, naive_loss(of_deciding_series(self.errors, model), loss), loss)
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
        errors = of_deciding_series(self._errors_since(champion.cutoff), model)
        own = errors[errors["model_version"] == champion.version]
        trigger = find_rollback_trigger(own, self.impossible(model), self.policy)
        if trigger is not None:
            return trigger
        loss = _loss_of(model)
        shadow = measure_shadow(errors, [previous.version], [champion.version], naive_loss(own, loss), loss)
        return find_better_version(shadow, self.policy, model.horizon)

    def _recipe_of(self, version: str) -> str:
        # One that was deleted: its forecasts stay on record, but nobody can say of which recipe they were.
        known = self.versions.known(version)
        return known.tags.get("recipe_fingerprint", "") if known else ""


def _fingerprint(_number: int, rows: pd.DataFrame, *, exogenous: Sequence[str]) -> str:
    return fingerprint(rows, exogenous)


def _fingerprint_files(found: str) -> Files:
    return {"fingerprint": found.encode()}


def _fingerprint_from(files: Files) -> str:
    return files["fingerprint"].decode()


def _recipe(version: ModelVersion) -> str:
    return name_recipe(version.tags.get("recipe_fingerprint", ""), version.version)


def of_deciding_series(errors: pd.DataFrame, model: ForecastModel) -> pd.DataFrame:
    """The errors of the series that the model knows and that may decide."""
    decides = set(model.unique_ids) - undecided_series(model.metadata)
    return errors[errors["unique_id"].isin(decides)]


def naive_loss(errors: pd.DataFrame, loss: Loss) -> dict[str, float]:
    """RMSE, or mean loss, of each series' seasonal naive forecast, on the very days that are compared."""
    error = errors["y"] - errors["y_hat_seasonal_naive"]
    if loss == "squared":
        return dict((error**2).groupby(errors["unique_id"]).mean() ** 0.5)
    return dict(error.abs().groupby(errors["unique_id"]).mean())


def _loss_of(model: ForecastModel) -> Loss:
    return recipe_from(model.metadata["recipe"]).loss

"""A forecasting platform on Dagster. A day of data moves one way:

feed -> `raw_observations` -> `feature_table` -> `trained_model` -> `champion_model` -> `forecasts`
-> `/predict` -> `forecast_errors` -> checks -> alerts.

Where do I go to …

- add a candidate: a package of its own that imports `forecasting_platform.candidates` and tests itself by
  `forecasting_platform.candidate_contract` (docs/your-own-candidate.md); one of the default recipe is a file in
  `forecasting/models/candidates/` with its entry in `registry.py` there
- read another feed: a file in `adapters/feeds/`, its scheme in `feed_wiring.described_feed`
- read another format: a file in `adapters/feeds/documents/`, its entry in `document_table.py` there, its name in
  `feed_description/description.py`
- have `feed inspect` recognize more: `adapters/feeds/inspection/`, and a case in its test of proposals
- store tables elsewhere: a package in `adapters/`, its name in `Settings.table_store`, its entries in `wiring.STORES`
  and `orchestration/catalog/places.py`; its test subclasses `TableStoreContract`
- work on blocks of series elsewhere: an adapter of `ports/engine.py`, its name in `wiring.engine_of`
- send alerts elsewhere: an Apprise URL; where Apprise has none, a file in `adapters/alerts/`, its URL's scheme in
  `routes.DELIVERIES` there
- add an asset or a check: a file in `orchestration/assets/` or `orchestration/checks/`, its entry in `definitions.py`
- add a setting: `settings/`, and `docs/settings.md`
- add a command: a file in `commands/` (`commands/embedded/` if it needs the embedded platform), its entry in
  `cli.COMMANDS`; what it does in `services/`
- know more of a day, a covariate, a feature row or a refused value: the rooms `days`, `covariates`, `features` and
  `quality` of `forecasting/series/`
- change a recipe, a trained model or how one is trained: `recipes`, `trained` and `training` in `forecasting/models/`
- draw a plot: `forecasting/reports/plots.py`
- add a section to the page: `serve/http/templates/`, `serve/http/static/`, its endpoint in `serve/http/routes.py`
- know what the platform promises of a port: the docstrings in `ports/`

In a notebook, without any service: `from forecasting_platform import backtest, forecast, judge, Recipe`.
In a Dagster project of your own: the component `forecasting_platform.ForecastingComponent` (docs/mounting.md).
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from forecasting_platform.forecasting.models.recipes.recipe import Recipe
    from forecasting_platform.services.backtests.judgement import judge
    from forecasting_platform.services.backtests.recipe_backtest import backtest, forecast

__all__ = ["Recipe", "backtest", "forecast", "judge"]

_HOMES = {
    "Recipe": "forecasting_platform.forecasting.models.recipes.recipe",
    "backtest": "forecasting_platform.services.backtests.recipe_backtest",
    "forecast": "forecasting_platform.services.backtests.recipe_backtest",
    "judge": "forecasting_platform.services.backtests.judgement",
    "ForecastingComponent": "forecasting_platform.component",
}


def __getattr__(name: str) -> Any:
    """Imports what a notebook or a project uses when it is used: every process of the platform imports this package."""
    if name not in {*__all__, *_HOMES}:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(_HOMES[name]), name)


def __dir__() -> list[str]:
    """Where `dg list components` looks: at what Dagster is to find, without importing what a notebook uses."""
    return [*globals(), "ForecastingComponent"]

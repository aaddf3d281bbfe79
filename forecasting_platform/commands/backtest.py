"""`backtest`: scores of a recipe on past days, beside the champion's, with the verdict; changes nothing."""

from collections.abc import Sequence
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import click
import pandas as pd

from forecasting_platform.commands.terminal.connection import Connection, connect
from forecasting_platform.commands.terminal.options import (
    data_dir_option,
    json_option,
    range_of,
    range_options,
    recipe_option,
    recipe_text,
)
from forecasting_platform.commands.terminal.output import print_json, print_rows, records
from forecasting_platform.commands.terminal.sparkline import sparkline
from forecasting_platform.errors import NoChampionError
from forecasting_platform.feed_wiring import calendars_of
from forecasting_platform.forecasting.models.recipes.recipe import Recipe, recipe_from
from forecasting_platform.forecasting.promotion.tries import YEAR
from forecasting_platform.forecasting.reports.backtest import ALL_STEPS
from forecasting_platform.services.backtests.judgement import Judgement, judge
from forecasting_platform.services.backtests.policy_backtest import stored_history
from forecasting_platform.services.backtests.recipe_backtest import RecipeBacktest, backtest_features
from forecasting_platform.wiring import model_registry_of, recipe_of

CHAMPION = "champion"
MAX_SERIES_SHOWN = 20


@click.command(epilog="Example: forecasting-platform backtest --recipe my.toml --against champion --plot verdict.png")
@recipe_option
@click.option("--against", metavar="champion|FILE", help="Judge it against the champion's recipe, or another file's.")
@click.option("--series", multiple=True, help="A series to forecast; all by default. May be repeated.")
@range_options(required=False)
@click.option("--plot", "plot_path", type=click.Path(path_type=Path, dir_okay=False), help="Write a plot as PNG.")
@data_dir_option
@json_option
def backtest(
    recipe: Path | None, against: str | None, series: Sequence[str], start: date | None, end: date | None,
    plot_path: Path | None, data_dir: Path, as_json: bool,
) -> None:  # fmt: skip
    """What a recipe would have forecast on the stored days: scores, cost, and whether it beats another recipe."""
    if (start is None) != (end is None):
        raise click.UsageError("give both --start and --end, or neither for the whole history")
    connection = connect(data_dir)
    chosen, name = _recipe_in(connection, recipe)
    with connection.table_store() as store:
        features = stored_history(store, range_of(start, end) if start and end else None, series)
    tried = backtest_features(features, chosen, name=name)
    first, last = tried.panel.days[[0, -1]].tolist()
    for remark in chosen.remarks(tried.panel.unique_ids, first, last):
        click.echo(remark, err=True)
    judged = None
    if against is not None:
        other, name = _other_recipe(connection, against)
        with connection.ledger() as ledger:
            compared = ledger.compared_recipes(datetime.now(UTC) - YEAR)
        judged = judge(tried, backtest_features(features, other, name=name), compared=compared)
    if plot_path is not None:
        _write(plot_path, (judged or tried).plot())
    if as_json:
        print_json(_document(tried, judged))
        return
    _print(tried, judged)


def _recipe_in(connection: Connection, path: Path | None) -> tuple[Recipe, str]:
    """The recipe of a file, or the platform's own one, and how it is named."""
    settings = connection.settings
    name = path.stem if path else "the platform's recipe"
    return recipe_of(settings, calendars_of(settings), text=recipe_text(path)), name


def _other_recipe(connection: Connection, against: str) -> tuple[Recipe, str]:
    """The recipe of the champion or of a file, and how it is named."""
    if against != CHAMPION:
        return _recipe_in(connection, Path(against))
    registry = model_registry_of(connection.settings)
    version = registry.version_at("champion")
    if version is None:
        raise NoChampionError(registry.name)
    return recipe_from(registry.load(version).metadata["recipe"]), version.version


def _document(tried: RecipeBacktest, judged: Judgement | None) -> dict[str, Any]:
    document: dict[str, Any] = {"scores": records(tried.scores), "cost": _cost(tried)}
    if tried.not_normal_days:
        left_out = {"values": tried.not_normal_days, "periods": tried.recipe.not_normal.to_document()}
        document["left_out"] = left_out
    if judged is not None:
        document |= {
            "verdict": judged.verdict,
            "reason": judged.reason,
            "statistics": judged.statistics,
            "by_series": records(judged.by_series),
            "against": {"scores": records(judged.champion.scores), "cost": _cost(judged.champion)},
        }
    return document


def _cost(found: RecipeBacktest) -> dict[str, Any]:
    count = len(found.panel.unique_ids)
    return {
        "cpu_seconds": round(found.cpu_seconds, 3),
        "cpu_seconds_a_series": round(found.cpu_seconds / count, 4),
        "fit_seconds_a_series": {name: round(seconds / count, 4) for name, seconds in found.fit_seconds.items()},
    }


def _print(tried: RecipeBacktest, judged: Judgement | None) -> None:
    shown = _hardest(tried.scores)
    hidden = tried.scores["unique_id"].nunique() - shown["unique_id"].nunique()
    print_rows(records(shown), title=f"scores of {tried.name}, by series and days ahead")
    if hidden:
        click.echo(f"{hidden} more series, which beat the seasonal naive forecast by more; --json has all")
    if tried.not_normal_days:
        periods = "; ".join(map(str, tried.recipe.not_normal.periods))
        click.echo(f"{tried.not_normal_days} values are left out as not normal: {periods}")
    cost = _cost(tried)
    fits = ", ".join(f"{name} {seconds} s" for name, seconds in cost["fit_seconds_a_series"].items())
    click.echo(f"cost: {cost['cpu_seconds_a_series']} s of processor time a series; fits: {fits}")
    if judged is not None:
        print_rows(records(judged.by_series.nsmallest(MAX_SERIES_SHOWN, "gain")), title="RMSE on the same cutoffs")
        saved = judged.losses["champion"] - judged.losses["challenger"]
        between = f"between {saved.min():.2f} and {saved.max():.2f} of the seasonal naive forecast's RMSE"
        click.echo(f"loss saved, from the first cutoff to the last, {between}: {sparkline(saved.tolist())}")
        click.echo(f"verdict: {judged.verdict}, {judged.reason}")
        if "asked" in judged.statistics:
            click.echo("this look is not counted: a recipe is a try of its year once it is judged as a challenger")


def _hardest(scores: pd.DataFrame) -> pd.DataFrame:
    """The rows of the series that beat the seasonal naive forecast by least, in the frame's order."""
    overall = scores[scores["steps"] == ALL_STEPS]
    hardest = overall.nsmallest(MAX_SERIES_SHOWN, "skill_seasonal_naive", keep="first")["unique_id"]
    unscored = overall.loc[overall["skill_seasonal_naive"].isna(), "unique_id"]
    return scores[scores["unique_id"].isin([*hardest, *unscored][:MAX_SERIES_SHOWN])]


def _write(path: Path, content: bytes) -> None:
    try:
        path.write_bytes(content)
    except OSError as error:
        raise click.FileError(str(path), f"{error.strerror}; name another one with --plot") from error
    click.echo(f"plot written to {path}", err=True)

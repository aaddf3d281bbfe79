"""`train`, `promote` and `rollback`: a job of a running Dagster that makes a model version or moves the champion."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import click

from forecasting_platform.commands.terminal.connection import connect
from forecasting_platform.commands.terminal.options import data_dir_option, json_option, recipe_option, recipe_text
from forecasting_platform.commands.terminal.output import print_rows
from forecasting_platform.redaction import shown

DEADLINE_SECONDS = 900.0


@click.command(epilog="Example: forecasting-platform train --recipe my.toml")
@click.option("--option", "options", multiple=True, help="A candidate that a series may use; may be repeated.")
@recipe_option
@data_dir_option
@json_option
def train(options: Sequence[str], recipe: Path | None, data_dir: Path, as_json: bool) -> None:
    """Materialize `trained_model`: a new version with alias challenger."""
    printed = ("model_version", "cutoff", "mlflow_run_id")
    config = {"options": list(options), "recipe": recipe_text(recipe)}
    _run_job("training_job", "trained_model", config, printed, data_dir, as_json=as_json)


@click.command(epilog="Example: forecasting-platform promote")
@click.option("--to-version", help="Serve this version whatever the evidence; needs --reason.")
@click.option("--reason", default="", help="Why; kept in the ledger.")
@data_dir_option
@json_option
def promote(to_version: str | None, reason: str, data_dir: Path, as_json: bool) -> None:
    """Evaluate challenger against champion now, and move the alias if the evidence says so."""
    if (to_version is None) != (not reason.strip()):
        raise click.UsageError("--to-version and --reason go together: a version served regardless needs a reason")
    override = {"action": "override", "to_version": to_version, "reason": reason} if to_version else {}
    _run_promotion({"decided_by": "promote command"} | override, data_dir, as_json=as_json)


@click.command(epilog='Example: forecasting-platform rollback --reason "forecasts too low since Monday"')
@click.option("--to-version", help="The version to serve again; the previous champion by default.")
@click.option("--reason", required=True, help="Why; kept in the ledger.")
@data_dir_option
@json_option
def rollback(to_version: str | None, reason: str, data_dir: Path, as_json: bool) -> None:
    """Serve an earlier version again, and record why."""
    if not reason.strip():
        raise click.UsageError("--reason is empty; say why, it is kept in the ledger")
    config = {"decided_by": "rollback command", "action": "rollback", "reason": reason}
    _run_promotion(config | ({"to_version": to_version} if to_version else {}), data_dir, as_json=as_json)


def _run_promotion(config: dict[str, Any], data_dir: Path, *, as_json: bool) -> None:
    printed = ("decision_id", "verdict", "champion_version", "reason")
    _run_job("promotion_job", "champion_model", config, printed, data_dir, as_json=as_json)


def _run_job(
    job: str, asset: str, config: dict[str, Any], printed: Sequence[str], data_dir: Path, *, as_json: bool
) -> None:
    """Run a job with the configuration of its asset, wait, and print some of the asset's metadata."""
    dagster = connect(data_dir).dagster
    run_id = dagster.launch_job(job, run_config={"ops": {asset: {"config": config}}})
    click.echo(f"{job}: {shown(dagster.url)}/runs/{run_id}", err=True)
    dagster.wait_for_run(run_id, deadline_seconds=DEADLINE_SECONDS)
    metadata = dagster.materializations(run_id)[0].metadata
    print_rows([{name: metadata[name] for name in printed}], as_json=as_json)

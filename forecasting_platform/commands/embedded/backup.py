"""`backup` and `restore`: the data of an embedded platform in one folder, and back."""

from pathlib import Path

import click

from forecasting_platform.commands.terminal.options import data_dir_option, json_option
from forecasting_platform.commands.terminal.output import print_rows
from forecasting_platform.local.backup import Backup, make_backup, restore_backup


@click.command(epilog="Example: forecasting-platform backup --to backups/2023-07-01")
@click.option("--to", "target", type=click.Path(path_type=Path), required=True, help="A folder that is not there yet.")
@data_dir_option
@json_option
def backup(target: Path, data_dir: Path, as_json: bool) -> None:
    """Write the databases, models and kept documents of a data directory into one folder, with checksums."""
    _print_backup(make_backup(data_dir, target), as_json=as_json)


@click.command(epilog="Example: forecasting-platform restore --from backups/2023-07-01 --data-dir .platform")
@click.option("--from", "source", type=click.Path(path_type=Path), required=True, help="A folder that backup wrote.")
@click.option("--overwrite", is_flag=True, help="Replace the data that are there.")
@data_dir_option
@json_option
def restore(source: Path, overwrite: bool, data_dir: Path, as_json: bool) -> None:
    """Put a backup into a data directory whose platform is stopped; `up` goes on from it."""
    _print_backup(restore_backup(data_dir, source, overwrite=overwrite), as_json=as_json)


def _print_backup(found: Backup, *, as_json: bool) -> None:
    row = {"backup": str(found.path), "made_at": found.made_at, "files": len(found.files), "bytes": found.size_bytes}
    print_rows([row], as_json=as_json)

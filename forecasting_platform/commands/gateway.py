"""`gateway`: the users of the gateway, which people log in at (docs/deploying.md)."""

from pathlib import Path
from typing import cast

import click

from forecasting_platform.adapters.gateway_users import GatewayUsers
from forecasting_platform.commands.terminal.options import json_option
from forecasting_platform.commands.terminal.output import print_rows
from forecasting_platform.gateway_identity import ROLES, Role

users_option = click.option(
    "--users", type=click.Path(path_type=Path), default=Path("gateway"), show_default=True, help="Folder of the users."
)


@click.group()
def gateway() -> None:
    """The gateway, which people log in at."""


@gateway.group()
def user() -> None:
    """Who may log in, and what each may do. Start the gateway anew after a change."""


@user.command(epilog="Example: forecasting-platform gateway user add anna --role operator")
@click.argument("name")
@click.option("--role", type=click.Choice(ROLES), required=True, help="What the user may do.")
@click.password_option(help="Asked for without it; another user of this machine can read what is typed here.")
@users_option
@json_option
def add(name: str, role: str, password: str, users: Path, as_json: bool) -> None:
    """Add a user, or give one another role and password."""
    GatewayUsers(users).add(name, cast("Role", role), password)
    print_rows([{"user": name, "role": role}], as_json=as_json)


@user.command(epilog="Example: forecasting-platform gateway user remove anna")
@click.argument("name")
@users_option
@json_option
def remove(name: str, users: Path, as_json: bool) -> None:
    """Remove a user."""
    GatewayUsers(users).remove(name)
    print_rows([{"user": name, "role": "removed"}], as_json=as_json)


@user.command("list", epilog="Example: forecasting-platform gateway user list")
@users_option
@json_option
def list_users(users: Path, as_json: bool) -> None:
    """The users and their roles."""
    rows = [{"user": name, "role": role} for name, role in GatewayUsers(users).roles().items()]
    print_rows(rows, title="users of the gateway", as_json=as_json)

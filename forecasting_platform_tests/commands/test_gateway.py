"""`gateway`: its users, whose passwords are kept as hashes alone."""

import json
import re
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from forecasting_platform import cli


def test_users_of_the_gateway_are_kept_as_hashes_for_their_owner_alone(tmp_path: Path) -> None:
    def run(*arguments: str) -> Result:
        options = ("--users", str(tmp_path / "gateway"), "--json")
        return CliRunner().invoke(cli.main, ["gateway", "user", *arguments, *options], input="a-long-password\n" * 2)

    assert run("add", "anna@example.org", "--role", "operator").exit_code == 0
    assert run("add", "ben", "--role", "reader", "--password", "another-password").exit_code == 0
    assert run("add", "ben", "--role", "admin", "--password", "another-password").exit_code == 0
    assert run("remove", "anna@example.org").exit_code == 0
    assert json.loads(run("list").output) == [{"user": "ben", "role": "admin"}]
    assert (tmp_path / "gateway/roles").read_text(encoding="utf-8") == "ben admin\n"
    passwords = tmp_path / "gateway/passwords"
    assert re.fullmatch(r"ben \$2b\$12\$\S{53}\n", passwords.read_text(encoding="utf-8"))
    assert passwords.stat().st_mode & 0o077 == 0


@pytest.mark.parametrize(
    ("name", "password", "problem"),
    [
        ("an na", "a-long-password", "is no name of a user"),
        ("anna\nben", "a-long-password", "is no name of a user"),
        ("{env.PATH}", "a-long-password", "is no name of a user"),
        ("anna", "short", "give 12 or more"),
        ("anna", "x" * 73, "at most 72 bytes"),
    ],
)
def test_a_user_of_the_gateway_who_cannot_be_is_refused(tmp_path: Path, name: str, password: str, problem: str) -> None:
    command = ["gateway", "user", "add", name, "--role", "reader", "--password", password, "--users", str(tmp_path)]
    result = CliRunner().invoke(cli.main, command)
    assert (result.exit_code, list(tmp_path.iterdir())) == (1, [])
    assert problem in result.output
    missing = CliRunner().invoke(cli.main, ["gateway", "user", "remove", "anna", "--users", str(tmp_path)])
    assert "there is no user 'anna'" in missing.output

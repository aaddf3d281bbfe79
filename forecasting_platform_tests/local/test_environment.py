"""What the processes of the embedded platform are told."""

from pathlib import Path

import pytest

from forecasting_platform.local.data_directory import DataDirectory
from forecasting_platform.local.environment import Addresses, blocked_ports, platform_environment


def test_a_recipe_is_named_from_where_the_caller_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The processes run in the data directory."""
    monkeypatch.chdir(tmp_path)

    def told(**caller: str) -> str | None:
        parts = DataDirectory(tmp_path / "data"), Addresses(3000)
        return platform_environment(*parts, feed_url="", live=False, caller=caller).get("FORECASTING_RECIPE")

    assert told(FORECASTING_RECIPE="mine.toml") == str(tmp_path / "mine.toml")
    assert told(FORECASTING_RECIPE="/srv/mine.toml") == "/srv/mine.toml"
    assert told() is None


def test_a_page_of_a_platform_is_on_no_port_that_browsers_block() -> None:
    assert blocked_ports(Addresses(3000)) == {}
    assert blocked_ports(Addresses(6664)) == {6665: "mlflow", 6666: "app", 6668: "feed"}
    # Postgres is no page.
    assert blocked_ports(Addresses(5997)) == {}

"""Tables that a person reads show the names of series as they are."""

import pytest

from forecasting_platform.commands.terminal.output import print_rows


@pytest.mark.parametrize("name", ["[/red]", "[bold]x[/bold]", ":smile:", "a\\[b", "%s {x}"])
def test_a_table_shows_any_name_as_it_is(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    print_rows([{"unique_id": name, "y": 1.0}], title=f"values of {name}")
    assert capsys.readouterr().out.count(name) == 2

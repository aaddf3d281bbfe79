"""README and docs stay true to the code."""

import re
from pathlib import Path

import pytest

from forecasting_platform.cli import main
from forecasting_platform.definitions import defs
from forecasting_platform.settings import Settings

ROOT = Path(__file__).parents[2]
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").rglob("*.md"))]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_link_to_a_file_leads_somewhere(page: Path) -> None:
    links = re.findall(r"\]\(([^)#]+?)(?:#[^)]*)?\)", page.read_text(encoding="utf-8"))
    local = [link for link in links if not link.startswith(("http://", "https://"))]
    assert [link for link in local if not (page.parent / link).exists()] == []


def test_every_setting_is_documented_with_its_default() -> None:
    documented = (ROOT / "docs" / "settings.md").read_text(encoding="utf-8")
    for name, field in Settings.model_fields.items():
        default = "–" if field.default is None else f"`{field.default}`"
        assert f"| `FORECASTING_{name.upper()}` | {default} | {field.description} |" in documented


def test_every_command_is_in_the_readme() -> None:
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    assert [name for name in main.commands if f"`{name}" not in readme] == []


def test_every_check_has_a_line_in_the_runbook() -> None:
    runbook = (ROOT / "docs" / "alerts.md").read_text(encoding="utf-8")
    checks = {key.name for key in defs.resolve_asset_graph().asset_check_keys}
    assert {name for name in checks if f"| `{name}` |" not in runbook} == set()

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


def test_every_check_and_every_other_incident_has_its_runbook_and_no_runbook_is_left_over() -> None:
    checks = {key.name for key in defs.resolve_asset_graph().asset_check_keys}
    runbooks = {page.stem for page in (ROOT / "docs" / "runbooks").glob("*.md")}
    assert runbooks == checks | {"run_failure", "backfill_failure", "dead_man", "champion_loads"}


@pytest.mark.parametrize("page", sorted((ROOT / "docs" / "runbooks").glob("*.md")), ids=lambda page: page.stem)
def test_a_runbook_says_what_it_means_how_to_confirm_and_what_to_do(page: Path) -> None:
    headings = re.findall(r"^## (.*)$", page.read_text(encoding="utf-8"), re.MULTILINE)
    assert headings == ["What it means", "How to confirm", "What to do"]
    assert f"(runbooks/{page.name})" in (ROOT / "docs" / "alerts.md").read_text(encoding="utf-8")

"""README and docs stay true to the code."""

import ast
import importlib.util
import json
import re
from pathlib import Path

import click
import pytest

import forecasting_platform
from forecasting_platform.cli import COMMANDS, main
from forecasting_platform.definitions import build_definitions
from forecasting_platform.forecasting.monitoring.next_steps import NEXT_STEPS
from forecasting_platform.settings import Settings
from forecasting_platform_tests.support.pages import PAGES, ROOT, commands_of, snippets

RUNBOOKS = sorted(set((ROOT / "docs" / "runbooks").glob("*.md")) - {ROOT / "docs" / "runbooks" / "index.md"})


@pytest.mark.parametrize("console", snippets("console"))
def test_every_command_shown_is_one_that_the_program_takes(console: str) -> None:
    for program, *words in commands_of(console):
        if program == "make":
            targets = re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE)
            assert words[0] in targets
            continue
        command: click.Command = main
        while isinstance(command, click.Group) and words:
            found = command.get_command(click.Context(command), words[0])
            if found is None:
                break
            command = found
            words.pop(0)
        assert not isinstance(command, click.Group) or command.invoke_without_command, f"{words} is no command"
        # Parses as the real call would, without running it.
        command.make_context(program, words)


@pytest.mark.parametrize("document", snippets("json"))
def test_every_json_document_shown_can_be_read(document: str) -> None:
    json.loads(document)


@pytest.mark.parametrize("script", snippets("python"))
def test_every_name_imported_in_a_script_shown_is_there(script: str, monkeypatch: pytest.MonkeyPatch) -> None:
    for package in (ROOT / "docs" / "examples").iterdir():
        monkeypatch.syspath_prepend(str(package))
    imports = [ast.unparse(line) for line in ast.parse(script).body if isinstance(line, ast.Import | ast.ImportFrom)]
    exec("\n".join(imports), {})  # our own pages


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
    assert [name for name in COMMANDS if f"`{name}" not in readme] == []


def test_every_check_and_every_other_incident_has_its_runbook_and_no_runbook_is_left_over() -> None:
    checks = {key.name for key in build_definitions().resolve_asset_graph().asset_check_keys}
    runbooks = {page.stem for page in RUNBOOKS}
    others = {"run_failure", "backfill_failure", "tick_failure", "dead_man", "champion_loads", "automatic_rollback",
              "alert_route"}  # fmt: skip
    assert runbooks == checks | others


@pytest.mark.parametrize("page", RUNBOOKS, ids=lambda page: page.stem)
def test_a_runbook_says_what_it_means_how_to_confirm_and_what_to_do(page: Path) -> None:
    headings = re.findall(r"^## (.*)$", page.read_text(encoding="utf-8"), re.MULTILINE)
    assert headings == ["What it means", "How to confirm", "What to do"]
    assert f"(runbooks/{page.name})" in (ROOT / "docs" / "alerts.md").read_text(encoding="utf-8")


def test_the_next_step_that_a_message_names_is_in_its_runbook() -> None:
    missing = 'a line of each runbook\'s "What to do" belongs in forecasting/next_steps.py'
    assert set(NEXT_STEPS) == {page.stem for page in RUNBOOKS}, missing
    for page in RUNBOOKS:
        to_do = page.read_text(encoding="utf-8").partition("## What to do")[2]
        assert NEXT_STEPS[page.stem] in " ".join(to_do.split()), page.stem


@pytest.mark.parametrize(
    ("page", "content"), [("feed-description", "feed_description_page"), ("recipe", "recipe_page")]
)
def test_the_page_of_a_files_words_is_as_the_code_has_them(page: str, content: str) -> None:
    """It is in the repository, since pages link to it."""
    spec = importlib.util.spec_from_file_location("generated_reference", ROOT / "docs" / "generated_reference.py")
    assert spec is not None
    assert spec.loader is not None
    reference = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(reference)
    file = ROOT / "docs" / "reference" / f"{page}.md"
    assert file.read_text(encoding="utf-8") == getattr(reference, f"{page.replace('-', '_')}_page")(), (
        "write it anew: make docs"
    )


def test_where_to_go_names_what_is_there() -> None:
    told = str(forecasting_platform.__doc__)
    # A file or a folder: written from the package, the repository, or the folder that was named before it.
    named, place = re.findall(r"`([a-z_]+(?:/[a-z_]+)*(?:/|\.py))`", told), ROOT
    for path in named:
        found = [root / path for root in (ROOT / "forecasting_platform", ROOT, place) if (root / path).exists()]
        assert found, f"{path} is not there"
        place = found[0] if found[0].is_dir() else found[0].parent
    assert len(named) > 15

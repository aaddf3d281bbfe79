"""What the tests know of the tree by name, and of Dagster beyond its public API, is there."""

import ast
import importlib.util
import re
from collections.abc import Iterator
from pathlib import Path

from forecasting_platform_tests import conftest

TESTS = Path(__file__).parents[1]
FILES = sorted(TESTS.rglob("*.py"))
OURS = r"(?:forecasting_platform|forecasting_platform_tests|serve|benchmarks)"
IMPORT = re.compile(rf"^\s*(?:from|import) ({OURS}\b[\w.]*)", re.MULTILINE)
DOTTED = re.compile(rf"{OURS}(?:\.\w+)+")

LOGGERS = {"serve.errors", "serve.requests"}


def texts(file: Path) -> Iterator[str]:
    """The string literals of a file, f-strings without what is filled in."""
    for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            yield node.value


def is_there(name: str) -> bool:
    """Whether it is a module, something in a module, or what a package gives."""
    parts = name.split(".")
    for length in range(len(parts), 0, -1):
        try:
            found = importlib.util.find_spec(".".join(parts[:length]))
        except ModuleNotFoundError:
            continue
        if found:
            is_package = found.submodule_search_locations is not None
            given = is_package and length < len(parts) and hasattr(importlib.import_module(found.name), parts[length])
            return length == len(parts) or not is_package or given
    return False


def test_every_module_that_a_script_or_a_text_names_is_there() -> None:
    named = {
        (file.name, name)
        for file in FILES
        for text in texts(file)
        for name in [*IMPORT.findall(text), *DOTTED.findall(text)[: DOTTED.fullmatch(text) is not None]]
    }
    assert len(named) > 50
    assert [(file, name) for file, name in sorted(named) if name not in LOGGERS and not is_there(name)] == []


def test_dagsters_internals_are_named_in_one_place() -> None:
    named = {file.name for file in FILES if re.search(r"^(?:from|import) dagster\._", file.read_text(), re.MULTILINE)}
    assert named == {"dagster_internals.py"}


def test_every_file_that_is_scheduled_by_name_is_there() -> None:
    assert [name for name in (*conftest.SHARING, *conftest.SLOWEST) if not (TESTS / name).exists()] == []

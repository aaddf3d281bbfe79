"""What the pages show: blocks of code, and the commands in them."""

import re
import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[2]


GENERATED = {"dagster.md", "http.md", "tables.md"}


PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").rglob("*.md"))]


PAGES = [page for page in PAGES if page.parent.name != "reference" or page.name not in GENERATED]


def snippets(language: str) -> list[Any]:
    """Every block of code of a language, named by page and line."""
    found = []
    for page in PAGES:
        text = page.read_text(encoding="utf-8")
        for block in re.finditer(rf"^```{language}\n(.*?)^```$", text, re.MULTILINE | re.DOTALL):
            where = f"{page.relative_to(ROOT)}:{text.count(chr(10), 0, block.start()) + 1}"
            found.append(pytest.param(block[1], id=where))
    return found


def commands_of(console: str) -> Iterator[list[str]]:
    """The words of each command after a `$` that is ours, environment and redirection left out."""
    joined = console.replace("\\\n", " ")
    for line in re.findall(r"^\$ (.*)$", joined, re.MULTILINE):
        words = shlex.split(line, comments=True)
        while words and re.fullmatch(r"[A-Z_]+=.*", words[0]):
            words.pop(0)
        if words and Path(words[0]).name in {"forecasting-platform", "make"}:
            yield [Path(words[0]).name, *words[1:]]

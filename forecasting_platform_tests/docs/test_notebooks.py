"""The notebooks of the docs run from top to bottom, in a kernel of their own."""

import os
import re
from pathlib import Path
from typing import Any

import nbformat
import pytest
from nbclient import NotebookClient

from forecasting_platform_tests.support.pages import ROOT

QUICK_START = ROOT / "docs" / "notebooks" / "quick-start.ipynb"
NOTEBOOKS = sorted((ROOT / "docs" / "notebooks").glob("*.ipynb"))


README = (ROOT / "README.md").read_text(encoding="utf-8")


def outputs_of(notebook: Any) -> list[Any]:
    return [output for cell in notebook.cells if cell.cell_type == "code" for output in cell.outputs]


@pytest.mark.slow
@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_a_notebook_runs_without_any_service(path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for variable in [name for name in os.environ if name.startswith(("FORECASTING_", "DAGSTER_"))]:
        monkeypatch.delenv(variable)
    for variable in ("JUPYTER_RUNTIME_DIR", "IPYTHONDIR", "MPLCONFIGDIR"):
        monkeypatch.setenv(variable, str(tmp_path / variable))
    notebook = nbformat.read(path, as_version=4)
    notebook.cells.append(nbformat.v4.new_code_cell("import sys; print('imported', *sys.modules)"))
    # It raises for a cell that fails, with the cell and its traceback.
    NotebookClient(notebook, timeout=600, kernel_name="python3", resources={"metadata": {"path": tmp_path}}).execute()
    outputs = outputs_of(notebook)
    assert any("image/png" in output.get("data", {}) for output in outputs)
    assert [output.text for output in outputs if output.get("name") == "stderr"] == []
    printed = "".join(output.text for output in outputs if output.get("name") == "stdout")
    assert re.search("^(hold|reject|promote): .*would be found four times in five", printed, flags=re.MULTILINE)
    services = {"alembic", "dagster", "flask", "mlflow", "psycopg", "requests", "rich"}
    assert services & set(printed.splitlines()[-1].split()) == set()
    if path == QUICK_START:
        (shown,) = re.findall("```text\n(.+?)```", README, flags=re.DOTALL)
        for line in shown.splitlines():
            assert line.rstrip("…") in printed


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_a_notebook_is_kept_without_outputs(path: Path) -> None:
    assert outputs_of(nbformat.read(path, as_version=4)) == []


def test_the_readme_shows_the_lines_of_the_quick_start() -> None:
    cells = [cell.source for cell in nbformat.read(QUICK_START, as_version=4).cells if cell.cell_type == "code"]
    (shown,) = re.findall("```python\n(.+?)```", README, flags=re.DOTALL)
    # The last cell shows the verdict's plot, which the README has as an image.
    assert shown.strip() == "\n\n".join(cells[:-1])

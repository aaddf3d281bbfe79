"""The notebooks of the docs run from top to bottom, in a kernel of their own."""

import os
from pathlib import Path
from typing import Any

import nbformat
import pytest
from nbclient import NotebookClient

from forecasting_platform_tests.support.pages import ROOT

NOTEBOOKS = sorted((ROOT / "docs" / "notebooks").glob("*.ipynb"))


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
    # It raises for a cell that fails, with the cell and its traceback.
    NotebookClient(notebook, timeout=600, kernel_name="python3", resources={"metadata": {"path": tmp_path}}).execute()
    outputs = outputs_of(notebook)
    assert sum("image/png" in output.get("data", {}) for output in outputs) == 2
    assert [output.text for output in outputs if output.get("name") == "stderr"] == []
    (verdict,) = [output.text for output in outputs if output.get("name") == "stdout"]
    assert verdict.startswith(("hold: ", "reject: ", "promote: "))
    assert "would be found four times in five" in verdict


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_a_notebook_is_kept_without_outputs(path: Path) -> None:
    assert outputs_of(nbformat.read(path, as_version=4)) == []

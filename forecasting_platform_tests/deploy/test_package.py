"""The package as others install it: source distribution and wheel hold all that the commands and the app read."""

import os
import re
import subprocess
import sys
import sysconfig
import tarfile
import zipfile
from pathlib import Path

import pytest

from forecasting_platform.code_version import _commit_of, code_version

ROOT = Path(__file__).parents[2]
UV = str(Path(sys.executable).with_name("uv"))
PACKAGES = ("forecasting_platform", "serve")


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the source distribution, and the wheel that is built from it."""
    folder = tmp_path_factory.mktemp("dist")
    subprocess.run([UV, "build", "--quiet", "--out-dir", folder, ROOT], check=True)
    return folder


@pytest.mark.slow
def test_the_wheel_of_the_source_distribution_holds_every_file_of_the_packages(built: Path) -> None:
    (wheel,) = built.glob("*.whl")
    held = {name for name in zipfile.ZipFile(wheel).namelist() if name.startswith(tuple(f"{p}/" for p in PACKAGES))}
    listed = subprocess.run(["git", "ls-files", "--", *PACKAGES], capture_output=True, text=True, check=True, cwd=ROOT)
    assert held == set(listed.stdout.split())


@pytest.mark.slow
def test_both_name_the_commit(built: Path) -> None:
    commit = subprocess.run(
        ["git", "rev-parse", "--short=7", "HEAD"], capture_output=True, text=True, check=True, cwd=ROOT
    ).stdout.strip()
    (wheel,), (source,) = built.glob("*.whl"), built.glob("*.tar.gz")
    assert f"+g{commit}" in wheel.name
    with tarfile.open(source) as archive:
        about = archive.extractfile(f"{source.name.removesuffix('.tar.gz')}/PKG-INFO")
        assert about
        assert f"+g{commit}".encode() in about.read()


@pytest.mark.slow
def test_commands_app_and_definitions_work_in_an_empty_folder(built: Path, tmp_path: Path) -> None:
    environment, nowhere = tmp_path / "venv", tmp_path / "nowhere"
    nowhere.mkdir()
    (wheel,) = built.glob("*.whl")
    subprocess.run([UV, "venv", "--quiet", "--python", sys.executable, environment], check=True)
    python = environment / "bin" / "python"
    subprocess.run([UV, "pip", "install", "--quiet", "--no-deps", "--python", python, wheel], check=True)
    (packages,) = environment.glob("lib/python*/site-packages")
    # What it depends on, from this environment; a path in such a file is not searched for further such files, and so
    # not for the one of the clone.
    (packages / "dependencies.pth").write_text(sysconfig.get_paths()["purelib"], encoding="utf-8")
    clean = {name: value for name, value in os.environ.items() if not name.startswith(("FORECASTING_", "PYTHON"))}
    told = subprocess.run([python, "-c", TOLD], capture_output=True, text=True, check=False, cwd=nowhere, env=clean)
    assert told.stdout.splitlines() == [
        f"True {wheel.name.split('-')[1]}",
        "[200, 200, 200, 200]",
        "['0001']",
        "6 assets",
    ], told.stderr
    command = subprocess.run(
        [environment / "bin" / "forecasting-platform", "status", "--json"],
        capture_output=True, text=True, check=False, cwd=nowhere, env=clean,
    )  # fmt: skip
    assert command.returncode == 1
    assert re.match(r"forecasting-platform: .*no platform", command.stderr), command.stderr


TOLD = """
import sys
import forecasting_platform
from alembic.script import ScriptDirectory
from forecasting_platform.adapters.postgres.migrations import SCRIPTS
from forecasting_platform.code_version import code_version
from forecasting_platform.definitions import build_definitions
from serve.http.app import create_app
print(forecasting_platform.__file__.startswith(sys.prefix), code_version())
client = create_app().test_client()
paths = "/", "/docs", "/static/app.js", "/static/vendor/uPlot.iife.min.js"
print([client.get(path).status_code for path in paths])
print([revision.revision for revision in ScriptDirectory(str(SCRIPTS)).walk_revisions()])
print(len(build_definitions().resolve_asset_graph().executable_asset_keys), "assets")
"""


def test_in_a_clone_the_version_is_of_the_commit_that_is_checked_out(tmp_path: Path) -> None:
    assert re.fullmatch(r"\d+\.\d+(\.\d+)?\+g[0-9a-f]{7,40}(\.dirty)?", code_version())
    assert _commit_of(tmp_path) is None
    (tmp_path / ".git").touch()
    assert _commit_of(tmp_path) is None

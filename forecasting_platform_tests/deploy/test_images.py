"""The Dockerfile's install commands work in a clean environment. No engine runs here: the image itself is not built."""

import os
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).parents[2]
DOCKERFILE = (ROOT / "Dockerfile").read_text(encoding="utf-8").replace("${INSTANCE}", "dagster.yaml")


def stage(name: str) -> str:
    """The instructions of one target."""
    return re.split(r"^FROM ", DOCKERFILE, flags=re.MULTILINE)[
        [f" AS {name}\n" in part for part in _stages()].index(True)
    ]


def _stages() -> list[str]:
    return re.split(r"^FROM ", DOCKERFILE, flags=re.MULTILINE)


@pytest.mark.parametrize("name", ["platform", "serve"])
def test_an_image_does_not_run_as_root_and_has_a_health_check(name: str) -> None:
    assert "\nUSER forecasting\n" in stage(name)
    assert "\nHEALTHCHECK " in stage(name)


def test_everything_an_image_copies_is_in_the_repository() -> None:
    copies = re.findall(r"^COPY (?!--from=)(.+)$", DOCKERFILE, flags=re.MULTILINE)
    copied = [source for line in copies for source in line.split()[:-1]]
    assert copied
    assert [source for source in copied if not (ROOT / source).exists()] == []


def test_no_secret_is_in_an_image() -> None:
    assert not re.search(r"(PASSWORD|SECRET|API_KEY|DSN)\s*=", DOCKERFILE)


def test_the_instance_and_the_workspace_parse() -> None:
    instance = yaml.safe_load((ROOT / "dagster.yaml").read_text(encoding="utf-8"))
    assert instance["instance_class"]["class"] == "PlatformInstance"
    workspace = yaml.safe_load((ROOT / "workspace.yaml").read_text(encoding="utf-8"))
    assert workspace["load_from"][0]["python_module"]["module_name"] == "forecasting_platform.definitions"


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_the_serve_image_installs_and_answers_without_dagster(tmp_path: Path) -> None:
    context, python = _context(tmp_path), tmp_path / "venv" / "bin" / "python"
    uv = shutil.which("uv", path=str(Path(sys.executable).parent)) or "uv"
    subprocess.run([uv, "venv", "--quiet", "--python", sys.executable, tmp_path / "venv"], check=True)
    commands = [*_uv_commands("wheel"), *_uv_commands("serve")]
    assert len(commands) == 3
    for command in commands:
        at_this_place = command.replace("--system", f"--quiet --python {shlex.quote(str(python))}")
        here = at_this_place.replace("/wheels", shlex.quote(str(tmp_path / "wheels")))
        subprocess.run(f"{shlex.quote(uv)} {here}", check=True, cwd=context, shell=True)
    assert [path.name for path in (tmp_path / "wheels").iterdir() if path.suffix == ".whl"]
    answered = subprocess.run(
        [python, "-c", ANSWER], capture_output=True, text=True, check=False, cwd=tmp_path, env=_clean_environment()
    )
    assert answered.stdout.split() == ["200", "503", "[]"], answered.stderr


def test_no_source_beside_the_working_directory_shadows_the_installed_package() -> None:
    for name in ("platform", "serve"):
        copied = " ".join(re.findall(r"^COPY (?!--from)(.+) \S+$", stage(name), flags=re.MULTILINE)).split()
        assert not {"forecasting_platform", "serve", "pyproject.toml"} & set(copied)


def _uv_commands(name: str) -> list[str]:
    return re.findall(r"^RUN uv (.+)$", stage(name), flags=re.MULTILINE)


ANSWER = """
import importlib.util
from serve.http.app import create_app
app = create_app()
client = app.test_client()
body = {"start": "2023-07-01", "end": "2023-07-02"}
heavy = [name for name in ("dagster", "pyspark", "sklearn", "statsmodels") if importlib.util.find_spec(name)]
print(client.get("/health").status_code, client.post("/predict", json=body).status_code, heavy)
"""


def _context(tmp_path: Path) -> Path:
    context = tmp_path / "context"
    for name in ("forecasting_platform", "serve", "locks"):
        shutil.copytree(ROOT / name, context / name, ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("pyproject.toml", "setup.py", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, context)
    return context


def _clean_environment() -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("FORECASTING_", "PYTHONPATH"))}
    return kept | {"FORECASTING_MLFLOW_TRACKING_URI": "http://127.0.0.1:9"}

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
STAGES = {
    match[1]: match[0]
    for match in re.finditer(
        r"^FROM \S+ AS (\w+)\n.*?(?=^FROM|\Z)", DOCKERFILE.replace("\\\n", ""), flags=re.MULTILINE | re.DOTALL
    )
}
"""The instructions of each target, one a line."""


@pytest.mark.parametrize("name", ["platform", "serve"])
def test_an_image_does_not_run_as_root_and_has_a_health_check(name: str) -> None:
    assert "\nUSER forecasting\n" in STAGES[name]
    assert "\nHEALTHCHECK " in STAGES[name]


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
        # What is in the cache already is not fetched, and nothing compiled that no test imports.
        quick = command.replace("--no-cache ", "").replace("--compile-bytecode ", "")
        at_this_place = quick.replace("--system", f"--quiet --python {shlex.quote(str(python))}")
        here = at_this_place.replace("/wheels", shlex.quote(str(tmp_path / "wheels"))).replace(" /locks/", " locks/")
        subprocess.run(f"{shlex.quote(uv)} {here}", check=True, cwd=context, shell=True, env=os.environ | COMMIT)
    (wheel,) = (path.name for path in (tmp_path / "wheels").iterdir() if path.suffix == ".whl")
    assert wheel.startswith("forecasting_platform-0.1+g1a2b3c4-")
    answered = subprocess.run(
        [python, "-c", ANSWER], capture_output=True, text=True, check=False, cwd=tmp_path, env=_clean_environment()
    )
    assert answered.stdout.split() == ["200", "503", "200", "200", "[]"], answered.stderr


@pytest.mark.parametrize("name", ["platform", "serve"])
def test_an_image_keeps_nothing_of_its_making_beside_the_installed_package(name: str) -> None:
    own = re.findall(r"^(?:COPY|ADD) (.+) (\S+)$", STAGES["base"] + STAGES[name], flags=re.MULTILINE)
    assert own == {"platform": [("workspace.yaml", "/app/"), ("dagster.yaml", "/app/dagster_home/dagster.yaml")]}.get(
        name, []
    )
    # What installs is mounted for one command, and is in no layer.
    assert "pip install" not in STAGES["base"]
    assert all(line.startswith("RUN --mount=from=wheel") for line in STAGES[name].splitlines() if " uv " in line)


def test_the_build_is_given_what_it_copies_and_nothing_else() -> None:
    copied = re.findall(r"^COPY (?!--from=)(.+) \S+$", DOCKERFILE, flags=re.MULTILINE)
    mounted = re.findall(r"--mount=source=(\w+)", DOCKERFILE)
    needed = {source for line in copied for source in line.split()} | {*mounted} | {"deploy/aws/dagster.yaml"}
    rules = (ROOT / ".dockerignore").read_text(encoding="utf-8").splitlines()
    assert rules[1] == "*"
    assert {rule.removeprefix("!") for rule in rules if rule.startswith("!")} == needed


def test_an_image_is_told_its_commit_since_the_history_is_not_copied() -> None:
    variable = "SETUPTOOLS_SCM_PRETEND_VERSION_FOR_FORECASTING_PLATFORM"
    assert re.search(rf"^ENV {variable}=\d+\.\d+\+g\$\{{COMMIT\}}$", STAGES["wheel"], flags=re.MULTILINE)
    assert "\nARG COMMIT=unknown\n" in STAGES["wheel"]


def _uv_commands(name: str) -> list[str]:
    return re.findall(r"^RUN .*?uv ((?:build|pip install --system).+)$", STAGES[name], flags=re.MULTILINE)


COMMIT = {"SETUPTOOLS_SCM_PRETEND_VERSION_FOR_FORECASTING_PLATFORM": "0.1+g1a2b3c4"}
ANSWER = """
import importlib.util
from serve.http.app import create_app
app = create_app()
client = app.test_client()
body = {"start": "2023-07-01", "end": "2023-07-02"}
heavy = [name for name in ("dagster", "pyspark", "sklearn", "statsmodels") if importlib.util.find_spec(name)]
answers = client.get("/health"), client.post("/predict", json=body), client.get("/"), client.get("/static/app.js")
print(*(answer.status_code for answer in answers), heavy)
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

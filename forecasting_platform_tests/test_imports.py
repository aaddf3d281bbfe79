"""Importing reads no environment: settings are read by what needs them, when it needs them."""

import os
import pkgutil
import subprocess
import sys

import pytest

import forecasting_platform
import serve
from forecasting_platform.settings import Settings
from forecasting_platform_tests.support.waiting import PATIENCE_SECONDS

IMPORTED_BY_A_SERVER = {"serve.wsgi"}
"""A WSGI server imports it to get the app, which is made from the settings."""
RUN_BY_ALEMBIC = "forecasting_platform.adapters.postgres.revisions.env"
IMPORT_ALL = """
import importlib, sys
for name in sys.stdin.read().split():
    try:
        importlib.import_module(name)
    except Exception as error:
        raise SystemExit(f"importing {name}: {type(error).__name__}: {error}")
"""


@pytest.mark.slow
def test_every_module_is_imported_without_reading_a_setting() -> None:
    names = [
        found.name
        for package in (forecasting_platform, serve)
        for found in pkgutil.walk_packages(package.__path__, f"{package.__name__}.")
        if found.name not in {RUN_BY_ALEMBIC, *IMPORTED_BY_A_SERVER} and not found.name.endswith("__main__")
    ]
    assert len(names) > 200
    # No setting takes this value, so whoever reads them fails.
    poisoned = {f"FORECASTING_{name.upper()}": "{poisoned" for name in Settings.model_fields}
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", IMPORT_ALL],
        env={"PATH": os.environ["PATH"], **poisoned},
        input=" ".join(names), capture_output=True, text=True, check=False, timeout=PATIENCE_SECONDS * 5,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-2000:]

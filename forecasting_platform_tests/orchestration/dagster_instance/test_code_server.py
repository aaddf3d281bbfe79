"""What the process imports that runs are forked from; that they are is tested on a platform, in `local`."""

import subprocess
import sys

import pytest

from forecasting_platform.orchestration.dagster_instance.code_server import RUN_IMPORTS

pytestmark = pytest.mark.slow


def test_all_is_imported_without_a_thread_that_a_fork_would_lose_and_what_fails_is_told_and_passed_over() -> None:
    broken = "sys.modules['upath'] = None"
    script = f"import sys, threading; {broken}; import {RUN_IMPORTS}; print(threading.active_count())"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (0, "1\n"), done.stderr
    assert done.stderr.count("runs will import") == done.stderr.count("runs will import upath themselves") == 1
    assert "ModuleNotFoundError: import of upath" in done.stderr

"""Environments of packages that only benchmarks need: peers, and earlier releases. Never the product's own."""

import fcntl
import hashlib
import os
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

HERE = Path(__file__).parent


def python_with(name: str, packages: Sequence[str]) -> Path:
    """The interpreter of an environment that has these packages, made when it is missing or has others.

    Whoever asks while another process or thread makes it waits; one that was cut short is made anew.

    Args:
        name: of its folder below `benchmarks/.environments`.
        packages: as `pip install` takes them.

    Raises:
        subprocess.CalledProcessError: a package could not be installed.
    """
    folder = HERE / ".environments" / name
    folder.parent.mkdir(exist_ok=True)
    python, stamp = folder / "bin" / "python", folder / "packages.sha256"
    wanted = hashlib.sha256("\n".join([sys.version, *packages]).encode()).hexdigest()
    with Path(f"{folder}.lock").open("w", encoding="utf-8") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not (stamp.exists() and stamp.read_text(encoding="utf-8") == wanted):
            shutil.rmtree(folder, ignore_errors=True)
            uv = Path(sys.executable).with_name("uv")
            # A tool that has set this would have its packages looked for elsewhere.
            clean = {key: value for key, value in os.environ.items() if key != "VIRTUAL_ENV"}
            subprocess.run([uv, "venv", "--quiet", "--python", sys.executable, folder], check=True, env=clean)
            install = [uv, "pip", "install", "--quiet", "--compile-bytecode", "--python", python, *packages]
            subprocess.run(install, check=True, env=clean)
            stamp.write_text(wanted, encoding="utf-8")
    return python


def system_program(name: str) -> Path:
    """Where a program of the system is; installed with apt-get where that may be done.

    Args:
        name: of the program and of Debian's package alike.
    """
    if shutil.which(name) is None and shutil.which("apt-get"):
        privileged = [] if os.geteuid() == 0 else ["sudo", "-n"]
        for step in (["update", "-qq"], ["install", "-y", "-qq", "--no-install-recommends", name]):
            subprocess.run([*privileged, "apt-get", *step], check=False, stdout=subprocess.DEVNULL)
    found = shutil.which(name)
    if found is None:
        raise SystemExit(f"{name} is not installed; on Debian: apt-get install {name}")
    return Path(found)


def listed(requirements: Path) -> list[str]:
    """The packages that a requirements file names, a line each."""
    lines = (line.strip() for line in requirements.read_text(encoding="utf-8").splitlines())
    return [line for line in lines if line and not line.startswith("#")]

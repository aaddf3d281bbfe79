"""Who may log in at the gateway: two files that its Caddyfile includes, `passwords` and `roles`.

Each line is a name and a bcrypt hash, or a name and a role. Nobody's password can be read from them.
"""

from collections.abc import Mapping
from pathlib import Path

import bcrypt

from forecasting_platform.adapters.whole_files import write_whole
from forecasting_platform.errors import InvalidDataError
from forecasting_platform.gateway_identity import PERSON_NAME, Role

PASSWORDS, ROLES_FILE = "passwords", "roles"
MIN_PASSWORD_CHARACTERS = 12
MAX_PASSWORD_BYTES = 72
"""What bcrypt reads of a password."""
ROUNDS = 12


class GatewayUsers:
    """The users in one folder.

    Args:
        folder: holds the two files; made with the first user, for its owner alone.

    Raises:
        InvalidDataError: of every method: a file cannot be read or written.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def roles(self) -> dict[str, str]:
        """The role of each user."""
        return self._read(ROLES_FILE)

    def add(self, name: str, role: Role, password: str) -> None:
        """Add a user, or give a user another role and password.

        Raises:
            InvalidDataError: the name or the password is not one.
        """
        if not PERSON_NAME.fullmatch(name):
            raise InvalidDataError(
                f"{name!r} is no name of a user: 1 to 64 letters, digits and . _ @ -, a letter or digit first"
            )
        if len(password) < MIN_PASSWORD_CHARACTERS or len(password.encode()) > MAX_PASSWORD_BYTES:
            raise InvalidDataError(
                f"the password has {len(password)} characters; give {MIN_PASSWORD_CHARACTERS} or more, and at most "
                f"{MAX_PASSWORD_BYTES} bytes"
            )
        hashed = bcrypt.hashpw(password.encode(), bcrypt.gensalt(ROUNDS)).decode()
        self._write(ROLES_FILE, self._read(ROLES_FILE) | {name: role})
        self._write(PASSWORDS, self._read(PASSWORDS) | {name: hashed})

    def remove(self, name: str) -> None:
        """Remove a user.

        Raises:
            InvalidDataError: there is none of this name.
        """
        if name not in self.roles():
            raise InvalidDataError(f"there is no user {name!r} in {self._folder}; there are {sorted(self.roles())}")
        for file in (PASSWORDS, ROLES_FILE):
            self._write(file, {user: value for user, value in self._read(file).items() if user != name})

    def _read(self, file: str) -> dict[str, str]:
        try:
            lines = (self._folder / file).read_text(encoding="utf-8").splitlines()
        except FileNotFoundError:
            return {}
        except (OSError, UnicodeDecodeError) as error:
            raise InvalidDataError(f"{self._folder / file} cannot be read as the gateway's users: {error}") from error
        return {user: value for user, _, value in (line.partition(" ") for line in lines if line)}

    def _write(self, file: str, values: Mapping[str, str]) -> None:
        content = "".join(f"{user} {value}\n" for user, value in sorted(values.items()))
        try:
            self._folder.mkdir(parents=True, exist_ok=True, mode=0o700)
            write_whole(self._folder / file, content.encode())
            (self._folder / file).chmod(0o600)
        except OSError as error:
            raise InvalidDataError(f"{self._folder / file} cannot be written: {error.strerror}") from error

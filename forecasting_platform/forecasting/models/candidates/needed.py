"""Packages that a candidate is fitted with and an installation may lack."""

from collections.abc import Iterator
from contextlib import contextmanager

from forecasting_platform.errors import ConfigurationError


@contextmanager
def needed_to_train(candidate: str, requirement: str) -> Iterator[None]:
    """Around the import of a package that a candidate is fitted with.

    Raises:
        ConfigurationError: it is not installed; says what to install.
    """
    try:
        yield
    except ImportError as error:
        package = (error.name or "a package").split(".")[0]
        problem = f"the candidate {candidate!r} is trained with {package}, which is not installed: pip install"
        raise ConfigurationError("options", f"{problem} '{requirement}'") from error

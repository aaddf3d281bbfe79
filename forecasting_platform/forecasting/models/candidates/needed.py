"""Packages that a candidate is fitted with and an installation may lack."""

from importlib import import_module
from typing import Any

from forecasting_platform.errors import ConfigurationError


def import_needed(module: str, candidate: str, requirement: str) -> Any:
    """A module that a candidate is fitted with.

    Raises:
        ConfigurationError: it is not installed; says what to install.
    """
    try:
        return import_module(module)
    except ImportError as error:
        package = module.split(".")[0]
        problem = f"the candidate {candidate!r} is trained with {package}, which is not installed: pip install"
        raise ConfigurationError("options", f"{problem} '{requirement}'") from error

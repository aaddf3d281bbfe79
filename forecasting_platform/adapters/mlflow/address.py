"""Gives MLflow's client its address without the password, so that no message, log or link contains it."""

import os
from urllib.parse import unquote, urlsplit, urlunsplit

USER, PASSWORD = "MLFLOW_TRACKING_USERNAME", "MLFLOW_TRACKING_PASSWORD"


def address_of(tracking_uri: str) -> str:
    """The tracking URI without its password, which goes to MLflow's client by environment variables.

    The credentials of an HTTP address are given to the client by the environment, as MLflow's documentation
    recommends: it prints the address with each run, and repeats it in errors.
    """
    parts = urlsplit(tracking_uri)
    if parts.scheme not in {"http", "https"} or parts.username is None:
        return tracking_uri
    os.environ[USER], os.environ[PASSWORD] = unquote(parts.username), unquote(parts.password or "")
    return urlunsplit(parts._replace(netloc=parts.netloc.rpartition("@")[2]))

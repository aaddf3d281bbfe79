"""Sends one request to the app. The caller interprets the answer."""

from collections.abc import Mapping
from urllib.parse import urlsplit

import requests

_THIS_MACHINE = frozenset({"127.0.0.1", "::1", "localhost"})


def ask_app(
    app_url: str, method: str, path: str, body: object, *, headers: Mapping[str, str], timeout_seconds: float
) -> requests.Response:
    """The app's answer, whatever its status; a redirect is not followed, since the headers would be sent along.

    Args:
        headers: the key (`Settings.api_key_header`).

    Raises:
        requests.RequestException: it did not answer.
    """
    with requests.Session() as session:
        # A proxy of the environment is not for this machine's own servers: it would read the key.
        session.trust_env = urlsplit(app_url).hostname not in _THIS_MACHINE
        return session.request(
            method,
            f"{app_url}{path}",
            json=body,
            headers=headers,
            timeout=timeout_seconds,
            allow_redirects=False,
        )


def problem_of(response: requests.Response) -> str:
    """What an answer that is none says."""
    if response.is_redirect:
        return f"the app answered {response.status_code} and names another address; set FORECASTING_APP_URL to it"
    try:
        return str(response.json()["detail"])
    except (ValueError, KeyError):
        return f"the app answered {response.status_code}"

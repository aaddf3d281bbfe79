"""Removes secrets from addresses before they are shown in an answer, an error, a log or a terminal."""

import re
from urllib.parse import urlsplit, urlunsplit

_CREDENTIALS = re.compile(r"(?<=://)[^\s/?#@]+@")


def shown(url: str) -> str:
    """The URL without what may be secret: user, password, query and fragment.

    >>> shown("https://user:secret@example.org:8443/feed?key=secret")
    'https://example.org:8443/feed'
    """
    parts = urlsplit(url)
    return urlunsplit((parts.scheme, parts.netloc.rpartition("@")[2], parts.path, "", ""))


def without_credentials(text: str) -> str:
    """The text, user and password taken out of each URL in it.

    For what others wrote, such as a client library's message; a URL that we write ourselves is `shown`.

    >>> without_credentials("no answer from http://user:secret@example.org/api, asked by me@example.org")
    'no answer from http://example.org/api, asked by me@example.org'
    """
    return _CREDENTIALS.sub("", text) if "@" in text else text

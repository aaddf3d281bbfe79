"""Decides which requests of a browser are answered: those of our own pages, and of a person who typed the address.

A page of any other site that is open in an operator's browser can send requests to servers that only this browser
reaches. Two headers reveal it, and both are checked for every request, reads included:

- **Host.** A page may let its own name lead to 127.0.0.1 (DNS rebinding), but the browser goes on sending that name.
- **Sec-Fetch-Site and Origin**, which a browser adds and no page can change.

A client that is no browser sends neither of the latter, and needs only a known Host.

This module knows no framework: a WSGI or ASGI application asks `SiteGuard.refusal` and answers 403 with its text. Who
may ask at all (keys, logins) does not belong here. Browsers send Sec-Fetch-Site only over HTTPS or to this machine, so
a server that is reached otherwise must change nothing on GET.
"""

import ipaddress
import re

from forecasting_platform.errors import ConfigurationError

SETTING = "FORECASTING_ALLOWED_HOSTS"
THIS_MACHINE = frozenset({"localhost", "127.0.0.1", "[::1]"})
EVERY_INTERFACE = frozenset({"0.0.0.0", "[::]"})  # noqa: S104 - compared with, not listened on
OWN_PAGES = frozenset({None, "same-origin", "none"})
"""Values of Sec-Fetch-Site that are answered; `none` is an address typed by a person."""
DEFAULT_PORTS = {"http": ":80", "https": ":443"}
MAX_SHOWN_CHARACTERS = 100
_HOST = re.compile(r"(\[[0-9a-f:.]+\]|[a-z0-9_.-]+)(:[0-9]{1,5})?")


class SiteGuard:
    """Refuses requests for a foreign Host, and those that another site sent.

    Known hosts are this machine's names, with any port; the interface listened on, where it is a concrete one; and
    the names of the setting, with the port that they name, or any.

    Args:
        names: the setting `FORECASTING_ALLOWED_HOSTS`: host names and addresses separated by commas, each with a
            port or without.
        interface: listened on; an address that stands for every interface adds none.

    Raises:
        ConfigurationError: a name is no host.
    """

    def __init__(self, names: str | None = None, interface: str = "127.0.0.1") -> None:
        configured = {_host(name.strip()) for name in (names or "").split(",") if name.strip()}
        self._hosts = THIS_MACHINE | configured | ({_bracketed(interface)} - EVERY_INTERFACE)

    def refusal(
        self, host: str | None, origin: str | None, fetch_site: str | None, *, any_address: bool = False
    ) -> str | None:
        """Why a request is refused, and what to do; None where it is answered.

        Args:
            host, origin, fetch_site: its headers Host, Origin and Sec-Fetch-Site; None where it has none. One that
                is sent more than once is given joined by commas.
            any_address: whether the Host may be any IP address, or missing, as in the health checks of a load
                balancer. No page can take an address as its name, so DNS rebinding does not lead here.

        >>> guard = SiteGuard("app.example.org")
        >>> guard.refusal("app.example.org", "https://app.example.org", "same-origin")
        >>> guard.refusal("rebound.example.com", None, None)
        "the Host 'rebound.example.com' is not known here; a name of this server belongs in FORECASTING_ALLOWED_HOSTS"
        """
        if not self._knows(host) and not (any_address and _is_address(host)):
            return f"the Host {_shown(host)} is not known here; a name of this server belongs in {SETTING}"
        if fetch_site not in OWN_PAGES:
            return f"the request comes from another site ({_shown(fetch_site)}); type the address into the browser"
        if origin is not None and not _is_of(origin, host, fetch_site):
            return f"the request comes from a page of {_shown(origin)}, and only our own pages are answered"
        return None

    def _knows(self, host: str | None) -> bool:
        return host is not None and (host.lower() in self._hosts or _name(host.lower()) in self._hosts)


def _is_of(origin: str, host: str | None, fetch_site: str | None) -> bool:
    """Whether a page of this origin is one of `host`; behind a proxy the schemes differ, so they are not compared."""
    if origin == "null":
        # Our pages have the referrer policy no-referrer, which makes some browsers hide their origin from us too.
        return fetch_site == "same-origin"
    scheme, _, authority = origin.lower().partition("://")
    port = DEFAULT_PORTS.get(scheme)
    return port is not None and authority.removesuffix(port) == (host or "").lower().removesuffix(port)


def _is_address(host: str | None) -> bool:
    """Whether a Host is an address, or none: every browser sends one."""
    if host is None:
        return True
    try:
        ipaddress.ip_address(_name(host).strip("[]"))
    except ValueError:
        return False
    return True


def _name(host: str) -> str:
    """A host without its port.

    >>> _name("[::1]:3000"), _name("[::1]"), _name("localhost")
    ('[::1]', '[::1]', 'localhost')
    """
    name, _, port = host.rpartition(":")
    return name if port.isdecimal() and name else host


def _host(configured: str) -> str:
    host = _bracketed(configured)
    if not _HOST.fullmatch(host):
        raise ConfigurationError(SETTING, f"holds {configured!r}, which is no host; write it as app.example.org")
    return host


def _bracketed(interface: str) -> str:
    return f"[{interface.lower()}]" if interface.count(":") > 1 and "[" not in interface else interface.lower()


def _shown(header: str | None) -> str:
    return "(none)" if header is None else repr(header[:MAX_SHOWN_CHARACTERS])

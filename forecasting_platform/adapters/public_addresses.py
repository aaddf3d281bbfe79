"""Connections that reach public addresses only, for URLs that somebody else than the operator chose.

A name is judged by the address it was connected to, and not looked up a second time: a name server may
answer differently each time (DNS rebinding). What is sent over a connection does not belong here.
"""

import ipaddress
from typing import Any

from requests.adapters import HTTPAdapter
from urllib3 import HTTPConnectionPool, HTTPSConnectionPool
from urllib3.connection import HTTPConnection, HTTPSConnection

from forecasting_platform.errors import ForecastingPlatformError

_NAT64 = ipaddress.IPv6Network("64:ff9b::/96")


class PrivateAddressError(ForecastingPlatformError):
    """A connection to an address that is not public; nothing was sent over it."""

    def __init__(self, host: str) -> None:
        self.host = host
        super().__init__(f"{host} is no public address")


def refuse_private_literal(host: str) -> None:
    """Refuse a host that is written as an address and is not public, before anything connects to it.

    Raises:
        PrivateAddressError: it is one; a name is left to `PublicAddressAdapter`.
    """
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return
    if not is_public(address):
        raise PrivateAddressError(host)


def is_public(address: ipaddress.IPv4Address | ipaddress.IPv6Address) -> bool:
    """Whether anybody on the internet could reach it; an IPv4 address inside an IPv6 one counts as itself.

    >>> [is_public(ipaddress.ip_address(text)) for text in ("8.8.8.8", "10.0.0.1", "224.0.0.1", "64:ff9b::7f00:1")]
    [True, False, False, False]
    """
    if isinstance(address, ipaddress.IPv6Address):
        in_nat64 = ipaddress.IPv4Address(address.packed[-4:]) if address in _NAT64 else None
        embedded = address.ipv4_mapped or address.sixtofour or in_nat64
        if embedded is not None:
            return is_public(embedded)
    return address.is_global and not address.is_multicast


class PublicAddressAdapter(HTTPAdapter):
    """Raises `PrivateAddressError` before a request is sent to an address that is not public.

    A proxy of the environment is connected to as ever: what it may reach is its owner's to say.
    """

    def init_poolmanager(self, *args: Any, **kwargs: Any) -> None:
        """Make the pools of connections, which are checked ones."""
        super().init_poolmanager(*args, **kwargs)
        self.poolmanager.pool_classes_by_scheme = {"http": _HttpPool, "https": _HttpsPool}


class _CheckedHttp(HTTPConnection):
    def connect(self) -> None:
        super().connect()
        _refuse_private_peer(self)


class _CheckedHttps(HTTPSConnection):
    def connect(self) -> None:
        super().connect()
        _refuse_private_peer(self)


class _HttpPool(HTTPConnectionPool):
    ConnectionCls = _CheckedHttp


class _HttpsPool(HTTPSConnectionPool):
    ConnectionCls = _CheckedHttps


def _refuse_private_peer(connection: HTTPConnection) -> None:
    peer = str(connection.sock.getpeername()[0]).partition("%")[0]
    if not is_public(ipaddress.ip_address(peer)):
        connection.close()
        raise PrivateAddressError(connection.host)

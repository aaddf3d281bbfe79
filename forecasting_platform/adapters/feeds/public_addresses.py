"""Connections that reach public addresses only, for URLs that somebody else than the operator chose.

A name is judged by the address it was connected to, and not looked up a second time: a name server may
answer differently each time (DNS rebinding). What is sent over a connection does not belong here.
"""

import ipaddress
import socket
from typing import Any

from requests.adapters import HTTPAdapter
from urllib3 import HTTPConnectionPool, HTTPSConnectionPool
from urllib3.connection import HTTPConnection, HTTPSConnection

from forecasting_platform.errors import ForecastingPlatformError

# What Python's `is_global` says differs between its versions, so the registries of IANA are written out here:
# https://www.iana.org/assignments/iana-ipv4-special-registry and …/iana-ipv6-special-registry. What stands in them for
# a purpose of its own, such as an anycast relay, is no place for a document and counts as not public, too.
_V4_NOT_PUBLIC = tuple(
    map(
        ipaddress.IPv4Network,
        (
            "0.0.0.0/8",
            "10.0.0.0/8",
            "100.64.0.0/10",
            "127.0.0.0/8",
            "169.254.0.0/16",
            "172.16.0.0/12",
            "192.0.0.0/24",
            "192.0.2.0/24",
            "192.88.99.0/24",
            "192.168.0.0/16",
            "198.18.0.0/15",
            "198.51.100.0/24",
            "203.0.113.0/24",
            "224.0.0.0/4",
            "240.0.0.0/4",
        ),
    )
)
# All that is assigned for anybody to reach lies in here; the rest of IPv6 is local, reserved, or embeds IPv4.
_V6_UNICAST = ipaddress.IPv6Network("2000::/3")
_V6_NOT_PUBLIC = tuple(map(ipaddress.IPv6Network, ("2001::/23", "2001:db8::/32", "2002::/16", "3fff::/20")))
_V6_JUDGED_AS_V4 = tuple(map(ipaddress.IPv6Network, ("::ffff:0:0/96", "64:ff9b::/96")))


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
    address = _written_address(host)
    if address is not None and not is_public(address):
        raise PrivateAddressError(host)


def _written_address(host: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    """The address that a host is written as, None for a name."""
    try:
        return ipaddress.ip_address(host)
    except ValueError:
        pass
    try:
        # As name look-ups read it: 2130706433 and 0x7f.1 are 127.0.0.1.
        return ipaddress.IPv4Address(socket.inet_aton(host))
    except (OSError, ValueError):
        return None


def is_public(address: ipaddress.IPv4Address | ipaddress.IPv6Address) -> bool:
    """Whether anybody on the internet could reach it; an IPv4 address inside an IPv6 one counts as itself.

    Only where the network carries it to that IPv4 address (IPv4-mapped, the well-known NAT64): the other forms that
    embed one (6to4, Teredo, IPv4-compatible, IPv4-translated, local NAT64) are not public.

    >>> [is_public(ipaddress.ip_address(text)) for text in ("8.8.8.8", "10.0.0.1", "224.0.0.1", "64:ff9b::7f00:1")]
    [True, False, False, False]
    """
    if isinstance(address, ipaddress.IPv4Address):
        return not any(address in network for network in _V4_NOT_PUBLIC)
    if any(address in network for network in _V6_JUDGED_AS_V4):
        return is_public(ipaddress.IPv4Address(address.packed[-4:]))
    return address in _V6_UNICAST and not any(address in network for network in _V6_NOT_PUBLIC)


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

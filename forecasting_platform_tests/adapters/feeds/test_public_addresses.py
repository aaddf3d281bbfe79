"""Which addresses are public: held against the special-purpose registries of IANA, whatever Python's version says."""

import ipaddress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from forecasting_platform.adapters.feeds.public_addresses import PrivateAddressError, is_public, refuse_private_literal

# The registries' rows whose "Globally Reachable" is not True, November 2026, and multicast beside them.
NOT_REACHABLE = """
0.0.0.0/8 0.0.0.0/32 10.0.0.0/8 100.64.0.0/10 127.0.0.0/8 169.254.0.0/16 172.16.0.0/12 192.0.0.0/24
192.0.0.0/29 192.0.0.8/32 192.0.0.170/32 192.0.0.171/32 192.0.2.0/24 192.88.99.0/24 192.88.99.2/32
192.168.0.0/16 198.18.0.0/15 198.51.100.0/24 203.0.113.0/24 240.0.0.0/4 255.255.255.255/32 224.0.0.0/4 ::1/128
::/128 64:ff9b:1::/48 100::/64 100:0:0:1::/64 2001::/32 2001:2::/48 2001:10::/28 2001:db8::/32 2002::/16
3fff::/20 5f00::/16 fc00::/7 fe80::/10 fec0::/10 ff00::/8
"""
# No row of a registry: IPv4-compatible and IPv4-translated addresses, which systems may carry to the IPv4 host.
EMBEDDED = "::/96 ::ffff:0:0:0/96"
networks = [ipaddress.ip_network(written) for written in f"{NOT_REACHABLE}{EMBEDDED}".split()]
addresses = st.ip_addresses(v=4) | st.ip_addresses(v=6)


@pytest.mark.parametrize("network", networks, ids=str)
@given(data=st.data())
def test_what_the_registries_say_nobody_can_reach_is_not_public(
    network: ipaddress.IPv4Network | ipaddress.IPv6Network, data: st.DataObject
) -> None:
    address = data.draw(st.ip_addresses(network=network))
    assert not is_public(address)
    assert not is_public(network[0])
    assert not is_public(network[-1])


@given(st.ip_addresses(v=4))
def test_an_address_inside_another_is_judged_as_itself_or_not_public(address: ipaddress.IPv4Address) -> None:
    inside = int(address)
    for carried in ("::ffff:0:0", "64:ff9b::"):
        assert is_public(ipaddress.IPv6Address(int(ipaddress.IPv6Address(carried)) | inside)) == is_public(address)
    for form in ("::", "::ffff:0:0:0", "64:ff9b:1::", "fec0::", "2001::", "2001:0:1:2::"):
        assert not is_public(ipaddress.IPv6Address(int(ipaddress.IPv6Address(form)) | inside))
    assert not is_public(ipaddress.IPv6Address((0x2002 << 112) | (inside << 80)))


@given(addresses)
def test_what_is_public_is_public_for_every_python_too(
    address: ipaddress.IPv4Address | ipaddress.IPv6Address,
) -> None:
    """Ours is never the laxer one; `is_global` of any version refuses some of these."""
    if is_public(address) and getattr(address, "ipv4_mapped", None) is None:
        assert address.is_global


@pytest.mark.parametrize("written", ["8.8.8.8", "1.1.1.1", "192.175.48.1", "2606:4700::1111", "2a00:1450:4001::200e"])
def test_what_anybody_can_reach_is_public(written: str) -> None:
    assert is_public(ipaddress.ip_address(written))


@pytest.mark.parametrize(
    "host", ["192.0.0.8", "::7f00:1", "::ffff:0:127.0.0.1", "fec0::1", "64:ff9b:1::1", "2130706433", "0x7f.1", "127.1"]
)
def test_a_private_host_is_refused_however_it_is_written(host: str) -> None:
    with pytest.raises(PrivateAddressError):
        refuse_private_literal(host)


@pytest.mark.parametrize("host", ["feed.example", "127.0.0.1.example", "134744072", "8.8.8.8", ""])
def test_a_name_or_a_public_address_is_let_through(host: str) -> None:
    refuse_private_literal(host)

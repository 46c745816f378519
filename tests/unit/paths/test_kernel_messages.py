"""What rtnetlink says, octet by octet."""

import socket
import struct
import sys
from ipaddress import IPv4Address, ip_address, ip_interface

import pytest
from hypothesis import given
from hypothesis import strategies as st

from custom_components.hikari_denwa.telephony.path_finder import (
    Link,
    LocalAddress,
    Way,
    read_address,
    read_link,
    read_messages,
    read_way,
)

GATEWAY = IPv4Address("192.168.1.1")
DEPRECATED, TENTATIVE, DAD_FAILED, TEMPORARY = 0x20, 0x40, 0x08, 0x01
UNREACHABLE, LOCAL, UNICAST = 7, 2, 1


def attribute(kind: int, value: bytes) -> bytes:
    """Frame an attribute."""
    length = 4 + len(value)
    return struct.pack("=HH", length, kind) + value + b"\0" * (-length % 4)


def number(value: int) -> bytes:
    """Write a number as the kernel does."""
    return value.to_bytes(4, sys.byteorder)


def address(text: str, *, flags: int = 0, peer: str = "") -> bytes:
    """Tell of an address on the second interface."""
    interface = ip_interface(text)
    family = socket.AF_INET if interface.version == 4 else socket.AF_INET6
    head = struct.pack("=BBBBI", family, interface.network.prefixlen, flags & 0xFF, 0, 2)
    far = ip_address(peer) if peer else interface.ip
    return (
        head
        + attribute(1, far.packed)
        + (attribute(2, interface.ip.packed) if peer else b"")
        + attribute(8, number(flags))
    )


def route(*attributes: bytes, kind: int = UNICAST, flags: int = 0) -> bytes:
    """Tell of a route."""
    head = struct.pack("=BBBBBBBBI", socket.AF_INET, 32, 0, 0, 254, 3, 0, kind, flags)
    return head + b"".join(attributes)


OUT, SOURCE = attribute(4, number(2)), attribute(7, ip_address("192.168.1.20").packed)
NOWHERE = Way(destination=GATEWAY)


def test_link() -> None:
    """Name, kind and flags."""
    info = attribute(18 | 0x8000, attribute(1, b"wireguard\0"))
    payload = struct.pack("=BxHiII", 0, 65534, 4, 0x10010, 0) + attribute(3, b"wg0\0") + info
    assert read_link(payload) == Link(index=4, name="wg0", kind="wireguard", point_to_point=True)


def test_physical_link_has_no_kind() -> None:
    """An Ethernet card has no word for itself."""
    payload = struct.pack("=BxHiII", 0, 1, 2, 0x10001, 0) + attribute(3, b"eth0\0")
    assert read_link(payload) == Link(index=2, name="eth0")


def test_unplugged_link() -> None:
    """Up, and without a carrier."""
    payload = struct.pack("=BxHiII", 0, 1, 2, 0x1, 0) + attribute(3, b"eth0\0")
    assert read_link(payload) == Link(index=2, name="eth0", carrier=False)


@pytest.mark.parametrize(
    ("payload", "expected"),
    [
        (
            address("2001:db8::20/64", flags=DEPRECATED | TEMPORARY),
            LocalAddress(
                link=2,
                interface=ip_interface("2001:db8::20/64"),
                deprecated=True,
                temporary=True,
            ),
        ),
        (
            address("192.0.2.2/24", flags=TEMPORARY),
            LocalAddress(link=2, interface=ip_interface("192.0.2.2/24")),
        ),
        (
            address("192.0.2.2/32", peer="192.0.2.1"),
            LocalAddress(
                link=2, interface=ip_interface("192.0.2.2/32"), peer=ip_address("192.0.2.1")
            ),
        ),
        (address("2001:db8::20/64", flags=TENTATIVE), None),
        (address("2001:db8::20/64", flags=DAD_FAILED), None),
        (b"", None),
        (struct.pack("=BBBBI", socket.AF_INET, 99, 0, 0, 2) + attribute(1, b"\x0a\0\0\1"), None),
        (struct.pack("=BBBBI", 7, 24, 0, 0, 2) + attribute(1, b"\x0a\0\0\1"), None),
    ],
)
def test_address(payload: bytes, expected: LocalAddress | None) -> None:
    """Flags count as their family means them; what is not proven unique is left out."""
    assert read_address(payload) == expected


@pytest.mark.parametrize(
    ("payload", "expected"),
    [
        (
            route(OUT, SOURCE),
            Way(destination=GATEWAY, source=ip_address("192.168.1.20"), link=2),
        ),
        (
            route(OUT, SOURCE, attribute(5, ip_address("192.168.1.9").packed)),
            Way(
                destination=GATEWAY,
                source=ip_address("192.168.1.20"),
                link=2,
                next_hop=ip_address("192.168.1.9"),
            ),
        ),
        (
            route(
                OUT,
                SOURCE,
                attribute(
                    18,
                    struct.pack("=H", socket.AF_INET6) + ip_address("fe80::1").packed,
                ),
            ),
            Way(
                destination=GATEWAY,
                source=ip_address("192.168.1.20"),
                link=2,
                next_hop=ip_address("fe80::1"),
            ),
        ),
        (
            route(OUT, SOURCE, kind=LOCAL),
            Way(destination=GATEWAY, source=ip_address("192.168.1.20"), link=2, local=True),
        ),
        (route(OUT, SOURCE, kind=UNREACHABLE), NOWHERE),
        (route(OUT, SOURCE, flags=0x01), NOWHERE),
        (route(OUT, SOURCE, flags=0x10), NOWHERE),
        (route(SOURCE), NOWHERE),
        (b"\0", NOWHERE),
    ],
)
def test_way(payload: bytes, expected: Way) -> None:
    """A route that leads nowhere, or over a wire that is unplugged, is none."""
    assert read_way(payload, GATEWAY) == expected


def test_messages_are_told_apart() -> None:
    """Several come in one datagram, each padded."""
    datagram = (
        struct.pack("=IHHII", 18, 24, 2, 5, 0) + b"ab\0\0" + struct.pack("=IHHII", 16, 3, 0, 5, 0)
    )
    assert list(read_messages(datagram)) == [(24, 2, 5, b"ab"), (3, 0, 5, b"")]


@pytest.mark.parametrize("length", [0, 15, 17])
def test_nonsense_ends_the_reading(length: int) -> None:
    """A length that cannot be does not turn in a circle."""
    assert not list(read_messages(struct.pack("=IHHII", length, 24, 0, 0, 0)))


@given(st.binary(max_size=200))
def test_no_octets_break_the_reader(data: bytes) -> None:
    """Whatever comes is read or left."""
    list(read_messages(data))
    read_link(data)
    read_address(data)
    read_way(data, GATEWAY)

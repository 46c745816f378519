"""What the kernel tells of addresses, and hours that no timer counted."""

import asyncio
import ipaddress
import socket
import struct
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from custom_components.hikari_denwa.telephony.engine import network
from custom_components.hikari_denwa.telephony.engine.network import (
    AddressTable,
    NetworkWatch,
    OwnAddress,
    SleepWatch,
    foreign_prefix,
)

NEW, LOST, ROUTE, LOST_ROUTE, DONE = 20, 21, 24, 25, 3
TENTATIVE, DEPRECATED = 0x40, 0x20
MULTICAST, UNREACHABLE = 5, 7
OURS = "2001:db8:0:100::20/64"


def message(kind: int, payload: bytes) -> bytes:
    """Frame a netlink message."""
    length = 16 + len(payload)
    return struct.pack("=IHHII", length, kind, 0, 0, 0) + payload + b"\0" * (-length % 4)


def attribute(kind: int, value: bytes) -> bytes:
    """Frame an attribute."""
    length = 4 + len(value)
    return struct.pack("=HH", length, kind) + value + b"\0" * (-length % 4)


def address(kind: int, text: str = OURS, *, flags: int = 0, index: int = 2) -> bytes:
    """Tell of an address."""
    interface = ipaddress.ip_interface(text)
    family = socket.AF_INET if interface.version == 4 else socket.AF_INET6
    head = struct.pack("=BBBBI", family, interface.network.prefixlen, flags & 0xFF, 0, index)
    parts = attribute(1, interface.ip.packed) + attribute(8, struct.pack("=I", flags))
    return message(kind, head + parts)


def route(kind: int, *, table: int = 254, way: int = 1, flags: int = 0) -> bytes:
    """Tell of a default route."""
    head = struct.pack("=BBBBBBBBI", socket.AF_INET6, 0, 0, 0, table, 9, 0, way, flags)
    return message(kind, head)


def complete(*told: bytes) -> AddressTable:
    """Give a table that knows all."""
    table = AddressTable()
    assert not table.take(b"".join(told) + message(DONE, b"\0" * 4))
    assert table.complete
    return table


def test_first_listing_is_no_change() -> None:
    """What is there at the start did not move."""
    table = complete(address(NEW), address(NEW, "192.0.2.20/24"))
    assert {str(each.interface) for each in table.addresses} == {OURS, "192.0.2.20/24"}


def test_lifetimes_renewed_are_no_change() -> None:
    """A router advertises every few minutes; the same again is nothing new."""
    table = complete(address(NEW))
    assert not table.take(address(NEW))


@pytest.mark.parametrize(
    ("told", "moved"),
    [
        (address(NEW, "2001:db8:0:900::20/64"), True),
        (address(NEW, "2001:db8:0:900::20/64", flags=TENTATIVE), False),
        (address(NEW, flags=DEPRECATED), True),
        (address(NEW, flags=TENTATIVE), True),
        (address(LOST), True),
        (address(LOST, "2001:db8::9/64"), False),
        (address(NEW, index=3), True),
        (route(ROUTE), True),
        (route(LOST_ROUTE), True),
        (route(ROUTE, way=UNREACHABLE), True),
        (route(LOST_ROUTE, way=UNREACHABLE), True),
        (route(ROUTE, way=MULTICAST), False),
        (route(ROUTE, table=255), False),
        (route(ROUTE, flags=0x200), False),
    ],
)
def test_what_moves(told: bytes, moved: bool) -> None:
    """New and lost addresses and routes do, an address that is not yet found unique does not."""
    assert complete(address(NEW)).take(told) is moved


def test_deprecated_address_is_not_preferred() -> None:
    """It is still ours."""
    table = complete(address(NEW, flags=DEPRECATED))
    assert table.addresses == (OwnAddress(ipaddress.ip_interface(OURS), preferred=False),)


@given(st.binary(max_size=200))
def test_nonsense_is_passed_over(data: bytes) -> None:
    """Nothing that comes ends the watch."""
    table = complete(address(NEW))
    table.take(data)
    for kind in (NEW, LOST, ROUTE):
        table.take(message(kind, data))


@pytest.mark.parametrize(
    ("literal", "own", "prefix"),
    [
        ("2001:db8:0:100::1", [OURS], None),
        ("2001:db8:0:1ff::1", [OURS], None),
        ("2001:db8:0:200::1", [OURS], "2001:db8:0:100::/64"),
        ("2001:db8:0:200::1", [], None),
        ("2001:db8:0:200::1", ["fd00::1/64", "192.0.2.1/24"], None),
        ("2001:db8:0:200::1", ["2001:db8:0:100::20/128"], None),
        ("2001:db8:0:200::1", ["2001:db8::20/48"], None),
        ("192.0.2.1", [OURS], None),
        ("fd00::1", [OURS], None),
    ],
)
def test_foreign_prefix(literal: str, own: list[str], prefix: str | None) -> None:
    """A literal is outside only if it shares no delegated prefix with a global address of ours."""
    addresses = [OwnAddress(ipaddress.ip_interface(each), preferred=True) for each in own]
    assert foreign_prefix(literal, addresses) == prefix


def test_deprecated_prefix_does_not_count() -> None:
    """The old prefix lives on for hours beside the new one."""
    old = OwnAddress(ipaddress.ip_interface(OURS), preferred=False)
    new = OwnAddress(ipaddress.ip_interface("2001:db8:0:900::20/64"), preferred=True)
    assert foreign_prefix("2001:db8:0:100::1", [old, new]) == "2001:db8:0:900::/64"


async def test_burst_is_told_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Many changes at once make one word, and the next comes only after a while."""
    monkeypatch.setattr(network, "_SETTLE", 0.02)
    monkeypatch.setattr(network, "_LEAST_BETWEEN", 0.2)
    loop = asyncio.get_running_loop()
    told: list[float] = []
    watch = NetworkWatch()
    watch._on_change = lambda: told.append(loop.time())
    for _ in range(5):
        watch._note()
    await asyncio.sleep(0.06)
    assert len(told) == 1
    watch._note()
    await asyncio.sleep(0.3)
    one, two = told
    assert two - one >= 0.2
    watch._note()
    watch.stop()
    await asyncio.sleep(0.3)
    assert len(told) == 2


async def test_no_netlink(monkeypatch: pytest.MonkeyPatch) -> None:
    """A sandbox without netlink is no failure."""

    def forbidden() -> socket.socket:
        raise PermissionError

    monkeypatch.setattr(network, "_netlink", forbidden)
    watch = NetworkWatch()
    watch.start(lambda: None)
    assert not watch.watching
    assert watch.foreign_prefix("2001:db8::1") is None
    watch.stop()


@pytest.mark.usefixtures("loopback")
async def test_netlink_lists_our_addresses() -> None:
    """The kernel answers; a watch that has ended leaves no socket."""
    watch = NetworkWatch()
    watch.start(lambda: None)
    if not watch.watching:
        pytest.skip("this system tells nothing of its addresses")
    async with asyncio.timeout(5):
        while not watch.table.complete:  # noqa: ASYNC110 - nobody tells that the list is complete
            await asyncio.sleep(0.01)
    assert any(each.interface.ip.is_loopback for each in watch.table.addresses)
    watch.stop()
    assert not watch.watching


class Clocks:
    """Three clocks that a test moves."""

    def __init__(self) -> None:
        """Begin at zero."""
        self.awake = self.passed = self.wall = 0.0

    def watch(self, on_wake: Callable[[float], None]) -> SleepWatch:
        """Give a watch over these clocks."""
        return SleepWatch(
            on_wake,
            awake=lambda: self.awake,
            passed=lambda: self.passed,
            wall=lambda: self.wall,
        )


@pytest.mark.parametrize(
    ("awake", "passed", "wall", "lost"),
    [
        (5, 5, 5, None),
        (5, 6, 6, None),
        (5, 28805, 28805, 28800),
        (5, 5, 3605, 3600),
        (5, 5, 15, None),
        (5, 5, -3600, None),
        (500, 500, 500, None),
    ],
)
async def test_sleep(
    monkeypatch: pytest.MonkeyPatch, awake: float, passed: float, wall: float, lost: float | None
) -> None:
    """Time that passed and was not counted is sleep; a clock that is set a little is not."""
    monkeypatch.setattr(network, "_LOOK_SECONDS", 0.01)
    clocks, told = Clocks(), list[float]()
    watch = clocks.watch(told.append)
    watch.start()
    clocks.awake, clocks.passed, clocks.wall = awake, passed, wall
    await asyncio.sleep(0.1)
    watch.stop()
    assert told == ([lost] if lost else [])

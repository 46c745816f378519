"""The socket hears its gateway alone, and hears of ICMP errors."""

import asyncio
import socket
from collections.abc import AsyncIterator, Callable, Iterator
from typing import cast

import pytest

from custom_components.hikari_denwa.telephony.calls import Family
from custom_components.hikari_denwa.telephony.engine.sip.transport import (
    Address,
    UdpTransport,
    local_address_towards,
)
from custom_components.hikari_denwa.telephony.errors import GatewayUnreachableError

LOOPBACK = {Family.IPV6: "::1", Family.IPV4: "127.0.0.1"}


@pytest.fixture(params=Family, ids=str)
def family(request: pytest.FixtureRequest, loopback: None) -> Family:
    """Give each family in turn."""
    del loopback
    return Family(request.param)


def plain_socket(host: str) -> socket.socket:
    """Bind a socket of a peer."""
    kind = socket.AF_INET6 if ":" in host else socket.AF_INET
    sock = socket.socket(kind, socket.SOCK_DGRAM)
    sock.bind((host, 0))
    sock.settimeout(2)
    return sock


@pytest.fixture
def peer(family: Family) -> Iterator[socket.socket]:
    """Give the gateway's socket."""
    with plain_socket(LOOPBACK[family]) as sock:
        yield sock


@pytest.fixture
async def transport(family: Family) -> AsyncIterator[UdpTransport]:
    """Give our socket."""
    transport = UdpTransport.open(LOOPBACK[family], LOOPBACK[family], family)
    yield transport
    transport.close()


async def until(fact: Callable[[], object]) -> None:
    """Wait until something is so."""
    for _ in range(500):
        if fact():
            return
        await asyncio.sleep(0.01)
    pytest.fail("it never was so")


async def test_both_ways(transport: UdpTransport, peer: socket.socket, family: Family) -> None:
    """Bytes go and come, with the source and the time."""
    heard: list[tuple[bytes, Address, float]] = []
    transport.on_datagram = lambda data, source, at: heard.append((data, source, at))
    host, port = transport.local
    assert host == LOOPBACK[family]
    transport.send(b"hello", (host, peer.getsockname()[1]))
    data, source = await asyncio.to_thread(peer.recvfrom, 100)
    assert (data, source[:2]) == (b"hello", (host, port))
    for number in range(100):
        peer.sendto(b"%d" % number, (host, port))
    await until(lambda: len(heard) == 100)
    assert [each[0] for each in heard] == [b"%d" % number for number in range(100)]
    assert heard[0][1] == (host, peer.getsockname()[1])
    assert heard[0][2] > 1_700_000_000


async def test_strangers_are_not_heard(loopback: None) -> None:
    """A datagram from another address is dropped, whatever it is."""
    del loopback
    transport = UdpTransport.open("127.0.0.1", "127.0.0.2", Family.IPV4)
    heard: list[bytes] = []
    transport.on_datagram = lambda data, *_: heard.append(data)
    try:
        with plain_socket("127.0.0.1") as stranger, plain_socket("127.0.0.2") as gateway:
            stranger.sendto(b"stranger", transport.local)
            gateway.sendto(b"gateway", transport.local)
            await until(lambda: heard)
    finally:
        transport.close()
    assert heard == [b"gateway"]


async def test_closed_port(transport: UdpTransport, family: Family) -> None:
    """The host's ICMP error is told, once for each, and does not keep the loop busy."""
    told: list[bool] = []
    transport.on_unreachable = lambda: told.append(True)
    with plain_socket(LOOPBACK[family]) as sock:
        closed = sock.getsockname()[1]
    transport.send(b"hello", (LOOPBACK[family], closed))
    await until(lambda: told)
    await asyncio.sleep(0.05)
    assert len(told) == 1
    turns: list[int] = []

    def read() -> None:
        turns.append(1)
        transport._readable()

    transport._loop.add_reader(transport._socket, read)
    await asyncio.sleep(0.1)
    assert turns == []


async def test_close(family: Family) -> None:
    """Afterwards nothing is called back and nothing is sent; twice is once."""
    transport = UdpTransport.open(LOOPBACK[family], LOOPBACK[family], family)
    transport.close()
    transport.close()
    transport.send(b"hello", transport.local)


async def test_address_that_is_not_ours(loopback: None) -> None:
    """It cannot be bound."""
    del loopback
    with pytest.raises(GatewayUnreachableError):
        UdpTransport.open("2001:db8::20", "2001:db8::1", Family.IPV6)


async def test_source_address(family: Family) -> None:
    """The one that routes to the gateway; another family cannot."""
    assert local_address_towards(LOOPBACK[family], 5060, family) == LOOPBACK[family]
    other = Family.IPV4 if family is Family.IPV6 else Family.IPV6
    with pytest.raises(GatewayUnreachableError):
        local_address_towards(LOOPBACK[family], 5060, other)


class Unruly:
    """A socket that does what a test wants of it."""

    family = socket.AF_INET

    def __init__(self) -> None:
        """Take a real descriptor, for the event loop's sake."""
        self._real, self._other = socket.socketpair()
        self.arrives: list[tuple[bytes, Address] | OSError] = []
        self.errors: list[Address | None] = []
        self.send_error: OSError | None = None
        self.sent = 0

    def fileno(self) -> int:
        """Return the descriptor."""
        return self._real.fileno()

    def getsockname(self) -> Address:
        """Return where it is bound."""
        return "127.0.0.1", 5060

    def recvfrom_into(self, buffer: memoryview) -> tuple[int, Address]:
        """Give what arrives, then nothing."""
        if not self.arrives:
            raise BlockingIOError
        found = self.arrives.pop(0)
        if isinstance(found, OSError):
            raise found
        data, source = found
        buffer[: len(data)] = data
        return len(data), source

    def recvmsg(self, *_: int) -> tuple[bytes, list[object], int, Address | None]:
        """Give whom an ICMP error is of, then nothing."""
        if not self.errors:
            raise BlockingIOError
        return b"", [], 0, self.errors.pop(0)

    def sendto(self, _data: bytes, _destination: Address) -> None:
        """Send, or not."""
        if self.send_error:
            raise self.send_error
        self.sent += 1

    def close(self) -> None:
        """Close."""
        self._real.close()
        self._other.close()


@pytest.mark.usefixtures("loopback")
async def test_unruly_socket() -> None:
    """Errors between datagrams lose none; errors of strangers are nobody's."""
    sock = Unruly()
    transport = UdpTransport(cast(socket.socket, sock), "127.0.0.1")
    heard: list[bytes] = []
    lost: list[bool] = []
    transport.on_datagram = lambda data, _source, _at: heard.append(data)
    transport.on_unreachable = lambda: lost.append(True)
    gateway, stranger, nonsense = ("127.0.0.1", 5060), ("127.0.0.2", 5060), ("?", 5060)
    sock.arrives = [
        (b"one", gateway),
        ConnectionRefusedError(),
        (b"no", stranger),
        (b"no", nonsense),
        (b"two", gateway),
    ]
    sock.errors = [None, stranger, gateway]
    transport._readable()
    assert heard == [b"one", b"two"]
    assert lost == [True]
    for number in range(200):
        sock.arrives.append((b"no", (f"127.0.1.{number}", 1)))
    while sock.arrives:
        transport._readable()
    assert len(transport._known) <= 66
    sock.send_error = BlockingIOError()
    transport.send(b"x", gateway)
    await asyncio.sleep(0)
    assert lost == [True]
    sock.send_error = PermissionError()
    transport.send(b"x", gateway)
    await asyncio.sleep(0)
    assert lost == [True, True]
    sock.send_error = None
    transport.close()
    transport.send(b"x", gateway)
    assert sock.sent == 0


@pytest.mark.parametrize("by", ["datagram", "error"])
@pytest.mark.usefixtures("loopback")
async def test_who_hears_may_close(by: str) -> None:
    """Nothing is read from a socket that was closed by who heard of the last thing."""
    sock = Unruly()
    transport = UdpTransport(cast(socket.socket, sock), "127.0.0.1")
    transport.on_datagram = lambda *_: transport.close()
    transport.on_unreachable = transport.close
    gateway = ("127.0.0.1", 5060)
    if by == "datagram":
        sock.arrives = [(b"bye", gateway), (b"more", gateway)]
    else:
        sock.errors = [gateway, gateway]
    transport._readable()
    assert sock.fileno() < 0
    assert len(sock.arrives) + len(sock.errors) == 1

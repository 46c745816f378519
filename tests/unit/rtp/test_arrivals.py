"""When datagrams came: the kernel's word, brought to loop time."""

import asyncio
import itertools
import socket
import sys
import time
from collections.abc import Iterator

import pytest

from custom_components.hikari_denwa.telephony.engine.native.rtp.arrivals import Arrivals

pytestmark = [
    pytest.mark.usefixtures("socket_enabled"),
    pytest.mark.skipif(sys.platform != "linux", reason="the kernel's word is Linux's"),
]


@pytest.fixture(params=["127.0.0.1", "::1"])
def bound(request: pytest.FixtureRequest) -> Iterator[socket.socket]:
    """Return a bound socket."""
    family = socket.AF_INET6 if ":" in request.param else socket.AF_INET
    with socket.socket(family, socket.SOCK_DGRAM) as made:
        made.setblocking(False)
        made.bind((request.param, 0))
        yield made


def _send(bound: socket.socket, datagram: bytes) -> None:
    """Send a socket something."""
    with socket.socket(bound.family, socket.SOCK_DGRAM) as sender:
        sender.sendto(datagram, bound.getsockname()[:2])


async def test_read_late(bound: socket.socket, monkeypatch: pytest.MonkeyPatch) -> None:
    """However late it is read, a datagram came when it came, in the loop's time."""
    loop = asyncio.get_running_loop()
    monkeypatch.setattr(loop, "time", lambda: 900.0)
    arrivals = Arrivals(loop, bound)
    between = []
    for datagram in (b"one", b"two"):
        before = time.time()
        _send(bound, datagram)
        between.append((before, time.time()))
    read_at = time.time() + 10
    monkeypatch.setattr(loop, "time", lambda: 1000.0)
    monkeypatch.setattr(time, "time", lambda: read_at)
    read = list(arrivals.read(10))
    monkeypatch.undo()
    assert [datagram for datagram, _, _ in read] == [b"one", b"two"]
    assert {source[0] for _, source, _ in read} == {bound.getsockname()[0]}
    for (before, after), (_, _, arrived) in zip(between, read, strict=True):
        assert before - read_at - 1e-4 < arrived - 1000 < after - read_at + 1e-4
    assert list(arrivals.read(10)) == []


async def test_bounded(bound: socket.socket) -> None:
    """No more are read at once than wanted; the rest waits."""
    arrivals = Arrivals(asyncio.get_running_loop(), bound)
    for number in range(5):
        _send(bound, bytes((number,)))
    assert [datagram[0] for datagram, _, _ in arrivals.read(3)] == [0, 1, 2]
    assert [datagram[0] for datagram, _, _ in arrivals.read(3)] == [3, 4]


@pytest.mark.parametrize("set_by", [-3600.0, 3600.0])
async def test_clock_set_meanwhile(
    bound: socket.socket, monkeypatch: pytest.MonkeyPatch, set_by: float
) -> None:
    """Nothing came before the socket was last found empty, nor will come."""
    loop = asyncio.get_running_loop()
    arrivals = Arrivals(loop, bound)
    empty_at = loop.time()
    assert not list(arrivals.read(10))
    _send(bound, b"x")
    wall = time.time
    monkeypatch.setattr(time, "time", lambda: wall() + set_by)
    ((_, _, arrived),) = arrivals.read(10)
    assert empty_at <= arrived <= loop.time()


async def test_closed_meanwhile(bound: socket.socket) -> None:
    """Who takes a datagram may close the socket."""
    arrivals = Arrivals(asyncio.get_running_loop(), bound)
    for _ in range(3):
        _send(bound, b"x")
    reading = arrivals.read(10)
    assert len(list(itertools.islice(reading, 1))) == 1
    bound.close()
    assert list(reading) == []

"""What the watch over our addresses does when the kernel cannot tell it all."""

import asyncio
import errno
import socket
import sys
from typing import Any, cast

import pytest

from custom_components.hikari_denwa.telephony.engine import network
from custom_components.hikari_denwa.telephony.engine.network import NetworkWatch

from .test_network import DONE, NEW, OURS, address, message, route

KERNEL, SOMEBODY = (0, 0), (4711, 0)


class Netlink:
    """A socket that gives out what a test wants, and then has nothing more."""

    def __init__(self) -> None:
        """Take a real descriptor, for the event loop's sake."""
        self._real, self._other = socket.socketpair()
        self.incoming: list[tuple[bytes, tuple[int, int]] | OSError] = []
        self.sent: list[bytes] = []
        self.send_error: OSError | None = None

    def fileno(self) -> int:
        """Return the descriptor."""
        return self._real.fileno()

    def recvfrom(self, _size: int) -> tuple[bytes, tuple[int, int]]:
        """Give the next datagram or failure."""
        if not self.incoming:
            raise BlockingIOError
        found = self.incoming.pop(0)
        if isinstance(found, OSError):
            raise found
        return found

    def send(self, data: bytes) -> int:
        """Note what the kernel is asked."""
        if self.send_error:
            raise self.send_error
        self.sent.append(data)
        return len(data)

    def close(self) -> None:
        """Close."""
        self._real.close()
        self._other.close()


@pytest.fixture
def netlink(monkeypatch: pytest.MonkeyPatch) -> Netlink:
    """Put the socket where a watch takes it from; what is told, is told at once."""
    fake = Netlink()
    monkeypatch.setattr(network, "_netlink", lambda: cast(socket.socket, fake))
    monkeypatch.setattr(network, "_SETTLE", 0.0)
    monkeypatch.setattr(network, "_LEAST_BETWEEN", 0.0)
    monkeypatch.setattr(sys, "platform", "linux")
    return fake


async def told(watch: NetworkWatch, changes: list[None], *incoming: Any) -> int:
    """Let the kernel say something; returns how often a change was told."""
    before = len(changes)
    cast(Netlink, watch._socket).incoming += incoming
    watch._readable()
    await asyncio.sleep(0.01)
    return len(changes) - before


async def test_overflow_is_made_good(netlink: Netlink) -> None:
    """The kernel had more to tell than room: everything is asked anew, and counts as a change."""
    changes: list[None] = []
    watch = NetworkWatch()
    watch.start(lambda: changes.append(None))
    assert len(netlink.sent) == 1
    assert await told(watch, changes, (address(NEW) + message(DONE, bytes(4)), KERNEL)) == 0
    assert watch.table.complete
    assert await told(watch, changes, OSError(errno.ENOBUFS, "full")) == 1
    assert len(netlink.sent) == 2
    assert not watch.table.complete
    assert watch.table.addresses == ()
    listed = address(NEW) + message(DONE, bytes(4))
    assert await told(watch, changes, (listed, KERNEL)) == 0
    assert [str(each.interface) for each in watch.table.addresses] == [OURS]
    assert await told(watch, changes, (route(24), KERNEL)) == 1
    watch.stop()


@pytest.mark.parametrize("again", [True, False])
async def test_watch_ends_when_the_kernel_fails(
    netlink: Netlink, caplog: pytest.LogCaptureFixture, *, again: bool
) -> None:
    """What cannot be made good is told once as a change, and the log says that no more comes."""
    changes: list[None] = []
    watch = NetworkWatch()
    watch.start(lambda: changes.append(None))
    netlink.send_error = OSError(errno.EBADF, "gone")
    error = errno.ENOBUFS if again else errno.EIO
    assert await told(watch, changes, OSError(error, "no more")) == 1
    assert not watch.watching
    assert netlink.fileno() == -1
    assert "tells no more changes" in caplog.text
    watch._readable()
    watch.stop()


@pytest.mark.usefixtures("netlink")
async def test_only_the_kernel_is_believed() -> None:
    """Another process may write to the socket; its words are not taken."""
    changes: list[None] = []
    watch = NetworkWatch()
    watch.start(lambda: changes.append(None))
    assert await told(watch, changes, (address(NEW) + message(DONE, bytes(4)), SOMEBODY)) == 0
    assert not watch.table.complete
    assert watch.table.addresses == ()
    watch.stop()


async def test_flood_leaves_room_for_others(netlink: Netlink) -> None:
    """So many datagrams at once are read, and the rest when the loop comes round again."""
    watch = NetworkWatch()
    watch.start(lambda: None)
    netlink.incoming += [(address(NEW), KERNEL)] * (network._MAX_READ_AT_ONCE + 3)
    watch._readable()
    assert len(netlink.incoming) == 3
    watch.stop()


async def test_other_systems_tell_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    """Only Linux has netlink; elsewhere the watch is not there, and that is no failure."""
    with monkeypatch.context() as patched:
        patched.setattr(sys, "platform", "darwin")
        watch = NetworkWatch()
        watch.start(lambda: None)
    assert not watch.watching
    watch.stop()


@pytest.mark.skipif(sys.platform != "linux", reason="netlink is Linux's")
@pytest.mark.usefixtures("loopback")
def test_socket_that_cannot_be_bound_is_closed(monkeypatch: pytest.MonkeyPatch) -> None:
    """A sandbox may allow the socket and forbid the groups."""
    closed: list[bool] = []

    class Forbidden(socket.socket):
        def bind(self, _address: Any) -> None:
            raise PermissionError

        def close(self) -> None:
            closed.append(True)
            super().close()

    monkeypatch.setattr(socket, "socket", Forbidden)
    with pytest.raises(PermissionError):
        network._netlink()
    assert closed


def test_parts_that_are_cut_off_are_none() -> None:
    """Nothing is read beyond what came."""
    assert network._own_address(memoryview(bytes(3))) is None
    assert not network._is_a_way(memoryview(bytes(3)))
    assert list(network._attributes(memoryview(b"\xff\x00\x01\x00" + bytes(4)))) == []

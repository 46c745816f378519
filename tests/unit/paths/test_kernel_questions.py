"""Questions to the kernel about routes, with answers that a kernel gives seldom."""

import errno
import ipaddress
import os
import socket
import struct
import sys
from typing import Any

import pytest

from custom_components.hikari_denwa.telephony import path_finder
from custom_components.hikari_denwa.telephony.path_finder import Way, _Kernel

DESTINATION = ipaddress.ip_address("192.0.2.1")
KERNEL, SOMEBODY = (0, 0), (4711, 0)
ERROR, DONE, NEW_ADDRESS = 2, 3, 20
MULTI, INTERRUPTED = 0x02, 0x10


def answer(kind: int, payload: bytes = b"", *, number: int = 1, flags: int = MULTI) -> bytes:
    """Frame an answer to a question."""
    return struct.pack("=IHHII", 16 + len(payload), kind, flags, number, 0) + payload


def failure(code: int, *, number: int = 1) -> bytes:
    """Frame an error."""
    return answer(ERROR, (-code).to_bytes(4, sys.byteorder, signed=True) + bytes(16), number=number)


def own_address(text: str, *, number: int, flags: int = MULTI) -> bytes:
    """Frame an address of ours."""
    interface = ipaddress.ip_interface(text)
    head = struct.pack("=BBBBI", 2, interface.network.prefixlen, 0, 0, 1)
    part = struct.pack("=HH", 8, 1) + interface.ip.packed
    return answer(NEW_ADDRESS, head + part, number=number, flags=flags)


class Netlink:
    """A socket whose kernel says what a test wants."""

    def __init__(self) -> None:
        """Begin with nothing to say."""
        self.says: list[tuple[bytes, tuple[int, int]]] = []
        self.asked = 0
        self.closed = False
        self.bind_error: OSError | None = None

    def settimeout(self, _seconds: float) -> None:
        """Take a limit."""

    def bind(self, _address: Any) -> None:
        """Bind, or not."""
        if self.bind_error:
            raise self.bind_error

    def send(self, data: bytes) -> int:
        """Take a question."""
        self.asked += 1
        return len(data)

    def recvfrom(self, _size: int) -> tuple[bytes, tuple[int, int]]:
        """Answer."""
        return self.says.pop(0)

    def close(self) -> None:
        """Close."""
        self.closed = True


@pytest.fixture
def netlink(monkeypatch: pytest.MonkeyPatch) -> Netlink:
    """Put it where the questions go."""
    fake = Netlink()
    for name in ("AF_NETLINK", "NETLINK_ROUTE"):
        monkeypatch.setattr(socket, name, 16, raising=False)
    monkeypatch.setattr(socket, "socket", lambda *_: fake)
    return fake


@pytest.mark.parametrize("code", [errno.ENETUNREACH, errno.EHOSTUNREACH])
def test_no_route_is_an_answer(netlink: Netlink, code: int) -> None:
    """The kernel says so by an error; strangers and answers to other questions are not heard."""
    netlink.says = [
        (failure(errno.EPERM), SOMEBODY),
        (failure(errno.EPERM, number=77), KERNEL),
        (failure(code), KERNEL),
    ]
    with _Kernel() as kernel:
        assert kernel.way(DESTINATION) == Way(destination=DESTINATION)
    assert netlink.says == []
    assert netlink.closed


def test_other_errors_are_errors(netlink: Netlink) -> None:
    """A sandbox that forbids the question is not taken for a network without a route."""
    netlink.says = [(failure(errno.EPERM), KERNEL)]
    with _Kernel() as kernel, pytest.raises(PermissionError, match=os.strerror(errno.EPERM)):
        kernel.way(DESTINATION)


def test_answer_that_is_no_route(netlink: Netlink) -> None:
    """It tells of no way."""
    netlink.says = [(answer(NEW_ADDRESS), KERNEL)]
    with _Kernel() as kernel:
        assert kernel.way(DESTINATION) == Way(destination=DESTINATION)


def test_table_that_changed_is_read_again(netlink: Netlink) -> None:
    """What was told while it changed may be half of it."""
    netlink.says = [
        (own_address("192.0.2.7/24", number=1, flags=MULTI | INTERRUPTED), KERNEL),
        (answer(DONE, bytes(4)), KERNEL),
        (own_address("192.0.2.8/24", number=2), KERNEL),
        (answer(DONE, bytes(4), number=2), KERNEL),
    ]
    with _Kernel() as kernel:
        (found,) = kernel.addresses()
    assert str(found.interface) == "192.0.2.8/24"
    assert netlink.asked == 2


def test_table_that_always_changes_is_taken_as_it_is(netlink: Netlink) -> None:
    """The reading has a bound."""
    for number in range(1, path_finder._MOST_DUMPS + 1):
        row = own_address("192.0.2.7/24", number=number, flags=MULTI | INTERRUPTED)
        netlink.says += [(row, KERNEL), (answer(DONE, bytes(4), number=number), KERNEL)]
    with _Kernel() as kernel:
        assert len(list(kernel.addresses())) == 1
    assert netlink.asked == path_finder._MOST_DUMPS


def test_answer_without_an_end(netlink: Netlink) -> None:
    """So has the waiting for the end of an answer."""
    netlink.says = [(answer(NEW_ADDRESS), SOMEBODY)] * path_finder._MOST_READS
    with _Kernel() as kernel, pytest.raises(OSError, match="does not come to an end"):
        kernel.way(DESTINATION)


def test_socket_that_cannot_be_bound_is_closed(netlink: Netlink) -> None:
    """Nothing is left of it."""
    netlink.bind_error = PermissionError()
    with pytest.raises(PermissionError):
        _Kernel()
    assert netlink.closed


def test_address_that_is_cut_off() -> None:
    """It is none."""
    assert path_finder.read_address(bytes(3)) is None

"""What happens under the lines: addresses that come and go, and hours spent asleep."""

from __future__ import annotations

import asyncio
import errno
import ipaddress
import logging
import socket
import struct
import sys
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass

_LOGGER = logging.getLogger(__name__)

# linux/netlink.h, linux/rtnetlink.h, linux/if_addr.h: rtnetlink(7).
_GROUPS = 0x10 | 0x100 | 0x40 | 0x400
_NEW_ADDRESS, _LOST_ADDRESS, _GET_ADDRESS = 20, 21, 22
_ROUTES = (24, 25)
_DONE = 3
_REQUEST_DUMP = 0x301
_MESSAGE = struct.Struct("=IHHII")
_ADDRESS = struct.Struct("=BBBBI")
_ROUTE = struct.Struct("=BBBBBBBBI")
_ATTRIBUTE = struct.Struct("=HH")
_IFA_ADDRESS, _IFA_LOCAL, _IFA_FLAGS = 1, 2, 8
_DAD_FAILED, _DEPRECATED, _TENTATIVE = 0x08, 0x20, 0x40
_LOCAL_TABLE = 255
# To somewhere, or to nowhere: blackhole, unreachable, prohibit, throw (linux/rtnetlink.h).
_WAYS = (1, 6, 7, 8, 9)
_CLONED = 0x200
_MAX_DATAGRAM = 65536
_MAX_READ_AT_ONCE = 64
# A new prefix comes as a burst, and an address is of use only when it has been found unique.
_SETTLE = 0.5
_LEAST_BETWEEN = 5.0

_GLOBAL_UNICAST = ipaddress.IPv6Network("2000::/3")
# What the network delegates to a house: two addresses that differ in it are of two networks.
_DELEGATED_BITS = 56

_LOOK_SECONDS = 5.0
_ASLEEP_SECONDS = 2.0
# A clock that is set is no sleep, unless by so much: a virtual machine that was held does not
# count the time, and wakes with a clock that is behind until it is set.
_CLOCK_LEAP_SECONDS = 60.0


@dataclass(frozen=True)
class OwnAddress:
    """One address of this machine; ``preferred`` if new traffic may begin from it."""

    interface: ipaddress.IPv4Interface | ipaddress.IPv6Interface
    preferred: bool


class AddressTable:
    """The addresses of this machine, as rtnetlink tells them (RFC 3549)."""

    def __init__(self) -> None:
        """Begin with none, and without knowing all."""
        self.complete = False
        self._addresses: dict[tuple[int, str], OwnAddress] = {}

    @property
    def addresses(self) -> tuple[OwnAddress, ...]:
        """Give the addresses that can be used now."""
        return tuple(self._addresses.values())

    def take(self, datagram: bytes) -> bool:
        """Take what the kernel tells; says whether something moved since all was known."""
        moved = False
        view = memoryview(datagram)
        while len(view) >= _MESSAGE.size:
            length, kind, *_ = _MESSAGE.unpack_from(view)
            if not _MESSAGE.size <= length <= len(view):
                break
            moved |= self._take(kind, view[_MESSAGE.size : length])
            view = view[_aligned(length) :]
        return moved

    def forget(self) -> None:
        """Know nothing any more, until all is told again."""
        self._addresses.clear()
        self.complete = False

    def _take(self, kind: int, payload: memoryview) -> bool:
        """Take one message."""
        if kind == _DONE:
            self.complete = True
        elif kind in _ROUTES:
            return self.complete and _is_a_way(payload)
        elif kind in (_NEW_ADDRESS, _LOST_ADDRESS) and (found := _own_address(payload)):
            key, address = found
            before = self._addresses.get(key)
            if kind == _LOST_ADDRESS or address is None:
                self._addresses.pop(key, None)
                return self.complete and before is not None
            self._addresses[key] = address
            return self.complete and before != address
        return False


class NetworkWatch:
    """Hears of each change of our addresses and routes, where the system tells (Linux).

    ``on_change`` is called a moment after the first of a burst of changes, at most every
    5 s. Elsewhere, and where a sandbox forbids netlink, ``watching`` is False and nothing is
    told: the comparison of the source address before each REGISTER has to do.
    """

    def __init__(self) -> None:
        """Know nothing yet; ``start`` begins."""
        self.table = AddressTable()
        self._on_change: Callable[[], None] = _nobody
        self._socket: socket.socket | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._told_at = float("-inf")

    @property
    def watching(self) -> bool:
        """Tell whether the system tells us."""
        return self._socket is not None

    def start(self, on_change: Callable[[], None]) -> None:
        """Listen, and ask for what there is; `on_change` is told."""
        self._on_change = on_change
        if sys.platform != "linux":
            return
        try:
            self._socket = _netlink()
            self._ask()
        except OSError as error:
            _LOGGER.info("The system does not tell changes of its addresses: %s", error)
            self.stop()
            return
        asyncio.get_running_loop().add_reader(self._socket, self._readable)

    def stop(self) -> None:
        """Listen no more."""
        if self._timer:
            self._timer.cancel()
            self._timer = None
        if self._socket:
            asyncio.get_running_loop().remove_reader(self._socket)
            self._socket.close()
            self._socket = None

    def foreign_prefix(self, literal: str) -> str | None:
        """Give the prefix that a router announces here if an IPv6 literal is not within it."""
        return foreign_prefix(literal, self.table.addresses)

    def _ask(self) -> None:
        """Ask the kernel for all addresses; they come like changes."""
        if self._socket:
            request = _ADDRESS.pack(socket.AF_UNSPEC, 0, 0, 0, 0)
            length = _MESSAGE.size + len(request)
            head = _MESSAGE.pack(length, _GET_ADDRESS, _REQUEST_DUMP, 1, 0)
            self._socket.send(head + request)

    def _readable(self) -> None:
        """Read what is there, a bounded number of datagrams at once."""
        moved = False
        for _ in range(_MAX_READ_AT_ONCE):
            if self._socket is None:
                return
            try:
                data, source = self._socket.recvfrom(_MAX_DATAGRAM)
            except (BlockingIOError, InterruptedError):
                break
            except OSError as error:
                moved = True
                if not self._recover(error):
                    break
                continue
            if source[0] == 0:
                moved |= self.table.take(data)
        if moved:
            self._note()

    def _recover(self, error: OSError) -> bool:
        """Ask for everything again when the kernel had more to tell than room for it."""
        try:
            if error.errno != errno.ENOBUFS:
                raise error
            self.table.forget()
            self._ask()
        except OSError as failure:
            _LOGGER.warning("The system tells no more changes of its addresses: %s", failure)
            self.stop()
            return False
        return True

    def _note(self) -> None:
        """Tell soon, and not too often."""
        if self._timer is None:
            loop = asyncio.get_running_loop()
            wait = max(_SETTLE, self._told_at + _LEAST_BETWEEN - loop.time())
            self._timer = loop.call_later(wait, self._tell)

    def _tell(self) -> None:
        """Tell that something moved."""
        self._timer = None
        self._told_at = asyncio.get_running_loop().time()
        self._on_change()


class SleepWatch:
    """Notices that this machine was asleep: timers do not count that time (time_namespaces(7)).

    ``on_wake`` gets the seconds that were lost, within 5 s of waking.
    """

    def __init__(
        self,
        on_wake: Callable[[float], None],
        *,
        awake: Callable[[], float] = time.monotonic,
        passed: Callable[[], float] | None = None,
        wall: Callable[[], float] = time.time,
    ) -> None:
        """Take who is told, and the clocks: time awake, time passed, and the time of day."""
        self._on_wake = on_wake
        self._awake = awake
        self._passed = passed or _boottime
        self._wall = wall
        self._timer: asyncio.TimerHandle | None = None
        self._before = (0.0, 0.0)

    def start(self) -> None:
        """Look from now on."""
        self._before = self._behind()
        self._timer = asyncio.get_running_loop().call_later(_LOOK_SECONDS, self._look)

    def stop(self) -> None:
        """Look no more."""
        if self._timer:
            self._timer.cancel()
            self._timer = None

    def _behind(self) -> tuple[float, float]:
        """Give by how much the time awake is behind the time passed, and the time of day."""
        awake = self._awake()
        return self._passed() - awake, self._wall() - awake

    def _look(self) -> None:
        """Compare the clocks."""
        asleep, leapt = (
            now - before for now, before in zip(self._behind(), self._before, strict=True)
        )
        self.start()
        if asleep >= _ASLEEP_SECONDS:
            self._on_wake(asleep)
        elif leapt >= _CLOCK_LEAP_SECONDS:
            self._on_wake(leapt)


def foreign_prefix(literal: str, own: Iterable[OwnAddress]) -> str | None:
    """Give a prefix of ours if an IPv6 literal is outside of every network that we are in.

    None for IPv4, for local addresses, and where we have no global IPv6 address ourselves.
    A gateway's own address and those of its house lie in the same delegated prefix.
    """
    address = ipaddress.ip_address(literal)
    if address not in _GLOBAL_UNICAST:
        return None
    ours = [
        each.interface.network
        for each in own
        if each.preferred
        and isinstance(each.interface, ipaddress.IPv6Interface)
        and each.interface.ip in _GLOBAL_UNICAST
    ]
    for network in ours:
        bits = min(_DELEGATED_BITS, network.prefixlen)
        if address in network.supernet(new_prefix=bits):
            return None
    # A single address, as DHCPv6 gives it, says nothing of the network.
    return next((str(network) for network in ours if network.prefixlen < 128), None)


def _nobody() -> None:
    """Tell nobody."""


def _boottime() -> float:
    """Give the time since the start of the system, sleep counted in."""
    return time.clock_gettime(time.CLOCK_BOOTTIME) if sys.platform == "linux" else time.monotonic()


def _netlink() -> socket.socket:
    """Open a socket that hears of addresses and routes; raises OSError."""
    sock = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, socket.NETLINK_ROUTE)
    try:
        sock.settimeout(0)
        sock.bind((0, _GROUPS))
    except OSError:
        sock.close()
        raise
    return sock


def _aligned(length: int) -> int:
    """Round up to the four bytes on which netlink begins each part."""
    return length + 3 & ~3


def _own_address(payload: memoryview) -> tuple[tuple[int, str], OwnAddress | None] | None:
    """Read an address: its key, and what it is if it can be used; None for other families."""
    if len(payload) < _ADDRESS.size:
        return None
    family, prefix, flags, _, index = _ADDRESS.unpack_from(payload)
    if family not in (socket.AF_INET, socket.AF_INET6):
        return None
    parts = dict(_attributes(payload[_ADDRESS.size :]))
    raw = parts.get(_IFA_LOCAL) or parts.get(_IFA_ADDRESS)
    if raw is None or len(raw) != (4 if family == socket.AF_INET else 16):
        return None
    if len(more := parts.get(_IFA_FLAGS, b"")) == 4:
        flags = int.from_bytes(more, sys.byteorder)
    interface = ipaddress.ip_interface((raw, prefix))
    key = (index, str(interface.ip))
    if flags & (_TENTATIVE | _DAD_FAILED):
        return key, None
    return key, OwnAddress(interface, preferred=not flags & _DEPRECATED)


def _is_a_way(payload: memoryview) -> bool:
    """Tell whether a route is one by which others are reached, or forbidden to be."""
    if len(payload) < _ROUTE.size:
        return False
    _, _, _, _, table, _, _, kind, flags = _ROUTE.unpack_from(payload)
    return table != _LOCAL_TABLE and kind in _WAYS and not flags & _CLONED


def _attributes(payload: memoryview) -> Iterable[tuple[int, bytes]]:
    """Read the attributes of a message."""
    while len(payload) >= _ATTRIBUTE.size:
        length, kind = _ATTRIBUTE.unpack_from(payload)
        if not _ATTRIBUTE.size <= length <= len(payload):
            return
        yield kind, bytes(payload[_ATTRIBUTE.size : length])
        payload = payload[_aligned(length) :]

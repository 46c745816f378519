"""UDP sockets that tell when a datagram really came, whatever the event loop was doing."""

import asyncio
import contextlib
import socket
import struct
import time
from collections.abc import Callable
from dataclasses import dataclass

from .config import Family
from .message import join_host

# Python names this socket option only in later versions; the number is the same on all Linuxes.
SO_TIMESTAMPNS = 35
RECEIVE_BUFFER = 1 << 20
LARGEST_DATAGRAM = 65535
READS_AT_ONCE = 256


@dataclass(frozen=True, slots=True)
class Stamp:
    """A moment in seconds on the monotonic and on the wall clock."""

    monotonic: float
    wall: float

    @classmethod
    def now(cls) -> Stamp:
        """Take the present moment."""
        return cls(time.monotonic(), time.time())


@dataclass(frozen=True, slots=True)
class Peer:
    """An address and port of the other side; the host without brackets."""

    family: Family
    host: str
    port: int

    def __str__(self) -> str:
        """Write it as in a URI."""
        return f"{join_host(self.host)}:{self.port}"


type Receiver = Callable[[bytes, Peer, Stamp], None]


class UdpSocket:
    """A bound UDP socket that reads in the running loop and keeps the kernel's arrival times."""

    def __init__(self, host: str, port: int, receiver: Receiver) -> None:
        """Bind; raises OSError when the port is taken."""
        self.family = Family.V6 if ":" in host else Family.V4
        self.host = host
        self._receiver = receiver
        self._loop = asyncio.get_running_loop()
        self._socket = socket.socket(
            socket.AF_INET6 if self.family is Family.V6 else socket.AF_INET, socket.SOCK_DGRAM
        )
        try:
            self._socket.setblocking(False)
            self._socket.setsockopt(socket.SOL_SOCKET, SO_TIMESTAMPNS, 1)
            self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, RECEIVE_BUFFER)
            if self.family is Family.V6:
                self._socket.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
            self._socket.bind((host, port))
        except OSError:
            self._socket.close()
            raise
        self.port: int = self._socket.getsockname()[1]
        self._loop.add_reader(self._socket.fileno(), self._read)
        self.closed = False

    def send(self, data: bytes, peer: Peer) -> None:
        """Send one datagram; one that the kernel refuses is lost, as on a wire."""
        if not self.closed:
            with contextlib.suppress(OSError):
                self._socket.sendto(data, (peer.host, peer.port))

    def close(self) -> None:
        """Stop reading and free the port; again is harmless."""
        if not self.closed:
            self.closed = True
            self._loop.remove_reader(self._socket.fileno())
            self._socket.close()

    def _read(self) -> None:
        """Hand on everything that waits, with a bound, so that others have their turn."""
        for _ in range(READS_AT_ONCE):
            if self.closed:
                return
            try:
                data, ancillary, _, address = self._socket.recvmsg(LARGEST_DATAGRAM, 64)
            except OSError:
                return
            peer = Peer(self.family, address[0].partition("%")[0], address[1])
            self._receiver(data, peer, _arrival(ancillary))


def _arrival(ancillary: list[tuple[int, int, bytes]]) -> Stamp:
    """Read the kernel's receive time and put it on the monotonic clock as well."""
    now = Stamp.now()
    for level, kind, value in ancillary:
        if level == socket.SOL_SOCKET and kind == SO_TIMESTAMPNS and len(value) >= 16:
            seconds, nanoseconds = struct.unpack("qq", value[:16])
            wall = seconds + nanoseconds / 1e9
            return Stamp(now.monotonic - max(0.0, now.wall - wall), wall)
    return now


def bind_pair(
    v4_address: str | None, v6_address: str | None, port: int, receiver: Receiver
) -> tuple[UdpSocket | None, UdpSocket | None]:
    """Bind both families to one port number; with port 0 a number that is free in both.

    Falls back to different numbers when no common one is found; raises OSError for a fixed port.
    """
    for _ in range(20):
        first = UdpSocket(v4_address, port, receiver) if v4_address else None
        if v6_address is None:
            return first, None
        try:
            return first, UdpSocket(v6_address, first.port if first else port, receiver)
        except OSError:
            if first:
                first.close()
            if port:
                raise
    first = UdpSocket(v4_address, 0, receiver) if v4_address else None
    return first, UdpSocket(v6_address, 0, receiver) if v6_address else None

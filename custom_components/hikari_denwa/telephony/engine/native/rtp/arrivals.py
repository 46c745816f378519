"""When a datagram came, however late it is read: the kernel notes that for us."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import struct
import time
from collections.abc import Iterator

LARGEST_DATAGRAM = 2048
# Python has no name for it; the number is that of all machines that Home Assistant runs on.
_SO_TIMESTAMPNS = 35
_TIMESPEC = struct.Struct("@ll")
_ANCILLARY = socket.CMSG_SPACE(_TIMESPEC.size)


class Arrivals:
    """Reads a UDP socket when asked, instead of waking the loop for every packet."""

    def __init__(self, loop: asyncio.AbstractEventLoop, udp: socket.socket) -> None:
        """Have arrivals noted from now on, where the system does that."""
        self._loop = loop
        self._socket = udp
        self._empty_at = loop.time()
        with contextlib.suppress(OSError):
            udp.setsockopt(socket.SOL_SOCKET, _SO_TIMESTAMPNS, 1)

    def read(self, most: int) -> Iterator[tuple[bytes, tuple[str, int], float]]:
        """Give each datagram that waits, its source, and the loop time at which it arrived.

        Ends when nothing waits, after ``most`` of them, or when the socket is closed.
        """
        now = self._loop.time()
        to_loop_time = now - time.time()
        for _ in range(most):
            try:
                datagram, notes, _, source = self._socket.recvmsg(LARGEST_DATAGRAM, _ANCILLARY)
            except OSError:
                self._empty_at = now
                return
            arrived = now
            if notes:
                seconds, nanoseconds = _TIMESPEC.unpack(notes[0][2])
                arrived = seconds + nanoseconds / 1e9 + to_loop_time
            # The wall clock, by which the kernel notes, may have been set meanwhile.
            yield datagram, (source[0], source[1]), min(now, max(self._empty_at, arrived))

"""A fence around pjsua2's sound: the kernel lets packets of known hosts through alone.

pjsua2 takes sound from whoever sends enough of it. Its sockets are ours as well, so a filter is
put on them from outside (Linux: SO_ATTACH_FILTER, classic BPF).
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import socket
import stat
import struct
import sys
from collections.abc import Iterable, Iterator
from ipaddress import IPv4Address, IPv6Address
from pathlib import Path

_SO_ATTACH_FILTER = 26
# linux/filter.h: beyond this offset a filter sees the network header.
_NETWORK = 0xFFF00000
_LOAD_WORD, _JUMP_IF_EQUAL, _RETURN = 0x20, 0x15, 0x06
_ALL, _NOTHING = 0xFFFFFFFF, 0
_SOURCE = {4: 12, 6: 8}
_INSTRUCTION = struct.Struct("=HBBI")


def fence_in(local: tuple[str, int], hosts: Iterable[IPv4Address | IPv6Address]) -> bool:
    """Let the RTP and RTCP sockets at a local address hear these hosts alone; False if not found.

    ``local`` is the address and port of RTP, RTCP is at the next.
    """
    if sys.platform != "linux":
        return False
    program = filter_program(sorted(set(hosts), key=str))
    ports = {local[1], local[1] + 1}
    found = False
    for sock in _datagram_sockets():
        with sock:
            name = sock.getsockname()
            if name[0] == local[0] and name[1] in ports:
                _attach(sock, program)
                found = True
    return found


def filter_program(hosts: list[IPv4Address | IPv6Address]) -> bytes:
    """Return a filter that takes what comes from one of the hosts, of one family."""
    blocks = [_block(host) for host in hosts]
    return b"".join(blocks) + _INSTRUCTION.pack(_RETURN, 0, 0, _NOTHING)


def _block(host: IPv4Address | IPv6Address) -> bytes:
    """Return the instructions that take a packet of a host, and go on behind them if it is not."""
    words = struct.unpack(f">{len(host.packed) // 4}I", host.packed)
    start = _NETWORK + _SOURCE[host.version]
    instructions = []
    for index, word in enumerate(words):
        instructions.append(_INSTRUCTION.pack(_LOAD_WORD, 0, 0, start + 4 * index))
        rest = 2 * (len(words) - index - 1) + 1
        instructions.append(_INSTRUCTION.pack(_JUMP_IF_EQUAL, 0, rest, word))
    instructions.append(_INSTRUCTION.pack(_RETURN, 0, 0, _ALL))
    return b"".join(instructions)


def _attach(sock: socket.socket, program: bytes) -> None:
    """Put a filter on a socket, in the place of a former one."""
    buffer = ctypes.create_string_buffer(program, len(program))
    count = len(program) // _INSTRUCTION.size
    reference = struct.pack("@HP", count, ctypes.addressof(buffer))
    with contextlib.suppress(OSError):
        sock.setsockopt(socket.SOL_SOCKET, _SO_ATTACH_FILTER, reference)


def _datagram_sockets() -> Iterator[socket.socket]:
    """Give a handle of our own on every UDP socket of this process."""
    for entry in Path("/proc/self/fd").iterdir():
        try:
            if not stat.S_ISSOCK(entry.stat().st_mode):
                continue
            sock = socket.socket(fileno=os.dup(int(entry.name)))
        except OSError:
            continue
        if sock.type == socket.SOCK_DGRAM and sock.family in (socket.AF_INET, socket.AF_INET6):
            yield sock
        else:
            sock.close()

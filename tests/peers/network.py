"""Two network namespaces and a bad way between them: packets lost, late, out of turn, twice.

Kernels without sch_netem can do this, too: the way is a pair of TUN devices, and what it does to
packets is done here. It needs root and /dev/net/tun. Nothing leaves the two namespaces, whose
addresses are those of documentation (RFC 5737, RFC 3849).
"""

import asyncio
import contextlib
import fcntl
import os
import random
import shutil
import struct
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Self

import pytest

NEAR = {6: "2001:db8::1", 4: "192.0.2.1"}
FAR = {6: "2001:db8::2", 4: "192.0.2.2"}

_DEVICE = "way0"
_TUN = Path("/dev/net/tun")
_TUNSETIFF = 0x400454CA
_IFF_TUN_NO_PI = 0x1001
_LARGEST_PACKET = 2048
# What is out of turn comes after the next packet of a stream with one every 20 ms.
_OUT_OF_TURN = 0.03


def missing() -> str | None:
    """Say what is missing for namespaces with TUN devices, or None."""
    if os.geteuid() != 0:
        return "network namespaces need root"
    if not _TUN.exists():
        return f"{_TUN} is not there"
    if shutil.which("ip") is None or shutil.which("unshare") is None:
        return "ip or unshare not installed (Debian: apt-get install iproute2 util-linux)"
    # Root in a container may still not make namespaces.
    tried = subprocess.run(["unshare", "--net", "true"], check=False, capture_output=True)
    return "network namespaces cannot be made here" if tried.returncode else None


def needs_namespaces() -> pytest.MarkDecorator:
    """Skip a test, saying why, where namespaces cannot be made."""
    reason = missing()
    return pytest.mark.skipif(reason is not None, reason=reason or "")


@dataclass(frozen=True, kw_only=True)
class Impairment:
    """What the way does to packets, in each direction: seconds, and shares from 0 to 1.

    ``delay`` is that of every packet, one way; ``jitter`` the most that is added at random.
    """

    delay: float = 0.0
    jitter: float = 0.0
    loss: float = 0.0
    reordered: float = 0.0
    duplicated: float = 0.0


class Network:
    """Both namespaces and the way between them; ``async with Network() as network``.

    ``impairment`` may be changed at any time. ``carried`` and ``lost`` count packets.
    """

    def __init__(self, impairment: Impairment | None = None, *, seed: int = 1) -> None:
        """Begin with nothing made; the seed decides which packets suffer."""
        self.impairment = impairment or Impairment()
        self.carried = 0
        self.lost = 0
        self._random = random.Random(seed)
        self._open: list[int] = []
        self._near = self._far = self._home = -1
        self._ends: list[int] = []

    async def __aenter__(self) -> Self:
        """Make the namespaces and begin to carry."""
        try:
            self._home = self._keep(os.open("/proc/thread-self/ns/net", os.O_RDONLY))
            self._near = self._make(NEAR)
            self._far = self._make(FAR)
        except BaseException:
            self._close()
            raise
        loop = asyncio.get_running_loop()
        near, far = self._ends
        loop.add_reader(near, self._carry, near, far)
        loop.add_reader(far, self._carry, far, near)
        return self

    async def __aexit__(self, *_: object) -> None:
        """Let go of both; what still runs in them keeps them, without a way out."""
        loop = asyncio.get_running_loop()
        for end in self._ends:
            loop.remove_reader(end)
        self._ends = []
        self._close()

    @contextlib.contextmanager
    def near(self) -> Iterator[None]:
        """Let what is started meanwhile, sockets and processes, live on our side."""
        with self._inside(self._near):
            yield

    @contextlib.contextmanager
    def far(self) -> Iterator[None]:
        """Let what is started meanwhile, sockets and processes, live on the gateway's side."""
        with self._inside(self._far):
            yield

    @contextlib.contextmanager
    def _inside(self, namespace: int) -> Iterator[None]:
        """Have the thread in a namespace for a while."""
        os.setns(namespace, os.CLONE_NEWNET)
        try:
            yield
        finally:
            os.setns(self._home, os.CLONE_NEWNET)

    def _make(self, addresses: dict[int, str]) -> int:
        """Make one namespace with its end of the way."""
        os.unshare(os.CLONE_NEWNET)
        try:
            namespace = self._keep(os.open("/proc/thread-self/ns/net", os.O_RDONLY))
            end = self._keep(os.open(_TUN, os.O_RDWR | os.O_NONBLOCK))
            wanted = struct.pack("16sH22x", _DEVICE.encode(), _IFF_TUN_NO_PI)
            fcntl.ioctl(end, _TUNSETIFF, wanted)
            for command in (
                "link set lo up",
                f"addr add {addresses[4]}/24 dev {_DEVICE}",
                f"addr add {addresses[6]}/64 dev {_DEVICE} nodad",
                f"link set {_DEVICE} up",
            ):
                subprocess.run(
                    [str(shutil.which("ip")), *command.split()], check=True, capture_output=True
                )
        finally:
            os.setns(self._home, os.CLONE_NEWNET)
        self._ends.append(end)
        return namespace

    def _carry(self, source: int, destination: int) -> None:
        """Take what waits at one end, and do to it what the way does."""
        loop = asyncio.get_running_loop()
        with contextlib.suppress(BlockingIOError):
            while packet := os.read(source, _LARGEST_PACKET):
                for delay in self._fates():
                    if delay:
                        loop.call_later(delay, self._deliver, destination, packet)
                    else:
                        self._deliver(destination, packet)

    def _fates(self) -> Iterator[float]:
        """Give the delay of each copy of a packet that arrives."""
        way, chance = self.impairment, self._random.random
        if chance() < way.loss:
            self.lost += 1
            return
        delay = way.delay + way.jitter * chance()
        if chance() < way.reordered:
            delay += _OUT_OF_TURN
        yield delay
        if chance() < way.duplicated:
            yield delay

    def _deliver(self, destination: int, packet: bytes) -> None:
        """Put a packet in at the other end; a full queue loses it, as queues do."""
        if destination in self._ends:
            with contextlib.suppress(OSError):
                os.write(destination, packet)
                self.carried += 1

    def _keep(self, descriptor: int) -> int:
        """Remember what is to be closed."""
        self._open.append(descriptor)
        return descriptor

    def _close(self) -> None:
        """Close everything."""
        for descriptor in self._open:
            os.close(descriptor)
        self._open = []

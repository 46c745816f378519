"""Two hosts on one wire, made of network namespaces: root and iproute2 are needed."""

import asyncio
import itertools
import os
import shutil
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
_NUMBERS = itertools.count(1)


def why_not() -> str | None:
    """Say why this machine has no namespaces for us, or None."""
    if sys.platform != "linux" or not (ip := shutil.which("ip")):
        return "needs Linux with iproute2"
    if os.geteuid() != 0:
        return "needs root for network namespaces"
    name = f"denwa-{os.getpid()}-try"
    made = subprocess.run([ip, "netns", "add", name], capture_output=True, text=True, check=False)
    if made.returncode:
        return f"this machine makes no network namespace: {made.stderr.strip()}"
    entered = subprocess.run(
        [ip, "netns", "exec", name, "true"], capture_output=True, text=True, check=False
    )
    subprocess.run([ip, "netns", "delete", name], check=True)
    return f"cannot enter a network namespace: {entered.stderr}" if entered.returncode else None


@pytest.fixture(scope="session")
def namespaces() -> None:
    """Skip where there are no namespaces."""
    if reason := why_not():
        pytest.skip(reason)


class Host:
    """A network namespace with one interface, ``wire``."""

    def __init__(self, name: str) -> None:
        """Take the name of a namespace that is there."""
        self.name = name

    def ip(self, *arguments: str) -> None:
        """Configure its network."""
        subprocess.run(["ip", "-n", self.name, *arguments], check=True, capture_output=True)

    def add(self, address: str) -> None:
        """Give it an address, at once and for good."""
        self.ip("address", "add", address, "dev", "wire", "nodad")

    def remove(self, address: str) -> None:
        """Take an address from it."""
        self.ip("address", "delete", address, "dev", "wire")

    @contextmanager
    def inside(self) -> Iterator[None]:
        """Let what is started meanwhile live in it: the thread is there for a while."""
        home = os.open("/proc/thread-self/ns/net", os.O_RDONLY)
        there = os.open(f"/run/netns/{self.name}", os.O_RDONLY)
        try:
            os.setns(there, os.CLONE_NEWNET)
            yield
        finally:
            os.setns(home, os.CLONE_NEWNET)
            os.close(there)
            os.close(home)

    @asynccontextmanager
    async def run(self, *arguments: str) -> AsyncIterator[asyncio.subprocess.Process]:
        """Run a Python module in it until the block ends."""
        process = await asyncio.create_subprocess_exec(
            *("ip", "netns", "exec", self.name, sys.executable, "-m", *arguments),
            cwd=ROOT,
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
        )
        try:
            yield process
        finally:
            if process.returncode is None:
                process.terminate()
            await process.communicate()


@contextmanager
def wire() -> Iterator[tuple[Host, Host]]:
    """Give two hosts on one wire; both are gone afterwards."""
    number = f"{os.getpid()}-{next(_NUMBERS)}"
    hosts = Host(f"denwa-{number}-a"), Host(f"denwa-{number}-b")
    made: list[Host] = []
    try:
        for host in hosts:
            subprocess.run(["ip", "netns", "add", host.name], check=True)
            made.append(host)
        one, two = hosts
        one.ip("link", "add", "wire", "type", "veth", "peer", "name", "wire", "netns", two.name)
        for host in hosts:
            host.ip("link", "set", "lo", "up")
            host.ip("link", "set", "wire", "up")
        yield hosts
    finally:
        for host in made:
            subprocess.run(["ip", "netns", "delete", host.name], check=True)

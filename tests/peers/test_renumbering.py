"""A prefix that the provider changes, in real time, with a real kernel (facts §1.3, §8.1)."""

import asyncio
import json
from asyncio.subprocess import Process
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from .namespaces import Host, namespaces, wire

__all__ = ["namespaces"]

OLD, NEW = "2001:db8:0:100::", "2001:db8:0:900::"
BACK_WITHIN = 30.0

pytestmark = pytest.mark.usefixtures("namespaces", "loopback")


@pytest.fixture
def hosts() -> Iterator[tuple[Host, Host]]:
    """Give the gateway's host and ours, in the old prefix."""
    with wire() as (there, here):
        there.add(f"{OLD}1/64")
        here.add(f"{OLD}20/64")
        yield there, here


@pytest.fixture
def names(tmp_path: Path) -> Path:
    """Give the file of names, with the gateway's old address."""
    path = tmp_path / "names"
    lead(path, f"{OLD}1")
    return path


def lead(names: Path, address: str) -> None:
    """Let the gateway's name stand for an address."""
    names.write_text(address)


async def told(line: Process, **wanted: str) -> dict[str, Any]:
    """Wait until something is told of the registration."""
    assert line.stdout
    async with asyncio.timeout(BACK_WITHIN):
        while text := await line.stdout.readline():
            event: dict[str, Any] = json.loads(text)
            if all(event[key] == value for key, value in wanted.items()):
                return event
    pytest.fail("the line ended")


def gateway(prefix: str) -> tuple[str, ...]:
    """Give the command of a gateway in a prefix."""
    address = f"{prefix}1"
    return ("tests.home_gateway", "--v4", "none", "--v6", address, "--port", "5060", "--json")


async def serves(process: Process) -> None:
    """Wait until a gateway says something: it is bound then."""
    assert process.stdout
    await asyncio.wait_for(process.stdout.readline(), 20)


async def test_whole_network_renumbered(hosts: tuple[Host, Host], names: Path) -> None:
    """Gateway and terminal get new addresses; the name leads to the new one; we are back."""
    there, here = hosts
    async with (
        there.run(*gateway(OLD)) as first,
        here.run("tests.peers.roaming", str(names)) as line,
    ):
        await serves(first)
        await told(line, state="registered", local=f"{OLD}20")
        first.terminate()
        await first.wait()
        for host, end in ((there, "1"), (here, "20")):
            host.add(f"{NEW}{end}/64")
            host.remove(f"{OLD}{end}/64")
        lead(names, f"{NEW}1")
        async with there.run(*gateway(NEW)) as second:
            await serves(second)
            await told(line, state="registered", local=f"{NEW}20", gateway=f"{NEW}1")


async def test_our_address_alone_changes(hosts: tuple[Host, Host], names: Path) -> None:
    """The kernel says so, and we register anew before anything fails."""
    there, here = hosts
    there.add(f"{NEW}1/64")
    here.ip("route", "add", f"{OLD}/64", "dev", "wire", "metric", "2000")
    async with (
        there.run(*gateway(OLD)) as first,
        here.run("tests.peers.roaming", str(names)) as line,
    ):
        await serves(first)
        await told(line, state="registered", local=f"{OLD}20")
        here.add(f"{NEW}20/64")
        here.remove(f"{OLD}20/64")
        event = await told(line)
        assert event["state"] == "registered"
        assert event["local"] == f"{NEW}20"


async def test_literal_of_the_old_prefix(hosts: tuple[Host, Host], names: Path) -> None:
    """The error says that the network has another prefix now; nothing is guessed."""
    there, here = hosts
    async with (
        there.run(*gateway(OLD)) as first,
        here.run("tests.peers.roaming", str(names), f"{OLD}1") as line,
    ):
        await serves(first)
        await told(line, state="registered")
        first.terminate()
        await first.wait()
        here.add(f"{NEW}20/64")
        here.remove(f"{OLD}20/64")
        event = await told(line, state="failed", reason="gateway_renumbered")
        assert event["placeholders"] == {"address": f"{OLD}1", "prefix": f"{NEW}/64"}

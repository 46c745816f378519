"""Networks made of namespaces, and which paths a real kernel is found to have in each.

Also a command that runs inside of them: `python -m tests.peers.test_paths look|dns64|hold …`.
"""

import asyncio
import fcntl
import itertools
import json
import os
import shutil
import socket
import struct
import subprocess
import sys
import time
from asyncio.subprocess import Process
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack, ExitStack, asynccontextmanager
from dataclasses import asdict
from ipaddress import IPv4Address, IPv6Address, IPv6Network
from pathlib import Path
from typing import Any

import pytest

from custom_components.hikari_denwa.telephony.address import Endpoint, literal_family
from custom_components.hikari_denwa.telephony.path_finder import PathFinder, usable_sources

from .namespaces import Host, namespaces

__all__ = ["namespaces"]

pytestmark = pytest.mark.usefixtures("namespaces", "loopback")

V6, V4 = "2001:db8:0:100::1", "192.168.1.1"
NAT64 = IPv6Network("2001:db8:64::/96")
CLEAN = {
    "docker_bridge": False,
    "vpn_only": False,
    "nat64": False,
    "clat": False,
    "new_prefix": None,
}
WITHIN = 20.0
# ip-netns(8): what a host finds here lies in its /etc.
_NAMES = Path("/etc/netns")
_NUMBERS = itertools.count(1)


class Net:
    """Hosts and the wires between them; all are gone when the block ends."""

    def __init__(self, stack: ExitStack) -> None:
        """Take what undoes it all."""
        self._stack = stack

    def host(self) -> Host:
        """Give a host without a wire."""
        name = f"denwa-{os.getpid()}-paths-{next(_NUMBERS)}"
        subprocess.run(["ip", "netns", "add", name], check=True)
        self._stack.callback(subprocess.run, ["ip", "netns", "delete", name], check=True)
        host = Host(name)
        host.ip("link", "set", "lo", "up")
        folder = _NAMES / name
        folder.mkdir(parents=True)
        self._stack.callback(shutil.rmtree, folder)
        ask(host, "127.0.0.1")
        return host


def ask(host: Host, address: str) -> None:
    """Tell a host whom to ask for names."""
    (_NAMES / host.name / "resolv.conf").write_text(f"nameserver {address}\n")


def connect(one: Host, name: str, two: Host, far: str) -> None:
    """Lay a wire between two hosts."""
    one.ip("link", "add", name, "type", "veth", "peer", "name", far, "netns", two.name)
    one.ip("link", "set", name, "up")
    two.ip("link", "set", far, "up")


def give(host: Host, interface: str, *addresses: str) -> None:
    """Give an interface addresses, at once and for good."""
    for address in addresses:
        host.ip("address", "add", address, "dev", interface, "nodad")


def forward(host: Host) -> None:
    """Make a router of a host."""
    for key in ("net.ipv4.ip_forward", "net.ipv6.conf.all.forwarding"):
        command = ["ip", "netns", "exec", host.name, "sysctl", "-q", "-w", f"{key}=1"]
        subprocess.run(command, check=True)


@pytest.fixture
def net() -> Iterator[Net]:
    """Give an empty place for hosts."""
    with ExitStack() as stack:
        yield Net(stack)


async def look(host: Host, *gateway: str, mark: Path | None = None, try_it: str = "") -> Any:
    """Find the paths from inside of a host."""
    options = ["--mark", str(mark)] if mark else []
    options += ["--try", try_it] if try_it else []
    async with host.run("tests.peers.test_paths", "look", *options, *gateway) as process:
        out, _ = await asyncio.wait_for(process.communicate(), WITHIN)
    assert process.returncode == 0
    return json.loads(out)


async def line_of(process: Process) -> str:
    """Wait until a program says that it is ready."""
    assert process.stdout
    return (await asyncio.wait_for(process.stdout.readline(), WITHIN)).decode()


@asynccontextmanager
async def running(host: Host, *arguments: str) -> AsyncIterator[None]:
    """Run a command of this module inside of a host, from when it is ready."""
    async with host.run("tests.peers.test_paths", *arguments) as process:
        assert await line_of(process) == "ready\n"
        yield


def seen(found: Any, family: str) -> tuple[str, str | None, str | None]:
    """Give what matters of a path."""
    path = found["paths"][family]
    return path["reach"], path["source"], path["source_kind"]


async def test_dual_stack_on_the_wire(net: Net) -> None:
    """Both families, the gateway in sight; addresses that are old or temporary are known."""
    gateway, here = net.host(), net.host()
    connect(here, "eth0", gateway, "lan0")
    give(gateway, "lan0", f"{V6}/64", f"{V4}/24")
    give(here, "eth0", "2001:db8:0:100::20/64", "192.168.1.20/24", "fd00:5::20/64")
    give(here, "eth0", "fe80::20/64")
    here.ip(
        *("address", "add", "2001:db8:0:900::20/64", "dev", "eth0", "nodad"),
        *("valid_lft", "600", "preferred_lft", "0"),
    )
    found = await look(here, V6, V4)
    assert seen(found, "ipv6") == ("same_link", "2001:db8:0:100::20", "global")
    assert seen(found, "ipv4") == ("same_link", "192.168.1.20", "private")
    assert found["paths"]["environment"] == CLEAN
    assert [(each["address"], each["kind"]) for each in found["paths"]["sources"]] == [
        ("192.168.1.20", "private"),
        ("2001:db8:0:100::20", "global"),
        ("2001:db8:0:900::20", "deprecated"),
        ("fd00:5::20", "ula"),
    ]
    kinds = {each["address"]: each["kind"] for each in found["sources"] if each["link"] == "eth0"}
    # The kernel's own link-local address is there only once it has been found unique.
    assert {each for literal, each in kinds.items() if literal.startswith("fe80:")} == {
        "link_local"
    }
    assert {key: kind for key, kind in kinds.items() if not key.startswith("fe80:")} == {
        "2001:db8:0:100::20": "global",
        "192.168.1.20": "private",
        "fd00:5::20": "ula",
        "2001:db8:0:900::20": "deprecated",
    }


async def test_only_an_old_prefix_is_left(net: Net) -> None:
    """The kernel sends from a deprecated address when it has no other."""
    gateway, here = net.host(), net.host()
    connect(here, "eth0", gateway, "lan0")
    here.ip(
        *("address", "add", "2001:db8:0:900::20/64", "dev", "eth0", "nodad"),
        *("valid_lft", "600", "preferred_lft", "0"),
    )
    here.ip("route", "add", "2001:db8:0:100::/64", "dev", "eth0")
    found = await look(here, V6, V4)
    assert seen(found, "ipv6") == ("same_link", "2001:db8:0:900::20", "deprecated")
    assert seen(found, "ipv4") == ("none", None, None)


async def test_wire_unplugged(net: Net) -> None:
    """Addresses and routes that stay behind when the wire is gone lead nowhere."""
    gateway, here = net.host(), net.host()
    connect(here, "eth0", gateway, "lan0")
    give(here, "eth0", "2001:db8:0:100::20/64", "192.168.1.20/24")
    assert seen(await look(here, V4), "ipv4")[0] == "same_link"
    gateway.ip("link", "set", "lan0", "down")
    found = await look(here, V6, V4)
    assert seen(found, "ipv6") == seen(found, "ipv4") == ("none", None, None)


async def test_route_that_forbids(net: Net) -> None:
    """A policy that makes the gateway unreachable is heard, in both families."""
    gateway, here = net.host(), net.host()
    connect(here, "eth0", gateway, "lan0")
    give(here, "eth0", "2001:db8:0:100::20/64", "192.168.1.20/24")
    for literal in (V6, V4):
        here.ip("route", "add", "unreachable", literal)
    found = await look(here, V6, V4)
    assert seen(found, "ipv6") == seen(found, "ipv4") == ("none", None, None)


async def test_behind_a_router(net: Net) -> None:
    """Both families, by way of a router."""
    gateway, router, here = net.host(), net.host(), net.host()
    connect(gateway, "lan0", router, "wan0")
    connect(router, "lan0", here, "eth0")
    give(gateway, "lan0", f"{V6}/64", f"{V4}/24")
    give(router, "wan0", "2001:db8:0:100::2/64", "192.168.1.2/24")
    give(router, "lan0", "2001:db8:0:110::1/64", "10.0.0.1/24")
    forward(router)
    give(here, "eth0", "2001:db8:0:110::20/64", "10.0.0.20/24")
    here.ip("route", "add", "default", "via", "2001:db8:0:110::1")
    here.ip("route", "add", "default", "via", "10.0.0.1")
    found = await look(here, V6, V4)
    assert seen(found, "ipv6") == ("routed", "2001:db8:0:110::20", "global")
    assert seen(found, "ipv4") == ("routed", "10.0.0.20", "private")
    assert found["paths"]["environment"] == CLEAN


async def test_vpn_with_ipv6_alone(net: Net) -> None:
    """A point-to-point link as WireGuard makes it, and no IPv4 to the house."""
    here = net.host()
    here.ip("tuntap", "add", "dev", "wg0", "mode", "tun")
    here.ip("link", "set", "wg0", "up")
    give(here, "wg0", "fd00:7::2/128")
    here.ip("route", "add", "2001:db8:0:100::/56", "dev", "wg0")
    async with running(here, "hold", "wg0"):
        found = await look(here, V6, V4)
    assert seen(found, "ipv6") == ("routed", "fd00:7::2", "ula")
    assert seen(found, "ipv4") == ("none", None, None)
    assert found["paths"]["environment"] == {**CLEAN, "vpn_only": True}


async def test_docker_bridge(net: Net, tmp_path: Path) -> None:
    """A container on Docker's default bridge, on a network of its own, and on the host's."""
    gateway, machine, container = net.host(), net.host(), net.host()
    connect(machine, "eth0", gateway, "lan0")
    give(gateway, "lan0", f"{V6}/64", f"{V4}/24")
    give(machine, "eth0", "2001:db8:0:100::20/64", "192.168.1.20/24")
    machine.ip("link", "add", "docker0", "type", "bridge")
    machine.ip("link", "set", "docker0", "up")
    connect(container, "eth0", machine, "veth1")
    machine.ip("link", "set", "veth1", "master", "docker0")
    give(machine, "docker0", "172.17.0.1/16")
    forward(machine)
    give(container, "eth0", "172.17.0.2/16")
    container.ip("route", "add", "default", "via", "172.17.0.1")
    bridged = {**CLEAN, "docker_bridge": True}
    found = await look(container, V6, V4)
    assert seen(found, "ipv6") == ("none", None, None)
    assert seen(found, "ipv4") == ("routed", "172.17.0.2", "private")
    assert found["paths"]["environment"] == bridged

    (mark := tmp_path / ".dockerenv").touch()
    container.ip("address", "flush", "dev", "eth0")
    give(container, "eth0", "172.20.0.2/16", "fd00:d::2/64")
    container.ip("route", "add", "default", "via", "172.20.0.1")
    container.ip("route", "add", "default", "via", "fd00:d::1")
    assert (await look(container, V6, V4))["paths"]["environment"] == CLEAN
    found = await look(container, V6, V4, mark=mark)
    assert seen(found, "ipv6") == ("routed", "fd00:d::2", "ula")
    assert found["paths"]["environment"] == bridged

    found = await look(machine, V6, V4, mark=mark)
    assert seen(found, "ipv4") == ("same_link", "192.168.1.20", "private")
    assert found["paths"]["environment"] == CLEAN


def translator(host: Host, folder: Path, device: str, *lines: str) -> tuple[str, ...]:
    """Prepare a translator and its tunnel in a host; gives the command that runs it."""
    folder.mkdir()
    configuration = folder / "tayga.conf"
    stated = (f"tun-device {device}", f"prefix {NAT64}", f"data-dir {folder}", *lines)
    configuration.write_text("".join(f"{line}\n" for line in stated))
    command = ("ip", "netns", "exec", host.name, "tayga", "-c", str(configuration))
    subprocess.run([*command, "--mktun"], check=True, capture_output=True)
    host.ip("link", "set", device, "up")
    return (*command, "--nodetach")


@asynccontextmanager
async def tayga(host: Host, folder: Path, device: str, *lines: str) -> AsyncIterator[None]:
    """Run a translator in a host until the block ends."""
    command = translator(host, folder, device, *lines)
    process = await asyncio.create_subprocess_exec(
        *command, stdout=asyncio.subprocess.DEVNULL, stderr=asyncio.subprocess.DEVNULL
    )
    try:
        yield
    finally:
        if process.returncode is None:
            process.terminate()
        await process.wait()


async def test_ipv6_only_host_with_nat64_and_clat(net: Net, tmp_path: Path) -> None:
    """IPv4 gets through two translators, and is known for what it is (RFC 6877)."""
    if not shutil.which("tayga"):
        pytest.skip("needs tayga (apt-get install tayga)")
    gateway, router, here = net.host(), net.host(), net.host()
    connect(gateway, "lan0", router, "wan0")
    connect(router, "lan0", here, "eth0")
    give(gateway, "lan0", f"{V6}/64", f"{V4}/24")
    gateway.ip("route", "add", "192.168.255.0/24", "via", "192.168.1.2")
    gateway.ip("route", "add", "2001:db8:0:110::/60", "via", "2001:db8:0:100::2")
    give(router, "wan0", "2001:db8:0:100::2/64", "192.168.1.2/24")
    give(router, "lan0", "2001:db8:0:110::1/64")
    router.ip("route", "add", "2001:db8:0:111::/64", "via", "2001:db8:0:110::20")
    give(here, "eth0", "2001:db8:0:110::20/64")
    here.ip("route", "add", "default", "via", "2001:db8:0:110::1")
    ask(here, "2001:db8:0:110::1")
    for host in (router, here):
        forward(host)
    async with AsyncExitStack() as stack:
        for host, address in ((router, "2001:db8:0:110::1"), (gateway, V4)):
            await stack.enter_async_context(running(host, "dns64", address))
        await stack.enter_async_context(
            tayga(
                *(router, tmp_path / "nat64", "nat64", "ipv4-addr 192.168.255.1"),
                *("ipv6-addr 2001:db8:0:112::1", "dynamic-pool 192.168.255.0/24"),
            )
        )
        router.ip("route", "add", "192.168.255.0/24", "dev", "nat64")
        router.ip("route", "add", str(NAT64), "dev", "nat64")

        found = await look(here, V6, V4)
        assert seen(found, "ipv6") == ("routed", "2001:db8:0:110::20", "global")
        assert seen(found, "ipv4") == ("translated", None, None)
        assert found["paths"]["environment"] == {**CLEAN, "nat64": True}

        await stack.enter_async_context(
            tayga(
                *(here, tmp_path / "clat", "clat", "ipv4-addr 192.0.0.2"),
                *("ipv6-addr 2001:db8:0:111::2", "map 192.0.0.1 2001:db8:0:111::1"),
            )
        )
        here.ip("address", "add", "192.0.0.1/32", "dev", "clat")
        here.ip("route", "add", "default", "dev", "clat")
        here.ip("route", "add", "2001:db8:0:111::/64", "dev", "clat")
        found = await look(here, V6, V4, try_it=V4)
        assert found["answered"]
        assert seen(found, "ipv6") == ("routed", "2001:db8:0:110::20", "global")
        assert seen(found, "ipv4") == ("translated", "192.0.0.1", "clat")
        assert found["paths"]["environment"] == {**CLEAN, "nat64": True, "clat": True}

        synthesised = str(NAT64[int(IPv4Address(V4))])
        found = await look(here, synthesised)
        assert seen(found, "ipv6") == ("translated", "2001:db8:0:110::20", "global")


async def test_clat_without_its_translator(net: Net) -> None:
    """The address alone tells, whatever made it, and though nobody answers for names."""
    gateway, here = net.host(), net.host()
    connect(here, "eth0", gateway, "lan0")
    give(here, "eth0", "2001:db8:0:100::20/64")
    here.ip("tuntap", "add", "dev", "v4-eth0", "mode", "tun")
    here.ip("link", "set", "v4-eth0", "up")
    here.ip("address", "add", "192.0.0.4/32", "dev", "v4-eth0")
    here.ip("route", "add", "default", "dev", "v4-eth0")
    async with running(here, "hold", "v4-eth0"):
        found = await look(here, V6, V4)
    assert seen(found, "ipv6") == ("same_link", "2001:db8:0:100::20", "global")
    assert seen(found, "ipv4") == ("translated", "192.0.0.4", "clat")
    assert found["paths"]["environment"] == {**CLEAN, "clat": True}


def _say(text: str) -> None:
    """Tell the test."""
    print(text, flush=True)  # noqa: T201 - this is a command


async def _look(words: list[str]) -> None:
    """Tell the paths to the literals that are named, as JSON."""
    options = dict[str, str]()
    while words and words[0].startswith("--"):
        options[words[0]], words = words[1], words[2:]
    gateway = [
        Endpoint(address=literal, family=family)
        for literal in words
        if (family := literal_family(literal))
    ]
    finder = PathFinder(marks=[Path(options.get("--mark", "/nowhere"))])
    paths = await finder.find(gateway)
    sources = usable_sources(await finder.snapshot(gateway))
    answered = "--try" in options and _is_answered(options["--try"])
    found = {"paths": asdict(paths), "sources": [asdict(each) for each in sources]}
    _say(json.dumps({**found, "answered": answered}))


def _is_answered(address: str) -> bool:
    """Send a question over IPv4, a few times; tells whether an answer came."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.settimeout(1.0)
        for _ in range(5):
            sock.sendto(struct.pack(">HHHHHH", 1, 0x100, 0, 0, 0, 0), (address, 53))
            try:
                sock.recv(512)
            except TimeoutError:
                continue
            return True
    return False


def _dns64(address: str) -> None:
    """Answer every question for an AAAA as DNS64 would for ipv4only.arpa (RFC 7050 §8)."""
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    with socket.socket(family, socket.SOCK_DGRAM) as sock:
        sock.bind((address, 53))
        _say("ready")
        while True:
            question, client = sock.recvfrom(512)
            end = question.find(b"\0", 12) + 5
            records = b""
            if question[end - 4 : end - 2] == b"\0\x1c":
                head = b"\xc0\x0c" + struct.pack(">HHIH", 28, 1, 60, 16)
                known = (IPv4Address("192.0.0.170"), IPv4Address("192.0.0.171"))
                made = [IPv6Address(int(NAT64.network_address) | int(each)) for each in known]
                records = b"".join(head + each.packed for each in made)
            counts = struct.pack(">HHHHH", 0x8180, 1, 2 if records else 0, 0, 0)
            sock.sendto(question[:2] + counts + question[12:end] + records, client)


def _hold(name: str) -> None:
    """Be the far end of a tunnel: without one it has no carrier."""
    tunnel, without_head = 0x0001, 0x1000
    with Path("/dev/net/tun").open("r+b", buffering=0) as device:
        set_interface = 0x400454CA
        fcntl.ioctl(
            device, set_interface, struct.pack("16sH", name.encode(), tunnel | without_head)
        )
        state = Path(f"/sys/class/net/{name}/operstate")
        end = time.monotonic() + 5
        while state.read_text().strip() == "down" and time.monotonic() < end:
            time.sleep(0.05)
        _say("ready")
        while True:
            device.read(2048)


if __name__ == "__main__":
    if sys.argv[1] == "look":
        asyncio.run(_look(sys.argv[2:]))
    else:
        {"dns64": _dns64, "hold": _hold}[sys.argv[1]](sys.argv[2])

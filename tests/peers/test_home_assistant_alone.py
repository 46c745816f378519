"""What the demo's and the tests' Home Assistant sends beyond loopback: nothing."""

import asyncio
import contextlib
import socket
import subprocess
from collections.abc import Iterator
from ipaddress import ip_address
from pathlib import Path
from typing import override

import pytest

from scripts.home_assistant import Client, HomeAssistant
from tests.home_gateway.gateway import HomeGateway

from .network import FAR, Network, needs_namespaces

pytestmark = [
    needs_namespaces(),
    pytest.mark.usefixtures("loopback"),
    pytest.mark.timeout(240),
]
_TCP, _UDP = 6, 17
_SETTLES_SECONDS = 5.0


class _Border(Network):
    """A house whose every way out leads here; ``left`` tells what came."""

    def __init__(self) -> None:
        """Begin with nothing seen."""
        super().__init__()
        self.left: list[str] = []

    @override
    def _deliver(self, destination: int, packet: bytes) -> None:
        """Note where a packet was to go, and let it go nowhere."""
        if packet[0] >> 4 == 4:
            protocol, to = packet[9], ip_address(packet[16:20])
        else:
            # The kernel's own neighbour discovery is ICMPv6.
            protocol, to = packet[6], ip_address(packet[24:40])
        if protocol in (_TCP, _UDP):
            self.left.append(str(to))


@contextlib.contextmanager
def _local_resolver(border: _Border) -> Iterator[None]:
    """Note questions to a resolver on this machine as well, where the system has one."""
    words = map(str.split, Path("/etc/resolv.conf").read_text().splitlines())
    servers = {ip_address(line[1]) for line in words if line[:1] == ["nameserver"]}
    with contextlib.ExitStack() as open_sockets:
        for server in (each for each in servers if each.is_loopback):
            family = socket.AF_INET6 if server.version == 6 else socket.AF_INET
            ear = open_sockets.enter_context(socket.socket(family, socket.SOCK_DGRAM))
            ear.setblocking(False)
            ear.bind((str(server), 53))
            asyncio.get_running_loop().add_reader(ear, _note, ear, str(server), border)
            open_sockets.callback(asyncio.get_running_loop().remove_reader, ear)
        yield


def _note(ear: socket.socket, server: str, border: _Border) -> None:
    """Note a question to the resolver."""
    ear.recv(512)
    border.left.append(f"{server}, to be resolved")


def _lead_out() -> None:
    """Have everything that is not on loopback go over the border."""
    for version, address in FAR.items():
        route = ["ip", f"-{version}", "route", "add", "default", "via", address]
        subprocess.run(route, check=True)


async def test_nothing_leaves(tmp_path: Path) -> None:
    """It starts, a line is set up in it, a call rings: no packet and no question leaves."""
    home = HomeAssistant(tmp_path / "config")
    async with _Border() as border:
        with border.near(), _local_resolver(border):
            _lead_out()
            async with HomeGateway() as gateway, home, Client(home.url) as client:
                await client.wait_until_running()
                await client.add_line(
                    {
                        "name": "Home",
                        "gateway": "::1",
                        "extension": "3",
                        "user_id": "0003",
                        "password": "secret-3",
                        "family": "automatic",
                        "port": gateway.port_v6,
                    }
                )
                call = await gateway.ring("3", caller="0312345678")
                await asyncio.sleep(_SETTLES_SECONDS)
                await call.cancel()
    assert border.left == []

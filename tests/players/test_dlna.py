"""gmediarender, a DLNA renderer, played by Home Assistant's own integration.

A renderer announces itself to the whole network, and takes no loopback for one: all this
happens in a network of its own, which root can make.
"""

import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from unittest.mock import patch

import pytest
import pytest_socket
from homeassistant.core import HomeAssistant
from homeassistant.helpers import entity_registry as er
from pytest_homeassistant_custom_component.common import (
    MockConfigEntry,
    MockModule,
    mock_integration,
)

from tests.peers.processes import Peer, needs

from .listening_room import ListeningRoom, has_tone, until

ADDRESS = "192.0.2.1"
PORT = 49500
UUID = "5c1d9f0e-0000-4000-8000-00000000d31a"
PIPE = "audioconvert ! audioresample ! audio/x-raw,format=S16LE,rate=8000,channels=1 ! filesink"
INTERFACE = "wire"


@pytest.fixture
def own_network() -> Iterator[None]:
    """Move this thread, and all that it starts, into a network with one wire to nowhere."""
    if os.geteuid() != 0 or not (ip := shutil.which("ip")):
        pytest.skip("needs root and iproute2 for a network of its own")
    before = os.open("/proc/thread-self/ns/net", os.O_RDONLY)
    try:
        os.unshare(os.CLONE_NEWNET)
    except OSError as error:
        os.close(before)
        pytest.skip(f"this machine makes no network namespace: {error}")
    try:
        for command in (
            "link set lo up",
            f"link add {INTERFACE} type veth peer name other",
            f"link set {INTERFACE} addrgenmode none",
            f"address add {ADDRESS}/24 dev {INTERFACE}",
            "link set other up",
            f"link set {INTERFACE} up",
        ):
            subprocess.run([ip, *command.split()], check=True)
        yield
    finally:
        os.setns(before, os.CLONE_NEWNET)
        os.close(before)


@pytest.fixture
def no_search(hass: HomeAssistant) -> Iterator[None]:
    """Leave out the search for renderers: the one that there is has a known address."""
    mock_integration(hass, MockModule("ssdp"))

    async def registered(*_: Any) -> Any:
        return lambda: None

    with patch(
        "homeassistant.components.dlna_dmr.media_player.ssdp.async_register_callback", registered
    ):
        yield


class Renderer(Peer):
    """A renderer that plays into a file."""

    def __init__(self, folder: Path) -> None:
        """Keep where it plays to."""
        self.heard = folder / "heard"
        super().__init__(
            "gmediarender",
            [
                *("-I", INTERFACE, "-p", str(PORT), "-u", UUID, "-f", "Kitchen"),
                *("--logfile=stdout", f"--gstout-audiopipe={PIPE} location={self.heard}"),
            ],
            folder,
        )

    async def ready(self) -> None:
        """Wait until it serves."""
        await self.line("Ready for rendering", time_limit=30)


@needs("gmediarender")
async def test_renderer_plays_and_stops(
    own_network: None, no_search: None, room: ListeningRoom, tmp_path: Path
) -> None:
    """It is started by `listen` while it rings, gets MP3, and is idle after the call."""
    pytest_socket.socket_allow_hosts(["127.0.0.1", "::1", ADDRESS], allow_unix_socket=True)
    async with Renderer(tmp_path) as renderer:
        entry = MockConfigEntry(
            domain="dlna_dmr",
            title="Kitchen",
            unique_id=f"uuid:{UUID}",
            data={
                "url": f"http://{ADDRESS}:{PORT}/description.xml",
                "device_id": f"uuid:{UUID}",
                "type": "urn:schemas-upnp-org:device:MediaRenderer:1",
            },
        )
        entry.add_to_hass(room.hass)
        assert await room.hass.config_entries.async_setup(entry.entry_id)
        await room.hass.async_block_till_done()
        (player,) = er.async_entries_for_config_entry(er.async_get(room.hass), entry.entry_id)

        def is_state(*states: str) -> bool:
            state = room.hass.states.get(player.entity_id)
            return state is not None and state.state in states

        await until(lambda: is_state("idle"))
        await room.ring()
        await room.listen(player.entity_id)
        await until(lambda: is_state("playing"))
        await room.answer()
        await until(lambda: renderer.heard.exists() and has_tone(renderer.heard.read_bytes()))
        await room.hang_up()
        await until(lambda: is_state("idle"))
        assert await room.hass.config_entries.async_unload(entry.entry_id)
    assert not [line for line in renderer.lines if "ERROR" in line and "upnp" not in line]

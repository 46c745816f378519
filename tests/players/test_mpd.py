"""mpd, played by Home Assistant's own integration."""

from pathlib import Path

from homeassistant.helpers import entity_registry as er
from homeassistant.helpers.entity_component import async_update_entity
from pytest_homeassistant_custom_component.common import MockConfigEntry

from tests.peers.processes import Peer, free_port, needs

from .listening_room import ListeningRoom, has_tone, until

CONFIGURATION = """
bind_to_address "127.0.0.1"
port "{port}"
pid_file "{folder}/pid"
log_file "{folder}/log"
zeroconf_enabled "no"
input {{
    plugin "curl"
}}
audio_output {{
    type "pipe"
    name "file"
    command "cat > {folder}/heard"
    format "8000:16:1"
}}
"""


DECODERS = ("decoder", "mad:", "mpg123:", "ffmpeg")


class Mpd(Peer):
    """An mpd that plays into a file."""

    def __init__(self, folder: Path) -> None:
        """Write its configuration."""
        self.port = free_port("127.0.0.1")
        self.heard = folder / "heard"
        configuration = folder / "mpd.conf"
        configuration.write_text(CONFIGURATION.format(port=self.port, folder=folder))
        super().__init__("mpd", ["--no-daemon", str(configuration)], folder)

    async def ready(self) -> None:
        """Wait until it takes connections."""
        await until((self.folder / "pid").exists)


@needs("mpd")
async def test_mpd_plays_and_stops(room: ListeningRoom, tmp_path: Path) -> None:
    """It is started by `listen` while it rings, and is idle after the call."""
    async with Mpd(tmp_path) as mpd:
        entry = MockConfigEntry(domain="mpd", data={"host": "127.0.0.1", "port": mpd.port})
        entry.add_to_hass(room.hass)
        assert await room.hass.config_entries.async_setup(entry.entry_id)
        await room.hass.async_block_till_done()
        (player,) = er.async_entries_for_config_entry(er.async_get(room.hass), entry.entry_id)

        async def is_state(*states: str) -> bool:
            await async_update_entity(room.hass, player.entity_id)
            state = room.hass.states.get(player.entity_id)
            return state is not None and state.state in states

        await room.ring()
        await room.listen(player.entity_id)
        await until(lambda: is_state("playing"))
        await room.answer()
        await until(lambda: mpd.heard.exists() and has_tone(mpd.heard.read_bytes()))
        await room.hang_up()
        await until(lambda: is_state("idle", "off", "paused"))
        assert await room.hass.config_entries.async_unload(entry.entry_id)
    said = (tmp_path / "log").read_text().splitlines()
    assert not [line for line in said if any(word in line for word in DECODERS)], said

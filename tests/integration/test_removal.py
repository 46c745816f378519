"""What is kept of lines: how long it stays, and that it goes with them."""

from pathlib import Path
from typing import Any

import pytest
from homeassistant.config_entries import SOURCE_IGNORE, ConfigEntryState
from homeassistant.const import EVENT_HOMEASSISTANT_FINAL_WRITE
from homeassistant.core import HomeAssistant
from homeassistant.helpers import device_registry as dr
from homeassistant.helpers import entity_registry as er
from homeassistant.helpers import issue_registry as ir
from pytest_homeassistant_custom_component.common import MockConfigEntry

from custom_components.hikari_denwa.const import DOMAIN
from custom_components.hikari_denwa.engine import EngineApp, EngineChoice, engine_keeper
from custom_components.hikari_denwa.storage import HikariStore

from .conftest import ENTRY_DATA
from .fake_engine import FakeEngine

APP = EngineApp(uuid="4f0e", name="Hikari Denwa", url="ws://127.0.0.1:8765", token="word")
OTHERS = ("core.something", f"{DOMAIN}_of_somebody_else")


@pytest.fixture
def hass_config_dir(tmp_path: Path) -> str:
    """Give Home Assistant a folder of its own."""
    return str(tmp_path)


@pytest.fixture
def hass_storage() -> dict[str, Any]:
    """Have Home Assistant really write, and remove."""
    return {}


@pytest.fixture
def storage(hass: HomeAssistant, tmp_path: Path) -> Path:
    """Return the storage's folder, with files of others in it."""
    folder = tmp_path / ".storage"
    folder.mkdir(exist_ok=True)
    for name in OTHERS:
        (folder / name).write_text("{}")
    return folder


def names(storage: Path) -> set[str]:
    """Return the names of the files in the storage."""
    return {path.name for path in storage.iterdir()}


async def add(hass: HomeAssistant, entry_id: str, **details: Any) -> MockConfigEntry:
    """Add a line and set it up."""
    entry = MockConfigEntry(
        domain=DOMAIN, title=entry_id, entry_id=entry_id, data=ENTRY_DATA, **details
    )
    entry.add_to_hass(hass)
    await hass.config_entries.async_setup(entry_id)
    await hass.async_block_till_done()
    assert entry.state is ConfigEntryState.LOADED
    return entry


async def remove(hass: HomeAssistant, entry_id: str) -> set[str]:
    """Remove a line, let Home Assistant write all that it still has; returns the files' names."""
    await hass.config_entries.async_remove(entry_id)
    await hass.async_block_till_done()
    hass.bus.async_fire(EVENT_HOMEASSISTANT_FINAL_WRITE)
    await hass.async_block_till_done()
    kept = names(Path(hass.config.path(".storage")))
    return {name for name in kept if name.startswith(f"{DOMAIN}.")}


async def test_files_go_with_their_line(
    hass: HomeAssistant, engine: FakeEngine, storage: Path
) -> None:
    """A line takes its own along, the last one all; what waits to be written is not."""
    lines = ("line-1", "line-2")
    for line in lines:
        await add(hass, line)
        own = HikariStore[dict[str, int]](hass, 1, "calls", line=line)
        await own.async_save({"kept": 1})
        own.async_delay_save(lambda: {"kept": 2}, 3600)
    gone: list[str] = []
    shared = HikariStore[dict[str, int]](hass, 1, "all", on_removed=lambda: gone.append("all"))
    await shared.async_save({"kept": 1})
    shared.async_delay_save(lambda: {"kept": 2}, 3600)
    await engine_keeper(hass).async_take_app(APP)
    (storage / f"{DOMAIN}.calls.line-1.corrupt.2026").touch()
    (storage / f"{DOMAIN}.of_an_earlier_version").touch()
    assert (storage / shared.key).stat().st_mode & 0o777 == 0o600

    left = await remove(hass, "line-1")
    assert left >= {f"{DOMAIN}.{name}" for name in ("all", "calls.line-2", "engine_app")}
    assert not [name for name in left if "line-1" in name]
    assert gone == []
    assert await engine_keeper(hass).async_app() == APP

    assert await remove(hass, "line-2") == set()
    assert gone == ["all"]
    assert await engine_keeper(hass).async_app() is None
    assert names(storage) >= set(OTHERS)
    assert not er.async_get(hass).entities
    assert not dr.async_get(hass).devices
    assert not [key for key in ir.async_get(hass).issues if key[0] == DOMAIN]


async def test_ignored_discovery_is_no_line(
    hass: HomeAssistant, engine: FakeEngine, storage: Path
) -> None:
    """Somebody who once ignored the app leaves nothing behind with the last line."""
    MockConfigEntry(
        domain=DOMAIN, source=SOURCE_IGNORE, unique_id="4f0e", entry_id="ignored"
    ).add_to_hass(hass)
    await add(hass, "line-1")
    await HikariStore[dict[str, int]](hass, 1, "all").async_save({"kept": 1})
    assert await remove(hass, "line-1") == set()


async def test_app_is_written_down_with_the_first_line(
    hass: HomeAssistant, engine: FakeEngine, storage: Path
) -> None:
    """Who takes the app and then adds no line leaves no file behind."""
    await engine_keeper(hass).async_take_app(APP)
    async with engine_keeper(hass).use(EngineChoice()):
        assert not (storage / f"{DOMAIN}.engine_app").exists()
    await add(hass, "line-1")
    assert APP.token in (storage / f"{DOMAIN}.engine_app").read_text()


@pytest.mark.parametrize("minor_version", [1, 9])
async def test_entries_of_other_minor_versions_load(
    hass: HomeAssistant, engine: FakeEngine, storage: Path, minor_version: int
) -> None:
    """An entry of the first release has no options; a newer one may know options that we do not."""
    options = {} if minor_version == 1 else {"of_the_future": True}
    entry = await add(hass, "line-1", version=1, minor_version=minor_version, options=options)
    assert entry.options == options

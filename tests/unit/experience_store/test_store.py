"""What calls taught survives restarts, other versions, damage and kill -9."""
# ruff: noqa: ASYNC240 - the files of a test are small

import asyncio
import json
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from homeassistant.const import EVENT_HOMEASSISTANT_FINAL_WRITE
from homeassistant.core import HomeAssistant
from homeassistant.util import dt as dt_util
from pytest_homeassistant_custom_component.common import (
    MockConfigEntry,
    async_test_home_assistant,
)

from custom_components.hikari_denwa.const import DOMAIN
from custom_components.hikari_denwa.experience_store import ExperienceStore, gateway_key
from custom_components.hikari_denwa.telephony.calls import Family
from custom_components.hikari_denwa.telephony.experience import MAX_AGE, Outcome, Result
from custom_components.hikari_denwa.telephony.numbers import NumberKind

ROOT = Path(__file__).parents[3]
ENTRY_DATA = {"gateway": "2001:db8::1", "extension": "3", "port": 5060}
ROUNDS = 60
GATEWAY = "2001:db8::1 5060"
NUMBER = "0312345678"
STORAGE_KEY = f"{DOMAIN}.experience"


def outcome(number: str = NUMBER, *, age: float = 0.0) -> Outcome:
    """Return an outcome of some seconds ago."""
    return Outcome(
        number=number,
        kind=NumberKind.LANDLINE,
        family=Family.IPV4,
        result=Result.REACHED,
        at=dt_util.utcnow().timestamp() - age,
    )


def row(number: str = NUMBER) -> dict[str, Any]:
    """Return an outcome as the first version wrote it, without ``withheld``."""
    return {
        "number": number,
        "kind": "landline",
        "family": "ipv4",
        "result": "reached",
        "at": dt_util.utcnow().timestamp(),
    }


@pytest.fixture
def storage(tmp_path: Path) -> Path:
    """Return the store's file in a folder of this test."""
    (tmp_path / ".storage").mkdir()
    return tmp_path / ".storage" / STORAGE_KEY


@pytest.fixture
async def house(tmp_path: Path) -> AsyncIterator[HomeAssistant]:
    """Return a Home Assistant that really writes, as that of pytest's fixture does not."""
    async with async_test_home_assistant(config_dir=str(tmp_path)) as hass:
        yield hass
        await hass.async_stop(force=True)


def keep(storage: Path, data: object, *, version: int = 1, minor: int = 2) -> str:
    """Write a file of some version; returns its text."""
    text = json.dumps(
        {"version": version, "minor_version": minor, "key": STORAGE_KEY, "data": data}
    )
    storage.write_text(text)
    return text


async def loaded(hass: HomeAssistant) -> ExperienceStore:
    """Return a store that has read its file."""
    store = ExperienceStore(hass)
    await store.async_load()
    return store


async def written(hass: HomeAssistant) -> None:
    """Let Home Assistant write what it would write before it stops."""
    hass.bus.async_fire(EVENT_HOMEASSISTANT_FINAL_WRITE)
    await hass.async_block_till_done(wait_background_tasks=True)


async def test_is_kept(house: HomeAssistant, storage: Path) -> None:
    """The next start knows it; what is old is left out, what is forgotten is gone."""
    store = await loaded(house)
    store.note(GATEWAY, outcome("0451234567", age=MAX_AGE + 60))
    store.note(GATEWAY, outcome())
    await written(house)
    again = await loaded(house)
    assert set(again.of(GATEWAY).outcomes) == {NUMBER}
    assert storage.stat().st_mode & 0o077 == 0
    assert again.of("another 5060").outcomes == {}
    assert again.forget(GATEWAY, NUMBER) == 1
    await written(house)
    assert (await loaded(house)).of(GATEWAY).outcomes == {}


@pytest.mark.parametrize("shared", [False, True])
async def test_follows_a_gateway_that_moves(house: HomeAssistant, shared: bool) -> None:
    """A line's new address has what the old one knew; another line at the old one keeps it."""
    entry = MockConfigEntry(domain=DOMAIN, data=ENTRY_DATA)
    entry.add_to_hass(house)
    if shared:
        MockConfigEntry(domain=DOMAIN, data={**ENTRY_DATA, "extension": "4"}).add_to_hass(house)
    store = await loaded(house)
    store.note(GATEWAY, outcome(age=60))
    told: list[int] = []
    store.subscribe(lambda: told.append(len(store.of("2001:db8:0:7::1 5060").outcomes)))
    store.follow(entry)
    store.follow(entry)
    assert told == []
    moved = {**ENTRY_DATA, "gateway": "2001:db8:0:7::1"}
    house.config_entries.async_update_entry(entry, data=moved)
    store.follow(entry)
    assert told == ([1] if shared else [1, 1])
    await written(house)
    again = await loaded(house)
    assert list(again.of("2001:db8:0:7::1 5060").outcomes) == [NUMBER]
    assert set(again.of(GATEWAY).outcomes) == ({NUMBER} if shared else set())


async def test_older_file_is_migrated(house: HomeAssistant, storage: Path) -> None:
    """The first layout knew no gateways; a copy of it stays."""
    entry = MockConfigEntry(domain=DOMAIN, data=ENTRY_DATA)
    entry.add_to_hass(house)
    text = keep(storage, {"version": 1, "outcomes": [row()]}, minor=1)
    store = await loaded(house)
    assert set(store.of(gateway_key(entry)).outcomes) == {NUMBER}
    (copy,) = storage.parent.glob(f"{STORAGE_KEY}.before-migration-*")
    assert copy.read_text() == text
    assert set((await loaded(house)).of(gateway_key(entry)).outcomes) == {NUMBER}


@pytest.mark.parametrize(("version", "minor"), [(2, 1), (1, 3), (9, 9)])
async def test_newer_file_is_left_alone(
    house: HomeAssistant, storage: Path, version: int, minor: int
) -> None:
    """What a newer version wrote is there when it comes back, whatever happens meanwhile."""
    held = {"gateways": {GATEWAY: {"outcomes": [row()]}}, "news": True}
    text = keep(storage, held, version=version, minor=minor)
    store = await loaded(house)
    assert bool(store.of(GATEWAY).outcomes) is (version == 1)
    store.note(GATEWAY, outcome("0451234567"))
    await written(house)
    assert storage.read_text() == text


@pytest.mark.parametrize(
    "text",
    [
        "{",
        "",
        "[]",
        "[1, 2]",
        '"words"',
        "17",
        '{"version": 1}',
        '{"data": {}}',
        '{"version": "x", "minor_version": 2, "data": {}}',
        '{"version": 1, "minor_version": 2, "data": [1]}',
        '{"version": 1, "minor_version": 2, "data": {"gateways": 7}}',
        '{"version": 1, "minor_version": 2, "data": {"gateways": {"g": {"outcomes": [7]}}}}',
    ],
)
async def test_unreadable_file_is_set_aside(house: HomeAssistant, storage: Path, text: str) -> None:
    """Nothing stands still for a damaged file, and its content is not destroyed."""
    storage.write_text(text)
    store = await loaded(house)
    store.note(GATEWAY, outcome())
    await written(house)
    assert set((await loaded(house)).of(GATEWAY).outcomes) == {NUMBER}
    kept = [path.read_text() for path in storage.parent.glob(f"{STORAGE_KEY}.*")]
    assert text in kept


async def test_survives_kill(tmp_path: Path) -> None:
    """Killed at any moment, the file holds all that was on the disk, whole."""
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "tests.unit.experience_store.killed_writer",
        str(tmp_path),
        str(ROUNDS),
        cwd=ROOT,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    async with asyncio.timeout(55):
        told, errors = await process.communicate()
    assert process.returncode == 0, told.decode() + errors.decode()
    assert len(told.splitlines()) == ROUNDS

"""The Marketplace of Home Assistant itself installs, updates and removes the integration."""

import asyncio
import time
from pathlib import Path
from typing import Any

import pytest

from scripts.home_assistant import HomeAssistantError

from .house import DOOR, MARKS, House, house
from .releases import HACS, REPOSITORY, REPOSITORY_ID, Shop, make_release, open_shop

OLD, NEW = "1.0.0", "1.0.1"

pytestmark = MARKS


async def test_marketplace(tmp_path: Path) -> None:
    """From the shelf to a line that rings without a restart, to a newer version, to nothing."""
    async with open_shop() as shop:
        old = make_release(tmp_path, OLD, {"only_in_the_old_one.py": ""})
        new = make_release(tmp_path, NEW)
        shop.releases.append(old)
        async with house(tmp_path, shop) as here:
            before = len(here.udp_sockets())
            with pytest.raises(HomeAssistantError, match="404"):
                await here.add_line("Home")
            await _install(here, shop)
            assert here.holds(old)
            assert await here.repairs() == []

            entry = await here.add_line("Home")
            entry_id = entry["entry_id"]
            await here.rings(entry_id)
            await here.set_option(entry_id, door_phones=[DOOR], call_waiting=True)
            await here.dials(entry_id)
            entities = await here.client.entities(entry_id)

            shop.releases.append(new)
            await _update(here)
            assert here.holds(new)
            assert await here.version() == OLD
            await here.rings(entry_id)
            assert await here.repairs() == ["restart_required"]
            assert here.complaints() == []
            stored = await here.restart()
            assert here.home.left_behind == set()
            assert await here.repairs() == []
            assert await here.version() == NEW
            assert (await here.entry(entry_id))["state"] == "loaded"
            assert await here.client.entities(entry_id) == entities
            assert here.stored == stored
            assert await _options(here, entry_id) == {"door_phones": [DOOR], "call_waiting": True}
            await here.rings(entry_id)

            with pytest.raises(HomeAssistantError, match="repository_in_use"):
                await _uninstall(here)
            await here.delete_line(entry_id)
            await here.gateway.unregistered()
            await here.until(lambda: not here.processes())
            assert len(here.udp_sockets()) <= before
            assert here.stored == {}
            await _uninstall(here)
            assert not here.integration.exists()
            assert here.complaints() == []
            await here.restart()
            assert here.home.left_behind == set()
            assert await here.repairs() == []
            with pytest.raises(HomeAssistantError, match="404"):
                await here.add_line("Home")
            assert here.complaints() == []
        assert here.traces() == []


async def _install(here: House, shop: Shop) -> None:
    """Accept the warning, and install what is on the shelf."""
    shelf = await _shelf(here, "default", "new")
    assert shelf["full_name"] == REPOSITORY
    assert shelf["name"] == HACS["name"]
    assert shelf["can_install"]
    await here.client.command("marketplace/warning/accept")
    await here.client.command("marketplace/repository/install", repository=REPOSITORY_ID)
    asked = [path for path in shop.asked if path.startswith("/api")]
    assert asked == [], "an install from the catalog needs nobody's account"


async def _update(here: House) -> None:
    """Have the Marketplace read the catalog anew, and install the newer version."""
    entries = await here.client.command("config_entries/get", domain="marketplace")
    path = f"/api/config/config_entries/entry/{entries[0]['entry_id']}/reload"
    await here.client.post(path, {})
    shelf = await _shelf(here, "pending-upgrade")
    assert shelf["available_version"] == f"v{NEW}"
    await here.client.command("marketplace/repository/install", repository=REPOSITORY_ID)


async def _uninstall(here: House) -> None:
    """Remove the integration."""
    await here.client.command("marketplace/repository/uninstall", repository=REPOSITORY_ID)


async def _shelf(here: House, *states: str) -> dict[str, Any]:
    """Wait until the Marketplace shows the integration in one of some states."""
    deadline = time.monotonic() + 60
    shown: list[dict[str, Any]] = []
    while time.monotonic() < deadline:
        try:
            shown = await here.client.command("marketplace/repositories/list")
        except HomeAssistantError:
            shown = []
        for one in shown:
            if one["id"] == REPOSITORY_ID and one["status"] in states:
                return one
        await asyncio.sleep(0.2)
    raise AssertionError(f"{states} is not shown: {shown}")


async def _options(here: House, entry_id: str) -> dict[str, Any]:
    """Return the options that the form begins with."""
    path = "/api/config/config_entries/options/flow"
    shown = await here.client.post(path, {"handler": entry_id})
    wanted = ("door_phones", "call_waiting")
    return {
        field["name"]: field.get("description", {}).get("suggested_value", field.get("default"))
        for field in shown["data_schema"]
        if field["name"] in wanted
    }

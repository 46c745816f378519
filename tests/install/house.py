"""A house with a home gateway and a real Home Assistant, which has yet to get the integration."""

import asyncio
import json
import os
import re
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from importlib.util import find_spec
from itertools import count
from pathlib import Path
from typing import Any

import pytest

from scripts.home_assistant import (
    DOMAIN,
    Client,
    HomeAssistant,
    HomeAssistantOptions,
    descendants,
)
from tests.home_gateway.gateway import HomeGateway

from .releases import Release, Shop

MARKS = [
    pytest.mark.timeout(240),
    pytest.mark.usefixtures("loopback"),
    pytest.mark.skipif(
        not find_spec("turbojpeg"),
        reason="only the newest environment has all that a Home Assistant by itself needs",
    ),
]
PARTS = Path(__file__).parent / "parts"
DOOR = "16"
_FRIEND = "0451110001"
_PATIENCE_SECONDS = 30.0
# Home Assistant remembers what was removed for a while, in case that it comes back.
_REMEMBERS = {
    "core.entity_registry": "deleted_entities",
    "core.device_registry": "deleted_devices",
}
# What the Marketplace has on its shelves, and Home Assistant's last states of all entities.
_OTHERS = re.compile(r"marketplace(_|\.)|core\.restore_state$")


class House:
    """What a person does in it, and what can be seen from outside."""

    def __init__(self, home: HomeAssistant, gateway: HomeGateway) -> None:
        """Begin with a Home Assistant that has started for the first time."""
        self.home = home
        self.gateway = gateway
        self.client: Client
        self._callers = count(10)

    @property
    def integration(self) -> Path:
        """Return the folder that the integration is to be in."""
        return self.home.folder / "custom_components" / DOMAIN

    @property
    def stored(self) -> dict[str, bytes]:
        """Return the integration's own files in the storage."""
        folder = self.home.folder / ".storage"
        return {path.name: path.read_bytes() for path in folder.glob(f"{DOMAIN}*")}

    def holds(self, release: Release) -> bool:
        """Tell whether the folder holds a release, all of it and nothing else."""
        paths = (path for path in self.integration.rglob("*") if path.is_file())
        found = {
            str(path.relative_to(self.integration)): path.read_bytes()
            for path in paths
            if path.suffix != ".pyc"
        }
        return found == release.files

    async def restart(self) -> dict[str, bytes]:
        """Restart Home Assistant and log in again; returns what was stored meanwhile."""
        await self.leave()
        await self.home.stop()
        stored = self.stored
        await self.home.restart()
        await self.enter()
        return stored

    async def enter(self) -> None:
        """Log in, and wait until everything is loaded."""
        self.client = await Client(self.home.url).__aenter__()
        await self.client.wait_until_running()

    async def leave(self) -> None:
        """Log out."""
        await self.client.__aexit__(None, None, None)

    async def add_line(self, name: str, extension: str = "3") -> dict[str, Any]:
        """Add a line in the dialog; raises HomeAssistantError if there is none."""
        return await self.client.add_line(
            {
                "name": name,
                "gateway": "::1",
                "extension": extension,
                "user_id": f"000{extension}",
                "password": f"secret-{extension}",
                "port": self.gateway.port_v6,
            }
        )

    async def set_option(self, entry_id: str, **options: Any) -> None:
        """Fill in the options as a person does, and wait until the line is back."""
        before = self.gateway.binding()
        await self.client.set_options(entry_id, options)
        await self.until(lambda: self.gateway.binding() not in (None, before))
        await self.loaded(entry_id)

    async def loaded(self, entry_id: str) -> None:
        """Wait until a line is set up."""
        deadline = time.monotonic() + _PATIENCE_SECONDS
        while (entry := await self.entry(entry_id))["state"] != "loaded":
            assert time.monotonic() < deadline, f"The line is not set up: {entry}"
            await asyncio.sleep(0.1)

    async def delete_line(self, entry_id: str) -> None:
        """Delete a line."""
        await self.client.delete(f"/api/config/config_entries/entry/{entry_id}")

    async def entry(self, entry_id: str) -> dict[str, Any]:
        """Return a config entry."""
        entries = await self.client.command("config_entries/get", domain=DOMAIN)
        found: dict[str, Any] = next(one for one in entries if one["entry_id"] == entry_id)
        return found

    async def version(self) -> str:
        """Return the version that runs."""
        manifest = await self.client.command("manifest/get", integration=DOMAIN)
        version: str = manifest["version"]
        return version

    async def repairs(self) -> list[str]:
        """Return which repairs of the integration or of the Marketplace are shown."""
        issues = (await self.client.command("repairs/list_issues"))["issues"]
        ours = {DOMAIN, "marketplace"}
        return [
            issue["translation_key"]
            for issue in issues
            if ours & {issue["domain"], issue["issue_domain"]}
        ]

    async def rings(self, entry_id: str, extension: str = "3") -> None:
        """Have somebody call and hang up, and wait until the line's event entity has told both."""
        entity_id = (await self.client.entities(entry_id))["event.call"]
        await self.gateway.registered(extension, within=_PATIENCE_SECONDS)
        caller = f"03123456{next(self._callers)}"
        call = await self.gateway.ring(extension, caller=caller)
        await call.ringing(within=_PATIENCE_SECONDS)
        await self._told(entity_id, caller, "incoming")
        await call.hang_up()
        await call.ended(within=_PATIENCE_SECONDS)
        await self._told(entity_id, caller, "missed")

    async def dials(self, entry_id: str) -> None:
        """Call somebody with the line's button, and wait until what that taught is kept."""
        entities = await self.client.entities(entry_id)
        await self.client.entity_action("text.set_value", entities["text.number"], value=_FRIEND)
        placed = len(self.gateway.placed)
        await self.client.entity_action("button.press", entities["button.dial"])
        call = await self.gateway.next_call(after=placed, within=_PATIENCE_SECONDS)
        await call.answered(within=_PATIENCE_SECONDS)
        await call.hang_up()
        await call.ended(within=_PATIENCE_SECONDS)
        await self.until(lambda: f"{DOMAIN}.experience" in self.stored)

    async def _told(self, entity_id: str, caller: str, event: str) -> None:
        """Wait until an event entity tells of a caller."""
        deadline = time.monotonic() + _PATIENCE_SECONDS
        told: dict[str, Any] = {}
        while (told.get("number"), told.get("event_type")) != (caller, event):
            assert time.monotonic() < deadline, f"{event} of {caller} is not told, but {told}"
            await asyncio.sleep(0.1)
            told = (await self.client.states())[entity_id]["attributes"]

    async def until(self, fact: Callable[[], bool]) -> None:
        """Wait until something is so."""
        deadline = time.monotonic() + _PATIENCE_SECONDS
        while not fact():
            assert time.monotonic() < deadline, "It does not come to pass."
            await asyncio.sleep(0.1)

    def processes(self) -> set[int]:
        """Return the processes that Home Assistant has started and that still run."""
        assert self.home.process
        return descendants(self.home.process.pid)

    def udp_sockets(self) -> set[str]:
        """Return the UDP sockets of Home Assistant and its processes."""
        assert self.home.process
        open_ = set()
        for pid in (self.home.process.pid, *self.processes()):
            for link in Path(f"/proc/{pid}/fd").iterdir():
                try:
                    open_.add(os.readlink(link))  # noqa: PTH115 - the target is no path
                except FileNotFoundError:
                    continue
        tables = (Path(f"/proc/net/{name}").read_text().splitlines() for name in ("udp", "udp6"))
        udp = {f"socket:[{line.split()[9]}]" for table in tables for line in table[1:]}
        return open_ & udp

    def complaints(self) -> list[str]:
        """Return what this run has logged about the integration beyond that it is a custom one."""
        expected = ("We found a custom integration", "Cannot find integration")
        return [
            line
            for line in self.home.log_lines()
            if re.search(r" (WARNING|ERROR|CRITICAL) .*hikari_denwa", line)
            and not any(sentence in line for sentence in expected)
        ]

    def traces(self) -> list[str]:
        """Return what is left of the integration in a configuration that nothing runs with.

        That Home Assistant itself remembers removed entities and devices does not count.
        """
        folder = self.home.folder
        names = (str(path.relative_to(folder)) for path in sorted(folder.rglob("*")))
        found = [name for name in names if "hikari" in name]
        for path in sorted((folder / ".storage").iterdir()):
            if not path.is_file() or _OTHERS.search(path.name):
                continue
            stored = json.loads(path.read_text())["data"]
            if path.name in _REMEMBERS:
                del stored[_REMEMBERS[path.name]]
            if "hikari" in json.dumps(stored, ensure_ascii=False):
                found.append(f"in {path.name}")
        return found


@asynccontextmanager
async def house(folder: Path, shop: Shop) -> AsyncIterator[House]:
    """Start a Home Assistant that has never heard of the integration, and a home gateway."""
    options = HomeAssistantOptions(
        integration=False,
        marketplace=True,
        program=(PARTS / "hass_with_shop.py", shop.url),
        components={"like_hacs": PARTS / "like_hacs"},
        configuration="like_hacs:\n",
    )
    async with HomeGateway() as gateway, HomeAssistant(folder / "config", options) as home:
        here = House(home, gateway)
        await here.enter()
        try:
            yield here
        finally:
            await here.leave()
    assert gateway.violations == []

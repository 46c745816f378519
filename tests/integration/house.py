"""A house: a gateway, and Home Assistant with a line at it and a real engine between them."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

from homeassistant.config_entries import SOURCE_USER
from homeassistant.core import HomeAssistant, State, callback

from custom_components.hikari_denwa.const import DOMAIN
from custom_components.hikari_denwa.engine import engine_keeper
from tests.home_gateway.config import Family
from tests.home_gateway.gateway import HomeGateway

ADDRESSES = {Family.V6: "::1", Family.V4: "127.0.0.1"}
CALL_EVENT = "event.line_call"


class House:
    """A gateway, and Home Assistant with a line at it."""

    def __init__(self, hass: HomeAssistant, gateway: HomeGateway, family: Family) -> None:
        """Begin without the line."""
        self.hass = hass
        self.gateway = gateway
        self.family = family
        self.events: list[State] = []
        self._changed = asyncio.Event()
        hass.bus.async_listen("state_changed", self._note)

    @property
    def entered(self) -> dict[str, Any]:
        """Return what a person enters in the dialog."""
        return {
            "name": "Line",
            "gateway": ADDRESSES[self.family],
            "extension": "3",
            "user_id": "0003",
            "password": "secret-3",
            "family": "automatic",
            "advanced": {"port": self.gateway.port(self.family)},
        }

    async def add_line(self, **entered: Any) -> Any:
        """Set the line up through the dialog."""
        flow = await self.hass.config_entries.flow.async_init(
            DOMAIN, context={"source": SOURCE_USER}
        )
        result = await self.hass.config_entries.flow.async_configure(
            flow["flow_id"], {**self.entered, **entered}
        )
        await self.hass.async_block_till_done()
        return result

    async def act(self, action: str, **data: Any) -> Any:
        """Carry out an action and return its response."""
        return await self.hass.services.async_call(
            DOMAIN, action, data, blocking=True, return_response=True
        )

    async def event(self, event_type: str) -> dict[str, Any]:
        """Wait for an event of the line; returns its attributes."""

        def found() -> list[State]:
            return [
                event for event in self.events if event.attributes.get("event_type") == event_type
            ]

        await self.until(lambda: bool(found()))
        return dict(found()[-1].attributes)

    async def until(self, holds: Callable[[], bool]) -> None:
        """Wait until something holds that a change of state brings about."""
        async with asyncio.timeout(15):
            while not holds():
                self._changed.clear()
                await self._changed.wait()

    @callback
    def _note(self, event: Any) -> None:
        """Keep the events of the line."""
        if (state := event.data["new_state"]) and event.data["entity_id"] == CALL_EVENT:
            self.events.append(state)
        self._changed.set()


@asynccontextmanager
async def house_of(hass: HomeAssistant, family: Family) -> AsyncIterator[House]:
    """Run a gateway; at the end the line is unloaded, un-registered, and nothing was broken."""
    async with HomeGateway() as gateway:
        yield House(hass, gateway, family)
        for entry in hass.config_entries.async_entries(DOMAIN):
            await hass.config_entries.async_unload(entry.entry_id)
        await gateway.unregistered()
        assert engine_keeper(hass).clients == ()
        assert gateway.violations == [], gateway.violations

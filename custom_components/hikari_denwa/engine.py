"""The one engine process that all lines share, started with the first and stopped with the last."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from homeassistant.core import HomeAssistant
from homeassistant.util.hass_dict import HassKey

from .const import DOMAIN
from .telephony.engine.client import EngineClient
from .telephony.errors import EngineLostError


class SharedEngine:
    """Counts who uses the engine; config flows count as well as lines."""

    def __init__(self) -> None:
        """Make ready; nothing is started yet."""
        self._lock = asyncio.Lock()
        self._client: EngineClient | None = None
        self._users = 0
        self._stopped = False

    @property
    def client(self) -> EngineClient | None:
        """Return the running engine's client, if there is one."""
        return self._client

    async def acquire(self) -> EngineClient:
        """Return the client of the running engine, which is started if need be.

        Every call wants one ``release``. Raises an EngineError if it does not start.
        """
        async with self._lock:
            if self._stopped:
                raise EngineLostError
            if self._client is None:
                client = EngineClient()
                await client.start()
                self._client = client
            self._users += 1
            return self._client

    async def release(self) -> None:
        """Give the engine back; the last one to do so stops it."""
        async with self._lock:
            self._users -= 1
            if not self._users:
                await self._close()

    @asynccontextmanager
    async def use(self) -> AsyncIterator[EngineClient]:
        """Have the engine for the time of a block."""
        client = await self.acquire()
        try:
            yield client
        finally:
            await self.release()

    async def async_stop(self) -> None:
        """Stop with Home Assistant, whoever still uses the engine: the lines un-register."""
        async with self._lock:
            self._stopped = True
            await self._close()

    async def _close(self) -> None:
        """End the engine process."""
        client, self._client = self._client, None
        if client is not None:
            await client.close()


DATA_ENGINE: HassKey[SharedEngine] = HassKey(f"{DOMAIN}_engine")


def shared_engine(hass: HomeAssistant) -> SharedEngine:
    """Return the engine of this Home Assistant.

    The first config flow asks for it before the integration is set up.
    """
    return hass.data.setdefault(DATA_ENGINE, SharedEngine())

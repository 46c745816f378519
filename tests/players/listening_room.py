"""A call with a tone in it, and how to tell that a player has played it."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

from homeassistant.core import HomeAssistant

from tests.home_gateway import IncomingCall
from tests.home_gateway.config import Family
from tests.home_gateway.sources import Tone
from tests.home_gateway.tones import tone_level
from tests.integration.house import House, house_of

PITCH = 1000.0
OTHER_PITCH = 1700.0
SAMPLE_RATE = 8000
_SECOND = 2 * SAMPLE_RATE
_AUDIBLE_DBM0 = -20.0
_ALONE_DB = 25.0


class ListeningRoom:
    """Home Assistant with a line, reached by players at its own address."""

    def __init__(self, house: House) -> None:
        """Begin without a call."""
        self.house = house
        self.hass = house.hass
        self.call: IncomingCall

    async def ring(self) -> None:
        """Have somebody call who will sound a tone."""
        self.call = await self.house.gateway.ring("3", media=Tone(PITCH))
        await self.house.event("incoming")

    async def answer(self) -> None:
        """Answer, and wait until the tone flows."""
        await self.house.act("answer")
        await self.call.answered()
        await self.house.event("connected")

    async def hang_up(self) -> None:
        """Have the caller hang up."""
        await self.call.hang_up()
        await self.house.event("ended")

    async def url(self, form: str) -> str:
        """Return the address of the call's stream in a format."""
        url: str = (await self.house.act("listen", format=form))["url"]
        return url

    async def listen(self, player: str, **data: Any) -> None:
        """Have one of Home Assistant's players play the call."""
        await self.house.act("listen", media_player=player, **data)


@asynccontextmanager
async def listening_room(hass: HomeAssistant, port: int) -> AsyncIterator[ListeningRoom]:
    """Set a line up in a Home Assistant that serves at a port."""
    hass.config.internal_url = f"http://127.0.0.1:{port}"
    async with house_of(hass, Family.V4) as house:
        await house.add_line()
        yield ListeningRoom(house)


def has_tone(pcm: bytes) -> bool:
    """Tell whether some second of linear 16 bit at 8 kHz is the tone and nothing else."""
    for start in range(0, len(pcm) - _SECOND + 1, _SECOND // 4):
        second = pcm[start : start + _SECOND]
        level = tone_level(second, PITCH)
        if level > _AUDIBLE_DBM0 and level - tone_level(second, OTHER_PITCH) > _ALONE_DB:
            return True
    return False


async def until(holds: Callable[[], bool | Awaitable[bool]], time_limit: float = 25.0) -> None:
    """Wait until something holds."""
    async with asyncio.timeout(time_limit):
        while True:
            found = holds()
            if found if isinstance(found, bool) else await found:
                return
            await asyncio.sleep(0.1)

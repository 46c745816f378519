"""The sound of a live call as endless WAV, at an address that nobody can guess."""

import asyncio
import secrets
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Coroutine
from contextlib import aclosing, asynccontextmanager, suppress
from http import HTTPStatus
from typing import Any, Final, Protocol

from aiohttp import web
from homeassistant.components.http import HomeAssistantView
from homeassistant.core import HomeAssistant
from homeassistant.util.hass_dict import HassKey

from .const import DOMAIN
from .telephony.audio.g711 import ulaw_to_linear
from .telephony.audio.live import LiveHub, LiveListener
from .telephony.audio.wav import linear16_header
from .telephony.engine.protocol import FRAME_SECONDS, SILENCE

LIVE_URL: Final = f"/api/{DOMAIN}/live/{{token}}.wav"
_CONTENT_TYPE: Final = "audio/wav"
_TOKEN_BYTES: Final = 24
_FIRST_PATIENCE_SECONDS: Final = 0.1
_PATIENCE_SECONDS: Final = 0.5
_SLACK_FRAMES: Final = 5
_HEADERS: Final = {
    "Content-Type": _CONTENT_TYPE,
    "Cache-Control": "no-store",
    "Accept-Ranges": "none",
    "X-Accel-Buffering": "no",
}


class SoundSwitch(Protocol):
    """Has the engine send a call's sound, or not any more."""

    def __call__(self, *, enabled: bool) -> Coroutine[Any, Any, None]:
        """Switch; raises nothing."""
        ...


class LiveStream:
    """The sound of one call, for any number of listeners; it ends with the call."""

    def __init__(self, token: str, switch: SoundSwitch, on_close: Callable[[str], None]) -> None:
        """Make ready; the engine sends no sound before somebody listens."""
        self.path = LIVE_URL.format(token=token)
        self.listeners = 0
        self._token = token
        self._switch = switch
        self._on_close = on_close
        self._hub = LiveHub()

    def publish(self, payload: bytes) -> None:
        """Give 20 ms of G.711 µ-law to every listener."""
        self._hub.publish(payload)

    def close(self) -> None:
        """End the stream: listeners drain what they have, the address is unknown from now on."""
        self._on_close(self._token)
        self._hub.close()

    @asynccontextmanager
    async def listen(self) -> AsyncIterator[LiveListener]:
        """Listen for the time of a block; the first listener has the sound switched on."""
        self.listeners += 1
        listener = self._hub.listen()
        try:
            if self.listeners == 1:
                await self._switch(enabled=True)
            yield listener
        finally:
            listener.close()
            self.listeners -= 1
            if not self.listeners:
                await self._switch(enabled=False)


class LiveStreams:
    """The live streams of all lines, by the token in their address."""

    def __init__(self) -> None:
        """Begin with none."""
        self._by_token: dict[str, LiveStream] = {}

    def open(self, switch: SoundSwitch) -> LiveStream:
        """Return a stream at a new address."""
        token = secrets.token_urlsafe(_TOKEN_BYTES)
        stream = LiveStream(token, switch, self._forget)
        self._by_token[token] = stream
        return stream

    def get(self, token: str) -> LiveStream | None:
        """Return the stream of a token that is still good."""
        return self._by_token.get(token)

    def _forget(self, token: str) -> None:
        """Make a token invalid."""
        self._by_token.pop(token, None)


DATA_STREAMS: HassKey[LiveStreams] = HassKey(f"{DOMAIN}_streams")


def live_streams(hass: HomeAssistant) -> LiveStreams:
    """Return the live streams of this Home Assistant."""
    return hass.data[DATA_STREAMS]


class LiveStreamView(HomeAssistantView):
    """Serves the live streams; the token in the address is what gives the right to listen.

    Media players cannot log in, so the address itself is the key: 192 random bits,
    known to the caller of ``listen`` alone, and dead when the call is over.
    """

    url = LIVE_URL
    name = f"api:{DOMAIN}:live"
    requires_auth = False

    def __init__(self, streams: LiveStreams) -> None:
        """Keep where the streams are."""
        self._streams = streams

    async def head(self, _request: web.Request, token: str) -> web.StreamResponse:
        """Tell a player what it would get."""
        if self._streams.get(token) is None:
            return web.Response(status=HTTPStatus.NOT_FOUND)
        return web.Response(headers=_HEADERS)

    async def get(self, request: web.Request, token: str) -> web.StreamResponse:
        """Send 8 kHz mono 16-bit WAV from now until the call ends."""
        stream = self._streams.get(token)
        if stream is None:
            return web.Response(status=HTTPStatus.NOT_FOUND)
        response = web.StreamResponse(headers=_HEADERS)
        async with stream.listen() as listener:
            await response.prepare(request)
            # The player may go away at any time; then there is nobody left to tell.
            with suppress(ConnectionError):
                await response.write(linear16_header())
                async with aclosing(_in_real_time(listener)) as sound:
                    async for payload in sound:
                        await response.write(ulaw_to_linear(payload))
                await response.write_eof()
        return response


async def _in_real_time(listener: LiveListener) -> AsyncGenerator[bytes]:
    """Yield µ-law without a gap: frames as they come, silence while none comes.

    A player that gets nothing goes back to idle, and one that gets more than the clock
    allows plays ever later; so silence fills what is missing, while a call rings say,
    and frames that would run ahead of the clock are dropped.
    """
    loop = asyncio.get_running_loop()
    began = loop.time()
    sent = 0
    patience = _FIRST_PATIENCE_SECONDS
    while True:
        payload: bytes | None = None
        with suppress(TimeoutError):
            async with asyncio.timeout(patience):
                try:
                    payload = await anext(listener)
                except StopAsyncIteration:
                    return
        due = int((loop.time() - began) / FRAME_SECONDS)
        if payload is None:
            missing = max(0, due - sent)
            sent += missing
            yield SILENCE * missing
        elif sent < due + _SLACK_FRAMES:
            patience = _PATIENCE_SECONDS
            sent = max(sent + 1, due - _SLACK_FRAMES)
            yield payload

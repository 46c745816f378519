"""The sound of a live call for players and browsers, at an address that nobody can guess."""

import asyncio
import secrets
from collections.abc import AsyncGenerator, AsyncIterator, Callable
from contextlib import aclosing, asynccontextmanager, suppress
from dataclasses import dataclass
from http import HTTPStatus
from typing import Final

import audioop
from aiohttp import web
from homeassistant.components.http import HomeAssistantView
from homeassistant.core import CALLBACK_TYPE, HomeAssistant, callback
from homeassistant.util.hass_dict import HassKey

from .const import DOMAIN
from .sound import CallSound
from .telephony.audio.broadcast import Broadcast, Filler
from .telephony.audio.formats import WAV, Container, LiveFormat
from .telephony.audio.g711 import linear_to_ulaw, ulaw_to_linear
from .telephony.engine.protocol import SoundDirection, SoundFrame
from .telephony.errors import SoundError

_URL: Final = f"/api/{DOMAIN}/live"
_TOKEN_BYTES: Final = 24
# A player that does not read must not keep its connection for ever after the call.
_DRAIN_SECONDS: Final = 15.0
_HEADERS: Final = {
    "Cache-Control": "no-store",
    "Accept-Ranges": "none",
    "X-Accel-Buffering": "no",
    "transferMode.dlna.org": "Streaming",
}
# DLNA guidelines: no seeking, converted, sent as it comes, streaming, for version 1.5.
_DLNA: Final = "DLNA.ORG_OP=00;DLNA.ORG_CI=1;DLNA.ORG_FLAGS=8D100000000000000000000000000000"
_DLNA_PROFILES: Final = {Container.MP3: "DLNA.ORG_PN=MP3;"}


@dataclass(frozen=True, kw_only=True)
class StreamKind:
    """What a live stream holds: both sides or the far one, and what until the call is answered."""

    both_sides: bool = False
    while_ringing: Filler = Filler.COMFORT_NOISE


class _Patience:
    """Gives a listener time to take what is left after the call, and then gives it up."""

    def __init__(self, give_up: Callable[[], None]) -> None:
        """Have all the time of the call."""
        self._give_up = give_up
        self._timer: asyncio.TimerHandle | None = None

    def begin(self) -> None:
        """Count the time from now on."""
        self._timer = asyncio.get_running_loop().call_later(_DRAIN_SECONDS, self._give_up)

    def end(self) -> None:
        """Be told that the listener is done."""
        if self._timer is not None:
            self._timer.cancel()


class LiveStream:
    """The sound of one call, for any number of listeners; it ends with the call."""

    def __init__(
        self,
        kind: StreamKind,
        token: str,
        sound: CallSound,
        program: str | None,
        streams: LiveStreams,
    ) -> None:
        """Make ready; the engine sends no sound before somebody listens."""
        self._kind = kind
        self._token = token
        self._sound = sound
        self._streams = streams
        self._broadcast = Broadcast(program, self._wanted, streams.endings)
        self._broadcast.fill_with(kind.while_ringing)
        self._leave: CALLBACK_TYPE | None = None
        self._waiting: SoundFrame | None = None
        self._patience: set[_Patience] = set()
        self._closed = False

    @property
    def listeners(self) -> int:
        """Return how many listen now."""
        return self._broadcast.listeners

    @property
    def path(self) -> str:
        """Return the path of the form that needs nothing: 8 kHz WAV."""
        return self.path_of(WAV)

    def path_of(self, live_format: LiveFormat) -> str:
        """Return the path of a format."""
        return f"{_URL}/{self._token}.{live_format.name}"

    def address_of(self, live_format: LiveFormat) -> str:
        """Return the path that a player is given.

        The query keeps Home Assistant from signing it: that makes it longer than some players
        take, and it would not end in the suffix by which others know the format.
        """
        return f"{self.path_of(live_format)}?.{live_format.container}"

    @callback
    def connected(self) -> None:
        """Be silent from now on when the call is: it is on hold."""
        self._broadcast.fill_with(Filler.SILENCE)

    @callback
    def close(self) -> None:
        """End the stream: listeners drain what they have, the address is unknown from now on."""
        self._closed = True
        self._streams.forget(self._token)
        self._broadcast.close()
        for patience in self._patience:
            patience.begin()

    @asynccontextmanager
    async def listen(
        self, live_format: LiveFormat, give_up: Callable[[], None]
    ) -> AsyncIterator[AsyncGenerator[bytes]]:
        """Listen for the time of a block; ``give_up`` is called if that lasts long after the call.

        Raises FfmpegMissingError, EncoderFailedError.
        """
        async with self._broadcast.listen(live_format) as sound, aclosing(sound):
            patience = _Patience(give_up)
            self._patience.add(patience)
            if self._closed:
                patience.begin()
            try:
                yield sound
            finally:
                self._patience.discard(patience)
                patience.end()

    def _wanted(self) -> None:
        """Take the call's sound while somebody listens."""
        if self._leave is not None:
            self._leave()
            self._leave = None
        self._waiting = None
        if self._broadcast.wanted:
            self._leave = self._sound.take(self._hear, near=self._kind.both_sides)

    def _hear(self, frame: SoundFrame) -> None:
        """Take 20 ms of one side; of both, the far side's comes first, with the same number."""
        waiting, self._waiting = self._waiting, None
        if not self._kind.both_sides:
            self._broadcast.publish(frame.number, frame.payload)
        elif frame.direction is SoundDirection.FAR:
            if waiting is not None:
                self._broadcast.publish(waiting.number, waiting.payload)
            self._waiting = frame
        elif waiting is not None and waiting.number == frame.number:
            self._broadcast.publish(frame.number, _mixed(waiting.payload, frame.payload))
        else:
            self._waiting = waiting


def _mixed(one: bytes, other: bytes) -> bytes:
    """Return the sum of two frames of µ-law."""
    return linear_to_ulaw(audioop.add(ulaw_to_linear(one), ulaw_to_linear(other), 2))


class LiveStreams:
    """The live streams of all lines, by the token in their address."""

    def __init__(self, program: str | None) -> None:
        """Begin with none; ``program`` is ffmpeg, None where there is none."""
        self.endings: set[asyncio.Task[None]] = set()
        self._program = program
        self._by_token: dict[str, LiveStream] = {}

    @property
    def encodes(self) -> bool:
        """Tell whether there is more to be had than WAV."""
        return self._program is not None

    def open(self, kind: StreamKind, sound: CallSound) -> LiveStream:
        """Return a stream at a new address."""
        token = secrets.token_urlsafe(_TOKEN_BYTES)
        stream = LiveStream(kind, token, sound, self._program, self)
        self._by_token[token] = stream
        return stream

    def get(self, token: str) -> LiveStream | None:
        """Return the stream of a token that is still good."""
        return self._by_token.get(token)

    def forget(self, token: str) -> None:
        """Make a token invalid."""
        self._by_token.pop(token, None)

    async def async_ended(self) -> None:
        """Wait until no encoder of a stream that was closed is left."""
        while self.endings:
            await asyncio.wait(self.endings)


DATA_STREAMS: HassKey[LiveStreams] = HassKey(f"{DOMAIN}_streams")


def live_streams(hass: HomeAssistant) -> LiveStreams:
    """Return the live streams of this Home Assistant."""
    return hass.data[DATA_STREAMS]


class LiveStreamView(HomeAssistantView):
    """Serves the live streams; the token in the address is what gives the right to listen.

    Media players cannot log in, so the address itself is the key: 192 random bits,
    known to the caller of ``listen`` alone, and dead when the call is over.
    """

    url = f"{_URL}/{{token:[\\w-]+}}.{{form}}"
    name = f"api:{DOMAIN}:live"
    requires_auth = False

    def __init__(self, streams: LiveStreams) -> None:
        """Keep where the streams are."""
        self._streams = streams

    async def head(self, request: web.Request, token: str, form: str) -> web.StreamResponse:
        """Tell a player what it would get."""
        if (found := self._find(token, form)) is None:
            return web.Response(status=HTTPStatus.NOT_FOUND)
        return web.Response(headers=_headers(found[1], request))

    async def get(self, request: web.Request, token: str, form: str) -> web.StreamResponse:
        """Send the call from now until its end."""
        if (found := self._find(token, form)) is None:
            return web.Response(status=HTTPStatus.NOT_FOUND)
        stream, live_format = found
        response = web.StreamResponse(headers=_headers(live_format, request))

        def give_up() -> None:
            # Who waits for room in the connection learns of it in good order.
            if request.transport is not None:
                request.transport.abort()

        try:
            async with stream.listen(live_format, give_up) as sound:
                await response.prepare(request)
                # The player may go away at any time; then there is nobody left to tell.
                with suppress(ConnectionError):
                    async for piece in sound:
                        await response.write(piece)
                    await response.write_eof()
        except SoundError as error:
            return web.Response(status=HTTPStatus.SERVICE_UNAVAILABLE, text=str(error))
        return response

    def _find(self, token: str, form: str) -> tuple[LiveStream, LiveFormat] | None:
        """Return the stream and the format that an address means."""
        stream = self._streams.get(token)
        try:
            return None if stream is None else (stream, LiveFormat.named(form))
        except ValueError:
            return None


def _headers(live_format: LiveFormat, request: web.Request) -> dict[str, str]:
    """Return the headers of a stream, and what a DLNA renderer asks for besides."""
    headers = {**_HEADERS, "Content-Type": live_format.media_type}
    if request.headers.get("getcontentFeatures.dlna.org") == "1":
        profile = _DLNA_PROFILES.get(live_format.container, "")
        headers["contentFeatures.dlna.org"] = profile + _DLNA
    return headers

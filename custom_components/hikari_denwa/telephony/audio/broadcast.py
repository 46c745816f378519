"""The sound of one call to any number of players, each in the format that it asks for."""

from __future__ import annotations

import asyncio
import audioop
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from enum import StrEnum

from ..errors import FfmpegMissingError
from . import tones
from .encoder import Encoder
from .formats import Container, LiveFormat
from .framing import Change
from .g711 import ulaw_to_linear
from .live import LiveHub, LiveListener
from .resample import Resampler
from .timeline import Timeline

_SILENCE = b"\xff" * 160
# Players ask, hang up, and ask again; an encoder takes a while to start.
_LINGER_SECONDS = 5.0


class Filler(StrEnum):
    """What a stream holds while its call has no sound."""

    SILENCE = "silence"
    COMFORT_NOISE = "comfort_noise"
    RING_TONE = "ring_tone"


def _frames(filler: Filler) -> Iterator[bytes]:
    """Return endless frames of µ-law."""
    match filler:
        case Filler.COMFORT_NOISE:
            return tones.comfort_noise()
        case Filler.RING_TONE:
            return tones.ringback_tone()
        case Filler.SILENCE:
            return iter(lambda: _SILENCE, None)


class Broadcast:
    """Takes numbered frames of µ-law, keeps a timeline of them, and fans them out.

    It works only while ``wanted``, that is while somebody listens, and tells when that changes.
    Each format is made once, however many listen. For the event loop's thread.
    """

    def __init__(
        self,
        program: str | None,
        on_wanted: Callable[[], None],
        endings: set[asyncio.Task[None]],
    ) -> None:
        """Make ready; ``program`` is ffmpeg, None where there is none.

        ``endings`` holds what still runs to end an encoder, beyond the broadcast's own life.
        """
        self.listeners = 0
        self._program = program
        self._on_wanted = on_wanted
        self._renditions: dict[LiveFormat, _Rendition] = {}
        self._filler = _frames(Filler.SILENCE)
        self._filler_kind = Filler.SILENCE
        self._timeline: Timeline | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._closed = False
        self._endings = endings

    @property
    def wanted(self) -> bool:
        """Tell whether the call's sound is of use."""
        return self._timeline is not None

    def fill_with(self, filler: Filler) -> None:
        """Choose what is heard while the call has no sound."""
        if filler is not self._filler_kind:
            self._filler_kind, self._filler = filler, _frames(filler)

    def publish(self, number: int, payload: bytes) -> None:
        """Give 20 ms of the call to every listener; ``number`` counts the call's frames."""
        if self._timeline is None:
            return
        missing = self._timeline.take(number, self._now())
        if missing is None:
            return
        for _ in range(missing):
            self._pass_on(_SILENCE)
        self._pass_on(payload)

    @asynccontextmanager
    async def listen(self, live_format: LiveFormat) -> AsyncIterator[AsyncGenerator[bytes]]:
        """Listen for the time of a block: an iterator of pieces, which ends with the call.

        Raises FfmpegMissingError or EncoderFailedError for a format that cannot be made.
        """
        self._begin()
        try:
            rendition = await self._rendition(live_format)
            listener = rendition.hub.listen()
            try:
                yield rendition.pieces(listener)
            finally:
                listener.close()
                if not rendition.hub.listener_count and not self._closed:
                    self._end_later(rendition)
        finally:
            self._finish()

    def close(self) -> None:
        """End every stream once what was taken is encoded; once is enough."""
        self._closed = True
        self._stop_timer()
        for rendition in self._renditions.values():
            self._end(rendition)
        self._renditions.clear()

    async def _rendition(self, live_format: LiveFormat) -> _Rendition:
        """Return the format's one rendition, ready to be listened to."""
        rendition = self._renditions.get(live_format)
        if rendition is None or rendition.broken:
            if rendition is not None:
                self._end(rendition)
            rendition = self._renditions[live_format] = _rendition(live_format, self._program)
            if self._closed:
                rendition.hub.close()
        rendition.keep()
        try:
            await rendition.ready()
        except BaseException:
            if self._renditions.get(live_format) is rendition and rendition.broken:
                del self._renditions[live_format]
            elif not rendition.hub.listener_count and not self._closed:
                self._end_later(rendition)
            raise
        return rendition

    def _begin(self) -> None:
        """Count a listener in; the first one sets the timeline going."""
        self.listeners += 1
        if self.listeners == 1 and not self._closed:
            self._timeline = Timeline(self._now())
            self._fill()
            self._on_wanted()

    def _finish(self) -> None:
        """Count a listener out; after the last one nothing is left to do."""
        self.listeners -= 1
        if not self.listeners:
            self._stop_timer()
            self._timeline = None
            self._on_wanted()

    def _end_later(self, rendition: _Rendition) -> None:
        """End a rendition that nobody comes back to."""

        def end() -> None:
            if self._renditions.get(rendition.format) is rendition:
                del self._renditions[rendition.format]
                self._end(rendition)

        rendition.end_at(_LINGER_SECONDS, end)

    def _end(self, rendition: _Rendition) -> None:
        """End a rendition; what it still encodes reaches its listeners."""
        task = asyncio.create_task(rendition.close(), name="live rendition ends")
        self._endings.add(task)
        task.add_done_callback(self._endings.discard)

    def _fill(self) -> None:
        """Put in what the call does not give."""
        timeline = self._timeline
        if timeline is None:
            return
        now = self._now()
        for _ in range(timeline.fill(now)):
            self._pass_on(next(self._filler))
        loop = asyncio.get_running_loop()
        self._timer = loop.call_at(timeline.next_fill(), self._fill)

    def _stop_timer(self) -> None:
        """Fill in nothing more."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _pass_on(self, payload: bytes) -> None:
        """Give a frame to every rendition."""
        sound = ulaw_to_linear(payload)
        for rendition in self._renditions.values():
            rendition.feed(payload, sound)

    @staticmethod
    def _now() -> float:
        """Return the loop's time."""
        return asyncio.get_running_loop().time()


class _Rendition:
    """The call in one format that needs no other program."""

    def __init__(self, live_format: LiveFormat) -> None:
        """Begin without listeners."""
        self.format = live_format
        self.hub = LiveHub()
        self._resampler = Resampler(live_format.rate)
        self._end_timer: asyncio.TimerHandle | None = None

    @property
    def broken(self) -> bool:
        """Tell whether nothing comes of it any more."""
        return False

    async def ready(self) -> None:
        """Wait until it can be listened to."""

    def feed(self, payload: bytes, sound: bytes) -> None:
        """Take 20 ms, as µ-law and as linear 16 bit."""
        if self.format.container is not Container.WAV:
            self.hub.publish(payload)
            return
        self.hub.publish(self._linear(sound))

    async def pieces(self, listener: LiveListener) -> AsyncGenerator[bytes]:
        """Yield the header, then what the listener gets, and what makes the last block whole."""
        if header := self._header():
            yield header
        change = self._joining()
        sent = 0
        async for piece in listener:
            sent += len(piece)
            yield change(piece)
        if block := self.format.end_block:
            yield block[sent % len(block) or len(block) :]

    def keep(self) -> None:
        """Be wanted again."""
        if self._end_timer is not None:
            self._end_timer.cancel()
            self._end_timer = None

    def end_at(self, seconds: float, end: Callable[[], None]) -> None:
        """Have it ended in some seconds, unless it is wanted again."""
        self.keep()
        self._end_timer = asyncio.get_running_loop().call_later(seconds, end)

    async def close(self) -> None:
        """End it, and every listener once it has taken what waits for it."""
        self.keep()
        self.hub.close()

    def _linear(self, sound: bytes) -> bytes:
        """Return sound at the format's rate, with its channels."""
        made = self._resampler.feed(sound)
        return made if self.format.channels == 1 else audioop.tostereo(made, 2, 1, 1)

    def _header(self) -> bytes:
        """Return what a listener gets first."""
        return self.format.header

    def _joining(self) -> Change:
        """Return how pieces are changed for one listener."""
        return lambda piece: piece


class _EncodedRendition(_Rendition):
    """The call in a format that ffmpeg makes."""

    def __init__(self, live_format: LiveFormat, program: str) -> None:
        """Begin without the process."""
        super().__init__(live_format)
        self._encoder = Encoder(program, live_format, self.hub.publish, self.hub.close)
        self._starting: asyncio.Task[None] | None = None

    @property
    def broken(self) -> bool:
        """Tell whether the process ended on its own."""
        started = self._starting is not None and self._starting.done()
        return started and not self._encoder.running

    async def ready(self) -> None:
        """Start the process, once for all who come."""
        if self._starting is None:
            self._starting = asyncio.create_task(self._encoder.start())
        await asyncio.shield(self._starting)
        await self._encoder.ready()

    def feed(self, payload: bytes, sound: bytes) -> None:
        """Have 20 ms encoded."""
        del payload
        self._encoder.feed(self._resampler.feed(sound))

    async def close(self) -> None:
        """End the process; its last frames come before the end."""
        self.keep()
        if self._starting is not None:
            await asyncio.wait({self._starting})
        await self._encoder.close()
        self.hub.close()

    def _header(self) -> bytes:
        """Return the encoder's header."""
        return self._encoder.framer.header or b""

    def _joining(self) -> Change:
        """Begin at the frame that comes next."""
        return self._encoder.framer.joining()


def _rendition(live_format: LiveFormat, program: str | None) -> _Rendition:
    """Return a rendition of a format. Raises FfmpegMissingError if it needs what is not there."""
    if not live_format.encoded:
        return _Rendition(live_format)
    if program is None:
        raise FfmpegMissingError
    return _EncodedRendition(live_format, program)

"""One ffmpeg process that encodes a call's sound for all who listen in its format."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from contextlib import suppress

from ..errors import EncoderFailedError, FfmpegMissingError
from .formats import LiveFormat
from .framing import FRAMERS

_LOGGER = logging.getLogger(__name__)
_CHUNK_BYTES = 65_536
_COMPLAINT_BYTES = 2_000
_END_SECONDS = 5.0
# Two seconds of 48 kHz: an encoder that takes nothing for so long has hung.
_MOST_WAITING_BYTES = 192_000


class Encoder:
    """Sound in by ``feed``, whole frames out to ``on_frame``, and ``on_end`` when none follows."""

    def __init__(
        self,
        program: str,
        live_format: LiveFormat,
        on_frame: Callable[[bytes], None],
        on_end: Callable[[], None],
    ) -> None:
        """Keep what to run; ``start`` runs it."""
        self.framer = FRAMERS[live_format.container]()
        self.dropped = 0
        self._program = program
        self._format = live_format
        self._on_frame = on_frame
        self._on_end = on_end
        self._useful = False
        self._process: asyncio.subprocess.Process | None = None
        self._ready = asyncio.Event()
        self._work: asyncio.Task[None] | None = None

    @property
    def running(self) -> bool:
        """Tell whether sound that is fed comes out again."""
        return self._work is not None and not self._work.done()

    async def start(self) -> None:
        """Start the process. Raises FfmpegMissingError where there is no such program."""
        try:
            self._process = await asyncio.create_subprocess_exec(
                self._program,
                *self._format.encoder_arguments(),
                stdin=asyncio.subprocess.PIPE,
                stdout=asyncio.subprocess.PIPE,
                stderr=asyncio.subprocess.PIPE,
            )
        except OSError as error:
            raise FfmpegMissingError from error
        self._work = asyncio.create_task(self._run(self._process), name="live encoder")

    @property
    def _pipe(self) -> asyncio.StreamWriter | None:
        """Return where sound goes in, while that is possible."""
        pipe = self._process.stdin if self._process is not None else None
        return pipe if pipe is not None and not pipe.is_closing() else None

    async def ready(self) -> None:
        """Wait until something comes of it. Raises EncoderFailedError if that never happens."""
        await self._ready.wait()
        if not self._useful:
            raise EncoderFailedError(format=self._format.container)

    def feed(self, sound: bytes) -> None:
        """Give linear 16 bit at the format's rate; what a hung encoder does not take is dropped."""
        if not self.running or (pipe := self._pipe) is None:
            return
        if pipe.transport.get_write_buffer_size() > _MOST_WAITING_BYTES:
            self.dropped += 1
        else:
            pipe.write(sound)

    async def close(self) -> None:
        """Let the process encode what it has, and end it; once is enough."""
        if self._work is None:
            return
        if (pipe := self._pipe) is not None:
            pipe.close()
        await asyncio.wait({self._work}, timeout=_END_SECONDS)
        if not self._work.done():
            self._work.cancel()
            await asyncio.wait({self._work})

    async def _run(self, process: asyncio.subprocess.Process) -> None:
        """Hand frames out until the process ends, and leave none behind."""
        output, errors = process.stdout, process.stderr
        if output is None or errors is None:
            raise TypeError("the encoder was started without pipes")
        complaint = asyncio.create_task(errors.read(_COMPLAINT_BYTES))
        try:
            while data := await output.read(_CHUNK_BYTES):
                self._take(self.framer.feed(data))
            self._take(self.framer.rest())
        except ValueError as error:
            _LOGGER.warning("The encoder of %s is given up: %s", self._format.name, error)
        finally:
            self._ready.set()
            self._on_end()
            with suppress(ProcessLookupError):
                process.kill()
            await process.wait()
            said = (await complaint).decode(errors="replace").strip()
            if said:
                _LOGGER.warning("The encoder of %s said: %s", self._format.name, said)

    def _take(self, frames: list[bytes]) -> None:
        """Pass frames on."""
        if self.framer.header is not None and (frames or self.framer.header):
            self._useful = True
            self._ready.set()
        for frame in frames:
            self._on_frame(frame)

"""The sound of a call: 20 ms each way, on pjsua2's own thread, by way of a port of its bridge."""

from __future__ import annotations

import asyncio
import logging
import threading
import time
from collections import deque
from collections.abc import Callable
from typing import Any

from ...audio.dtmf import DtmfDetector, digit_frames
from ...audio.g711 import linear_to_ulaw, ulaw_to_linear
from ...errors import CallNotConnectedError
from ..protocol import FRAME_BYTES, SILENCE, SoundDirection, SoundFrame
from ..sound_queue import SoundQueue
from .library import FRAME_MS, SAMPLE_RATE, guarded, pj

_LOGGER = logging.getLogger(__name__)
_PCM_BYTES = 2 * FRAME_BYTES
_QUIET = bytes(_PCM_BYTES)
_MOST_NEAR = 4
# A key that is told as an event may be heard as a tone as well, this much earlier.
_TONE_BEFORE_EVENT = 0.5
_ASSIGNS = hasattr(pj.ByteVector, "assign_from_bytes")


class CallSound:
    """What a call says and hears. Who is told hears it on the event loop's thread.

    ``next_frame`` and ``take_frame`` are called on the thread that drives the sound, and touch
    nothing without the lock but what the other thread leaves alone.
    """

    def __init__(
        self,
        channel: int,
        *,
        on_frame: Callable[[SoundFrame], None],
        on_digit: Callable[[str], None],
    ) -> None:
        """Begin in silence."""
        self.streaming = False
        self.sends = False
        self._channel = channel
        self._on_frame = on_frame
        self._on_digit = on_digit
        self._loop = asyncio.get_running_loop()
        self._lock = threading.Lock()
        self._queue = SoundQueue()
        self._tones: deque[tuple[deque[bytes], asyncio.Future[None]]] = deque()
        self._near: deque[bytes] = deque(maxlen=_MOST_NEAR)
        self._detector = DtmfDetector()
        self._number = 0
        self._closed = False
        self._keys_as_events = False
        self._last_tone: tuple[str, float] | None = None

    def play(self, payload: bytes, on_gone: Callable[[], None] | None = None) -> None:
        """Queue 20 ms of µ-law, and tell when they have left the queue."""
        with self._lock:
            self._queue.add(payload, None if on_gone is None else self._on_loop(on_gone))

    def _on_loop(self, callback: Callable[[], None]) -> Callable[[], None]:
        """Give what calls back on the event loop's thread, from whatever thread."""

        def later() -> None:
            """Call back soon."""
            self._loop.call_soon_threadsafe(callback)

        return later

    def clear(self) -> None:
        """Forget what is queued; whoever waits for it to go is not told."""
        with self._lock:
            self._queue.clear()

    async def send_tones(self, digits: str) -> None:
        """Queue keypad tones and return when the last has gone; on hold they wait.

        Raises DigitsInvalidError, and CallNotConnectedError if the call ends before.
        """
        frames = deque(digit_frames(digits))
        gone: asyncio.Future[None] = self._loop.create_future()
        with self._lock:
            if self._closed:
                raise CallNotConnectedError
            self._tones.append((frames, gone))
        await gone

    def close(self) -> None:
        """Let those who wait for tones know that they will not leave."""
        with self._lock:
            self._closed = True
            waiting, self._tones = self._tones, deque()
            self._queue.clear()
        for _, gone in waiting:
            if not gone.done():
                gone.set_exception(CallNotConnectedError())

    def event(self, digit: str) -> None:
        """Take a key that came as an event; from the first on, tones in the sound are none."""
        tone, self._last_tone = self._last_tone, None
        self._keys_as_events = True
        now = self._loop.time()
        if tone is None or tone[0] != digit or now - tone[1] > _TONE_BEFORE_EVENT:
            self._on_digit(digit)

    def next_frame(self) -> bytes:
        """Return the 20 ms that leave now, as linear sound: tones first, then queued sound."""
        with self._lock:
            frame = self._queue.next()
            if self._tones and self.sends:
                frames, gone = self._tones[0]
                frame = frames.popleft()
                if not frames:
                    self._tones.popleft()
                    self._loop.call_soon_threadsafe(_finish, gone)
            self._near.append(frame if self.sends else SILENCE)
        return ulaw_to_linear(frame)

    def take_frame(self, sound: bytes) -> None:
        """Take the 20 ms of linear sound that are heard now."""
        with self._lock:
            near = self._near.popleft() if self._near else SILENCE
        payload = linear_to_ulaw(sound) if len(sound) == _PCM_BYTES else SILENCE
        self._loop.call_soon_threadsafe(self._heard, payload, near, time.time_ns() // 1000)

    def _heard(self, far: bytes, near: bytes, now: int) -> None:
        """Look for digits, and tell both sides' sound to who wants it."""
        if self._closed:
            return
        digit = self._detector.feed(far)
        number, self._number = self._number, self._number + 1
        if self.streaming:
            for direction, payload in ((SoundDirection.FAR, far), (SoundDirection.NEAR, near)):
                self._on_frame(
                    SoundFrame(
                        direction=direction,
                        channel=self._channel,
                        number=number,
                        payload=payload,
                        played_at=now,
                    )
                )
        if digit is not None and not self._keys_as_events:
            self._last_tone = digit, self._loop.time()
            self._on_digit(digit)


class SoundPort(pj.AudioMediaPort):
    """A port of the bridge, through which one call after the other speaks and hears."""

    def __init__(self, name: str) -> None:
        """Make it; it belongs to no call yet."""
        super().__init__()
        self.sound: CallSound | None = None
        form = pj.MediaFormatAudio()
        form.type = pj.PJMEDIA_TYPE_AUDIO
        form.clockRate = SAMPLE_RATE
        form.channelCount = 1
        form.bitsPerSample = 16
        form.frameTimeUsec = 1000 * FRAME_MS
        form.avgBps = form.maxBps = 16 * SAMPLE_RATE
        self.createPort(name, form)

    @guarded
    def onFrameRequested(self, frame: Any) -> None:  # noqa: N802 - pjsua2's name
        """Say 20 ms."""
        sound = self.sound
        pcm = sound.next_frame() if sound else _QUIET
        frame.type = pj.PJMEDIA_FRAME_TYPE_AUDIO
        frame.size = _PCM_BYTES
        if _ASSIGNS:
            frame.buf.assign_from_bytes(pcm)
        else:
            frame.buf = pj.ByteVector(pcm)

    @guarded
    def onFrameReceived(self, frame: Any) -> None:  # noqa: N802 - pjsua2's name
        """Hear 20 ms."""
        if sound := self.sound:
            audible = frame.type == pj.PJMEDIA_FRAME_TYPE_AUDIO
            sound.take_frame(_octets(frame) if audible else b"")


class Ports:
    """The ports of the bridge: made when needed, kept for ever.

    The thread that drives the sound may be inside a port at any time, so none is taken down.
    """

    def __init__(self) -> None:
        """Start with none."""
        self._made = 0
        self._free: list[SoundPort] = []

    def take(self, sound: CallSound) -> SoundPort:
        """Give a call a port."""
        if not self._free:
            self._made += 1
            self._free.append(SoundPort(f"call-{self._made}"))
        port = self._free.pop()
        port.sound = sound
        return port

    def give_back(self, port: SoundPort) -> None:
        """Take the port of a call that is over."""
        port.sound = None
        self._free.append(port)


def _octets(frame: Any) -> bytes:
    """Give the sound of a frame."""
    if not _ASSIGNS:
        return bytes(frame.buf)[: frame.size]
    octets = bytearray(len(frame.buf))
    frame.buf.copy_to_bytearray(octets)
    return bytes(octets[: frame.size])


def _finish(gone: asyncio.Future[None]) -> None:
    """Tell that the last tone has gone."""
    if not gone.done():
        gone.set_result(None)

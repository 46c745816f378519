"""What goes out next: keypad tones first, then queued sound, else silence."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable

from ....audio.dtmf import digit_frames
from ....errors import CallNotConnectedError
from ...protocol import FRAME_BYTES
from ...sound_queue import SoundQueue
from .payload import KeyEvent

_EVENT_FRAMES = 5
# RFC 4733 §2.5.1.4: the last packet of an event is sent three times.
_ENDS = 3

Sounding = tuple[bytes, KeyEvent | None]


class _Tones:
    """The frames of one wish to send digits, and who waits for them."""

    def __init__(self, frames: list[Sounding], gone: asyncio.Future[None]) -> None:
        """Keep the frames that are still to go."""
        self.frames = deque(frames)
        self.gone = gone


class SoundSource:
    """Gives a frame for every period and never waits."""

    def __init__(self) -> None:
        """Start with nothing to say."""
        self._queue = SoundQueue()
        self._tones: deque[_Tones] = deque()
        self._closed = False

    @property
    def dropped(self) -> int:
        """Give how many frames overran the queue."""
        return self._queue.dropped

    def queue(self, frame: bytes, on_gone: Callable[[], None] | None = None) -> None:
        """Queue 160 bytes of µ-law; raises ValueError for any other length.

        ``on_gone`` is called when the frame leaves the queue, whether it is sent or not.
        """
        self._queue.add(frame, on_gone)

    def clear(self) -> None:
        """Forget what is queued, without a word."""
        self._queue.clear()

    async def digits(self, digits: str) -> None:
        """Queue tones after those that wait already and return when the last has gone.

        Raises DigitsInvalidError, and CallNotConnectedError if the source closes before.
        """
        frames = _with_events(digits)
        if self._closed:
            raise CallNotConnectedError
        tones = _Tones(frames, asyncio.get_running_loop().create_future())
        self._tones.append(tones)
        await tones.gone

    def next(self, *, leaves: bool) -> Sounding:
        """Return the frame of this period; ``leaves`` tells whether it will be sent.

        With the frame of a key comes the telephone event that may go in its place.
        Tones wait until frames leave. Queued sound is live: its time passes under tones
        and on hold as well.
        """
        sound = self._queue.next()
        if not leaves:
            return sound, None
        while self._tones and self._tones[0].gone.done():
            self._tones.popleft()
        if not self._tones:
            return sound, None
        tones = self._tones[0]
        sounding = tones.frames.popleft()
        if not tones.frames:
            tones.gone.set_result(None)
        return sounding

    def pass_over(self, frames: int) -> None:
        """Let the time of queued sound pass where no frame was asked for."""
        self._queue.pass_over(frames)

    def close(self) -> None:
        """Let those who wait for tones know that they will not leave."""
        self._closed = True
        for tones in self._tones:
            if not tones.gone.done():
                tones.gone.set_exception(CallNotConnectedError())
        self._tones.clear()
        self._queue.clear()


def _with_events(digits: str) -> list[Sounding]:
    """Return the frames of digits, each with its telephone event while the key is pressed."""
    frames = digit_frames(digits)
    for_each = len(frames) // len(digits)
    soundings: list[Sounding] = []
    for number, frame in enumerate(frames):
        key, at = digits[number // for_each].upper(), number % for_each
        event = None
        if at < _EVENT_FRAMES + _ENDS - 1:
            pressed = min(at + 1, _EVENT_FRAMES)
            event = KeyEvent(key, pressed * FRAME_BYTES, at == 0, at >= _EVENT_FRAMES - 1)
        soundings.append((frame, event))
    return soundings

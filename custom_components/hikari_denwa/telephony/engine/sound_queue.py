"""Sound that waits to be sent in a call."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable

from .protocol import FRAME_BYTES, SILENCE

_QUEUE_FRAMES = 50
_PRE_ROLL_FRAMES = 3


class SoundQueue:
    """Gives a frame for every period and never waits.

    Sound that starts is held back for 60 ms, so that a caller who is late by less tears
    nothing. At most a second is queued; then the oldest frame goes.
    """

    def __init__(self) -> None:
        """Start with nothing to say."""
        self.dropped = 0
        self._queue: deque[tuple[bytes, Callable[[], None] | None]] = deque()
        self._pre_roll = _PRE_ROLL_FRAMES

    def add(self, frame: bytes, on_gone: Callable[[], None] | None = None) -> None:
        """Queue 160 bytes of µ-law; raises ValueError for any other length.

        ``on_gone`` is called when the frame leaves the queue, whether it is sent or not.
        """
        if len(frame) != FRAME_BYTES:
            raise ValueError(f"a frame has {FRAME_BYTES} bytes, not {len(frame)}")
        if len(self._queue) == _QUEUE_FRAMES:
            self._take()
            self.dropped += 1
        self._queue.append((frame, on_gone))

    def next(self) -> bytes:
        """Return the next frame once the pre-roll is over, else silence."""
        if not self._queue:
            self._pre_roll = _PRE_ROLL_FRAMES
            return SILENCE
        if self._pre_roll and len(self._queue) < _PRE_ROLL_FRAMES:
            self._pre_roll -= 1
            return SILENCE
        self._pre_roll = 0
        return self._take()

    def pass_over(self, frames: int) -> None:
        """Let the time of queued sound pass where no frame was asked for."""
        for _ in range(min(frames, _QUEUE_FRAMES)):
            self.next()

    def clear(self) -> None:
        """Forget what is queued, without a word."""
        self._queue.clear()

    def _take(self) -> bytes:
        """Take the oldest frame, and tell that it has gone."""
        frame, on_gone = self._queue.popleft()
        if on_gone is not None:
            on_gone()
        return frame

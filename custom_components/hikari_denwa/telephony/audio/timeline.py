"""A call's sound as one unbroken sequence of frames that keeps the call's own time."""

from __future__ import annotations

from .g711 import FRAME_SAMPLES, SAMPLE_RATE

FRAME_SECONDS = FRAME_SAMPLES / SAMPLE_RATE
# As long as nothing comes for less than this, somebody is late and will come.
PATIENCE_SECONDS = 0.5
_JUMP_FRAMES = 50
_ROUNDING = 1e-6


class Timeline:
    """Decides which frames a stream gets, so that it neither stops nor runs late or ahead.

    While frames come, their numbers are the clock: each is passed on once, what is missing
    between two is filled, and what comes after its place was filled is left out; so a stream
    of any length is as long as its call, whatever the clocks are. While none come, our own
    clock counts. Times are seconds of a monotonic clock.
    """

    def __init__(self, now: float) -> None:
        """Begin a stream; nothing is heard of the call yet."""
        self._passed = 0
        self._first: int | None = None
        self._filled_since = now
        self._filled = 0
        self._heard: float | None = None

    @property
    def passed(self) -> int:
        """Return how many frames the stream has got."""
        return self._passed

    def take(self, number: int, now: float) -> int | None:
        """Take a frame: how many have to be filled in before it, or None if it is left out."""
        place = None if self._first is None else number - self._first
        if place is None or abs(place - self._passed) > _JUMP_FRAMES:
            self._first = number - self._passed
            place = self._passed
        self._heard = now
        missing = place - self._passed
        if missing < 0:
            return None
        self._passed += missing + 1
        return missing

    def fill(self, now: float) -> int:
        """Return how many frames have to be filled in by now because none came."""
        if self._heard is not None:
            if now - self._heard < PATIENCE_SECONDS:
                return 0
            # The last frame that came stands for the time up to a frame after it.
            self._filled_since, self._filled = self._heard + FRAME_SECONDS, 0
            self._heard = None
        due = int((now - self._filled_since) / FRAME_SECONDS + _ROUNDING) + 1
        missing = max(0, due - self._filled)
        self._filled += missing
        self._passed += missing
        return missing

    def next_fill(self) -> float:
        """Return when ``fill`` is worth asking again."""
        if self._heard is not None:
            return self._heard + PATIENCE_SECONDS
        return self._filled_since + self._filled * FRAME_SECONDS

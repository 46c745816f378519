"""What is heard where sound is missing: the last frame again, fading, then silence."""

import os

import audioop

from ...protocol import FRAME_BYTES, SILENCE

_FADE = (0.9, 0.65, 0.4, 0.2)
_SEGMENTS = 4
# White noise that is uniform over 16 bits lies this far below overload.
_UNIFORM_NOISE_DBOV = -4.77


class Concealment:
    """Makes a frame for every one that is missing, from the good ones before it."""

    def __init__(self) -> None:
        """Start from silence."""
        self._last = SILENCE
        self._lost = 0

    def good(self, frame: bytes) -> None:
        """Remember a frame of 160 bytes of µ-law that was played as it came."""
        self._last = frame
        self._lost = 0

    def missing(self) -> bytes:
        """Return the frame to play in place of a missing one."""
        if self._lost >= len(_FADE) or self._last is SILENCE:
            return SILENCE
        upper = _FADE[self._lost - 1] if self._lost else 1.0
        step = (upper - _FADE[self._lost]) / _SEGMENTS
        self._lost += 1
        linear = audioop.ulaw2lin(self._last, 2)
        size = len(linear) // _SEGMENTS
        faded = b"".join(
            audioop.mul(linear[index * size : (index + 1) * size], 2, upper - step * (index + 1))
            for index in range(_SEGMENTS)
        )
        return audioop.lin2ulaw(faded, 2)


def comfort_noise(level: int) -> bytes:
    """Return a frame of white noise; ``level`` in -dBov, 0 to 127 (RFC 3389 §3.1)."""
    factor = 10 ** ((-max(level, 6) - _UNIFORM_NOISE_DBOV) / 20)
    return audioop.lin2ulaw(audioop.mul(os.urandom(2 * FRAME_BYTES), 2, factor), 2)

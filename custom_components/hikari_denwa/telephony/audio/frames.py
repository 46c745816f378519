"""Sound in pieces of any size as 20 ms frames of µ-law, and louder or softer ones."""

from __future__ import annotations

import audioop

from .g711 import FRAME_SAMPLES, ulaw_to_linear

_SILENCE = b"\xff"


class FrameCutter:
    """Cuts a stream of µ-law into frames of 160 bytes; what is left at the end is filled up."""

    def __init__(self) -> None:
        """Begin with nothing."""
        self._rest = b""

    def feed(self, piece: bytes) -> list[bytes]:
        """Take the next piece; return the frames that are whole by now."""
        sound = self._rest + piece
        whole = len(sound) - len(sound) % FRAME_SAMPLES
        self._rest = sound[whole:]
        return [sound[start : start + FRAME_SAMPLES] for start in range(0, whole, FRAME_SAMPLES)]

    def end(self) -> list[bytes]:
        """Return the last frame, filled up with silence, if anything is left."""
        rest, self._rest = self._rest, b""
        return [rest.ljust(FRAME_SAMPLES, _SILENCE)] if rest else []


def amplified(payload: bytes, factor: float) -> bytes:
    """Return µ-law with its samples multiplied; what is too loud then is clipped."""
    if factor == 1.0:
        return payload
    return audioop.lin2ulaw(audioop.mul(ulaw_to_linear(payload), 2, factor), 2)

"""Both sides of a call as one stereo sound: the far side left, ours right."""

from __future__ import annotations

import audioop
from os import SEEK_END
from pathlib import Path

from .g711 import ulaw_to_linear
from .wav import linear16_header

CHANNELS = 2
# A frame of 160 samples in two channels of 16 bit.
FRAME_BYTES = 640
_SILENCE = b"\xff" * 160
# A hole of more is not filled up: somebody slept, and nobody wants to hear that.
_WIDEST_HOLE = 500


class StereoMixer:
    """Takes frames of both sides as they are played, and gives linear 16 bit stereo.

    Frames of a period bear the same number. What is missing is silence, so that the sound is as
    long as the call was.
    """

    def __init__(self) -> None:
        """Begin with whatever comes first."""
        self._number: int | None = None
        self._far: bytes | None = None
        self._near: bytes | None = None

    def far(self, number: int, payload: bytes) -> bytes:
        """Take 20 ms of the far side; return what is whole by now."""
        done = self._turn_to(number)
        self._far = payload
        return done

    def near(self, number: int, payload: bytes) -> bytes:
        """Take 20 ms of ours; return what is whole by now."""
        done = self._turn_to(number)
        self._near = payload
        return done

    def end(self) -> bytes:
        """Return what was begun."""
        return self._flush()

    def _turn_to(self, number: int) -> bytes:
        """Return the period before, and silence for those that are missing."""
        before = self._number
        if number == before:
            return b""
        self._number = number
        if before is None:
            return b""
        hole = number - before - 1
        silence = bytes(FRAME_BYTES * hole) if 0 < hole <= _WIDEST_HOLE else b""
        done = self._flush() + silence
        self._far = self._near = None
        return done

    def _flush(self) -> bytes:
        """Return the period under way."""
        if self._far is None and self._near is None:
            return b""
        left = audioop.tostereo(ulaw_to_linear(self._far or _SILENCE), 2, 1, 0)
        right = audioop.tostereo(ulaw_to_linear(self._near or _SILENCE), 2, 0, 1)
        return audioop.add(left, right, 2)


class StereoWav:
    """Writes a WAV file that can be played at any moment, also after a power cut.

    Its methods wait for the disk and raise OSError.
    """

    def __init__(self, path: Path) -> None:
        """Make the file; it must not be there yet."""
        self.sound_bytes = 0
        self._file = path.open("xb")
        self._file.write(linear16_header(channels=CHANNELS, sound_bytes=0))

    @property
    def seconds(self) -> float:
        """Return how long it is."""
        return self.sound_bytes / (FRAME_BYTES * 50)

    def write(self, sound: bytes) -> None:
        """Add sound, and tell its size in the header."""
        self._file.seek(0, SEEK_END)
        self._file.write(sound)
        self.sound_bytes += len(sound)
        self._file.seek(0)
        self._file.write(linear16_header(channels=CHANNELS, sound_bytes=self.sound_bytes))
        self._file.flush()

    def close(self) -> None:
        """Close it; once is enough."""
        self._file.close()


def far_side(sound: bytes) -> bytes:
    """Return the far side alone of linear 16 bit stereo."""
    return audioop.tomono(sound, 2, 1, 0)

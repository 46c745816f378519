"""Tones made and found again, independent of the code under test."""

import math
import struct
import wave
from collections.abc import Sequence
from pathlib import Path

import audioop

RATE = 8000
FRAME_SAMPLES = 160
_WINDOW = 800
_AMPLITUDE = 8000
_KEY_WINDOW = 240
_LOW_GROUP = (697, 770, 852, 941)
_HIGH_GROUP = (1209, 1336, 1477, 1633)
_KEYS = ("123A", "456B", "789C", "*0#D")


def tone(frequency: float, seconds: float) -> list[int]:
    """Return a sine as 16-bit samples at 8 kHz."""
    step = 2 * math.pi * frequency / RATE
    return [round(_AMPLITUDE * math.sin(step * index)) for index in range(int(RATE * seconds))]


def ulaw_frames(samples: Sequence[int]) -> list[bytes]:
    """Return samples as whole G.711 µ-law frames of 20 ms."""
    coded = audioop.lin2ulaw(struct.pack(f"<{len(samples)}h", *samples), 2)
    last = len(coded) - FRAME_SAMPLES
    return [coded[at : at + FRAME_SAMPLES] for at in range(0, last + 1, FRAME_SAMPLES)]


def from_ulaw(coded: bytes) -> list[int]:
    """Return G.711 µ-law as samples."""
    return list(struct.unpack(f"<{len(coded)}h", audioop.ulaw2lin(coded, 2)))


def write_wav(path: Path, samples: Sequence[int]) -> None:
    """Write a mono WAV file at 8 kHz."""
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(RATE)
        file.writeframes(struct.pack(f"<{len(samples)}h", *samples))


def read_wav(path: Path) -> list[int]:
    """Read a mono 16-bit WAV file at 8 kHz."""
    with wave.open(str(path), "rb") as file:
        if (file.getnchannels(), file.getsampwidth(), file.getframerate()) != (1, 2, RATE):
            raise ValueError(f"{path.name} is not 8 kHz mono of 16 bits")
        count = file.getnframes()
        return list(struct.unpack(f"<{count}h", file.readframes(count)))


def tone_share(samples: Sequence[int], frequency: float) -> float:
    """Return the share of 100 ms windows in which this tone is nine tenths of the power.

    1.0 is the tone alone and without a gap; silence and other tones give 0.0.
    """
    starts = range(0, len(samples) - _WINDOW + 1, _WINDOW)
    if not starts:
        return 0.0
    found = sum(_is_tone(samples[at : at + _WINDOW], frequency) for at in starts)
    return found / len(starts)


def keys(samples: Sequence[int]) -> str:
    """Return the keys of the telephone whose tones are in the sound (ITU-T Q.23)."""
    found = [_key(samples[at : at + _KEY_WINDOW]) for at in range(0, len(samples), _KEY_WINDOW)]
    pairs = zip(found, ["", *found], strict=False)
    return "".join(key for key, before in pairs if key != before)


def _key(window: Sequence[int]) -> str:
    """Return the key whose two tones are four fifths of a window's power, or nothing."""
    total = sum(sample * sample for sample in window)
    if total < len(window) * 100**2:
        return ""
    low, high = (
        max((_power(window, frequency), index) for index, frequency in enumerate(group))
        for group in (_LOW_GROUP, _HIGH_GROUP)
    )
    if low[0] + high[0] < 0.8 * total or min(low[0], high[0]) < 0.1 * total:
        return ""
    return _KEYS[low[1]][high[1]]


def _is_tone(window: Sequence[int], frequency: float) -> bool:
    """Tell whether one tone makes up nine tenths of a window's power."""
    power = sum(sample * sample for sample in window)
    return power >= len(window) * 100**2 and _power(window, frequency) >= 0.9 * power


def _power(window: Sequence[int], frequency: float) -> float:
    """Return the energy of a window at one frequency."""
    step = 2 * math.pi * frequency / RATE
    real = sum(sample * math.cos(step * index) for index, sample in enumerate(window))
    imaginary = sum(sample * math.sin(step * index) for index, sample in enumerate(window))
    return 2 * (real * real + imaginary * imaginary) / len(window)

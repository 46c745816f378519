"""Sounds for the keypad detector, made without the code under test."""

import math
import random
from array import array
from collections.abc import Sequence

import audioop

from custom_components.hikari_denwa.telephony.audio.dtmf import DtmfDetector

PITCHES = {
    "1": (697, 1209),
    "2": (697, 1336),
    "3": (697, 1477),
    "A": (697, 1633),
    "4": (770, 1209),
    "5": (770, 1336),
    "6": (770, 1477),
    "B": (770, 1633),
    "7": (852, 1209),
    "8": (852, 1336),
    "9": (852, 1477),
    "C": (852, 1633),
    "*": (941, 1209),
    "0": (941, 1336),
    "#": (941, 1477),
    "D": (941, 1633),
}
# A sine of 0 dBm0, in linear 16 bit, has this peak: 3.17 dB below the top of the µ-law scale.
_PEAK = 32636 / 10 ** (3.17 / 20)


def peak(dbm0: float) -> float:
    """Return the peak of a sine of a level."""
    return _PEAK * float(10 ** (dbm0 / 20))


def pause(milliseconds: float) -> list[float]:
    """Return silence."""
    return [0.0] * round(8 * milliseconds)


def tones(components: Sequence[tuple[float, float]], milliseconds: float) -> list[float]:
    """Return a sum of sines, each (hertz, dBm0), with hard edges, at phases of their own."""
    parts = [
        (2 * math.pi * hertz / 8000, peak(dbm0), 1.3 * place)
        for place, (hertz, dbm0) in enumerate(components, 1)
    ]
    return [
        sum(high * math.sin(step * n + phase) for step, high, phase in parts)
        for n in range(round(8 * milliseconds))
    ]


def key(
    digit: str,
    milliseconds: float,
    *,
    levels: tuple[float, float] = (-10.0, -10.0),
    shifts: tuple[float, float] = (0.0, 0.0),
) -> list[float]:
    """Return a digit; ``levels`` in dBm0 and ``shifts`` of pitch in per cent, low group first."""
    components = [
        (hertz * (1 + shift / 100), dbm0)
        for hertz, dbm0, shift in zip(PITCHES[digit], levels, shifts, strict=True)
    ]
    return tones(components, milliseconds)


def noise(sound: Sequence[float], dbm0: float, seed: int = 1) -> list[float]:
    """Return a sound with white noise of a level added."""
    rng = random.Random(seed)
    deviation = peak(dbm0) / math.sqrt(2)
    return [sample + rng.gauss(0, deviation) for sample in sound]


def frames(sound: Sequence[float]) -> list[bytes]:
    """Return a sound as frames of µ-law, filled up with silence."""
    padded = [*sound, *[0.0] * (-len(sound) % 160)]
    limited = array("h", (max(-32768, min(32767, round(sample))) for sample in padded))
    payload = audioop.lin2ulaw(limited.tobytes(), 2)
    return [payload[start : start + 160] for start in range(0, len(payload), 160)]


def detect(sound: Sequence[float]) -> str:
    """Return the digits that a new detector hears in a sound with silence around it."""
    detector = DtmfDetector()
    around = pause(60)
    heard = [detector.feed(frame) for frame in frames([*around, *sound, *around])]
    return "".join(digit for digit in heard if digit)

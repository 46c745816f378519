"""Tones: sums of sines, and the ones that a Japanese telephone network plays."""

from __future__ import annotations

import array
import functools
import itertools
import math
import random
from collections.abc import Iterable, Iterator

from .g711 import FRAME_SAMPLES, SAMPLE_RATE, linear_to_ulaw, peak_of

_NETWORK_LEVEL = -13.0
_COMFORT_LEVEL = -62.0
_EDGE_SECONDS = 0.002


def sines(components: Iterable[tuple[float, float]], seconds: float) -> bytes:
    """Return a sum of sines, each (hertz, dBm0), as linear 16 bit with edges that do not click."""
    parts = [(2 * math.pi * hertz / SAMPLE_RATE, peak_of(dbm0)) for hertz, dbm0 in components]
    count, edge = round(seconds * SAMPLE_RATE), round(_EDGE_SECONDS * SAMPLE_RATE)
    samples = array.array("h", bytes(2 * count))
    for index in range(count):
        value = sum(peak * math.sin(step * index) for step, peak in parts)
        from_edge = min(index + 1, count - index)
        if from_edge < edge:
            value *= 0.5 - 0.5 * math.cos(math.pi * from_edge / edge)
        samples[index] = max(-32768, min(32767, round(value)))
    return samples.tobytes()


def silence(seconds: float) -> bytes:
    """Return silence as linear 16 bit."""
    return bytes(2 * round(seconds * SAMPLE_RATE))


def frames(sound: bytes) -> tuple[bytes, ...]:
    """Return linear 16 bit sound as frames of 160 bytes of µ-law, the last filled with silence."""
    payload = linear_to_ulaw(sound)
    payload += b"\xff" * (-len(payload) % FRAME_SAMPLES)
    return tuple(
        payload[start : start + FRAME_SAMPLES] for start in range(0, len(payload), FRAME_SAMPLES)
    )


def dial_tone() -> Iterator[bytes]:
    """Return endless frames of 400 Hz (発信音)."""
    return itertools.cycle(_dial_tone())


def ringback_tone() -> Iterator[bytes]:
    """Return endless frames of 400 Hz beaten with 16 Hz, 1 s on and 2 s off (呼出音)."""
    return itertools.cycle(_ringback_tone())


def busy_tone() -> Iterator[bytes]:
    """Return endless frames of 400 Hz, 0.5 s on and 0.5 s off (話中音)."""
    return itertools.cycle(_busy_tone())


@functools.cache
def _dial_tone() -> tuple[bytes, ...]:
    """Return one frame: eight whole waves, so that it repeats without a seam."""
    peak, step = peak_of(_NETWORK_LEVEL), 2 * math.pi * 400 / SAMPLE_RATE
    wave = array.array("h", (round(peak * math.sin(step * n)) for n in range(FRAME_SAMPLES)))
    return frames(wave.tobytes())


@functools.cache
def _ringback_tone() -> tuple[bytes, ...]:
    """Return three seconds. Beating by a factor of (1 + sin)/2 is three sines."""
    side = _NETWORK_LEVEL - 6
    tone = sines(((400, _NETWORK_LEVEL), (384, side), (416, side)), 1.0)
    return frames(tone + silence(2.0))


@functools.cache
def _busy_tone() -> tuple[bytes, ...]:
    """Return one second."""
    return frames(sines(((400, _NETWORK_LEVEL),), 0.5) + silence(0.5))


def comfort_noise() -> Iterator[bytes]:
    """Return endless frames of a noise that is hardly heard, and that no encoder makes away with.

    A player that counts its buffer in bytes would wait long for it to fill with silence.
    """
    return itertools.cycle(_comfort_noise())


@functools.cache
def _comfort_noise() -> tuple[bytes, ...]:
    """Return five seconds of white noise, always the same."""
    dice = random.Random(8000)  # noqa: S311 - it is to be heard, not to be secret
    spread = peak_of(_COMFORT_LEVEL) / math.sqrt(2)
    samples = array.array("h", (round(dice.gauss(0, spread)) for _ in range(5 * SAMPLE_RATE)))
    return frames(samples.tobytes())

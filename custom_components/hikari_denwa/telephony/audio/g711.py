"""G.711: µ-law and A-law to and from linear 16 bit at 8 kHz, and levels in dBm0."""

from __future__ import annotations

import audioop
import math

SAMPLE_RATE = 8000
FRAME_SAMPLES = 160
# ITU-T G.711: a sine of +3.17 dBm0 just reaches the top of the µ-law scale (8159 of 14 bits).
OVERLOAD_PEAK = 8159 * 4
OVERLOAD_DBM0 = 3.17


def ulaw_to_linear(payload: bytes) -> bytes:
    """Return µ-law as linear 16 bit in the machine's byte order."""
    return audioop.ulaw2lin(payload, 2)


def linear_to_ulaw(sound: bytes) -> bytes:
    """Return linear 16 bit as µ-law."""
    return audioop.lin2ulaw(sound, 2)


def alaw_to_linear(payload: bytes) -> bytes:
    """Return A-law as linear 16 bit in the machine's byte order."""
    return audioop.alaw2lin(payload, 2)


def linear_to_alaw(sound: bytes) -> bytes:
    """Return linear 16 bit as A-law."""
    return audioop.lin2alaw(sound, 2)


def alaw_to_ulaw(payload: bytes) -> bytes:
    """Return A-law as µ-law."""
    return audioop.lin2ulaw(audioop.alaw2lin(payload, 2), 2)


def ulaw_to_alaw(payload: bytes) -> bytes:
    """Return µ-law as A-law."""
    return audioop.lin2alaw(audioop.ulaw2lin(payload, 2), 2)


def level(sound: bytes) -> float:
    """Return the level of linear 16 bit sound in dBm0; minus infinity for digital silence."""
    rms = audioop.rms(sound, 2)
    if not rms:
        return -math.inf
    return 20 * math.log10(rms * math.sqrt(2) / OVERLOAD_PEAK) + OVERLOAD_DBM0


def peak_of(level_dbm0: float) -> float:
    """Return the peak, in linear 16 bit, of a sine of a level in dBm0."""
    return float(OVERLOAD_PEAK * 10 ** ((level_dbm0 - OVERLOAD_DBM0) / 20))

"""How much of a sound arrived: where it begins, how loud it is, and what of it is missing."""

import math
from dataclasses import dataclass

import audioop

from .tones import RATE, mean_square, power_to_dbm0

WINDOW_SECONDS = 0.02
SAME = 0.9
QUIET_DBM0 = -45.0
ANCHOR_SECONDS = 1.0


@dataclass(frozen=True, kw_only=True)
class Likeness:
    """What became of a sound on its way.

    ``level_db`` is how much louder it arrived; ``start_clipped_ms`` and ``end_clipped_ms`` are what
    is missing at its ends, ``missing_ms`` is that and the holes between. ``at_seconds`` is where
    in the recording it begins.
    """

    level_db: float
    start_clipped_ms: float
    end_clipped_ms: float
    missing_ms: float
    at_seconds: float


def compare(said: bytes, heard: bytes) -> Likeness:
    """Find a sound in a recording, both 16 bit at 8 kHz; raises ValueError if it is not there.

    The middle of the sound is looked for; its ends then have to be where they belong.
    """
    anchor = 2 * int(min(ANCHOR_SECONDS * RATE, len(said) // 4))
    middle = (len(said) - anchor) // 4 * 2
    # To begin with digital silence is more than the search can take.
    before = (len(heard) - len(heard.lstrip(b"\0"))) // 2 * 2
    if len(heard) - before < anchor:
        raise ValueError("the recording is shorter than what is looked for")
    at, _ = audioop.findfit(heard[before:], said[middle : middle + anchor])
    offset = before + 2 * at - middle
    padded = bytes(max(0, -offset)) + heard + bytes(len(said))
    there = padded[max(0, offset) :][: len(said)]
    if _likeness(said, there) < 0.5:
        raise ValueError("the sound is not in the recording")
    step = 2 * int(WINDOW_SECONDS * RATE)
    loud = [
        start
        for start in range(0, len(said) - step + 1, step)
        if power_to_dbm0(mean_square(said[start : start + step])) > QUIET_DBM0
    ]
    lost = [
        _likeness(said[start : start + step], there[start : start + step]) < SAME for start in loud
    ]
    kept = [part for part, gone in zip(loud, lost, strict=True) if not gone]
    ours = b"".join(said[start : start + step] for start in kept)
    theirs = b"".join(there[start : start + step] for start in kept)
    return Likeness(
        level_db=power_to_dbm0(mean_square(theirs)) - power_to_dbm0(mean_square(ours)),
        start_clipped_ms=_leading(lost) * WINDOW_SECONDS * 1000,
        end_clipped_ms=_leading(lost[::-1]) * WINDOW_SECONDS * 1000,
        missing_ms=sum(lost) * WINDOW_SECONDS * 1000,
        at_seconds=offset / 2 / RATE,
    )


def spoken(rate: int, seconds: float = 2.5, peak: float = 12000.0) -> bytes:
    """Make a sound like a sentence, 16 bit: a gliding voice in syllables, loud at both ends."""
    samples = bytearray()
    phase = 0.0
    for index in range(int(seconds * rate)):
        at = index / rate
        pitch = 130 + 30 * math.sin(2 * math.pi * 0.7 * at) + 20 * at
        phase += 2 * math.pi * pitch / rate
        formants = sum(math.sin(n * phase) / (1 + abs(n * pitch - 600) / 400) for n in range(1, 15))
        syllable = 0.55 + 0.45 * math.cos(2 * math.pi * 4 * at)
        value = peak / 6 * formants * syllable
        samples += round(max(-32768, min(32767, value))).to_bytes(2, "little", signed=True)
    return bytes(samples)


def _likeness(one: bytes, other: bytes) -> float:
    """Return the correlation coefficient of two sounds of the same length."""
    own, theirs = audioop.rms(one, 2), audioop.rms(other, 2)
    if not own or not theirs:
        return 0.0
    return audioop.findfactor(one, other) * theirs / own


def _leading(flags: list[bool]) -> int:
    """Count the true ones at the beginning."""
    return next((index for index, flag in enumerate(flags) if not flag), len(flags))

"""Tones made and found: Goertzel, DTMF (ITU-T Q.23, Q.24) and levels, at 8 kHz, 16 bit."""

import math
import struct
from collections.abc import Iterator

import audioop

RATE = 8000
FRAME_SAMPLES = 160
FRAME_SECONDS = 0.02
# A sine at the clipping level of mu-law is +3.17 dBm0 (ITU-T G.711).
FULL_SCALE_DBM0 = 3.17
ULAW_PEAK = 32124
LOW_GROUP = (697, 770, 852, 941)
HIGH_GROUP = (1209, 1336, 1477, 1633)
KEYPAD = ("123A", "456B", "789C", "*0#D")
DTMF = {
    digit: (LOW_GROUP[row], HIGH_GROUP[column])
    for row, line in enumerate(KEYPAD)
    for column, digit in enumerate(line)
}
DTMF_BLOCK = 102
DTMF_FLOOR_DBM0 = -36.0
DTMF_TWIST_DB = 10.0
DTMF_PURITY = 0.7


def amplitude(level_dbm0: float) -> float:
    """Turn a level in dBm0 into a 16-bit peak amplitude."""
    return ULAW_PEAK * 10 ** ((level_dbm0 - FULL_SCALE_DBM0) / 20)


def pack(samples: list[float]) -> bytes:
    """Clip to 16 bit, little endian."""
    clipped = [max(-32768, min(32767, round(sample))) for sample in samples]
    return struct.pack(f"<{len(clipped)}h", *clipped)


def unpack(pcm: bytes) -> tuple[int, ...]:
    """Read 16-bit little-endian samples."""
    return struct.unpack(f"<{len(pcm) // 2}h", pcm)


def sines(parts: tuple[tuple[float, float], ...], start: int, count: int) -> list[float]:
    """Sum sines given as frequency and peak, from sample ``start`` on."""
    return [
        sum(peak * math.sin(2 * math.pi * hertz * n / RATE) for hertz, peak in parts)
        for n in range(start, start + count)
    ]


def goertzel(samples: tuple[int, ...], frequency: float) -> float:
    """Return the mean-square power of one frequency: a sine of peak A gives A²/2."""
    coefficient = 2 * math.cos(2 * math.pi * frequency / RATE)
    before = last = 0.0
    for sample in samples:
        before, last = last, sample + coefficient * last - before
    power = before * before + last * last - coefficient * before * last
    return 2 * power / len(samples) ** 2 if samples else 0.0


def power_to_dbm0(power: float) -> float:
    """Turn a mean-square power into dBm0, with -100 for silence."""
    if power <= 0:
        return -100.0
    return max(-100.0, 10 * math.log10(2 * power) - 20 * math.log10(ULAW_PEAK) + FULL_SCALE_DBM0)


def mean_square(pcm: bytes) -> float:
    """Return the mean-square power of 16-bit samples."""
    samples = unpack(pcm)
    return sum(sample * sample for sample in samples) / len(samples) if samples else 0.0


def tone_level(pcm: bytes, frequency: float, *, block: int = 800) -> float:
    """Return the level of a frequency in dBm0, averaged over blocks."""
    samples = unpack(pcm)
    blocks = [samples[n : n + block] for n in range(0, len(samples) - block + 1, block)]
    if not blocks:
        blocks = [samples]
    return power_to_dbm0(sum(goertzel(part, frequency) for part in blocks) / len(blocks))


def detect_dtmf(pcm: bytes) -> str:
    """Return the keys heard: two blocks of 12.75 ms alike make a key, two without it end it."""
    samples = unpack(pcm)
    keys: list[str] = []
    candidate, seen, missed, current = "", 0, 0, ""
    for start in range(0, len(samples) - DTMF_BLOCK + 1, DTMF_BLOCK):
        key = _dtmf_of_block(samples[start : start + DTMF_BLOCK])
        missed = 0 if key and key == current else missed + 1
        if missed >= 2:
            current = ""
        seen = seen + 1 if key and key == candidate else bool(key)
        candidate = key
        if seen == 2 and key != current:
            keys.append(key)
            current, missed = key, 0
    return "".join(keys)


def _dtmf_of_block(samples: tuple[int, ...]) -> str:
    """Return the key in a block, or nothing."""
    total = sum(sample * sample for sample in samples) / len(samples)
    if power_to_dbm0(total) < DTMF_FLOOR_DBM0:
        return ""
    low = [goertzel(samples, frequency) for frequency in LOW_GROUP]
    high = [goertzel(samples, frequency) for frequency in HIGH_GROUP]
    row, column = low.index(max(low)), high.index(max(high))
    twist = abs(power_to_dbm0(low[row]) - power_to_dbm0(high[column]))
    pure = low[row] + high[column] >= DTMF_PURITY * total
    return KEYPAD[row][column] if pure and twist <= DTMF_TWIST_DB else ""


def dtmf_pcm(
    digits: str, *, level_dbm0: float, twist_db: float, tone_ms: int, gap_ms: int
) -> Iterator[bytes]:
    """Make the tones of digits in 20 ms frames; positive twist makes the high group louder."""
    samples: list[float] = []
    gap = [0.0] * (RATE * gap_ms // 1000)
    for digit in digits:
        low, high = DTMF[digit]
        pair = (
            (float(low), amplitude(level_dbm0 - twist_db / 2)),
            (float(high), amplitude(level_dbm0 + twist_db / 2)),
        )
        samples += sines(pair, 0, RATE * tone_ms // 1000) + gap
    samples += [0.0] * (-len(samples) % FRAME_SAMPLES)
    for start in range(0, len(samples), FRAME_SAMPLES):
        yield pack(samples[start : start + FRAME_SAMPLES])


def decode(payload_type: int, payload: bytes) -> bytes:
    """Turn PCMU (0) or PCMA (8) into 16-bit samples; what is no sound becomes silence of 20 ms."""
    if payload_type == 0:
        return audioop.ulaw2lin(payload, 2)
    if payload_type == 8:
        return audioop.alaw2lin(payload, 2)
    return bytes(2 * FRAME_SAMPLES)


def encode(payload_type: int, pcm: bytes) -> bytes:
    """Turn 16-bit samples into PCMU (0) or PCMA (8)."""
    return audioop.lin2alaw(pcm, 2) if payload_type == 8 else audioop.lin2ulaw(pcm, 2)

"""Keypad tones in the sound (DTMF, ITU-T Q.23): made, and recognised as ITU-T Q.24 wants it."""

from __future__ import annotations

import array
import audioop
import cmath
import functools
import itertools
import math
import sys
from collections import deque
from dataclasses import dataclass

from ..errors import DigitsInvalidError
from .g711 import FRAME_SAMPLES, SAMPLE_RATE, peak_of, ulaw_to_linear
from .tones import frames, silence, sines

if sys.version_info >= (3, 12):
    from math import sumprod
else:
    import operator
    from collections.abc import Iterable

    def sumprod(one: Iterable[float], other: Iterable[float]) -> float:
        """Return the sum of the products of two rows of numbers."""
        return sum(map(operator.mul, one, other))


_ROWS = (697, 770, 852, 941)
_COLUMNS = (1209, 1336, 1477, 1633)
_KEYPAD = ("123A", "456B", "789C", "*0#D")
_PITCHES = {
    digit: (row, column)
    for row, digits in zip(_ROWS, _KEYPAD, strict=True)
    for column, digit in zip(_COLUMNS, digits, strict=True)
}
# The high group is sent 2 dB stronger, for lines weaken it more.
_ROW_LEVEL = -8.0
_COLUMN_LEVEL = -6.0

_HOP = 40
_WINDOW = 2 * _HOP
_FRAME_BYTES = 2 * FRAME_SAMPLES
_REFERENCE_PEAK = 16000

# Q.24, annex A: NTT wants -24 dBm a tone heard and -29 dBm not, AT&T -25 and -55 dBm.
_WEAKEST = peak_of(-27.0)
_GATE_RMS = int(_WEAKEST * 0.8)
_FRAME_SHARE = 0.33
_WINDOW_SHARE = 0.7
_INNER_SHARE = 0.9
_TWIST_DB = (-10.0, 6.0)
# A weaker row makes no pair with any column: by the twist that we take, with half of it spared.
_ROW_SHARE = _FRAME_SHARE / (1 + 10 ** (_TWIST_DB[1] / 10)) / 2
_FREQUENCY_TOLERANCE = 0.025
# Windows are 10 ms long and begin every 5 ms: six of them lie within 40 ms, at most four in 23 ms.
_WINDOWS_NEEDED = 6
_WINDOWS_OF_PAUSE = 5


def digit_frames(digits: str, *, on_ms: int = 100, off_ms: int = 100) -> tuple[bytes, ...]:
    """Return the tones of digits (0-9 * # A-D) as 20 ms frames of µ-law, a pause after each.

    Raises DigitsInvalidError if there is none, or something else among them.
    """
    keys = digits.upper()
    if not keys or not set(keys) <= _PITCHES.keys():
        raise DigitsInvalidError(digits=digits)
    pause = silence(off_ms / 1000)
    return frames(b"".join(_tone(key, on_ms) + pause for key in keys))


@functools.cache
def _tone(digit: str, on_ms: int) -> bytes:
    """Return the two sines of a digit as linear 16 bit."""
    row, column = _PITCHES[digit]
    return sines(((row, _ROW_LEVEL), (column, _COLUMN_LEVEL)), on_ms / 1000)


class _Reference:
    """A sine and a cosine to correlate with: ``audioop.findfactor`` does that in C."""

    def __init__(self, hertz: float, samples: int) -> None:
        """Make them for one length of sound."""
        self.step = 2 * math.pi * hertz / SAMPLE_RATE
        turns = [self.step * index for index in range(samples)]
        self.waves = tuple(
            array.array("h", (round(_REFERENCE_PEAK * wave(turn)) for turn in turns))
            for wave in (math.cos, math.sin)
        )
        self.cosine, self.sine = (wave.tobytes() for wave in self.waves)

    def power(self, sound: bytes) -> float:
        """Return the squared peak of this pitch in linear 16 bit sound of our length."""
        cosine = audioop.findfactor(sound, self.cosine)
        sine = audioop.findfactor(sound, self.sine)
        return (cosine * cosine + sine * sine) * _REFERENCE_PEAK**2


@dataclass(frozen=True, slots=True)
class _Fit:
    """What of a window two tones explain: their peaks and phases, and their share of its energy."""

    row: complex
    column: complex
    share: float


class _PairReference:
    """Finds the two tones of a digit in 10 ms, where they are not orthogonal, by least squares."""

    def __init__(self, digit: str) -> None:
        """Prepare the references and the inverse of their Gram matrix."""
        row, column = (_Reference(hertz, _WINDOW) for hertz in _PITCHES[digit])
        self._references = (row.cosine, row.sine, column.cosine, column.sine)
        waves = (*row.waves, *column.waves)
        gram = [[float(sumprod(a, b)) for b in waves] for a in waves]
        self._norms = tuple(gram[index][index] for index in range(4))
        self._inverse = _inverted(gram)
        self.row_step, self.column_step = row.step, column.step
        self.row_tolerance = _FREQUENCY_TOLERANCE * row.step
        self.column_tolerance = _FREQUENCY_TOLERANCE * column.step

    def fit(self, window: bytes) -> _Fit:
        """Return the tones in a window."""
        energy = audioop.rms(window, 2) ** 2 * _WINDOW or 1
        products = [
            audioop.findfactor(window, reference) * norm
            for reference, norm in zip(self._references, self._norms, strict=True)
        ]
        factors = [sumprod(row, products) for row in self._inverse]
        return _Fit(
            row=complex(factors[0], -factors[1]) * _REFERENCE_PEAK,
            column=complex(factors[2], -factors[3]) * _REFERENCE_PEAK,
            share=sumprod(factors, products) / energy,
        )


def _inverted(matrix: list[list[float]]) -> list[list[float]]:
    """Return the inverse of a regular matrix (Gauss-Jordan; symmetric positive: no pivoting)."""
    size = len(matrix)
    rows = [
        [*row, *(float(index == column) for column in range(size))]
        for index, row in enumerate(matrix)
    ]
    for pivot in range(size):
        rows[pivot] = [value / rows[pivot][pivot] for value in rows[pivot]]
        for index in range(size):
            if index != pivot:
                factor = rows[index][pivot]
                rows[index] = [
                    value - factor * other
                    for value, other in zip(rows[index], rows[pivot], strict=True)
                ]
    return [row[size:] for row in rows]


@functools.cache
def _frame_references() -> tuple[tuple[_Reference, ...], tuple[_Reference, ...]]:
    """Return the references of the rows and of the columns for a whole frame."""
    return (
        tuple(_Reference(hertz, FRAME_SAMPLES) for hertz in _ROWS),
        tuple(_Reference(hertz, FRAME_SAMPLES) for hertz in _COLUMNS),
    )


@functools.cache
def _pair(digit: str) -> _PairReference:
    """Return the reference of a digit for a window."""
    return _PairReference(digit)


class _Run:
    """A digit that may be sounding: windows in a row that hold its two tones and little else."""

    def __init__(self, digit: str) -> None:
        """Begin before the first window."""
        self.digit = digit
        self.told = False
        self.pause = 0
        self._pair = _pair(digit)
        self._fits: deque[_Fit] = deque(maxlen=_WINDOWS_NEEDED)

    def interrupt(self) -> None:
        """Be told that the sound was made up here: no proof for a tone, and none of a pause."""
        self._fits.clear()

    def take(self, window: bytes) -> bool:
        """Take the next window; True once the tones have lasted long enough."""
        fit = self._pair.fit(window)
        weak = min(abs(fit.row), abs(fit.column)) < _WEAKEST
        if weak or fit.share < _WINDOW_SHARE:
            self.pause += 1
            self._fits.clear()
            return False
        self.pause = 0
        self._fits.append(fit)
        return not self.told and len(self._fits) == _WINDOWS_NEEDED and self._is_true()

    def _is_true(self) -> bool:
        """Tell whether the pitches, their proportion and their purity are a keypad's."""
        rows = [fit.row for fit in self._fits]
        columns = [fit.column for fit in self._fits]
        row_shift = _shift(rows, self._pair.row_step)
        column_shift = _shift(columns, self._pair.column_step)
        if abs(row_shift) > self._pair.row_tolerance:
            return False
        if abs(column_shift) > self._pair.column_tolerance:
            return False
        row_power, column_power = _power(rows), _power(columns)
        if not _TWIST_DB[0] <= 10 * math.log10(column_power / row_power) <= _TWIST_DB[1]:
            return False
        # A tone beside its nominal pitch is explained less well, and we know by how much.
        possible = (row_power * _seen_part(row_shift) + column_power * _seen_part(column_shift)) / (
            row_power + column_power
        )
        shares = [fit.share for fit in self._fits][1:-1]
        return sum(shares) / len(shares) >= _INNER_SHARE * possible


def _shift(peaks: list[complex], step: float) -> float:
    """Return by how many radians a sample a tone's pitch is beside the nominal step."""
    turn = sum(later * earlier.conjugate() for earlier, later in itertools.pairwise(peaks))
    return cmath.phase(turn * cmath.exp(-1j * step * _HOP)) / _HOP


def _power(peaks: list[complex]) -> float:
    """Return the sum of squares."""
    return sum(abs(peak) ** 2 for peak in peaks)


def _seen_part(shift: float) -> float:
    """Return the share of a tone's energy that a window finds when the pitch is beside nominal."""
    half = shift * _WINDOW / 2
    return (math.sin(half) / half) ** 2 if half else 1.0


class DtmfDetector:
    """Takes 20 ms frames and tells each digit once, while its tone still sounds.

    A tone counts from 40 ms on and never below 23 ms; after 30 ms of pause the same digit
    counts anew. A frame in which two keypad pitches do not stand out, which is nearly
    all of speech, costs no more than sixteen correlations, and eight without a row.
    """

    def __init__(self) -> None:
        """Start in silence."""
        self._before = bytes(2 * _HOP)
        self._run: _Run | None = None

    def feed(self, payload: bytes, *, concealed: bool = False) -> str | None:
        """Take the next 160 bytes of µ-law; return the digit that is now certain, or None.

        ``concealed`` tells that the frame was lost and made up.
        """
        frame = ulaw_to_linear(payload)
        sound = self._before + frame
        self._before = frame[-2 * _HOP :]
        if concealed:
            if self._run is not None:
                self._run.interrupt()
            return None
        if self._run is None or not self._run.told:
            candidate = _candidate(frame)
            if candidate is not None and (self._run is None or self._run.digit != candidate):
                self._run = _Run(candidate)
        return None if self._run is None else self._follow(self._run, sound)

    def _follow(self, run: _Run, sound: bytes) -> str | None:
        """Take the four windows that end in this frame."""
        certain = None
        for start in range(0, len(sound) - 2 * _WINDOW + 1, 2 * _HOP):
            if run.take(sound[start : start + 2 * _WINDOW]):
                run.told = True
                certain = run.digit
            if run.pause == _WINDOWS_OF_PAUSE:
                self._run = None
                break
        return certain


def _candidate(frame: bytes) -> str | None:
    """Return the digit whose tones make up a good part of a frame, if there is one."""
    rms = audioop.rms(frame, 2)
    if rms < _GATE_RMS:
        return None
    whole = 2 * rms * rms
    low_group, high_group = _frame_references()
    rows = [reference.power(frame) for reference in low_group]
    row = max(rows)
    if row < whole * _ROW_SHARE:
        return None
    columns = [reference.power(frame) for reference in high_group]
    column = max(columns)
    if row + column < whole * _FRAME_SHARE:
        return None
    return _KEYPAD[rows.index(row)][columns.index(column)]

"""From 8 kHz to the rates that players want, by a polyphase filter that runs in C."""

from __future__ import annotations

import array
import audioop
import math
import sys

from .g711 import SAMPLE_RATE

_REACH = 10
_KAISER_BETA = 5.0
_HIGHEST_FACTOR = 6
_WIDTH = 4


def supports(rate: int) -> bool:
    """Tell whether sound can be brought to this rate in Hz."""
    return SAMPLE_RATE <= rate <= _HIGHEST_FACTOR * SAMPLE_RATE


class Resampler:
    """Brings one stream of linear 16 bit from 8 kHz to a rate up to 48 kHz, 1.2 ms later.

    A multiple of 8 kHz comes of a windowed sinc, other rates of that at 48 kHz and a linear
    step: at 3.4 kHz, the highest that a telephone has, that is 50 dB above what it spoils.
    Raises ValueError for a rate beyond its reach.
    """

    def __init__(self, rate: int) -> None:
        """Begin after silence."""
        if not supports(rate):
            raise ValueError(f"sound cannot be brought from {SAMPLE_RATE} to {rate} Hz")
        even = rate % SAMPLE_RATE == 0
        self._factor = rate // SAMPLE_RATE if even else _HIGHEST_FACTOR
        self._rate = None if even else rate
        self._phases = _phases(self._factor)
        self._past = bytes(_WIDTH * (2 * _REACH - 1))
        self._step: audioop._RatecvState | None = None

    def feed(self, sound: bytes) -> bytes:
        """Return the next piece of sound at the new rate, little-endian."""
        made = self._multiplied(sound) if self._factor > 1 else sound
        if self._rate is not None:
            from_rate = self._factor * SAMPLE_RATE
            made, self._step = audioop.ratecv(made, 2, 1, from_rate, self._rate, self._step)
        return made if sys.byteorder == "little" else audioop.byteswap(made, 2)

    def _multiplied(self, sound: bytes) -> bytes:
        """Put the samples of each phase between those that are there."""
        known = self._past + audioop.lin2lin(sound, 2, _WIDTH)
        self._past = known[len(known) - len(self._past) :]
        size = 2 * len(sound)
        whole = array.array("h", bytes(self._factor * len(sound)))
        for phase, taps in enumerate(self._phases):
            total = bytes(size)
            for place, weight in taps:
                part = known[place * _WIDTH : place * _WIDTH + size]
                total = audioop.add(total, audioop.mul(part, _WIDTH, weight), _WIDTH)
            whole[phase :: self._factor] = array.array("h", audioop.lin2lin(total, _WIDTH, 2))
        return whole.tobytes()


def _phases(factor: int) -> list[list[tuple[int, float]]]:
    """Return for each phase the weights of the samples around, by their place."""
    phases = []
    for phase in range(factor):
        taps = []
        for place in range(2 * _REACH):
            distance = place - (_REACH - 1) - phase / factor
            if weight := _sinc(distance) * _kaiser(distance / _REACH):
                taps.append((place, weight))
        whole = sum(weight for _, weight in taps)
        phases.append([(place, weight / whole) for place, weight in taps])
    return phases


def _sinc(distance: float) -> float:
    """Return what an ideal low-pass lets a sample add at a distance in samples."""
    if not distance:
        return 1.0
    return 0.0 if distance == int(distance) else math.sin(math.pi * distance) / math.pi / distance


def _kaiser(place: float) -> float:
    """Return the window at a place from -1 to 1."""
    if abs(place) >= 1:
        return 0.0
    return _bessel(_KAISER_BETA * math.sqrt(1 - place * place)) / _bessel(_KAISER_BETA)


def _bessel(value: float) -> float:
    """Return the modified Bessel function of the first kind, order 0."""
    total, term, index = 1.0, 1.0, 1
    while term > total * 1e-12:
        term *= (value / 2 / index) ** 2
        total += term
        index += 1
    return total

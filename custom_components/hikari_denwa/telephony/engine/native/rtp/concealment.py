"""What is heard where sound is missing: packet loss concealment after ITU-T G.711 Appendix I."""

from __future__ import annotations

import audioop
import os
from array import array

from ...protocol import FRAME_BYTES, SILENCE

# All lengths are in samples of 8 kHz. Appendix I: pitches of 66 to 200 Hz.
_SHORTEST_PITCH = 40
_LONGEST_PITCH = 120
_CORRELATED = 160
_HISTORY = 3 * FRAME_BYTES
_STEP = 80
_MOST_PERIODS = 3
# Appendix I: whole for 10 ms, then 20 % less every 10 ms, nothing after 60 ms.
_LOUD = 80
_MUTE = 480
_FADED = _MUTE - _LOUD
# Appendix I: 4 ms more of overlap at the end for every 10 ms of erasure, at most 10 ms.
_LONGEST_OVERLAP = 80
_MORE_OVERLAP = 32
# White noise that is uniform over 16 bits lies this far below overload.
_UNIFORM_NOISE_DBOV = -4.77


class Concealment:
    """Continues the sound before a gap period by period, and leads over to the sound after it.

    Unlike Appendix I it delays nothing: the seam before a gap is mended within the gap.
    """

    def __init__(self) -> None:
        """Start from silence."""
        self._history = SILENCE * (_HISTORY // FRAME_BYTES)
        self._missing = 0
        self._cycle = array("h")
        self._pitch = 0
        self._periods = 0
        self._next = 0
        self._recent = array("h")
        self._seam = 0

    def good(self, sound: bytes) -> bytes:
        """Take µ-law that came, and return it as it is to be played."""
        if self._missing:
            sound = self._lead_over(sound)
            self._missing = 0
        self._history = (self._history + sound)[-_HISTORY:]
        return sound

    def missing(self, samples: int) -> bytes:
        """Return so many samples of µ-law to play in place of missing ones."""
        if self._missing >= _MUTE:
            return b"\xff" * samples
        if not self._missing:
            self._begin()
        return audioop.lin2ulaw(self._continue(samples).tobytes(), 2)

    def splice(self, left_out: bytes, sound: bytes) -> bytes:
        """Return a frame that goes on where one is left out, led over from that to itself."""
        faded = _cross_fade(_linear(left_out[:_STEP]), _linear(sound[:_STEP]))
        return audioop.lin2ulaw(faded.tobytes(), 2) + sound[_STEP:]

    def _begin(self) -> None:
        """Find the pitch of the sound before the gap."""
        self._recent = _linear(self._history)
        self._pitch = _pitch_of(self._recent.tobytes())
        self._periods = 0
        self._take_periods()
        # The first sample to come follows on one that is a period older than the last played.
        self._seam = self._recent[-1] - self._recent[-1 - self._pitch]

    def _take_periods(self) -> None:
        """Repeat one more of the last periods; more than one keeps a long gap from buzzing."""
        self._periods += 1
        length = self._periods * self._pitch
        overlap = self._pitch // 4
        cycle = self._recent[-length:]
        # Where the cycle ends and begins again, it fades into what came before its beginning.
        before = self._recent[-length - overlap : -length]
        cycle[-overlap:] = _cross_fade(cycle[-overlap:], before)
        self._cycle = cycle
        self._next %= self._pitch

    def _continue(self, samples: int) -> array[int]:
        """Return the next samples of the gap."""
        made = array("h")
        while len(made) < samples:
            if self._missing in (_STEP, 2 * _STEP) and self._periods < _MOST_PERIODS:
                before = self._run(self._pitch // 4, self._next)
                self._take_periods()
                after = self._run(self._pitch // 4, self._next)
                self._cycle[self._next : self._next + len(after)] = _cross_fade(before, after)
            count = min(samples - len(made), _STEP - self._missing % _STEP)
            run = self._run(count, self._next)
            self._next = (self._next + count) % len(self._cycle)
            made.extend(self._soften(run))
            self._missing += count
        return made

    def _run(self, count: int, start: int) -> array[int]:
        """Return samples of the cycle from a place on, around its end if need be."""
        cycle = self._cycle
        run = cycle[start : start + count]
        while len(run) < count:
            run.extend(cycle[: count - len(run)])
        return run

    def _soften(self, run: array[int]) -> array[int]:
        """Mend the seam before the gap, and fade what is far from it."""
        at = self._missing
        overlap = self._pitch // 4
        if at < overlap:
            for index in range(min(len(run), overlap - at)):
                mended = run[index] + self._seam * (overlap - at - index) // (overlap + 1)
                run[index] = max(-32768, min(32767, mended))
        if at < _LOUD:
            return run
        if at >= _MUTE:
            return array("h", bytes(2 * len(run)))
        first = _MUTE - at
        return array(
            "h", (sample * max(0, first - index) // _FADED for index, sample in enumerate(run))
        )

    def _lead_over(self, sound: bytes) -> bytes:
        """Fade from what was made up to what came."""
        if self._missing >= _MUTE:
            made = array("h", bytes(2 * _LONGEST_OVERLAP))
        else:
            steps = max(0, self._missing - 1) // _STEP
            overlap = min(self._pitch // 4 + steps * _MORE_OVERLAP, _LONGEST_OVERLAP)
            made = self._continue(overlap)
        made = made[: len(sound)]
        faded = _cross_fade(made, _linear(sound[: len(made)]))
        return audioop.lin2ulaw(faded.tobytes(), 2) + sound[len(made) :]


def comfort_noise(level: int) -> bytes:
    """Return a frame of white noise; ``level`` in -dBov, 0 to 127 (RFC 3389 §3.1)."""
    factor = 10 ** ((-max(level, 6) - _UNIFORM_NOISE_DBOV) / 20)
    return audioop.lin2ulaw(audioop.mul(os.urandom(2 * FRAME_BYTES), 2, factor), 2)


def _linear(payload: bytes) -> array[int]:
    """Return µ-law as linear samples."""
    return array("h", audioop.ulaw2lin(payload, 2))


def _cross_fade(old: array[int], new: array[int]) -> array[int]:
    """Return what goes from one sound to another of the same length."""
    whole = len(new) + 1
    return array(
        "h",
        (
            (before * (whole - index) + after * index) // whole
            for index, before, after in zip(range(1, whole), old, new, strict=True)
        ),
    )


def _pitch_of(recent: bytes) -> int:
    """Return the period, in samples, with which the last 20 ms best repeat what was before.

    Normalised cross-correlation, each second lag first, then those beside the best.
    """
    end = len(recent)
    template = recent[-2 * _CORRELATED :]

    def likeness(lag: int) -> float:
        earlier = recent[end - 2 * (_CORRELATED + lag) : end - 2 * lag]
        factor = audioop.findfactor(template, earlier)
        # The product of both factors is the square of the correlation coefficient.
        return factor * audioop.findfactor(earlier, template) if factor > 0 else 0.0

    best = max(range(_SHORTEST_PITCH, _LONGEST_PITCH + 1, 2), key=likeness)
    beside = (best, best - 1, best + 1)
    return max((lag for lag in beside if _SHORTEST_PITCH <= lag <= _LONGEST_PITCH), key=likeness)

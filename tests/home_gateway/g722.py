"""G.722 at 64 kbit/s, both sub-bands (ITU-T G.722), with the gateway's 8 kHz sound at its ends.

Written from the Recommendation for this side alone; blocks and variables bear its names.
"""

import math
import struct
from bisect import bisect_right
from collections import deque
from collections.abc import Callable, Iterable, Sequence

from .tones import pack, unpack

# Table 11: half of the symmetric quadrature mirror filters, each second coefficient.
QMF = (3, -11, 12, 32, -210, 951, 3876, -805, 362, -156, 53, -11)
# Table 14, 17: the lower quantiser's decision levels, and its codes by sign.
Q6 = (
    *(35, 72, 110, 150, 190, 233, 276, 323, 370, 422, 473, 530, 587, 650, 714, 786),
    *(858, 940, 1023, 1121, 1219, 1339, 1458, 1612, 1765, 1980, 2195, 2557, 2919),
)
ILN = (63, 62, *range(31, 3, -1))
ILP = tuple(range(61, 31, -1))
# Tables 18 and 19: the inverse quantisers of six, four and two bits.
QM6_SIDE = (
    *(24808, 21904, 19008, 16704, 14984, 13512, 12280, 11192, 10232, 9360, 8576, 7856, 7192),
    *(6576, 6000, 5456, 4944, 4464, 4008, 3576, 3168, 2776, 2400, 2032, 1688, 1360, 1040, 728),
)
QM6 = (*(-136,) * 4, *(-step for step in QM6_SIDE), *QM6_SIDE, 432, 136, -432, -136)
QM4_SIDE = (20456, 12896, 8968, 6288, 4240, 2584, 1200)
QM4 = (0, *(-step for step in QM4_SIDE), *QM4_SIDE, 0)
QM2 = (-7408, -1616, 7408, 1616)
HIGH_LEVEL = 564
# Table 16, 21: how codes move the scales.
WL = (-60, 3042, 1198, 538, 334, 172, 58, -30, 3042, 1198, 538, 334, 172, 58, -30, -60)
WH = (798, -214, 798, -214)
LOW_NB_MOST, HIGH_NB_MOST = 18432, 22528
LOW_SHIFT, HIGH_SHIFT = 8, 10
# Table 20.
ILB = (
    *(2048, 2093, 2139, 2186, 2233, 2282, 2332, 2383, 2435, 2489, 2543, 2599, 2656, 2714, 2774),
    *(2834, 2896, 2960, 3025, 3091, 3158, 3228, 3298, 3371, 3444, 3520, 3597, 3676, 3756, 3838),
    *(3922, 4008),
)
# Of each of the two that a pair of samples goes to.
TAPS = 12


# A sample, or a code, with the predicted value and the scale: what is given on, the quantised
# difference, and how its code moves the scale.
type Step = Callable[[int, int, int], tuple[int, int, int]]


def saturate(value: int) -> int:
    """Keep a value within 16 bits."""
    return -32768 if value < -32768 else min(value, 32767)


def code_low(sample: int, s: int, det: int) -> tuple[int, int, int]:
    """Quantise a sample of the lower sub-band (QUANTL, INVQAL)."""
    difference = saturate(sample - s)
    size = difference if difference >= 0 else ~difference
    # A level is reached when size >= level * det >> 12.
    step = bisect_right(Q6, ((size + 1 << 12) - 1) // det)
    code = (ILP if difference >= 0 else ILN)[step]
    return code, det * QM4[code >> 2] >> 15, WL[code >> 2]


def code_high(sample: int, s: int, det: int) -> tuple[int, int, int]:
    """Quantise a sample of the upper sub-band (QUANTH, INVQAH)."""
    difference = saturate(sample - s)
    size = difference if difference >= 0 else ~difference
    loud = size >= HIGH_LEVEL * det >> 12
    code = (2 if loud else 3) if difference >= 0 else (0 if loud else 1)
    return code, det * QM2[code] >> 15, WH[code]


def hear_low(code: int, s: int, det: int) -> tuple[int, int, int]:
    """Reconstruct a sample of the lower sub-band (INVQBL, RECONS, LIMIT)."""
    sample = s + (det * QM6[code] >> 15)
    return max(-16384, min(16383, sample)), det * QM4[code >> 2] >> 15, WL[code >> 2]


def hear_high(code: int, s: int, det: int) -> tuple[int, int, int]:
    """Reconstruct a sample of the upper sub-band."""
    d = det * QM2[code] >> 15
    return max(-16384, min(16383, s + d)), d, WH[code]


class SubBand:
    """Scale and predictor of one sub-band, the same in encoder and decoder (§3.5, §3.6)."""

    def __init__(self, *, high: bool) -> None:
        """Reset."""
        self._det = 8 if high else 32
        self._shift = HIGH_SHIFT if high else LOW_SHIFT
        self._most = HIGH_NB_MOST if high else LOW_NB_MOST
        self._nb = 0
        self._s = self._sz = 0
        self._a = self._p = self._r = (0, 0)
        self._b = [0] * 6
        # Differences, newest first; doubled, as FILTEZ wants them.
        self._d = deque([0] * 6, 6)

    def run(self, values: Iterable[int], step: Step) -> list[int]:
        """Take one value after the other; return what each step gives on."""
        given = []
        for value in values:
            out, d, weight = step(value, self._s, self._det)
            given.append(out)
            self._scale(weight)
            self._predict(d)
        return given

    def _scale(self, weight: int) -> None:
        """Move the scale (LOGSCL, SCALEL)."""
        nb = (self._nb * 127 >> 7) + weight
        self._nb = nb = 0 if nb < 0 else min(nb, self._most)
        power = ILB[(nb >> 6) & 31]
        down = self._shift - (nb >> 11)
        self._det = (power >> down if down >= 0 else power << -down) << 2

    def _predict(self, d: int) -> None:
        """Adapt both pole and six zero coefficients, and predict the next sample."""
        a1, a2 = self._a
        p1, p2 = self._p
        p = saturate(self._sz + d)
        like_last = (p < 0) == (p1 < 0)
        lean = saturate(4 * a1)
        lean = (min(-lean, 32767) if like_last else lean) >> 7
        a2 = lean + (128 if (p < 0) == (p2 < 0) else -128) + (a2 * 32512 >> 15)
        a2 = -12288 if a2 < -12288 else min(a2, 12288)
        a1 = (192 if like_last else -192) + (a1 * 32640 >> 15)
        most = 15360 - a2
        a1 = -most if a1 < -most else min(a1, most)
        push = 128 if d else 0
        pull = -push
        negative = d < 0
        self._b = b = [
            (push if (past < 0) == negative else pull) + (each * 32640 >> 15)
            for each, past in zip(self._b, self._d, strict=True)
        ]
        self._d.appendleft(saturate(2 * d))
        self._a, self._p = (a1, a2), (p, p1)
        r1, r2 = saturate(2 * saturate(self._s + d)), self._r[0]
        self._r = r1, r2
        self._sz = sz = saturate(
            sum(each * past >> 15 for each, past in zip(b, self._d, strict=True))
        )
        self._s = saturate(sz + saturate((a1 * r1 >> 15) + (a2 * r2 >> 15)))


class Codec:
    """What one direction of a stream remembers."""

    def __init__(self) -> None:
        """Reset."""
        self._low, self._high = SubBand(high=False), SubBand(high=True)
        self._older, self._newer = [0] * (TAPS - 1), [0] * (TAPS - 1)
        self._last = 0

    def encode(self, pcm: bytes) -> bytes:
        """Encode 16-bit samples of 8 kHz: an octet for each."""
        return self.encode_wide(pack(self._doubled(unpack(pcm))))

    def decode(self, payload: bytes) -> bytes:
        """Decode to 16-bit samples of 8 kHz: one for each octet."""
        wide = unpack(self.decode_wide(payload))
        return pack(
            [(first + second) / 2 for first, second in zip(wide[::2], wide[1::2], strict=True)]
        )

    def encode_wide(self, pcm: bytes) -> bytes:
        """Encode 16-bit samples of 16 kHz: an octet for two."""
        samples = unpack(pcm)
        odd, even = self._filtered(samples[::2], samples[1::2], QMF)
        pairs = list(zip(odd, even, strict=True))
        low = self._low.run(((b + a) >> 14 for a, b in pairs), code_low)
        high = self._high.run(((b - a) >> 14 for a, b in pairs), code_high)
        return bytes(upper << 6 | lower for upper, lower in zip(high, low, strict=True))

    def decode_wide(self, payload: bytes) -> bytes:
        """Decode to 16-bit samples of 16 kHz: two for each octet."""
        low = self._low.run((octet & 63 for octet in payload), hear_low)
        high = self._high.run((octet >> 6 for octet in payload), hear_high)
        pairs = list(zip(low, high, strict=True))
        second, first = self._filtered([a + b for a, b in pairs], [a - b for a, b in pairs], QMF)
        samples = [0] * (2 * len(payload))
        samples[::2] = [saturate(value >> 11) for value in first]
        samples[1::2] = [saturate(value >> 11) for value in second]
        return struct.pack(f"<{len(samples)}h", *samples)

    def _doubled(self, samples: tuple[int, ...]) -> list[float]:
        """Put the mean of its neighbours between each two samples."""
        made: list[float] = []
        for sample in samples:
            made += [(self._last + sample) / 2, sample]
            self._last = sample
        return made

    def _filtered(
        self, older: Sequence[int], newer: Sequence[int], taps: tuple[int, ...]
    ) -> tuple[list[int], list[int]]:
        """Filter the first of each two values with the taps as they stand, the second backwards."""
        self._older = [*self._older[1 - TAPS :], *older]
        self._newer = [*self._newer[1 - TAPS :], *newer]
        back = taps[::-1]
        starts = range(len(older))
        return (
            [int(math.sumprod(taps, self._older[at : at + TAPS])) for at in starts],
            [int(math.sumprod(back, self._newer[at : at + TAPS])) for at in starts],
        )

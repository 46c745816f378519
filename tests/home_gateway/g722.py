"""G.722 at 64 kbit/s, both sub-bands (ITU-T G.722), with the gateway's 8 kHz sound at its ends.

Written from the Recommendation for this side alone; blocks and variables bear its names.
"""

import struct

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
TAPS = 24


def saturate(value: int) -> int:
    """Keep a value within 16 bits."""
    return max(-32768, min(32767, value))


def filtered(values: list[int], factors: tuple[int, ...]) -> int:
    """Return the sum of products."""
    return sum(value * factor for value, factor in zip(values, factors, strict=True))


class SubBand:
    """Scale and predictor of one sub-band, the same in encoder and decoder (§3.5, §3.6)."""

    def __init__(self, *, high: bool) -> None:
        """Reset."""
        self.det = 8 if high else 32
        self.s = 0
        self._shift = HIGH_SHIFT if high else LOW_SHIFT
        self._most = HIGH_NB_MOST if high else LOW_NB_MOST
        self._nb = 0
        self._sz = 0
        self._a = [0, 0]
        self._b = [0] * 6
        self._d = [0] * 6
        self._p = [0, 0]
        self._r = [0, 0]

    def adapt(self, d: int, weight: int) -> None:
        """Take a quantised difference and the weight of its code."""
        self._nb = max(0, min(self._most, (self._nb * 127 >> 7) + weight))
        power = ILB[(self._nb >> 6) & 31]
        down = self._shift - (self._nb >> 11)
        self.det = (power >> down if down >= 0 else power << -down) << 2
        self._move_poles(saturate(self._sz + d))
        self._move_zeros(d)
        self._r = [saturate(self.s + d), self._r[0]]
        self._sz = saturate(
            sum(b * saturate(2 * past) >> 15 for b, past in zip(self._b, self._d, strict=True))
        )
        poles = sum(a * saturate(2 * past) >> 15 for a, past in zip(self._a, self._r, strict=True))
        self.s = saturate(self._sz + saturate(poles))

    def _move_poles(self, p: int) -> None:
        """Adapt both pole coefficients (UPPOL2, UPPOL1)."""
        a1, a2 = self._a
        like_last, like_before = ((p < 0) == (past < 0) for past in self._p)
        lean = saturate(4 * a1)
        lean = saturate(-lean if like_last else lean) >> 7
        a2 = lean + (128 if like_before else -128) + (a2 * 32512 >> 15)
        a2 = max(-12288, min(12288, a2))
        a1 = saturate((192 if like_last else -192) + (a1 * 32640 >> 15))
        most = 15360 - a2
        self._a = [max(-most, min(most, a1)), a2]
        self._p = [p, self._p[0]]

    def _move_zeros(self, d: int) -> None:
        """Adapt the six zero coefficients (UPZERO)."""
        push = 128 if d else 0
        self._b = [
            saturate((push if (past < 0) == (d < 0) else -push) + (b * 32640 >> 15))
            for b, past in zip(self._b, self._d, strict=True)
        ]
        self._d = [d, *self._d[:-1]]


class Codec:
    """What one direction of a stream remembers."""

    def __init__(self) -> None:
        """Reset."""
        self.low, self.high = SubBand(high=False), SubBand(high=True)
        self._taps = [0] * TAPS
        self._last = 0

    def encode(self, pcm: bytes) -> bytes:
        """Encode 16-bit samples of 8 kHz: an octet for each."""
        return self.encode_wide(pack(self._doubled(unpack(pcm))))

    def decode(self, payload: bytes) -> bytes:
        """Decode to 16-bit samples of 8 kHz: one for each octet."""
        wide = unpack(self.decode_wide(payload))
        return pack([(first + second) / 2 for first, second in zip(*[iter(wide)] * 2, strict=True)])

    def encode_wide(self, pcm: bytes) -> bytes:
        """Encode 16-bit samples of 16 kHz: an octet for two."""
        samples = unpack(pcm)
        return bytes(
            self._code(*self._split(first, second))
            for first, second in zip(samples[::2], samples[1::2], strict=True)
        )

    def decode_wide(self, payload: bytes) -> bytes:
        """Decode to 16-bit samples of 16 kHz: two for each octet."""
        samples = [sample for code in payload for sample in self._join(*self._reconstruct(code))]
        return struct.pack(f"<{len(samples)}h", *samples)

    def _doubled(self, samples: tuple[int, ...]) -> list[float]:
        """Put the mean of its neighbours between each two samples."""
        made: list[float] = []
        for sample in samples:
            made += [(self._last + sample) / 2, sample]
            self._last = sample
        return made

    def _shift(self, first: int, second: int) -> tuple[list[int], list[int]]:
        """Shift two values into the filters and return what each of the two holds."""
        self._taps = [*self._taps[2:], first, second]
        return self._taps[::2], self._taps[1::2]

    def _split(self, first: int, second: int) -> tuple[int, int]:
        """Split two samples into one of each sub-band."""
        older, newer = self._shift(first, second)
        odd, even = filtered(older, QMF), filtered(newer, QMF[::-1])
        return (even + odd) >> 14, (even - odd) >> 14

    def _join(self, low: int, high: int) -> tuple[int, int]:
        """Join one sample of each sub-band to two."""
        total, rest = self._shift(low + high, low - high)
        return saturate(filtered(rest, QMF[::-1]) >> 11), saturate(filtered(total, QMF) >> 11)

    def _code(self, low: int, high: int) -> int:
        """Return the octet of one sample of each sub-band."""
        difference = saturate(low - self.low.s)
        size = difference if difference >= 0 else -(difference + 1)
        step = sum(size >= level * self.low.det >> 12 for level in Q6)
        code = (ILP if difference >= 0 else ILN)[step]
        self._adapt_low(code)
        difference = saturate(high - self.high.s)
        size = difference if difference >= 0 else -(difference + 1)
        loud = size >= HIGH_LEVEL * self.high.det >> 12
        upper = (2 if loud else 3) if difference >= 0 else (0 if loud else 1)
        self._adapt_high(upper)
        return upper << 6 | code

    def _reconstruct(self, octet: int) -> tuple[int, int]:
        """Return the sample of each sub-band that an octet stands for."""
        code, upper = octet & 63, octet >> 6
        low = self.low.s + (self.low.det * QM6[code] >> 15)
        high = self.high.s + (self.high.det * QM2[upper] >> 15)
        self._adapt_low(code)
        self._adapt_high(upper)
        return max(-16384, min(16383, low)), max(-16384, min(16383, high))

    def _adapt_low(self, code: int) -> None:
        """Adapt the lower sub-band by the upper four bits of its code."""
        self.low.adapt(self.low.det * QM4[code >> 2] >> 15, WL[code >> 2])

    def _adapt_high(self, code: int) -> None:
        """Adapt the upper sub-band."""
        self.high.adapt(self.high.det * QM2[code] >> 15, WH[code])

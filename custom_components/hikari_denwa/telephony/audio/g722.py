"""G.722 as 8 kHz sound has use for it: its lower sub-band, to and from linear 16 bit.

ITU-T G.722 splits 16 kHz sound into two bands, each sampled at 8 kHz. The lower one (0 to 4 kHz,
six bits of each octet) is just the sound of a narrow-band call; the upper one is not heard here,
and sent silent. Names of blocks and variables are those of the Recommendation's §3 and §6.2.
"""

from __future__ import annotations

import audioop
from array import array
from bisect import bisect_right
from collections.abc import Callable, Iterable

# Table 14: decision levels, in units of the quantiser's scale.
_Q6 = (
    35, 72, 110, 150, 190, 233, 276, 323, 370, 422, 473, 530, 587, 650, 714, 786, 858,
    940, 1023, 1121, 1219, 1339, 1458, 1612, 1765, 1980, 2195, 2557, 2919,
)  # fmt: skip
# Table 17: the codes of the intervals between them, outwards.
_ILN = (63, 62, *range(31, 3, -1))
_ILP = tuple(range(61, 31, -1))
# Tables 18 and 19: what a code stands for, in units of 2**-15 of the scale.
_OUTWARDS_6 = (
    136, 432, 728, 1040, 1360, 1688, 2032, 2400, 2776, 3168, 3576, 4008, 4464, 4944, 5456,
    6000, 6576, 7192, 7856, 8576, 9360, 10232, 11192, 12280, 13512, 14984, 16704, 19008,
    21904, 24808,
)  # fmt: skip
_OUTWARDS_4 = (0, 1200, 2584, 4240, 6288, 8968, 12896, 20456)
_WL = (-60, -30, 58, 172, 334, 538, 1198, 3042)
# Table 20: 2**11 times the powers of two from 0 to 31/32.
_ILB = tuple(round(2048 * 2 ** (step / 32)) for step in range(32))
_MOST_NBL = 18432
# The upper quantiser's code for zero (§6.2.2, IH = 3): its scale stays at its least, where the
# code stands for zero, so this is what an encoder sends whose upper band is silent.
_UPPER_SILENCE = 3 << 6


def _six_bits() -> list[int]:
    """Return QM6: the difference of each code; the four that are never sent are taken as -1."""
    table = [-_OUTWARDS_6[0]] * 64
    for code, positive in zip(_ILP, _OUTWARDS_6, strict=True):
        table[code] = positive
    for code, positive in zip(_ILN, _OUTWARDS_6, strict=True):
        table[code] = -positive
    return table


def _four_bits() -> list[tuple[int, int]]:
    """Return QM4, and WL of RL42, for each code: its upper four bits alone adapt the predictor."""
    by_upper_bits = [(0, _WL[0])] * 16
    for step in range(1, 8):
        by_upper_bits[8 - step] = -_OUTWARDS_4[step], _WL[step]
        by_upper_bits[15 - step] = _OUTWARDS_4[step], _WL[step]
    return [by_upper_bits[code >> 2] for code in range(64)]


def _scales() -> list[int]:
    """Return SCALEL's DETL for each value of NBL's upper bits."""
    return [(_ILB[step & 31] << (step >> 5) >> 8) << 2 for step in range((_MOST_NBL >> 6) + 1)]


_QM6 = _six_bits()
_ADAPTATION = _four_bits()
_QM4 = [difference for difference, _ in _ADAPTATION]
_WL_OF_CODE = [weight for _, weight in _ADAPTATION]
_DETL = _scales()
# The codes of a difference in units of 2**-12 of the scale, whole, up to where the last begins.
_LAST_LEVEL = _Q6[-1]
_INTERVALS = [bisect_right(_Q6, level) for level in range(_LAST_LEVEL + 1)]
_POSITIVE = bytes(_ILP[interval] for interval in _INTERVALS)
_NEGATIVE = bytes(_ILN[interval] for interval in _INTERVALS)


class _LowerBand:
    """The adaptive predictor and scale that encoder and decoder run alike (§3.5, §3.6)."""

    def __init__(self) -> None:
        """Reset (§6.2.1, RS)."""
        # NBL; AL1, AL2; RLT1, RLT2; the signs of PLT1, PLT2; BL1 to BL6; DLT1 to DLT6.
        self._state: tuple[int, ...] = (0,) * 19

    def _run(  # noqa: C901, PLR0912, PLR0915 - one plain loop: it runs 8000 times a second
        self, values: Iterable[int], give: Callable[[int], None], *, encoding: bool
    ) -> None:
        """Give an octet for each sample of the band (XL) if encoding, else a sample for each octet.

        Samples given are RL doubled, for full scale. State is in local names for speed.
        """
        qm6, qm4, wl, detls = _QM6, _QM4, _WL_OF_CODE, _DETL
        positive, negative, last = _POSITIVE, _NEGATIVE, _LAST_LEVEL
        nbl, a1, a2, r1, r2, p1, p2, b1, b2, b3, b4, b5, b6, d1, d2, d3, d4, d5, d6 = self._state
        for value in values:
            detl = detls[nbl >> 6]
            # FILTEZ, FILTEP and PREDIC; a history is kept doubled, as the products want it.
            zeros = (
                (b1 * d1 >> 15)
                + (b2 * d2 >> 15)
                + (b3 * d3 >> 15)
                + (b4 * d4 >> 15)
                + (b5 * d5 >> 15)
                + (b6 * d6 >> 15)
            )
            predicted = zeros + (a1 * r1 >> 15) + (a2 * r2 >> 15)
            if not -32768 <= predicted <= 32767:
                predicted = -32768 if predicted < 0 else 32767
            if encoding:
                # QUANTL: by how many decision levels does the difference reach out?
                difference = value - predicted
                if difference >= 0:
                    level = ((difference << 12) + 4095) // detl
                    code = positive[min(level, last)]
                else:
                    level = ((~difference << 12) + 4095) // detl
                    code = negative[min(level, last)]
                give(_UPPER_SILENCE | code)
            else:
                # INVQBL, RECONS and LIMIT.
                code = value & 63
                sample = predicted + (detl * qm6[code] >> 15)
                if not -16384 <= sample <= 16383:
                    sample = -16384 if sample < 0 else 16383
                give(sample << 1)
            # INVQAL, ADDP and ADDR.
            d = detl * qm4[code] >> 15
            part = zeros + d
            r = predicted + d
            # LOGSCL.
            nbl = (nbl * 127 >> 7) + wl[code]
            if not 0 <= nbl <= 18432:
                nbl = 0 if nbl < 0 else 18432
            # UPPOL2 and UPPOL1; a sign is 0 or -1.
            p = part >> 31
            f = a1 << 2
            if not -32768 <= f <= 32767:
                f = -32768 if f < 0 else 32767
            if p == p1:
                f = -f if f > -32768 else 32767
                turn = 192
            else:
                turn = -192
            a2 = (f >> 7) + (128 if p == p2 else -128) + (a2 * 127 >> 7)
            if not -12288 <= a2 <= 12288:
                a2 = -12288 if a2 < 0 else 12288
            a1 = turn + (a1 * 255 >> 8)
            limit = 15360 - a2
            if not -limit <= a1 <= limit:
                a1 = -limit if a1 < 0 else limit
            p2 = p1
            p1 = p
            # UPZERO.
            if d:
                b1 = (b1 * 255 >> 8) + (128 if d ^ d1 >= 0 else -128)
                b2 = (b2 * 255 >> 8) + (128 if d ^ d2 >= 0 else -128)
                b3 = (b3 * 255 >> 8) + (128 if d ^ d3 >= 0 else -128)
                b4 = (b4 * 255 >> 8) + (128 if d ^ d4 >= 0 else -128)
                b5 = (b5 * 255 >> 8) + (128 if d ^ d5 >= 0 else -128)
                b6 = (b6 * 255 >> 8) + (128 if d ^ d6 >= 0 else -128)
            else:
                b1 = b1 * 255 >> 8
                b2 = b2 * 255 >> 8
                b3 = b3 * 255 >> 8
                b4 = b4 * 255 >> 8
                b5 = b5 * 255 >> 8
                b6 = b6 * 255 >> 8
            d6 = d5
            d5 = d4
            d4 = d3
            d3 = d2
            d2 = d1
            d1 = d << 1
            r2 = r1
            r1 = r << 1
            if not -32768 <= r1 <= 32767:
                r1 = -32768 if r1 < 0 else 32767
        self._state = nbl, a1, a2, r1, r2, p1, p2, b1, b2, b3, b4, b5, b6, d1, d2, d3, d4, d5, d6


class G722Encoder(_LowerBand):
    """Encodes one stream of 8 kHz sound; its upper band is silent."""

    def encode(self, sound: bytes) -> bytes:
        """Return an octet for each sample of linear 16 bit in the machine's byte order."""
        # The lower band's samples have 15 bits: half of what the 16 kHz sound had.
        halves = array("h", audioop.mul(sound, 2, 0.5))
        made = bytearray()
        self._run(halves, made.append, encoding=True)
        return bytes(made)


class G722Decoder(_LowerBand):
    """Decodes the lower sub-band of one stream; it needs every octet, in order.

    After lost ones it is off, and comes back to the encoder's state within some 100 ms.
    """

    def decode(self, payload: bytes) -> bytes:
        """Return linear 16 bit, 8 kHz, in the machine's byte order: a sample for each octet."""
        made = array("h")
        self._run(payload, made.append, encoding=False)
        return made.tobytes()

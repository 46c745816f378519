"""How telephone sound is rated: the E-model of ITU-T G.107 (2015)."""

from __future__ import annotations

import math

# G.107 §7: all parameters at their defaults, without delay and loss.
_BEST_R = 93.2
# G.107 table 2: the talker's echo, at a telephone of usual loudness.
_TELR = 65.0
_RO = 94.77
# G.113 appendix I: G.711 with the concealment of its appendix I, packets lost at random.
_BPL = 25.1
_HIGHEST_MOS = 4.5


def r_factor(*, one_way_delay_ms: float, loss_pct: float, burst_ratio: float = 1.0) -> float:
    """Return the transmission rating factor R, 0 to 93.2, of G.711 with concealment.

    ``loss_pct`` is what had to be concealed; ``burst_ratio`` is the mean length of its bursts
    beside that of random loss (1: random). Simplified: echo and delay as §7.4 has them (Idte, Idd)
    with default loudness, loss as §7.5 (Ie = 0), no advantage factor.
    """
    delay = max(0.0, one_way_delay_ms)
    loss = min(100.0, max(0.0, loss_pct))
    impairment = 95 * loss / (loss / max(1.0, burst_ratio) + _BPL)
    rating = _BEST_R - _echo(delay) - _delay(delay) - impairment
    return max(0.0, min(_BEST_R, rating))


def mean_opinion(rating: float) -> float:
    """Return the mean opinion score, 1 to 4.5, of a rating R (annex B)."""
    if rating <= 0:
        return 1.0
    if rating >= 100:
        return _HIGHEST_MOS
    return max(1.0, 1 + 0.035 * rating + rating * (rating - 60) * (100 - rating) * 7e-6)


def _echo(delay: float) -> float:
    """Return Idte: what the talker's own echo spoils (§7.4)."""
    terv = (
        _TELR
        - 40 * math.log10((1 + delay / 10) / (1 + delay / 150))
        + 6 * math.exp(-0.3 * delay * delay)
    )
    re = 80 + 2.5 * (terv - 14)
    half = (_RO - re) / 2
    return (half + math.sqrt(half * half + 100) - 1) * (1 - math.exp(-delay))


def _delay(delay: float) -> float:
    """Return Idd: what delay beyond 100 ms spoils (§7.4)."""
    if delay <= 100:
        return 0.0
    x = math.log2(delay / 100)
    return float(25 * ((1 + x**6) ** (1 / 6) - 3 * (1 + (x / 3) ** 6) ** (1 / 6) + 2))

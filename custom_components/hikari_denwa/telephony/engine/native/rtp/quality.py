"""How a call sounds, as the E-model of ITU-T G.107 (2015) rates it."""

from __future__ import annotations

import math

from ...protocol import FRAME_SECONDS, SoundQuality
from .session import RtpStatistics

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


def quality_of(statistics: RtpStatistics) -> SoundQuality:
    """Return how a session sounds so far.

    The way through the network counts as half the round trip, and as nothing while that is
    not known; what lies behind the gateway is never known.
    """
    playout, reports = statistics.playout, statistics.reports
    heard = playout.played + playout.concealed
    concealed = playout.concealed / heard if heard else 0.0
    # Random loss has bursts of 1 / (1 - p) packets in the mean (G.107 §7.5).
    burst = playout.concealed / playout.gaps if playout.gaps else 1.0
    delay_ms = 1000 * (FRAME_SECONDS + (reports.round_trip or 0.0) / 2) + playout.delay_ms
    rating = r_factor(
        one_way_delay_ms=delay_ms, loss_pct=100 * concealed, burst_ratio=burst * (1 - concealed)
    )
    round_trip = reports.round_trip
    return SoundQuality(
        packets_sent=statistics.sent,
        packets_received=playout.received,
        packets_lost=playout.lost,
        packets_late=playout.late,
        concealed_pct=round(100 * concealed, 2),
        jitter_ms=round(playout.jitter_ms, 1),
        round_trip_ms=None if round_trip is None else round(1000 * round_trip, 1),
        playout_delay_ms=round(playout.delay_ms, 1),
        r_factor=round(rating, 1),
        mos=round(mean_opinion(rating), 2),
    )


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

"""How a call sounds, as the E-model of ITU-T G.107 (2015) rates it."""

from __future__ import annotations

from ....audio.opinion import mean_opinion, r_factor
from ...protocol import FRAME_SECONDS, SoundQuality
from .session import RtpStatistics


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

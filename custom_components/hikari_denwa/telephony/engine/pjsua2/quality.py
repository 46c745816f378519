"""How a call sounds, from what pjsua2 counts."""

from __future__ import annotations

import contextlib
import time
from dataclasses import dataclass
from typing import Any

from ...audio.opinion import mean_opinion, r_factor
from ..protocol import FRAME_SECONDS, SoundQuality
from .library import pj


@dataclass(frozen=True, kw_only=True)
class _Counts:
    """The packets of a call."""

    sent: int = 0
    received: int = 0
    lost: int = 0
    late: int = 0

    def plus(self, other: _Counts) -> _Counts:
        """Add up."""
        return _Counts(
            sent=self.sent + other.sent,
            received=self.received + other.received,
            lost=self.lost + other.lost,
            late=self.late + other.late,
        )


class Statistics:
    """What is known of a call's sound; pjsua2 begins to count anew with each change of it."""

    def __init__(self) -> None:
        """Begin with nothing."""
        self._past = _Counts()
        self._now = _Counts()
        self._jitter_ms = 0.0
        self._delay_ms = 0.0
        self._round_trip_ms: float | None = None
        self._heard_at = time.monotonic()

    @property
    def silent_for(self) -> float:
        """Tell for how many seconds no packet has come."""
        return time.monotonic() - self._heard_at

    @property
    def quality(self) -> SoundQuality:
        """Tell how it sounds so far; the way counts as half the round trip."""
        counts = self._past.plus(self._now)
        missing = counts.lost + counts.late
        heard = counts.received + counts.lost
        concealed_pct = 100 * min(1.0, missing / heard) if heard else 0.0
        delay_ms = 1000 * FRAME_SECONDS + (self._round_trip_ms or 0.0) / 2 + self._delay_ms
        rating = r_factor(one_way_delay_ms=delay_ms, loss_pct=concealed_pct)
        return SoundQuality(
            packets_sent=counts.sent,
            packets_received=counts.received,
            packets_lost=counts.lost,
            packets_late=counts.late,
            concealed_pct=round(concealed_pct, 2),
            jitter_ms=round(self._jitter_ms, 1),
            round_trip_ms=self._round_trip_ms,
            playout_delay_ms=round(self._delay_ms, 1),
            r_factor=round(rating, 1),
            mos=round(mean_opinion(rating), 2),
        )

    def read(self, handle: Any, index: int) -> None:
        """Read what pjsua2 has counted for one m= line since its sound was set up."""
        if handle is None:
            return
        with contextlib.suppress(pj.Error):
            told = handle.getStreamStat(index)
            receiving, sending = told.rtcp.rxStat, told.rtcp.txStat
            counts = _Counts(
                sent=int(sending.pkt),
                received=int(receiving.pkt),
                lost=int(receiving.loss),
                late=int(told.jbuf.discard),
            )
            if counts.sent < self._now.sent or counts.received < self._now.received:
                self._past, self._now = self._past.plus(self._now), _Counts()
            if counts.received > self._now.received:
                self._heard_at = time.monotonic()
            self._now = counts
            self._jitter_ms = receiving.jitterUsec.mean / 1000
            self._delay_ms = float(told.jbuf.avgDelayMsec)
            if told.rtcp.rttUsec.n:
                self._round_trip_ms = round(told.rtcp.rttUsec.mean / 1000, 1)

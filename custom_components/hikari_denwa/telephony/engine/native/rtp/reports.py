"""The reports of a session (RFC 3550 §6): when one is due, what it says, what the other's say."""

from __future__ import annotations

import base64
import math
import random
import secrets
import time
from dataclasses import dataclass

from .playout import Reception
from .rtcp import ControlPacket, ReportBlock, SenderInfo

# §6.2: 5 % of the session's bandwidth, 80 kbit/s with the headers of IP and UDP.
_OCTETS_PER_SECOND = 0.05 * 80_000 / 8
_SMALLEST_INTERVAL = 5.0
_MEMBERS = 2
# §6.3.1: makes up for timer reconsideration, which converges to less than is meant.
_COMPENSATION = math.e - 1.5
_HEADERS_OF_IP_AND_UDP = 48
_UNIX_EPOCH_IN_NTP = 2_208_988_800
_LONGEST_ROUND_TRIP = 10.0
_ROUNDING = 0.001


@dataclass(frozen=True, kw_only=True, slots=True)
class ReportStatistics:
    """What the reports say so far.

    ``round_trip`` in seconds; ``far_lost`` and ``far_jitter`` (in ms) are what the other side
    has seen of our packets; ``last_received`` is loop time in seconds. None: not told yet.
    """

    sent: int = 0
    received: int = 0
    refused: int = 0
    round_trip: float | None = None
    far_lost: int | None = None
    far_jitter: float | None = None
    last_received: float | None = None


class Reports:
    """Makes our reports and reads the other side's. Two members, so no census is kept.

    Times are loop time in seconds, but for the NTP time of the reports, which is the clock's.
    """

    def __init__(self, ssrc: int) -> None:
        """Take our source; its CNAME is for this session alone (RFC 7022 §4.2)."""
        self._ssrc = ssrc
        self._cname = base64.b64encode(secrets.token_bytes(12)).decode()
        self._due: float | None = None
        self._size = 100.0
        self._sent = 0
        self._received = 0
        self._refused = 0
        self._packets_reported = [0, 0]
        self._heard_ntp: tuple[int, int, float] | None = None
        self._before: Reception | None = None
        self._round_trip: float | None = None
        self._far_lost: int | None = None
        self._far_jitter: float | None = None
        self._last_received: float | None = None

    @property
    def statistics(self) -> ReportStatistics:
        """Return what is known so far."""
        return ReportStatistics(
            sent=self._sent,
            received=self._received,
            refused=self._refused,
            round_trip=self._round_trip,
            far_lost=self._far_lost,
            far_jitter=self._far_jitter,
            last_received=self._last_received,
        )

    def is_due(self, now: float) -> bool:
        """Tell whether a report is due; the first is so after half the usual time (§6.2)."""
        if self._due is None:
            self._due = now + self._interval(_SMALLEST_INTERVAL / 2)
        return now >= self._due

    def make(
        self, now: float, *, timestamp: int, packets: int, octets: int, reception: Reception | None
    ) -> bytes:
        """Return the report that is due.

        ``timestamp`` is the RTP timestamp of this moment; ``packets`` and ``octets`` are all
        that were sent.
        """
        report = self._report(
            now, timestamp=timestamp, packets=packets, octets=octets, reception=reception
        ).encode()
        self._sent += 1
        self._size += (len(report) + _HEADERS_OF_IP_AND_UDP - self._size) / 16
        self._due = now + self._interval(_SMALLEST_INTERVAL)
        return report

    def goodbye(
        self, now: float, *, timestamp: int, packets: int, octets: int, reception: Reception | None
    ) -> bytes | None:
        """Return the last report, with BYE; None if we were never heard of (§6.3.7)."""
        if not packets and not self._sent:
            return None
        report = self._report(
            now,
            timestamp=timestamp,
            packets=packets,
            octets=octets,
            reception=reception,
            gone=(self._ssrc,),
        )
        return report.encode()

    def take(self, datagram: bytes, now: float, source: int | None) -> bool:
        """Read a report of the other side; False if it is none. ``source`` is who sends us RTP."""
        report = ControlPacket.decode(datagram)
        if report is None or report.ssrc == self._ssrc:
            self._refused += 1
            return False
        self._received += 1
        self._last_received = now
        if report.sender is not None and source in (None, report.ssrc):
            self._heard_ntp = report.ssrc, report.sender.ntp >> 16 & 0xFFFFFFFF, now
        for block in report.blocks:
            if block.ssrc == self._ssrc:
                self._hear_of_us(block)
        return True

    def _hear_of_us(self, block: ReportBlock) -> None:
        """Take what the other side says of our packets."""
        self._far_lost = max(0, block.lost)
        self._far_jitter = block.jitter / 8
        if not block.last_report:
            return
        passed = (_ntp_now() >> 16) - block.last_report - block.since_last_report
        # The middle 32 bits wrap every 18 hours; a clock that was set back gives a "negative" one.
        passed = ((passed + 0x80000000) & 0xFFFFFFFF) - 0x80000000
        round_trip = passed / 65536
        if -_ROUNDING <= round_trip <= _LONGEST_ROUND_TRIP:
            self._round_trip = max(0.0, round_trip)

    def _report(
        self,
        now: float,
        *,
        timestamp: int,
        packets: int,
        octets: int,
        reception: Reception | None,
        gone: tuple[int, ...] = (),
    ) -> ControlPacket:
        """Return a sender report if we sent since the last report but one (§6.4), or the other."""
        sender = None
        if packets > self._packets_reported[0]:
            sender = SenderInfo(ntp=_ntp_now(), timestamp=timestamp, packets=packets, octets=octets)
        self._packets_reported = [self._packets_reported[1], packets]
        blocks = (self._block(now, reception),) if reception else ()
        return ControlPacket(
            ssrc=self._ssrc, sender=sender, blocks=blocks, cname=self._cname, gone=gone
        )

    def _block(self, now: float, reception: Reception) -> ReportBlock:
        """Return what we have seen of the other side's packets."""
        before, self._before = self._before, reception
        expected, received = reception.expected, reception.received
        if before is not None and before.ssrc == reception.ssrc:
            expected -= before.expected
            received -= before.received
        lost = expected - received
        last, since = 0, 0
        if self._heard_ntp is not None and self._heard_ntp[0] == reception.ssrc:
            last, since = self._heard_ntp[1], int((now - self._heard_ntp[2]) * 65536)
        return ReportBlock(
            ssrc=reception.ssrc,
            fraction_lost=min(255, 256 * lost // expected) if lost > 0 and expected > 0 else 0,
            lost=reception.expected - reception.received,
            highest_sequence=reception.highest_sequence,
            jitter=int(reception.jitter),
            last_report=last,
            since_last_report=since,
        )

    def _interval(self, smallest: float) -> float:
        """Return when the next report is due, by chance, so that sessions do not march in step."""
        usual = max(smallest, _MEMBERS * self._size / _OCTETS_PER_SECOND)
        return usual * random.uniform(0.5, 1.5) / _COMPENSATION  # noqa: S311 - a delay


def _ntp_now() -> int:
    """Return the clock's time as 64 bit of NTP (§4)."""
    return (time.time_ns() << 32) // 1_000_000_000 + (_UNIX_EPOCH_IN_NTP << 32)

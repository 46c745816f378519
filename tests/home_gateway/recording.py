"""What came from the client as RTP in one call, and what can be measured in it."""

import struct
from collections import deque
from dataclasses import dataclass
from itertools import pairwise

from .g722 import Codec
from .tones import FRAME_SAMPLES, FRAME_SECONDS, decode, detect_dtmf, tone_level
from .transport import Peer, Stamp

RTP_HEADER = struct.Struct("!BBHII")
G722 = 9
HALF_SEQUENCE = 1 << 15
SEQUENCE = 1 << 16
# One packet more than the buffer's depth may wait, and one may just have come.
WAITING_ABOVE_DEPTH = 2


@dataclass(frozen=True, slots=True)
class RtpPacket:
    """One RTP packet as it came (RFC 3550 §5.1)."""

    time: float
    peer: Peer
    sequence: int
    timestamp: int
    ssrc: int
    payload_type: int
    marker: bool
    payload: bytes


@dataclass(frozen=True, slots=True)
class SequenceErrors:
    """Packets that are missing, came after a later one, or came twice."""

    lost: int = 0
    reordered: int = 0
    duplicated: int = 0

    @property
    def total(self) -> int:
        """All together: 0 is a whole stream."""
        return self.lost + self.reordered + self.duplicated


def parse_rtp(data: bytes, peer: Peer, stamp: Stamp) -> RtpPacket | None:
    """Read a packet, or None when it is not RTP version 2."""
    if len(data) < RTP_HEADER.size or data[0] >> 6 != 2:
        return None
    first, second, sequence, timestamp, ssrc = RTP_HEADER.unpack_from(data)
    start = RTP_HEADER.size + 4 * (first & 0x0F)
    if first & 0x10:
        if len(data) < start + 4:
            return None
        start += 4 + 4 * int.from_bytes(data[start + 2 : start + 4])
    end = len(data) - (data[-1] if first & 0x20 else 0)
    return RtpPacket(
        time=stamp.monotonic,
        peer=peer,
        sequence=sequence,
        timestamp=timestamp,
        ssrc=ssrc,
        payload_type=second & 0x7F,
        marker=bool(second & 0x80),
        payload=data[start:end],
    )


def build_rtp(
    sequence: int, timestamp: int, ssrc: int, payload_type: int, payload: bytes, *, marker: bool
) -> bytes:
    """Write a packet (RFC 3550 §5.1)."""
    header = RTP_HEADER.pack(
        0x80,
        payload_type | (0x80 if marker else 0),
        sequence % SEQUENCE,
        timestamp % (1 << 32),
        ssrc,
    )
    return header + payload


class Recording:
    """Every packet of a call in order of arrival, and the measures over them.

    ``since`` and ``until`` are monotonic seconds and bound a measure; arrival times are the
    kernel's, so that a blocked event loop on this side does not show in them.
    """

    def __init__(self) -> None:
        """Begin empty."""
        self.packets: list[RtpPacket] = []
        self._unheard: deque[RtpPacket] = deque(maxlen=50)
        self._wideband = Codec()

    def add(self, packet: RtpPacket) -> None:
        """Keep a packet."""
        self.packets.append(packet)
        self._unheard.append(packet)

    def next_heard(self) -> bytes | None:
        """Return the samples of the oldest packet that nobody has taken yet."""
        if not self._unheard:
            return None
        packet = self._unheard.popleft()
        pcm = _decoded(packet, self._wideband)
        return pcm if len(pcm) == 2 * FRAME_SAMPLES else None

    def between(self, since: float | None = None, until: float | None = None) -> list[RtpPacket]:
        """Return the packets that came in a span of time."""
        return [
            packet
            for packet in self.packets
            if (since is None or packet.time >= since) and (until is None or packet.time <= until)
        ]

    def packets_per_second(self, since: float | None = None, until: float | None = None) -> float:
        """Return the rate over the span that is given, else from the first to the last packet.

        Without a span it is 0 for fewer than two packets.
        """
        packets = self.between(since, until)
        if since is not None and until is not None:
            return len(packets) / max(until - since, 1e-9)
        if len(packets) < 2:
            return 0.0
        return (len(packets) - 1) / max(packets[-1].time - packets[0].time, 1e-9)

    def short_pct(self, since: float | None = None, until: float | None = None) -> float:
        """Return how far the rate stays below 50 packets a second, in per cent."""
        rate = self.packets_per_second(since, until)
        return max(0.0, 100 * (1 - rate * FRAME_SECONDS))

    def widest_gap_ms(self, since: float | None = None, until: float | None = None) -> float:
        """Return the longest time between two packets, in milliseconds."""
        return max(self.gaps_ms(since, until), default=0.0)

    def gaps_ms(self, since: float | None = None, until: float | None = None) -> list[float]:
        """Return the times between packets, in milliseconds."""
        times = [packet.time for packet in self.between(since, until)]
        return [1000 * (after - before) for before, after in pairwise(times)]

    def gap_quantile_ms(
        self, share: float, since: float | None = None, until: float | None = None
    ) -> float:
        """Return the time between packets that ``share`` of the gaps do not exceed."""
        gaps = sorted(self.gaps_ms(since, until))
        return gaps[min(len(gaps) - 1, int(share * len(gaps)))] if gaps else 0.0

    def holes_pct(
        self,
        buffer_ms: float = 60.0,
        since: float | None = None,
        until: float | None = None,
    ) -> float:
        """Return the share of playout time in which a listener has no packet in time, in per cent.

        The listener starts ``buffer_ms`` after the first packet and takes one packet each 20 ms in
        order of sequence. It keeps its delay: what waits beyond the buffer's depth is thrown away,
        so a burst after a pause does not repair the pause.
        """
        packets = self.between(since, until)
        if len(packets) < 2:
            return 100.0
        depth = round(buffer_ms / 1000 / FRAME_SECONDS) + WAITING_ABOVE_DEPTH
        first = packets[0].time + buffer_ms / 1000
        ticks = max(1, int((packets[-1].time - first) / FRAME_SECONDS) + 1)
        waiting: list[int] = []
        arrivals = deque(_unwrapped(packets))
        holes = 0
        played = arrivals[0][0] - HALF_SEQUENCE
        for tick in range(ticks):
            moment = first + tick * FRAME_SECONDS
            while arrivals and arrivals[0][1] <= moment:
                number = arrivals.popleft()[0]
                if number > played and number not in waiting:
                    waiting.append(number)
            waiting.sort()
            del waiting[: max(0, len(waiting) - depth)]
            if waiting:
                played = waiting.pop(0)
            else:
                holes += 1
        return 100 * holes / ticks

    def sequence_errors(self) -> SequenceErrors:
        """Count what is missing, late or double by sequence numbers."""
        seen: set[int] = set()
        highest = None
        reordered = duplicated = 0
        for number, _ in _unwrapped(self.packets):
            if number in seen:
                duplicated += 1
            elif highest is not None and number < highest:
                reordered += 1
            seen.add(number)
            highest = number if highest is None else max(highest, number)
        span = max(seen) - min(seen) + 1 if seen else 0
        return SequenceErrors(span - len(seen), reordered, duplicated)

    def pcm(self, since: float | None = None, until: float | None = None) -> bytes:
        """Return the samples in order of RTP time, silence where packets are missing."""
        packets = self.between(since, until)
        if not packets:
            return b""
        origin = packets[0].timestamp
        decoded: dict[int, bytes] = {}
        wideband = Codec()
        for packet in packets:
            offset = (packet.timestamp - origin + (1 << 31)) % (1 << 32) - (1 << 31)
            decoded.setdefault(offset, _decoded(packet, wideband))
        begin = min(decoded)
        end = max(offset - begin + len(pcm) // 2 for offset, pcm in decoded.items())
        # A sender that jumps in time must not make this side fill gigabytes.
        samples = bytearray(2 * min(end, 8000 * 3600))
        for offset, pcm in decoded.items():
            start = 2 * (offset - begin)
            if start + len(pcm) <= len(samples):
                samples[start : start + len(pcm)] = pcm
        return bytes(samples)

    def tone_level(
        self, frequency: float, since: float | None = None, until: float | None = None
    ) -> float:
        """Return the level of a frequency in dBm0; about -100 when it is not there."""
        return tone_level(self.pcm(since, until), frequency)

    def detected_digits(self, since: float | None = None, until: float | None = None) -> str:
        """Return the keys heard in the sound."""
        return detect_dtmf(self.pcm(since, until))


def _decoded(packet: RtpPacket, wideband: Codec) -> bytes:
    """Return the samples of a packet; of G.722 they want the order of sending."""
    if packet.payload_type == G722:
        return wideband.decode(packet.payload)
    return decode(packet.payload_type, packet.payload)


def _unwrapped(packets: list[RtpPacket]) -> list[tuple[int, float]]:
    """Give each packet a sequence number that does not wrap, with its arrival."""
    result: list[tuple[int, float]] = []
    last = packets[0].sequence if packets else 0
    for packet in packets:
        step = (packet.sequence - last + HALF_SEQUENCE) % SEQUENCE - HALF_SEQUENCE
        last += step
        result.append((last, packet.time))
    return result

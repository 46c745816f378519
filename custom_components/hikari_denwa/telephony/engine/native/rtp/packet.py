"""RTP packets (RFC 3550 §5.1): strict in what is written, tolerant in what is read."""

from __future__ import annotations

import struct
from dataclasses import dataclass
from typing import Self

PCMU = 0
COMFORT_NOISE = 13

_HEADER = struct.Struct("!BBHII")
_EXTENSION = struct.Struct("!HH")
_VERSION = 2 << 6
_PADDING = 0x20
_EXTENDED = 0x10
_CSRC_COUNT = 0x0F
_MARKER = 0x80
_PAYLOAD_TYPE = 0x7F
_RTCP_TYPES = range(64, 96)


@dataclass(frozen=True, kw_only=True, slots=True)
class RtpPacket:
    """One packet. ``timestamp`` counts samples (8 kHz for G.711); all numbers wrap."""

    payload_type: int
    sequence: int
    timestamp: int
    ssrc: int
    payload: bytes
    marker: bool = False

    @classmethod
    def decode(cls, datagram: bytes) -> Self | None:
        """Read a datagram; None for anything that RFC 3550 §A.1 does not let pass.

        CSRC list, header extension and padding are taken off. Payload types that
        RTCP uses where both share a port (RFC 5761 §4) are no RTP.
        """
        length = len(datagram)
        if length < _HEADER.size:
            return None
        first, second, sequence, timestamp, ssrc = _HEADER.unpack_from(datagram)
        payload_type = second & _PAYLOAD_TYPE
        if first & 0xC0 != _VERSION or payload_type in _RTCP_TYPES:
            return None
        start, end = _HEADER.size, length
        if first & ~_VERSION:
            start += 4 * (first & _CSRC_COUNT)
            if first & _EXTENDED:
                if start + _EXTENSION.size > length:
                    return None
                start += _EXTENSION.size + 4 * _EXTENSION.unpack_from(datagram, start)[1]
            if first & _PADDING:
                padding = datagram[-1]
                end -= padding
                if not padding:
                    return None
            if start > end:
                return None
        return cls(
            payload_type=payload_type,
            sequence=sequence,
            timestamp=timestamp,
            ssrc=ssrc,
            payload=datagram[start:end],
            marker=bool(second & _MARKER),
        )

    def encode(self) -> bytes:
        """Return the datagram: no padding, no extension, no CSRC."""
        second = self.payload_type | (_MARKER if self.marker else 0)
        header = _HEADER.pack(_VERSION, second, self.sequence, self.timestamp, self.ssrc)
        return header + self.payload


def sequence_distance(later: int, earlier: int) -> int:
    """Return how far one sequence number is after another, the short way around 2**16."""
    return ((later - earlier + 0x8000) & 0xFFFF) - 0x8000


def timestamp_distance(later: int, earlier: int) -> int:
    """Return how far one timestamp is after another, the short way around 2**32."""
    return ((later - earlier + 0x80000000) & 0xFFFFFFFF) - 0x80000000

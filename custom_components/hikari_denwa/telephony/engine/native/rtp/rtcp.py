"""RTCP packets (RFC 3550 §6): strict in what is written and in what is read."""

from __future__ import annotations

import struct
from dataclasses import dataclass
from typing import Self

_SENDER_REPORT = 200
_RECEIVER_REPORT = 201
_SOURCE_DESCRIPTION = 202
_GOODBYE = 203
_CNAME = 1

_VERSION = 2 << 6
_PADDING = 0x20
_COUNT = 0x1F
_HEADER = struct.Struct("!BBH")
_SSRC = struct.Struct("!I")
_SENDER_INFO = struct.Struct("!QIII")
_BLOCK = struct.Struct("!IIIIII")
_LARGEST_LOST = 0x7FFFFF
_SMALLEST_LOST = -0x800000


@dataclass(frozen=True, kw_only=True, slots=True)
class SenderInfo:
    """What a sender says of itself (§6.4.1).

    ``ntp`` is 64 bit of 1/2**32 s since 1900, ``timestamp`` the RTP timestamp of that moment.
    """

    ntp: int
    timestamp: int
    packets: int
    octets: int


@dataclass(frozen=True, kw_only=True, slots=True)
class ReportBlock:
    """What one source's packets looked like where they arrived (§6.4.1).

    ``fraction_lost`` in 1/256 since the last report, ``jitter`` in timestamp units,
    ``last_report`` the middle 32 bits of the last NTP time heard of the source (0: none),
    ``since_last_report`` in 1/65536 s.
    """

    ssrc: int
    fraction_lost: int
    lost: int
    highest_sequence: int
    jitter: int
    last_report: int = 0
    since_last_report: int = 0

    def encode(self) -> bytes:
        """Return the 24 bytes; a loss beyond 24 bits is cut off, as §6.4.1 says."""
        lost = max(_SMALLEST_LOST, min(self.lost, _LARGEST_LOST)) & 0xFFFFFF
        return _BLOCK.pack(
            self.ssrc,
            self.fraction_lost << 24 | lost,
            self.highest_sequence & 0xFFFFFFFF,
            self.jitter & 0xFFFFFFFF,
            self.last_report,
            self.since_last_report & 0xFFFFFFFF,
        )

    @classmethod
    def decode(cls, packet: bytes, offset: int) -> Self:
        """Read 24 bytes."""
        ssrc, loss, highest, jitter, last, since = _BLOCK.unpack_from(packet, offset)
        lost = loss & 0xFFFFFF
        return cls(
            ssrc=ssrc,
            fraction_lost=loss >> 24,
            lost=lost - 0x1000000 if lost > _LARGEST_LOST else lost,
            highest_sequence=highest,
            jitter=jitter,
            last_report=last,
            since_last_report=since,
        )


@dataclass(frozen=True, kw_only=True, slots=True)
class ControlPacket:
    """A compound packet: a report of ``ssrc``, and who says goodbye."""

    ssrc: int
    sender: SenderInfo | None = None
    blocks: tuple[ReportBlock, ...] = ()
    cname: str | None = None
    gone: tuple[int, ...] = ()

    @classmethod
    def decode(cls, datagram: bytes) -> Self | None:
        """Read a datagram; None for what §A.2 does not let pass.

        Lengths must add up, the first packet must be a report, only the last may be padded.
        Source descriptions and kinds that are unknown here are passed over.
        """
        parts = _split(datagram)
        if not parts or parts[0].kind not in (_SENDER_REPORT, _RECEIVER_REPORT):
            return None
        ssrc, sender = 0, None
        blocks: list[ReportBlock] = []
        gone: list[int] = []
        for index, part in enumerate(parts):
            if part.kind == _GOODBYE:
                if len(part.body) < 4 * part.count:
                    return None
                gone += [each for (each,) in _SSRC.iter_unpack(part.body[: 4 * part.count])]
            elif part.kind in (_SENDER_REPORT, _RECEIVER_REPORT):
                start = _SSRC.size + (_SENDER_INFO.size if part.kind == _SENDER_REPORT else 0)
                if len(part.body) < start + _BLOCK.size * part.count:
                    return None
                (reporter,) = _SSRC.unpack_from(part.body)
                if index == 0:
                    ssrc = reporter
                    if part.kind == _SENDER_REPORT:
                        sender = _sender_info(part.body)
                elif reporter != ssrc:
                    continue
                blocks += [
                    ReportBlock.decode(part.body, start + _BLOCK.size * number)
                    for number in range(part.count)
                ]
        return cls(ssrc=ssrc, sender=sender, blocks=tuple(blocks), gone=tuple(gone))

    def encode(self) -> bytes:
        """Return the datagram: SR or RR, SDES with the CNAME, BYE if somebody is gone."""
        body = _SSRC.pack(self.ssrc)
        kind = _RECEIVER_REPORT
        if self.sender is not None:
            kind = _SENDER_REPORT
            body += _SENDER_INFO.pack(
                self.sender.ntp,
                self.sender.timestamp,
                self.sender.packets & 0xFFFFFFFF,
                self.sender.octets & 0xFFFFFFFF,
            )
        body += b"".join(block.encode() for block in self.blocks)
        datagram = _packet(kind, len(self.blocks), body)
        if self.cname is not None:
            name = self.cname.encode()
            item = _SSRC.pack(self.ssrc) + bytes((_CNAME, len(name))) + name
            # §6.5: at least one null octet ends the list, and fills up to 32 bits.
            datagram += _packet(_SOURCE_DESCRIPTION, 1, item + bytes(4 - len(item) % 4))
        if self.gone:
            datagram += _packet(
                _GOODBYE, len(self.gone), b"".join(_SSRC.pack(each) for each in self.gone)
            )
        return datagram


@dataclass(frozen=True, slots=True)
class _Part:
    """One packet of a compound: its type, its count, what follows its first 32 bits."""

    kind: int
    count: int
    body: bytes


def _split(datagram: bytes) -> list[_Part]:
    """Take a compound packet apart; empty if its lengths do not add up (§A.2)."""
    parts: list[_Part] = []
    start, length = 0, len(datagram)
    while start < length:
        if length - start < _HEADER.size:
            return []
        first, kind, words = _HEADER.unpack_from(datagram, start)
        end = start + 4 * (words + 1)
        if first & 0xC0 != _VERSION or end > length:
            return []
        body = datagram[start + _HEADER.size : end]
        if first & _PADDING:
            # §6.4.1: the count of padding octets is a multiple of four and counts itself.
            padding = datagram[end - 1]
            if end != length or not padding or padding % 4 or padding > len(body):
                return []
            body = body[:-padding]
        parts.append(_Part(kind, first & _COUNT, body))
        start = end
    return parts


def _sender_info(body: bytes) -> SenderInfo:
    """Read what follows the SSRC of a sender report."""
    ntp, timestamp, packets, octets = _SENDER_INFO.unpack_from(body, _SSRC.size)
    return SenderInfo(ntp=ntp, timestamp=timestamp, packets=packets, octets=octets)


def _packet(kind: int, count: int, body: bytes) -> bytes:
    """Return one packet; the body is a whole number of 32 bit words."""
    return _HEADER.pack(_VERSION | count, kind, len(body) // 4) + body

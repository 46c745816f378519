"""A stream of packets to feed a playout buffer with, each frame telling which it is."""

from dataclasses import dataclass, field, replace

from custom_components.hikari_denwa.telephony.engine.native.rtp.packet import RtpPacket
from custom_components.hikari_denwa.telephony.engine.native.rtp.playout import PlayoutBuffer
from custom_components.hikari_denwa.telephony.engine.protocol import SILENCE, SoundFlag


def frame(index: int) -> bytes:
    """Return the payload of a frame; no two of the first 65000 are the same.

    The index is at the end: after a gap the first 10 ms are led over from what was made up.
    """
    return b"\x80" * 157 + index.to_bytes(2) + b"\x80"


def index_of(payload: bytes) -> int | None:
    """Return which frame a payload is, or None for none of ours."""
    index = int.from_bytes(payload[157:159])
    return index if frame(index)[80:] == payload[80:] else None


@dataclass(frozen=True, kw_only=True)
class Stream:
    """One source; ``packet(i)`` is its i-th packet of 20 ms."""

    ssrc: int = 1
    first_sequence: int = 100
    first_timestamp: int = 1000

    def packet(self, index: int) -> RtpPacket:
        """Return a packet."""
        return RtpPacket(
            payload_type=0,
            sequence=(self.first_sequence + index) & 0xFFFF,
            timestamp=(self.first_timestamp + 160 * index) & 0xFFFFFFFF,
            ssrc=self.ssrc,
            payload=frame(index),
        )


@dataclass(kw_only=True)
class Listener:
    """Drives a buffer as a session does: what has arrived goes in, then a frame comes out."""

    buffer: PlayoutBuffer = field(default_factory=PlayoutBuffer)
    heard: list[tuple[bytes, SoundFlag]] = field(default_factory=list)

    def period(self, *packets: RtpPacket) -> None:
        """Let 20 ms pass in which these packets arrived."""
        for packet in packets:
            self.buffer.put(packet, len(self.heard) * 0.02)
        self.heard.append(self.buffer.take(len(self.heard) * 0.02))

    def quiet(self, periods: int) -> None:
        """Let time pass in which nothing arrived."""
        for _ in range(periods):
            self.period()

    @property
    def indices(self) -> list[int | None]:
        """Return which frames were heard; None for those that were made up, or silence."""
        return [index_of(payload) for payload, _ in self.heard]

    @property
    def concealed(self) -> int:
        """Return how many frames were flagged as made up."""
        return sum(bool(flags & SoundFlag.CONCEALED) for _, flags in self.heard)


def with_payload(packet: RtpPacket, payload: bytes, payload_type: int = 0) -> RtpPacket:
    """Return a packet that carries something else."""
    return replace(packet, payload=payload, payload_type=payload_type)


__all__ = ["SILENCE", "Listener", "Stream", "frame", "index_of", "with_payload"]

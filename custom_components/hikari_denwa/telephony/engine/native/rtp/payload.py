"""What payload types mean in a session, and keys as telephone events (RFC 4733)."""

from __future__ import annotations

import struct
from collections.abc import Callable
from dataclasses import dataclass

from ....audio.g711 import alaw_to_ulaw, linear_to_ulaw, ulaw_to_alaw, ulaw_to_linear
from ....audio.g722 import G722Decoder, G722Encoder
from ...protocol import SoundCodec
from .packet import PCMU, RtpPacket, timestamp_distance

_EVENT = struct.Struct("!BBH")
_END = 0x80
# §2.3.3: -10 dBm0, as our tones are.
_VOLUME = 10
_KEYS = "0123456789*#ABCD"
_LONGEST_SEGMENT = 0xFFFF


Transcode = Callable[[bytes], bytes]


@dataclass(frozen=True, kw_only=True, slots=True)
class PayloadFormat:
    """What offer and answer agreed on: a codec, under these payload types.

    ``event_type`` is that of telephone events; None: keys are tones in the sound.
    """

    send_type: int = PCMU
    receive_type: int = PCMU
    codec: SoundCodec = SoundCodec.PCMU
    event_type: int | None = None

    def encoder(self) -> Transcode:
        """Return what makes payloads of the µ-law of one stream, in the order of sending.

        One octet is one sample of 8 kHz in all our codecs.
        """
        match self.codec:
            case SoundCodec.PCMU:
                return bytes
            case SoundCodec.PCMA:
                return ulaw_to_alaw
            case SoundCodec.G722:
                encode = G722Encoder().encode
                return lambda frame: encode(ulaw_to_linear(frame))

    def decoder(self) -> Transcode:
        """Return what makes µ-law of the payloads of one stream, in the order of playing."""
        match self.codec:
            case SoundCodec.PCMU:
                return bytes
            case SoundCodec.PCMA:
                return alaw_to_ulaw
            case SoundCodec.G722:
                decode = G722Decoder().decode
                return lambda payload: linear_to_ulaw(decode(payload))


@dataclass(frozen=True, slots=True)
class KeyEvent:
    """One packet of a key that is being pressed; ``duration`` in samples so far."""

    key: str
    duration: int
    first: bool
    end: bool

    def encode(self) -> bytes:
        """Return the payload (§2.3)."""
        second = _VOLUME | (_END if self.end else 0)
        return _EVENT.pack(_KEYS.index(self.key), second, self.duration)


class KeyEvents:
    """Tells each key of the other side once, whichever of its packets come (§2.5.2.2)."""

    def __init__(self) -> None:
        """Start with no key."""
        self._last: tuple[int, int, int] | None = None
        self._duration = 0

    def take(self, packet: RtpPacket) -> str | None:
        """Take a packet of telephone events; return the key if it is a new press of one."""
        if len(packet.payload) < _EVENT.size:
            return None
        code, _, duration = _EVENT.unpack_from(packet.payload)
        if code >= len(_KEYS):
            return None
        last, was = self._last, self._duration
        if last is not None and last[0] == packet.ssrc:
            ahead = timestamp_distance(packet.timestamp, last[1])
            if ahead <= 0:
                self._duration = max(was, duration) if not ahead else was
                return None
            # §2.5.1.3: a press of more than 8 s goes on in a further segment.
            if code == last[2] and was == _LONGEST_SEGMENT and ahead <= was:
                self._last, self._duration = (packet.ssrc, packet.timestamp, code), duration
                return None
        self._last, self._duration = (packet.ssrc, packet.timestamp, code), duration
        return _KEYS[code]

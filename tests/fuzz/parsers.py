"""The parsers, each alone: whatever comes is read or refused, and what is written can be read."""

import contextlib
import struct
import zlib
from collections.abc import Iterator, Sequence

from custom_components.hikari_denwa.telephony.calls import (
    CallerId,
    CallerIdKind,
    Ending,
    EndReason,
    Family,
)
from custom_components.hikari_denwa.telephony.engine.native.rtp.packet import RtpPacket
from custom_components.hikari_denwa.telephony.engine.native.rtp.payload import KeyEvents
from custom_components.hikari_denwa.telephony.engine.native.rtp.playout import PlayoutBuffer
from custom_components.hikari_denwa.telephony.engine.native.rtp.reports import Reports
from custom_components.hikari_denwa.telephony.engine.native.rtp.rtcp import (
    ControlPacket,
    ReportBlock,
    SenderInfo,
)
from custom_components.hikari_denwa.telephony.engine.protocol import (
    FRAME_BYTES,
    FRAME_SECONDS,
    AddLine,
    CallEnded,
    CallIncoming,
    Dial,
    FamilyChoice,
    Hello,
    LineConfig,
    Message,
    RegistrationChanged,
    RegistrationState,
    SoundDirection,
    SoundFrame,
    Welcome,
    decode,
    encode,
)
from custom_components.hikari_denwa.telephony.engine.sip.caller_id import (
    called_of,
    caller_of,
)
from custom_components.hikari_denwa.telephony.engine.sip.digest import (
    DigestClient,
    parse_challenges,
)
from custom_components.hikari_denwa.telephony.engine.sip.messages import (
    MessageError,
    Request,
    Response,
    is_keep_alive,
    parse,
)
from custom_components.hikari_denwa.telephony.engine.sip.sdp import (
    SdpError,
    SessionDescription,
    agree,
    answer,
    offer,
)
from custom_components.hikari_denwa.telephony.engine.sip.transport import reply_destination
from custom_components.hikari_denwa.telephony.errors import ProtocolError
from tests.unit.sip.torture_messages import TORTURE_MESSAGES
from tests.unit.sip.views import VIEWS

from .target import Meter, Target

_VIEWS = ("vias", *VIEWS)
_OWN_SSRC = 5
_SOURCE = ("2001:db8::1", 5060)


class SipMessages(Target):
    """A datagram at the SIP port, up to the message that it holds."""

    name = "sip"

    @classmethod
    def seeds(cls) -> Sequence[bytes]:
        """Give the messages of RFC 4475 and RFC 5118."""
        return [message.datagram for message in TORTURE_MESSAGES]

    def feed(self, data: bytes) -> None:
        """Read a datagram with every view of it."""
        self.meter.take(_read_message, data)


def _read_message(datagram: bytes) -> None:
    """Read a message as the user agent does; of every fourth, see that the reply can be read."""
    if is_keep_alive(datagram):
        return
    try:
        message = parse(datagram)
    except MessageError as error:
        _answer_malformed(error)
        return
    for view in _VIEWS:
        with contextlib.suppress(MessageError):
            getattr(message, view)
    if zlib.crc32(datagram) & 3:
        return
    assert parse(message.encode()) == message
    if isinstance(message, Request):
        caller_of(message)
        called_of(message)
        message.mark_source(*_SOURCE)
        reply = parse(message.reply(180, to_tag="t").encode())
        assert isinstance(reply, Response)
        assert reply.cseq == message.cseq


def _answer_malformed(error: MessageError) -> None:
    """Make the answer to a malformed request as the user agent does."""
    request = error.request
    if request is None or error.status is None:
        return
    request.mark_source(*_SOURCE)
    assert 0 <= reply_destination(request, _SOURCE)[1] <= 65535
    answered = request.reply(error.status, to_tag="t").encode()
    assert answered.endswith(b"Content-Length: 0\r\n\r\n")


class DigestChallenges(Target):
    """The value of a WWW-Authenticate header."""

    name = "digest"

    def __init__(self, meter: Meter) -> None:
        """Keep one client, as a line does."""
        super().__init__(meter)
        self._client = DigestClient("0003", "secret")

    @classmethod
    def seeds(cls) -> Sequence[bytes]:
        """Give challenges of gateways and of RFC 7616."""
        return [
            b'Digest realm="192.168.1.1",domain="sip:domain",nonce="5f3c",algorithm=MD5',
            b'Digest realm="a\\"b", qop="auth,auth-int", algorithm=SHA-256, nonce="7y", opaque="F"',
            b'Basic realm="x", Digest realm="y", nonce="z", stale=TRUE, algorithm=MD5-sess',
        ]

    def feed(self, data: bytes) -> None:
        """Answer every challenge that there is."""
        text = data.decode(errors="surrogateescape").replace("\r", " ").replace("\n", " ")
        self.meter.take(self._answer, text)

    def _answer(self, text: str) -> None:
        """Read and answer; what is written must be a header."""
        for challenge in parse_challenges([text]):
            value = self._client.authorization(challenge, "REGISTER", "sip:[2001:db8::1]")
            if value is not None:
                request = parse(TORTURE_MESSAGES[0].datagram)
                request.headers.set("Authorization", value)
                parse(request.encode())


class SessionDescriptions(Target):
    """The body of an INVITE or of its answer."""

    name = "sdp"

    @classmethod
    def seeds(cls) -> Sequence[bytes]:
        """Give the offers of gateways and of the torture messages."""
        bodies = [message.datagram.partition(b"\r\n\r\n")[2] for message in TORTURE_MESSAGES]
        return [
            *dict.fromkeys(body for body in bodies if body.startswith(b"v=0")),
            (
                b"v=0\r\no=- 10 10 IN IP6 2001:db8::1\r\ns=-\r\nc=IN IP6 2001:db8::1\r\nt=0 0\r\n"
                b"m=audio 20000 RTP/AVP 9 0 101\r\nb=AS:64\r\na=rtpmap:9 G722/8000\r\n"
                b"a=rtpmap:0 PCMU/8000/1\r\na=rtpmap:101 telephone-event/8000\r\n"
                b"a=fmtp:101 0-15\r\na=ptime:20\r\na=sendonly\r\na=rtcp:20001\r\n"
            ),
        ]

    def feed(self, data: bytes) -> None:
        """Read a description, answer it, and take it as an answer."""
        self.meter.take(_read_description, data)


def _read_description(body: bytes) -> None:
    """See that an answer holds nothing but what was offered."""
    try:
        offered = SessionDescription.parse(body)
    except SdpError:
        return
    SessionDescription.parse(offered.encode())
    for address in ("2001:db8::20", "192.0.2.20"):
        agree(offer(address, 4000), offered)
        answered = answer(offered, address, 4000, telephone_event=True)
        if not isinstance(answered, SessionDescription):
            continue
        assert len(answered.media) == len(offered.media)
        for mine, theirs in zip(answered.media, offered.media, strict=True):
            assert mine.kind == theirs.kind
            assert set(mine.formats) <= set(theirs.formats)
        again = SessionDescription.parse(answered.encode())
        assert again.encode() == answered.encode()


class RtpPackets(Target):
    """Packets at the sound port, in the order in which they stand, and their playout.

    Each is preceded by its length in two octets; between two of them 20 ms are played.
    """

    name = "rtp"
    text = False

    @classmethod
    def seeds(cls) -> Sequence[bytes]:
        """Give streams with a gap, with other payload types, extensions and padding."""
        plain = [_packet(number) for number in range(12)]
        return [
            _joined(plain),
            _joined([_packet(number) for number in range(130)]),
            _joined(plain[:4] + plain[6:] + plain[4:6]),
            _joined([*plain[:4], _packet(4, payload_type=13, payload=b"\x40"), *plain[8:]]),
            _joined([_packet(number, ssrc=number // 4) for number in range(12)]),
            _joined([_packet(65530 + number, start=0xFFFFFE00) for number in range(12)]),
            _joined(
                [b"\x90" + packet[1:12] + b"\xbe\xde\0\1abcd" + packet[12:] for packet in plain]
            ),
            _joined(
                [b"\xa2" + packet[1:12] + b"12345678" + packet[12:] + b"\2\2" for packet in plain]
            ),
            _joined([b"\x80\xc8\0\6" + bytes(24), b"\x81\xc9\0\7" + bytes(28)]),
        ]

    def feed(self, data: bytes) -> None:
        """Put the packets into a playout buffer and take frames out of it."""
        buffer, keys = PlayoutBuffer(), KeyEvents()
        for number, datagram in enumerate(_split(data)):
            self.meter.take(_play, buffer, keys, datagram, 1000.0 + number * 0.02)
        assert buffer.statistics.received >= 0


def _split(data: bytes) -> Iterator[bytes]:
    """Give the packets that stand one behind the other, each with its length."""
    start = 0
    while start + 2 <= len(data):
        end = start + 2 + int.from_bytes(data[start : start + 2])
        yield data[start + 2 : end]
        start = end


def _play(buffer: PlayoutBuffer, keys: KeyEvents, datagram: bytes, arrived: float) -> None:
    """Take in a packet and play 20 ms."""
    packet = RtpPacket.decode(datagram)
    if packet is not None:
        assert RtpPacket.decode(packet.encode()) == packet
        key = keys.take(packet)
        assert key is None or key in "0123456789*#ABCD"
        buffer.put(packet, arrived)
    frame, _ = buffer.take(arrived + 0.007)
    assert len(frame) == FRAME_BYTES
    assert abs(buffer.nudge()) < FRAME_SECONDS / 50
    assert 0 <= buffer.delay < 60


def _packet(
    number: int,
    *,
    payload_type: int = 0,
    ssrc: int = 7,
    start: int = 0,
    payload: bytes = bytes(range(96, 256)),
) -> bytes:
    """Make a packet of 20 ms."""
    timestamp = (start + number * FRAME_BYTES) & 0xFFFFFFFF
    head = struct.pack("!BBHII", 0x80, payload_type, number & 0xFFFF, timestamp, ssrc)
    return head + payload


def _joined(packets: Sequence[bytes]) -> bytes:
    """Write packets one behind the other, each with its length."""
    return b"".join(len(packet).to_bytes(2) + packet for packet in packets)


class RtcpPackets(Target):
    """Reports at the control port, each preceded by its length, as `RtpPackets` are."""

    name = "rtcp"
    text = False

    @classmethod
    def seeds(cls) -> Sequence[bytes]:
        """Give reports of both kinds, with a name, padded, and a goodbye."""
        sender = SenderInfo(ntp=0xE0000000_80000000, timestamp=160, packets=9, octets=1440)
        block = ReportBlock(
            ssrc=_OWN_SSRC,
            fraction_lost=12,
            lost=-3,
            highest_sequence=65999,
            jitter=80,
            last_report=0x00018000,
            since_last_report=0x8000,
        )
        full = ControlPacket(ssrc=7, sender=sender, blocks=(block, block), cname="a", gone=(7,))
        plain = ControlPacket(ssrc=7, blocks=(block,)).encode()
        return [
            _joined([full.encode(), plain]),
            _joined([b"\xa1" + plain[1:3] + b"\x08" + plain[4:] + b"\0\0\0\4"]),
            _joined([plain + b"\x82\xcc\0\3" + bytes(12), plain[:8]]),
        ]

    def feed(self, data: bytes) -> None:
        """Take the reports, and make our own from what they said."""
        reports = Reports(_OWN_SSRC)
        for number, datagram in enumerate(_split(data)):
            self.meter.take(_report, reports, datagram, 1000.0 + number)
        assert reports.make(2000.0, timestamp=1, packets=2, octets=320, reception=None)


def _report(reports: Reports, datagram: bytes, now: float) -> None:
    """Take a report; what it says stays within what can be."""
    packet = ControlPacket.decode(datagram)
    if packet is not None:
        assert ControlPacket.decode(packet.encode()) is not None
    reports.take(datagram, now, 7)
    told = reports.statistics
    assert told.round_trip is None or 0 <= told.round_trip <= 10
    assert told.far_lost is None or told.far_lost >= 0


class ProtocolMessages(Target):
    """A text message between Home Assistant and the engine."""

    name = "protocol"

    @classmethod
    def seeds(cls) -> Sequence[bytes]:
        """Give a message of each shape."""
        config = LineConfig(gateway="::1", extension="3", user_id="0003", password="x")
        messages: list[Message] = [
            Hello(id=1, token="t"),
            AddLine(id=2, line="a", config=config),
            Dial(id=3, line="a", number="0312345678"),
            Welcome(id=1, version=1, backend="native", families=(Family.IPV6, Family.IPV4), pid=9),
            RegistrationChanged(
                at=1.5,
                line="a",
                state=RegistrationState.FAILED,
                family=Family.IPV6,
                reason="gateway_silent",
                placeholders={"address": "::1"},
                retry_in=2.0,
            ),
            CallIncoming(
                at=1.0,
                line="a",
                call="c",
                channel=1,
                caller=CallerId(kind=CallerIdKind.NUMBER, number="09012345678"),
                called=None,
                family=Family.IPV4,
            ),
            CallEnded(at=2.0, line="a", call="c", ending=Ending(reason=EndReason.BUSY, status=486)),
        ]
        assert config.family is FamilyChoice.AUTOMATIC
        return [encode(message).encode() for message in messages]

    def feed(self, data: bytes) -> None:
        """Read a message; what is read is written as what reads the same."""
        self.meter.take(_read_protocol, data.decode(errors="replace"))


def _read_protocol(text: str) -> None:
    """Read a message, or refuse it by the protocol's own error."""
    try:
        message = decode(text)
    except ProtocolError:
        return
    again = encode(message)
    assert encode(decode(again)) == again


class SoundMessages(Target):
    """A binary message between Home Assistant and the engine."""

    name = "sound"
    text = False

    @classmethod
    def seeds(cls) -> Sequence[bytes]:
        """Give a frame of each direction."""
        return [
            SoundFrame(
                direction=direction, channel=1, number=2, payload=bytes(FRAME_BYTES)
            ).encode()
            for direction in SoundDirection
        ]

    def feed(self, data: bytes) -> None:
        """Read a frame, or refuse it."""
        self.meter.take(_read_frame, data)


def _read_frame(message: bytes) -> None:
    """Read a frame, or refuse it by the protocol's own error."""
    try:
        frame = SoundFrame.decode(message)
    except ProtocolError:
        return
    assert frame.encode() == message


PARSERS: tuple[type[Target], ...] = (
    SipMessages,
    SessionDescriptions,
    DigestChallenges,
    RtpPackets,
    RtcpPackets,
    ProtocolMessages,
    SoundMessages,
)

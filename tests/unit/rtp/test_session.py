"""A session on real sockets: where packets go, whose are taken, and what comes of them."""

import asyncio
import contextlib
import itertools
import socket
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import replace

import pytest

from custom_components.hikari_denwa.telephony.audio.dtmf import DtmfDetector, digit_frames
from custom_components.hikari_denwa.telephony.audio.g711 import level, ulaw_to_linear
from custom_components.hikari_denwa.telephony.audio.g722 import G722Decoder, G722Encoder
from custom_components.hikari_denwa.telephony.engine.native.rtp import session as session_module
from custom_components.hikari_denwa.telephony.engine.native.rtp.pacing import Pacer
from custom_components.hikari_denwa.telephony.engine.native.rtp.packet import RtpPacket
from custom_components.hikari_denwa.telephony.engine.native.rtp.payload import (
    KeyEvent,
    PayloadFormat,
)
from custom_components.hikari_denwa.telephony.engine.native.rtp.playout import PlayoutBuffer
from custom_components.hikari_denwa.telephony.engine.native.rtp.rtcp import (
    ControlPacket,
    ReportBlock,
    SenderInfo,
)
from custom_components.hikari_denwa.telephony.engine.native.rtp.session import (
    RtpSession,
)
from custom_components.hikari_denwa.telephony.engine.protocol import (
    SILENCE,
    SoundCodec,
    SoundDirection,
    SoundFlag,
    SoundFrame,
)
from custom_components.hikari_denwa.telephony.errors import (
    CallNotConnectedError,
    SoundPortsExhaustedError,
)

from .stream import Stream, frame, index_of

pytestmark = pytest.mark.usefixtures("socket_enabled")

_FAMILIES = ("127.0.0.1", "::1")


class _Peer:
    """The other side: a bare socket."""

    def __init__(self, address: str) -> None:
        """Bind to any port."""
        family = socket.AF_INET6 if ":" in address else socket.AF_INET
        self.socket = socket.socket(family, socket.SOCK_DGRAM)
        self.socket.setblocking(False)
        self.socket.bind((address, 0))
        self.address = address
        self.port: int = self.socket.getsockname()[1]
        self.control = socket.socket(family, socket.SOCK_DGRAM)
        self.control.setblocking(False)
        self.control.bind((address, 0))
        self.control_port: int = self.control.getsockname()[1]
        self._stream = Stream()
        self._sent = 0

    def send(self, session: RtpSession, *packets: RtpPacket) -> None:
        """Send packets, or the next of the stream."""
        for packet in packets or (self._stream.packet(self._sent),):
            self.socket.sendto(packet.encode(), (self.address, session.local_port))
        self._sent += 1

    async def receive(self) -> RtpPacket:
        """Wait for the next packet, which must be well formed."""
        async with asyncio.timeout(2):
            datagram = await asyncio.get_running_loop().sock_recv(self.socket, 2048)
        packet = RtpPacket.decode(datagram)
        assert packet is not None
        return packet

    async def report(self) -> ControlPacket:
        """Wait for the next report, which must be well formed."""
        async with asyncio.timeout(5):
            datagram = await asyncio.get_running_loop().sock_recv(self.control, 2048)
        report = ControlPacket.decode(datagram)
        assert report is not None
        assert b"\x81\xca" in datagram
        return report

    def close(self) -> None:
        """Give the ports back."""
        self.socket.close()
        self.control.close()

    def nothing_came(self) -> bool:
        """Tell whether no packet waits."""
        try:
            self.socket.recv(2048)
        except BlockingIOError:
            return True
        return False


class _Ears:
    """Keeps what a session tells."""

    def __init__(self) -> None:
        """Start with nothing."""
        self.frames: list[SoundFrame] = []
        self.digits: list[str] = []
        self._news = asyncio.Event()

    def hear(self, played: SoundFrame) -> None:
        """Keep a frame."""
        self.frames.append(played)
        self._news.set()

    def note(self, digit: str) -> None:
        """Keep a digit."""
        self.digits.append(digit)
        self._news.set()

    async def news(self) -> None:
        """Wait until something is told."""
        self._news.clear()
        async with asyncio.timeout(5):
            await self._news.wait()

    def of(self, direction: SoundDirection) -> list[SoundFrame]:
        """Return the frames of one side."""
        return [played for played in self.frames if played.direction is direction]

    async def until(self, count: int) -> list[SoundFrame]:
        """Wait until so many frames of the far side were heard."""
        while len(far := self.of(SoundDirection.FAR)) < count:
            await self.news()
        return far


@pytest.fixture(params=_FAMILIES)
def address(request: pytest.FixtureRequest) -> str:
    """Return the address of both sides, in each family."""
    return str(request.param)


@pytest.fixture
def ears() -> _Ears:
    """Return who is told."""
    return _Ears()


@pytest.fixture
async def session(address: str, ears: _Ears) -> AsyncIterator[RtpSession]:
    """Return a session that is open and not started."""
    opened = await RtpSession.open(address, on_frame=ears.hear, on_digit=ears.note)
    opened.streaming = frozenset((SoundDirection.FAR, SoundDirection.NEAR))
    yield opened
    opened.close()


@pytest.fixture
def peer(address: str) -> Iterator[_Peer]:
    """Return the other side."""
    made = _Peer(address)
    with contextlib.closing(made):
        yield made


async def test_ports(session: RtpSession, address: str) -> None:
    """The RTP port is even, the one after it is taken for RTCP, and both are given back."""
    assert session.local_port % 2 == 0
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    for port in (session.local_port, session.local_port + 1):
        with (
            socket.socket(family, socket.SOCK_DGRAM) as other,
            pytest.raises(OSError, match="in use"),
        ):
            other.bind((address, port))
    port = session.local_port
    session.close()
    session.close()
    for bound in (port, port + 1):
        with socket.socket(family, socket.SOCK_DGRAM) as other:
            other.bind((address, bound))


async def test_marked_as_voice(session: RtpSession, address: str) -> None:
    """Packets carry DSCP EF."""
    option = (
        (socket.IPPROTO_IPV6, socket.IPV6_TCLASS)
        if ":" in address
        else (socket.IPPROTO_IP, socket.IP_TOS)
    )
    assert session._socket.getsockopt(*option) >> 2 == 46


@pytest.mark.parametrize("address", ["192.0.2.1", "2001:db8::1", "gateway.example", ""])
async def test_no_such_address(address: str, ears: _Ears) -> None:
    """An address that is not ours has no ports; nothing stays open."""
    with pytest.raises(SoundPortsExhaustedError):
        await RtpSession.open(address, on_frame=ears.hear, on_digit=ears.note)


async def test_odd_neighbours_taken(
    ears: _Ears, monkeypatch: pytest.MonkeyPatch, address: str
) -> None:
    """A pair of which one is taken is passed over, and tries are bounded."""
    bind = session_module._bind
    taken = 0

    def mostly_taken(address: str, port: int) -> socket.socket:
        """Fail for the second of a pair a few times."""
        nonlocal taken
        if port and taken < 5:
            taken += 1
            raise OSError("in use")
        return bind(address, port)

    monkeypatch.setattr(session_module, "_bind", mostly_taken)
    opened = await RtpSession.open(address, on_frame=ears.hear, on_digit=ears.note)
    assert taken == 5
    opened.close()


async def test_sends_silence_on_time(session: RtpSession, peer: _Peer) -> None:
    """From start on, PCMU silence leaves every 20 ms with numbers without a gap."""
    session.set_remote(peer.address, peer.port)
    session.start()
    loop = asyncio.get_running_loop()
    began = loop.time()
    packets = [await peer.receive() for _ in range(10)]
    assert loop.time() - began > 0.15
    assert {packet.payload for packet in packets} == {SILENCE}
    assert {packet.payload_type for packet in packets} == {0}
    assert len({packet.ssrc for packet in packets}) == 1
    assert [packet.marker for packet in packets] == [True] + [False] * 9
    for earlier, later in itertools.pairwise(packets):
        assert (later.sequence - earlier.sequence) & 0xFFFF == 1
        assert (later.timestamp - earlier.timestamp) & 0xFFFFFFFF == 160


async def test_nothing_leaves_before_the_remote_is_known(session: RtpSession, peer: _Peer) -> None:
    """A session may start before the answer; its first packet then is the first of all."""
    session.start()
    await asyncio.sleep(0.06)
    assert session.statistics.sent == 0
    session.set_remote(peer.address, peer.port)
    assert (await peer.receive()).marker


async def test_plays_what_is_queued(session: RtpSession, peer: _Peer) -> None:
    """Queued frames leave in order, and are told as the near side."""
    session.set_remote(peer.address, peer.port)
    for index in range(10):
        session.play(frame(index))
    session.start()
    assert [index_of((await peer.receive()).payload) for _ in range(11)] == [*range(10), None]


async def test_hold(session: RtpSession, peer: _Peer, ears: _Ears) -> None:
    """While nothing is sent time goes on: same source, next number, a marker, a later timestamp."""
    session.set_remote(peer.address, peer.port)
    session.start()
    before = [await peer.receive() for _ in range(3)][-1]
    session.set_direction(send=False, receive=False)
    peer.send(session)
    await ears.until(len(ears.of(SoundDirection.FAR)) + 8)
    assert session.statistics.playout.received == 0
    session.set_direction(send=True, receive=True)
    after = await peer.receive()
    assert after.ssrc == before.ssrc
    assert (after.sequence - before.sequence) & 0xFFFF == 1
    assert after.marker
    step = (after.timestamp - before.timestamp) & 0xFFFFFFFF
    assert step % 160 == 0
    assert step >= 8 * 160


async def test_hears_the_far_side(session: RtpSession, peer: _Peer, ears: _Ears) -> None:
    """What the peer sends is told in order, one frame of each side for every 20 ms."""
    session.set_remote(peer.address, peer.port)
    session.start()
    for _ in range(10):
        peer.send(session)
        await peer.receive()
    far = await ears.until(12)
    near = ears.of(SoundDirection.NEAR)
    assert [played.number for played in far] == list(range(len(far)))
    assert [played.number for played in near] == list(range(len(near)))
    heard = [index for played in far if (index := index_of(played.payload)) is not None]
    assert heard
    assert heard == list(range(len(heard)))
    assert all(a.played_at < b.played_at for a, b in itertools.pairwise(far))
    assert near[0].flags is SoundFlag.NONE


async def test_not_streaming(session: RtpSession, peer: _Peer, ears: _Ears) -> None:
    """Without a listener no frame is told, and digits are."""
    session.streaming = frozenset()
    session.set_remote(peer.address, peer.port)
    session.start()
    for index, payload in enumerate(digit_frames("7")):
        await peer.receive()
        peer.send(session, replace(Stream().packet(index), payload=payload))
    while not ears.digits:
        await ears.news()
    assert ears.digits == ["7"]
    assert not ears.frames


async def test_only_the_far_side(session: RtpSession, peer: _Peer, ears: _Ears) -> None:
    """Our own side is not told to who wants the far side alone, and the other way round."""
    session.streaming = frozenset((SoundDirection.FAR,))
    session.set_remote(peer.address, peer.port)
    session.start()
    await ears.until(3)
    assert {played.direction for played in ears.frames} == {SoundDirection.FAR}
    session.streaming = frozenset((SoundDirection.NEAR,))
    ears.frames.clear()
    while not ears.frames:
        await ears.news()
    assert {played.direction for played in ears.frames} == {SoundDirection.NEAR}


async def test_what_came_before_the_start(session: RtpSession, peer: _Peer, ears: _Ears) -> None:
    """What waits at the port when the sound begins is old, and would only add to the delay."""
    session.set_remote(peer.address, peer.port)
    for _ in range(10):
        peer.send(session)
    session.start()
    await ears.until(2)
    assert session.statistics.playout.received == 0
    assert session.statistics.last_received is None
    peer.send(session)
    while not session.statistics.playout.received:
        await ears.news()
    assert session.statistics.playout.received == 1


async def test_sends_digits(session: RtpSession, peer: _Peer) -> None:
    """Digits leave as tones that a detector knows, and the call returns when they have gone."""
    session.set_remote(peer.address, peer.port)
    session.start()
    await session.send_digits("5#")
    detector = DtmfDetector()
    heard = [detector.feed((await peer.receive()).payload) for _ in range(20)]
    assert [digit for digit in heard if digit] == ["5", "#"]


async def test_close_ends_what_waits(session: RtpSession, peer: _Peer) -> None:
    """A session that closes lets go of who sends digits, and does nothing afterwards."""
    session.set_remote(peer.address, peer.port)
    session.start()
    sending = asyncio.create_task(session.send_digits("1234"))
    await peer.receive()
    session.close()
    with pytest.raises(CallNotConnectedError):
        await sending
    with pytest.raises(CallNotConnectedError):
        await session.send_digits("1")
    session.play(SILENCE)
    session.start()
    while not peer.nothing_came():
        pass
    await asyncio.sleep(0.05)
    assert peer.nothing_came()
    assert session.statistics.sent >= 1


async def test_latches_onto_the_source(session: RtpSession, peer: _Peer) -> None:
    """Packets go where the gateway's come from, not where its SDP said (facts §2.2)."""
    with contextlib.closing(_Peer(peer.address).socket) as signalled:
        signalled_port = signalled.getsockname()[1]
        session.set_remote(peer.address, signalled_port)
        session.start()
        await asyncio.get_running_loop().sock_recv(signalled, 2048)
        assert session.statistics.latched is None
        peer.send(session)
        await peer.receive()
        assert session.statistics.latched == (peer.address, peer.port)
        session.set_remote(peer.address, signalled_port)
        assert session.statistics.latched == (peer.address, peer.port)


async def test_new_remote_is_followed(session: RtpSession, peer: _Peer) -> None:
    """After a re-INVITE packets go to the new port, though old ones still come from the old."""
    other = _Peer(peer.address)
    with contextlib.closing(other.socket):
        session.set_remote(peer.address, peer.port)
        session.start()
        peer.send(session)
        await peer.receive()
        session.set_remote(peer.address, other.port)
        peer.send(session)
        await other.receive()
        await other.receive()


@pytest.mark.parametrize("address", ["127.0.0.1"])
async def test_others_are_not_heard(session: RtpSession, peer: _Peer, ears: _Ears) -> None:
    """Packets from another host than the signalled one change nothing."""
    stranger = _Peer("127.0.0.2")
    with contextlib.closing(stranger.socket):
        session.set_remote(peer.address, peer.port)
        session.start()
        for index in range(5):
            packet = Stream(ssrc=9).packet(index).encode()
            stranger.socket.sendto(packet, ("127.0.0.1", session.local_port))
        peer.send(session)
        await peer.receive()
        far = await ears.until(8)
        assert stranger.nothing_came()
    assert session.statistics.refused == 5
    assert session.statistics.playout.received == 1
    assert {index_of(played.payload) for played in far} <= {None, 0}


@pytest.mark.parametrize("address", ["127.0.0.1"])
async def test_the_gateway_itself_is_heard(session: RtpSession, peer: _Peer) -> None:
    """Sound may come from where signalling comes from, and then goes there."""
    gateway = _Peer("127.0.0.2")
    with contextlib.closing(gateway.socket):
        session.set_remote(peer.address, peer.port, gateway="127.0.0.2")
        session.start()
        packet = Stream().packet(0).encode()
        gateway.socket.sendto(packet, ("127.0.0.1", session.local_port))
        await gateway.receive()


async def test_junk_is_dropped(session: RtpSession, peer: _Peer, ears: _Ears) -> None:
    """What is no RTP has no effect."""
    session.set_remote(peer.address, peer.port)
    session.start()
    for junk in (b"", b"x", b"\x80\x00", bytes(12), b"\x80\xc8" + bytes(26), b"\xa0" + bytes(200)):
        peer.socket.sendto(junk, (peer.address, session.local_port))
    await ears.until(5)
    assert session.statistics.refused == 6
    assert session.statistics.last_received is None


async def test_flood_does_not_hold_the_loop(session: RtpSession, peer: _Peer) -> None:
    """A flood is read in bounded portions, and sound leaves all the same."""
    session.set_remote(peer.address, peer.port)
    session.start()
    for index in range(400):
        with contextlib.suppress(BlockingIOError):
            peer.send(session, Stream().packet(index))
    for _ in range(5):
        await peer.receive()
    assert session.statistics.playout.received > 100


@pytest.mark.parametrize(
    ("address", "unusable"),
    [
        ("127.0.0.1", "::1"),
        ("::1", "127.0.0.1"),
        ("127.0.0.1", "gateway.example"),
        ("127.0.0.1", "224.0.0.1"),
        ("::1", "ff02::1"),
    ],
)
async def test_unusable_remote(session: RtpSession, peer: _Peer, unusable: str) -> None:
    """A remote of another family, a name or a group is refused and changes nothing."""
    session.set_remote(peer.address, peer.port)
    with pytest.raises(ValueError, match=r".+"):
        session.set_remote(unusable, 4000)
    with pytest.raises(ValueError, match="no port"):
        session.set_remote(peer.address, 70000)
    session.start()
    await peer.receive()


@pytest.mark.parametrize(
    ("address", "nowhere"),
    [("127.0.0.1", ("0.0.0.0", 4000)), ("::1", ("::", 4000)), ("::1", ("::1", 0))],
)
async def test_remote_taken_away(
    session: RtpSession, peer: _Peer, ears: _Ears, nowhere: tuple[str, int]
) -> None:
    """An unspecified address or port 0 means that nothing is sent, to nobody (RFC 3264 §8.4)."""
    session.set_remote(peer.address, peer.port)
    session.start()
    await peer.receive()
    session.set_remote(*nowhere)
    while not peer.nothing_came():
        pass
    await ears.until(len(ears.of(SoundDirection.FAR)) + 4)
    assert peer.nothing_came()


async def test_other_payload_type(session: RtpSession, peer: _Peer, ears: _Ears) -> None:
    """PCMU may have another number in the offer; then it has that both ways."""
    session.set_remote(
        peer.address, peer.port, payload_format=PayloadFormat(send_type=97, receive_type=97)
    )
    session.start()
    assert (await peer.receive()).payload_type == 97
    peer.send(session, replace(Stream().packet(0), payload_type=97))
    far = await ears.until(8)
    assert 0 in {index_of(played.payload) for played in far}


async def test_own_stalls(session: RtpSession, peer: _Peer, ears: _Ears) -> None:
    """A stall is caught up by few packets, or passed over; listeners get every frame."""
    session.set_remote(peer.address, peer.port)
    session.start()
    first = await peer.receive()
    session._periods_due(4)
    burst = [await peer.receive() for _ in range(4)]
    assert burst[-1].timestamp == (first.timestamp + 4 * 160) & 0xFFFFFFFF
    told = len(ears.of(SoundDirection.FAR))
    session._periods_due(30)
    assert len(ears.of(SoundDirection.FAR)) == told + 30
    after = await peer.receive()
    assert (after.sequence - burst[-1].sequence) & 0xFFFF == 1
    assert (after.timestamp - burst[-1].timestamp) & 0xFFFFFFFF == 30 * 160
    assert after.marker
    assert session.statistics.passed_over == 29
    told += 30
    session._periods_due(500)
    far = ears.of(SoundDirection.FAR)
    assert len(far) == told + 1
    assert far[-1].number - far[-2].number == 500


async def test_closing_from_within(address: str, peer: _Peer) -> None:
    """Who is told of a frame may close the session."""
    opened = await RtpSession.open(
        address, on_frame=lambda _: opened.close(), on_digit=lambda _: None
    )
    opened.streaming = frozenset((SoundDirection.FAR, SoundDirection.NEAR))
    opened.set_remote(peer.address, peer.port)
    opened.start()
    await peer.receive()
    await asyncio.sleep(0.05)
    assert peer.nothing_came()


async def test_reports(session: RtpSession, peer: _Peer) -> None:
    """What both sides have seen of each other goes forth and back, and then goodbye is said."""
    session.set_remote(peer.address, peer.port, control_port=peer.control_port)
    session.start()
    first = await peer.receive()
    for index in (0, 1, 3):
        peer.send(session, Stream().packet(index))
    session._reports._due = 0.0
    report = await peer.report()
    assert report.ssrc == first.ssrc
    assert report.sender is not None
    assert report.sender.packets >= 1
    assert report.sender.octets == 160 * report.sender.packets
    offset = (report.sender.timestamp - first.timestamp) & 0xFFFFFFFF
    assert offset == 160 * (report.sender.packets - 1)
    (block,) = report.blocks
    assert (block.ssrc, block.lost, block.highest_sequence) == (1, 1, 103)
    assert block.fraction_lost == 64
    assert (block.last_report, block.since_last_report) == (0, 0)

    ours = ReportBlock(
        ssrc=first.ssrc,
        fraction_lost=0,
        lost=7,
        highest_sequence=0,
        jitter=24,
        last_report=(report.sender.ntp >> 16) & 0xFFFFFFFF,
    )
    said = ControlPacket(
        ssrc=1,
        sender=SenderInfo(ntp=0x1122334455667788, timestamp=0, packets=3, octets=480),
        blocks=(ours,),
        cname="peer",
    )
    peer.control.sendto(said.encode(), (peer.address, session.local_port + 1))
    await asyncio.sleep(0.05)
    reports = session.statistics.reports
    assert (reports.received, reports.far_lost, reports.far_jitter) == (1, 7, 3.0)
    assert reports.round_trip is not None
    assert 0 <= reports.round_trip < 1
    session._reports._due = 0.0
    (block,) = (await peer.report()).blocks
    assert block.last_report == 0x33445566
    assert block.since_last_report >= 0.03 * 65536
    assert (block.fraction_lost, block.lost) == (0, 1)

    session.close()
    assert (await peer.report()).gone == (first.ssrc,)


async def test_reports_of_others(session: RtpSession, peer: _Peer) -> None:
    """Reports from another host, and what is no report, change nothing and are not answered."""
    session.set_remote(peer.address, peer.port, control_port=peer.control_port)
    session.start()
    good = ControlPacket(ssrc=1, cname="x").encode()
    peer.control.sendto(b"\x80\xc8\x00", (peer.address, session.local_port + 1))
    await asyncio.sleep(0.02)
    assert session.statistics.reports.refused == 1
    if peer.address == "127.0.0.1":
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as stranger:
            stranger.bind(("127.0.0.2", 0))
            stranger.sendto(good, (peer.address, session.local_port + 1))
        await asyncio.sleep(0.02)
    assert session.statistics.reports.received == 0


async def test_report_without_sound_of_ours(session: RtpSession, peer: _Peer) -> None:
    """Who sends nothing reports as a receiver (RFC 3550 §6.4)."""
    session.set_remote(peer.address, peer.port, control_port=peer.control_port)
    session.set_direction(send=False, receive=True)
    session.start()
    session._reports._due = 0.0
    report = await peer.report()
    assert report.sender is None
    assert report.blocks == ()


async def test_nobody_hears_of_who_never_spoke(session: RtpSession, peer: _Peer) -> None:
    """Without a packet of ours there is no goodbye (RFC 3550 §6.3.7)."""
    session.set_remote(peer.address, peer.port, control_port=peer.control_port)
    session.close()
    await asyncio.sleep(0.02)
    with pytest.raises(BlockingIOError):
        peer.control.recv(2048)


async def test_silent_for(session: RtpSession, peer: _Peer, ears: _Ears) -> None:
    """The time without sound counts only while sound should come; packets and reports end it."""
    assert session.statistics.silent_for is None
    session.set_remote(peer.address, peer.port)
    session.start()
    await asyncio.sleep(0.1)
    silent = session.statistics.silent_for
    assert silent is not None
    assert silent >= 0.09
    peer.send(session)
    await ears.until(len(ears.of(SoundDirection.FAR)) + 2)
    silent = session.statistics.silent_for
    assert silent is not None
    await asyncio.sleep(0.1)
    session.set_direction(send=True, receive=False)
    assert session.statistics.silent_for is None
    session.set_direction(send=True, receive=True)
    silent = session.statistics.silent_for
    assert silent is not None
    assert silent < 0.09
    await asyncio.sleep(0.1)
    report = ControlPacket(ssrc=1, cname="x").encode()
    peer.control.sendto(report, (peer.address, session.local_port + 1))
    await asyncio.sleep(0.02)
    silent = session.statistics.silent_for
    assert silent is not None
    assert silent < 0.09


async def test_alaw(session: RtpSession, peer: _Peer, ears: _Ears) -> None:
    """A-law goes over the wire, µ-law to who listens."""
    law = PayloadFormat(send_type=8, receive_type=8, codec=SoundCodec.PCMA)
    session.set_remote(peer.address, peer.port, payload_format=law)
    session.start()
    sent = await peer.receive()
    assert (sent.payload_type, sent.payload) == (8, b"\xd5" * 160)
    peer.send(session, replace(Stream().packet(0), payload_type=8, payload=b"\x2a" * 160))
    far = await ears.until(8)
    assert b"\x00" * 160 in {played.payload for played in far}


async def test_g722(session: RtpSession, peer: _Peer, ears: _Ears) -> None:
    """G.722 goes over the wire as 160 octets a frame, one stream each way, µ-law to ears."""
    wide = PayloadFormat(send_type=9, receive_type=9, codec=SoundCodec.G722)
    session.set_remote(peer.address, peer.port, payload_format=wide)
    session.start()
    key = digit_frames("5")
    encoder, stream, packets = G722Encoder(), Stream(), []
    for at, sound in enumerate(key * 2):
        session.play(sound)
        payload = encoder.encode(ulaw_to_linear(sound))
        peer.send(session, replace(stream.packet(at), payload_type=9, payload=payload))
        packets.append(await peer.receive())
        # Offer and answer that change nothing leave both streams as they are.
        session.set_remote(peer.address, peer.port, payload_format=wide)
    far = await ears.until(2 * len(key) + 8)
    assert {(packet.payload_type, len(packet.payload)) for packet in packets} == {(9, 160)}
    wanted = pytest.approx(max(level(ulaw_to_linear(sound)) for sound in key), abs=1.0)
    decoder = G722Decoder()
    assert max(level(decoder.decode(packet.payload)) for packet in packets) == wanted
    assert max(level(ulaw_to_linear(played.payload)) for played in far) == wanted
    assert ears.digits == ["5", "5"]


async def test_keys_as_events(session: RtpSession, peer: _Peer) -> None:
    """A key goes out as an event: one time stamp, growing duration, its end three times."""
    agreed = PayloadFormat(event_type=101)
    session.set_remote(peer.address, peer.port, payload_format=agreed)
    session.start()
    await peer.receive()
    sending = asyncio.create_task(session.send_digits("5#"))
    packets = [await peer.receive() for _ in range(24)]
    await sending
    events = [packet for packet in packets if packet.payload_type == 101]
    assert len(events) == 14
    for key, press in ((5, events[:7]), (11, events[7:])):
        assert len({packet.timestamp for packet in press}) == 1
        assert [packet.marker for packet in press] == [True] + [False] * 6
        read = [(p.payload[0], p.payload[1] >> 7, int.from_bytes(p.payload[2:])) for p in press]
        durations = [160, 320, 480, 640, 800, 800, 800]
        assert read == [(key, at >= 4, duration) for at, duration in enumerate(durations)]
    sequences = [packet.sequence for packet in packets]
    assert {(b - a) & 0xFFFF for a, b in itertools.pairwise(sequences)} == {1}


async def test_keys_of_the_far_side(session: RtpSession, peer: _Peer, ears: _Ears) -> None:
    """A key that comes as an event is told once, and no tone is looked for any more."""
    agreed = PayloadFormat(event_type=101)
    session.set_remote(peer.address, peer.port, payload_format=agreed)
    session.start()
    stream = Stream()
    for at in range(7):
        event = KeyEvent("9", 160 * min(at + 1, 5), at == 0, at >= 4).encode()
        packet = replace(stream.packet(at), payload_type=101, payload=event)
        if at not in {0, 4}:
            peer.send(session, replace(packet, timestamp=1000))
    for at, payload in enumerate(digit_frames("9"), 7):
        peer.send(session, replace(stream.packet(at), payload=payload))
    await ears.until(20)
    assert ears.digits == ["9"]


async def test_events_that_were_not_agreed_on(
    session: RtpSession, peer: _Peer, ears: _Ears
) -> None:
    """Without an agreement an event is no key, and keys go out as tones."""
    session.set_remote(peer.address, peer.port)
    session.start()
    event = KeyEvent("9", 160, first=True, end=False).encode()
    peer.send(session, replace(Stream().packet(0), payload_type=101, payload=event))
    await ears.until(5)
    assert ears.digits == []
    await session.send_digits("1")
    assert all(packet.payload_type == 0 for packet in [await peer.receive() for _ in range(12)])


class _Clock(Pacer):
    """A clock that the test drives, and that keeps what it is asked for."""

    def __init__(self) -> None:
        """Begin with nobody to tell."""
        super().__init__(asyncio.get_running_loop())
        self.told: list[Callable[[int], None]] = []
        self.hastened: list[float] = []

    def join(self, on_due: Callable[[int], None]) -> None:
        """Keep whom to tell."""
        self.told.append(on_due)

    def leave(self, on_due: Callable[[int], None]) -> None:
        """Forget whom to tell."""
        if on_due in self.told:
            self.told.remove(on_due)

    def is_alone(self, on_due: Callable[[int], None]) -> bool:
        """Tell whether this one alone is told."""
        return self.told == [on_due]

    def hasten(self, seconds: float) -> None:
        """Keep the wish."""
        self.hastened.append(seconds)


async def test_the_clock_of_one_call_is_nudged(
    ears: _Ears, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One call moves the clock towards the far side's packets; of two, none does."""
    monkeypatch.setattr(PlayoutBuffer, "nudge", lambda _: 0.0002)
    clock = _Clock()
    first, second = [
        await RtpSession.open("::1", on_frame=ears.hear, on_digit=ears.note, pacer=clock)
        for _ in range(2)
    ]
    with contextlib.closing(first), contextlib.closing(second):
        first.start()
        clock.told[0](1)
        assert clock.hastened == [0.0002]
        clock.told[0](3)
        assert clock.hastened == [0.0002] * 2
        second.start()
        for on_due in clock.told:
            on_due(1)
        assert clock.hastened == [0.0002] * 2


async def test_frames_are_taken_for_their_deadlines(
    ears: _Ears, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A late period does not pass for a network that is early."""
    taken: list[float | None] = []

    def take(_: PlayoutBuffer, now: float | None = None) -> tuple[bytes, SoundFlag]:
        """Keep the time."""
        taken.append(now)
        return SILENCE, SoundFlag.NONE

    monkeypatch.setattr(PlayoutBuffer, "take", take)
    monkeypatch.setattr(_Clock, "deadline", 5.06)
    clock = _Clock()
    session = await RtpSession.open("::1", on_frame=ears.hear, on_digit=ears.note, pacer=clock)
    with contextlib.closing(session):
        session.start()
        clock.told[0](3)
    assert taken == pytest.approx([5.02, 5.04, 5.06])

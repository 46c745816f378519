"""What must hold for any input at all, over real sockets where there are some."""

import asyncio
import contextlib
import json
import socket

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from custom_components.hikari_denwa.telephony.calls import Family
from custom_components.hikari_denwa.telephony.engine.native.rtp.packet import RtpPacket
from custom_components.hikari_denwa.telephony.engine.native.rtp.playout import PlayoutBuffer
from custom_components.hikari_denwa.telephony.engine.native.rtp.session import RtpSession
from custom_components.hikari_denwa.telephony.engine.native.sip.incoming import IncomingCall
from custom_components.hikari_denwa.telephony.engine.protocol import (
    FRAME_BYTES,
    DtmfReceived,
    Message,
    SoundDirection,
    SoundFrame,
    decode,
    encode,
)
from custom_components.hikari_denwa.telephony.engine.sip.transport import (
    Address,
    UdpTransport,
)
from custom_components.hikari_denwa.telephony.errors import ProtocolError
from tests.unit.native.bench import Bench, invite, within

from .parsers import RtpPackets

pytestmark = pytest.mark.usefixtures("loopback")

_BOUNDED = settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=9), inner),
    max_leaves=12,
)
_KINDS = sorted(Message._by_kind)


@given(st.lists(st.binary(max_size=64) | st.sampled_from(RtpPackets.seeds()), max_size=30))
@_BOUNDED
def test_playout_is_always_whole(datagrams: list[bytes]) -> None:
    """Whatever comes in, a frame comes out each 20 ms."""
    buffer = PlayoutBuffer()
    for number, datagram in enumerate(datagrams):
        packet = RtpPacket.decode(b"\x80" + datagram)
        if packet:
            buffer.put(packet, number / 50)
        assert len(buffer.take(number / 50 + 0.007)[0]) == FRAME_BYTES


@given(st.sampled_from(_KINDS), st.dictionaries(st.text(max_size=9), _JSON, max_size=6), _JSON)
@_BOUNDED
def test_protocol_of_any_json(kind: str, others: dict[str, object], value: object) -> None:
    """Any JSON is a message or is refused by the protocol's own error."""
    known = dict.fromkeys(("id", "line", "call", "config", "at", "families", "caller"), value)
    for data in (value, others, {"type": kind, **others}, {"type": kind, **known, **others}):
        try:
            message = decode(json.dumps(data))
        except ProtocolError:
            continue
        assert encode(decode(encode(message))) == encode(message)


@given(st.binary(max_size=200) | st.binary(min_size=176, max_size=176))
@_BOUNDED
def test_sound_messages_of_any_octets(message: bytes) -> None:
    """Any octets are a frame, and then the same when written, or are refused."""
    with contextlib.suppress(ProtocolError):
        assert SoundFrame.decode(message).encode() == message


@given(body=st.binary(max_size=90), content=st.sampled_from(("dtmf-relay", "dtmf", "x")))
@_BOUNDED
async def test_keys_in_an_info(body: bytes, content: str) -> None:
    """Any body of an INFO is answered; a key comes of it only where one stands in it."""
    bench = Bench()
    await bench.register()
    bench.receive(invite())
    ringing = bench.sent_status(180)
    (call,) = bench.agent.sessions
    assert isinstance(call, IncomingCall)
    await call.answer()
    bench.sent()
    bench.receive(within(ringing, "ACK", cseq=1))
    info = within(ringing, "INFO", ("Content-Type", f"application/{content}"))
    info.body = body
    bench.receive(info)
    (reply,) = bench.sent()
    assert getattr(reply, "status", None) in (200, 415)
    digits = [event.digit for event in bench.events if isinstance(event, DtmfReceived)]
    assert len(digits) <= 1
    assert all(digit.encode() in body.upper() for digit in digits)
    bench.agent.close()


@given(st.lists(st.binary(max_size=80) | st.sampled_from(RtpPackets.seeds()), max_size=12))
@_BOUNDED
async def test_sound_ports(datagrams: list[bytes]) -> None:
    """Whatever comes to the ports of a call, the call plays on, and nobody else is sent to."""
    failures: list[object] = []
    loop = asyncio.get_running_loop()
    loop.set_exception_handler(lambda _, context: failures.append(context))
    frames: list[object] = []
    session = await RtpSession.open("::1", on_frame=frames.append, on_digit=frames.append)
    with socket.socket(socket.AF_INET6, socket.SOCK_DGRAM) as gateway:
        gateway.bind(("::1", 0))
        session.set_remote("::1", gateway.getsockname()[1])
        session.streaming = frozenset((SoundDirection.FAR,))
        session.start()
        for number, datagram in enumerate(datagrams):
            gateway.sendto(datagram, ("::1", session.local_port + number % 2))
            await asyncio.sleep(0)
        told = len(frames)
        async with asyncio.timeout(10):
            while len(frames) < told + 2:  # noqa: ASYNC110 - frames come from a clock
                await asyncio.sleep(0.005)
    session.close()
    loop.set_exception_handler(None)
    assert not failures


@given(st.lists(st.binary(min_size=1, max_size=200), min_size=1, max_size=5))
@_BOUNDED
async def test_strangers_are_not_heard(datagrams: list[bytes]) -> None:
    """Nothing from an address that is not the gateway's is read, answered, or rings."""
    heard: list[bytes] = []
    known = asyncio.Event()

    def hear(data: bytes, source: Address, at: float) -> None:
        """Note a datagram."""
        del source, at
        heard.append(data)
        known.set()

    transport = UdpTransport.open("127.0.0.1", "127.0.0.1", Family.IPV4)
    transport.on_datagram = hear
    with (
        socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as stranger,
        socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as gateway,
    ):
        stranger.bind(("127.0.0.2", 0))
        stranger.setblocking(False)
        for datagram in datagrams:
            stranger.sendto(datagram, transport.local)
            stranger.sendto(invite().encode(), transport.local)
        gateway.sendto(b"known", transport.local)
        async with asyncio.timeout(10):
            await known.wait()
        with pytest.raises(BlockingIOError):
            stranger.recv(1)
    transport.close()
    assert heard == [b"known"]

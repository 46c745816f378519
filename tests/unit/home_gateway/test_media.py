"""Real RTP between the gateway and a socket of the test."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from dataclasses import replace

import pytest

from tests.home_gateway import (
    Digits,
    Family,
    GatewayConfig,
    HomeGateway,
    IncomingCall,
    MediaConfig,
    Nothing,
    Recording,
    Tone,
)
from tests.home_gateway.recording import build_rtp, parse_rtp
from tests.home_gateway.tones import FRAME_SAMPLES, decode, encode, pack, sines, tone_level
from tests.home_gateway.transport import Peer, Stamp, UdpSocket

from .hand import HandPhone

TIMER = "\nRequire: timer\nSession-Expires: 300;refresher=uac"


class HandSound:
    """The phone's RTP socket: records, and sends what a test tells it to."""

    def __init__(self, phone: HandPhone) -> None:
        """Bind an even port and tell the phone."""
        self.recording = Recording()
        host = phone.host.strip("[]")
        while True:
            self.socket = UdpSocket(host, 0, self._receive)
            if self.socket.port % 2 == 0:
                break
            self.socket.close()
        phone.rtp_port = self.socket.port
        self.number = 100

    def _receive(self, data: bytes, peer: Peer, stamp: Stamp) -> None:
        """Record what comes."""
        packet = parse_rtp(data, peer, stamp)
        if packet:
            self.recording.add(packet)

    def send(self, target: Peer, payload: bytes, *, kind: int = 0, step: int = 160) -> None:
        """Send the next packet."""
        self.number += 1
        self.socket.send(
            build_rtp(self.number, self.number * step, 7, kind, payload, marker=False), target
        )

    async def hears(self, keys: str, press: Callable[[], None]) -> None:
        """Press keys and wait until just these are heard, five seconds at most."""
        await asyncio.sleep(0.2)
        begun = time.monotonic()
        press()
        for _ in range(50):
            await asyncio.sleep(0.1)
            if self.recording.detected_digits(begun) == keys:
                return
        pytest.fail(f"heard {self.recording.detected_digits(begun)} instead of {keys}")

    async def say_tone(self, target: Peer, frequency: float, frames: int) -> None:
        """Send a tone in real time."""
        for n in range(frames):
            pcm = pack(sines(((frequency, 8000.0),), n * FRAME_SAMPLES, FRAME_SAMPLES))
            self.send(target, encode(0, pcm))
            await asyncio.sleep(0.02)


@pytest.fixture
async def phone() -> AsyncIterator[HandPhone]:
    """Run a gateway with defaults and a registered phone."""
    async with HomeGateway() as gateway, HandPhone(gateway) as phone:
        await phone.register()
        yield phone


async def connect(phone: HandPhone) -> tuple[IncomingCall, HandSound, Peer]:
    """Ring, answer, and return the call, the phone's sound and the gateway's RTP address."""
    sound = HandSound(phone)
    call = await phone.gateway.ring("3")
    invite = await phone.receive()
    phone.reply(invite, 180)
    phone.reply(invite, 200, headers=TIMER, body=phone.sdp())
    await call.answered()
    assert call.media
    return call, sound, Peer(phone.family, phone.host.strip("[]"), call.media.port)


async def test_tone_is_heard_in_both_directions(phone: HandPhone) -> None:
    """The caller's tone comes at its level and pace; ours is found in the recording."""
    call, sound, target = await connect(phone)
    call.play(Tone(440, -20))
    await sound.say_tone(target, 1000, 30)
    heard = sound.recording
    assert 40 < heard.packets_per_second() < 60
    assert heard.sequence_errors().total == 0
    assert heard.tone_level(440, heard.packets[5].time) == pytest.approx(-20, abs=1)
    assert heard.packets[0].marker
    assert call.received.tone_level(1000) == pytest.approx(-8.9, abs=1)
    assert call.received.sequence_errors().total == 0
    assert phone.gateway.violations == []
    sound.socket.close()


async def test_echo_and_digits() -> None:
    """An outside callee echoes; then it presses keys."""
    async with HomeGateway() as gateway, HandPhone(gateway, Family.V4) as phone:
        await phone.register()
        sound = HandSound(phone)
        await phone.dial("0451110000")
        accepted = await phone.receive_until(lambda answer: answer.status == 200)
        phone.acknowledge(accepted)
        call = gateway.placed[0]
        await call.answered()
        assert call.media
        await sound.say_tone(Peer(Family.V4, "127.0.0.1", call.media.port), 700, 30)
        assert sound.recording.tone_level(700, sound.recording.packets[15].time) > -20
        await sound.hears("42#", lambda: call.send_digits("42#"))
        quiet = Digits("9", level_dbm0=-20, twist_db=4, tone_ms=60)
        await sound.hears("9", lambda: call.insert(quiet))
        assert gateway.violations == []
        sound.socket.close()


async def test_faults_of_the_sound(phone: HandPhone) -> None:
    """Loss, doubling and reordering are seen by the other side; then nothing comes."""
    call, sound, _ = await connect(phone)
    assert call.media
    call.media.impair(loss=0.3, duplication=0.2, reordering=0.2)
    await asyncio.sleep(1.2)
    errors = sound.recording.sequence_errors()
    assert errors.lost > 3
    assert errors.duplicated > 1
    assert errors.reordered > 1
    call.media.impair(loss=0.0, duplication=0.0, reordering=0.0)
    call.play(Nothing())
    await asyncio.sleep(0.05)
    count = len(sound.recording.packets)
    await asyncio.sleep(0.2)
    assert len(sound.recording.packets) <= count + 1
    assert not call.is_over
    sound.socket.close()


async def test_sound_from_another_port() -> None:
    """RTP comes from a port that the SDP does not name [R]."""
    config = GatewayConfig(media=MediaConfig(rtp_from_other_port=True, learns_source=True))
    async with HomeGateway(config) as gateway, HandPhone(gateway) as phone:
        await phone.register()
        _, sound, target = await connect(phone)
        await asyncio.sleep(0.1)
        assert sound.recording.packets
        assert {packet.peer.port for packet in sound.recording.packets} != {target.port}
        other = HandSound(phone)
        for _ in range(3):
            other.send(target, b"\xff" * 160)
        await asyncio.sleep(0.1)
        assert other.recording.packets
        for bound in (sound, other):
            bound.socket.close()


async def test_clock_skew_changes_the_pace(phone: HandPhone) -> None:
    """A clock that runs a fifth faster sends a fifth more."""
    call, sound, _ = await connect(phone)
    assert call.media
    call.media.impair(skew_ppm=500_000)
    await asyncio.sleep(0.5)
    assert sound.recording.packets_per_second(sound.recording.packets[5].time) > 60
    sound.socket.close()


async def test_sound_before_the_answer_is_counted(phone: HandPhone) -> None:
    """It breaks nothing, because an answer may be lost, but it can be seen."""
    sound = HandSound(phone)
    call = await phone.gateway.ring("3")
    await phone.receive()
    assert call.media
    sound.send(Peer(phone.family, "::1", call.media.port), b"\xff" * 160)
    await asyncio.sleep(0.05)
    assert call.media.early_packets == 1
    sound.socket.close()


@pytest.mark.parametrize(
    ("kind", "payload", "step", "rule"),
    [
        (8, b"\xd5" * 160, 160, "RFC 3264 6.1 RTP"),
        (0, b"\xff" * 80, 80, "a=ptime:20"),
        (0, b"\xff" * 160, 100, "RFC 3551 4.5.14 timestamp"),
    ],
)
async def test_wrong_sound_is_a_breach(
    phone: HandPhone, kind: int, payload: bytes, step: int, rule: str
) -> None:
    """A codec that was not negotiated, another ptime, a timestamp that does not fit."""
    _, sound, target = await connect(phone)
    for _ in range(3):
        sound.send(target, payload, kind=kind, step=step)
    await asyncio.sleep(0.05)
    assert rule in phone.gateway.violations.rules()
    sound.socket.close()


async def test_sound_at_the_rtcp_port_and_after_the_end(phone: HandPhone) -> None:
    """Both are breaches; RTCP itself is not."""
    call, sound, target = await connect(phone)
    beside = replace(target, port=target.port + 1)
    sound.socket.send(bytes([0x80, 200, 0, 1]) + bytes(4), beside)
    await asyncio.sleep(0.05)
    assert phone.gateway.violations == []
    assert call.media
    assert len(call.media.rtcp_packets) == 1
    sound.send(beside, b"\xff" * 160)
    work = asyncio.create_task(call.hang_up())
    bye = await phone.receive_until(lambda answer: answer.start.startswith("BYE"))
    phone.reply(bye, 200)
    await work
    await asyncio.sleep(0.4)
    sound.send(target, b"\xff" * 160)
    await asyncio.sleep(0.05)
    assert phone.gateway.violations.rules() == {"RTP port", "RFC 3264 6.1 direction"}
    sound.socket.close()


async def test_arrival_times_are_the_kernels(phone: HandPhone) -> None:
    """A blocked loop on this side does not show in the recording."""
    call, sound, target = await connect(phone)
    sound.send(target, b"\xff" * 160)
    await asyncio.sleep(0.02)
    sound.send(target, b"\xff" * 160)
    time.sleep(0.3)  # noqa: ASYNC251 - blocking the loop is what is tested
    sound.send(target, b"\xff" * 160)
    await asyncio.sleep(0.05)
    gaps = call.received.gaps_ms()
    assert gaps[0] < 100
    assert gaps[1] > 290
    sound.socket.close()


def test_alaw_is_decoded() -> None:
    """A recording of PCMA holds the same tone."""
    pcm = pack(sines(((1000.0, 8000.0),), 0, 1600))
    assert tone_level(decode(8, encode(8, pcm)), 1000) == pytest.approx(-8.9, abs=0.3)

"""Scenarios of RTP that is unusual, moves, or comes from elsewhere, and of other codecs."""

import asyncio
import contextlib
import socket
from collections.abc import Callable
from dataclasses import replace
from itertools import count, pairwise

from custom_components.hikari_denwa.telephony.engine.protocol import (
    CallConnected,
    CallIncoming,
    CallQuality,
    Dialled,
    DtmfReceived,
    SoundCodec,
    SoundDirection,
)
from tests.home_gateway.call import Call
from tests.home_gateway.config import Family, GatewayConfig, MediaConfig
from tests.home_gateway.recording import RtpPacket, build_rtp
from tests.home_gateway.sdp import G722_FIRST_OFFER, TELEPHONE_EVENT_OFFER, Offer
from tests.home_gateway.sources import Nothing, Silence, Tone
from tests.home_gateway.tones import encode, pack, sines, tone_level

from .sound import (
    ABSENT_DBM0,
    CLEAR_DBM0,
    HERTZ_HERE,
    HERTZ_THERE,
    TIMES,
    heard,
    hears_no_tone,
    hears_the_tone,
    pressed,
    tone_frames,
)
from .stage import Stage, eventually, scenario

STRANGER = "127.0.0.2"
COMFORT_NOISE, TELEPHONE_EVENT = 13, 101
SENDER_REPORT, RECEIVER_REPORT, SOURCE_DESCRIPTION = 200, 201, 202
END_BIT = 0x80
HEADER = 12
HALF_SECOND = 8000
ALAW_OFFER = Offer(formats=("8", "0"))
WIDEBAND = (SoundCodec.G722, SoundCodec.PCMU)
NOISE_OFFER = Offer(formats=("0", "13"))


def _dressed(packet: bytes) -> bytes:
    """Give a packet two CSRC, an extension and padding (RFC 3550 §5.1, §5.3.1)."""
    first = packet[0] | 0x20 | 0x10 | 2
    extension = b"\xbe\xde\x00\x02" + b"\x10\xff" * 4
    padding = b"\0" * 7 + b"\x08"
    return bytes((first,)) + packet[1:HEADER] + b"\1" * 8 + extension + packet[HEADER:] + padding


@scenario("RFC 3550 §5.1, §5.3.1 (padding, extension, CSRC)")
async def hears_packets_in_full_dress(stage: Stage) -> None:
    """What is put around the sound of a packet is not heard."""
    call, incoming = await stage.talking(media=Tone(HERTZ_THERE))
    assert call.media
    call.media.dress = _dressed
    await stage.client.stream_sound(incoming.call, enabled=True)
    await asyncio.sleep(0.4)
    await hears_the_tone(stage, 25)
    await stage.hung_up_there(call, incoming.call)


@scenario("RFC 3550 §8.2, §5.1 (SSRC)")
async def hears_a_new_source(stage: Stage) -> None:
    """The gateway may go on with another SSRC, sequence and timestamp at any time."""
    call, incoming = await stage.talking(media=Tone(HERTZ_THERE))
    assert call.media
    await stage.client.stream_sound(incoming.call, enabled=True)
    for _ in range(2):
        call.media.renew_source()
        await asyncio.sleep(0.4)
        await hears_the_tone(stage, 20)
    await stage.hung_up_there(call, incoming.call)


@scenario("RFC 3264 §8.3.1 (media address change)")
async def follows_the_sound_to_another_port(stage: Stage) -> None:
    """After a re-INVITE the sound goes to the new port with the same SSRC, and comes from it."""
    call, incoming = await stage.talking(media=Tone(HERTZ_HERE))
    await eventually(lambda: bool(call.received.packets))
    source = call.received.packets[-1].ssrc
    assert await call.move_media(Tone(HERTZ_THERE)) == 200
    await stage.client.stream_sound(incoming.call, enabled=True)
    await asyncio.sleep(0.4)
    await hears_the_tone(stage, 25)
    await eventually(lambda: len(call.received.packets) > 10)
    assert {packet.ssrc for packet in call.received.packets} == {source}
    await stage.hung_up_there(call, incoming.call)


@scenario("RFC 3550 §5.1; house rule (right across hold)")
async def is_one_stream_across_hold(stage: Stage) -> None:
    """Hold stops the sound and resume takes it up: one SSRC, timestamps in step with the clock."""
    call, incoming = await stage.talking()
    assert await call.hold("inactive") == 200
    await asyncio.sleep(0.3)
    silent = len(call.received.packets)
    await asyncio.sleep(0.3)
    assert len(call.received.packets) <= silent + 1
    assert await call.resume() == 200
    packets = call.received.packets
    await eventually(lambda: len(packets) > silent + 10)
    assert len({packet.ssrc for packet in packets}) == 1
    steps = [
        (after.timestamp - before.timestamp) % (1 << 32)
        for before, after in pairwise(packets)
        if after.sequence == (before.sequence + 1) % (1 << 16)
    ]
    assert all(step % 160 == 0 for step in steps)
    await stage.hung_up_there(call, incoming.call)


@scenario("house rule (symmetric latch only onto the signalled host)", families=(Family.V4,))
async def does_not_hear_the_sound_of_strangers(stage: Stage) -> None:
    """RTP from another address that goes on where the gateway stops is not heard, nor answered."""
    call, incoming = await stage.talking(media=Silence())
    leg = call.media
    assert leg
    # A call of which nothing was ever heard would count as an answer that the gateway refused.
    await eventually(lambda: bool(call.received.packets) and leg.sent >= 5)
    call.play(Nothing())
    await asyncio.sleep(0.1)
    await stage.client.stream_sound(incoming.call, enabled=True)
    target = call.received.packets[-1].peer
    frames = [pack(sines(((HERTZ_THERE, 8000.0),), start, 160)) for start in range(0, 4000, 160)]
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as stranger:
        stranger.bind((STRANGER, 0))
        stranger.setblocking(False)
        for number, frame in enumerate(frames):
            packet = build_rtp(
                leg._sequence + number,
                leg._timestamp,
                leg._ssrc,
                0,
                encode(0, frame),
                marker=not number,
            )
            stranger.sendto(packet, (target.host, target.port))
            await asyncio.sleep(0.02)
        try:
            drawn = stranger.recv(65535)
        except BlockingIOError, ConnectionRefusedError:
            drawn = b""
    assert drawn == b""
    assert tone_level(heard(stage, SoundDirection.FAR), HERTZ_THERE) < ABSENT_DBM0
    assert call.received.sequence_errors().total == 0
    await stage.hung_up_there(call, incoming.call)


def _types_of_reports(compound: bytes) -> list[int]:
    """Return the types of the packets of an RTCP compound (RFC 3550 §6.1)."""
    types: list[int] = []
    while compound:
        assert compound[0] >> 6 == 2
        types.append(compound[1])
        compound = compound[4 * (int.from_bytes(compound[2:4]) + 1) :]
    return types


def _retyped(payload_type: int, payload: Callable[[], bytes]) -> Callable[[bytes], bytes]:
    """Return what makes packets of another type of packets of sound."""
    return lambda packet: bytes((packet[0], payload_type)) + packet[2:HEADER] + payload()


@scenario("RFC 3389 §4 (comfort noise)", assumption=True)
async def takes_comfort_noise(stage: Stage) -> None:
    """Comfort noise in the place of sound is heard as quiet, and frames go on without a gap."""
    call, incoming = await stage.talking(media=Tone(HERTZ_THERE), offer=NOISE_OFFER)
    assert call.media
    await stage.client.stream_sound(incoming.call, enabled=True)
    await hears_the_tone(stage, 15)
    call.media.dress = _retyped(COMFORT_NOISE, lambda: b"\x40")
    await asyncio.sleep(0.4)
    await hears_no_tone(stage, 50)
    numbers = [frame.number for frame in stage.line.frames]
    assert numbers == list(range(numbers[0], numbers[0] + len(numbers)))
    call.media.dress = bytes
    await hears_the_tone(stage, 20)
    await stage.hung_up_there(call, incoming.call)


@scenario("RFC 3264 §6.1, RFC 3551 §6 (types that were not agreed)")
async def drops_types_that_were_not_agreed(stage: Stage) -> None:
    """Packets of another payload type are no sound and no key."""
    call, incoming = await stage.talking(media=Tone(HERTZ_THERE))
    assert call.media
    call.media.dress = _retyped(TELEPHONE_EVENT, lambda: b"\x05\x8a\x03\x20")
    await asyncio.sleep(0.3)
    await stage.client.stream_sound(incoming.call, enabled=True)
    await hears_no_tone(stage, 30)
    assert not [event for event in stage.line.events if isinstance(event, DtmfReceived)]
    await stage.client.hang_up(incoming.call)
    await call.ended()


@scenario("RFC 4733 §2.3, §2.5; house rule (4733 where the offer has it)", assumption=True)
async def takes_keys_as_telephone_events(stage: Stage) -> None:
    """Where the offer has telephone-event, each key counts once however often it is told."""
    call, incoming = await stage.talking(media=Silence(), offer=TELEPHONE_EVENT_OFFER)
    leg = call.media
    assert leg
    assert leg._target
    # Events stand in the place of the sound, and share its sequence (RFC 4733 §2.2, §2.5.1.1).
    await asyncio.sleep(0.2)
    call.play(Nothing())
    await asyncio.sleep(0.1)
    numbers = count(leg._sequence)
    for press, code in enumerate((1, 5, 5, 11)):
        at = leg._timestamp + 3200 * (press + 1)
        for step, end in ((160, 0), (320, 0), (480, 0x80), (480, 0x80), (480, 0x80)):
            payload = bytes((code, 10 | end)) + step.to_bytes(2)
            packet = build_rtp(
                next(numbers), at, leg._ssrc, TELEPHONE_EVENT, payload, marker=step == 160
            )
            leg._rtp.send(packet, leg._target)
            await asyncio.sleep(0.02)
    await stage.line.until(lambda: len(pressed(stage.line.events)) >= 4)
    assert pressed(stage.line.events) == "155#"
    await stage.hung_up_there(call, incoming.call)


@scenario("RFC 4733 §2.5.1; house rule (4733 where the offer has it)", assumption=True)
async def sends_keys_as_telephone_events(stage: Stage) -> None:
    """Where telephone-event was agreed on, our keys are events, each ended, and no tones."""
    call, incoming = await stage.talking(offer=TELEPHONE_EVENT_OFFER)
    await stage.client.send_dtmf(incoming.call, "19#")

    def events() -> list[RtpPacket]:
        return [each for each in call.received.packets if each.payload_type == TELEPHONE_EVENT]

    def ended() -> dict[int, int]:
        return {each.timestamp: each.payload[0] for each in events() if each.payload[1] & END_BIT}

    await eventually(lambda: len(ended()) >= 3)
    await asyncio.sleep(0.2)
    assert list(ended().values()) == [1, 9, 11]
    assert len({each.timestamp for each in events()}) == 3
    assert len({each.ssrc for each in call.received.packets}) == 1
    assert call.received.sequence_errors().total == 0
    assert call.received.detected_digits() == ""
    await stage.hung_up_there(call, incoming.call)


@scenario("RFC 3551 §4.5.14 (PCMA); house rule (A-law when on)", registers=False)
async def speaks_alaw_when_it_may(stage: Stage) -> None:
    """With the option on, A-law is taken when the gateway puts it first."""
    codecs = (SoundCodec.PCMU, SoundCodec.PCMA)
    await stage.register(replace(stage.config(), codecs=codecs))
    call, incoming = await stage.talking(offer=ALAW_OFFER)
    connected = await stage.line.event(CallConnected, call=incoming.call)
    await _talks_both_ways(stage, call, incoming, 8 if connected.codec == "PCMA" else 0)


@scenario("RFC 3264 §6; facts §2.1 (µ-law alone)")
async def keeps_to_mulaw_unless_told(stage: Stage) -> None:
    """Without the option µ-law is answered even where A-law stands first."""
    call, incoming = await stage.talking(offer=ALAW_OFFER)
    await eventually(lambda: len(call.received.packets) > 5)
    assert {packet.payload_type for packet in call.received.packets} == {0}
    await stage.hung_up_there(call, incoming.call)


async def _talks_both_ways(
    stage: Stage, call: Call, talk: CallIncoming | Dialled, payload_type: int
) -> None:
    """Hear a tone and a key each way, all under one payload type; then the far side hangs up."""
    call.play(Tone(HERTZ_THERE))
    await stage.client.stream_sound(talk.call, enabled=True)
    for frame in tone_frames(HERTZ_HERE, 40):
        stage.client.play(talk.channel, frame)
    await hears_the_tone(stage, 50)
    await _hears_a_key(stage, call)
    await stage.client.send_dtmf(talk.call, "4")
    await stage.hung_up_there(call, talk.call)
    # Not before: this decodes all of it at once, and the call's sound would stop meanwhile.
    assert call.received.detected_digits() == "4"
    spoken = await stage.line.event(CallConnected, call=talk.call)
    assert {packet.payload_type for packet in call.received.packets} == {payload_type}, spoken
    pcm = call.received.pcm()
    parts = (pcm[start : start + HALF_SECOND] for start in range(0, len(pcm), HALF_SECOND))
    assert max(tone_level(part, HERTZ_HERE) for part in parts) > CLEAR_DBM0


async def _hears_a_key(stage: Stage, call: Call) -> None:
    """Press a key there until it is heard."""
    for _ in range(TIMES):
        call.send_digits("7")
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(2):
                await stage.line.event(DtmfReceived)
            break
    assert set(pressed(stage.line.events)) == {"7"}


@scenario("RFC 3551 §4.5.2, ITU-T G.722; house rule (G.722 when on)", registers=False)
async def speaks_g722_when_it_may(stage: Stage) -> None:
    """With the option on, G.722 is taken when the gateway puts it first."""
    await stage.register(replace(stage.config(), codecs=WIDEBAND))
    call, incoming = await stage.talking(offer=G722_FIRST_OFFER)
    connected = await stage.line.event(CallConnected, call=incoming.call)
    await _talks_both_ways(stage, call, incoming, 9 if connected.codec == "G722" else 0)


@scenario("RFC 3264 §6; facts §2.1 (µ-law alone)")
async def keeps_to_mulaw_beside_g722(stage: Stage) -> None:
    """Without the option µ-law is answered even where G.722 stands first."""
    call, incoming = await stage.talking(offer=G722_FIRST_OFFER)
    await _talks_both_ways(stage, call, incoming, 0)


@scenario(
    "RFC 3264 §5, §6.1; house rule (G.722 when on)",
    GatewayConfig(media=MediaConfig(codecs=("9", "0"))),
    registers=False,
)
async def offers_g722_when_it_may(stage: Stage) -> None:
    """With the option on, a gateway that takes G.722 hears it, and hold keeps to it."""
    await stage.register(replace(stage.config(), codecs=WIDEBAND))
    call, dialled = await stage.connected("0451110002")
    connected = await stage.line.event(CallConnected, call=dialled.call)
    wanted = 9 if connected.codec == "G722" else 0
    await stage.client.hold(dialled.call, held=True)
    await stage.client.hold(dialled.call, held=False)
    await _talks_both_ways(stage, call, dialled, wanted)


@scenario("RFC 3264 §6.1, RFC 3551 §4.5.14; house rule (G.722 when on)", registers=False)
async def falls_back_to_mulaw(stage: Stage) -> None:
    """With the option on, a gateway that takes µ-law alone hears that."""
    await stage.register(replace(stage.config(), codecs=(*WIDEBAND, SoundCodec.PCMA)))
    call, dialled = await stage.connected("0451110002")
    await _talks_both_ways(stage, call, dialled, 0)


@scenario(
    "RFC 3264 §5, §6.1; house rule (A-law when on)",
    GatewayConfig(media=MediaConfig(codecs=("8",))),
    registers=False,
)
async def offers_alaw_when_it_may(stage: Stage) -> None:
    """With the option on, even a gateway that takes nothing but A-law can be called."""
    await stage.register(replace(stage.config(), codecs=(SoundCodec.PCMU, SoundCodec.PCMA)))
    call, dialled = await stage.connected("0451110002")
    await _talks_both_ways(stage, call, dialled, 8)


@scenario(
    "RFC 3264 §5; facts §2.1 (µ-law alone)",
    GatewayConfig(media=MediaConfig(codecs=("9", "8", "0"))),
)
async def offers_mulaw_alone(stage: Stage) -> None:
    """Without the option nothing else is offered, whatever the gateway would take."""
    call, dialled = await stage.connected("0451110002")
    assert call.dialling.offer.audio
    assert call.dialling.offer.audio.formats == ("0",)
    await _talks_both_ways(stage, call, dialled, 0)


@scenario("RFC 3550 §6.4, §6.5.1; house rule (RTCP)")
async def reports_how_it_hears(stage: Stage) -> None:
    """The call's end is preceded by its quality, and every report is RTCP with a CNAME."""
    call, incoming = await stage.talking()
    await eventually(lambda: len(call.received.packets) > 50)
    await stage.client.hang_up(incoming.call)
    await call.ended()
    quality = (await stage.line.event(CallQuality, call=incoming.call)).quality
    assert quality.packets_received > 30
    assert quality.packets_lost == 0
    # On a busy machine packets may have been late, and that is told.
    assert (1.0 if quality.concealed_pct else 4.0) <= quality.mos <= 4.5
    assert call.media
    assert call.media.rtcp_packets
    for compound in call.media.rtcp_packets:
        types = _types_of_reports(compound)
        assert types[0] in {SENDER_REPORT, RECEIVER_REPORT}
        assert SOURCE_DESCRIPTION in types

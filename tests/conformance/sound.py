"""Scenarios of sound: both ways, in-band digits, early media, faults of the network."""

import asyncio
import contextlib
import itertools
import math
import time

import audioop
import pytest

from custom_components.hikari_denwa.telephony.engine.protocol import (
    FRAME_BYTES,
    CallEvent,
    CallProgress,
    DtmfReceived,
    SoundDirection,
    SoundPlayed,
)
from custom_components.hikari_denwa.telephony.errors import (
    CallNotConnectedError,
    CallUnknownError,
    DigitsInvalidError,
)
from tests.home_gateway.config import FaultConfig, GatewayConfig, MediaConfig, RtpFaults
from tests.home_gateway.sources import Tone
from tests.home_gateway.tones import tone_level

from .stage import Stage, eventually, scenario

HERTZ_THERE, HERTZ_HERE = 1000.0, 600.0
CLEAR_DBM0 = -20.0
ABSENT_DBM0 = -45.0
# A machine that is busy elsewhere may tear what is said or heard; it does not do so each time.
TIMES = 6


def tone_frames(frequency: float, count: int) -> list[bytes]:
    """Return frames of a tone in µ-law."""
    samples = (
        round(8000 * math.sin(2 * math.pi * frequency * n / 8000))
        for n in range(count * FRAME_BYTES)
    )
    linear = b"".join(sample.to_bytes(2, "little", signed=True) for sample in samples)
    ulaw = audioop.lin2ulaw(linear, 2)
    return [bytes(part) for part in itertools.batched(ulaw, FRAME_BYTES, strict=True)]


def heard(stage: Stage, direction: SoundDirection) -> bytes:
    """Return what the line heard, as 16-bit samples."""
    frames = [frame for frame in stage.line.frames if frame.direction is direction]
    return b"".join(audioop.ulaw2lin(frame.payload, 2) for frame in frames)


async def _listen(stage: Stage, count: int) -> bytes:
    """Wait for so many frames of the far side."""
    stage.line.frames.clear()
    await stage.line.until(
        lambda: sum(frame.direction is SoundDirection.FAR for frame in stage.line.frames) > count
    )
    return heard(stage, SoundDirection.FAR)


async def hears_the_tone(stage: Stage, count: int = 50) -> None:
    """Wait for a second of the far side's sound in which the tone is, whole and alone."""
    for _ in range(TIMES):
        pcm = await _listen(stage, count)
        clear, other = tone_level(pcm, HERTZ_THERE), tone_level(pcm, HERTZ_HERE)
        if clear > CLEAR_DBM0 and other < ABSENT_DBM0:
            return
    raise AssertionError(f"the tone has {clear:.0f} dBm0, another {other:.0f}")


async def hears_no_tone(stage: Stage, count: int) -> None:
    """Wait for so many frames of the far side's sound in which the tone is not."""
    for _ in range(TIMES):
        level = tone_level(await _listen(stage, count), HERTZ_THERE)
        if level < ABSENT_DBM0:
            return
    raise AssertionError(f"the tone has {level:.0f} dBm0")


def pressed(events: list[CallEvent]) -> str:
    """Return the keys that were told."""
    return "".join(event.digit for event in events if isinstance(event, DtmfReceived))


@scenario("RFC 3551 §4.5.14, RFC 3550 §5.1; facts §2.3")
async def hears_the_far_side(stage: Stage) -> None:
    """The tone from there is in the frames, which are numbered without a gap."""
    _, incoming = await stage.talking(media=Tone(HERTZ_THERE))
    await stage.client.stream_sound(incoming.call, enabled=True)
    await hears_the_tone(stage)
    frames = [frame for frame in stage.line.frames if frame.direction is SoundDirection.FAR]
    assert {frame.channel for frame in frames} == {incoming.channel}
    numbers = [frame.number for frame in frames]
    assert numbers == list(range(numbers[0], numbers[0] + len(numbers)))
    moments = [frame.played_at for frame in frames]
    assert moments == sorted(moments)
    await stage.client.stream_sound(incoming.call, enabled=False)
    await asyncio.sleep(0.1)
    stage.line.frames.clear()
    await asyncio.sleep(0.2)
    assert stage.line.frames == []


@scenario("RFC 3551 §4.5.14, RFC 3550 §5.1; facts §2.3")
async def is_heard_by_the_far_side(stage: Stage) -> None:
    """The tone that we play arrives there, in packets without an error, and silence around it."""
    call, incoming = await stage.talking()
    for frame in tone_frames(HERTZ_HERE, 50):
        stage.client.play(incoming.channel, frame)
    recording = call.received
    await eventually(lambda: len(recording.packets) > 75)
    await stage.client.hang_up(incoming.call)
    await call.ended()
    assert tone_level(recording.pcm(), HERTZ_HERE) > CLEAR_DBM0
    assert recording.sequence_errors().total == 0


@scenario("house rule (who plays follows the engine's clock)")
async def tells_when_sound_has_gone(stage: Stage) -> None:
    """Frames that are marked are told of when they leave, in order; others are not."""
    _, incoming = await stage.talking()
    marks = []
    for index, frame in enumerate(tone_frames(HERTZ_HERE, 20)):
        number = stage.client.play(incoming.channel, frame, marked=index % 10 == 9)
        marks.append(number)
    await stage.line.until(
        lambda: sum(isinstance(event, SoundPlayed) for event in stage.line.events) == 2
    )
    told = [event for event in stage.line.events if isinstance(event, SoundPlayed)]
    assert [event.number for event in told] == [marks[9], marks[19]]
    assert {event.call for event in told} == {incoming.call}
    # 200 ms lie between them, of which a busy machine may make up for a few frames.
    assert told[1].at - told[0].at > 0.1


@scenario("house rule (what is stopped is not heard)")
async def forgets_the_sound_that_waits(stage: Stage) -> None:
    """After sound is cleared there is silence, its marks are not told, and more can be played."""
    call, incoming = await stage.talking()
    frames = tone_frames(HERTZ_HERE, 50)
    for frame in frames:
        mark = stage.client.play(incoming.channel, frame, marked=frame is frames[-1])
    await stage.client.clear_sound(incoming.call)
    await asyncio.sleep(1.3)
    assert not any(isinstance(event, SoundPlayed) for event in stage.line.events)
    pcm = call.received.pcm()
    assert tone_level(pcm[-16000:], HERTZ_HERE) < ABSENT_DBM0
    again = stage.client.play(incoming.channel, frames[0], marked=True)
    await stage.line.event(SoundPlayed, call=incoming.call)
    assert [e.number for e in stage.line.events if isinstance(e, SoundPlayed)] == [again]
    assert again > mark
    with pytest.raises(CallUnknownError):
        await stage.client.clear_sound("nobody's")


@scenario("facts §2.3 (silence on time); RFC 3550 §5.1")
async def sends_silence_when_there_is_nothing_to_say(stage: Stage) -> None:
    """Packets leave from the start of the call, without anybody playing."""
    call, _ = await stage.talking()
    await eventually(lambda: len(call.received.packets) > 10)
    assert call.received.sequence_errors().total == 0


@scenario("facts §2.3 (digits are tones)")
async def hears_the_digits_of_the_caller(stage: Stage) -> None:
    """Keys that the caller presses are events, each once and in order."""
    call, incoming = await stage.talking()
    for _ in range(TIMES):
        stage.line.events[:] = [each for each in stage.line.events if not pressed([each])]
        call.send_digits("159#*0")
        with contextlib.suppress(TimeoutError):
            await eventually(lambda: len(pressed(stage.line.events)) >= 6, 3)
        await asyncio.sleep(0.3)
        if pressed(stage.line.events) == "159#*0":
            break
    assert pressed(stage.line.events) == "159#*0"
    await stage.client.hang_up(incoming.call)
    await call.ended()


@scenario("facts §2.3 (digits are tones), ITU-T Q.24")
async def sends_digits_as_tones(stage: Stage) -> None:
    """The gateway finds every key in the sound; the command returns when the last has gone."""
    call, incoming = await stage.talking()
    for _ in range(TIMES):
        begin = time.monotonic()
        await stage.client.send_dtmf(incoming.call, "0123456789*#")
        await asyncio.sleep(0.2)
        if call.received.detected_digits(begin) == "0123456789*#":
            break
    assert call.received.detected_digits(begin) == "0123456789*#"
    with pytest.raises(DigitsInvalidError):
        await stage.client.send_dtmf(incoming.call, "hello")
    await stage.client.hang_up(incoming.call)
    await call.ended()
    with pytest.raises(CallUnknownError):
        await stage.client.send_dtmf(incoming.call, "1")


@scenario("RFC 3261 §13")
async def sends_no_digits_while_it_rings(stage: Stage) -> None:
    """Digits need a connected call."""
    _, incoming = await stage.called()
    with pytest.raises(CallNotConnectedError):
        await stage.client.send_dtmf(incoming.call, "1")


@scenario("RFC 3960 §2; facts §2.2 (early media)")
async def hears_early_media(stage: Stage) -> None:
    """The network's ringing tone is heard before the call is answered."""
    _, dialled = await stage.dial("0451110487")
    await stage.line.event(CallProgress, call=dialled.call)
    await stage.client.stream_sound(dialled.call, enabled=True)
    await stage.line.until(lambda: len(stage.line.frames) > 40)
    assert tone_level(heard(stage, SoundDirection.FAR), 400.0) > -35.0


@scenario("facts §2.2 (dialled call, both ways)")
async def talks_in_a_dialled_call(stage: Stage) -> None:
    """Sound goes both ways in a call that we placed: the callee echoes."""
    call, dialled = await stage.connected("0451110000")
    await stage.client.stream_sound(dialled.call, enabled=True)
    for frame in tone_frames(HERTZ_THERE, 100):
        stage.client.play(dialled.channel, frame)
    await asyncio.sleep(0.5)
    await hears_the_tone(stage, 25)
    await stage.client.hang_up(dialled.call)
    await call.ended()


@scenario(
    "RFC 4961 §3; facts §2.3 (RTP source)",
    GatewayConfig(media=MediaConfig(rtp_from_other_port=True)),
)
async def hears_sound_from_another_port(stage: Stage) -> None:
    """Sound from the gateway's address counts, whichever port it comes from."""
    _, incoming = await stage.talking(media=Tone(HERTZ_THERE))
    await stage.client.stream_sound(incoming.call, enabled=True)
    await hears_the_tone(stage)


@scenario(
    "RFC 3550 §6.4.1, Appendix A.1",
    GatewayConfig(
        faults=FaultConfig(rtp=RtpFaults(loss=0.03, duplication=0.03, reordering=0.03, jitter=0.02))
    ),
)
async def hears_through_a_bad_network(stage: Stage) -> None:
    """Loss, copies and disorder leave the tone standing and the frames at one each 20 ms."""
    call, incoming = await stage.talking(media=Tone(HERTZ_THERE))
    await stage.client.stream_sound(incoming.call, enabled=True)
    stage.line.frames.clear()
    await stage.line.until(lambda: len(stage.line.frames) > 100)
    await stage.client.hang_up(incoming.call)
    await call.ended()
    await asyncio.sleep(0.05)
    assert tone_level(heard(stage, SoundDirection.FAR), HERTZ_THERE) > CLEAR_DBM0
    numbers = [frame.number for frame in stage.line.frames if frame.direction is SoundDirection.FAR]
    assert numbers == list(range(numbers[0], numbers[0] + len(numbers)))


@scenario("facts §8.1 (a played channel is the call's own)")
async def plays_into_no_other_call(stage: Stage) -> None:
    """Sound for a channel that no call has goes nowhere."""
    call, incoming = await stage.talking()
    for frame in tone_frames(HERTZ_HERE, 30):
        stage.client.play(incoming.channel + 1, frame)
    await asyncio.sleep(0.8)
    assert tone_level(call.received.pcm(), HERTZ_HERE) < ABSENT_DBM0
    await stage.client.hang_up(incoming.call)
    await call.ended()

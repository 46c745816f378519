"""Blocked callers at a real engine: what they hear, and the key that lets them in."""

from typing import Any

import pytest

from tests.home_gateway.call import Call, Side
from tests.home_gateway.likeness import compare, spoken
from tests.home_gateway.sources import Silence, Source
from tests.home_gateway.tones import tone_level
from tests.loopback import loopback

from .conftest import Voice, needs_ffmpeg, state_of, until
from .house import House
from .test_end_to_end import house, line
from .test_sound_in import Presses, assert_whole, stalled

__all__ = ["house", "line", "loopback"]

CALLER = "0451234567"
CALL_STATE = "sensor.line_call_state"
RINGBACK_HERTZ = 400.0
AUDIBLE_DBM0 = -25.0
FRAME_BYTES = 3200

pytestmark = [pytest.mark.usefixtures("loopback"), needs_ffmpeg]


async def called(line: House, media: Source, **options: Any) -> Call:
    """Let a stranger call a line that has options."""
    (entry,) = line.hass.config_entries.async_entries("hikari_denwa")
    line.hass.config_entries.async_update_entry(
        entry, options={**entry.options, "block_unknown": True, **options}
    )
    return await line.gateway.ring("3", caller=CALLER, media=media)


def loudest_ringback(call: Call) -> float:
    """Return how loud the ring tone was that a caller heard, in dBm0."""
    pcm = call.received.pcm()
    pieces = [pcm[at : at + FRAME_BYTES] for at in range(0, len(pcm), FRAME_BYTES)]
    return max((tone_level(piece, RINGBACK_HERTZ) for piece in pieces if piece), default=-99.0)


async def outcome(line: House) -> str:
    """Return what the log says of the only call."""
    (logged,) = (await line.act("get_calls"))["calls"]
    return str(logged["outcome"])


async def test_answer_and_say(line: House, voice: Voice) -> None:
    """The stranger is answered, hears the sentence whole, and is hung up on; nothing rings."""
    call = await called(line, Silence(), unknown_treatment="say")
    assert (await line.event("blocked"))["blocked_by"] == "not_in_contacts"
    await call.answered()
    assert (await call.ended(30)).by is Side.CLIENT
    if not stalled(call.received):
        assert_whole(compare(spoken(8000, 0.6), call.received.pcm()))
    await line.hass.async_block_till_done()
    assert [event.attributes["event_type"] for event in line.events[-1:]] == ["blocked"]
    assert state_of(line.hass, CALL_STATE).state == "idle"
    assert await outcome(line) == "blocked"


async def test_challenge(line: House, voice: Voice) -> None:
    """Who presses the key hears it ring, rings here, and is connected with the home."""
    call = await called(line, Presses("3", after_seconds=2.5), unknown_treatment="challenge")
    await call.answered()
    assert state_of(line.hass, CALL_STATE).state == "idle"
    assert (await line.event("incoming"))["number"] == CALLER
    assert state_of(line.hass, CALL_STATE).state == "ringing"
    await until(lambda: loudest_ringback(call) > AUDIBLE_DBM0)
    await line.act("answer")
    await line.event("connected")
    assert state_of(line.hass, CALL_STATE).state == "talking"
    await call.hang_up()
    assert (await line.event("ended"))["reason"] == "hung_up_there"
    assert await outcome(line) == "answered"


async def test_challenge_without_the_key(line: House, voice: Voice) -> None:
    """Who presses something else, or nothing, rings nothing and is blocked."""
    call = await called(
        line,
        Presses("5", after_seconds=2.5),
        unknown_treatment="challenge",
        challenge_seconds=3,
    )
    await call.answered()
    assert (await call.ended(40)).by is Side.CLIENT
    assert (await line.event("blocked"))["blocked_by"] == "not_in_contacts"
    assert {event.attributes.get("event_type") for event in line.events} <= {None, "blocked"}
    assert state_of(line.hass, CALL_STATE).state == "idle"
    assert await outcome(line) == "blocked"


async def test_challenged_and_nobody_there(line: House, voice: Voice) -> None:
    """Who passes and gives up is a missed call."""
    call = await called(line, Presses("3", after_seconds=2.5), unknown_treatment="challenge")
    await call.answered()
    await line.event("incoming")
    await call.hang_up()
    assert (await line.event("missed"))["reason"] == "caller_gave_up"
    assert await outcome(line) == "missed"

"""Sound into a call, heard at the far end: a real engine between Home Assistant and a gateway."""

import asyncio
import itertools
import time
import wave
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import audioop
import pytest

from tests.home_gateway.callees import answers
from tests.home_gateway.likeness import Likeness, compare, spoken
from tests.home_gateway.recording import Recording
from tests.home_gateway.sources import SILENT_FRAME, Digits, Listener, Silence, Tone
from tests.loopback import loopback

from .conftest import Voice, needs_ffmpeg, state_of
from .house import House
from .test_end_to_end import house, line

__all__ = ["house", "line", "loopback"]

PLAYER = "media_player.line_call_sound"
RATE = 22050
SECONDS = 2.5
TRIES = 4
# The engine sends up to five late packets at once; the time of more is gone.
MADE_UP_FOR_MS = 90.0

pytestmark = [pytest.mark.usefixtures("loopback"), needs_ffmpeg]


@pytest.fixture(autouse=True)
def sentence(loopback: None, tmp_path: Path, house: House) -> Path:
    """Put a sentence into the folder of Home Assistant's media."""
    path = tmp_path / "sentence.wav"
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(RATE)
        file.writeframes(spoken(RATE, SECONDS))
    house.hass.config.media_dirs = {"local": str(tmp_path)}
    return path


async def test_a_sentence_arrives_whole(line: House) -> None:
    """What is played as soon as the call is connected arrives from its first to its last sound."""
    call = await line.gateway.ring("3", caller="0451234567", media=Silence())
    await line.event("incoming")
    await line.act("answer")
    await line.event("connected")
    for tries_left in reversed(range(TRIES)):
        since = time.monotonic()
        await line.hass.services.async_call(
            "media_player",
            "play_media",
            {
                "entity_id": PLAYER,
                "media_content_id": "media-source://media_source/local/sentence.wav",
                "media_content_type": "music",
            },
            blocking=True,
        )
        assert state_of(line.hass, PLAYER).state == "playing"
        await line.until(lambda: state_of(line.hass, PLAYER).state == "idle")
        assert (await line.event("playback_done"))["playback"] == "finished"
        await asyncio.sleep(0.3)
        if not tries_left or not stalled(call.received, since):
            break
    assert_whole(compare(spoken(8000, SECONDS), call.received.pcm(since)))
    # The call is given time to open its ear before anything is said.
    assert audioop.max(call.received.pcm()[: 2 * 8000 * 3 // 10], 2) == 0
    await line.act("hang_up")
    await call.ended()


def stalled(received: Recording, since: float | None = None) -> bool:
    """Tell whether this machine let the engine stand still for longer than it makes up for."""
    return received.widest_gap_ms(since) > MADE_UP_FOR_MS


def assert_whole(likeness: Likeness) -> None:
    """The ends are there, nothing between is missing, and it is as loud as it was."""
    assert likeness.start_clipped_ms == 0
    assert likeness.end_clipped_ms == 0
    assert likeness.missing_ms == 0
    assert abs(likeness.level_db) < 1.0


@dataclass(frozen=True)
class Presses:
    """Somebody who listens for a while, then presses keys."""

    digits: str
    after_seconds: float

    def frames(self, heard: Listener) -> Iterator[bytes | None]:
        """Yield silence, the tones, and silence."""
        yield from itertools.repeat(SILENT_FRAME, round(self.after_seconds * 50))
        yield from Digits(self.digits).frames(heard)


async def test_alarm_call(line: House, voice: Voice) -> None:
    """The first is busy, the second is a machine without a digit, the third presses 1."""
    busy, machine, person = "0451110486", "0451110001", "0451110007"
    line.gateway.callees[machine] = answers(media=Tone(1000.0))
    line.gateway.callees[person] = answers(media=Presses("1", after_seconds=3.0))
    response = await line.act(
        "dial",
        number=[busy, machine, person],
        message="The alarm went off. Press 1.",
        confirm="1",
        digit_seconds=5,
        ring_seconds=10,
    )
    told = [
        (attempt["number"], attempt["result"], attempt["reason"], attempt["digits"])
        for attempt in response.pop("attempts")
    ]
    assert response == {
        "result": "confirmed",
        "answered_by": person,
        "digits": "1",
        "speech_error": None,
    }
    assert told == [
        (busy, "failed", "busy", None),
        (machine, "unconfirmed", "hung_up_here", None),
        (person, "confirmed", "hung_up_here", "1"),
    ]
    calls = line.gateway.placed
    for call in calls[1:]:
        if stalled(call.received):
            continue
        assert_whole(compare(spoken(8000, 0.6), call.received.pcm()))
    for call in calls:
        assert (await call.ended()) is not None


async def test_ask(line: House, voice: Voice) -> None:
    """What the other side presses is returned."""
    call = await line.gateway.ring("3", caller="0451234567", media=Presses("42", after_seconds=2.0))
    await line.event("incoming")
    await line.act("answer")
    await line.event("connected")
    response = await line.act("ask", message="Your code, please.", max_digits=2)
    assert response == {"result": "answered", "digits": "42", "tries": 1}
    await line.act("hang_up")
    await call.ended()

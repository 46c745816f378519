"""Sound into a call, heard at the far end: a real engine between Home Assistant and a gateway."""

import asyncio
import wave
from pathlib import Path

import pytest

from tests.home_gateway.likeness import Likeness, compare, spoken
from tests.home_gateway.sources import Silence
from tests.loopback import loopback

from .conftest import needs_ffmpeg, state_of
from .test_end_to_end import House, house, line

__all__ = ["house", "line", "loopback"]

PLAYER = "media_player.line_call_sound"
RATE = 22050
SECONDS = 2.5

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
    assert (await line.event("playback_done"))["playback"] == "finished"
    await asyncio.sleep(0.3)
    likeness = compare(spoken(8000, SECONDS), call.received.pcm())
    assert_whole(likeness)
    # The call is given time to open its ear before anything is said.
    assert likeness.at_seconds >= 0.3
    await line.act("hang_up")
    await call.ended()


def assert_whole(likeness: Likeness) -> None:
    """The ends are there, nothing between is missing, and it is as loud as it was."""
    assert likeness.start_clipped_ms == 0
    assert likeness.end_clipped_ms == 0
    assert likeness.missing_ms == 0
    assert abs(likeness.level_db) < 1.0

"""What is played into a call: the media player of a line, with a fake engine."""

import asyncio
import json
import wave
from collections.abc import AsyncGenerator, Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from homeassistant.components.ffmpeg import get_ffmpeg_manager
from homeassistant.core import HomeAssistant, State
from homeassistant.exceptions import HomeAssistantError
from yarl import URL

from custom_components.hikari_denwa import playable
from custom_components.hikari_denwa import playback as player_module
from custom_components.hikari_denwa.calls import CallUpdate
from custom_components.hikari_denwa.line import Line
from custom_components.hikari_denwa.playable import (
    Sound,
    frames_sound,
    joined,
    prepared,
    speech_sound,
)
from custom_components.hikari_denwa.playback import PlaybackEnd
from custom_components.hikari_denwa.telephony.engine.protocol import SILENCE
from custom_components.hikari_denwa.telephony.errors import SpeechFailedError
from tests.home_gateway.likeness import compare, spoken

from .conftest import Voice, linear, needs_ffmpeg, state_of, until
from .fake_engine import FakeEngine, ended, held

PLAYER = "media_player.home_call_sound"
CALL_EVENT = "event.home_call"


@pytest.fixture(autouse=True)
def at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the far end's ear be open at once."""
    monkeypatch.setattr(player_module, "SETTLE", timedelta())


@pytest.fixture(autouse=True)
def media(hass: HomeAssistant, tmp_path: Path) -> Path:
    """Return the folder of Home Assistant's media, with a sentence in it."""
    with wave.open(str(tmp_path / "sentence.wav"), "wb") as file:
        file.setnchannels(2)
        file.setsampwidth(2)
        file.setframerate(44100)
        mono = spoken(44100, 1.0)
        pairs = (mono[at : at + 2] for at in range(0, len(mono), 2))
        file.writeframes(b"".join(sample * 2 for sample in pairs))
    hass.config.media_dirs = {"local": str(tmp_path)}
    return tmp_path


def frame(number: int) -> bytes:
    """Return a frame that is told from others."""
    return bytes([number % 100]) * 160


def numbered(count: int, title: str = "numbers", start: int = 0) -> Sound:
    """Return a sound of such frames."""
    return frames_sound((frame(start + number) for number in range(count)), title)


def heard(engine: FakeEngine) -> list[int]:
    """Return which of them were played; silence between is left out."""
    return [payload[0] for payload in engine.played if payload != SILENCE]


async def play(hass: HomeAssistant, media_id: str, **data: Any) -> None:
    """Have the media player play."""
    await hass.services.async_call(
        "media_player",
        "play_media",
        {"entity_id": PLAYER, "media_content_id": media_id, "media_content_type": "music", **data},
        blocking=True,
    )


async def test_idle_without_a_call(hass: HomeAssistant, line: Line) -> None:
    """It is idle while nobody talks, and says why it does not play."""
    assert state_of(hass, PLAYER).state == "idle"
    with pytest.raises(HomeAssistantError) as error:
        await play(hass, "http://[::1]:1/x.mp3")
    assert error.value.translation_key == "call_not_connected"


async def test_unavailable_without_the_line(
    hass: HomeAssistant, engine: FakeEngine, line: Line
) -> None:
    """It is there as long as the line is."""
    engine.client.listener().engine_lost()
    await hass.async_block_till_done()
    assert state_of(hass, PLAYER).state == "unavailable"


@needs_ffmpeg
async def test_media_is_heard_whole(
    hass: HomeAssistant,
    engine: FakeEngine,
    talking: Line,
    media: Path,
    changes: Callable[[str], list[State]],
) -> None:
    """A stereo file of 44.1 kHz comes out whole and as loud as it is, and its end is an event."""
    states = changes(PLAYER)
    events = changes(CALL_EVENT)
    await play(hass, "media-source://media_source/local/sentence.wav")
    assert state_of(hass, PLAYER).state == "playing"
    assert state_of(hass, PLAYER).attributes["media_title"] == "sentence.wav"
    await until(lambda: state_of(hass, PLAYER).state == "idle")
    assert [state.state for state in states][-1] == "idle"
    likeness = compare(spoken(8000, 1.0), linear(engine.played))
    assert likeness.missing_ms == 0
    assert abs(likeness.level_db) < 0.5
    assert events[-1].attributes["event_type"] == "playback_done"
    assert events[-1].attributes["media"] == "sentence.wav"
    assert events[-1].attributes["playback"] == "finished"


@needs_ffmpeg
@pytest.mark.parametrize(
    ("media_id", "key"),
    [
        ("media-source://media_source/local/nothing.wav", "media_unreadable"),
        ("media-source://media_source/local/broken.wav", "media_unreadable"),
        ("http://[::1]:1/x.mp3?key=secret", "media_unreadable"),
        ("file:///etc/hostname", "media_unsupported"),
        ("concat:/etc/hostname", "media_unsupported"),
        ("x", "media_unsupported"),
    ],
)
async def test_what_cannot_be_played(
    hass: HomeAssistant, talking: Line, media: Path, media_id: str, key: str
) -> None:
    """It is an error that says so, no secret is in it, and the player is idle again."""
    (media / "broken.wav").write_bytes(b"this is no sound at all")
    with pytest.raises(HomeAssistantError) as error:
        await play(hass, media_id)
    assert error.value.translation_key == key
    assert "secret" not in str(error.value.translation_placeholders)
    await until(lambda: state_of(hass, PLAYER).state == "idle")


async def test_no_ffmpeg(hass: HomeAssistant, talking: Line, media: Path) -> None:
    """That it is missing is said."""
    get_ffmpeg_manager(hass)._bin = "/nonexistent/ffmpeg"
    get_ffmpeg_manager(hass).__dict__.pop("binary", None)
    with pytest.raises(HomeAssistantError) as error:
        await play(hass, "media-source://media_source/local/sentence.wav")
    assert error.value.translation_key == "ffmpeg_missing"


async def test_one_after_the_other(engine: FakeEngine, talking: Line) -> None:
    """What is played waits for what was played before, announcements go between."""
    player = talking.player.of(talking.state.call)
    engine.plays = False
    first = player.play(numbered(60))
    second = player.play(numbered(5, start=80))
    await until(lambda: len(engine.queued) == 40)
    engine.client.tell_played()
    await until(lambda: len(engine.queued) == 21)
    player.play(numbered(3, start=90), announcement=True)
    player.play(numbered(3, start=95), announcement=True)
    engine.plays = True
    assert await second.finished() is PlaybackEnd.FINISHED
    assert await first.finished() is PlaybackEnd.FINISHED
    said = [90, 91, 92, 95, 96, 97]
    assert heard(engine) == [*range(40), *said, *range(40, 60), *range(80, 85)]


async def test_pause_takes_back_what_was_not_heard(engine: FakeEngine, talking: Line) -> None:
    """After a pause it goes on right where it was, and an announcement is heard meanwhile."""
    player = talking.player.of(talking.state.call)
    engine.plays = False
    playback = player.play(numbered(60))
    await until(lambda: len(engine.queued) == 40)
    player.pause(paused=True)
    assert player.state == "paused"
    await until(lambda: engine.queued == [])
    engine.plays = True
    assert await player.play(numbered(2, start=90), announcement=True).finished() == "finished"
    assert player.state == "paused"
    player.pause(paused=False)
    assert await playback.finished() is PlaybackEnd.FINISHED
    assert heard(engine) == [90, 91, *range(60)]


async def test_hold_lets_everything_wait(engine: FakeEngine, talking: Line) -> None:
    """Nothing is said to a far side that does not hear it."""
    listener = engine.client.listener()
    player = talking.player.of(talking.state.call)
    listener.call_event(held())
    playback = player.play(numbered(10), announcement=True)
    await playback.begun()
    for _ in range(20):
        await asyncio.sleep(0)
    assert engine.queued == engine.played == []
    listener.call_event(held(held=False))
    assert await playback.finished() is PlaybackEnd.FINISHED
    assert heard(engine) == list(range(10))


async def test_stop_and_end(
    hass: HomeAssistant,
    engine: FakeEngine,
    talking: Line,
) -> None:
    """Stopping forgets what waits; the end of the call ends everything, without another event."""
    updates: list[CallUpdate] = []
    talking.subscribe_calls(updates.append)
    player = talking.player.of(talking.state.call)
    engine.plays = False
    playbacks = [player.play(numbered(100)), player.play(numbered(100))]
    await until(lambda: len(engine.queued) == 40)
    await hass.services.async_call(
        "media_player", "media_stop", {"entity_id": PLAYER}, blocking=True
    )
    assert engine.queued == []
    assert {await playback.finished() for playback in playbacks} == {PlaybackEnd.STOPPED}
    assert state_of(hass, PLAYER).state == "idle"

    playback = player.play(numbered(100))
    await until(lambda: len(engine.queued) == 40)
    engine.client.listener().call_event(ended())
    assert await playback.finished() is PlaybackEnd.CALL_ENDED
    assert [update.type for update in updates] == ["playback_done", "playback_done", "ended"]


async def test_an_engine_that_does_not_tell(
    monkeypatch: pytest.MonkeyPatch, engine: FakeEngine, talking: Line
) -> None:
    """It is believed to play what it gets."""
    monkeypatch.setattr(player_module, "_MARK_PATIENCE_SECONDS", 0.0)
    monkeypatch.setattr(player_module, "FRAME_SECONDS", 0.001)
    engine.plays = False
    playback = talking.player.of(talking.state.call).play(numbered(90))
    assert await playback.finished() is PlaybackEnd.FINISHED
    assert [payload[0] for payload in engine.queued[:90]] == list(range(90))


async def test_volume(hass: HomeAssistant, engine: FakeEngine, talking: Line) -> None:
    """Half the volume is 12 dB less; muted is silence; it stays for the next call."""
    loud = frames_sound([b"\x80" * 160])
    player = talking.player.of(talking.state.call)
    await player.play(loud).finished()
    await hass.services.async_call(
        "media_player",
        "volume_set",
        {"entity_id": PLAYER, "volume_level": 0.5},
        blocking=True,
    )
    await player.play(loud).finished()
    await hass.services.async_call(
        "media_player",
        "volume_mute",
        {"entity_id": PLAYER, "is_volume_muted": True},
        blocking=True,
    )
    await player.play(loud).finished()
    full, half, none = (
        int.from_bytes(linear([payload])[:2], "little", signed=True)
        for payload in engine.played[::2]
    )
    assert full == 32124
    assert abs(half - full / 4) < 300
    assert none == 0
    assert state_of(hass, PLAYER).attributes["volume_level"] == 0.5
    assert state_of(hass, PLAYER).attributes["is_volume_muted"] is True


async def test_a_player_that_fails(engine: FakeEngine, talking: Line) -> None:
    """Whatever goes wrong in a sound, the next one is played."""

    async def broken() -> AsyncGenerator[bytes]:
        yield frame(1)
        raise RuntimeError("out of tune")

    player = talking.player.of(talking.state.call)
    failed = player.play(Sound(title="broken", frames=broken))
    following = player.play(numbered(3, start=50))
    assert await following.finished() is PlaybackEnd.FINISHED
    assert failed.ended.result() is PlaybackEnd.FAILED
    assert heard(engine)[-3:] == [50, 51, 52]


async def test_skip(engine: FakeEngine, talking: Line) -> None:
    """The next one comes at once."""
    player = talking.player.of(talking.state.call)
    engine.plays = False
    first = player.play(numbered(60))
    second = player.play(numbered(3, start=70))
    await until(lambda: len(engine.queued) == 40)
    engine.plays = True
    player.skip()
    assert await first.finished() is PlaybackEnd.STOPPED
    assert await second.finished() is PlaybackEnd.FINISHED
    assert heard(engine) == [70, 71, 72]


async def test_prepared_and_joined(talking: Line) -> None:
    """A prepared sound is what it was; joined ones follow each other."""
    sound = joined([await prepared(numbered(3)), numbered(2, start=9)], "both")
    assert [payload[0] async for payload in sound.frames()] == [0, 1, 2, 9, 10]


def test_speech_is_asked_for_as_calls_need_it() -> None:
    """8 kHz mono WAV is asked for, unless somebody wants otherwise."""
    made = URL(playable._as_calls_need_it("media-source://tts/tts.voice?message=hello&language=ja"))
    assert made.query["message"] == "hello"
    assert made.query["language"] == "ja"
    assert json.loads(made.query["tts_options"]) == playable.PREFERRED_SPEECH
    options = {"voice": "x", "preferred_sample_rate": 16000}
    given = str(
        URL("media-source://tts/tts.voice").with_query(
            message="hello", tts_options=json.dumps(options)
        )
    )
    kept = json.loads(URL(playable._as_calls_need_it(given)).query["tts_options"])
    assert kept == {**playable.PREFERRED_SPEECH, **options}
    stream = "media-source://tts/-stream-/token.wav"
    assert playable._as_calls_need_it(stream) == stream


@needs_ffmpeg
async def test_speech_is_heard(
    hass: HomeAssistant, voice: Voice, engine: FakeEngine, talking: Line
) -> None:
    """tts.speak is an announcement, in a format that is not converted a second time."""
    await hass.services.async_call(
        "tts",
        "speak",
        {"entity_id": "tts.voice", "media_player_entity_id": PLAYER, "message": "hello"},
        blocking=True,
    )
    await until(lambda: state_of(hass, PLAYER).state == "idle")
    assert compare(spoken(8000, 0.6), linear(engine.played)).missing_ms == 0
    ((message, language, options),) = voice.asked
    assert (message, language) == ("hello", "en")
    assert playable.PREFERRED_SPEECH.items() <= options.items()


@needs_ffmpeg
async def test_speech_that_fails(hass: HomeAssistant, voice: Voice, talking: Line) -> None:
    """Why there is no speech is said."""
    with pytest.raises(SpeechFailedError, match="no voice today"):
        await prepared(speech_sound(hass, "mute"))
    with pytest.raises(SpeechFailedError):
        speech_sound(hass, "hello", engine="tts.nobody")
    with pytest.raises(SpeechFailedError):
        speech_sound(hass, "hello", language="xx")

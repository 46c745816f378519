"""The controls of a line's media player, pressed as a person presses them."""

import wave
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from homeassistant.core import HomeAssistant

from custom_components.hikari_denwa import playback as player_module
from custom_components.hikari_denwa.line import Line

from .conftest import needs_ffmpeg, state_of, until
from .fake_engine import FakeEngine
from .test_media_player import PLAYER, heard, numbered, play


@pytest.fixture(autouse=True)
def at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the far end's ear be open at once."""
    monkeypatch.setattr(player_module, "SETTLE", timedelta())


@pytest.fixture(autouse=True)
def sentence(hass: HomeAssistant, tmp_path: Path) -> str:
    """Return a tenth of a second of media."""
    with wave.open(str(tmp_path / "sentence.wav"), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(8000)
        file.writeframes(bytes(range(200)) * 8)
    hass.config.media_dirs = {"local": str(tmp_path)}
    return "media-source://media_source/local/sentence.wav"


async def press(hass: HomeAssistant, control: str, **data: Any) -> None:
    """Use a control."""
    await hass.services.async_call(
        "media_player", control, {"entity_id": PLAYER, **data}, blocking=True
    )


async def test_pause_and_go_on(hass: HomeAssistant, engine: FakeEngine, talking: Line) -> None:
    """The state follows, and nothing is lost between."""
    engine.plays = False
    playback = talking.player.of(talking.state.call).play(numbered(60))
    await until(lambda: bool(engine.queued))
    await press(hass, "media_pause")
    assert state_of(hass, PLAYER).state == "paused"
    engine.plays = True
    await press(hass, "media_play")
    assert state_of(hass, PLAYER).state == "playing"
    await playback.finished()
    assert heard(engine) == list(range(60))


async def test_next_and_stop(hass: HomeAssistant, engine: FakeEngine, talking: Line) -> None:
    """The next one comes at once; stop forgets what waits."""
    engine.plays = False
    player = talking.player.of(talking.state.call)
    first = player.play(numbered(60))
    second = player.play(numbered(30, start=60))
    third = player.play(numbered(5, start=90))
    await until(lambda: len(engine.queued) == 40)
    await press(hass, "media_next_track")
    await first.finished()
    await until(lambda: bool(engine.queued))
    await press(hass, "media_stop")
    await second.finished()
    await third.finished()
    assert state_of(hass, PLAYER).state == "idle"
    assert engine.queued == []


async def test_controls_without_a_call(hass: HomeAssistant, engine: FakeEngine, line: Line) -> None:
    """They do nothing, and fail at nothing."""
    for control in ("media_stop", "media_pause", "media_play", "media_next_track"):
        await press(hass, control)
    assert state_of(hass, PLAYER).state == "idle"
    assert engine.sent("clear_sound") == []


@needs_ffmpeg
@pytest.mark.parametrize(
    ("enqueue", "order"),
    [
        ("add", ["first", "waits", "sentence.wav"]),
        ("next", ["first", "sentence.wav", "waits"]),
        ("play", ["first", "sentence.wav", "waits"]),
        ("replace", ["first", "sentence.wav"]),
    ],
)
async def test_queue(
    hass: HomeAssistant,
    engine: FakeEngine,
    talking: Line,
    sentence: str,
    enqueue: str,
    order: list[str],
) -> None:
    """Media comes after all, after what plays, instead of it, or instead of everything."""
    engine.plays = False
    player = talking.player.of(talking.state.call)
    first = player.play(numbered(60, "first"))
    player.play(numbered(3, "waits"))
    await until(lambda: len(engine.queued) == 40)
    titles: list[str | None] = ["first"]

    def note(*_: Any) -> None:
        title = state_of(hass, PLAYER).attributes.get("media_title")
        if title and title != titles[-1]:
            titles.append(title)

    hass.bus.async_listen("state_changed", note)
    engine.plays = True
    await play(hass, sentence, enqueue=enqueue)
    engine.client.tell_played()
    await first.finished()
    await until(lambda: state_of(hass, PLAYER).state == "idle")
    await hass.async_block_till_done()
    assert titles == order

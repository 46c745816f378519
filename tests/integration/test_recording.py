"""Recording: by action and by rule, with notice, listed, deleted, pruned, and never too much."""

# A test may wait for files of its own.
# ruff: noqa: ASYNC240

import asyncio
import json
import shutil
import wave
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import audioop
import pytest
from homeassistant.components import media_source
from homeassistant.core import HomeAssistant, State
from homeassistant.exceptions import HomeAssistantError
from homeassistant.helpers import issue_registry as ir
from homeassistant.util import dt as dt_util
from pytest_homeassistant_custom_component.common import MockConfigEntry

from custom_components.hikari_denwa import playback as playback_module
from custom_components.hikari_denwa import recorder as recorder_module
from custom_components.hikari_denwa.const import DOMAIN
from custom_components.hikari_denwa.line import Line
from custom_components.hikari_denwa.recorder import notice_tone
from custom_components.hikari_denwa.recordings import RecordingFolder
from custom_components.hikari_denwa.telephony.audio.recording import StereoWav
from custom_components.hikari_denwa.telephony.engine.protocol import (
    SILENCE,
    SoundDirection,
    SoundFrame,
)

from .conftest import Voice, needs_ffmpeg, until
from .fake_engine import FakeEngine, connected, ended, incoming

CALL_EVENT = "event.home_call"
LOUD = b"\x80" * 160


@pytest.fixture(autouse=True)
def media(hass: HomeAssistant, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """Return the folder of the recordings; write often, and let no time pass."""
    monkeypatch.setattr(playback_module, "SETTLE", timedelta())
    monkeypatch.setattr(recorder_module, "_WRITE_SECONDS", 0.01)
    monkeypatch.setattr(recorder_module, "_LOOK_AT_ROOM_EVERY", 1)
    hass.config.media_dirs = {"other": str(tmp_path / "no"), "local": str(tmp_path)}
    return tmp_path / "hikari_denwa"


async def act(hass: HomeAssistant, action: str, **data: Any) -> dict[str, Any]:
    """Carry out an action and return its response."""
    response = await hass.services.async_call(
        DOMAIN, action, data, blocking=True, return_response=True
    )
    assert isinstance(response, dict)
    return response


def speak(engine: FakeEngine, count: int = 50, first: int = 0) -> None:
    """Let the far side be loud while we are silent."""
    listener = engine.client.listener()
    for number in range(first, first + count):
        for direction, payload in ((SoundDirection.FAR, LOUD), (SoundDirection.NEAR, SILENCE)):
            listener.sound(
                SoundFrame(direction=direction, channel=1, number=number, payload=payload)
            )


async def test_record_and_stop(
    hass: HomeAssistant,
    engine: FakeEngine,
    talking: Line,
    media: Path,
    changes: Callable[[str], list[State]],
) -> None:
    """Both sides are in the file, which is named, noted, listed, played and deleted."""
    events = changes(CALL_EVENT)
    started = await act(hass, "start_recording", notice=False)
    with pytest.raises(HomeAssistantError) as error:
        await act(hass, "start_recording")
    assert error.value.translation_key == "recording_runs"
    await until(lambda: engine.sent("stream_sound") == [("in-1", True, "near")])
    speak(engine)
    stopped = await act(hass, "stop_recording")
    assert stopped["name"] == started["name"]
    assert stopped["name"].endswith("_incoming_0312345678.wav")
    assert stopped["duration"] == 1.0
    assert stopped["who"] == "03-1234-5678"
    assert stopped["kind"] == "call"
    with wave.open(str(media / stopped["name"]), "rb") as file:
        assert file.getnchannels() == 2
        sound = file.readframes(file.getnframes())
    assert audioop.max(audioop.tomono(sound, 2, 1, 0), 2) == 32124
    assert audioop.max(audioop.tomono(sound, 2, 0, 1), 2) == 0
    assert events[-1].attributes["event_type"] == "recorded"
    assert events[-1].attributes["recording"] == stopped["recording"]
    with pytest.raises(HomeAssistantError) as error:
        await act(hass, "stop_recording")
    assert error.value.translation_key == "recording_not_running"

    root = await media_source.async_browse_media(hass, f"media-source://{DOMAIN}")
    assert root.children
    folder = root.children[-1]
    assert folder.title == "Recordings"
    listed = await media_source.async_browse_media(hass, folder.media_content_id)
    assert listed.children
    (item,) = listed.children
    assert item.title.endswith("03-1234-5678")
    played = await media_source.async_resolve_media(hass, item.media_content_id, None)
    assert played.url == f"/media/local/hikari_denwa/{stopped['name']}"
    assert played.path == media / stopped["name"]

    (logged,) = talking.log
    assert logged.recordings == (stopped["recording"],)
    await act(hass, "delete_recording", recording=stopped["recording"])
    assert list(media.iterdir()) == []
    (logged,) = talking.log
    assert logged.recordings == ()
    for name in (stopped["recording"], "../../secrets.yaml", "x"):
        with pytest.raises(HomeAssistantError) as error:
            await act(hass, "delete_recording", recording=name)
        assert error.value.translation_key == "recording_unknown"
    with pytest.raises(media_source.Unresolvable):
        await media_source.async_resolve_media(hass, item.media_content_id, None)


async def test_the_end_of_the_call_ends_it(
    hass: HomeAssistant, engine: FakeEngine, talking: Line, media: Path
) -> None:
    """What was recorded stays; a call of which nothing came leaves nothing."""
    await act(hass, "start_recording", notice=False)
    speak(engine, 10)
    engine.client.listener().call_event(ended())
    await until(lambda: len(list(media.glob("*.json"))) == 1)
    (notes,) = media.glob("*.json")
    assert json.loads(notes.read_text())["duration"] == 0.2

    engine.client.listener().call_event(incoming("in-2", channel=2))
    engine.client.listener().call_event(connected("in-2"))
    await act(hass, "start_recording", notice=False)
    engine.client.listener().call_event(ended("in-2"))
    await until(lambda: not talking.recorder._finishing)
    assert len(list(media.glob("*.wav"))) == 1


async def test_unloading_finishes_the_file(
    hass: HomeAssistant, engine: FakeEngine, talking: Line, media: Path
) -> None:
    """A line that is reloaded loses nothing."""
    await act(hass, "start_recording", notice=False)
    speak(engine, 25)
    assert await hass.config_entries.async_unload("line-1")
    (path,) = media.glob("*.wav")
    with wave.open(str(path), "rb") as file:
        assert file.getnframes() == 25 * 160
    assert len(list(media.glob("*.json"))) == 1


@needs_ffmpeg
async def test_notice(hass: HomeAssistant, voice: Voice, engine: FakeEngine, talking: Line) -> None:
    """The other side is told first, in words."""
    await act(hass, "start_recording")
    assert [message for message, _, _ in voice.asked] == ["This call is recorded."]
    assert len(engine.played) >= 30


async def test_notice_without_a_voice(
    hass: HomeAssistant, engine: FakeEngine, talking: Line
) -> None:
    """Without text-to-speech a tone says it."""
    await act(hass, "start_recording")
    tone = [payload async for payload in notice_tone().frames()]
    assert engine.played[: len(tone)] == tone


@pytest.mark.parametrize(
    ("options", "records"),
    [
        ({}, False),
        ({"record": "all"}, True),
        ({"record": "incoming"}, True),
        ({"record": "outgoing"}, False),
        ({"record": "all", "record_numbers": ["0312345678"]}, True),
        ({"record": "all", "record_numbers": ["0399999999"]}, False),
    ],
)
async def test_rules(
    hass: HomeAssistant,
    engine: FakeEngine,
    entry: MockConfigEntry,
    options: dict[str, Any],
    records: bool,
) -> None:
    """Which calls are recorded by themselves."""
    entry.add_to_hass(hass)
    hass.config_entries.async_update_entry(entry, options={**options, "record_notice": False})
    assert await hass.config_entries.async_setup(entry.entry_id)
    line: Line = entry.runtime_data
    engine.client.listener().call_event(incoming())
    engine.client.listener().call_event(connected())
    call = line.state.call
    assert call is not None
    if records:
        await until(lambda: line.recorder.is_recording(call))
    else:
        await hass.async_block_till_done(wait_background_tasks=True)
        assert not line.recorder.is_recording(call)


async def test_full_disk_ends_the_recording_and_not_the_call(
    hass: HomeAssistant,
    engine: FakeEngine,
    talking: Line,
    media: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The owner is told; with room again that is taken back."""
    await act(hass, "start_recording", notice=False)
    speak(engine)
    monkeypatch.setattr(shutil, "disk_usage", lambda _: SimpleNamespace(free=1024))
    issue = (DOMAIN, "recording_line-1")
    await until(lambda: issue in ir.async_get(hass).issues)
    await until(lambda: not talking.recorder._finishing)
    assert talking.state.call is not None
    assert engine.sent("hang_up") == []
    (path,) = media.glob("*.wav")
    with wave.open(str(path), "rb") as file:
        assert file.getnframes() == 8000
    with pytest.raises(HomeAssistantError) as error:
        await act(hass, "start_recording", notice=False)
    assert error.value.translation_key == "recording_disk_full"
    monkeypatch.undo()
    await act(hass, "start_recording", notice=False)
    assert issue not in ir.async_get(hass).issues


async def test_a_disk_that_fails(
    hass: HomeAssistant, engine: FakeEngine, talking: Line, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No space left: the same."""

    def fail(*_: Any) -> None:
        raise OSError(28, "No space left on device")

    await act(hass, "start_recording", notice=False)
    monkeypatch.setattr(StereoWav, "write", fail)
    speak(engine)
    await until(lambda: (DOMAIN, "recording_line-1") in ir.async_get(hass).issues)
    assert talking.state.call is not None


async def test_a_folder_that_cannot_be(hass: HomeAssistant, talking: Line, media: Path) -> None:
    """Why nothing is recorded is said."""
    media.write_text("a file is in the way")
    with pytest.raises(HomeAssistantError) as error:
        await act(hass, "start_recording", notice=False)
    assert error.value.translation_key == "recording_folder"


async def test_no_call(hass: HomeAssistant, line: Line) -> None:
    """Without a call there is nothing to record."""
    for action, key in (
        ("start_recording", "call_not_connected"),
        ("stop_recording", "recording_not_running"),
    ):
        with pytest.raises(HomeAssistantError) as error:
            await act(hass, action)
        assert error.value.translation_key == key


@needs_ffmpeg
async def test_opus(
    hass: HomeAssistant, engine: FakeEngine, entry: MockConfigEntry, media: Path
) -> None:
    """Opus takes the place of WAV once it is whole."""
    entry.add_to_hass(hass)
    hass.config_entries.async_update_entry(entry, options={"record_format": "opus"})
    assert await hass.config_entries.async_setup(entry.entry_id)
    engine.client.listener().call_event(incoming())
    engine.client.listener().call_event(connected())
    await act(hass, "start_recording", notice=False)
    speak(engine)
    stopped = await act(hass, "stop_recording")
    assert stopped["name"].endswith(".opus")
    assert sorted(path.suffix for path in media.iterdir()) == [".json", ".opus"]
    probe = shutil.which("ffprobe")
    if probe:
        process = await asyncio.create_subprocess_exec(
            probe,
            *("-v", "error", "-show_entries", "stream=codec_name,channels", "-of", "csv=p=0"),
            str(media / stopped["name"]),
            stdout=asyncio.subprocess.PIPE,
        )
        out, _ = await process.communicate()
        assert out.decode().strip() == "opus,2"


def test_pruning(hass: HomeAssistant, media: Path) -> None:
    """What is too old goes first, then what is too much; what is not ours stays."""
    folder = RecordingFolder(hass)
    media.mkdir()
    for days in range(5):
        at = dt_util.now() - timedelta(days=days)
        name = f"{at:%Y%m%d-%H%M%S}_incoming_0312345678.wav"
        (media / name).write_bytes(bytes(600 * 1024))
        notes = {
            "name": name,
            "kind": "call",
            "line": "Home",
            "who": "x",
            "number": None,
            "direction": "incoming",
            "started": at.isoformat(),
            "duration": 1.0,
        }
        (media / f"{name}.json").write_text(json.dumps(notes))
    (media / "mine.wav").write_bytes(bytes(4096 * 1024))
    (media / "broken.json").write_text("{")
    (media / "strange.json").write_text(json.dumps({**notes, "name": "../../x.wav"}))
    old = [each.name for each in folder.prune(keep_days=3, keep_mib=0)]
    left = folder.all()
    assert len(left) == 3
    assert len(old) == 2
    (newest, *much) = left
    assert folder.prune(keep_days=0, keep_mib=1) == much
    assert folder.all() == [newest]
    assert newest.name.startswith(f"{dt_util.now():%Y%m%d}")
    assert (media / "mine.wav").exists()

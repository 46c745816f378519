"""The answering machine: it takes what nobody takes, greets, records, and hangs up."""

# A test may wait for files of its own.
# ruff: noqa: ASYNC240

import asyncio
import json
import re
import wave
from collections.abc import AsyncIterable, Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from homeassistant.components import stt
from homeassistant.components.stt.const import DATA_COMPONENT
from homeassistant.config_entries import ConfigSubentry
from homeassistant.core import HomeAssistant, State
from homeassistant.setup import async_setup_component
from homeassistant.util import dt as dt_util
from pytest_homeassistant_custom_component.common import MockConfigEntry, async_capture_events
from pytest_homeassistant_custom_component.components.diagnostics import (
    get_diagnostics_for_config_entry,
)
from pytest_homeassistant_custom_component.typing import ClientSessionGenerator

from custom_components.hikari_denwa import playback as playback_module
from custom_components.hikari_denwa import recorder as recorder_module
from custom_components.hikari_denwa.call_log import LogFilter
from custom_components.hikari_denwa.call_updates import EVENT_CALL
from custom_components.hikari_denwa.line import Line
from custom_components.hikari_denwa.recorder import notice_tone
from custom_components.hikari_denwa.telephony.calls import EndReason
from custom_components.hikari_denwa.telephony.engine.client import LineListener
from custom_components.hikari_denwa.telephony.engine.protocol import SoundDirection, SoundFrame
from tests.home_gateway.likeness import compare, spoken
from tests.unit.repository.documents import ROOT

from .conftest import Voice, linear, needs_ffmpeg, state_of, until
from .fake_engine import FakeEngine, connected, ended, incoming
from .test_contacts import subentry

CALL_EVENT = "event.home_call"
SWITCH = "switch.home_answering_machine"
LOUD = b"\x80" * 160
OPTIONS = {"answering_machine": True, "answering_after": 0, "answering_seconds": 60}

pytestmark = needs_ffmpeg


@pytest.fixture(autouse=True)
def media(hass: HomeAssistant, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """Return the folder of the recordings; let no time pass."""
    monkeypatch.setattr(playback_module, "SETTLE", timedelta())
    monkeypatch.setattr(recorder_module, "_WRITE_SECONDS", 0.01)
    hass.config.media_dirs = {"local": str(tmp_path)}
    return tmp_path / "hikari_denwa"


async def machine(hass: HomeAssistant, entry: MockConfigEntry, **options: Any) -> Line:
    """Return a line whose answering machine is on."""
    if hass.config_entries.async_get_entry(entry.entry_id) is None:
        entry.add_to_hass(hass)
    hass.config_entries.async_update_entry(entry, options={**OPTIONS, **options})
    assert await hass.config_entries.async_setup(entry.entry_id)
    await hass.async_block_till_done()
    line: Line = entry.runtime_data
    return line


def gateway(engine: FakeEngine) -> LineListener:
    """Let the gateway connect what is answered, and end what is hung up."""
    client = engine.client
    listener = client.listener()
    answer, hang_up = client.answer, client.hang_up

    async def answers(call: str) -> None:
        await answer(call)
        asyncio.get_running_loop().call_soon(listener.call_event, connected(call))

    async def hangs_up(call: str) -> None:
        await hang_up(call)
        listener.call_event(ended(call, EndReason.HUNG_UP_HERE))

    client.answer = answers  # type: ignore[method-assign]
    client.hang_up = hangs_up  # type: ignore[method-assign]
    return listener


def speak(listener: LineListener, seconds: float) -> None:
    """Say something."""
    for number in range(round(50 * seconds)):
        listener.sound(
            SoundFrame(direction=SoundDirection.FAR, channel=1, number=number, payload=LOUD)
        )


async def test_message(
    hass: HomeAssistant,
    voice: Voice,
    engine: FakeEngine,
    entry: MockConfigEntry,
    media: Path,
    changes: Callable[[str], list[State]],
) -> None:
    """Greeting, tone, recording; the event has the file, the caller hangs up."""
    line = await machine(hass, entry)
    events = changes(CALL_EVENT)
    told = async_capture_events(hass, EVENT_CALL)
    listener = gateway(engine)
    listener.call_event(incoming())
    await until(lambda: bool(line.recorder._running))
    assert [message for message, _, _ in voice.asked] == [
        "Nobody can take your call now. Please leave a message after the tone."
    ]
    tone = [payload async for payload in notice_tone().frames()]
    assert compare(spoken(8000, 0.6), linear(engine.played)).missing_ms == 0
    assert tone[0] in engine.played
    speak(listener, 2)
    listener.call_event(ended())
    await until(lambda: events[-1].attributes["event_type"] == "message")
    assert events[-1].attributes["who"] == "03-1234-5678"
    assert events[-1].attributes["recording"].endswith(".wav")
    assert "transcription" not in events[-1].attributes
    assert len(list(media.glob("*.wav"))) == 1
    assert engine.sent("hang_up") == []
    # What comes after the end of a call makes no second call of it.
    await hass.async_block_till_done()
    assert len(line.log.find(LogFilter())) == 1
    assert [event.data["outcome"] for event in told] == ["answered"]


async def test_message_where_calls_are_recorded(
    hass: HomeAssistant,
    voice: Voice,
    engine: FakeEngine,
    entry: MockConfigEntry,
    media: Path,
    changes: Callable[[str], list[State]],
) -> None:
    """A line that records its calls by itself takes messages as any other, with one recording."""
    line = await machine(hass, entry, record="all")
    events = changes(CALL_EVENT)
    listener = gateway(engine)
    listener.call_event(incoming())
    await until(lambda: bool(line.recorder._running))
    speak(listener, 2)
    await hass.async_block_till_done()
    assert engine.sent("hang_up") == []
    listener.call_event(ended())
    await until(lambda: events[-1].attributes["event_type"] == "message")
    assert len(voice.asked) == 1
    assert len(list(media.glob("*.wav"))) == 1


async def test_who_speaks_too_long(
    hass: HomeAssistant, voice: Voice, engine: FakeEngine, entry: MockConfigEntry, media: Path
) -> None:
    """The call is ended, and what was said is kept."""
    line = await machine(hass, entry, answering_seconds=1)
    listener = gateway(engine)
    listener.call_event(incoming())
    await until(lambda: bool(line.recorder._running))
    speak(listener, 3)
    await until(lambda: engine.sent("hang_up") == [("in-1",)])
    await until(lambda: len(list(media.glob("*.json"))) == 1)


async def test_who_says_nothing(
    hass: HomeAssistant,
    voice: Voice,
    engine: FakeEngine,
    entry: MockConfigEntry,
    media: Path,
    changes: Callable[[str], list[State]],
) -> None:
    """Who hangs up at the tone has left no message."""
    line = await machine(hass, entry)
    events = changes(CALL_EVENT)
    listener = gateway(engine)
    listener.call_event(incoming())
    await until(lambda: bool(line.recorder._running))
    speak(listener, 0.5)
    listener.call_event(ended())
    await until(lambda: not line.recorder._finishing)
    assert list(media.iterdir()) == []
    assert events[-1].attributes["event_type"] == "ended"


@pytest.mark.parametrize(
    ("greeting", "said"),
    [
        ("Hello {{ who }}", "Hello 03-1234-5678"),
        ("{{ 'Out' if is_state('person.me', 'not_home') else 'In' }}", "Out"),
        ("{{ broken", None),
        ("mute", "mute"),
    ],
)
async def test_greeting(
    hass: HomeAssistant,
    voice: Voice,
    engine: FakeEngine,
    entry: MockConfigEntry,
    greeting: str,
    said: str | None,
) -> None:
    """It goes by caller and presence; if it cannot be said, the tone alone is heard."""
    hass.states.async_set("person.me", "not_home")
    line = await machine(hass, entry, answering_greeting=greeting)
    listener = gateway(engine)
    listener.call_event(incoming())
    await until(lambda: bool(line.recorder._running))
    assert [message for message, _, _ in voice.asked] == ([said] if said else [])
    assert bool(engine.played)
    listener.call_event(ended())


PAGES = {"en": "docs/recording.md", "ja": "docs/ja/recording.md"}


@pytest.mark.parametrize("page", PAGES)
@pytest.mark.parametrize(
    ("contact", "hour", "presence", "said"),
    [
        (
            {"group": {"en": "Family", "ja": "家族"}},
            12,
            "home",
            {"en": "Hello Oma", "ja": "Omaさん"},
        ),
        ({"language": {"en": "ja", "ja": "en"}}, 23, "home", {"en": "ただいま", "ja": "Please"}),
        ({}, 23, "home", None),
        ({}, 12, "home", {"en": "We cannot come", "ja": "ただいま手が離せません"}),
        ({}, 12, "not_home", {"en": "Back on Monday.", "ja": "Back on Monday."}),
    ],
)
async def test_greeting_of_the_documents(
    hass: HomeAssistant,
    voice: Voice,
    engine: FakeEngine,
    entry: MockConfigEntry,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    page: str,
    contact: dict[str, dict[str, str]],
    hour: int,
    presence: str,
    said: dict[str, str] | None,
) -> None:
    """The example goes by caller, language, time, presence, and what an automation chose."""
    text = (ROOT / PAGES[page]).read_text(encoding="utf-8")
    (example,) = re.findall(r"```jinja name=greeting\n(.*?)```", text, re.DOTALL)
    for name in re.findall(r"local/([\w-]+\.mp3)", example):
        with wave.open(str(tmp_path / name), "wb") as file:
            file.setparams((1, 2, 8000, 0, "NONE", ""))
            file.writeframes(spoken(8000, 0.6))
    at = datetime(2026, 11, 22, hour, tzinfo=UTC)
    monkeypatch.setattr(dt_util, "now", lambda _zone=None: at)
    hass.states.async_set("group.family", presence)
    hass.states.async_set("input_text.greeting", "Back on Monday.")
    known = {key: value[page] for key, value in contact.items()}
    caller: Any = subentry("Grandmother", "0312345678", reading="Oma", **known)
    entry.add_to_hass(hass)
    hass.config_entries.async_add_subentry(entry, ConfigSubentry(**caller))
    line = await machine(hass, entry, answering_greeting=example.replace("tts.home", "tts.voice"))
    listener = gateway(engine)
    listener.call_event(incoming())
    await until(lambda: bool(line.recorder._running))
    if said is None:
        assert voice.asked == []
    else:
        ((words, language, _),) = voice.asked
        assert words.startswith(said[page])
        assert language == known.get("language", "en")
    assert compare(spoken(8000, 0.6), linear(engine.played)).missing_ms == 0
    listener.call_event(ended())


async def test_somebody_takes_it(
    hass: HomeAssistant, engine: FakeEngine, entry: MockConfigEntry
) -> None:
    """A call that is taken, or given up, is none of its business; nor one while it is off."""
    line = await machine(hass, entry, answering_after=60)
    listener = gateway(engine)
    for number, event in enumerate(
        (connected("in-1"), ended("in-2", EndReason.ANSWERED_ELSEWHERE)), start=1
    ):
        listener.call_event(incoming(f"in-{number}", channel=number))
        assert len(line.answering._waiting) == 1
        listener.call_event(event)
        assert line.answering._waiting == {}
    listener.call_event(ended("in-1"))
    await hass.services.async_call("switch", "turn_off", {"entity_id": SWITCH}, blocking=True)
    assert state_of(hass, SWITCH).state == "off"
    listener.call_event(incoming("in-3", channel=3))
    assert line.answering._waiting == {}
    await hass.services.async_call("switch", "turn_on", {"entity_id": SWITCH}, blocking=True)
    assert entry.options["answering_machine"] is True
    assert entry.runtime_data is line


async def test_unloading_waits_for_no_call(
    hass: HomeAssistant, engine: FakeEngine, entry: MockConfigEntry
) -> None:
    """No timer is left."""
    line = await machine(hass, entry, answering_after=60)
    gateway(engine).call_event(incoming())
    assert await hass.config_entries.async_unload(entry.entry_id)
    assert line.answering._waiting == {}


class Ear(stt.SpeechToTextEntity):
    """Writes down how much it heard."""

    _attr_name = "Ear"
    entity_id = "stt.ear"
    supported_languages = ["en"]  # noqa: RUF012 - theirs
    supported_formats = [stt.AudioFormats.WAV]  # noqa: RUF012 - theirs
    supported_codecs = [stt.AudioCodecs.PCM]  # noqa: RUF012 - theirs
    supported_bit_rates = [stt.AudioBitRates.BITRATE_16]  # noqa: RUF012 - theirs
    supported_sample_rates = [stt.AudioSampleRates.SAMPLERATE_16000]  # noqa: RUF012 - theirs
    supported_channels = [stt.AudioChannels.CHANNEL_MONO]  # noqa: RUF012 - theirs

    def __init__(self, *, fails: bool) -> None:
        """Hear nothing yet."""
        self._fails = fails

    async def async_process_audio_stream(
        self, metadata: stt.SpeechMetadata, stream: AsyncIterable[bytes]
    ) -> stt.SpeechResult:
        """Listen."""
        del metadata
        if self._fails:
            raise RuntimeError("deaf")
        heard = sum([len(piece) async for piece in stream])
        return stt.SpeechResult(f"{heard / 32000:.0f} seconds", stt.SpeechResultState.SUCCESS)


@pytest.mark.parametrize(("fails", "words"), [(False, "2 seconds"), (True, None)])
async def test_transcription(
    hass: HomeAssistant,
    voice: Voice,
    engine: FakeEngine,
    entry: MockConfigEntry,
    changes: Callable[[str], list[State]],
    hass_client: ClientSessionGenerator,
    fails: bool,
    words: str | None,
) -> None:
    """What was said is written down by the home's own engine, if that can; the log keeps it."""
    assert await async_setup_component(hass, "stt", {})
    await hass.data[DATA_COMPONENT].async_add_entities([Ear(fails=fails)])
    line = await machine(hass, entry, answering_stt="stt.ear")
    events = changes(CALL_EVENT)
    listener = gateway(engine)
    listener.call_event(incoming())
    await until(lambda: bool(line.recorder._running))
    speak(listener, 2)
    listener.call_event(ended())
    await until(lambda: events[-1].attributes["event_type"] == "message")
    assert events[-1].attributes.get("transcription") == words
    recording = events[-1].attributes["recording"]
    for _ in range(2):
        response: Any = await hass.services.async_call(
            "hikari_denwa", "get_calls", {}, blocking=True, return_response=True
        )
        (logged,) = response["calls"]
        assert logged["recordings"] == [recording]
        assert logged.get("transcription") == words
        assert logged["outcome"] == "answered"
        assert await hass.config_entries.async_reload(entry.entry_id)
    shown = json.dumps(await get_diagnostics_for_config_entry(hass, hass_client, entry))
    assert "2 seconds" not in shown
    assert recording.rpartition("/")[2] not in shown

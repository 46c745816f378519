"""What the tests inside Home Assistant share."""

import asyncio
import os
import shutil
import wave
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from unittest.mock import patch

import audioop
import pytest
from homeassistant.components import tts
from homeassistant.components.tts.const import DATA_COMPONENT
from homeassistant.config_entries import ConfigSubentryData
from homeassistant.core import Event, HomeAssistant, State, callback
from homeassistant.exceptions import HomeAssistantError
from homeassistant.setup import async_setup_component
from pytest_homeassistant_custom_component.common import MockConfigEntry

from custom_components.hikari_denwa.const import DOMAIN
from custom_components.hikari_denwa.line import Line
from custom_components.hikari_denwa.telephony.calls import Family
from custom_components.hikari_denwa.telephony.engine.pjsua2.launcher import Pjsua2Launcher
from custom_components.hikari_denwa.telephony.errors import TelephonyError
from tests.home_gateway.likeness import spoken
from tests.loopback import loopback

from .fake_engine import FakeEngine, connected, incoming

__all__ = ["loopback"]

needs_ffmpeg = pytest.mark.skipif(shutil.which("ffmpeg") is None, reason="ffmpeg is not on PATH")

ENTRY_DATA: dict[str, Any] = {
    "gateway": "2001:db8::1",
    "extension": "3",
    "user_id": "0003",
    "password": "secret-word",
    "family": "automatic",
    "port": 5060,
}


def state_of(hass: HomeAssistant, entity_id: str) -> State:
    """Return the state of an entity that must have one."""
    state = hass.states.get(entity_id)
    assert state is not None, entity_id
    return state


def linear(payloads: list[bytes]) -> bytes:
    """Return µ-law as 16 bit."""
    return audioop.ulaw2lin(b"".join(payloads), 2)


async def until(holds: Callable[[], bool]) -> None:
    """Wait until something holds."""
    async with asyncio.timeout(20):
        while not holds():
            await asyncio.sleep(0.01)


class Voice(tts.TextToSpeechEntity):
    """Speaks a sentence whatever is asked, and notes how it was wanted."""

    _attr_name = "Voice"
    _attr_supported_languages = ["en", "ja"]  # noqa: RUF012 - theirs
    _attr_default_language = "en"
    _attr_supported_options = [  # noqa: RUF012 - theirs
        "voice",
        "preferred_format",
        "preferred_sample_rate",
        "preferred_sample_channels",
        "preferred_sample_bytes",
    ]
    entity_id = "tts.voice"

    def __init__(self, folder: Path) -> None:
        """Begin with nothing said."""
        self.asked: list[tuple[str, str, dict[str, Any]]] = []
        self._path = folder / "voice.wav"

    async def async_get_tts_audio(
        self, message: str, language: str, options: dict[str, Any]
    ) -> tts.TtsAudioType:
        """Speak."""
        self.asked.append((message, language, options))
        if message == "mute":
            raise HomeAssistantError("no voice today")
        with wave.open(str(self._path), "wb") as file:
            file.setnchannels(1)
            file.setsampwidth(2)
            file.setframerate(8000)
            file.writeframes(spoken(8000, 0.6))
        return "wav", self._path.read_bytes()


@pytest.fixture
async def voice(hass: HomeAssistant, tmp_path: Path) -> Voice:
    """Return a text-to-speech engine that Home Assistant has."""
    speaker = Voice(tmp_path)
    assert await async_setup_component(hass, "tts", {})
    await hass.data[DATA_COMPONENT].async_add_entities([speaker])
    return speaker


@pytest.fixture(autouse=True)
def no_speech_of_before(tmp_path: Path) -> Iterator[None]:
    """Have Home Assistant keep what was said in the test's own folder, whoever sets it up."""
    with (
        patch("homeassistant.components.tts._init_tts_cache_dir", return_value=str(tmp_path)),
        patch("homeassistant.components.tts._get_cache_files", return_value={}),
    ):
        yield


@pytest.fixture(autouse=True)
def custom_integrations(enable_custom_integrations: None) -> None:
    """Let Home Assistant load the integration of this checkout."""


@pytest.fixture(autouse=True)
def ffmpeg() -> Iterator[None]:
    """Let Home Assistant believe in its ffmpeg without asking the program."""
    with patch("homeassistant.components.ffmpeg.FFVersion.get_version", return_value="7.1"):
        yield


@pytest.fixture
def engine() -> Iterator[FakeEngine]:
    """Put a fake in the place of the engine's client."""
    fake = FakeEngine()
    with patch("custom_components.hikari_denwa.engine.EngineClient", fake.make):
        yield fake


@pytest.fixture
async def families(
    request: pytest.FixtureRequest, loopback: None, monkeypatch: pytest.MonkeyPatch
) -> tuple[Family, ...]:
    """Have lines use the back end that was asked for; returns the families that it speaks."""
    if request.config.getoption("backend") == "native":
        return tuple(Family)
    interpreter = os.environ.get("HIKARI_PJSUA2_PYTHON")
    if not interpreter:
        pytest.skip("HIKARI_PJSUA2_PYTHON names no Python with pjsua2")
    launcher = Pjsua2Launcher(interpreter=interpreter)
    try:
        report = await launcher.probe()
    except TelephonyError as error:
        pytest.skip(f"the pjsua2 of {interpreter} cannot serve: {error}")
    monkeypatch.setattr("custom_components.hikari_denwa.engine.NATIVE", launcher)
    return report.families


def home(*contacts: ConfigSubentryData, **options: object) -> MockConfigEntry:
    """Return the entry of a line with contacts that is not set up."""
    return MockConfigEntry(
        domain=DOMAIN,
        title="Home",
        entry_id="line-1",
        data=ENTRY_DATA,
        options=options,
        subentries_data=contacts,
    )


@pytest.fixture
def entry() -> MockConfigEntry:
    """Return the entry of a line that is not set up."""
    return home(door_phones=["1", "0451234567"])


@pytest.fixture
async def line(hass: HomeAssistant, engine: FakeEngine, entry: MockConfigEntry) -> Line:
    """Return a line that is set up and registered."""
    entry.add_to_hass(hass)
    assert await hass.config_entries.async_setup(entry.entry_id)
    await hass.async_block_till_done()
    running: Line = entry.runtime_data
    return running


@pytest.fixture
def changes(hass: HomeAssistant) -> Callable[[str], list[State]]:
    """Return how to collect the states that an entity goes through from now on."""

    def collect(entity_id: str) -> list[State]:
        states: list[State] = []

        @callback
        def changed(event: Event[Any]) -> None:
            if event.data["entity_id"] == entity_id and event.data["new_state"]:
                states.append(event.data["new_state"])

        hass.bus.async_listen("state_changed", changed)
        return states

    return collect


@pytest.fixture
async def talking(engine: FakeEngine, line: Line) -> Line:
    """Return a line whose call carries sound."""
    engine.client.listener().call_event(incoming())
    engine.client.listener().call_event(connected())
    return line

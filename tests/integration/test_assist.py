"""Assist over the phone: chosen callers with their PIN, and calls that Assist places."""

import asyncio
from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import Any
from unittest.mock import patch

import pytest
from homeassistant.components.assist_pipeline import PipelineEvent, PipelineEventType
from homeassistant.components.assist_pipeline.select import get_chosen_pipeline
from homeassistant.components.assist_satellite.const import DATA_COMPONENT
from homeassistant.core import Context, HomeAssistant
from homeassistant.exceptions import HomeAssistantError
from homeassistant.helpers import device_registry as dr
from homeassistant.helpers import entity_registry as er
from homeassistant.setup import async_setup_component
from pytest_homeassistant_custom_component.common import MockConfigEntry
from pytest_homeassistant_custom_component.typing import WebSocketGenerator

from custom_components.hikari_denwa import assist_satellite as satellite_module
from custom_components.hikari_denwa import playback as playback_module
from custom_components.hikari_denwa.assist import error_tone, listening_tone
from custom_components.hikari_denwa.const import DOMAIN
from custom_components.hikari_denwa.line import Line
from custom_components.hikari_denwa.telephony.calls import EndReason
from custom_components.hikari_denwa.telephony.engine.client import LineListener
from custom_components.hikari_denwa.telephony.errors import LineNotRegisteredError

from .conftest import Voice, needs_ffmpeg, state_of, until
from .fake_engine import (
    FakeEngine,
    connected,
    dtmf,
    ended,
    far_sound,
    incoming,
    not_registered,
)

SATELLITE = "assist_satellite.home_assist"
ASSISTANT = "select.home_assistant"
PAUSE = "select.home_finished_speaking_detection"
LOUD = b"\x80" * 160
OPTIONS = {
    "assist": True,
    "assist_callers": [{"number": "0312345678", "person": "person.me"}, {"number": "1"}],
    "assist_pin": "4711",
    "assist_number": "0451110000",
}

pytestmark = needs_ffmpeg


class Pipeline:
    """Takes the place of Assist: hears for a while, then does what the test wants."""

    def __init__(self, hass: HomeAssistant) -> None:
        """Do nothing yet."""
        self._hass = hass
        self.heard: list[int] = []
        self.contexts: list[Context] = []
        self.chosen: list[tuple[str | None, float]] = []
        self.says: str | None = "hello"
        self.understands = "yes please"

    async def run(self, _hass: HomeAssistant, **given: Any) -> None:
        """Hear a fifth of a second, understand, and reply."""
        self.contexts.append(given["context"])
        self.chosen.append((given["pipeline_id"], given["audio_settings"].silence_seconds))
        tell: Callable[[PipelineEvent], None] = given["event_callback"]
        heard = 0
        async for piece in given["stt_stream"]:
            heard += len(piece)
            if heard >= 6400:
                break
        self.heard.append(heard)
        tell(PipelineEvent(PipelineEventType.STT_END, {"stt_output": {"text": self.understands}}))
        if given["end_stage"] != "stt":
            if self.says is None:
                tell(PipelineEvent(PipelineEventType.ERROR, {"code": "x", "message": "x"}))
            else:
                media = f"media-source://tts/tts.voice?message={self.says}"
                tell(PipelineEvent(PipelineEventType.TTS_START, {}))
                tell(PipelineEvent(PipelineEventType.TTS_END, {"tts_output": {"media_id": media}}))
        tell(PipelineEvent(PipelineEventType.RUN_END))


@pytest.fixture(autouse=True)
def at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let no time pass."""
    monkeypatch.setattr(playback_module, "SETTLE", timedelta())
    monkeypatch.setattr(satellite_module, "_ANSWER_SECONDS", 0.0)


@pytest.fixture
def pipeline(hass: HomeAssistant) -> Iterator[Pipeline]:
    """Return what takes the place of Assist."""
    fake = Pipeline(hass)
    with patch(
        "homeassistant.components.assist_satellite.entity.async_pipeline_from_audio_stream",
        fake.run,
    ):
        yield fake


@pytest.fixture
async def line(
    hass: HomeAssistant,
    engine: FakeEngine,
    voice: Voice,
    pipeline: Pipeline,
    entry: MockConfigEntry,
    hass_admin_user: Any,
) -> Line:
    """Return a line with Assist."""
    assert await async_setup_component(hass, "homeassistant", {})
    hass.states.async_set("person.me", "home", {"user_id": hass_admin_user.id})
    entry.add_to_hass(hass)
    hass.config_entries.async_update_entry(entry, options=OPTIONS)
    assert await hass.config_entries.async_setup(entry.entry_id)
    await hass.async_block_till_done()
    running: Line = entry.runtime_data
    return running


@pytest.fixture
def gateway(engine: FakeEngine, line: Line) -> LineListener:
    """Let the gateway connect what is answered or dialled, and end what is hung up."""
    client = engine.client
    listener = client.listener()
    answer, dial, hang_up = client.answer, client.dial, client.hang_up

    async def answers(call: str) -> None:
        await answer(call)
        asyncio.get_running_loop().call_soon(listener.call_event, connected(call))

    async def dials(name: str, number: str, **terms: Any) -> Any:
        dialled = await dial(name, number, **terms)
        asyncio.get_running_loop().call_soon(listener.call_event, connected(dialled.call))
        return dialled

    async def hangs_up(call: str) -> None:
        await hang_up(call)
        listener.call_event(ended(call, EndReason.HUNG_UP_HERE))

    client.answer = answers  # type: ignore[method-assign]
    client.dial = dials  # type: ignore[method-assign, assignment]
    client.hang_up = hangs_up  # type: ignore[method-assign]
    return listener


async def speaking(listener: LineListener, channel: int, holds: Callable[[], bool]) -> None:
    """Let the far side speak until something holds."""
    async with asyncio.timeout(20):
        while not holds():
            listener.sound(far_sound(LOUD, channel))
            await asyncio.sleep(0.001)


async def test_caller_with_the_pin(
    hass: HomeAssistant,
    engine: FakeEngine,
    line: Line,
    voice: Voice,
    gateway: LineListener,
    pipeline: Pipeline,
    hass_admin_user: Any,
) -> None:
    """The PIN is asked for; then one command after the other is done in the caller's name."""
    assert state_of(hass, SATELLITE).state == "idle"
    gateway.call_event(incoming())
    await until(
        lambda: [said[0] for said in voice.asked] == ["Please enter your PIN, then the hash key."]
    )
    await until(lambda: len(engine.played) > 5)
    for key in "4711#":
        gateway.call_event(dtmf(key))
    await speaking(gateway, 1, lambda: len(pipeline.heard) >= 2)
    assert pipeline.heard[0] >= 6400
    assert {context.user_id for context in pipeline.contexts} == {hass_admin_user.id}
    tone = [payload async for payload in listening_tone().frames()]
    assert tone[3] in engine.played
    assert "hello" in [said[0] for said in voice.asked]
    gateway.call_event(ended())
    await until(lambda: state_of(hass, SATELLITE).state == "idle")
    await hass.async_block_till_done(wait_background_tasks=True)
    assert engine.sent("hang_up") == []


async def test_caller_without_the_pin(
    engine: FakeEngine, line: Line, gateway: LineListener, pipeline: Pipeline
) -> None:
    """After three wrong ones the call is ended, and nobody was heard."""
    gateway.call_event(incoming())
    for tries in range(3):
        await until(lambda tries=tries: len(engine.played) > 5 + 30 * tries)  # type: ignore[misc]
        for key in "1234#":
            gateway.call_event(dtmf(key))
        await asyncio.sleep(0.05)
    await until(lambda: engine.sent("hang_up") == [("in-1",)])
    assert pipeline.heard == []


async def test_extension_needs_no_pin(
    hass: HomeAssistant,
    engine: FakeEngine,
    line: Line,
    gateway: LineListener,
    pipeline: Pipeline,
) -> None:
    """A phone of the house is who it says; it has no user, so nobody acts."""
    gateway.call_event(incoming(number="1", internal=True))
    await speaking(gateway, 1, lambda: len(pipeline.heard) >= 1)
    assert pipeline.contexts[0].user_id is None
    gateway.call_event(ended())
    await hass.async_block_till_done(wait_background_tasks=True)


async def test_strangers_are_not_answered(
    hass: HomeAssistant, engine: FakeEngine, line: Line, gateway: LineListener
) -> None:
    """Who is not on the list rings on."""
    gateway.call_event(incoming(number="0399999999"))
    await hass.async_block_till_done(wait_background_tasks=True)
    assert engine.sent("answer") == []


async def test_without_a_pin_nobody_outside_is_served(
    hass: HomeAssistant, engine: FakeEngine, line: Line, entry: MockConfigEntry
) -> None:
    """A number alone proves nothing."""
    hass.config_entries.async_update_entry(entry, options={**OPTIONS, "assist_pin": ""})
    assert await hass.config_entries.async_reload(entry.entry_id)
    engine.client.listener().call_event(incoming())
    await hass.async_block_till_done(wait_background_tasks=True)
    assert engine.sent("answer") == []


async def test_failures_end_the_call(
    engine: FakeEngine, line: Line, gateway: LineListener, pipeline: Pipeline
) -> None:
    """Assist that fails three times in a row is no conversation."""
    pipeline.says = None
    gateway.call_event(incoming(number="1", internal=True))
    await speaking(gateway, 1, lambda: engine.sent("hang_up") == [("in-1",)])
    assert len(pipeline.heard) == 3
    tone = [payload async for payload in error_tone().frames()]
    assert tone[2] in engine.played


async def test_announce_calls(
    hass: HomeAssistant, engine: FakeEngine, line: Line, voice: Voice, gateway: LineListener
) -> None:
    """The person is called, hears it, and the call ends."""
    await hass.services.async_call(
        "assist_satellite",
        "announce",
        {"entity_id": SATELLITE, "media_id": "media-source://tts/tts.voice?message=dinner"},
        blocking=True,
    )
    assert engine.sent("dial") == [("line-1", "0451110000")]
    assert {said[0] for said in voice.asked} == {"dinner"}
    assert len(engine.played) > 30
    assert engine.sent("hang_up") == [("out-1",)]


async def test_announce_into_the_call(
    hass: HomeAssistant, engine: FakeEngine, line: Line, gateway: LineListener
) -> None:
    """Who is on the telephone already is told there, and the call goes on."""
    gateway.call_event(incoming(number="0399999999"))
    gateway.call_event(connected())
    await hass.services.async_call(
        "assist_satellite",
        "announce",
        {"entity_id": SATELLITE, "media_id": "media-source://tts/tts.voice?message=dinner"},
        blocking=True,
    )
    assert engine.sent("dial") == []
    assert engine.sent("hang_up") == []
    assert line.state.call is not None


async def test_ask_question(
    hass: HomeAssistant,
    engine: FakeEngine,
    line: Line,
    gateway: LineListener,
    pipeline: Pipeline,
) -> None:
    """The person is called, asked, understood, and the call ends."""
    asked = asyncio.create_task(
        hass.services.async_call(
            "assist_satellite",
            "ask_question",
            {
                "entity_id": SATELLITE,
                "question_media_id": "media-source://tts/tts.voice?message=coming",
                "answers": [{"id": "yes", "sentences": ["yes [please]"]}],
            },
            blocking=True,
            return_response=True,
        )
    )
    await speaking(gateway, 101, asked.done)
    answer = await asked
    assert answer is not None
    assert (answer["id"], answer["sentence"]) == ("yes", "yes please")
    await until(lambda: engine.sent("hang_up") == [("out-1",)])
    assert len(pipeline.heard) == 1


async def test_nobody_answers(hass: HomeAssistant, engine: FakeEngine, line: Line) -> None:
    """That the person was not reached is an error with its reason."""

    def busy() -> None:
        engine.client.listener().call_event(ended("out-1", EndReason.BUSY, status=486))

    announcing = asyncio.create_task(
        hass.services.async_call(
            "assist_satellite",
            "announce",
            {"entity_id": SATELLITE, "media_id": "http://[::1]:1/x.mp3"},
            blocking=True,
        )
    )
    await until(lambda: engine.sent("dial") != [])
    await asyncio.sleep(0)
    busy()
    with pytest.raises(HomeAssistantError) as error:
        await announcing
    assert error.value.translation_key == "call_busy"


async def one_command(gateway: LineListener, pipeline: Pipeline, call: str, channel: int) -> None:
    """Let an extension say one command to Assist."""
    heard = len(pipeline.heard)
    gateway.call_event(incoming(call, number="1", internal=True, channel=channel))
    await speaking(gateway, channel, lambda: len(pipeline.heard) > heard)
    gateway.call_event(ended(call))


async def test_choose_the_assistant(
    hass: HomeAssistant,
    line: Line,
    gateway: LineListener,
    pipeline: Pipeline,
    hass_ws_client: WebSocketGenerator,
) -> None:
    """A call talks by the assistant of the select, and a pause is as long as the other says."""
    socket = await hass_ws_client(hass)
    await socket.send_json_auto_id({"type": "assist_pipeline/pipeline/list"})
    (preferred,) = (await socket.receive_json())["result"]["pipelines"]
    del preferred["id"]
    await socket.send_json_auto_id(
        {"type": "assist_pipeline/pipeline/create", **preferred, "name": "By telephone"}
    )
    created = (await socket.receive_json())["result"]
    await hass.async_block_till_done()
    assert state_of(hass, ASSISTANT).state == "preferred"
    assert "By telephone" in state_of(hass, ASSISTANT).attributes["options"]
    assert state_of(hass, PAUSE).state == "default"
    await one_command(gateway, pipeline, "in-1", 1)
    for entity, option in ((ASSISTANT, "By telephone"), (PAUSE, "relaxed")):
        await hass.services.async_call(
            "select", "select_option", {"entity_id": entity, "option": option}, blocking=True
        )
    await one_command(gateway, pipeline, "in-2", 2)
    assert pipeline.chosen == [(None, 0.7), (created["id"], 1.25)]
    # Home Assistant finds them by the device, and the choice outlives a reload.
    assert get_chosen_pipeline(hass, DOMAIN, "line-1") == created["id"]
    assert await hass.config_entries.async_reload("line-1")
    await hass.async_block_till_done()
    assert state_of(hass, ASSISTANT).state == "By telephone"
    assert state_of(hass, PAUSE).state == "relaxed"
    (device,) = dr.async_entries_for_config_entry(dr.async_get(hass), "line-1")
    registry = er.async_get(hass)
    for entity in (ASSISTANT, PAUSE):
        found = registry.async_get(entity)
        assert found is not None
        assert (found.device_id, found.entity_category) == (device.id, "config")
    satellite = hass.data[DATA_COMPONENT].get_entity(SATELLITE)
    assert satellite is not None
    assert satellite.pipeline_entity_id == ASSISTANT
    assert satellite.vad_sensitivity_entity_id == PAUSE


async def test_a_line_that_is_down_can_be_set(
    hass: HomeAssistant, line: Line, gateway: LineListener
) -> None:
    """What is chosen has nothing to do with the gateway."""
    gateway.registration_changed(not_registered("line-1", LineNotRegisteredError()))
    await hass.async_block_till_done()
    assert state_of(hass, SATELLITE).state == "unavailable"
    for entity in (ASSISTANT, PAUSE):
        assert state_of(hass, entity).state != "unavailable"


async def test_selects_that_the_owner_disabled(
    hass: HomeAssistant, line: Line, gateway: LineListener, pipeline: Pipeline
) -> None:
    """Without them calls talk by the preferred assistant."""
    registry = er.async_get(hass)
    for entity in (ASSISTANT, PAUSE):
        registry.async_update_entity(entity, disabled_by=er.RegistryEntryDisabler.USER)
    await hass.async_block_till_done()
    assert hass.states.get(ASSISTANT) is None
    await one_command(gateway, pipeline, "in-1", 1)
    assert pipeline.chosen == [(None, 0.7)]


async def test_off_by_itself(
    hass: HomeAssistant, engine: FakeEngine, line: Line, entry: MockConfigEntry
) -> None:
    """Without the option there are no entities of Assist; they come back as they were."""
    registry = er.async_get(hass)
    registry.async_update_entity(SATELLITE, new_entity_id="assist_satellite.phone")
    for options, there in (({}, False), (OPTIONS, True)):
        hass.config_entries.async_update_entry(entry, options=options)
        assert await hass.config_entries.async_reload(entry.entry_id)
        await hass.async_block_till_done()
        for entity in ("assist_satellite.phone", ASSISTANT, PAUSE):
            assert (hass.states.get(entity) is not None) == there
            assert (registry.async_get(entity) is not None) == there

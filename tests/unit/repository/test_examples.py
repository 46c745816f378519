"""Every example of the documents does in Home Assistant what it says."""

from dataclasses import replace
from datetime import UTC, datetime
from typing import Any
from unittest.mock import Mock

import pytest
import yaml
from homeassistant.core import HomeAssistant, ServiceCall, SupportsResponse
from homeassistant.helpers.dispatcher import async_dispatcher_send
from homeassistant.setup import async_setup_component

from custom_components.hikari_denwa.actions import _SCHEMAS, Action
from custom_components.hikari_denwa.call_updates import SIGNAL_CALL
from custom_components.hikari_denwa.calls import Call, CallEventType, CallUpdate
from custom_components.hikari_denwa.telephony.calls import (
    CallDirection,
    CallerIdKind,
    CallState,
    Family,
)

from .documents import ROOT, Example, examples

INTEGRATION = ROOT / "custom_components" / "hikari_denwa"
LINE = "hikari_denwa"
CALL = Call(
    id="call-1",
    channel=1,
    direction=CallDirection.INCOMING,
    state=CallState.RINGING,
    caller_id=CallerIdKind.NUMBER,
    number="09012345678",
    name=None,
    called=None,
    internal=False,
    family=Family.IPV6,
    started=datetime(2026, 11, 22, 14, 30, tzinfo=UTC),
)
CALLER = {
    "who": "090-1234-5678",
    "number": "09012345678",
    "caller_id": "withheld",
    "started": "2026-11-22T23:30:00+09:00",
    "digit": "1",
}
EXPECTED = {
    "announce-the-caller": ["media_player.media_pause", "tts.speak"],
    "missed-call": ["notify.notify"],
    "hush-in-a-call": ["media_player.media_pause"],
    "doorbell": ["hikari_denwa.listen", "hikari_denwa.answer"],
    "open-the-door": ["hikari_denwa.send_dtmf", "hikari_denwa.hang_up"],
    "answer-my-mobile": ["hikari_denwa.answer"],
    "key-turns-on-the-light": ["light.turn_on"],
    "reject-withheld-at-night": ["hikari_denwa.reject"],
    "water-leak": ["hikari_denwa.dial", "notify.notify"],
    "listen": ["hikari_denwa.listen"],
    "speak-into-the-call": ["tts.speak"],
    "record-the-call": ["hikari_denwa.start_recording"],
    "message-was-left": ["notify.notify"],
    "ask-by-telephone": ["assist_satellite.ask_question"],
    "message-to-a-contact": ["notify.send_message"],
    "call-and-say": ["hikari_denwa.dial"],
    "alarm-call": ["hikari_denwa.dial"],
    "menu": ["hikari_denwa.ask", "light.turn_on", "hikari_denwa.hang_up"],
    "listen-to-every-call": ["hikari_denwa.listen"],
    "stop-listening": ["hikari_denwa.stop_listening"],
    "export-contacts": ["hikari_denwa.export_contacts"],
    "announce-the-family": ["tts.speak"],
    "missed-calls-message": ["hikari_denwa.get_calls", "notify.notify"],
    "good-night": ["switch.turn_on"],
    "block-the-last-caller": ["hikari_denwa.block_number"],
    "ring-in-the-study": ["select.select_option"],
    "forget-the-old-gateway": ["hikari_denwa.forget_experience"],
    "check-before-dialling": ["hikari_denwa.check_number", "hikari_denwa.dial"],
}
OTHERS = (
    "media_player.media_pause",
    "tts.speak",
    "notify.notify",
    "notify.send_message",
    "light.turn_on",
    "switch.turn_on",
    "select.select_option",
)
EVENT_TYPES = {"message-was-left": "message"}
NATIVE = {
    "call_received": CallEventType.INCOMING,
    "call_missed": CallEventType.MISSED,
    "call_answered": CallEventType.ANSWERED,
    "dtmf_received": CallEventType.DTMF,
}


def runnable() -> list[Example]:
    """Return the examples that do something."""
    return [example for example in examples() if example.kind in {"automation", "script", "action"}]


def page(example: Example) -> str:
    """Name an example for a person."""
    return f"{example.path.relative_to(ROOT)}-{example.name}"


@pytest.fixture(autouse=True)
def custom_integrations(enable_custom_integrations: None) -> None:
    """Let Home Assistant load the integration of this checkout."""
    del enable_custom_integrations


@pytest.fixture
def performed(hass: HomeAssistant) -> list[ServiceCall]:
    """Take every action that an example can perform; those of the line check their data."""
    calls: list[ServiceCall] = []

    async def take(call: ServiceCall) -> dict[str, Any]:
        """Note an action; the first call to be placed fails, the next one is answered."""
        dialled = [seen for seen in calls if seen.service == "dial"]
        calls.append(call)
        result = "connected" if dialled else "failed"
        return {
            "result": result,
            "outlook": "works",
            "url": "http://example.test/",
            "digits": "1",
            "total": 1,
            "calls": [CALLER],
        }

    for action in Action:
        hass.services.async_register(
            LINE, action, take, _SCHEMAS[action], supports_response=SupportsResponse.OPTIONAL
        )
    hass.services.async_register(
        "assist_satellite",
        "ask_question",
        take,
        supports_response=SupportsResponse.OPTIONAL,
    )
    for name in OTHERS:
        domain, _, service = name.partition(".")
        hass.services.async_register(domain, service, take)
    return calls


def tell(hass: HomeAssistant, happened: CallEventType, *, withheld: bool = False) -> None:
    """Tell what happened to a call, as a line would."""
    call = CALL
    if happened is CallEventType.ANSWERED:
        call = replace(call, answered=call.started)
    if withheld:
        call = replace(call, caller_id=CallerIdKind.WITHHELD, number=None)
    line: Any = Mock(calls=(call,), entry=Mock(entry_id="line-1", title="Hikari Denwa"))
    update = CallUpdate(type=happened, call=call, who="090-1234-5678", digit="1")
    stranger = {"number": "0312345678", "who": "03-1234-5678"}
    line.describe.return_value = {**update.attributes(), **stranger}
    loaded = Mock(entry_id="line-1", runtime_data=line)
    hass.config_entries.async_loaded_entries = Mock(return_value=[loaded])  # type: ignore[method-assign]
    async_dispatcher_send(hass, SIGNAL_CALL, line, update)


async def trigger(hass: HomeAssistant, example: Example) -> None:
    """Bring about what an automation waits for."""
    (condition,) = example.content["triggers"]
    if condition["trigger"].startswith(f"{LINE}."):
        happened = NATIVE[condition["trigger"].partition(".")[2]]
        tell(hass, happened, withheld="caller_id" in condition.get("options", {}))
        await hass.async_block_till_done()
        return
    entity_id = condition["entity_id"]
    if entity_id == "binary_sensor.water_leak":
        hass.states.async_set(entity_id, "off")
        hass.states.async_set(entity_id, "on")
        return
    hass.states.async_set(entity_id, "unknown")
    await hass.async_block_till_done()
    group = "家族" if example.path.parent.name == "ja" else "Family"
    event_type = EVENT_TYPES.get(example.name, "incoming")
    attributes = {"event_type": event_type, **CALLER, "group": group}
    hass.states.async_set(entity_id, "2026-11-22T23:30:00.000+09:00", attributes)


@pytest.mark.parametrize("example", runnable(), ids=page)
async def test_example_does_what_it_says(
    hass: HomeAssistant,
    performed: list[ServiceCall],
    example: Example,
    freezer: Any,
) -> None:
    """Loaded and triggered, it performs its actions with data that the actions take."""
    await hass.config.async_set_time_zone("Asia/Tokyo")
    freezer.move_to("2026-11-22T23:30:00+09:00")
    content = yaml.safe_load(yaml.safe_dump(example.content).replace("00:00:05", "00:00:00"))
    if example.kind == "automation":
        assert await async_setup_component(hass, "automation", {"automation": [content]})
        await hass.async_block_till_done()
        (entity_id,) = hass.states.async_entity_ids("automation")
        state = hass.states.get(entity_id)
        assert state is not None
        assert state.state == "on"
        await trigger(hass, example)
    else:
        sequence = content if example.kind == "script" else {"sequence": [content]}
        assert await async_setup_component(hass, "script", {"script": {"example": sequence}})
        await hass.services.async_call("script", "example", blocking=True)
    await hass.async_block_till_done(wait_background_tasks=True)
    assert [f"{call.domain}.{call.service}" for call in performed] == EXPECTED[example.name]


@pytest.mark.parametrize(
    "example", [example for example in runnable() if example.kind == "automation"], ids=page
)
async def test_example_keeps_still_otherwise(
    hass: HomeAssistant, performed: list[ServiceCall], example: Example
) -> None:
    """An event of another kind, and coming back from unavailable, does nothing."""
    assert await async_setup_component(hass, "automation", {"automation": [example.content]})
    await hass.async_block_till_done()
    (condition,) = example.content["triggers"]
    if condition["trigger"].startswith(f"{LINE}."):
        for other in set(NATIVE.values()) - {NATIVE[condition["trigger"].partition(".")[2]]}:
            tell(hass, other)
        await hass.async_block_till_done()
        assert performed == []
        return
    entity_id = condition["entity_id"]
    before = {"event_type": "incoming", **CALLER}
    hass.states.async_set(entity_id, "2026-11-22T23:00:00.000+09:00", before)
    await hass.async_block_till_done()
    performed.clear()
    hass.states.async_set(entity_id, "unavailable")
    await hass.async_block_till_done()
    hass.states.async_set(entity_id, "2026-11-22T23:00:00.000+09:00", before)
    await hass.async_block_till_done()
    if "doorbell" not in entity_id:
        hass.states.async_set(
            entity_id, "2026-11-22T23:10:00.000+09:00", {"event_type": "answered"}
        )
    await hass.async_block_till_done()
    assert performed == []


def test_every_entity_of_the_examples_exists() -> None:
    """Entities of the line are named as an English Home Assistant names them."""
    strings = yaml.safe_load((INTEGRATION / "strings.json").read_text())["entity"]
    names = {
        f"{domain}.{LINE}_{entity['name'].lower().replace(' ', '_')}"
        for domain, entities in strings.items()
        for entity in entities.values()
    }
    for example in examples():
        for word in yaml.safe_dump(example.content).replace("'", " ").split():
            if f".{LINE}_" in word:
                assert word in names, page(example)

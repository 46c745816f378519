"""Device triggers and device actions, as the older editor offers them."""

from typing import Any

import pytest
from homeassistant.components.device_automation import (
    DeviceAutomationType,
    InvalidDeviceAutomationConfig,
)
from homeassistant.core import HomeAssistant
from homeassistant.exceptions import HomeAssistantError
from homeassistant.helpers import device_registry as dr
from homeassistant.helpers import entity_registry as er
from homeassistant.helpers.script import Script, async_validate_actions_config
from homeassistant.setup import async_setup_component
from pytest_homeassistant_custom_component.common import (
    MockConfigEntry,
    async_get_device_automation_capabilities,
    async_get_device_automations,
)

from custom_components.hikari_denwa.device_action import (
    ACTION_SCHEMA,
    async_call_action_from_config,
)
from custom_components.hikari_denwa.device_automation import line_of_device
from custom_components.hikari_denwa.line import Line
from custom_components.hikari_denwa.trigger import TRIGGERS

from .automation import automate
from .fake_engine import FakeEngine, connected, dtmf, incoming


@pytest.fixture
def device(hass: HomeAssistant, line: Line) -> str:
    """Return the device of the line."""
    entity = er.async_get(hass).async_get("event.home_call")
    assert entity
    assert entity.device_id
    return entity.device_id


def of(device: str, kind: str, **fields: Any) -> dict[str, Any]:
    """Return the configuration of a device action."""
    return {"domain": "hikari_denwa", "device_id": device, "type": kind, **fields}


async def test_triggers_are_offered(hass: HomeAssistant, device: str) -> None:
    """The editor offers every trigger, with its fields."""
    assert await async_setup_component(hass, "device_automation", {})
    found = await async_get_device_automations(hass, DeviceAutomationType.TRIGGER, device)
    ours = [each for each in found if each["domain"] == "hikari_denwa"]
    assert [each["type"] for each in ours] == list(TRIGGERS)
    for each in ours:
        offered = await async_get_device_automation_capabilities(
            hass, DeviceAutomationType.TRIGGER, each
        )
        names = [field["name"] for field in offered["extra_fields"]]
        assert names == (["caller", "keys"] if each["type"] == "dtmf_received" else ["caller"])


async def test_triggers(hass: HomeAssistant, engine: FakeEngine, device: str) -> None:
    """They tell what the native triggers tell."""
    told = await automate(
        hass,
        {"id": "any", "trigger": "device", **of(device, "call_received")},
        {"id": "045", "trigger": "device", **of(device, "call_received", caller="045*")},
        {"id": "keys", "trigger": "device", **of(device, "dtmf_received", keys="9#")},
    )
    listener = engine.client.listener()
    listener.call_event(incoming())
    listener.call_event(connected())
    listener.call_event(dtmf("9"))
    listener.call_event(dtmf("#"))
    await hass.async_block_till_done()
    assert [(each["id"], each["event"]) for each in told] == [("any", "incoming"), ("keys", "dtmf")]
    assert told[0]["who"] == "03-1234-5678"
    assert told[0]["device_id"] == device


async def test_actions_are_offered(hass: HomeAssistant, device: str) -> None:
    """The editor offers every action, with its field."""
    assert await async_setup_component(hass, "device_automation", {})
    found = await async_get_device_automations(hass, DeviceAutomationType.ACTION, device)
    ours = [each for each in found if each["domain"] == "hikari_denwa"]
    fields = {}
    for each in ours:
        offered = await async_get_device_automation_capabilities(
            hass, DeviceAutomationType.ACTION, each
        )
        fields[each["type"]] = [field["name"] for field in offered.get("extra_fields", ())]
    assert fields == {
        "answer": [],
        "reject": [],
        "hang_up": [],
        "hold": [],
        "resume": [],
        "dial": ["number"],
        "send_dtmf": ["digits"],
    }


async def test_actions(hass: HomeAssistant, engine: FakeEngine, line: Line, device: str) -> None:
    """They are carried out on the line that the device is."""

    async def run(kind: str, **fields: Any) -> None:
        actions = await async_validate_actions_config(hass, [of(device, kind, **fields)])
        await Script(hass, actions, "test", "test").async_run()

    listener = engine.client.listener()
    listener.call_event(incoming())
    await run("answer")
    listener.call_event(connected())
    await run("send_dtmf", digits="12#")
    await run("hold")
    await run("resume")
    await run("hang_up")
    assert engine.commands == [
        ("answer", "in-1"),
        ("send_dtmf", "in-1", "12#"),
        ("hold", "in-1", True),
        ("hold", "in-1", False),
        ("hang_up", "in-1"),
    ]
    engine.commands.clear()
    await run("dial", number="03-1234-5678")
    assert engine.commands == [("dial", "line-1", "0312345678")]
    config = ACTION_SCHEMA(of(device, "reject"))
    with pytest.raises(HomeAssistantError):
        await async_call_action_from_config(hass, config, {}, None)


async def test_other_devices(hass: HomeAssistant, line: Line) -> None:
    """A device that is no line, or none any more, is refused by name."""
    strange = MockConfigEntry(domain="other")
    strange.add_to_hass(hass)
    lamp = dr.async_get(hass).async_get_or_create(
        config_entry_id=strange.entry_id, identifiers={("other", "lamp")}
    )
    for device in (lamp.id, "unheard-of"):
        with pytest.raises(InvalidDeviceAutomationConfig) as failed:
            line_of_device(hass, device)
        assert failed.value.translation_key == "device_not_line"

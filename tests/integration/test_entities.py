"""Buttons, the number field and the registration sensor."""

import pytest
from homeassistant.core import HomeAssistant
from homeassistant.exceptions import HomeAssistantError, ServiceValidationError
from homeassistant.helpers import entity_registry as er
from pytest_homeassistant_custom_component.common import MockConfigEntry

from custom_components.hikari_denwa.line import Line
from custom_components.hikari_denwa.telephony.errors import LineBusyError

from .conftest import state_of
from .fake_engine import GATEWAY, LOCAL, FakeEngine, connected, incoming

NUMBER = "text.home_number_to_dial"


async def press(hass: HomeAssistant, button: str) -> None:
    """Press a button as a person does."""
    await hass.services.async_call(
        "button", "press", {"entity_id": f"button.home_{button}"}, blocking=True
    )


async def enter(hass: HomeAssistant, number: str) -> None:
    """Write into the number field as a person does."""
    await hass.services.async_call(
        "text", "set_value", {"entity_id": NUMBER, "value": number}, blocking=True
    )


async def test_answer_and_hang_up(hass: HomeAssistant, engine: FakeEngine, line: Line) -> None:
    """The buttons answer and end the call."""
    engine.client.listener().call_event(incoming())
    await press(hass, "answer")
    assert engine.sent("answer") == [("in-1",)]
    engine.client.listener().call_event(connected())
    await press(hass, "hang_up")
    assert engine.sent("hang_up") == [("in-1",)]


async def test_dial(hass: HomeAssistant, engine: FakeEngine, line: Line) -> None:
    """The dial button calls what was entered, and the field keeps it as it was written."""
    await enter(hass, "０３-1234-5678")
    assert state_of(hass, NUMBER).state == "０３-1234-5678"
    await press(hass, "dial")
    assert engine.sent("dial") == [("line-1", "0312345678")]
    assert state_of(hass, NUMBER).state == "０３-1234-5678"


@pytest.mark.parametrize(
    ("button", "reason"),
    [("answer", "call_not_ringing"), ("hang_up", "call_unknown"), ("dial", "number_invalid")],
)
async def test_buttons_that_make_no_sense(
    hass: HomeAssistant, engine: FakeEngine, line: Line, button: str, reason: str
) -> None:
    """What makes no sense now is told by a sentence, and the engine is not asked."""
    with pytest.raises(HomeAssistantError) as error:
        await press(hass, button)
    assert error.value.translation_key == reason
    assert engine.commands == []


@pytest.mark.parametrize(
    ("number", "reason"),
    [
        ("110", "number_emergency"),
        ("１１９", "number_emergency"),
        ("184-118", "number_emergency"),
        ("+81 110", "number_not_in_plan"),
        ("1-1-9#", "number_emergency"),
    ],
)
async def test_emergency_numbers(
    hass: HomeAssistant, engine: FakeEngine, line: Line, number: str, reason: str
) -> None:
    """Emergency numbers never reach the engine."""
    await enter(hass, number)
    with pytest.raises(ServiceValidationError) as error:
        await press(hass, "dial")
    assert error.value.translation_key == reason
    assert engine.commands == []


async def test_engine_refuses(hass: HomeAssistant, engine: FakeEngine, line: Line) -> None:
    """What the engine refuses is told by its sentence."""
    engine.errors["dial"] = LineBusyError()
    await enter(hass, "0312345678")
    with pytest.raises(HomeAssistantError) as error:
        await press(hass, "dial")
    assert error.value.translation_key == "line_busy"
    assert str(error.value) == "The line already has a call"


async def test_number_survives_a_reload(
    hass: HomeAssistant, engine: FakeEngine, entry: MockConfigEntry, line: Line
) -> None:
    """What was entered is still there when the line has been set up anew."""
    await enter(hass, "045-123-4567")
    assert await hass.config_entries.async_reload(entry.entry_id)
    assert state_of(hass, NUMBER).state == "045-123-4567"
    assert entry.runtime_data is not line


async def test_registered(hass: HomeAssistant, line: Line) -> None:
    """The sensor tells over which family and with which addresses."""
    state = state_of(hass, "binary_sensor.home_registered")
    assert state.state == "on"
    assert state.attributes["device_class"] == "connectivity"
    assert state.attributes["family"] == "ipv6"
    assert state.attributes["address"] == GATEWAY
    assert state.attributes["local_address"] == LOCAL
    registered = er.async_get(hass).async_get("binary_sensor.home_registered")
    assert registered is not None
    assert registered.entity_category == "diagnostic"

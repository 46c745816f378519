"""Switches and the choice of the IP family: they take effect at once and outlive a restart."""

from datetime import timedelta
from unittest.mock import patch

import pytest
from freezegun.api import FrozenDateTimeFactory
from homeassistant.config_entries import ConfigEntryState
from homeassistant.core import HomeAssistant
from homeassistant.exceptions import HomeAssistantError
from pytest_homeassistant_custom_component.common import MockConfigEntry, async_fire_time_changed

from custom_components.hikari_denwa.line import Line
from custom_components.hikari_denwa.telephony.calls import EndReason
from custom_components.hikari_denwa.telephony.engine.protocol import FamilyChoice, LineConfig
from custom_components.hikari_denwa.telephony.errors import (
    CallUnknownError,
    GatewaySilentError,
    OnlyIPv6AnswersError,
)

from .conftest import state_of
from .fake_engine import FakeEngine, connected, ended, incoming, not_registered

FAMILY = "select.home_ip_family"


async def turn(hass: HomeAssistant, switch: str, *, on: bool) -> None:
    """Turn a switch as a person does."""
    await hass.services.async_call(
        "switch",
        "turn_on" if on else "turn_off",
        {"entity_id": f"switch.home_{switch}"},
        blocking=True,
    )


async def choose(hass: HomeAssistant, family: str) -> None:
    """Choose a family as a person does."""
    await hass.services.async_call(
        "select", "select_option", {"entity_id": FAMILY, "option": family}, blocking=True
    )


async def ring_for(hass: HomeAssistant, freezer: FrozenDateTimeFactory, seconds: float) -> None:
    """Let time go by."""
    freezer.tick(timedelta(seconds=seconds))
    async_fire_time_changed(hass)
    await hass.async_block_till_done()


@pytest.mark.parametrize(
    ("switch", "option"),
    [
        ("do_not_disturb", "do_not_disturb"),
        ("auto_answer", "auto_answer"),
        ("block_unknown_callers", "block_unknown"),
    ],
)
async def test_switches(
    hass: HomeAssistant,
    engine: FakeEngine,
    entry: MockConfigEntry,
    line: Line,
    switch: str,
    option: str,
) -> None:
    """A switch is kept with the line, without a reload, and can be set while the line is down."""
    entity_id = f"switch.home_{switch}"
    assert state_of(hass, entity_id).state == "off"
    silent = GatewaySilentError(address="2001:db8::1", family="ipv6")
    engine.client.listener().registration_changed(not_registered("line-1", silent))
    await turn(hass, switch, on=True)
    await hass.async_block_till_done()
    assert state_of(hass, entity_id).state == "on"
    assert entry.options[option] is True
    assert entry.runtime_data is line
    assert await hass.config_entries.async_reload(entry.entry_id)
    assert state_of(hass, entity_id).state == "on"
    await turn(hass, switch, on=False)
    assert state_of(hass, entity_id).state == "off"
    assert entry.options["door_phones"] == ["1", "0451234567"]


async def test_do_not_disturb(hass: HomeAssistant, engine: FakeEngine, line: Line) -> None:
    """It counts from the next call on."""
    await turn(hass, "do_not_disturb", on=True)
    engine.client.listener().call_event(incoming("in-1"))
    assert line.state.call is None
    await turn(hass, "do_not_disturb", on=False)
    engine.client.listener().call_event(incoming("in-2", channel=2))
    assert line.state.call is not None
    assert line.state.call.id == "in-2"


async def test_auto_answer(
    hass: HomeAssistant, engine: FakeEngine, line: Line, freezer: FrozenDateTimeFactory
) -> None:
    """What rings is answered after some seconds; a second call is not, while one talks."""
    await turn(hass, "auto_answer", on=True)
    listener = engine.client.listener()
    listener.call_event(incoming("in-1"))
    await ring_for(hass, freezer, 2)
    assert engine.sent("answer") == []
    await ring_for(hass, freezer, 2)
    assert engine.sent("answer") == [("in-1",)]
    listener.call_event(connected("in-1"))
    listener.call_event(incoming("in-2", channel=2))
    await ring_for(hass, freezer, 60)
    assert engine.sent("answer") == [("in-1",)]


async def test_auto_answer_takes_its_own_call(
    hass: HomeAssistant, engine: FakeEngine, line: Line, freezer: FrozenDateTimeFactory
) -> None:
    """A call that rang before it was switched on goes on ringing."""
    listener = engine.client.listener()
    listener.call_event(incoming("in-1"))
    await turn(hass, "auto_answer", on=True)
    listener.call_event(incoming("in-2", channel=2))
    await ring_for(hass, freezer, 10)
    assert engine.sent("answer") == [("in-2",)]


async def test_auto_answer_comes_too_late(
    hass: HomeAssistant,
    engine: FakeEngine,
    line: Line,
    freezer: FrozenDateTimeFactory,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """A call that is over, or was answered, is left alone; a failure is told in the log."""
    await turn(hass, "auto_answer", on=True)
    listener = engine.client.listener()
    listener.call_event(incoming("in-1"))
    listener.call_event(ended("in-1", EndReason.CALLER_GAVE_UP))
    listener.call_event(incoming("in-2", channel=2))
    await line.async_answer()
    await ring_for(hass, freezer, 10)
    assert engine.sent("answer") == [("in-2",)]
    listener.call_event(ended("in-2"))
    engine.errors["answer"] = CallUnknownError()
    listener.call_event(incoming("in-3", channel=3))
    await ring_for(hass, freezer, 10)
    assert engine.sent("answer") == [("in-2",), ("in-3",)]
    assert "Call in-3 cannot be answered by itself" in caplog.text


async def test_family(
    hass: HomeAssistant, engine: FakeEngine, entry: MockConfigEntry, line: Line
) -> None:
    """Another family is taken once the gateway has agreed, without setting up anew."""
    assert state_of(hass, FAMILY).state == "automatic"
    await choose(hass, "ipv4")
    assert state_of(hass, FAMILY).state == "ipv4"
    assert engine.probed[-1].family is FamilyChoice.IPV4
    config, listener = engine.client.lines["line-1"]
    assert config.family is FamilyChoice.IPV4
    assert listener is line
    assert entry.data["family"] == "ipv4"
    assert entry.runtime_data is line
    assert entry.state is ConfigEntryState.LOADED


async def test_family_that_the_gateway_has_not(
    hass: HomeAssistant, engine: FakeEngine, entry: MockConfigEntry, line: Line
) -> None:
    """What the gateway does not answer over changes nothing, and the sentence says why."""
    engine.probe_error = OnlyIPv6AnswersError(address="192.168.1.1", other_address="2001:db8::1")
    with pytest.raises(HomeAssistantError) as error:
        await choose(hass, "ipv4")
    assert error.value.translation_key == "only_ipv6_answers"
    assert entry.data["family"] == "automatic"
    assert state_of(hass, FAMILY).state == "automatic"


@pytest.mark.parametrize("quiet", [False, True])
async def test_family_in_a_call(
    hass: HomeAssistant, engine: FakeEngine, entry: MockConfigEntry, line: Line, quiet: bool
) -> None:
    """A call is not cut by it, not even one that nobody hears."""
    await turn(hass, "do_not_disturb", on=quiet)
    engine.client.listener().call_event(incoming())
    with pytest.raises(HomeAssistantError) as error:
        await choose(hass, "ipv6")
    assert error.value.translation_key == "line_busy"
    assert engine.probed == []
    assert entry.data["family"] == "automatic"


async def test_call_while_the_gateway_is_asked(
    hass: HomeAssistant, engine: FakeEngine, entry: MockConfigEntry, line: Line
) -> None:
    """A call that comes meanwhile is not cut either."""

    async def probe(_config: LineConfig) -> None:
        engine.client.listener().call_event(incoming())

    with patch.object(engine.client, "probe", probe), pytest.raises(HomeAssistantError) as error:
        await choose(hass, "ipv6")
    assert error.value.translation_key == "line_busy"
    assert entry.data["family"] == "automatic"

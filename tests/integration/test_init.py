"""Setting entries up and taking them down."""

import asyncio
import logging
from unittest.mock import patch

import pytest
from homeassistant.config_entries import SOURCE_REAUTH, ConfigEntryState
from homeassistant.const import EVENT_HOMEASSISTANT_STOP
from homeassistant.core import HomeAssistant
from homeassistant.helpers import device_registry as dr
from homeassistant.helpers import entity_registry as er
from pytest_homeassistant_custom_component.common import MockConfigEntry

from custom_components.hikari_denwa.const import DOMAIN
from custom_components.hikari_denwa.line import Line
from custom_components.hikari_denwa.telephony.calls import EndReason
from custom_components.hikari_denwa.telephony.engine.protocol import (
    FamilyChoice,
    LineConfig,
    RegistrationState,
)
from custom_components.hikari_denwa.telephony.errors import (
    CredentialsRejectedError,
    EngineLostError,
    EngineStartError,
    ExtensionUnavailableError,
    GatewaySilentError,
    TelephonyError,
)

from .conftest import ENTRY_DATA, state_of
from .fake_engine import FakeEngine, incoming, not_registered, registered


async def test_set_up_and_unload(
    hass: HomeAssistant, engine: FakeEngine, entry: MockConfigEntry, line: Line
) -> None:
    """An entry registers its line, and unloading leaves nothing."""
    assert entry.state is ConfigEntryState.LOADED
    config, _ = engine.client.lines["line-1"]
    assert config == LineConfig(
        gateway="2001:db8::1",
        extension="3",
        user_id="0003",
        password="secret-word",
        port=5060,
        family=FamilyChoice.AUTOMATIC,
    )
    client = engine.client
    assert await hass.config_entries.async_unload(entry.entry_id)
    await hass.async_block_till_done()
    assert engine.sent("remove_line") == [("line-1",)]
    assert client.closed
    assert not client.lines
    assert {state.state for state in hass.states.async_all()} == {"unavailable"}


async def test_device_and_entities(hass: HomeAssistant, line: Line) -> None:
    """One device carries every entity, and their identity comes from the entry."""
    (device,) = dr.async_entries_for_config_entry(dr.async_get(hass), "line-1")
    assert device.identifiers == {(DOMAIN, "line-1")}
    assert device.name == "Home"
    assert device.configuration_url == "http://[2001:db8::1]/"
    entities = er.async_entries_for_config_entry(er.async_get(hass), "line-1")
    assert {entity.unique_id: entity.entity_id for entity in entities} == {
        "line-1_answer": "button.home_answer",
        "line-1_answering_machine": "switch.home_answering_machine",
        "line-1_auto_answer": "switch.home_auto_answer",
        "line-1_block_unknown": "switch.home_block_unknown_callers",
        "line-1_call": "event.home_call",
        "line-1_call_quality": "sensor.home_sound_quality_of_the_last_call_mos",
        "line-1_call_sound": "media_player.home_call_sound",
        "line-1_call_state": "sensor.home_call_state",
        "line-1_calls_today": "sensor.home_calls_today",
        "line-1_dial": "button.home_dial",
        "line-1_do_not_disturb": "switch.home_do_not_disturb",
        "line-1_doorbell": "event.home_doorbell",
        "line-1_family": "select.home_ip_family",
        "line-1_ring_target": "select.home_ringing_players",
        "line-1_hang_up": "button.home_hang_up",
        "line-1_last_call": "sensor.home_last_call",
        "line-1_last_caller": "sensor.home_last_caller",
        "line-1_mark_calls_seen": "button.home_mark_missed_calls_as_seen",
        "line-1_missed_calls": "sensor.home_missed_calls",
        "line-1_outlook": "sensor.home_call_outlook",
        "line-1_number": "text.home_number_to_dial",
        "line-1_registered": "binary_sensor.home_registered",
        "line-1_talk_time_today": "sensor.home_talk_time_today",
        "line-1_self_test": "button.home_self_test",
        "line-1_trace": "button.home_sip_trace",
    }
    assert {entity.device_id for entity in entities} == {device.id}


async def test_lines_share_one_engine(
    hass: HomeAssistant, engine: FakeEngine, entry: MockConfigEntry, line: Line
) -> None:
    """The engine starts with the first line and stops with the last."""
    other = MockConfigEntry(
        domain=DOMAIN, title="Office", entry_id="line-2", data={**ENTRY_DATA, "extension": "4"}
    )
    other.add_to_hass(hass)
    assert await hass.config_entries.async_setup("line-2")
    assert len(engine.clients) == 1
    assert set(engine.client.lines) == {"line-1", "line-2"}
    assert await hass.config_entries.async_unload("line-1")
    assert engine.client.running
    assert await hass.config_entries.async_unload("line-2")
    assert engine.clients[0].closed


@pytest.mark.parametrize(
    "error",
    [
        CredentialsRejectedError(user_id="0003"),
        ExtensionUnavailableError(extension="3", code="403"),
    ],
)
async def test_rejected_at_set_up(
    hass: HomeAssistant, engine: FakeEngine, entry: MockConfigEntry, error: TelephonyError
) -> None:
    """A rejected line asks its owner and does not try again."""
    engine.first = not_registered("line-1", error, RegistrationState.REJECTED)
    entry.add_to_hass(hass)
    assert not await hass.config_entries.async_setup(entry.entry_id)
    await hass.async_block_till_done()
    assert entry.state is ConfigEntryState.SETUP_ERROR
    assert entry.error_reason_translation_key == error.reason
    (flow,) = hass.config_entries.flow.async_progress()
    assert flow["context"]["source"] == SOURCE_REAUTH
    assert engine.clients[0].closed


async def test_failed_at_set_up(
    hass: HomeAssistant, engine: FakeEngine, entry: MockConfigEntry
) -> None:
    """A gateway that does not answer is tried again later, with a sentence why."""
    silent = GatewaySilentError(address="2001:db8::1", family="ipv6")
    engine.first = not_registered("line-1", silent)
    entry.add_to_hass(hass)
    assert not await hass.config_entries.async_setup(entry.entry_id)
    assert entry.state is ConfigEntryState.SETUP_RETRY
    assert entry.error_reason_translation_key == "gateway_silent"
    assert entry.error_reason_translation_placeholders == {
        "address": "2001:db8::1",
        "family": "IPv6",
    }
    assert engine.sent("remove_line") == [("line-1",)]
    assert engine.clients[0].closed


async def test_no_outcome_at_set_up(
    hass: HomeAssistant, engine: FakeEngine, entry: MockConfigEntry
) -> None:
    """An outcome that does not come in time is a silent gateway."""
    engine.silent = True
    entry.add_to_hass(hass)
    with patch("custom_components.hikari_denwa.line.FIRST_REGISTRATION_SECONDS", 0.01):
        assert not await hass.config_entries.async_setup(entry.entry_id)
    assert entry.state is ConfigEntryState.SETUP_RETRY
    assert entry.error_reason_translation_key == "gateway_silent"


async def test_engine_lost_at_set_up(
    hass: HomeAssistant, engine: FakeEngine, entry: MockConfigEntry
) -> None:
    """An engine that is lost and comes back in time does no harm."""
    engine.silent = True
    entry.add_to_hass(hass)
    setting_up = hass.async_create_task(hass.config_entries.async_setup(entry.entry_id))
    while not engine.clients or not engine.client.lines:
        await asyncio.sleep(0)
    listener = engine.client.listener()
    listener.engine_lost()
    for _ in range(2):
        listener.registration_changed(registered("line-1"))
    assert await setting_up
    assert state_of(hass, "binary_sensor.home_registered").state == "on"


async def test_engine_does_not_start(
    hass: HomeAssistant, engine: FakeEngine, entry: MockConfigEntry
) -> None:
    """An engine that does not start is tried again later."""
    engine.start_error = EngineStartError(detail="no memory")
    entry.add_to_hass(hass)
    assert not await hass.config_entries.async_setup(entry.entry_id)
    assert entry.state is ConfigEntryState.SETUP_RETRY
    assert entry.error_reason_translation_key == "engine_start"


async def test_platform_fails_at_set_up(
    hass: HomeAssistant, engine: FakeEngine, entry: MockConfigEntry
) -> None:
    """Whatever fails after the registration, the line and the engine go."""
    entry.add_to_hass(hass)
    with patch.object(
        hass.config_entries, "async_forward_entry_setups", side_effect=RuntimeError("broken")
    ):
        assert not await hass.config_entries.async_setup(entry.entry_id)
    assert engine.clients[0].closed


async def test_unload_refused(
    hass: HomeAssistant, engine: FakeEngine, entry: MockConfigEntry, line: Line
) -> None:
    """While a platform does not unload, the line stays registered."""
    with patch.object(hass.config_entries, "async_unload_platforms", return_value=False):
        assert not await hass.config_entries.async_unload(entry.entry_id)
    assert engine.client.running
    assert engine.sent("remove_line") == []


async def test_unload_while_the_engine_fails(
    hass: HomeAssistant, engine: FakeEngine, entry: MockConfigEntry, line: Line
) -> None:
    """An engine that cannot remove the line does not stop the unloading."""
    engine.errors["remove_line"] = EngineLostError()
    client = engine.client
    assert await hass.config_entries.async_unload(entry.entry_id)
    assert client.closed


async def test_unload_in_a_call(
    hass: HomeAssistant, engine: FakeEngine, entry: MockConfigEntry, line: Line
) -> None:
    """A call that runs is over when the line is taken down."""
    engine.client.listener().call_event(incoming())
    assert await hass.config_entries.async_unload(entry.entry_id)
    assert line.state.call is None
    assert line.finished[-1].call.ending is not None
    assert line.finished[-1].call.ending.reason is EndReason.LINE_CLOSED


async def test_stop(hass: HomeAssistant, engine: FakeEngine, line: Line) -> None:
    """The engine stops with Home Assistant, and calls are over."""
    client = engine.client
    client.listener().call_event(incoming())
    hass.bus.async_fire(EVENT_HOMEASSISTANT_STOP)
    await hass.async_block_till_done()
    assert client.closed
    assert state_of(hass, "sensor.home_call_state").state == "idle"


async def test_nothing_starts_after_the_stop(
    hass: HomeAssistant, engine: FakeEngine, entry: MockConfigEntry, line: Line
) -> None:
    """Home Assistant that is stopping starts no engine any more, and unloading still works."""
    hass.bus.async_fire(EVENT_HOMEASSISTANT_STOP)
    await hass.async_block_till_done()
    await hass.config_entries.async_reload(entry.entry_id)
    assert len(engine.clients) == 1
    assert entry.state is ConfigEntryState.SETUP_RETRY


async def test_rejected_in_operation(
    hass: HomeAssistant, engine: FakeEngine, entry: MockConfigEntry, line: Line
) -> None:
    """A rejection later asks the owner once and leaves the line alone."""
    error = CredentialsRejectedError(user_id="0003")
    for _ in range(2):
        engine.client.listener().registration_changed(
            not_registered("line-1", error, RegistrationState.REJECTED)
        )
    await hass.async_block_till_done()
    (flow,) = hass.config_entries.flow.async_progress()
    assert flow["context"]["source"] == SOURCE_REAUTH
    state = state_of(hass, "binary_sensor.home_registered")
    assert state.state == "off"
    assert state.attributes["reason"] == "credentials_rejected"


async def test_down_and_up_are_logged_once(
    hass: HomeAssistant, engine: FakeEngine, line: Line, caplog: pytest.LogCaptureFixture
) -> None:
    """However often it fails, the log tells down once and up once."""
    caplog.set_level(logging.INFO)
    listener = engine.client.listener()
    silent = GatewaySilentError(address="2001:db8::1", family="ipv6")
    for _ in range(3):
        listener.registration_changed(not_registered("line-1", silent))
    listener.engine_lost()
    assert state_of(hass, "sensor.home_call_state").state == "unavailable"
    assert state_of(hass, "button.home_dial").state == "unavailable"
    for _ in range(2):
        listener.registration_changed(registered("line-1"))
    assert state_of(hass, "sensor.home_call_state").state == "idle"
    down, up = [record.message for record in caplog.records if record.name.endswith(".line")]
    assert down.startswith("Line Home is not registered any more: gateway_silent")
    assert up == "Line Home is registered again"


async def test_nothing_secret_is_logged(
    hass: HomeAssistant, engine: FakeEngine, line: Line, caplog: pytest.LogCaptureFixture
) -> None:
    """The password is in no log record, whatever the level."""
    engine.client.listener().call_event(incoming())
    await hass.config_entries.async_reload("line-1")
    assert "secret-word" not in caplog.text

"""Diagnostics: useful, and without anything private."""

import json

from homeassistant.core import HomeAssistant
from pytest_homeassistant_custom_component.common import MockConfigEntry
from pytest_homeassistant_custom_component.components.diagnostics import (
    get_diagnostics_for_config_entry,
)
from pytest_homeassistant_custom_component.typing import ClientSessionGenerator

from custom_components.hikari_denwa.line import Line, LineState
from custom_components.hikari_denwa.telephony.calls import CallerIdKind, EndReason
from custom_components.hikari_denwa.telephony.engine.protocol import (
    RegistrationState,
    TracedMessage,
)
from custom_components.hikari_denwa.telephony.errors import (
    CredentialsRejectedError,
    GatewaySilentError,
)

from .fake_engine import AT, FakeEngine, connected, ended, incoming, not_registered, sounding


async def test_diagnostics(
    hass: HomeAssistant,
    engine: FakeEngine,
    entry: MockConfigEntry,
    line: Line,
    hass_client: ClientSessionGenerator,
) -> None:
    """They tell the registration, the calls and the engine; private things are cut."""
    options = {**entry.options, "blocked_callers": ["0120111222"], "challenge_key": "3"}
    hass.config_entries.async_update_entry(entry, options=options)
    listener = engine.client.listener()
    listener.call_event(incoming("in-1", display_name="Grandmother"))
    listener.call_event(connected("in-1"))
    listener.call_event(sounding("in-1", mos=4.37))
    listener.call_event(ended("in-1"))
    withheld = incoming("in-3", number=None, kind=CallerIdKind.WITHHELD)
    listener.call_event(withheld)
    listener.call_event(ended("in-3", EndReason.CALLER_GAVE_UP))
    listener.call_event(incoming("in-2", number="1", internal=True))
    engine.trace = (
        TracedMessage(number=1, at=AT, sent=True, text="REGISTER sip:gw SIP/2.0\nCSeq: 1 REGISTER"),
    )
    shown = await get_diagnostics_for_config_entry(hass, hass_client, entry)
    assert shown["finding"] == {
        "fault": "none",
        "calls": 0,
        "of": 2,
        "sentence": "Nothing is wrong in the last 2 calls.",
    }
    assert shown["trace"] == [
        {
            "at": "2026-09-21T14:13:20.000+00:00",
            "sent": True,
            "message": ["REGISTER sip:gw SIP/2.0", "CSeq: 1 REGISTER"],
        }
    ]
    assert shown["entry"]["data"]["password"] == "**REDACTED**"
    assert shown["entry"]["data"]["gateway"] == "2001:db8::/64"
    assert shown["entry"]["door_phones"] == ["1", "045*******"]
    assert shown["entry"]["options"] == {"challenge_key": "3"}
    assert shown["entry"]["blocked_callers"] == 1
    assert shown["entry"]["contacts"] == 0
    assert shown["call_log"] == {"running": 1, "missed": 1, "answered": 1}
    assert shown["registration"] == {
        "state": "registered",
        "family": "ipv6",
        "gateway_address": "2001:db8::/64",
        "local_address": "2001:db8::/64",
        "reason": None,
    }
    assert shown["call"]["number"] == "1"
    assert shown["last_calls"][0]["event"] == "ended"
    assert shown["last_calls"][0]["number"] == "031*******"
    assert shown["last_calls"][0]["duration"] == 10
    assert shown["last_calls"][0]["quality"]["mos"] == 4.37
    assert shown["last_calls"][1]["event"] == "missed"
    assert shown["last_calls"][1]["quality"] is None
    assert shown["last_calls"][1]["number"] is None
    assert shown["engine"] == {
        "chosen": "automatic",
        "app": False,
        "problem": None,
        "running": True,
        "backend": "fake",
        "version": 1,
        "families": ["ipv6", "ipv4"],
    }
    text = json.dumps(shown)
    for private in (
        "secret-word",
        "0003",
        "0312345678",
        "0451234567",
        "0120111222",
        "9abc",
        "Grandmother",
    ):
        assert private not in text


async def test_diagnostics_of_a_line_that_is_down(
    hass: HomeAssistant,
    engine: FakeEngine,
    entry: MockConfigEntry,
    line: Line,
    hass_client: ClientSessionGenerator,
) -> None:
    """They tell why; an IPv4 address and a name are no secrets."""
    listener = engine.client.listener()
    line.state = LineState()
    listener.registration_changed(
        not_registered("line-1", GatewaySilentError(address="192.168.1.1", family="ipv4"))
    )
    hass.config_entries.async_update_entry(entry, data={**entry.data, "gateway": "ntt.setup"})
    shown = await get_diagnostics_for_config_entry(hass, hass_client, entry)
    assert shown["registration"]["reason"] == "gateway_silent"
    assert shown["registration"]["gateway_address"] is None
    assert shown["entry"]["data"]["gateway"] == "ntt.setup"
    hass.config_entries.async_update_entry(entry, data={**entry.data, "gateway": "192.168.1.1"})
    shown = await get_diagnostics_for_config_entry(hass, hass_client, entry)
    assert shown["entry"]["data"]["gateway"] == "192.168.1.1"


async def test_diagnostics_of_a_line_that_was_never_up(
    hass: HomeAssistant,
    engine: FakeEngine,
    entry: MockConfigEntry,
    hass_client: ClientSessionGenerator,
) -> None:
    """The messages of the attempt that failed are there, until the line works or goes."""
    engine.trace = (TracedMessage(number=1, at=AT, sent=False, text="SIP/2.0 403 Forbidden"),)
    rejected = CredentialsRejectedError(user_id="0003")
    engine.first = not_registered("line-1", rejected, RegistrationState.REJECTED)
    entry.add_to_hass(hass)
    assert not await hass.config_entries.async_setup(entry.entry_id)
    shown = await get_diagnostics_for_config_entry(hass, hass_client, entry)
    assert shown["reason"] == "credentials_rejected"
    assert [message["message"] for message in shown["trace"]] == [["SIP/2.0 403 Forbidden"]]
    assert "0003" not in json.dumps(shown)
    engine.first = None
    engine.trace = ()
    assert await hass.config_entries.async_reload(entry.entry_id)
    assert await hass.config_entries.async_unload(entry.entry_id)
    shown = await get_diagnostics_for_config_entry(hass, hass_client, entry)
    assert shown["trace"] == []
    assert await hass.config_entries.async_remove(entry.entry_id)

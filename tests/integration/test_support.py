"""What helps when something does not work: the finding, the trace, the system information."""

import asyncio
import re
from http import HTTPStatus

import pytest
from homeassistant.core import HomeAssistant
from homeassistant.setup import async_setup_component
from pytest_homeassistant_custom_component.common import (
    MockConfigEntry,
    get_system_health_info,
)
from pytest_homeassistant_custom_component.typing import ClientSessionGenerator

from custom_components.hikari_denwa.line import Line
from custom_components.hikari_denwa.sentences import sentence
from custom_components.hikari_denwa.support import finding_in_words
from custom_components.hikari_denwa.telephony.calls import EndReason
from custom_components.hikari_denwa.telephony.diagnosis import Fault
from custom_components.hikari_denwa.telephony.engine.protocol import TracedMessage
from custom_components.hikari_denwa.telephony.errors import (
    CredentialsRejectedError,
    EngineLostError,
    GatewaySilentError,
)

from .conftest import ENTRY_DATA
from .fake_engine import (
    AT,
    FakeEngine,
    connected,
    ended,
    incoming,
    not_registered,
    sounding,
)

TRACE = (
    TracedMessage(number=1, at=AT, sent=True, text="OPTIONS sip:gw SIP/2.0\nCSeq: 1 OPTIONS\n"),
    TracedMessage(number=2, at=AT + 0.004, sent=False, text="SIP/2.0 405 Method Not Allowed\n"),
)


def one_way_call(engine: FakeEngine) -> None:
    """Let a call be answered in which nothing is heard."""
    listener = engine.client.listener()
    listener.call_event(incoming())
    listener.call_event(connected())
    listener.call_event(sounding(packets_received=0))
    listener.call_event(ended(after=40))


@pytest.mark.parametrize("fault", Fault)
@pytest.mark.parametrize("language", ["en", "ja"])
async def test_every_fault_has_its_sentence(
    hass: HomeAssistant, engine: FakeEngine, entry: MockConfigEntry, fault: Fault, language: str
) -> None:
    """No finding is told by a key."""
    await hass.config.async_update(language=language)
    assert await async_setup_component(hass, "hikari_denwa", {})
    told = sentence(hass, f"finding_{fault}", calls="2", of="3", reason="Because.")
    assert told != f"finding_{fault}"
    assert "{" not in told


async def test_finding(hass: HomeAssistant, engine: FakeEngine, line: Line) -> None:
    """The finding follows the calls and the registration; it tells no user ID."""
    assert finding_in_words(hass, line).startswith("The line is registered.")
    one_way_call(engine)
    assert finding_in_words(hass, line).startswith("Sound goes one way: nothing was heard here")
    assert "(1 of 1 calls)" in finding_in_words(hass, line)
    listener = engine.client.listener()
    listener.registration_changed(
        not_registered("line-1", CredentialsRejectedError(user_id="0003"))
    )
    assert finding_in_words(hass, line).startswith("Registration failed")
    assert "0003" not in finding_in_words(hass, line)
    silent = GatewaySilentError(address="2001:db8::1234:1", family="ipv6")
    listener.registration_changed(not_registered("line-1", silent))
    assert "2001:db8::/64 does not answer over IPv6" in finding_in_words(hass, line)


async def test_button_offers_the_file(
    hass: HomeAssistant,
    engine: FakeEngine,
    line: Line,
    hass_client_no_auth: ClientSessionGenerator,
) -> None:
    """The button works while the line is down, and its link without logging in."""
    engine.trace = TRACE
    one_way_call(engine)
    engine.client.listener().registration_changed(
        not_registered("line-1", GatewaySilentError(address="192.168.1.1", family="ipv4"))
    )
    await hass.services.async_call(
        "button", "press", {"entity_id": "button.home_sip_trace"}, blocking=True
    )
    (notification,) = hass.data["persistent_notification"].values()
    assert notification["title"] == "SIP trace of Home"
    path = re.search(r"\]\((/api/[^)]+)\)", notification["message"])
    assert path
    client = await hass_client_no_auth()
    answer = await client.get(path[1])
    assert answer.status == HTTPStatus.OK
    assert "hikari_denwa_trace.txt" in answer.headers["Content-Disposition"]
    text = await answer.text()
    assert text.startswith("Registration failed")
    assert "--- 2026-09-21T14:13:20.000+00:00 sent\nOPTIONS sip:gw SIP/2.0\n" in text
    assert "--- 2026-09-21T14:13:20.004+00:00 received\nSIP/2.0 405" in text
    assert (await client.get("/api/hikari_denwa/trace/line-1")).status == HTTPStatus.UNAUTHORIZED


async def test_file_of_no_line(
    hass: HomeAssistant, line: Line, hass_client: ClientSessionGenerator
) -> None:
    """Only lines have a trace."""
    MockConfigEntry(domain="other", entry_id="other").add_to_hass(hass)
    client = await hass_client()
    for entry_id in ("other", "gone"):
        answer = await client.get(f"/api/hikari_denwa/trace/{entry_id}")
        assert answer.status == HTTPStatus.NOT_FOUND
    answer = await client.get("/api/hikari_denwa/trace/line-1")
    assert answer.status == HTTPStatus.OK


async def test_action(hass: HomeAssistant, engine: FakeEngine, line: Line) -> None:
    """The action returns the finding, the text and the link; an engine that is gone gives none."""
    engine.trace = TRACE
    told = await hass.services.async_call(
        "hikari_denwa", "get_trace", blocking=True, return_response=True
    )
    assert told
    assert told["finding"]["fault"] == "no_calls"  # type: ignore[index,call-overload]
    assert "SIP/2.0 405" in str(told["trace"])
    assert str(told["path"]).startswith("/api/hikari_denwa/trace/line-1?authSig=")
    engine.errors["trace"] = EngineLostError()
    told = await hass.services.async_call(
        "hikari_denwa", "get_trace", blocking=True, return_response=True
    )
    assert told
    assert "SIP/2.0" not in str(told["trace"])


async def test_system_health(hass: HomeAssistant, engine: FakeEngine, line: Line) -> None:
    """It tells of all lines together."""
    assert await async_setup_component(hass, "system_health", {})
    other = MockConfigEntry(
        domain="hikari_denwa", title="Office", entry_id="line-2", data=ENTRY_DATA
    )
    other.add_to_hass(hass)
    assert await hass.config_entries.async_setup(other.entry_id)
    engine.client.listener("line-2").registration_changed(
        not_registered("line-2", GatewaySilentError(address="192.168.1.1", family="ipv4"))
    )
    engine.client.listener("line-1").call_event(incoming())
    engine.client.listener("line-1").call_event(ended(reason=EndReason.BUSY))
    await hass.async_block_till_done()
    async with asyncio.timeout(10):
        told = await get_system_health_info(hass, "hikari_denwa")
    assert told == told | {
        "lines": 2,
        "registered": 1,
        "engine": "fake",
        "families": "ipv6, ipv4",
        "calls": 0,
    }
    assert "Nothing is wrong in the last 1 calls." in told["finding"]
    assert "Registration failed" in told["finding"]


async def test_system_health_without_lines(
    hass: HomeAssistant, engine: FakeEngine, entry: MockConfigEntry
) -> None:
    """It is there, too, when nothing is set up."""
    assert await async_setup_component(hass, "system_health", {})
    assert await async_setup_component(hass, "hikari_denwa", {})
    await hass.async_block_till_done()
    told = await get_system_health_info(hass, "hikari_denwa")
    assert told["lines"] == 0
    assert told["finding"] == "-"

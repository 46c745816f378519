"""From the dialog to the sound: a real engine process between Home Assistant and a gateway."""

import asyncio
import os
import signal
from collections.abc import AsyncIterator
from typing import Any

import pytest
from homeassistant.config_entries import SOURCE_REAUTH, ConfigEntryState
from homeassistant.core import Context, HomeAssistant
from homeassistant.data_entry_flow import FlowResultType
from homeassistant.exceptions import HomeAssistantError
from pytest_homeassistant_custom_component.common import MockConfigEntry, MockUser
from pytest_homeassistant_custom_component.typing import ClientSessionGenerator

from custom_components.hikari_denwa.const import DOMAIN
from custom_components.hikari_denwa.engine import engine_keeper
from custom_components.hikari_denwa.telephony.calls import Family as EngineFamily
from tests.home_gateway.call import Side
from tests.home_gateway.config import Family
from tests.home_gateway.sources import Tone
from tests.home_gateway.tones import tone_level

from .conftest import state_of
from .house import ADDRESSES, House, house_of

CALL_STATE = "sensor.line_call_state"
PITCH = 700.0
AUDIBLE_DBM0 = -20.0

pytestmark = pytest.mark.usefixtures("loopback")


@pytest.fixture(params=[Family.V6, Family.V4], ids=["ipv6", "ipv4"])
async def house(
    hass: HomeAssistant, request: pytest.FixtureRequest, families: tuple[EngineFamily, ...]
) -> AsyncIterator[House]:
    """Run a gateway."""
    if EngineFamily(request.param) not in families:
        pytest.skip(f"this pjsua2 does not speak {request.param}")
    async with house_of(hass, request.param) as running:
        yield running


@pytest.fixture
async def line(house: House) -> House:
    """Return the house with its line registered."""
    result = await house.add_line()
    assert result["type"] is FlowResultType.CREATE_ENTRY
    return house


async def test_line_is_registered(line: House) -> None:
    """The dialog proves itself, and the line registers over the family of the address."""
    registered = state_of(line.hass, "binary_sensor.line_registered")
    assert registered.state == "on"
    assert registered.attributes["family"] == line.family
    assert registered.attributes["address"] == ADDRESSES[line.family]
    assert line.gateway.binding() is not None


async def test_incoming_call(line: House, hass_client_no_auth: ClientSessionGenerator) -> None:
    """It rings, is answered, is heard on a live stream, and is hung up there."""
    line.hass.config.internal_url = "http://127.0.0.1:8123"
    call = await line.gateway.ring("3", caller="0451234567", media=Tone(PITCH))
    event = await line.event("incoming")
    assert event["who"] == "045-123-4567"
    assert event["called_number"] == "0312345678"
    assert event["family"] == line.family
    assert state_of(line.hass, CALL_STATE).state == "ringing"

    client = await hass_client_no_auth()
    stream = await client.get((await line.act("listen"))["path"])
    await stream.content.readexactly(44)
    await stream.content.readexactly(1600)
    await line.act("answer")
    await call.answered()
    await line.event("connected")
    assert state_of(line.hass, CALL_STATE).state == "talking"
    async with asyncio.timeout(10):
        while tone_level(await stream.content.readexactly(3200), PITCH) < AUDIBLE_DBM0:
            pass

    await call.hang_up()
    ended = await line.event("ended")
    assert ended["reason"] == "hung_up_there"
    assert ended["duration"] > 0
    await stream.content.read()
    assert stream.content.at_eof()
    assert state_of(line.hass, CALL_STATE).state == "idle"


async def test_missed_call(line: House) -> None:
    """The caller gives up."""
    call = await line.gateway.ring("3")
    await line.event("incoming")
    await call.cancel()
    assert (await line.event("missed"))["reason"] == "caller_gave_up"


async def test_rejected_call(line: House) -> None:
    """The call is turned away here."""
    call = await line.gateway.ring("3")
    await line.event("incoming")
    await line.act("reject")
    await line.event("rejected")
    await call.ended()


async def test_outgoing_call(line: House) -> None:
    """It is dialled, connected, carries digits, and is hung up here."""
    response = await line.act("dial", number="045-111-0000", wait_for_answer=True)
    assert response["result"] == "connected"
    assert response["family"] == line.family
    (call,) = line.gateway.placed
    await line.act("send_dtmf", digits="12#")
    async with asyncio.timeout(5):
        while call.received.detected_digits() != "12#":
            await asyncio.sleep(0.05)
    await line.act("hang_up")
    assert (await line.event("ended"))["reason"] == "hung_up_here"
    assert (await call.ended()).by is Side.CLIENT


@pytest.mark.parametrize(
    ("number", "reason", "status"),
    [("0451110486", "busy", 486), ("0451110404", "number_unknown", 404)],
)
async def test_failed_call(line: House, number: str, reason: str, status: int) -> None:
    """What the gateway says comes out as a reason."""
    response = await line.act("dial", number=number, wait_for_answer=True)
    assert response["result"] == "failed"
    assert response["reason"] == reason
    assert response["status"] == status
    assert (await line.event("failed"))["reason"] == reason


async def test_engine_is_killed_in_a_call(line: House) -> None:
    """The call ends by a failure, and the line comes back by itself."""
    call = await line.gateway.ring("3")
    await line.event("incoming")
    await line.act("answer")
    await line.event("connected")
    (client,) = engine_keeper(line.hass).clients
    assert client.pid is not None
    os.kill(client.pid, signal.SIGKILL)
    assert (await line.event("ended"))["reason"] == "engine_lost"
    await line.until(lambda: state_of(line.hass, "binary_sensor.line_registered").state == "on")
    assert state_of(line.hass, CALL_STATE).state == "idle"
    call.forget()


async def test_wrong_password_in_the_dialog(house: House) -> None:
    """The dialog says so, and goes on when it is right."""
    result = await house.add_line(password="wrong")
    assert result["type"] is FlowResultType.FORM
    (reason,) = result["errors"].values()
    assert reason in {"credentials_rejected", "extension_unavailable"}
    result = await house.hass.config_entries.flow.async_configure(result["flow_id"], house.entered)
    assert result["type"] is FlowResultType.CREATE_ENTRY
    await house.hass.async_block_till_done()


async def test_wrong_password_later(house: House) -> None:
    """At most three REGISTERs, a question to the owner, then silence."""
    entry = MockConfigEntry(
        domain=DOMAIN,
        title="Line",
        data={
            "gateway": ADDRESSES[house.family],
            "extension": "3",
            "user_id": "0003",
            "password": "wrong",
            "family": "automatic",
            "port": house.gateway.port(house.family),
        },
    )
    entry.add_to_hass(house.hass)
    assert not await house.hass.config_entries.async_setup(entry.entry_id)
    await house.hass.async_block_till_done()
    assert entry.state is ConfigEntryState.SETUP_ERROR
    (flow,) = house.hass.config_entries.flow.async_progress()
    assert flow["context"]["source"] == SOURCE_REAUTH
    registers = len(house.gateway.registers)
    assert registers <= 3
    await asyncio.sleep(1.5)
    assert len(house.gateway.registers) == registers


async def test_choose_a_family(line: House) -> None:
    """The line is registered anew over the family, and rings; what cannot be changes nothing."""
    other = Family.V4 if line.family is Family.V6 else Family.V6
    entity_id = "select.line_ip_family"

    async def choose(family: Family) -> None:
        await line.hass.services.async_call(
            "select",
            "select_option",
            {"entity_id": entity_id, "option": family.value},
            blocking=True,
        )

    with pytest.raises(HomeAssistantError):
        await choose(other)
    assert state_of(line.hass, entity_id).state == "automatic"
    await choose(line.family)
    await line.until(lambda: state_of(line.hass, "binary_sensor.line_registered").state == "on")
    assert state_of(line.hass, entity_id).state == line.family
    call = await line.gateway.ring("3")
    await line.event("incoming")
    await call.cancel()
    await line.event("missed")


async def test_blocked_call(line: House) -> None:
    """A caller who is in nobody's address book is turned away at the gateway."""
    await line.hass.services.async_call(
        "switch", "turn_on", {"entity_id": "switch.line_block_unknown_callers"}, blocking=True
    )
    call = await line.gateway.ring("3", caller="0451234567")
    assert (await line.event("blocked"))["blocked_by"] == "not_in_contacts"
    assert (await call.ended(15)).status == 486
    assert state_of(line.hass, CALL_STATE).state == "idle"
    await line.until(lambda: state_of(line.hass, "sensor.line_last_call").state != "unknown")
    (told,) = (await line.act("get_calls"))["calls"]
    assert told["outcome"] == "blocked"


async def test_self_test_and_trace(line: House) -> None:
    """The time signal is heard; the trace holds the call, without the secrets of the line."""
    person = MockUser().add_to_hass(line.hass)
    found: Any = await line.hass.services.async_call(
        DOMAIN,
        "self_test",
        blocking=True,
        return_response=True,
        context=Context(user_id=person.id),
    )
    assert found["result"] == "ok", found
    assert found["sound"]["audible_frames"] >= 50
    assert found["quality"] is None or found["quality"]["packets_received"]
    told = await line.act("get_trace")
    assert told["finding"]["fault"] == "none"
    assert "secret-3" not in told["trace"]
    assert '"0003"' not in told["trace"]


async def test_trace_of_the_native_engine(line: House, request: pytest.FixtureRequest) -> None:
    """Registration and call are there as they were on the wire, the challenge too."""
    if request.config.getoption("backend") != "native":
        pytest.skip("another back end keeps no messages")
    await line.act("dial", number="0451110001", wait_for_answer=True)
    await line.act("hang_up")
    trace = (await line.act("get_trace"))["trace"]
    for part in ("REGISTER sip:", "SIP/2.0 401", "INVITE sip:045*******@", "m=audio", "BYE sip:"):
        assert part in trace, part
    assert "0451110001" not in trace
    assert 'response="***"' in trace

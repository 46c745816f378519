"""What calls look like in Home Assistant, from the engine's events to the states."""

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest
from homeassistant.core import HomeAssistant, State
from pytest_homeassistant_custom_component.common import MockConfigEntry

from custom_components.hikari_denwa.line import Line
from custom_components.hikari_denwa.telephony.calls import CallerIdKind, EndReason
from custom_components.hikari_denwa.telephony.errors import EngineLostError, GatewaySilentError

from .conftest import state_of
from .fake_engine import (
    AT,
    FakeEngine,
    connected,
    dtmf,
    ended,
    held,
    incoming,
    not_registered,
    registered,
)

CALL_EVENT = "event.home_call"
DOORBELL = "event.home_doorbell"
CALL_STATE = "sensor.home_call_state"

Changes = Callable[[str], list[State]]


def types(states: list[State]) -> list[str]:
    """Return the event types of an event entity's states."""
    return [state.attributes["event_type"] for state in states]


async def test_incoming_call(
    hass: HomeAssistant, engine: FakeEngine, line: Line, changes: Changes
) -> None:
    """A call that is answered here goes through all its events and states."""
    events, states = changes(CALL_EVENT), changes(CALL_STATE)
    listener = engine.client.listener()
    listener.call_event(incoming())
    ringing = state_of(hass, CALL_STATE)
    assert ringing.state == "ringing"
    assert ringing.attributes["who"] == "03-1234-5678"
    assert ringing.attributes["direction"] == "incoming"
    assert ringing.attributes["since"] == datetime.fromtimestamp(AT, UTC).isoformat()
    await line.async_answer()
    listener.call_event(connected())
    listener.call_event(dtmf("5"))
    listener.call_event(ended(after=17.5))
    await hass.async_block_till_done()
    assert types(events) == ["incoming", "answered", "connected", "dtmf", "ended"]
    assert [state.state for state in states] == ["ringing", "talking", "idle"]
    assert dict(events[0].attributes) == events[0].attributes | {
        "call_id": "in-1",
        "direction": "incoming",
        "who": "03-1234-5678",
        "caller_id": "number",
        "number": "0312345678",
        "formatted_number": "03-1234-5678",
        "called_number": "0398765432",
        "internal": False,
        "family": "ipv6",
        "started": datetime.fromtimestamp(AT, UTC).isoformat(),
    }
    assert "reason" not in events[0].attributes
    assert events[3].attributes["digit"] == "5"
    assert events[4].attributes["reason"] == "hung_up_there"
    assert events[4].attributes["duration"] == 12.5
    assert "who" not in state_of(hass, CALL_STATE).attributes


async def test_connected_overtakes_the_answer(
    hass: HomeAssistant, engine: FakeEngine, line: Line, changes: Changes
) -> None:
    """Answered comes once and first, however fast the gateway is."""
    events = changes(CALL_EVENT)
    listener = engine.client.listener()
    listener.call_event(incoming())
    listener.call_event(connected())
    listener.call_event(connected())
    await hass.async_block_till_done()
    assert types(events) == ["incoming", "answered", "connected"]


async def test_hold(hass: HomeAssistant, engine: FakeEngine, line: Line) -> None:
    """A call on hold is still a call."""
    listener = engine.client.listener()
    listener.call_event(incoming())
    listener.call_event(connected())
    listener.call_event(held(held=True))
    assert state_of(hass, CALL_STATE).state == "talking"
    assert state_of(hass, CALL_STATE).attributes["held"] is True
    listener.call_event(held(held=False))
    assert state_of(hass, CALL_STATE).attributes["held"] is False


@pytest.mark.parametrize(
    ("reason", "event"),
    [
        (EndReason.CALLER_GAVE_UP, "missed"),
        (EndReason.NO_ANSWER, "missed"),
        (EndReason.ANSWERED_ELSEWHERE, "ended"),
        (EndReason.REJECTED_HERE, "rejected"),
        (EndReason.HUNG_UP_HERE, "rejected"),
        (EndReason.BUSY, "rejected"),
        (EndReason.ENGINE_LOST, "failed"),
        (EndReason.LINE_CLOSED, "failed"),
        (EndReason.NETWORK_FAILURE, "failed"),
    ],
)
async def test_incoming_call_that_is_not_answered(
    hass: HomeAssistant,
    engine: FakeEngine,
    line: Line,
    changes: Changes,
    reason: EndReason,
    event: str,
) -> None:
    """What the end of a ringing call is depends on its reason."""
    events = changes(CALL_EVENT)
    listener = engine.client.listener()
    listener.call_event(incoming())
    listener.call_event(ended(reason=reason))
    await hass.async_block_till_done()
    assert types(events) == ["incoming", event]
    assert events[1].attributes["reason"] == reason
    assert events[1].attributes["duration"] == 0


@pytest.mark.parametrize(
    ("reason", "event"),
    [
        (EndReason.BUSY, "failed"),
        (EndReason.NO_ANSWER, "failed"),
        (EndReason.NUMBER_UNKNOWN, "failed"),
        (EndReason.CANCELLED_HERE, "ended"),
        (EndReason.HUNG_UP_HERE, "ended"),
    ],
)
async def test_outgoing_call_that_is_not_answered(
    hass: HomeAssistant,
    engine: FakeEngine,
    line: Line,
    changes: Changes,
    reason: EndReason,
    event: str,
) -> None:
    """A call that does not come about has failed, one that was given up here has ended."""
    events = changes(CALL_EVENT)
    await line.async_dial("045-123-4567")
    engine.client.listener().call_event(ended("out-1", reason, status=486, warning=301))
    await hass.async_block_till_done()
    assert types(events) == ["outgoing", event]
    assert events[1].attributes["status"] == 486
    assert events[1].attributes["warning"] == 301


async def test_outgoing_call(
    hass: HomeAssistant, engine: FakeEngine, line: Line, changes: Changes
) -> None:
    """A call placed here is dialing, then talking, then over."""
    events, states = changes(CALL_EVENT), changes(CALL_STATE)
    await line.async_dial("０４５－１２３－４５６７")
    assert engine.sent("dial") == [("line-1", "0451234567")]
    listener = engine.client.listener()
    listener.call_event(connected("out-1"))
    listener.call_event(ended("out-1", EndReason.HUNG_UP_HERE))
    await hass.async_block_till_done()
    assert types(events) == ["outgoing", "connected", "ended"]
    assert [state.state for state in states] == ["dialing", "talking", "idle"]
    assert states[0].attributes["who"] == "045-123-4567"
    assert states[0].attributes["direction"] == "outgoing"


async def test_events_overtake_the_answer_to_dial(
    hass: HomeAssistant, engine: FakeEngine, line: Line, changes: Changes
) -> None:
    """What the engine tells before our own command has returned is not lost."""
    events = changes(CALL_EVENT)
    engine.early = [ended("out-1", EndReason.BUSY, status=486), ended("unknown")]
    call = await line.async_dial("0451234567")
    assert call.ending is not None
    assert call.ending.reason is EndReason.BUSY
    await hass.async_block_till_done()
    assert types(events) == ["outgoing", "failed"]
    assert line.state.call is None


async def test_engine_lost_while_dialling(
    hass: HomeAssistant, engine: FakeEngine, line: Line, changes: Changes
) -> None:
    """A call of which the engine knew before it died never begins here."""
    events = changes(CALL_EVENT)
    engine.lose_while_dialling = True
    with pytest.raises(EngineLostError):
        await line.async_dial("0451234567")
    assert line.state.call is None
    assert events == []


async def test_events_of_unknown_calls(
    hass: HomeAssistant, engine: FakeEngine, line: Line, changes: Changes
) -> None:
    """What is told of a call that nobody knows changes nothing."""
    events, states = changes(CALL_EVENT), changes(CALL_STATE)
    listener = engine.client.listener()
    for event in (connected("ghost"), dtmf("1", "ghost"), ended("ghost")):
        listener.call_event(event)
    await hass.async_block_till_done()
    assert events == states == []


async def test_engine_lost_in_a_call(
    hass: HomeAssistant,
    engine: FakeEngine,
    line: Line,
    changes: Changes,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """The call ends by a failure, the record stays, and the line comes back."""
    events = changes(CALL_EVENT)
    listener = engine.client.listener()
    listener.call_event(incoming())
    listener.call_event(connected())
    listener.engine_lost()
    await hass.async_block_till_done()
    assert types(events)[-1] == "ended"
    assert events[-1].attributes["reason"] == "engine_lost"
    assert "Call in-1 on line Home was ended by a failure: engine_lost" in caplog.text
    assert state_of(hass, CALL_STATE).state == "unavailable"
    assert state_of(hass, CALL_EVENT).attributes["reason"] == "engine_lost"
    assert line.finished[-1].call.id == "in-1"
    listener.registration_changed(registered("line-1"))
    assert state_of(hass, CALL_STATE).state == "idle"


async def test_call_outlives_the_registration(
    hass: HomeAssistant, engine: FakeEngine, line: Line
) -> None:
    """While a call runs, its entities can be used even if a refresh failed."""
    listener = engine.client.listener()
    listener.call_event(incoming())
    listener.call_event(connected())
    silent = GatewaySilentError(address="2001:db8::1", family="ipv6")
    listener.registration_changed(not_registered("line-1", silent))
    assert state_of(hass, "binary_sensor.home_registered").state == "off"
    assert state_of(hass, CALL_STATE).state == "talking"
    listener.call_event(ended())
    assert state_of(hass, CALL_STATE).state == "unavailable"


async def test_two_calls(hass: HomeAssistant, engine: FakeEngine, line: Line) -> None:
    """The older call is the current one until it is over."""
    listener = engine.client.listener()
    listener.call_event(incoming("in-1"))
    listener.call_event(incoming("in-2", number="0451234567", channel=2))
    assert state_of(hass, CALL_STATE).attributes["call_id"] == "in-1"
    listener.call_event(ended("in-1", EndReason.CALLER_GAVE_UP))
    assert state_of(hass, CALL_STATE).attributes["call_id"] == "in-2"
    listener.call_event(ended("in-2", EndReason.CALLER_GAVE_UP))
    assert state_of(hass, CALL_STATE).state == "idle"


@pytest.mark.parametrize(
    ("language", "kind", "who"),
    [
        ("ja", CallerIdKind.WITHHELD, "非通知"),
        ("ja", CallerIdKind.PAYPHONE, "公衆電話"),
        ("ja", CallerIdKind.UNAVAILABLE, "表示圏外"),
        ("ja", CallerIdKind.INTERACTION, "サービス競合"),
        ("en", CallerIdKind.WITHHELD, "Number withheld"),
    ],
)
async def test_caller_without_a_number(
    hass: HomeAssistant,
    engine: FakeEngine,
    entry: MockConfigEntry,
    language: str,
    kind: CallerIdKind,
    who: str,
) -> None:
    """Why there is no number is told in the words of the home."""
    await hass.config.async_update(language=language)
    entry.add_to_hass(hass)
    assert await hass.config_entries.async_setup(entry.entry_id)
    engine.client.listener().call_event(incoming(number=None, kind=kind))
    event = state_of(hass, CALL_EVENT)
    assert event.attributes["caller_id"] == kind
    assert event.attributes["who"] == who
    assert "number" not in event.attributes
    assert state_of(hass, CALL_STATE).attributes["who"] == who


@pytest.mark.parametrize(
    ("display_name", "name"), [("Grandmother", "Grandmother"), ("0312345678", None), (None, None)]
)
async def test_display_name(
    hass: HomeAssistant, engine: FakeEngine, line: Line, display_name: str, name: str | None
) -> None:
    """A display name that is a name is shown, one that repeats the number is not."""
    engine.client.listener().call_event(incoming(display_name=display_name))
    event = state_of(hass, CALL_EVENT)
    assert event.attributes.get("name") == name
    assert event.attributes["who"] == (name or "03-1234-5678")


@pytest.mark.parametrize(
    ("caller", "rings"),
    [
        ({"number": "1", "internal": True}, True),
        ({"number": "0451234567"}, True),
        ({"number": "2", "internal": True}, False),
        ({"number": None, "kind": CallerIdKind.WITHHELD}, False),
    ],
)
async def test_doorbell(
    hass: HomeAssistant,
    engine: FakeEngine,
    line: Line,
    changes: Changes,
    caller: dict[str, Any],
    rings: bool,
) -> None:
    """The doorbell rings for the callers that the owner named, once for each call."""
    events = changes(DOORBELL)
    listener = engine.client.listener()
    listener.call_event(incoming(**caller))
    listener.call_event(connected())
    listener.call_event(ended())
    await hass.async_block_till_done()
    assert types(events) == (["ring"] if rings else [])
    if rings:
        assert events[0].attributes["device_class"] == "doorbell"
        assert events[0].attributes["number"] == caller["number"]


async def test_event_before_state(hass: HomeAssistant, engine: FakeEngine, line: Line) -> None:
    """Both are written in the very call with which the engine's message is read."""
    engine.client.listener().call_event(incoming())
    assert state_of(hass, CALL_EVENT).attributes["event_type"] == "incoming"
    assert state_of(hass, CALL_STATE).state == "ringing"

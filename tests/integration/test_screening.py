"""Who does not ring: blocked callers, quiet hours, silent contacts; and who always does."""

from collections.abc import Callable
from typing import Any

import pytest
from homeassistant.core import HomeAssistant, State
from pytest_homeassistant_custom_component.common import MockConfigEntry

from custom_components.hikari_denwa.calls import CallOutcome
from custom_components.hikari_denwa.contacts import RingRule
from custom_components.hikari_denwa.line import Line
from custom_components.hikari_denwa.telephony.calls import CallerIdKind, EndReason
from custom_components.hikari_denwa.telephony.errors import CallUnknownError

from .conftest import home, state_of
from .fake_engine import FakeEngine, connected, ended, incoming
from .test_contacts import subentry

CALL_EVENT = "event.home_call"
CALL_STATE = "sensor.home_call_state"
MISSED = "sensor.home_missed_calls"

Changes = Callable[[str], list[State]]


def set_up(line: Line, **options: Any) -> None:
    """Set options of the line, as its dialog and its switches do."""
    line.hass.config_entries.async_update_entry(
        line.entry, options={**line.entry.options, **options}
    )


def types(states: list[State]) -> list[str]:
    """Return the event types of an event entity's states."""
    return [state.attributes["event_type"] for state in states]


@pytest.fixture
def entry() -> MockConfigEntry:
    """Return a line with contacts of every rule."""
    return home(
        subentry("Friend", "0311110000"),
        subentry("Doctor", "0311110001", ring_rule=RingRule.VIP),
        subentry("Chatterbox", "0311110002", ring_rule=RingRule.SILENT),
        subentry("Seller", "0311110003", ring_rule=RingRule.BLOCK),
        subentry("Gate", "4", ring_rule=RingRule.DOOR_PHONE),
        door_phones=["2"],
    )


BLOCKED: list[tuple[dict[str, Any], dict[str, Any], str]] = [
    ({"blocked_callers": ["0120*"]}, {"number": "0120123456"}, "number"),
    ({"blocked_callers": ["0312345678"]}, {}, "number"),
    ({"block_kinds": ["withheld"]}, {"number": None, "kind": CallerIdKind.WITHHELD}, "withheld"),
    ({"block_kinds": ["payphone"]}, {"number": None, "kind": CallerIdKind.PAYPHONE}, "payphone"),
    (
        {"block_kinds": ["unavailable"]},
        {"number": None, "kind": CallerIdKind.INTERACTION},
        "unavailable",
    ),
    ({"block_kinds": ["international"]}, {"number": "01012125550100"}, "international"),
    ({"block_kinds": ["international"]}, {"number": "+12125550100"}, "international"),
    ({"blocked_callers": ["0101*"]}, {"number": "+12125550100"}, "number"),
    ({"block_unknown": True}, {}, "not_in_contacts"),
    (
        {"block_unknown": True},
        {"number": None, "kind": CallerIdKind.WITHHELD},
        "not_in_contacts",
    ),
    ({}, {"number": "0311110003"}, "contact"),
]
RINGS: list[tuple[dict[str, Any], dict[str, Any]]] = [
    ({"blocked_callers": ["0120*"]}, {"number": "0312001200"}),
    ({"blocked_callers": ["03*"]}, {"number": "0311110000"}),
    ({"block_kinds": ["withheld"]}, {"number": None, "kind": CallerIdKind.PAYPHONE}),
    ({"block_kinds": ["international"]}, {}),
    ({"block_unknown": True}, {"number": "0311110000"}),
    ({"block_unknown": True}, {"number": "5", "internal": True}),
    ({"block_unknown": True, "do_not_disturb": True}, {"number": "0311110001"}),
    ({"do_not_disturb": True}, {"number": "4", "internal": True}),
    ({"do_not_disturb": True, "block_unknown": True}, {"number": "2", "internal": True}),
]
QUIET: list[tuple[dict[str, Any], dict[str, Any], str]] = [
    ({"do_not_disturb": True}, {}, "do_not_disturb"),
    ({"do_not_disturb": True}, {"number": "5", "internal": True}, "do_not_disturb"),
    ({}, {"number": "0311110002"}, "contact_silent"),
]


@pytest.mark.parametrize(("options", "caller", "reason"), BLOCKED)
async def test_blocked(
    hass: HomeAssistant,
    engine: FakeEngine,
    line: Line,
    changes: Changes,
    options: dict[str, Any],
    caller: dict[str, Any],
    reason: str,
) -> None:
    """A blocked call is told once, rejected, and logged; nothing rings, nobody is missed."""
    set_up(line, block_status="603", **options)
    events, states = changes(CALL_EVENT), changes(CALL_STATE)
    listener = engine.client.listener()
    listener.call_event(incoming(**caller))
    assert state_of(hass, CALL_EVENT).attributes["event_type"] == "blocked"
    await hass.async_block_till_done()
    assert engine.sent("reject") == [("in-1", 603)]
    listener.call_event(ended(reason=EndReason.REJECTED_HERE))
    await hass.async_block_till_done()
    assert types(events) == ["blocked"]
    assert events[0].attributes["blocked_by"] == reason
    assert states == []
    assert state_of(hass, MISSED).state == "0"
    (logged,) = line.log
    assert logged.outcome is CallOutcome.BLOCKED
    assert logged.blocked_by == reason
    assert logged.reason is EndReason.REJECTED_HERE
    assert line.finished[-1].call.id == "in-1"
    assert line.log.last_incoming is None


@pytest.mark.parametrize(("options", "caller"), RINGS)
async def test_rings(
    hass: HomeAssistant,
    engine: FakeEngine,
    line: Line,
    options: dict[str, Any],
    caller: dict[str, Any],
) -> None:
    """Who is not meant rings, and who always may."""
    set_up(line, **options)
    engine.client.listener().call_event(incoming(**caller))
    assert state_of(hass, CALL_EVENT).attributes["event_type"] == "incoming"
    assert "blocked_by" not in state_of(hass, CALL_EVENT).attributes
    assert state_of(hass, CALL_STATE).state == "ringing"
    assert engine.commands == []


@pytest.mark.parametrize(("options", "caller", "reason"), QUIET)
@pytest.mark.parametrize(
    ("end", "event", "missed"),
    [
        (EndReason.CALLER_GAVE_UP, "missed", "1"),
        (EndReason.ANSWERED_ELSEWHERE, "ended", "0"),
    ],
)
async def test_quiet(
    hass: HomeAssistant,
    engine: FakeEngine,
    line: Line,
    changes: Changes,
    options: dict[str, Any],
    caller: dict[str, Any],
    reason: str,
    end: EndReason,
    event: str,
    missed: str,
) -> None:
    """A quiet call does not ring, cannot be answered, and is missed if nobody takes it."""
    set_up(line, **options)
    events, states = changes(CALL_EVENT), changes(CALL_STATE)
    listener = engine.client.listener()
    listener.call_event(incoming(**caller))
    listener.call_event(connected("other"))
    assert line.state.call is None
    assert [call.outcome for call in line.log] == [CallOutcome.RUNNING]
    listener.call_event(ended(reason=end))
    await hass.async_block_till_done()
    assert types(events) == [event]
    assert events[0].attributes["blocked_by"] == reason
    assert states == []
    assert state_of(hass, MISSED).state == missed
    assert engine.commands == []


async def test_silence(
    hass: HomeAssistant, engine: FakeEngine, line: Line, changes: Changes
) -> None:
    """A silenced call is left to the other telephones of the home."""
    set_up(line, blocked_callers=["03*"], block_treatment="silence")
    events = changes(CALL_EVENT)
    listener = engine.client.listener()
    listener.call_event(incoming())
    listener.call_event(ended(reason=EndReason.ANSWERED_ELSEWHERE))
    await hass.async_block_till_done()
    assert types(events) == ["blocked"]
    assert engine.commands == []
    (logged,) = line.log
    assert logged.outcome is CallOutcome.BLOCKED
    assert logged.reason is EndReason.ANSWERED_ELSEWHERE


async def test_gone_before_it_is_rejected(
    hass: HomeAssistant, engine: FakeEngine, line: Line
) -> None:
    """A blocked caller who gave up already does no harm, and nobody is told of a failure."""
    engine.errors["reject"] = CallUnknownError()
    set_up(line, block_unknown=True)
    engine.client.listener().call_event(incoming())
    engine.client.listener().call_event(ended(reason=EndReason.CALLER_GAVE_UP))
    await hass.async_block_till_done()
    assert engine.sent("reject") == [("in-1", 486)]
    assert [call.outcome for call in line.log] == [CallOutcome.BLOCKED]


async def test_engine_lost(hass: HomeAssistant, engine: FakeEngine, line: Line) -> None:
    """Calls that do not ring end with the engine as well."""
    set_up(line, do_not_disturb=True)
    engine.client.listener().call_event(incoming())
    engine.client.listener().engine_lost()
    assert [call.reason for call in line.log] == [EndReason.ENGINE_LOST]
    assert state_of(hass, CALL_EVENT).attributes["event_type"] == "failed"


async def test_dialling_past_a_quiet_call(
    hass: HomeAssistant, engine: FakeEngine, line: Line
) -> None:
    """A call that does not ring changes nothing about one that does."""
    set_up(line, do_not_disturb=True)
    listener = engine.client.listener()
    listener.call_event(incoming("in-1"))
    listener.call_event(incoming("in-2", number="0311110001", channel=2))
    assert state_of(hass, CALL_STATE).attributes["who"] == "Doctor"
    await line.async_answer()
    assert engine.sent("answer") == [("in-2",)]
    listener.call_event(ended("in-1", EndReason.CALLER_GAVE_UP))
    assert state_of(hass, CALL_STATE).state == "ringing"

"""The triggers of automations: which calls they tell, and what."""

from typing import Any

import pytest
from homeassistant.components import automation
from homeassistant.components.labs import async_update_preview_feature
from homeassistant.core import HomeAssistant
from homeassistant.helpers.trigger import async_get_all_descriptions
from homeassistant.setup import async_setup_component
from pytest_homeassistant_custom_component.common import MockConfigEntry, async_capture_events

from custom_components.hikari_denwa.call_updates import EVENT_CALL
from custom_components.hikari_denwa.calls import CallEventType
from custom_components.hikari_denwa.line import Line
from custom_components.hikari_denwa.logbook import call_in_words
from custom_components.hikari_denwa.telephony.calls import CallerIdKind, EndReason
from custom_components.hikari_denwa.trigger import TRIGGERS

from .automation import automate
from .conftest import ENTRY_DATA
from .fake_engine import FakeEngine, connected, dtmf, ended, incoming


def trigger(key: str, **options: Any) -> dict[str, Any]:
    """Return the configuration of a trigger."""
    return {"trigger": f"hikari_denwa.{key}", "options": options}


async def incoming_call(
    hass: HomeAssistant, engine: FakeEngine, line: Line, *, answer: bool = False, **caller: Any
) -> None:
    """Let a call ring, be answered if that is wanted, and end."""
    listener = engine.client.listener("line-1")
    listener.call_event(incoming(**caller))
    await hass.async_block_till_done()
    if answer:
        await line.async_answer()
        listener.call_event(connected())
        listener.call_event(dtmf("1"))
        listener.call_event(dtmf("2"))
    await hass.async_block_till_done()
    listener.call_event(
        ended(reason=EndReason.HUNG_UP_THERE if answer else EndReason.CALLER_GAVE_UP)
    )
    await hass.async_block_till_done()


async def outgoing_call(
    hass: HomeAssistant, engine: FakeEngine, line: Line, reason: EndReason, *, answer: bool = False
) -> None:
    """Place a call that ends for a reason."""
    call = await line.async_dial("0312345678")
    listener = engine.client.listener("line-1")
    if answer:
        listener.call_event(connected(call.id))
    await hass.async_block_till_done()
    listener.call_event(ended(call.id, reason))
    await hass.async_block_till_done()


async def test_received(hass: HomeAssistant, engine: FakeEngine, line: Line) -> None:
    """A call that begins to ring is told once, with all that is known of it."""
    told = await automate(hass, trigger("call_received"))
    await incoming_call(hass, engine, line, answer=True, display_name="Grandmother")
    await outgoing_call(hass, engine, line, EndReason.BUSY)
    assert len(told) == 1
    assert told[0] == told[0] | {
        "platform": "hikari_denwa.call_received",
        "config_entry_id": "line-1",
        "line": "Home",
        "event": "incoming",
        "direction": "incoming",
        "who": "Grandmother",
        "number": "0312345678",
        "formatted_number": "03-1234-5678",
        "caller_id": "number",
        "description": "incoming: Grandmother",
    }
    assert "outcome" not in told[0]


async def test_missed(hass: HomeAssistant, engine: FakeEngine, line: Line) -> None:
    """A call that nobody took is told, one that somebody took is not."""
    told = await automate(hass, trigger("call_missed"))
    await incoming_call(hass, engine, line, answer=True)
    assert not told
    await incoming_call(hass, engine, line)
    assert [each["outcome"] for each in told] == ["missed"]


@pytest.mark.parametrize(
    ("options", "directions"),
    [
        ({}, ["incoming", "outgoing"]),
        ({"direction": "outgoing"}, ["outgoing"]),
        ({"direction": ["incoming"]}, ["incoming"]),
    ],
)
async def test_answered(
    hass: HomeAssistant,
    engine: FakeEngine,
    line: Line,
    options: dict[str, Any],
    directions: list[str],
) -> None:
    """The answer of a call is told once, whichever side gave it."""
    told = await automate(hass, trigger("call_answered", **options))
    await incoming_call(hass, engine, line, answer=True)
    await outgoing_call(hass, engine, line, EndReason.HUNG_UP_THERE, answer=True)
    assert [each["direction"] for each in told] == directions


@pytest.mark.parametrize(
    ("options", "outcomes"),
    [
        (
            {},
            ["answered", "missed", "rejected", "answered_elsewhere", "failed", "given_up"],
        ),
        ({"outcome": ["missed", "failed"]}, ["missed", "failed"]),
        ({"outcome": "given_up", "direction": "outgoing"}, ["given_up"]),
        ({"outcome": "blocked"}, []),
    ],
)
async def test_ended(
    hass: HomeAssistant,
    engine: FakeEngine,
    line: Line,
    options: dict[str, Any],
    outcomes: list[str],
) -> None:
    """The end of every call is told, with what became of it."""
    told = await automate(hass, trigger("call_ended", **options))
    await incoming_call(hass, engine, line, answer=True)
    await incoming_call(hass, engine, line)
    listener = engine.client.listener("line-1")
    for reason in (EndReason.REJECTED_HERE, EndReason.ANSWERED_ELSEWHERE):
        listener.call_event(incoming())
        listener.call_event(ended(reason=reason))
    await outgoing_call(hass, engine, line, EndReason.BUSY)
    await outgoing_call(hass, engine, line, EndReason.CANCELLED_HERE)
    assert [each["outcome"] for each in told] == outcomes


@pytest.mark.parametrize(
    ("options", "pressed"),
    [({}, ["1", "12"]), ({"keys": "12"}, ["12"]), ({"keys": 2}, ["12"]), ({"keys": "#"}, [])],
)
async def test_keys(
    hass: HomeAssistant,
    engine: FakeEngine,
    line: Line,
    options: dict[str, Any],
    pressed: list[str],
) -> None:
    """Every key is told, or the keys that are meant; those of another call do not count."""
    told = await automate(hass, trigger("dtmf_received", **options))
    await incoming_call(hass, engine, line, answer=True)
    await incoming_call(hass, engine, line, answer=True)
    assert [each["keys"] for each in told] == pressed * 2


async def test_blocked(hass: HomeAssistant, engine: FakeEngine, line: Line) -> None:
    """A caller who is kept away is told, and is an outcome; a call that rings is neither."""
    told = await automate(
        hass,
        {"id": "blocked", **trigger("number_blocked")},
        {"id": "ended", **trigger("call_ended", outcome="blocked")},
    )
    events = async_capture_events(hass, EVENT_CALL)
    await incoming_call(hass, engine, line)
    assert not told
    line.set_option("block_unknown", value=True)
    engine.client.listener().call_event(incoming("in-2"))
    engine.client.listener().call_event(ended("in-2", EndReason.REJECTED_HERE))
    await hass.async_block_till_done()
    assert [(each["id"], each["outcome"]) for each in told] == [
        ("blocked", "blocked"),
        ("ended", "blocked"),
    ]
    assert call_in_words(hass, events[-1].data) == "Call from 03-1234-5678, blocked"


@pytest.mark.parametrize(
    ("caller", "matches"),
    [
        ("0312345678", True),
        ("03-1234-5678", True),
        ("０３－１２３４－５６７８", True),
        ("+81 3 1234 5678", True),
        ("+813*", True),
        ("03-1234-*", True),
        ("*5678", True),
        ("03123?5678", True),
        ("03123?678", False),
        ("031234567", False),
        ("0451234567", False),
        (["0451234567", "03*"], True),
        ("Grandmother", True),
        ("grand*", True),
        ("*mother", True),
        ("Grandfather", False),
        ("*", True),
        (123, False),
    ],
)
async def test_caller(
    hass: HomeAssistant, engine: FakeEngine, line: Line, caller: Any, matches: bool
) -> None:
    """The other side is named by number or name, as people write them, with wildcards."""
    told = await automate(hass, trigger("call_received", caller=caller))
    await incoming_call(hass, engine, line, display_name="Grandmother")
    assert len(told) == matches


async def test_prefix_of_a_dialled_number(
    hass: HomeAssistant, engine: FakeEngine, line: Line
) -> None:
    """Who is called with 184 or 186 before the number is the same person."""
    told = await automate(hass, trigger("call_ended", caller="0312345678"))
    call = await line.async_dial("184 03-1234-5678")
    engine.client.listener().call_event(ended(call.id, EndReason.BUSY))
    await hass.async_block_till_done()
    assert len(told) == 1


@pytest.mark.parametrize(
    ("options", "matches"),
    [
        ({"caller_id": "withheld"}, True),
        ({"caller_id": ["number", "payphone"]}, False),
        ({"caller": "*"}, True),
        ({"caller": "0*"}, False),
        ({"contact_group": "Family"}, False),
    ],
)
async def test_withheld(
    hass: HomeAssistant, engine: FakeEngine, line: Line, options: dict[str, Any], matches: bool
) -> None:
    """Callers without a number are told apart by the kind of their caller ID."""
    told = await automate(hass, trigger("call_received", **options))
    await incoming_call(hass, engine, line, number=None, kind=CallerIdKind.WITHHELD)
    assert len(told) == matches


async def test_line(
    hass: HomeAssistant, engine: FakeEngine, line: Line, entry: MockConfigEntry
) -> None:
    """The calls of one line are told, of whichever line they are if none is named."""
    other = MockConfigEntry(
        domain="hikari_denwa", title="Office", entry_id="line-2", data=ENTRY_DATA
    )
    other.add_to_hass(hass)
    assert await hass.config_entries.async_setup(other.entry_id)
    told = await automate(
        hass,
        {"id": "one", **trigger("call_received", config_entry_id="line-2")},
        {"id": "all", **trigger("call_received")},
    )
    engine.client.listener("line-1").call_event(incoming("in-1"))
    engine.client.listener("line-2").call_event(incoming("in-2"))
    await hass.async_block_till_done()
    assert [(each["id"], each["line"]) for each in told] == [
        ("all", "Home"),
        ("one", "Office"),
        ("all", "Office"),
    ]


@pytest.mark.parametrize(
    ("key", "options"),
    [
        ("call_received", {"config_entry_id": "gone"}),
        ("call_received", {"caller": 312345678}),
        ("call_received", {"caller": " "}),
        ("call_received", {"caller_id": "secret"}),
        ("call_received", {"outcome": "missed"}),
        ("call_ended", {"outcome": "good"}),
        ("call_answered", {"direction": "sideways"}),
        ("dtmf_received", {"keys": "12x"}),
        ("dtmf_received", {"keys": ""}),
    ],
)
async def test_wrong_options(
    hass: HomeAssistant, line: Line, key: str, options: dict[str, Any]
) -> None:
    """What cannot be meant makes the automation unusable, instead of one that never runs."""
    await automate(hass, trigger(key, **options), expect_valid=False)


async def test_before_and_after_the_line(
    hass: HomeAssistant, engine: FakeEngine, entry: MockConfigEntry
) -> None:
    """An automation may be there before its line, and outlives a reload of it."""
    entry.add_to_hass(hass)
    told = await automate(hass, trigger("call_received", config_entry_id="line-1"))
    assert await hass.config_entries.async_setup(entry.entry_id)
    for number in range(1, 3):
        engine.client.listener().call_event(incoming())
        await hass.async_block_till_done()
        assert len(told) == number
        assert await hass.config_entries.async_reload(entry.entry_id)
    await hass.services.async_call(
        "automation", "turn_off", {"entity_id": "automation.noting"}, blocking=True
    )
    engine.client.listener().call_event(incoming())
    await hass.async_block_till_done()
    assert len(told) == 2


async def test_states_are_ahead(hass: HomeAssistant, engine: FakeEngine, line: Line) -> None:
    """When a trigger fires, the entities of the line show what it is about."""
    told = await automate(
        hass,
        trigger("call_received"),
        conditions=[
            {"condition": "hikari_denwa.is_ringing"},
            {
                "condition": "template",
                "value_template": "{{ is_state('sensor.home_call_state', 'ringing') and "
                "state_attr('event.home_call', 'event_type') == 'incoming' }}",
            },
        ],
    )
    await incoming_call(hass, engine, line)
    assert len(told) == 1


async def test_doorbell_rang(hass: HomeAssistant, engine: FakeEngine, line: Line) -> None:
    """Home Assistant's own trigger for doorbells fires for the door phones of a line."""
    # The oldest Home Assistant that is supported has it as an experiment.
    if feature := getattr(automation, "NEW_TRIGGERS_CONDITIONS_FEATURE_FLAG", None):
        assert await async_setup_component(hass, "labs", {})
        await async_update_preview_feature(hass, "automation", feature, enabled=True)
    told = await automate(
        hass,
        {"trigger": "doorbell.rang", "target": {"entity_id": "event.home_doorbell"}},
        payload="{{ {'entity_id': trigger.entity_id} }}",
    )
    await incoming_call(hass, engine, line, number="0312345678")
    assert not told
    await incoming_call(hass, engine, line, number="1", internal=True)
    assert [each["entity_id"] for each in told] == ["event.home_doorbell"]


async def test_descriptions(hass: HomeAssistant, line: Line) -> None:
    """The editor finds every trigger, with the fields that the code takes and no other."""
    described = await async_get_all_descriptions(hass)
    for key, cls in TRIGGERS.items():
        description = described[f"hikari_denwa.{key}"]
        assert description is not None, key
        assert set(description["fields"]) == {str(field) for field in cls.fields}


def test_directions_are_events() -> None:
    """A call can be described by the event of its direction."""
    assert {CallEventType.INCOMING, CallEventType.OUTGOING} == {"incoming", "outgoing"}

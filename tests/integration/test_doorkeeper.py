"""Blocked callers who are answered: words, the answering machine, the challenge."""

# A test may look for files of its own.
# ruff: noqa: ASYNC240

import asyncio
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from homeassistant.core import HomeAssistant, State
from homeassistant.exceptions import HomeAssistantError
from homeassistant.helpers import issue_registry as ir
from pytest_homeassistant_custom_component.common import MockConfigEntry, async_capture_events

from custom_components.hikari_denwa import doorkeeper as doorkeeper_module
from custom_components.hikari_denwa import playback as playback_module
from custom_components.hikari_denwa import recorder as recorder_module
from custom_components.hikari_denwa.call_updates import EVENT_CALL
from custom_components.hikari_denwa.calls import Call, CallOutcome
from custom_components.hikari_denwa.const import DOMAIN
from custom_components.hikari_denwa.contacts import RingRule
from custom_components.hikari_denwa.line import Line
from custom_components.hikari_denwa.telephony.audio.tones import ringback_tone
from custom_components.hikari_denwa.telephony.calls import EndReason
from custom_components.hikari_denwa.telephony.engine.client import LineListener
from custom_components.hikari_denwa.telephony.errors import (
    CallNotRingingError,
    CallUnknownError,
    EngineLostError,
    NumberInvalidError,
)
from tests.home_gateway.likeness import compare, spoken

from .conftest import Voice, home, linear, needs_ffmpeg, state_of, until
from .fake_engine import FakeEngine, connected, dtmf, ended, held, incoming
from .test_answering import gateway, speak
from .test_contacts import subentry

CALL_EVENT = "event.home_call"
CALL_STATE = "sensor.home_call_state"
MISSED = "sensor.home_missed_calls"
SOUND = "media_player.home_call_sound"
CHALLENGED = {"block_unknown": True, "unknown_treatment": "challenge", "challenge_seconds": 3}

pytestmark = needs_ffmpeg

Changes = Callable[[str], list[State]]


@pytest.fixture(autouse=True)
def media(hass: HomeAssistant, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """Return the folder of the recordings; let no time pass."""
    monkeypatch.setattr(playback_module, "SETTLE", timedelta())
    monkeypatch.setattr(recorder_module, "_WRITE_SECONDS", 0.01)
    hass.config.media_dirs = {"local": str(tmp_path)}
    return tmp_path / "hikari_denwa"


@pytest.fixture
def entry() -> MockConfigEntry:
    """Return a line with contacts."""
    return home(
        subentry("Friend", "0311110000"),
        subentry("Doctor", "0311110001", ring_rule=RingRule.VIP),
        door_phones=["2"],
    )


async def guarded(hass: HomeAssistant, entry: MockConfigEntry, **options: Any) -> Line:
    """Return a line with rules."""
    entry.add_to_hass(hass)
    hass.config_entries.async_update_entry(entry, options={**entry.options, **options})
    assert await hass.config_entries.async_setup(entry.entry_id)
    await hass.async_block_till_done()
    line: Line = entry.runtime_data
    return line


def types(states: list[State]) -> list[str]:
    """Return the event types of an event entity's states."""
    return [state.attributes["event_type"] for state in states]


def issue(hass: HomeAssistant) -> ir.IssueEntry | None:
    """Return the repair that tells that nothing can be said."""
    return ir.async_get(hass).async_get_issue(DOMAIN, "no_words_line-1")


async def let_in(engine: FakeEngine, listener: LineListener, voice: Voice) -> None:
    """Call, hear the words, press the key, and hear it ring."""
    listener.call_event(incoming())
    await until(lambda: bool(engine.played))
    # A tone without an end that is heard at once would leave no time for anything else.
    engine.plays = False
    listener.call_event(dtmf("3"))
    await until(lambda: next(ringback_tone()) in engine.queued)


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({}, "This number does not take your call. Goodbye."),
        ({"say_message": "Go away, {{ who }}"}, "Go away, 03-1234-5678"),
    ],
)
async def test_say(
    hass: HomeAssistant,
    voice: Voice,
    engine: FakeEngine,
    entry: MockConfigEntry,
    changes: Changes,
    options: dict[str, str],
    said: str,
) -> None:
    """The caller hears the words whole, and it is hung up; nothing rings, it is blocked."""
    line = await guarded(hass, entry, blocked_callers=["03*"], block_treatment="say", **options)
    events, states = changes(CALL_EVENT), changes(CALL_STATE)
    sound = changes(SOUND)
    told = async_capture_events(hass, EVENT_CALL)
    listener = gateway(engine)
    listener.call_event(incoming())
    assert types(events) == ["blocked"]
    await until(lambda: bool(engine.sent("hang_up")))
    await hass.async_block_till_done()
    assert [message for message, _, _ in voice.asked] == [said]
    assert compare(spoken(8000, 0.6), linear(engine.played)).missing_ms == 0
    assert engine.sent("answer") == [("in-1",)]
    assert engine.sent("reject") == []
    assert types(events) == ["blocked"]
    assert {state.state for state in states} <= {"idle"}
    assert {state.state for state in sound} <= {"idle"}
    (logged,) = line.log
    assert logged.outcome is CallOutcome.BLOCKED
    assert logged.blocked_by == "number"
    assert logged.connected is not None
    assert line.log.today.talk_seconds == 0
    assert [event.data["outcome"] for event in told] == ["blocked"]
    assert state_of(hass, MISSED).state == "0"


@pytest.mark.parametrize("treatment", ["say", "challenge"])
@pytest.mark.parametrize(
    ("options", "problem"),
    [
        ({"say_message": "mute", "challenge_message": "mute"}, "no voice today"),
        ({"say_message": "{{ broken", "challenge_message": "{{ broken"}, "TemplateSyntaxError"),
    ],
)
async def test_nothing_can_be_said(
    hass: HomeAssistant,
    voice: Voice,
    engine: FakeEngine,
    entry: MockConfigEntry,
    changes: Changes,
    treatment: str,
    options: dict[str, str],
    problem: str,
) -> None:
    """The call is rejected, logged, and a repair tells why; it goes when words are heard."""
    line = await guarded(
        hass,
        entry,
        blocked_callers=["03*"],
        block_treatment=treatment,
        block_status="603",
        **options,
    )
    events = changes(CALL_EVENT)
    listener = engine.client.listener()
    listener.call_event(incoming())
    await until(lambda: engine.sent("reject") == [("in-1", 603)])
    listener.call_event(ended(reason=EndReason.REJECTED_HERE))
    await hass.async_block_till_done()
    assert types(events) == ["blocked"]
    assert engine.sent("answer") == []
    assert [call.outcome for call in line.log] == [CallOutcome.BLOCKED]
    repair = issue(hass)
    assert repair is not None
    assert repair.translation_placeholders is not None
    assert problem in repair.translation_placeholders["problem"]
    hass.config_entries.async_update_entry(
        entry, options={**entry.options, "say_message": "", "challenge_message": ""}
    )
    gateway(engine).call_event(incoming("in-2", channel=2))
    await until(lambda: engine.sent("answer") == [("in-2",)])
    assert issue(hass) is None


async def test_no_engine_speaks(
    hass: HomeAssistant, engine: FakeEngine, entry: MockConfigEntry
) -> None:
    """Without text-to-speech it is rejected; unloading takes the repair away."""
    await guarded(hass, entry, blocked_callers=["03*"], block_treatment="say")
    engine.client.listener().call_event(incoming())
    await until(lambda: engine.sent("reject") == [("in-1", 486)])
    assert issue(hass) is not None
    assert await hass.config_entries.async_unload(entry.entry_id)
    assert issue(hass) is None


async def test_answering_machine(
    hass: HomeAssistant,
    voice: Voice,
    engine: FakeEngine,
    entry: MockConfigEntry,
    media: Path,
    changes: Changes,
) -> None:
    """It takes the call at once, though it is switched off; the message is there, and blocked."""
    line = await guarded(hass, entry, blocked_callers=["03*"], block_treatment="answering_machine")
    events, states = changes(CALL_EVENT), changes(CALL_STATE)
    listener = gateway(engine)
    listener.call_event(incoming())
    await until(lambda: bool(line.recorder._running))
    assert [message for message, _, _ in voice.asked] == [
        "Nobody can take your call now. Please leave a message after the tone."
    ]
    speak(listener, 2)
    listener.call_event(ended())
    await until(lambda: types(events)[-1] == "message")
    assert types(events) == ["blocked", "message"]
    assert events[-1].attributes["recording"].endswith(".wav")
    assert len(list(media.glob("*.wav"))) == 1
    assert {state.state for state in states} <= {"idle"}
    assert [call.outcome for call in line.log] == [CallOutcome.BLOCKED]


async def test_challenge_passed(
    hass: HomeAssistant,
    voice: Voice,
    engine: FakeEngine,
    entry: MockConfigEntry,
    changes: Changes,
) -> None:
    """Nothing rings before the key; then it does, the caller hears that, and is connected."""
    line = await guarded(hass, entry, **CHALLENGED)
    events, states, sound = changes(CALL_EVENT), changes(CALL_STATE), changes(SOUND)
    listener = gateway(engine)
    listener.call_event(incoming())
    await until(lambda: bool(engine.played))
    assert [message for message, _, _ in voice.asked] == [
        "To be connected, please press 3.",
        "Your call cannot be connected. Goodbye.",
    ]
    assert events == []
    assert {state.state for state in states} <= {"idle"}
    assert line.state.call is None
    assert [call.outcome for call in line.log] == [CallOutcome.RUNNING]
    engine.played.clear()
    engine.plays = False
    listener.call_event(dtmf("3"))
    await until(lambda: next(ringback_tone()) in engine.queued)
    assert types(events) == ["incoming"]
    assert "blocked_by" not in events[0].attributes
    assert state_of(hass, CALL_STATE).state == "ringing"
    assert {state.state for state in sound} <= {"idle"}
    listener.call_event(dtmf("3"))
    await hass.services.async_call("button", "press", {"entity_id": "button.home_answer"}, True)
    assert types(events) == ["incoming", "answered", "connected"]
    assert state_of(hass, CALL_STATE).state == "talking"
    assert engine.sent("answer") == [("in-1",)]
    assert engine.queued == []
    # What is played now is what the home plays.
    engine.plays = True
    listener.call_event(dtmf("7"))
    assert events[-1].attributes["digit"] == "7"
    listener.call_event(ended(after=60))
    await hass.async_block_till_done()
    assert types(events)[-1] == "ended"
    (logged,) = line.log
    assert logged.outcome is CallOutcome.ANSWERED
    assert logged.blocked_by is None
    assert engine.sent("hang_up") == []
    await until(lambda: line._followers == {})


@pytest.mark.parametrize("pressed", ["", "5", "58"])
async def test_challenge_failed(
    hass: HomeAssistant,
    voice: Voice,
    engine: FakeEngine,
    entry: MockConfigEntry,
    changes: Changes,
    pressed: str,
) -> None:
    """It is asked twice, then the call ends politely, as one blocked call."""
    line = await guarded(hass, entry, **{**CHALLENGED, "challenge_seconds": 0.1})
    events, states = changes(CALL_EVENT), changes(CALL_STATE)
    told = async_capture_events(hass, EVENT_CALL)
    listener = gateway(engine)
    listener.call_event(incoming())
    for key in pressed:
        await until(lambda: bool(engine.played))
        listener.call_event(dtmf(key))
    await until(lambda: engine.sent("hang_up") == [("in-1",)])
    await hass.async_block_till_done()
    if not pressed:
        # The question twice, and the words of leave.
        assert len(engine.played) >= 3 * 30
    assert types(events) == ["blocked"]
    assert events[0].attributes["blocked_by"] == "not_in_contacts"
    assert {state.state for state in states} <= {"idle"}
    assert [call.outcome for call in line.log] == [CallOutcome.BLOCKED]
    assert [event.data["outcome"] for event in told] == ["blocked"]
    assert state_of(hass, MISSED).state == "0"
    assert line.log.last_incoming is None


async def test_who_hangs_up_at_the_challenge(
    hass: HomeAssistant,
    voice: Voice,
    engine: FakeEngine,
    entry: MockConfigEntry,
    changes: Changes,
) -> None:
    """The call is blocked, whether it was answered yet or not."""
    line = await guarded(hass, entry, **CHALLENGED)
    events = changes(CALL_EVENT)
    listener = gateway(engine)
    listener.call_event(incoming())
    await until(lambda: bool(engine.played))
    listener.call_event(ended())
    await until(lambda: not line.served and not line._followers)
    listener.call_event(incoming("in-2", channel=2))
    listener.call_event(ended("in-2", EndReason.CALLER_GAVE_UP))
    await until(lambda: not line.served and not line._followers)
    await hass.async_block_till_done()
    assert types(events) == ["blocked", "blocked"]
    assert engine.sent("answer") == [("in-1",)]
    assert engine.sent("hang_up") == []
    assert [call.outcome for call in line.log] == [CallOutcome.BLOCKED] * 2


@pytest.mark.parametrize(
    ("end", "event", "reason"),
    [
        (ended(), "missed", "caller_gave_up"),
        (ended(reason=EndReason.ENGINE_LOST), "failed", "engine_lost"),
    ],
)
async def test_let_in_and_gone(
    hass: HomeAssistant,
    voice: Voice,
    engine: FakeEngine,
    entry: MockConfigEntry,
    changes: Changes,
    end: Any,
    event: str,
    reason: str,
) -> None:
    """Who passed, and hangs up while it rings, is a missed call."""
    line = await guarded(hass, entry, **CHALLENGED)
    events = changes(CALL_EVENT)
    listener = gateway(engine)
    await let_in(engine, listener, voice)
    listener.call_event(end)
    await until(lambda: not line.served and not line._followers)
    assert types(events) == ["incoming", event]
    assert events[-1].attributes["reason"] == reason
    assert events[-1].attributes["duration"] == 0


async def test_let_in_and_nobody_there(
    hass: HomeAssistant,
    voice: Voice,
    engine: FakeEngine,
    entry: MockConfigEntry,
    changes: Changes,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Nobody answers: it is hung up after a while, and missed."""
    monkeypatch.setattr(doorkeeper_module, "RING_SECONDS", 0.1)
    await guarded(hass, entry, **CHALLENGED)
    events = changes(CALL_EVENT)
    listener = gateway(engine)
    await let_in(engine, listener, voice)
    await until(lambda: engine.sent("hang_up") == [("in-1",)])
    await hass.async_block_till_done()
    assert types(events) == ["incoming", "missed"]
    assert events[-1].attributes["reason"] == "no_answer"
    assert state_of(hass, MISSED).state == "1"


@pytest.mark.parametrize("action", ["reject", "hang_up"])
async def test_let_in_and_rejected(
    hass: HomeAssistant,
    voice: Voice,
    engine: FakeEngine,
    entry: MockConfigEntry,
    changes: Changes,
    action: str,
) -> None:
    """A call that the gateway has answered is turned away by hanging it up."""
    await guarded(hass, entry, **CHALLENGED)
    events = changes(CALL_EVENT)
    listener = gateway(engine)
    await let_in(engine, listener, voice)
    await hass.services.async_call(DOMAIN, action, {}, blocking=True)
    await hass.async_block_till_done()
    assert engine.sent("reject") == []
    assert engine.sent("hang_up") == [("in-1",)]
    assert types(events) == ["incoming", "rejected"]
    assert events[-1].attributes["reason"] == "rejected_here"


async def test_let_in_while_nobody_is_to_be_disturbed(
    hass: HomeAssistant,
    voice: Voice,
    engine: FakeEngine,
    entry: MockConfigEntry,
    changes: Changes,
) -> None:
    """Nothing rings, and the call is missed."""
    line = await guarded(hass, entry, **CHALLENGED, do_not_disturb=True)
    events, states = changes(CALL_EVENT), changes(CALL_STATE)
    listener = gateway(engine)
    await let_in(engine, listener, voice)
    assert line.state.call is None
    with pytest.raises(CallNotRingingError):
        await line.async_answer()
    listener.call_event(ended())
    await until(lambda: not line.served and not line._followers)
    await hass.async_block_till_done()
    assert types(events) == ["missed"]
    assert events[0].attributes["blocked_by"] == "do_not_disturb"
    assert {state.state for state in states} <= {"idle"}


@pytest.mark.parametrize(
    "caller",
    [{"number": "0311110000"}, {"number": "0311110001"}, {"number": "2", "internal": True}],
)
async def test_who_is_not_challenged(
    hass: HomeAssistant, engine: FakeEngine, entry: MockConfigEntry, caller: dict[str, Any]
) -> None:
    """Contacts, VIPs and door phones ring at once."""
    await guarded(hass, entry, **CHALLENGED)
    engine.client.listener().call_event(incoming(**caller))
    await hass.async_block_till_done()
    assert state_of(hass, CALL_STATE).state == "ringing"
    assert engine.commands == []


async def test_unknown_and_blocked_differ(
    hass: HomeAssistant, voice: Voice, engine: FakeEngine, entry: MockConfigEntry
) -> None:
    """Who is on the list is rejected while unknown callers are challenged."""
    await guarded(hass, entry, **CHALLENGED, blocked_callers=["0120*"])
    listener = gateway(engine)
    listener.call_event(incoming(number="0120123456"))
    await hass.async_block_till_done()
    assert engine.sent("reject") == [("in-1", 486)]
    listener.call_event(ended(reason=EndReason.REJECTED_HERE))
    listener.call_event(incoming("in-2", channel=2))
    await until(lambda: engine.sent("answer") == [("in-2",)])


async def test_no_conversation_is_disturbed(
    hass: HomeAssistant, voice: Voice, engine: FakeEngine, entry: MockConfigEntry
) -> None:
    """While somebody talks, or another is served, a blocked caller is rejected at once."""
    await guarded(hass, entry, blocked_callers=["03*"], block_treatment="challenge")
    listener = gateway(engine)
    listener.call_event(incoming(number="0451234567"))
    await hass.services.async_call(DOMAIN, "answer", {}, blocking=True)
    listener.call_event(incoming("in-2", channel=2))
    await until(lambda: engine.sent("reject") == [("in-2", 486)])
    listener.call_event(ended("in-2", EndReason.REJECTED_HERE))
    listener.call_event(ended("in-1"))
    listener.call_event(incoming("in-3", channel=3))
    await until(lambda: ("in-3",) in engine.sent("answer"))
    listener.call_event(incoming("in-4", channel=4))
    await until(lambda: ("in-4", 486) in engine.sent("reject"))


async def test_the_home_goes_first(
    hass: HomeAssistant,
    voice: Voice,
    engine: FakeEngine,
    entry: MockConfigEntry,
    changes: Changes,
) -> None:
    """Who dials, or answers another call, has the line: the blocked caller is hung up before.

    A number that cannot be dialled sends nobody away.
    """
    line = await guarded(hass, entry, **CHALLENGED)
    events = changes(CALL_EVENT)
    listener = gateway(engine)
    listener.call_event(incoming())
    await until(lambda: bool(engine.played))
    with pytest.raises(NumberInvalidError):
        await line.async_dial("nobody", person=True)
    assert engine.sent("hang_up") == []
    await line.async_dial("0311110000", person=True)
    names = [command[0] for command in engine.commands]
    assert names.index("hang_up") < names.index("dial")
    assert types(events)[:2] == ["blocked", "outgoing"]
    listener.call_event(ended("out-1"))
    engine.played.clear()
    engine.commands.clear()
    listener.call_event(incoming("in-2", channel=2))
    await until(lambda: bool(engine.played))
    listener.call_event(incoming("in-3", number="0311110000", channel=3))
    await line.async_answer()
    assert [command for command in engine.commands if command[0] in {"answer", "hang_up"}] == [
        ("answer", "in-2"),
        ("hang_up", "in-2"),
        ("answer", "in-3"),
    ]


async def test_picked_up_beside_another_call(
    hass: HomeAssistant, voice: Voice, engine: FakeEngine, entry: MockConfigEntry
) -> None:
    """The other call is put on hold, as with every answer; who was held himself is taken back."""
    line = await guarded(hass, entry, **CHALLENGED)
    listener = gateway(engine)
    await let_in(engine, listener, voice)
    listener.call_event(incoming("in-2", number="0311110000", channel=2))
    await line.async_answer("in-2")
    await hass.async_block_till_done()
    # The engine holds what it has connected when another call is answered.
    listener.call_event(held("in-1", here=True))
    await line.async_answer("in-1")
    assert engine.sent("hold") == [("in-2", True), ("in-1", False)]
    assert line.latest(line.calls[0]).connected is not None


async def test_answered_by_itself(
    hass: HomeAssistant,
    voice: Voice,
    engine: FakeEngine,
    entry: MockConfigEntry,
    changes: Changes,
) -> None:
    """Who passed is any caller: auto answer and the answering machine take the call."""
    await guarded(hass, entry, **CHALLENGED, auto_answer=True, auto_answer_after=0)
    events = changes(CALL_EVENT)
    listener = gateway(engine)
    listener.call_event(incoming())
    await until(lambda: bool(engine.played))
    listener.call_event(dtmf("3"))
    await until(lambda: "connected" in types(events))
    assert engine.sent("answer") == [("in-1",)]


async def test_the_machine_takes_who_passed(
    hass: HomeAssistant, voice: Voice, engine: FakeEngine, entry: MockConfigEntry
) -> None:
    """The answering machine joins a call that the gateway has answered."""
    line = await guarded(hass, entry, **CHALLENGED, answering_machine=True, answering_after=0)
    listener = gateway(engine)
    listener.call_event(incoming())
    await until(lambda: bool(engine.played))
    listener.call_event(dtmf("3"))
    await until(lambda: bool(line.recorder._running))
    assert engine.sent("answer") == [("in-1",)]
    listener.call_event(ended())
    await until(lambda: not line.recorder._finishing)


async def test_nobody_else_takes_what_is_being_picked_up(
    hass: HomeAssistant, voice: Voice, engine: FakeEngine, entry: MockConfigEntry
) -> None:
    """Who answers a moment later is told that nothing rings, and the call goes on."""
    line = await guarded(hass, entry, **CHALLENGED)
    listener = gateway(engine)
    await let_in(engine, listener, voice)
    outcomes = await asyncio.gather(
        line.async_answer(), line.async_answer(), return_exceptions=True
    )
    assert [type(outcome) for outcome in outcomes] == [Call, CallNotRingingError]
    assert engine.sent("answer") == [("in-1",)]
    assert state_of(hass, CALL_STATE).state == "talking"


@pytest.mark.parametrize("treatment", ["say", "challenge"])
@pytest.mark.parametrize("error", [CallUnknownError(), EngineLostError()])
async def test_cannot_be_answered(
    hass: HomeAssistant,
    voice: Voice,
    engine: FakeEngine,
    entry: MockConfigEntry,
    treatment: str,
    error: Exception,
) -> None:
    """What the engine refuses leaves a blocked call, and nobody waits for anything."""
    line = await guarded(hass, entry, blocked_callers=["03*"], block_treatment=treatment)
    listener = gateway(engine)
    engine.errors["answer"] = error  # type: ignore[assignment]
    listener.call_event(incoming())
    await until(lambda: not line.served and not line._followers)
    await hass.async_block_till_done()
    assert [call.outcome for call in line.log] == [CallOutcome.BLOCKED]


async def test_unloading_in_a_challenge(
    hass: HomeAssistant, voice: Voice, engine: FakeEngine, entry: MockConfigEntry
) -> None:
    """The call is in the log, and nothing is left."""
    line = await guarded(hass, entry, **CHALLENGED)
    gateway(engine).call_event(incoming())
    await until(lambda: bool(engine.played))
    assert await hass.config_entries.async_unload(entry.entry_id)
    assert [(call.outcome, call.reason) for call in line.log] == [
        (CallOutcome.BLOCKED, EndReason.LINE_CLOSED)
    ]


async def test_nobody_hears_a_caller_who_hears_it_ring(
    hass: HomeAssistant, voice: Voice, engine: FakeEngine, entry: MockConfigEntry
) -> None:
    """The engine sends their sound when the call is taken, and not before."""
    line = await guarded(hass, entry, **CHALLENGED)
    listener = gateway(engine)
    await let_in(engine, listener, voice)
    assert line.state.call is not None
    heard: list[Any] = []
    line.call_sound(line.state.call).take(heard.append)
    await hass.async_block_till_done()
    assert engine.sent("stream_sound") == []
    with pytest.raises(HomeAssistantError):
        await hass.services.async_call(
            "media_player",
            "play_media",
            {"entity_id": SOUND, "media_content_id": "http://a/b", "media_content_type": "music"},
            blocking=True,
        )
    await line.async_answer()
    await until(lambda: engine.sent("stream_sound") == [("in-1", True)])
    await asyncio.sleep(0)
    listener.call_event(connected())
    listener.call_event(ended())

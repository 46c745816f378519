"""Dialling as the verdict says: over which family, once more after a refusal, never again."""

import asyncio
import json
from collections.abc import Callable
from types import MappingProxyType
from typing import Any
from unittest.mock import patch

import pytest
from homeassistant.config_entries import ConfigSubentry
from homeassistant.core import Context, HomeAssistant, State
from homeassistant.exceptions import HomeAssistantError, ServiceValidationError
from pytest_homeassistant_custom_component.common import MockConfigEntry, MockUser
from pytest_homeassistant_custom_component.typing import WebSocketGenerator

from custom_components.hikari_denwa.calls import CallOutcome
from custom_components.hikari_denwa.const import DOMAIN
from custom_components.hikari_denwa.contacts import Contact
from custom_components.hikari_denwa.diagnostics import async_get_config_entry_diagnostics
from custom_components.hikari_denwa.line import Line
from custom_components.hikari_denwa.telephony.calls import EndReason, Family
from custom_components.hikari_denwa.telephony.engine.protocol import CallProgress
from custom_components.hikari_denwa.telephony.errors import (
    EngineSilentError,
    GatewaySilentError,
)
from custom_components.hikari_denwa.telephony.paths import (
    FamilyPath,
    Paths,
    Reach,
    Source,
    SourceKind,
)

from .conftest import ENTRY_DATA, home, state_of
from .fake_engine import (
    AT,
    FakeEngine,
    connected,
    ended,
    paths_changed,
    registered,
)

EVENT = "event.home_call"
OUTSIDE = "0312345678"
V4, V6 = Family.IPV4, Family.IPV6


def path(family: Family, reach: Reach = Reach.SAME_LINK) -> FamilyPath:
    """Return a path to a gateway that answers."""
    kind = SourceKind.GLOBAL if family is V6 else SourceKind.PRIVATE
    return FamilyPath(family=family, reach=reach, source_kind=kind, gateway_answers=True)


BOTH = Paths(
    ipv6=path(V6),
    ipv4=path(V4),
    sources=(
        Source(address="2001:db8:0:100::9abc", kind=SourceKind.DEPRECATED, link="eth0"),
        Source(address="fd00:5::9abc", kind=SourceKind.ULA, link="eth0"),
    ),
)
ONLY_V6 = Paths(ipv6=path(V6), ipv4=FamilyPath(family=V4, reach=Reach.NONE))


@pytest.fixture
async def dual(hass: HomeAssistant, engine: FakeEngine, line: Line) -> Line:
    """Return a line that is registered over IPv6 and could be over IPv4."""
    engine.client.listener().paths_changed(paths_changed("line-1", BOTH))
    return line


async def act(hass: HomeAssistant, action: str, **data: Any) -> Any:
    """Carry out an action and return its response."""
    return await hass.services.async_call(DOMAIN, action, data, blocking=True, return_response=True)


def refuse(
    engine: FakeEngine, status: int = 488, *, call: str = "out-1", warning: int | None = None
) -> None:
    """Let the gateway refuse a call."""
    reason = EndReason.NUMBER_WITHHELD_REFUSED if status == 433 else EndReason.NOT_ACCEPTABLE
    engine.client.listener("line-1").call_event(ended(call, reason, status=status, warning=warning))


def families(engine: FakeEngine) -> list[Family]:
    """Return over what INVITEs went out."""
    return [invite.family for invite in engine.invites]


async def test_refused_over_ipv6_then_ipv4(
    hass: HomeAssistant,
    engine: FakeEngine,
    dual: Line,
    changes: Callable[[str], list[State]],
) -> None:
    """A 488 over IPv6 is followed by one INVITE over IPv4, and people see one call."""
    events = changes(EVENT)
    response = await act(hass, "dial", number=OUTSIDE)
    assert response["verdict"]["fallback_family"] == "ipv4"
    refuse(engine, warning=301)
    await hass.async_block_till_done()
    assert families(engine) == [V6, V4]
    assert engine.sent("move_line") == [("line-1", V4)]
    assert state_of(hass, "sensor.home_call_state").state == "dialing"
    engine.client.listener().call_event(connected("out-1"))
    await hass.async_block_till_done()
    assert [event.attributes["event_type"] for event in events] == ["outgoing", "connected"]
    told = events[-1].attributes
    assert told["call_id"] == response["call_id"]
    assert told["family"] == "ipv4"
    first, second = told["attempts"]
    assert (first["family"], first["status"], first["warning"]) == ("ipv6", 488, 301)
    assert first["milliseconds"] >= 0
    assert (second["family"], second["status"]) == ("ipv4", None)

    engine.client.listener().call_event(ended("out-1"))
    await hass.async_block_till_done(wait_background_tasks=True)
    assert engine.sent("move_line") == [("line-1", V4), ("line-1", V6)]
    assert dual.dialler.own_facts.family is V6


async def test_sound_follows_to_the_second_attempt(
    hass: HomeAssistant, engine: FakeEngine, dual: Line
) -> None:
    """A live stream that was begun goes on with the call."""
    await act(hass, "dial", number=OUTSIDE)
    live = dual.live_stream()
    refuse(engine)
    await hass.async_block_till_done()
    assert dual.live_stream() is live
    assert dual.state.call is not None
    sound = dual.call_sound(dual.state.call)
    assert dual._hearing == {dual.state.call.channel: sound}


async def test_next_call_begins_where_the_last_one_got_through(
    hass: HomeAssistant, engine: FakeEngine, dual: Line
) -> None:
    """What a refusal taught is used, and can be forgotten."""
    await act(hass, "dial", number=OUTSIDE)
    refuse(engine)
    await hass.async_block_till_done()
    engine.client.listener().call_event(connected("out-1"))
    engine.client.listener().call_event(ended("out-1"))
    await hass.async_block_till_done(wait_background_tasks=True)
    told = await act(hass, "check_number", number=OUTSIDE)
    assert told["family"] == "ipv4"
    assert "worked_before" in {reason["reason"] for reason in told["reasons"]}

    await act(hass, "dial", number=OUTSIDE)
    assert families(engine) == [V6, V4, V4]
    engine.client.listener().call_event(ended("out-3", EndReason.BUSY, status=486))
    await hass.async_block_till_done(wait_background_tasks=True)
    assert (await act(hass, "forget_experience", number="03-1234-5678")) == {"forgotten": 1}
    assert (await act(hass, "check_number", number=OUTSIDE))["family"] == "ipv6"


async def test_no_third_attempt(hass: HomeAssistant, engine: FakeEngine, dual: Line) -> None:
    """Refused over both, it has failed; that teaches nothing about families."""
    task = hass.async_create_task(act(hass, "dial", number=OUTSIDE, wait_for_answer=True))
    while not engine.invites:
        await asyncio.sleep(0)
    await asyncio.sleep(0)
    refuse(engine)
    while len(engine.invites) < 2:
        await asyncio.sleep(0)
    await asyncio.sleep(0)
    refuse(engine, 606)
    response = await task
    await hass.async_block_till_done(wait_background_tasks=True)
    assert len(engine.invites) == 2
    assert response["result"] == "failed"
    assert [attempt["status"] for attempt in response["attempts"]] == [488, 606]
    told = await act(hass, "check_number", number=OUTSIDE)
    assert told["family"] == "ipv6"
    assert told["reasons"][0]["reason"] == "refused_over_both"


async def test_no_way_no_second_attempt(
    hass: HomeAssistant, engine: FakeEngine, line: Line
) -> None:
    """Without a path over IPv4 the 488 is final, and the verdict has said so before."""
    engine.client.listener().paths_changed(paths_changed("line-1", ONLY_V6))
    response = await act(hass, "dial", number=OUTSIDE)
    assert response["verdict"]["outlook"] == "uncertain"
    assert response["verdict"]["fallback_family"] is None
    assert response["verdict"]["cures"][0]["cure"] == "cure_give_family"
    refuse(engine)
    await hass.async_block_till_done()
    assert len(engine.invites) == 1
    assert state_of(hass, EVENT).attributes["event_type"] == "failed"


async def test_given_up_call_is_not_dialled_again(
    hass: HomeAssistant, engine: FakeEngine, dual: Line
) -> None:
    """A 488 that crosses the user's hanging up is not followed by anything."""
    await act(hass, "dial", number=OUTSIDE)
    await act(hass, "hang_up")
    refuse(engine)
    await hass.async_block_till_done()
    assert len(engine.invites) == 1
    assert dual.state.call is None


async def test_given_up_while_the_line_moves(
    hass: HomeAssistant, engine: FakeEngine, dual: Line
) -> None:
    """Between two INVITEs hanging up ends the call at once, and the line goes home."""
    gate: asyncio.Future[None] = hass.loop.create_future()
    move = engine.client.move_line

    async def slow_move(line: str, family: Family) -> None:
        await gate
        await move(line, family)

    await act(hass, "dial", number=OUTSIDE)
    with patch.object(engine.client, "move_line", slow_move):
        refuse(engine)
        await asyncio.sleep(0)
        await act(hass, "hang_up")
        assert dual.state.call is None
        assert state_of(hass, EVENT).attributes["reason"] == "cancelled_here"
        gate.set_result(None)
        await hass.async_block_till_done(wait_background_tasks=True)
    assert len(engine.invites) == 1
    assert engine.sent("hang_up") == []
    assert engine.sent("move_line") == [("line-1", V4), ("line-1", V6)]


async def test_given_up_while_the_second_invite_goes_out(
    hass: HomeAssistant, engine: FakeEngine, dual: Line
) -> None:
    """An INVITE that cannot be held back any more is cancelled."""
    gate: asyncio.Future[None] = hass.loop.create_future()
    await act(hass, "dial", number=OUTSIDE)
    dial = engine.client.dial

    async def slow_dial(line: str, number: str, **keywords: Any) -> Any:
        await gate
        return await dial(line, number, **keywords)

    with patch.object(engine.client, "dial", slow_dial):
        refuse(engine)
        for _ in range(5):
            await asyncio.sleep(0)
        await act(hass, "hang_up")
        gate.set_result(None)
        await hass.async_block_till_done(wait_background_tasks=True)
    assert engine.sent("hang_up") == [("out-1",)]
    assert dual.state.call is None
    assert list(dual.dialler._calls) == []
    assert engine.sent("move_line")[-1] == ("line-1", V6)


async def test_the_line_cannot_move_for_the_second_attempt(
    hass: HomeAssistant, engine: FakeEngine, dual: Line
) -> None:
    """Then the refusal stands."""
    engine.errors["move_line"] = GatewaySilentError(address="192.168.1.1", family="ipv4")
    await act(hass, "dial", number=OUTSIDE)
    refuse(engine)
    await hass.async_block_till_done(wait_background_tasks=True)
    assert len(engine.invites) == 1
    assert state_of(hass, EVENT).attributes["status"] == 488


@pytest.mark.parametrize("stage", ["move_line", "dial"])
@pytest.mark.parametrize("error", [RuntimeError("a fault"), asyncio.CancelledError()])
async def test_fault_before_the_second_attempt(
    hass: HomeAssistant,
    engine: FakeEngine,
    dual: Line,
    caplog: pytest.LogCaptureFixture,
    stage: str,
    error: BaseException,
) -> None:
    """Whatever comes between two INVITEs, the call ends as the first did, and nothing rings on."""

    async def fail(*_: Any, **__: Any) -> None:
        await asyncio.sleep(0)
        raise error

    await act(hass, "dial", number=OUTSIDE)
    with patch.object(engine.client, stage, fail):
        refuse(engine, warning=301)
        await hass.async_block_till_done()
    assert dual.state.call is None
    assert dual.calls == ()
    told = state_of(hass, EVENT).attributes
    assert (told["event_type"], told["status"], told["warning"]) == ("failed", 488, 301)
    assert state_of(hass, "sensor.home_call_state").state == "idle"
    await hass.async_block_till_done(wait_background_tasks=True)
    assert engine.sent("hang_up") == ([("out-1",)] if stage == "dial" else [])
    assert dual.dialler.own_facts.family is V6
    assert ("could not be tried again" in caplog.text) is isinstance(error, RuntimeError)

    # The line serves on.
    await act(hass, "dial", number=OUTSIDE)
    assert len(engine.invites) == 2


async def test_fault_of_a_listener_after_the_second_invite(
    hass: HomeAssistant, engine: FakeEngine, dual: Line
) -> None:
    """An INVITE that is out keeps its call, whatever goes wrong beside it."""
    await act(hass, "dial", number=OUTSIDE)
    refresh = dual._current_changed

    def fail() -> None:
        refresh()
        raise RuntimeError("a fault")

    with patch.object(dual, "_current_changed", fail):
        refuse(engine)
        await hass.async_block_till_done()
    assert families(engine) == [V6, V4]
    assert dual.state.call is not None
    engine.client.listener().call_event(connected("out-1"))
    await hass.async_block_till_done()
    assert state_of(hass, EVENT).attributes["event_type"] == "connected"
    assert engine.sent("hang_up") == []


async def test_withheld_refused_and_shown_once(
    hass: HomeAssistant, engine: FakeEngine, dual: Line
) -> None:
    """On 433 the caller who allowed it is called for once more with 186."""
    await act(hass, "dial", number=OUTSIDE, show_number=True)
    refuse(engine, 433)
    await hass.async_block_till_done()
    assert [invite.number for invite in engine.invites] == [OUTSIDE, f"186{OUTSIDE}"]
    assert families(engine) == [V6, V6]
    refuse(engine, 433)
    await hass.async_block_till_done()
    assert len(engine.invites) == 2
    shown = [attempt["shows_number"] for attempt in state_of(hass, EVENT).attributes["attempts"]]
    assert shown == [False, True]


async def test_withheld_refused_and_not_shown(
    hass: HomeAssistant, engine: FakeEngine, dual: Line
) -> None:
    """Nobody's number is shown unasked: there the sentence has to do."""
    await act(hass, "dial", number=OUTSIDE)
    refuse(engine, 433)
    await hass.async_block_till_done()
    assert len(engine.invites) == 1
    assert state_of(hass, EVENT).attributes["reason"] == "number_withheld_refused"
    told = await act(hass, "check_number", number=OUTSIDE)
    assert told["outlook"] == "likely_fails"
    assert told["cures"][-1]["cure"] == "cure_show_number"


@pytest.mark.parametrize(("dialled", "invites"), [(OUTSIDE, 2), (f"184{OUTSIDE}", 1)])
async def test_contact_to_whom_the_number_may_be_shown(
    hass: HomeAssistant, engine: FakeEngine, dual: Line, dialled: str, invites: int
) -> None:
    """What was permitted of a contact counts without being asked, but never against 184."""
    contact = Contact(name="Office", numbers=(OUTSIDE,), show_number=True)
    subentry = ConfigSubentry(
        data=MappingProxyType(contact.as_data()),
        subentry_type="contact",
        title="Office",
        unique_id=None,
    )
    hass.config_entries.async_add_subentry(dual.entry, subentry)
    await act(hass, "dial", number=dialled)
    for _ in range(invites):
        refuse(engine, 433)
        await hass.async_block_till_done()
    assert [invite.number for invite in engine.invites] == [dialled, f"186{OUTSIDE}"][:invites]
    (logged,) = dual.log
    assert logged.name == "Office"
    assert logged.outcome is CallOutcome.FAILED
    assert [attempt["status"] for attempt in logged.attempts] == [433] * invites


@pytest.mark.parametrize(("shows", "outlook"), [(False, "likely_fails"), (True, "works")])
async def test_line_that_shows_its_number(
    hass: HomeAssistant, engine: FakeEngine, shows: bool, outlook: str
) -> None:
    """Where no prefix means shown (通常通知), a refusal of 184 says nothing of calls without it."""
    entry = home(shows_number=shows)
    entry.add_to_hass(hass)
    assert await hass.config_entries.async_setup("line-1")
    engine.client.listener().paths_changed(paths_changed("line-1", BOTH))
    await act(hass, "dial", number=f"184{OUTSIDE}")
    refuse(engine, 433)
    await hass.async_block_till_done()
    assert (await act(hass, "check_number", number=OUTSIDE))["outlook"] == outlook
    assert (await act(hass, "check_number", number=f"184{OUTSIDE}"))["outlook"] == "likely_fails"
    response = await act(hass, "dial", number=OUTSIDE)
    assert response["attempts"][0]["shows_number"] is shows
    block = (await async_get_config_entry_diagnostics(hass, entry))["compatibility"]
    assert block["options"]["shows_number"] is shows


async def test_second_line_of_the_gateway(
    hass: HomeAssistant, engine: FakeEngine, line: Line
) -> None:
    """Where another line has the family, it carries the call, and the call stays where it was."""
    engine.first = registered("line-2", V4)
    other = MockConfigEntry(
        domain=DOMAIN, title="Office", entry_id="line-2", data={**ENTRY_DATA, "extension": "4"}
    )
    other.add_to_hass(hass)
    assert await hass.config_entries.async_setup("line-2")
    response = await act(hass, "dial", number=OUTSIDE, config_entry_id="line-1")
    assert response["verdict"]["line"] == "Home"
    refuse(engine)
    await hass.async_block_till_done()
    assert [(invite.line, invite.family) for invite in engine.invites] == [
        ("line-1", V6),
        ("line-2", V4),
    ]
    assert engine.sent("move_line") == []
    assert line.state.call is not None
    assert other.runtime_data.state.call is None
    assert line.state.call.attempts[-1].line == "Office"
    # The line that is taken down ends what it has on another.
    assert await hass.config_entries.async_unload("line-1")
    assert engine.sent("hang_up") == [("out-1",)]


async def test_book_of_extensions(hass: HomeAssistant, engine: FakeEngine) -> None:
    """An analog phone is not even tried over IPv6 where IPv4 is not to be had."""
    entry = home(extensions=[{"number": "1", "kind": "analog"}])
    entry.add_to_hass(hass)
    assert await hass.config_entries.async_setup("line-1")
    engine.client.listener().paths_changed(paths_changed("line-1", ONLY_V6))
    with pytest.raises(HomeAssistantError) as error:
        await act(hass, "dial", number="1")
    assert error.value.translation_key == "callee_needs_ipv4"
    assert engine.invites == []
    engine.client.listener().paths_changed(paths_changed("line-1", BOTH))
    await act(hass, "dial", number="1")
    assert families(engine) == [V4]


async def test_first_attempt_cannot_move(hass: HomeAssistant, engine: FakeEngine) -> None:
    """When the family that a call needs turns out not to serve, the sentence says so."""
    entry = home(extensions=[{"number": "1", "kind": "analog"}])
    entry.add_to_hass(hass)
    assert await hass.config_entries.async_setup("line-1")
    engine.client.listener().paths_changed(paths_changed("line-1", BOTH))
    engine.errors["move_line"] = GatewaySilentError(address="192.168.1.1", family="ipv4")
    with pytest.raises(HomeAssistantError) as error:
        await act(hass, "dial", number="1")
    assert error.value.translation_key == "callee_needs_ipv4"
    assert engine.invites == []


async def test_ringing_teaches_even_unanswered(
    hass: HomeAssistant, engine: FakeEngine, line: Line
) -> None:
    """Who rang was reached, whoever gave up then."""
    await act(hass, "dial", number=OUTSIDE)
    engine.client.listener().call_event(
        CallProgress(at=AT + 1, line="", call="out-1", status=180, early_media=False)
    )
    engine.client.listener().call_event(ended("out-1", EndReason.NO_ANSWER, status=480))
    await hass.async_block_till_done()
    told = await act(hass, "check_number", number=OUTSIDE)
    assert told["outlook"] == "works"


async def test_engine_lost_between(hass: HomeAssistant, engine: FakeEngine, dual: Line) -> None:
    """An engine that is lost takes the second attempt with it, and the paths."""
    engine.errors["move_line"] = EngineSilentError()
    await act(hass, "dial", number=OUTSIDE)
    refuse(engine)
    engine.client.listener().engine_lost()
    await hass.async_block_till_done()
    assert dual.state.call is None
    assert dual.state.paths == Paths()
    assert len(engine.invites) == 1


async def test_check_number_asks_nobody(
    hass: HomeAssistant, engine: FakeEngine, dual: Line
) -> None:
    """The verdict has its sentences, and nothing was sent."""
    told = await act(hass, "check_number", number="+81 3 1234 5678")
    assert told["formatted_number"] == "03-1234-5678"
    assert told["outlook"] == "likely_works"
    assert told["summary"].startswith("Likely works: Some numbers outside")
    assert told["reasons"][-1]["text"] == "If it is refused, it is tried once over IPv4."
    assert (await act(hass, "check_number", number="home"))["outlook"] == "cannot"
    told = await act(hass, "check_number", number="0990512345")
    assert told["reasons"][0]["text"].count("Premium numbers (0990)") == 1
    assert engine.commands == []


async def test_cost_is_told_in_words(hass: HomeAssistant, engine: FakeEngine, dual: Line) -> None:
    """The error of a class that is not allowed names it as the options do."""
    with pytest.raises(ServiceValidationError) as error:
        await act(hass, "dial", number="0990512345")
    assert "Premium numbers (0990)" in str(error.value)


async def test_outlook_follows_the_number_field(
    hass: HomeAssistant, engine: FakeEngine, dual: Line
) -> None:
    """The sensor shows the verdict on what was entered, and follows paths and experience."""
    sensor = "sensor.home_call_outlook"
    assert state_of(hass, sensor).state == "unknown"
    await hass.services.async_call(
        "text",
        "set_value",
        {"entity_id": "text.home_number_to_dial", "value": OUTSIDE},
        blocking=True,
    )
    state = state_of(hass, sensor)
    assert state.state == "likely_works"
    assert state.attributes["fallback_family"] == "ipv4"
    engine.client.listener().paths_changed(paths_changed("line-1", ONLY_V6))
    await hass.async_block_till_done()
    assert state_of(hass, sensor).state == "uncertain"


async def test_websocket(
    hass: HomeAssistant, engine: FakeEngine, dual: Line, hass_ws_client: WebSocketGenerator
) -> None:
    """What the dashboard asks while one types, once or with what changes."""
    client = await hass_ws_client(hass)
    await client.send_json_auto_id(
        {"type": "hikari_denwa/check_number", "number": OUTSIDE, "language": "ja"}
    )
    answer = await client.receive_json()
    assert answer["result"]["summary"].startswith("おそらくつながります: ")
    await client.send_json_auto_id(
        {"type": "hikari_denwa/check_number/subscribe", "number": OUTSIDE}
    )
    assert (await client.receive_json())["success"]
    assert (await client.receive_json())["event"]["outlook"] == "likely_works"
    engine.client.listener().paths_changed(paths_changed("line-1", ONLY_V6))
    told = await client.receive_json()
    assert told["event"]["outlook"] == "uncertain"
    await client.send_json_auto_id({"type": "unsubscribe_events", "subscription": told["id"]})
    assert (await client.receive_json())["success"]
    await client.send_json_auto_id(
        {"type": "hikari_denwa/check_number", "number": "1", "config_entry_id": "nobody"}
    )
    assert (await client.receive_json())["error"]["code"] == "not_found"
    await client.send_json_auto_id(
        {
            "type": "hikari_denwa/check_number/subscribe",
            "number": "1",
            "config_entry_id": "nobody",
        }
    )
    assert (await client.receive_json())["error"]["code"] == "not_found"


@pytest.fixture
async def emergency(hass: HomeAssistant, engine: FakeEngine) -> Line:
    """Return a line whose owner switched emergency dialling on, with more codecs."""
    entry = home(emergency=True, region="east", codecs=["g722"])
    entry.add_to_hass(hass)
    assert await hass.config_entries.async_setup("line-1")
    engine.client.listener().paths_changed(paths_changed("line-1", BOTH))
    running: Line = entry.runtime_data
    return running


async def test_emergency_by_a_person(
    hass: HomeAssistant, engine: FakeEngine, emergency: Line, hass_admin_user: MockUser
) -> None:
    """A person's call goes out over IPv4 in the East, with µ-law alone."""
    await hass.services.async_call(
        DOMAIN,
        "dial",
        {"number": "119"},
        blocking=True,
        context=Context(user_id=hass_admin_user.id),
    )
    (invite,) = engine.invites
    assert (invite.number, invite.family, invite.mu_law_only) == ("119", V4, True)
    assert emergency.dialler.experience.outcomes == {}


async def test_emergency_button_by_a_person(
    hass: HomeAssistant, engine: FakeEngine, emergency: Line, hass_admin_user: MockUser
) -> None:
    """The button knows who presses it."""
    context = Context(user_id=hass_admin_user.id)
    await hass.services.async_call(
        "text", "set_value", {"entity_id": "text.home_number_to_dial", "value": "118"}
    )
    with pytest.raises(ServiceValidationError) as error:
        await hass.services.async_call(
            "button", "press", {"entity_id": "button.home_dial"}, blocking=True
        )
    assert error.value.translation_key == "emergency_from_automation"
    await hass.services.async_call(
        "button", "press", {"entity_id": "button.home_dial"}, blocking=True, context=context
    )
    assert len(engine.invites) == 1


async def test_emergency_by_automations(
    hass: HomeAssistant, engine: FakeEngine, emergency: Line, hass_admin_user: MockUser
) -> None:
    """Whoever cannot be told to be a person is an automation: scripts, add-ons, strangers."""
    system = await hass.auth.async_create_system_user("Add-on")
    for context in (
        Context(),
        Context(parent_id="what triggered it"),
        Context(user_id=hass_admin_user.id, parent_id="a script"),
        Context(user_id=system.id),
        Context(user_id="nobody"),
    ):
        with pytest.raises(ServiceValidationError) as error:
            await hass.services.async_call(
                DOMAIN, "dial", {"number": "110"}, blocking=True, context=context
            )
        assert error.value.translation_key == "emergency_from_automation"
    assert engine.invites == []


async def test_emergency_over_ipv6_alone_in_the_east(
    hass: HomeAssistant, engine: FakeEngine, emergency: Line, hass_admin_user: MockUser
) -> None:
    """If the line cannot, the verdict says so plainly, and nobody is called."""
    engine.client.listener().paths_changed(paths_changed("line-1", ONLY_V6))
    with pytest.raises(HomeAssistantError) as error:
        await hass.services.async_call(
            DOMAIN,
            "dial",
            {"number": "119"},
            blocking=True,
            context=Context(user_id=hass_admin_user.id),
        )
    assert error.value.translation_key == "emergency_needs_ipv4"
    assert engine.invites == []


async def test_region_is_guessed_from_the_domain(
    hass: HomeAssistant, engine: FakeEngine, line: Line
) -> None:
    """A gateway that names its domain tells whose it is; what was entered goes first."""
    assert line.dialler.region == "unknown"
    for domain, region in (("ntt-east.ne.jp", "east"), ("X.ntt-west.ne.jp", "west")):
        engine.client.listener().registration_changed(registered("line-1", domain=domain))
        assert line.dialler.region == region
    engine.client.listener().registration_changed(registered("line-1", domain="notntt-east.ne.jp"))
    assert line.dialler.region == "unknown"


async def test_diagnostics(
    hass: HomeAssistant, engine: FakeEngine, dual: Line, entry: MockConfigEntry
) -> None:
    """One block shows paths, what verdicts are made of, and attempts; nobody is recognised."""
    await act(hass, "dial", number=OUTSIDE)
    refuse(engine, warning=301)
    await hass.async_block_till_done()
    engine.client.listener().call_event(connected("out-1"))
    block = (await async_get_config_entry_diagnostics(hass, entry))["compatibility"]
    assert [
        (attempt["family"], attempt["status"], attempt["warning"], attempt["moved"])
        for attempt in block["attempts"]
    ] == [("ipv6", 488, 301, False), ("ipv4", None, None, True)]
    assert block["attempts"][0]["number"] == "031*******"
    assert block["experience"] == [
        {
            "number": "031*******",
            "kind": "landline",
            "outcomes": [["ipv6", "family_refused"], ["ipv4", "reached"]],
        }
    ]
    assert block["paths"]["ipv4"]["gateway_answers"] is True
    assert block["paths"]["sources"] == [
        {"address": "2001:db8:0:100::/64", "kind": "deprecated"},
        {"address": "fd00:5::/64", "kind": "ula"},
    ]
    assert block["region"] == "unknown"
    text = json.dumps(block)
    assert OUTSIDE not in text
    assert "5678" not in text
    assert "9abc" not in text
    assert "Home" not in text

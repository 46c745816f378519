"""The actions, their responses and their errors."""

import asyncio
from types import MappingProxyType
from typing import Any
from unittest.mock import patch

import pytest
import voluptuous as vol
from homeassistant.components.media_player import MediaPlayerEntityFeature
from homeassistant.config_entries import ConfigSubentry
from homeassistant.core import HomeAssistant
from homeassistant.exceptions import HomeAssistantError, ServiceValidationError
from homeassistant.helpers.network import NoURLAvailableError
from homeassistant.util.yaml import parse_yaml
from pytest_homeassistant_custom_component.common import MockConfigEntry, async_mock_service

from custom_components.hikari_denwa.const import DOMAIN
from custom_components.hikari_denwa.line import Line
from custom_components.hikari_denwa.telephony.calls import EndReason
from custom_components.hikari_denwa.telephony.errors import (
    CallNotRingingError,
    DigitsInvalidError,
    EngineSilentError,
    HoldRefusedError,
    LineBusyError,
    LineNotRegisteredError,
    StatusInvalidError,
    TelephonyError,
)

from .conftest import ENTRY_DATA, state_of
from .fake_engine import FakeEngine, connected, ended, held, incoming


async def act(hass: HomeAssistant, action: str, **data: Any) -> Any:
    """Carry out an action and return its response."""
    return await hass.services.async_call(DOMAIN, action, data, blocking=True, return_response=True)


async def start(hass: HomeAssistant, action: str, **data: Any) -> asyncio.Task[Any]:
    """Begin an action that has to wait."""
    task = hass.async_create_task(act(hass, action, **data))
    for _ in range(5):
        await asyncio.sleep(0)
    return task


async def test_dial(hass: HomeAssistant, engine: FakeEngine, line: Line) -> None:
    """A call that need not be waited for is reported as soon as it is on its way."""
    response = await act(hass, "dial", number="03-1234-5678")
    assert response.pop("verdict")["outlook"] == "uncertain"
    (attempt,) = response.pop("attempts")
    assert attempt["family"] == "ipv6"
    assert attempt["milliseconds"] is None
    assert response == {
        "call_id": "out-1",
        "direction": "outgoing",
        "number": "0312345678",
        "formatted_number": "03-1234-5678",
        "family": "ipv6",
        "result": "dialing",
        "reason": None,
        "status": None,
        "phrase": None,
        "warning": None,
    }
    assert engine.sent("dial") == [("line-1", "0312345678")]


async def test_dial_and_wait(hass: HomeAssistant, engine: FakeEngine, line: Line) -> None:
    """A call that is waited for is reported when it is answered."""
    task = await start(hass, "dial", number="0312345678", wait_for_answer=True)
    assert not task.done()
    engine.client.listener().call_event(connected("out-1"))
    assert (await task)["result"] == "connected"


async def test_dial_and_wait_in_vain(hass: HomeAssistant, engine: FakeEngine, line: Line) -> None:
    """A call that fails is told in the response."""
    task = await start(hass, "dial", number="0312345678", wait_for_answer=True)
    engine.client.listener().call_event(ended("out-1", EndReason.BUSY, status=486, warning=399))
    response = await task
    assert response["result"] == "failed"
    assert response["reason"] == "busy"
    assert response["status"] == 486
    assert response["warning"] == 399


async def test_dial_and_wait_for_what_is_over_already(
    hass: HomeAssistant, engine: FakeEngine, line: Line
) -> None:
    """A call that fails before our own command returns is not waited for."""
    engine.early = [ended("out-1", EndReason.BARRED, status=403)]
    response = await act(hass, "dial", number="0312345678", wait_for_answer=True)
    assert response["reason"] == "barred"


async def test_dial_and_wait_without_response(
    hass: HomeAssistant, engine: FakeEngine, line: Line
) -> None:
    """Without a response, a call that fails is an error with its sentence."""
    task = hass.async_create_task(
        hass.services.async_call(
            DOMAIN, "dial", {"number": "0312345678", "wait_for_answer": True}, blocking=True
        )
    )
    while line.state.call is None:
        await asyncio.sleep(0)
    engine.client.listener().call_event(ended("out-1", EndReason.BUSY))
    with pytest.raises(HomeAssistantError) as error:
        await task
    assert error.value.translation_key == "call_busy"
    assert str(error.value) == "03-1234-5678 is busy"


async def test_dial_that_rings_for_ever(
    hass: HomeAssistant, engine: FakeEngine, line: Line
) -> None:
    """Waiting has an end."""
    with patch("custom_components.hikari_denwa.actions._ANSWER_SECONDS", 0.01):
        response = await act(hass, "dial", number="0312345678", wait_for_answer=True)
    assert response["result"] == "dialing"


async def test_stopped_dial_leaves_a_known_call(
    hass: HomeAssistant, engine: FakeEngine, line: Line
) -> None:
    """An automation that is stopped while it dials leaves no call that nobody knows."""
    reply: asyncio.Future[None] = hass.loop.create_future()
    dial = engine.client.dial

    async def slow_dial(name: str, number: str, **keywords: Any) -> Any:
        await reply
        return await dial(name, number, **keywords)

    with patch.object(engine.client, "dial", slow_dial):
        task = await start(hass, "dial", number="0312345678")
        task.cancel()
        await asyncio.sleep(0)
        reply.set_result(None)
        await hass.async_block_till_done()
    assert line.state.call is not None


async def test_answer(hass: HomeAssistant, engine: FakeEngine, line: Line) -> None:
    """The ringing call is answered."""
    engine.client.listener().call_event(incoming())
    assert await act(hass, "answer") == {
        "call_id": "in-1",
        "direction": "incoming",
        "number": "0312345678",
        "formatted_number": "03-1234-5678",
    }
    assert engine.sent("answer") == [("in-1",)]


@pytest.mark.parametrize(("data", "status"), [({}, 486), ({"status": 603}, 603)])
async def test_reject(
    hass: HomeAssistant, engine: FakeEngine, line: Line, data: dict[str, int], status: int
) -> None:
    """The ringing call is turned away."""
    engine.client.listener().call_event(incoming())
    assert (await act(hass, "reject", **data))["call_id"] == "in-1"
    assert engine.sent("reject") == [("in-1", status)]


@pytest.mark.parametrize("status", [399, 700, "busy"])
async def test_reject_with_something_else(hass: HomeAssistant, line: Line, status: Any) -> None:
    """Only final statuses of failure reject a call."""
    with pytest.raises(vol.Invalid):
        await act(hass, "reject", status=status)


async def test_hang_up(hass: HomeAssistant, engine: FakeEngine, line: Line) -> None:
    """The call ends, whatever its state."""
    await act(hass, "dial", number="0312345678")
    assert (await act(hass, "hang_up"))["call_id"] == "out-1"
    assert engine.sent("hang_up") == [("out-1",)]


async def test_hold_and_resume(hass: HomeAssistant, engine: FakeEngine, line: Line) -> None:
    """The connected call is held and taken back; the sensor shows what the engine tells."""
    listener = engine.client.listener()
    listener.call_event(incoming())
    with pytest.raises(HomeAssistantError) as refused:
        await act(hass, "hold")
    assert refused.value.translation_key == "call_not_connected"
    listener.call_event(connected())
    assert (await act(hass, "hold"))["call_id"] == "in-1"
    listener.call_event(held(here=True))
    assert state_of(hass, "sensor.home_call_state").attributes["holding"] is True
    assert (await act(hass, "resume"))["call_id"] == "in-1"
    assert engine.sent("hold") == [("in-1", True), ("in-1", False)]
    engine.errors["hold"] = HoldRefusedError()
    with pytest.raises(HomeAssistantError) as error:
        await act(hass, "hold")
    assert error.value.translation_key == "hold_refused"


async def test_held_call_steps_back(hass: HomeAssistant, engine: FakeEngine, line: Line) -> None:
    """Beside a call on hold by us, the other call is the line's current one."""
    listener = engine.client.listener()
    listener.call_event(incoming())
    listener.call_event(connected())
    listener.call_event(incoming("in-2", channel=2))
    assert line.state.call
    assert line.state.call.id == "in-1"
    listener.call_event(held(here=True))
    assert line.state.call
    assert line.state.call.id == "in-2"


async def test_send_dtmf(hass: HomeAssistant, engine: FakeEngine, line: Line) -> None:
    """Digits go into the connected call."""
    engine.client.listener().call_event(incoming())
    with pytest.raises(HomeAssistantError) as error:
        await act(hass, "send_dtmf", digits="12#")
    assert error.value.translation_key == "call_not_connected"
    engine.client.listener().call_event(connected())
    assert (await act(hass, "send_dtmf", digits="12#"))["digits"] == "12#"
    assert engine.sent("send_dtmf") == [("in-1", "12#")]


@pytest.mark.parametrize(
    ("action", "command", "error", "cls"),
    [
        ("dial", "dial", LineBusyError(), HomeAssistantError),
        ("dial", "dial", LineNotRegisteredError(), HomeAssistantError),
        ("answer", "answer", CallNotRingingError(), HomeAssistantError),
        ("reject", "reject", StatusInvalidError(code="500"), ServiceValidationError),
        ("hang_up", "hang_up", EngineSilentError(), HomeAssistantError),
        ("send_dtmf", "send_dtmf", DigitsInvalidError(digits="x"), ServiceValidationError),
    ],
)
async def test_what_the_engine_refuses(
    hass: HomeAssistant,
    engine: FakeEngine,
    line: Line,
    action: str,
    command: str,
    error: TelephonyError,
    cls: type[HomeAssistantError],
) -> None:
    """What the engine refuses comes out as its sentence."""
    if action != "dial":
        engine.client.listener().call_event(incoming())
    if action == "send_dtmf":
        engine.client.listener().call_event(connected())
    engine.errors[command] = error
    fields = {"dial": {"number": "117"}, "send_dtmf": {"digits": "1"}}.get(action, {})
    with pytest.raises(cls) as raised:
        await act(hass, action, **fields)
    assert raised.value.translation_key == error.reason


@pytest.mark.parametrize("action", ["answer", "reject"])
async def test_nothing_rings(
    hass: HomeAssistant, engine: FakeEngine, line: Line, action: str
) -> None:
    """A call that is connected or placed here cannot be answered or rejected."""
    for call in ("none", "outgoing"):
        if call == "outgoing":
            await act(hass, "dial", number="117")
        with pytest.raises(HomeAssistantError) as error:
            await act(hass, action)
        assert error.value.translation_key == "call_not_ringing"


async def test_answered_twice(hass: HomeAssistant, engine: FakeEngine, line: Line) -> None:
    """A call that was answered does not ring any more."""
    engine.client.listener().call_event(incoming())
    await act(hass, "answer")
    with pytest.raises(HomeAssistantError):
        await act(hass, "answer")
    assert len(engine.sent("answer")) == 1


async def test_call_that_ends_while_it_is_answered(
    hass: HomeAssistant, engine: FakeEngine, line: Line
) -> None:
    """A caller who gives up at that moment is missed, not answered."""
    listener = engine.client.listener()
    listener.call_event(incoming())
    answer = engine.client.answer

    async def too_late(call: str) -> None:
        listener.call_event(ended("in-1", EndReason.CALLER_GAVE_UP))
        await answer(call)

    with patch.object(engine.client, "answer", too_late):
        await act(hass, "answer")
    assert state_of(hass, "event.home_call").attributes["event_type"] == "missed"


@pytest.mark.parametrize(
    ("number", "key", "shown"),
    [
        ("119", "number_emergency", "119"),
        ("１１０", "number_emergency", "110"),
        ("186 118", "number_emergency", "186 118"),
        ("+81119", "number_not_in_plan", "0119"),
        ("", "number_invalid", ""),
        ("home", "number_invalid", "home"),
    ],
)
async def test_numbers_that_are_not_dialled(
    hass: HomeAssistant, engine: FakeEngine, line: Line, number: str, key: str, shown: str
) -> None:
    """Emergency numbers and nonsense never reach the engine, and the error shows the number."""
    with pytest.raises(ServiceValidationError) as error:
        await act(hass, "dial", number=number)
    assert error.value.translation_key == key
    assert shown in str(error.value)
    assert engine.commands == []


@pytest.mark.parametrize(
    ("number", "dialled"),
    [(1, "1"), (117, "117"), (1840312345678, "1840312345678"), ("0312345670", "0312345670")],
)
async def test_number_without_quotes(
    hass: HomeAssistant, engine: FakeEngine, line: Line, number: str | int, dialled: str
) -> None:
    """A template that gives 117 gives a number, and that is well."""
    await act(hass, "dial", number=number)
    assert engine.sent("dial") == [("line-1", dialled)]


async def test_octal_number(hass: HomeAssistant, engine: FakeEngine, line: Line) -> None:
    """A number that YAML has mangled does not reach a stranger."""
    data = parse_yaml("number: 0312345670")
    assert isinstance(data, dict)
    assert data["number"] == 0o312345670
    with pytest.raises(ServiceValidationError) as error:
        await act(hass, "dial", **data)
    assert error.value.translation_key == "number_unquoted"
    assert engine.commands == []


async def test_line_is_chosen(hass: HomeAssistant, engine: FakeEngine, line: Line) -> None:
    """With several lines, one has to be named; every wrong name has its sentence."""
    other = MockConfigEntry(
        domain=DOMAIN, title="Office", entry_id="line-2", data={**ENTRY_DATA, "extension": "4"}
    )
    stranger = MockConfigEntry(domain="sun", entry_id="stranger")
    for entry in (other, stranger):
        entry.add_to_hass(hass)
    await act(hass, "dial", number="117", config_entry_id="line-1")
    with pytest.raises(ServiceValidationError, match="“Office” is not running"):
        await act(hass, "dial", number="117", config_entry_id="line-2")
    for name in ("stranger", "nothing"):
        with pytest.raises(ServiceValidationError, match="not a line of Hikari Denwa"):
            await act(hass, "dial", number="117", config_entry_id=name)
    assert await hass.config_entries.async_setup("line-2")
    with pytest.raises(ServiceValidationError, match="more than one line"):
        await act(hass, "dial", number="117")
    await act(hass, "dial", number="117", config_entry_id="line-2")
    assert engine.sent("dial") == [("line-1", "117"), ("line-2", "117")]


async def test_no_line(
    hass: HomeAssistant, engine: FakeEngine, entry: MockConfigEntry, line: Line
) -> None:
    """Without a line that runs, actions say so."""
    await hass.config_entries.async_unload(entry.entry_id)
    with pytest.raises(ServiceValidationError, match="No line is set up"):
        await act(hass, "hang_up")


async def test_listen(hass: HomeAssistant, engine: FakeEngine, line: Line) -> None:
    """The players get the address of the call's stream, and so does the response."""
    played = async_mock_service(hass, "media_player", "play_media")
    hass.config.internal_url = "http://192.168.1.10:8123"
    with pytest.raises(HomeAssistantError) as error:
        await act(hass, "listen")
    assert error.value.translation_key == "call_unknown"
    engine.client.listener().call_event(incoming())
    first = await act(hass, "listen")
    assert first["media_players"] == []
    assert played == []
    with pytest.raises(ServiceValidationError) as unknown:
        await act(hass, "listen", media_player=["media_player.kitchen"])
    assert unknown.value.translation_key == "player_unknown"
    hass.states.async_set("media_player.kitchen", "idle", {"supported_features": 0})
    with pytest.raises(ServiceValidationError) as unable:
        await act(hass, "listen", media_player=["media_player.kitchen"])
    assert unable.value.translation_key == "player_cannot_play"
    can_play = {"supported_features": MediaPlayerEntityFeature.PLAY_MEDIA}
    hass.states.async_set("media_player.kitchen", "idle", can_play)
    response = await act(hass, "listen", media_player=["media_player.kitchen"])
    assert response["url"] == first["url"] == f"http://192.168.1.10:8123{response['path']}"
    assert response["formats"] == {"media_player.kitchen": "mp3"}
    (call,) = played
    assert call.data["entity_id"] == "media_player.kitchen"
    assert call.data["media_content_id"] == response["url"].replace(".wav", ".mp3?.mp3")


async def test_listen_without_a_url(hass: HomeAssistant, engine: FakeEngine, line: Line) -> None:
    """A Home Assistant that does not know its address says so."""
    engine.client.listener().call_event(incoming())
    with (
        patch("custom_components.hikari_denwa.listening.get_url", side_effect=NoURLAvailableError),
        pytest.raises(HomeAssistantError) as error,
    ):
        await act(hass, "listen")
    assert error.value.translation_key == "no_url"


@pytest.mark.parametrize(
    ("written", "number"),
    [("friend", "0311110000"), ("Ｆｒｉｅｎｄ", "0311110000"), ("03-1111-9999", "0311119999")],
)
async def test_dial_a_contact(
    hass: HomeAssistant, engine: FakeEngine, line: Line, written: str, number: str
) -> None:
    """A contact is called by name; what is a number is one, whatever contacts are called."""
    name_people(hass, line, Friend="0311110000", **{"0311119999": "0311118888"})
    await hass.services.async_call(DOMAIN, "dial", {"number": written}, blocking=True)
    assert engine.sent("dial") == [("line-1", number)]


async def test_dial_a_name_of_several(hass: HomeAssistant, engine: FakeEngine, line: Line) -> None:
    """Nobody is called whom the name does not tell from another."""
    name_people(hass, line, Tanaka="0311110000", tanaka="0311110001")
    with pytest.raises(ServiceValidationError) as error:
        await hass.services.async_call(DOMAIN, "dial", {"number": "Tanaka"}, blocking=True)
    assert error.value.translation_key == "contact_ambiguous"
    assert engine.sent("dial") == []


def name_people(hass: HomeAssistant, line: Line, **numbers: str) -> None:
    """Add contacts."""
    for name, number in numbers.items():
        contact = ConfigSubentry(
            data=MappingProxyType({"numbers": [number]}),
            subentry_type="contact",
            title=name,
            unique_id=None,
        )
        hass.config_entries.async_add_subentry(line.entry, contact)

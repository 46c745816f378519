"""The self-test: what it finds, and when it refuses to run."""

from typing import Any

import pytest
from homeassistant.core import Context, HomeAssistant
from homeassistant.exceptions import HomeAssistantError, ServiceValidationError
from pytest_homeassistant_custom_component.common import MockUser

from custom_components.hikari_denwa import self_test
from custom_components.hikari_denwa.line import Line
from custom_components.hikari_denwa.telephony.calls import EndReason
from custom_components.hikari_denwa.telephony.engine.protocol import SILENCE
from custom_components.hikari_denwa.telephony.errors import (
    GatewaySilentError,
    LineNotRegisteredError,
)

from .fake_engine import FakeEngine, connected, ended, incoming, not_registered, sounding

PERSON = "somebody"
VOICE = [b"\x20\xa0" * 80] * 80
QUIET = [SILENCE] * 80


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Wait for nothing longer than a moment."""
    monkeypatch.setattr(self_test, "_ANSWER_SECONDS", 0.05)
    monkeypatch.setattr(self_test, "_LISTEN_SECONDS", 0.2)
    monkeypatch.setattr(self_test, "_END_SECONDS", 0.1)


def person() -> Context:
    """Return the context of what a person does."""
    return Context(user_id=PERSON)


@pytest.fixture(autouse=True)
async def somebody(hass: HomeAssistant) -> None:
    """Let there be a person."""
    MockUser(id=PERSON, is_owner=True).add_to_hass(hass)


async def run(hass: HomeAssistant, context: Context | None = None, **data: Any) -> dict[str, Any]:
    """Run the self-test and return what it found."""
    context = context or person()
    found = await hass.services.async_call(
        "hikari_denwa", "self_test", data, blocking=True, return_response=True, context=context
    )
    return dict(found or {})


def answered(engine: FakeEngine, sound: list[bytes], *, packets_received: int = 100) -> None:
    """Let a call be answered and its sound be heard."""
    engine.early = [connected("out-1")]
    engine.sound = sound
    engine.after_hang_up = [
        sounding("out-1", packets_received=packets_received),
        ended("out-1", EndReason.HUNG_UP_HERE),
    ]


async def test_all_is_well(hass: HomeAssistant, engine: FakeEngine, line: Line) -> None:
    """It calls the time signal, hears it, hangs up, and says so."""
    answered(engine, VOICE)
    found = await run(hass)
    assert engine.sent("dial") == [("line-1", "117")]
    assert engine.sent("hang_up") == [("out-1",)]
    assert found["result"] == "ok"
    assert found["sentence"] == (
        "The line works: it is registered over IPv6, 117 answered, and sound was heard."
    )
    assert found["sound"]["audible_frames"] == 50
    assert found["sound"]["loudest"] > -45
    assert found["quality"]["packets_received"] == 100
    assert found["reason"] == "hung_up_here"
    assert not line.calls


@pytest.mark.parametrize(
    ("sound", "packets_received", "result"),
    [(QUIET, 100, "silence"), ([], 100, "silence"), ([], 0, "no_sound"), (QUIET, 0, "no_sound")],
)
async def test_nothing_is_heard(
    hass: HomeAssistant,
    engine: FakeEngine,
    line: Line,
    sound: list[bytes],
    packets_received: int,
    result: str,
) -> None:
    """That sound does not arrive and that there is none are told apart."""
    answered(engine, sound, packets_received=packets_received)
    found = await run(hass, number="2")
    assert found["result"] == result
    assert engine.sent("hang_up") == [("out-1",)]
    engine.early = [connected("out-2")]
    engine.after_hang_up = [ended("out-2", EndReason.HUNG_UP_HERE)]
    with pytest.raises(HomeAssistantError) as failed:
        await hass.services.async_call("hikari_denwa", "self_test", blocking=True, context=person())
    assert failed.value.translation_key == "self_test_failed"


async def test_busy_number(hass: HomeAssistant, engine: FakeEngine, line: Line) -> None:
    """A call that does not come about is told with its reason, and not hung up again."""
    engine.early = [ended("out-1", EndReason.BUSY, status=486)]
    found = await run(hass, number="03-1234-5678")
    assert (found["result"], found["reason"], found["status"]) == ("not_connected", "busy", 486)
    assert found["sentence"].endswith("the call to 03-1234-5678 was not connected: Busy.")
    assert not engine.sent("hang_up")


async def test_no_answer(hass: HomeAssistant, engine: FakeEngine, line: Line) -> None:
    """A number that only rings is given up, also if its end is never told."""
    found = await run(hass, number="2")
    assert found["result"] == "no_answer"
    assert engine.sent("hang_up") == [("out-1",)]
    engine.client.listener().call_event(ended("out-1", EndReason.CANCELLED_HERE))


async def test_line_that_is_down(hass: HomeAssistant, engine: FakeEngine, line: Line) -> None:
    """Without a registration nothing is dialled."""
    engine.client.listener().registration_changed(
        not_registered("line-1", GatewaySilentError(address="192.168.1.1", family="ipv4"))
    )
    found = await run(hass)
    assert (found["result"], found["reason"]) == ("not_registered", "gateway_silent")
    assert "192.168.1.1 does not answer" in found["sentence"]
    assert not engine.sent("dial")


async def test_call_that_is_refused(hass: HomeAssistant, engine: FakeEngine, line: Line) -> None:
    """What the engine says is told."""
    engine.errors["dial"] = LineNotRegisteredError()
    assert (await run(hass))["result"] == "not_placed"


@pytest.mark.parametrize("number", ["110", "119", "１１８", "186110", "184-119"])
async def test_emergency_numbers(
    hass: HomeAssistant, engine: FakeEngine, line: Line, number: str
) -> None:
    """They are never called by a test."""
    with pytest.raises(ServiceValidationError) as refused:
        await run(hass, number=number)
    assert refused.value.translation_key == "self_test_emergency"
    assert not engine.sent("dial")


async def test_nobody_asked(hass: HomeAssistant, engine: FakeEngine, line: Line) -> None:
    """An automation can start it neither by the action nor by the button."""
    parent = person()
    with pytest.raises(ServiceValidationError):
        await run(hass, Context(user_id=PERSON, parent_id=parent.id))
    with pytest.raises(ServiceValidationError) as refused:
        await run(hass, Context(parent_id=parent.id))
    assert refused.value.translation_key == "self_test_not_asked"
    with pytest.raises(ServiceValidationError):
        await hass.services.async_call(
            "button", "press", {"entity_id": "button.home_self_test"}, blocking=True
        )
    assert not engine.sent("dial")


async def test_not_during_a_call(hass: HomeAssistant, engine: FakeEngine, line: Line) -> None:
    """It does not come between people who talk."""
    engine.client.listener().call_event(incoming())
    with pytest.raises(ServiceValidationError) as refused:
        await run(hass)
    assert refused.value.translation_key == "self_test_busy"


async def test_button(hass: HomeAssistant, engine: FakeEngine, line: Line) -> None:
    """The button tells in a notification what was found."""
    answered(engine, VOICE)
    await hass.services.async_call(
        "button", "press", {"entity_id": "button.home_self_test"}, blocking=True, context=person()
    )
    (notification,) = hass.data["persistent_notification"].values()
    assert notification["title"] == "Self-test of Home"
    assert notification["message"].startswith("The line works")


async def test_wrong_number(hass: HomeAssistant, line: Line) -> None:
    """What is no number is told as such."""
    with pytest.raises(ServiceValidationError) as refused:
        await run(hass, number="grandmother")
    assert refused.value.translation_key == "number_invalid"

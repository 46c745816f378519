"""Messages to contacts: each is called, and hears title and message in its language."""

import asyncio
from datetime import timedelta
from typing import Any

import pytest
from homeassistant.core import Context, HomeAssistant
from homeassistant.exceptions import HomeAssistantError, ServiceValidationError
from homeassistant.helpers import device_registry as dr
from homeassistant.helpers import entity_registry as er
from pytest_homeassistant_custom_component.common import MockConfigEntry, MockUser

from custom_components.hikari_denwa import playback as player_module
from custom_components.hikari_denwa import speaking
from custom_components.hikari_denwa.line import Line
from custom_components.hikari_denwa.telephony.errors import (
    LineBusyError,
    LineNotRegisteredError,
    TelephonyError,
)
from tests.home_gateway.likeness import compare, spoken

from .conftest import Voice, home, linear, needs_ffmpeg, state_of, until
from .fake_engine import FakeEngine, not_registered
from .test_contacts import subentry
from .test_speaking import FarEnd

pytestmark = needs_ffmpeg

GRANDMOTHER = "notify.grandmother_message"
UNCLE = "notify.uncle_message"
HOME, MOBILE = "0312345678", "09012345678"


@pytest.fixture(autouse=True)
def at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let no time pass where nobody waits for anything."""
    monkeypatch.setattr(player_module, "SETTLE", timedelta())
    monkeypatch.setattr(speaking, "OWN_FAULT_PAUSE_SECONDS", 0.01)


@pytest.fixture
def entry() -> MockConfigEntry:
    """Return a line with contacts."""
    return home(
        subentry("Grandmother", HOME, MOBILE, "0120*", language="ja-JP"),
        subentry("Uncle", "0451110000"),
        subentry("Pattern", "0120*"),
        subentry("Hidden", "0451110001", dial_button=False),
        subentry("Police", "110", "0451110002"),
        subentry("Blocked", "0451119999"),
        blocked_numbers=["0451119999"],
    )


@pytest.fixture
def far_end(engine: FakeEngine, voice: Voice, line: Line) -> FarEnd:
    """Return those who can be called."""
    return FarEnd(engine)


async def send(
    hass: HomeAssistant, entity: str | list[str], context: Context | None = None, **data: Any
) -> None:
    """Send a message."""
    await hass.services.async_call(
        "notify", "send_message", {"entity_id": entity, **data}, blocking=True, context=context
    )


async def test_title_and_message_are_said(
    hass: HomeAssistant, far_end: FarEnd, voice: Voice
) -> None:
    """Both are heard one after the other, in the contact's language; then the call ends."""
    far_end.answers[HOME] = far_end.picks_up()
    assert state_of(hass, GRANDMOTHER).state == "unknown"
    await send(hass, GRANDMOTHER, message=" The bath is full. ", title="Bath")
    assert far_end.dialled == [HOME]
    assert [(said, language) for said, language, _ in voice.asked] == [
        ("Bath", "ja"),
        ("The bath is full.", "ja"),
    ]
    pcm = linear(far_end.engine.played)
    once = spoken(8000, 0.6)
    assert len(pcm) >= 2 * len(once) + 8000
    assert compare(once, pcm[: len(pcm) // 2]).missing_ms == 0
    assert compare(once, pcm[len(pcm) // 2 :]).missing_ms == 0
    assert far_end.engine.sent("hang_up") == [("out-1",)]
    assert state_of(hass, GRANDMOTHER).state != "unknown"


async def test_the_next_number_is_tried(hass: HomeAssistant, far_end: FarEnd, voice: Voice) -> None:
    """Who is busy at home is called on the move; patterns are no numbers."""
    far_end.answers |= {HOME: far_end.is_busy, MOBILE: far_end.picks_up()}
    await send(hass, GRANDMOTHER, message="The bath is full.")
    assert far_end.dialled == [HOME, MOBILE]
    far_end.answers[MOBILE] = far_end.is_busy
    with pytest.raises(HomeAssistantError) as error:
        await send(hass, GRANDMOTHER, message="The bath is full.")
    assert error.value.translation_key == "contact_not_reached"
    assert error.value.translation_placeholders == {
        "name": "Grandmother",
        "reasons": "03-1234-5678 is busy. 090-1234-5678 is busy.",
    }


async def test_contacts_are_called_one_after_the_other(
    hass: HomeAssistant, far_end: FarEnd, voice: Voice
) -> None:
    """A message to several reaches all of them over the one line."""
    far_end.answers |= {HOME: far_end.picks_up(), "0451110000": far_end.picks_up()}
    await send(hass, [GRANDMOTHER, UNCLE], message="The bath is full.")
    assert sorted(far_end.dialled) == [HOME, "0451110000"]
    assert {language for _, language, _ in voice.asked} == {"ja", "en"}


@pytest.mark.parametrize(
    ("error", "reason"),
    [(LineBusyError(), "line_busy"), (LineNotRegisteredError(), "line_not_registered")],
)
async def test_faults_of_the_line(
    hass: HomeAssistant, far_end: FarEnd, error: TelephonyError, reason: str
) -> None:
    """What is the line's own fault is tried three times, then told; one number or several."""
    far_end.engine.errors["dial"] = error
    with pytest.raises(HomeAssistantError) as raised:
        await send(hass, UNCLE, message="The bath is full.")
    assert raised.value.translation_key == reason
    assert len(far_end.engine.sent("dial")) == 3
    with pytest.raises(HomeAssistantError) as raised:
        await send(hass, GRANDMOTHER, message="The bath is full.")
    assert raised.value.translation_key == "contact_not_reached"
    reasons = (raised.value.translation_placeholders or {})["reasons"]
    assert reasons.count(".") == 1


async def test_nobody_answers(
    hass: HomeAssistant, far_end: FarEnd, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The call is given up, and the error says that nobody answered."""
    outcome = Line.async_outcome

    async def impatient(self: Line, call: Any, _time_limit: float) -> Any:
        return await outcome(self, call, 0.01)

    monkeypatch.setattr(Line, "async_outcome", impatient)
    with pytest.raises(HomeAssistantError) as error:
        await send(hass, UNCLE, message="The bath is full.")
    assert error.value.translation_key == "call_no_answer"
    assert error.value.translation_placeholders == {"number": "045-111-0000"}
    assert far_end.engine.sent("hang_up") == [("out-1",)]
    far_end.answers["0451110000"] = far_end.is_busy
    with pytest.raises(HomeAssistantError) as error:
        await send(hass, UNCLE, message="The bath is full.")
    assert error.value.translation_key == "call_busy"


@pytest.mark.parametrize(
    ("entity", "message", "key"),
    [
        (UNCLE, "mute", "speech_failed"),
        (UNCLE, "  ", "message_missing"),
        ("notify.police_message", "Help", "number_emergency"),
        ("notify.blocked_message", "Help", "number_blocked"),
    ],
)
async def test_nobody_is_called(
    hass: HomeAssistant, far_end: FarEnd, entity: str, message: str, key: str
) -> None:
    """Before all is right nobody is called, and the state does not tell of a message."""
    with pytest.raises(HomeAssistantError) as error:
        await send(hass, entity, message=message)
    assert error.value.translation_key == key
    assert far_end.engine.sent("dial") == []
    assert state_of(hass, entity).state == "unknown"


async def test_a_person_calls_no_emergency_number_either(
    hass: HomeAssistant, far_end: FarEnd, line: Line, hass_admin_user: MockUser
) -> None:
    """Whoever asks, and whatever the line's options allow."""
    hass.config_entries.async_update_entry(
        line.entry, options={"emergency": True, "emergency_from_automation": True}
    )
    with pytest.raises(ServiceValidationError) as error:
        await send(
            hass, "notify.police_message", Context(user_id=hass_admin_user.id), message="Help"
        )
    assert error.value.translation_key == "number_emergency"
    assert far_end.engine.sent("dial") == []


async def test_no_voice(hass: HomeAssistant, engine: FakeEngine, line: Line) -> None:
    """Without a text-to-speech engine nobody is called, and the error says what to do."""
    with pytest.raises(HomeAssistantError) as error:
        await send(hass, UNCLE, message="The bath is full.")
    assert error.value.translation_key == "speech_engine_missing"
    assert engine.sent("dial") == []


async def test_a_language_that_no_voice_has(
    hass: HomeAssistant, far_end: FarEnd, line: Line
) -> None:
    """Gibberish helps nobody: the error tells the language."""
    (contact,) = [one for one in line.entry.subentries.values() if one.title == "Uncle"]
    hass.config_entries.async_update_subentry(
        line.entry, contact, data={**contact.data, "language": "fr"}
    )
    await hass.async_block_till_done()
    with pytest.raises(HomeAssistantError) as error:
        await send(hass, UNCLE, message="La baignoire est pleine.")
    assert error.value.translation_key == "speech_failed"
    assert "fr" in (error.value.translation_placeholders or {})["detail"]
    assert far_end.engine.sent("dial") == []


async def test_a_line_that_is_down_is_no_silence(
    hass: HomeAssistant, far_end: FarEnd, line: Line
) -> None:
    """Home Assistant would pass over an unavailable entity; this one tells what is wrong."""
    error = LineNotRegisteredError()
    far_end.engine.client.listener().registration_changed(not_registered("line-1", error))
    await hass.async_block_till_done()
    assert state_of(hass, UNCLE).state != "unavailable"
    assert state_of(hass, "button.uncle_call").state == "unavailable"
    with pytest.raises(HomeAssistantError) as raised:
        await send(hass, UNCLE, message="The bath is full.")
    assert raised.value.translation_key == "line_not_registered"


async def test_a_stopped_message_leaves_no_call(
    hass: HomeAssistant, far_end: FarEnd, line: Line
) -> None:
    """The call that rings there is hung up."""
    sending = asyncio.create_task(send(hass, UNCLE, message="The bath is full."))
    await until(lambda: line.state.call is not None)
    sending.cancel()
    with pytest.raises(asyncio.CancelledError):
        await sending
    await until(lambda: line.state.call is None)
    assert far_end.engine.sent("hang_up") == [("out-1",)]


async def test_come_and_go_with_the_contacts(hass: HomeAssistant, line: Line) -> None:
    """Who has a whole number, and is wanted, has one; it goes with the contact."""

    def there() -> set[str]:
        return set(hass.states.async_entity_ids("notify"))

    registry, devices = er.async_get(hass), dr.async_get(hass)
    others = {"notify.blocked_message", "notify.police_message", UNCLE}
    assert there() == {*others, GRANDMOTHER}
    contact = next(iter(line.entry.subentries.values()))
    for numbers, wanted, expected in (
        (["0120*"], True, others),
        ([MOBILE], True, {*others, GRANDMOTHER}),
        ([MOBILE], False, others),
        ([MOBILE], True, {*others, GRANDMOTHER}),
    ):
        hass.config_entries.async_update_subentry(
            line.entry,
            contact,
            data={**contact.data, "numbers": numbers, "dial_button": wanted},
        )
        await hass.async_block_till_done()
        assert there() == expected
        assert (registry.async_get(GRANDMOTHER) is not None) == (GRANDMOTHER in expected)
        assert (registry.async_get("button.grandmother_call") is not None) == (
            GRANDMOTHER in expected
        )
    hass.config_entries.async_remove_subentry(line.entry, contact.subentry_id)
    await hass.async_block_till_done()
    assert there() == others
    named = {device.name for device in dr.async_entries_for_config_entry(devices, "line-1")}
    assert named == {"Home", "Uncle", "Police", "Blocked"}

"""The logbook tells calls in sentences, in the language of the home."""

from typing import Any

import pytest
from homeassistant.core import HomeAssistant
from homeassistant.setup import async_setup_component
from pytest_homeassistant_custom_component.common import MockConfigEntry, async_capture_events

from custom_components.hikari_denwa.call_updates import EVENT_CALL, EVENT_MESSAGE
from custom_components.hikari_denwa.calls import OUTCOMES
from custom_components.hikari_denwa.logbook import async_describe_events, call_in_words
from custom_components.hikari_denwa.recordings import Recording, RecordingKind
from custom_components.hikari_denwa.telephony.calls import CallerIdKind, EndReason

from .fake_engine import FakeEngine, connected, ended, incoming

GRANDPARENTS = {"display_name": "Home of grandparents"}
WITHHELD = {"number": None, "kind": CallerIdKind.WITHHELD}


@pytest.mark.parametrize(
    ("language", "caller", "end", "sentence"),
    [
        (
            "en",
            GRANDPARENTS,
            {"reason": EndReason.CALLER_GAVE_UP, "after": 18},
            "Call from Home of grandparents (03-1234-5678), missed after 18 s",
        ),
        (
            "ja",
            {"display_name": "祖父母の家"},
            {"reason": EndReason.CALLER_GAVE_UP, "after": 18},
            "祖父母の家（03-1234-5678）から着信、18 秒鳴って不在着信",
        ),
        (
            "en",
            {},
            {"reason": EndReason.ANSWERED_ELSEWHERE, "after": 4},
            "Call from 03-1234-5678, answered on another phone after 4 s",
        ),
        (
            "en",
            WITHHELD,
            {"reason": EndReason.REJECTED_HERE, "after": 1},
            "Call from Number withheld, rejected after 1 s",
        ),
        (
            "ja",
            WITHHELD,
            {"reason": EndReason.NETWORK_FAILURE, "after": 61},
            "非通知から着信、1 分 1 秒で途切れました（ネットワークの障害）",
        ),
    ],
)
async def test_incoming(
    hass: HomeAssistant,
    engine: FakeEngine,
    entry: MockConfigEntry,
    language: str,
    caller: dict[str, Any],
    end: dict[str, Any],
    sentence: str,
) -> None:
    """Who called, what became of it, and how long it rang."""
    await hass.config.async_update(language=language)
    entry.add_to_hass(hass)
    assert await hass.config_entries.async_setup(entry.entry_id)
    events = async_capture_events(hass, EVENT_CALL)
    listener = engine.client.listener()
    listener.call_event(incoming(**caller))
    listener.call_event(ended(**end))
    await hass.async_block_till_done()
    assert [call_in_words(hass, event.data) for event in events] == [sentence]


async def test_talk(hass: HomeAssistant, engine: FakeEngine, entry: MockConfigEntry) -> None:
    """A call that was answered is told with how long was talked."""
    entry.add_to_hass(hass)
    assert await hass.config_entries.async_setup(entry.entry_id)
    events = async_capture_events(hass, EVENT_CALL)
    listener = engine.client.listener()
    listener.call_event(incoming())
    listener.call_event(connected(after=5))
    listener.call_event(ended(after=130))
    for reason in (EndReason.BUSY, EndReason.CANCELLED_HERE, EndReason.HUNG_UP_THERE):
        call = await entry.runtime_data.async_dial("0451234567")
        if reason is EndReason.HUNG_UP_THERE:
            listener.call_event(connected(call.id))
        listener.call_event(ended(call.id, reason))
    await hass.async_block_till_done()
    told = [call_in_words(hass, {**event.data, "waited": 7}) for event in events]
    assert told == [
        "Call from 03-1234-5678, answered, 2 min 5 s",
        "Call to 045-123-4567, not connected after 7 s: Busy",
        "Call to 045-123-4567, given up after 7 s",
        "Call to 045-123-4567, 10 s",
    ]
    assert events[0].data["waited"] == 5


async def test_entry(hass: HomeAssistant, engine: FakeEngine, entry: MockConfigEntry) -> None:
    """The entry belongs to the line's event entity and to its device."""
    entry.add_to_hass(hass)
    assert await hass.config_entries.async_setup(entry.entry_id)
    events = async_capture_events(hass, EVENT_CALL)
    listener = engine.client.listener()
    listener.call_event(incoming())
    listener.call_event(ended(reason=EndReason.CALLER_GAVE_UP, after=18))
    await hass.async_block_till_done()
    described: dict[str, Any] = {}
    async_describe_events(
        hass, lambda domain, name, describe: described.update({f"{domain} {name}": describe})
    )
    describe = described["hikari_denwa hikari_denwa_call"]
    assert describe(events[0]) == {
        "name": "Home",
        "message": "Call from 03-1234-5678, missed after 18 s",
        "icon": "mdi:phone-missed",
        "entity_id": "event.home_call",
    }
    assert events[0].data["device_id"]


@pytest.mark.parametrize(
    ("language", "words", "sentence"),
    [
        ("en", "Call me.", "Message from 03-1234-5678: “Call me.”"),
        ("en", None, "Message from 03-1234-5678"),
        ("ja", "またかけます。", "03-1234-5678から伝言「またかけます。」"),
        ("ja", None, "03-1234-5678から伝言"),
    ],
)
async def test_message(
    hass: HomeAssistant,
    engine: FakeEngine,
    entry: MockConfigEntry,
    language: str,
    words: str | None,
    sentence: str,
) -> None:
    """A message on the answering machine is told once, with what was said."""
    await hass.config.async_update(language=language)
    entry.add_to_hass(hass)
    assert await hass.config_entries.async_setup(entry.entry_id)
    events = async_capture_events(hass, EVENT_MESSAGE)
    listener = engine.client.listener()
    listener.call_event(incoming())
    listener.call_event(connected())
    listener.call_event(ended())
    line = entry.runtime_data
    for kind in RecordingKind:
        recording = Recording(
            name="x.wav",
            kind=kind,
            line="Home",
            who="",
            number=None,
            direction="incoming",
            started="2026-09-21T23:13:20+09:00",
            duration=2.0,
            transcription=words,
        )
        line._recorded(line.finished[-1].call, recording)
    await hass.async_block_till_done()
    described: dict[str, Any] = {}
    async_describe_events(hass, lambda _, name, describe: described.update({name: describe}))
    (event,) = events
    assert described[EVENT_MESSAGE](event) == {
        "name": "Home",
        "message": sentence,
        "icon": "mdi:voicemail",
        "entity_id": "event.home_call",
    }


async def test_every_outcome_has_its_sentence(hass: HomeAssistant, entry: MockConfigEntry) -> None:
    """No call is told by a key instead of a sentence."""
    assert await async_setup_component(hass, "hikari_denwa", {})
    cannot = {("incoming", "given_up"), ("outgoing", "missed"), ("outgoing", "rejected")}
    cannot |= {("outgoing", "blocked"), ("outgoing", "answered_elsewhere")}
    for direction in ("incoming", "outgoing"):
        for outcome in OUTCOMES:
            if (direction, outcome.value) in cannot:
                continue
            told = call_in_words(
                hass,
                {
                    "outcome": outcome.value,
                    "direction": direction,
                    "who": "Somebody",
                    "duration": 1,
                    "waited": 2,
                    "reason": "busy",
                },
            )
            assert told.startswith("Call ")

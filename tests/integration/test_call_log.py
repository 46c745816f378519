"""The call log: what it keeps, shows, finds and forgets."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from freezegun.api import FrozenDateTimeFactory
from homeassistant.core import HomeAssistant
from homeassistant.exceptions import ServiceValidationError
from homeassistant.helpers import entity_registry as er
from pytest_homeassistant_custom_component.common import MockConfigEntry, async_fire_time_changed

from custom_components.hikari_denwa.call_log import SAVE_SECONDS, CallLog, LogFilter
from custom_components.hikari_denwa.calls import CallOutcome
from custom_components.hikari_denwa.const import DOMAIN
from custom_components.hikari_denwa.line import Line
from custom_components.hikari_denwa.recordings import Recording, RecordingKind
from custom_components.hikari_denwa.telephony.calls import CallerIdKind, EndReason

from .conftest import ENTRY_DATA, home, state_of
from .fake_engine import AT, FakeEngine, connected, dtmf, ended, incoming, sounding
from .test_contacts import subentry

KEY = f"{DOMAIN}.call_log.line-1"
MISSED = "sensor.home_missed_calls"
LAST_CALLER = "sensor.home_last_caller"
LAST_CALL = "sensor.home_last_call"


@pytest.fixture(autouse=True)
def now(freezer: FrozenDateTimeFactory) -> None:
    """Begin when the engine's events happen."""
    freezer.move_to(datetime.fromtimestamp(AT, UTC))


@pytest.fixture
def entry() -> MockConfigEntry:
    """Return a line with a contact."""
    return home(
        subentry("Grandmother", "0312345678", picture="/local/grandma.jpg", dial_button=False),
        log_calls=20,
        log_days=30,
    )


async def call(hass: HomeAssistant, action: str, **data: Any) -> dict[str, Any]:
    """Perform an action and return its response."""
    response = await hass.services.async_call(
        DOMAIN, action, data, blocking=True, return_response=True
    )
    assert response is not None
    return dict(response)


async def pass_time(hass: HomeAssistant, freezer: FrozenDateTimeFactory, **step: float) -> None:
    """Let time go by."""
    freezer.tick(timedelta(**step))
    async_fire_time_changed(hass)
    await hass.async_block_till_done(wait_background_tasks=True)


def miss(engine: FakeEngine, call_id: str, number: str = "0451234567", **caller: Any) -> None:
    """Let a call ring that nobody takes."""
    listener = engine.client.listener()
    listener.call_event(incoming(call_id, number=number, **caller))
    listener.call_event(ended(call_id, EndReason.CALLER_GAVE_UP, after=18))


def talk(engine: FakeEngine, call_id: str) -> None:
    """Let a call come that is answered."""
    listener = engine.client.listener()
    listener.call_event(incoming(call_id))
    listener.call_event(connected(call_id))
    listener.call_event(dtmf("1", call_id))
    listener.call_event(sounding(call_id, mos=4.2))
    listener.call_event(ended(call_id, after=65))


async def test_what_is_kept(hass: HomeAssistant, engine: FakeEngine, line: Line) -> None:
    """A call is noted from its beginning to its end."""
    listener = engine.client.listener()
    listener.call_event(incoming())
    (running,) = line.log
    assert running.outcome is CallOutcome.RUNNING
    assert line.log.last is None
    listener.call_event(connected())
    listener.call_event(sounding(mos=4.2))
    listener.call_event(ended(after=65))
    (logged,) = line.log
    assert logged.id == running.id
    assert logged.outcome is CallOutcome.ANSWERED
    assert logged.rang == 5
    assert logged.duration == 60
    assert logged.mos == 4.2
    assert logged.reason is EndReason.HUNG_UP_THERE
    assert type(logged).from_data(logged.data) == logged


@pytest.mark.parametrize(
    ("reason", "outcome"),
    [
        (EndReason.CALLER_GAVE_UP, CallOutcome.MISSED),
        (EndReason.ANSWERED_ELSEWHERE, CallOutcome.ANSWERED_ELSEWHERE),
        (EndReason.REJECTED_HERE, CallOutcome.REJECTED),
        (EndReason.NETWORK_FAILURE, CallOutcome.FAILED),
    ],
)
async def test_outcomes_of_incoming_calls(
    hass: HomeAssistant, engine: FakeEngine, line: Line, reason: EndReason, outcome: CallOutcome
) -> None:
    """What became of a call is what it was to a person."""
    listener = engine.client.listener()
    listener.call_event(incoming())
    listener.call_event(ended(reason=reason))
    assert [call.outcome for call in line.log] == [outcome]
    assert len(line.log.missed) == (outcome is CallOutcome.MISSED)


@pytest.mark.parametrize(
    ("reason", "outcome"),
    [(EndReason.BUSY, CallOutcome.FAILED), (EndReason.CANCELLED_HERE, CallOutcome.GIVEN_UP)],
)
async def test_outcomes_of_outgoing_calls(
    hass: HomeAssistant, engine: FakeEngine, line: Line, reason: EndReason, outcome: CallOutcome
) -> None:
    """So it is with calls that are placed here."""
    await line.async_dial("045-123-4567")
    engine.client.listener().call_event(ended("out-1", reason))
    assert [call.outcome for call in line.log] == [outcome]


async def test_sensors(hass: HomeAssistant, engine: FakeEngine, line: Line) -> None:
    """They show who called, what became of it, and what was missed, in the home's words."""
    for sensor in (LAST_CALLER, LAST_CALL):
        assert state_of(hass, sensor).state == "unknown"
    assert state_of(hass, MISSED).state == "0"
    engine.client.listener().call_event(incoming())
    caller = state_of(hass, LAST_CALLER)
    assert caller.state == "Grandmother"
    assert caller.attributes["entity_picture"] == "/local/grandma.jpg"
    assert caller.attributes["formatted_number"] == "03-1234-5678"
    engine.client.listener().call_event(ended(reason=EndReason.CALLER_GAVE_UP, after=18))
    miss(engine, "in-2", number="", kind=CallerIdKind.WITHHELD)
    caller = state_of(hass, LAST_CALLER)
    assert caller.state == "Number withheld"
    assert "entity_picture" not in caller.attributes
    last = state_of(hass, LAST_CALL)
    assert last.state == datetime.fromtimestamp(AT, UTC).isoformat()
    assert last.attributes["outcome"] == "missed"
    missed = state_of(hass, MISSED)
    assert missed.state == "2"
    assert missed.attributes["unit_of_measurement"] == "calls"
    assert [one["who"] for one in missed.attributes["calls"]] == ["Number withheld", "Grandmother"]


async def test_seen_by_button(hass: HomeAssistant, engine: FakeEngine, line: Line) -> None:
    """The button sets the missed calls back, also while the line is down."""
    miss(engine, "in-1")
    engine.client.listener().engine_lost()
    assert state_of(hass, MISSED).state == "1"
    await hass.services.async_call(
        "button",
        "press",
        {"entity_id": "button.home_mark_missed_calls_as_seen"},
        blocking=True,
    )
    assert state_of(hass, MISSED).state == "0"
    assert [one.outcome for one in line.log] == [CallOutcome.MISSED]


async def test_seen_by_action(hass: HomeAssistant, engine: FakeEngine, line: Line) -> None:
    """Some can be marked, and those that are fetched."""
    miss(engine, "in-1")
    miss(engine, "in-2", number="0312345678")
    miss(engine, "in-3")
    assert await call(hass, "mark_calls_seen", contact="grandmother") == {"marked": 1}
    assert await call(hass, "mark_calls_seen", contact="grandmother") == {"marked": 0}
    assert state_of(hass, MISSED).state == "2"
    told = await call(hass, "get_calls", unseen=True, mark_seen=True, limit=1)
    assert told["total"] == 2
    assert len(told["calls"]) == 1
    assert state_of(hass, MISSED).state == "1"


async def test_get_calls(
    hass: HomeAssistant, engine: FakeEngine, line: Line, freezer: FrozenDateTimeFactory
) -> None:
    """Every filter does what it says; the latest call comes first."""
    talk(engine, "in-1")
    miss(engine, "in-2", number="0120123456")
    freezer.tick(3600)
    await line.async_dial("045-123-4567")
    engine.client.listener().call_event(ended("out-1", EndReason.BUSY, status=486, after=3603))
    told = await call(hass, "get_calls")
    assert told["total"] == 3
    outgoing, missed, answered = told["calls"]
    assert outgoing == outgoing | {
        "direction": "outgoing",
        "outcome": "failed",
        "reason": "busy",
        "status": 486,
        "who": "045-123-4567",
        "config_entry_id": "line-1",
        "line": "Home",
    }
    assert answered == answered | {
        "name": "Grandmother",
        "formatted_number": "03-1234-5678",
        "rang": 5.0,
        "duration": 60.0,
        "mos": 4.2,
    }
    later = datetime.fromtimestamp(AT, UTC) + timedelta(minutes=30)
    for wanted, found in (
        ({"direction": "outgoing"}, [outgoing]),
        ({"outcome": "missed"}, [missed]),
        ({"outcome": ["missed", "failed"]}, [outgoing, missed]),
        ({"number": "03 1234 5678"}, [answered]),
        ({"number": ["0120*", "045-123-4567"]}, [outgoing, missed]),
        ({"contact": "GRANDMOTHER"}, [answered]),
        ({"contact": "Nobody"}, []),
        ({"since": later.isoformat()}, [outgoing]),
        ({"until": later.isoformat()}, [missed, answered]),
        ({"unseen": True}, [missed]),
        ({"call_ids": [missed["id"]]}, [missed]),
        ({"limit": 2}, [outgoing, missed]),
        ({"config_entry_id": "line-1", "limit": 1}, [outgoing]),
    ):
        assert (await call(hass, "get_calls", **wanted))["calls"] == found, wanted


async def test_calls_of_all_lines(hass: HomeAssistant, engine: FakeEngine, line: Line) -> None:
    """Without a line that is named, all are looked through; a line that is not there is told."""
    other = MockConfigEntry(
        domain=DOMAIN, title="Office", entry_id="line-2", data={**ENTRY_DATA, "extension": "4"}
    )
    other.add_to_hass(hass)
    assert await hass.config_entries.async_setup("line-2")
    miss(engine, "in-1")
    listener = engine.client.listener("line-2")
    listener.call_event(incoming("in-2"))
    assert {one["line"] for one in (await call(hass, "get_calls"))["calls"]} == {"Home", "Office"}
    assert (await call(hass, "get_calls", config_entry_id="line-2"))["total"] == 1
    for entry_id in ("line-1", "line-2"):
        await hass.config_entries.async_unload(entry_id)
    with pytest.raises(ServiceValidationError) as error:
        await call(hass, "get_calls")
    assert error.value.translation_key == "no_line"


async def test_delete_calls(hass: HomeAssistant, engine: FakeEngine, line: Line) -> None:
    """Calls are deleted as they are chosen, all only if that is said, a running one never."""
    for at in range(3):
        miss(engine, f"in-{at}")
    engine.client.listener().call_event(incoming("running"))
    with pytest.raises(ServiceValidationError) as error:
        await call(hass, "delete_calls")
    assert error.value.translation_key == "no_call_chosen"
    with pytest.raises(ServiceValidationError) as error:
        await call(hass, "delete_calls", number="nonsense")
    assert error.value.translation_key == "number_invalid"
    first = (await call(hass, "get_calls"))["calls"][-1]["id"]
    assert await call(hass, "delete_calls", call_ids=first) == {"deleted": 1}
    assert await call(hass, "delete_calls", call_ids=first) == {"deleted": 0}
    assert state_of(hass, MISSED).state == "2"
    assert await call(hass, "delete_calls", all=True) == {"deleted": 2}
    assert [one.outcome for one in line.log] == [CallOutcome.RUNNING]
    assert state_of(hass, MISSED).state == "0"


async def test_caps(
    hass: HomeAssistant, engine: FakeEngine, line: Line, freezer: FrozenDateTimeFactory
) -> None:
    """What is too much or too old is forgotten, but never a call that runs."""
    listener = engine.client.listener()
    listener.call_event(incoming("running"))
    for at in range(30):
        miss(engine, f"in-{at}")
    assert len(list(line.log)) == 20
    assert list(line.log)[-1].outcome is CallOutcome.RUNNING
    freezer.tick(timedelta(days=31))
    await line.async_dial("0451234567")
    assert [one.outcome for one in line.log] == [CallOutcome.RUNNING] * 2


async def test_on_disk_in_time(
    hass: HomeAssistant,
    engine: FakeEngine,
    line: Line,
    freezer: FrozenDateTimeFactory,
    hass_storage: dict[str, Any],
) -> None:
    """However many changes follow each other, the first is written after a second at most."""
    engine.client.listener().call_event(incoming("in-0"))
    for at in range(1, 5):
        await pass_time(hass, freezer, seconds=SAVE_SECONDS * 0.3)
        miss(engine, f"in-{at}")
    assert KEY in hass_storage
    written = hass_storage[KEY]["data"]["calls"]
    assert written[0]["outcome"] == "running"
    await pass_time(hass, freezer, seconds=SAVE_SECONDS + 0.1)
    assert len(hass_storage[KEY]["data"]["calls"]) == 5


async def test_survives_a_reload_and_a_crash(
    hass: HomeAssistant,
    engine: FakeEngine,
    entry: MockConfigEntry,
    line: Line,
    hass_storage: dict[str, Any],
) -> None:
    """What was is there again; what a crash left open is closed, nonsense is passed over."""
    miss(engine, "in-1")
    talk(engine, "in-2")
    before = list(line.log)
    assert await hass.config_entries.async_reload(entry.entry_id)
    assert list(entry.runtime_data.log) == before
    assert entry.runtime_data.log.today.talk_seconds == 60
    assert state_of(hass, MISSED).state == "1"
    assert await hass.config_entries.async_unload(entry.entry_id)
    data = hass_storage[KEY]["data"]
    running = {**before[1].data, "outcome": "running", "seen": True}
    data["calls"] = [
        {**running, "id": "ringing"},
        {**running, "id": "talking", "connected": running["started"]},
        {**running, "id": "dialing", "direction": "outgoing"},
        {**running, "id": "blocked", "blocked_by": "number"},
        {**running, "id": "quiet", "blocked_by": "do_not_disturb"},
        {"id": "nonsense"},
        {**running, "id": "nonsense", "started": "yesterday"},
    ]
    assert await hass.config_entries.async_setup(entry.entry_id)
    log = entry.runtime_data.log
    assert {one.id: one.outcome for one in log} == {
        "ringing": CallOutcome.MISSED,
        "talking": CallOutcome.ANSWERED,
        "dialing": CallOutcome.FAILED,
        "blocked": CallOutcome.BLOCKED,
        "quiet": CallOutcome.MISSED,
    }
    assert {one.id for one in log.missed} == {"ringing", "quiet"}


def recorded(line: Line, call_id: str, name: str, words: str | None = None) -> None:
    """Tell that a recording of a call can be played."""
    calls = (*line.calls, *(update.call for update in line.finished))
    line._recorded(
        next(call for call in calls if call.id == call_id),
        Recording(
            name=name,
            kind=RecordingKind.MESSAGE if words else RecordingKind.CALL,
            line="Home",
            who="",
            number=None,
            direction="incoming",
            started="2026-09-21T23:13:20+09:00",
            duration=2.0,
            transcription=words,
        ),
    )


async def test_recordings_and_words(
    hass: HomeAssistant,
    engine: FakeEngine,
    entry: MockConfigEntry,
    line: Line,
    hass_storage: dict[str, Any],
) -> None:
    """They come while a call runs or after it, stay over a restart, and go as they are deleted."""
    listener = engine.client.listener()
    listener.call_event(incoming("in-1"))
    listener.call_event(connected("in-1"))
    recorded(line, "in-1", "1.wav")
    listener.call_event(ended("in-1", after=65))
    for at in range(2, 5):
        miss(engine, f"in-{at}")
    recorded(line, "in-1", "2.wav", "Call me back.")
    first, second = (f"media-source://{DOMAIN}/recordings/{at}.wav" for at in (1, 2))
    *others, logged = line.log
    assert logged.recordings == (first, second)
    assert logged.transcription == "Call me back."
    assert not any(one.recordings or one.transcription for one in others)
    assert logged.outcome is CallOutcome.ANSWERED
    # A call that the user has deleted does not come back with its recording.
    line.log.delete(LogFilter(ids=frozenset({others[-1].id})))
    recorded(line, "in-2", "3.wav")
    assert len(list(line.log)) == 3
    assert await hass.config_entries.async_reload(entry.entry_id)
    log: CallLog = entry.runtime_data.log
    assert list(log)[-1] == logged
    log.forget_recordings({second, "another"})
    *_, logged = log
    assert logged.recordings == (first,)
    assert logged.transcription == "Call me back."


async def test_a_log_of_an_earlier_version(
    hass: HomeAssistant,
    engine: FakeEngine,
    entry: MockConfigEntry,
    line: Line,
    hass_storage: dict[str, Any],
) -> None:
    """What was written before there were recordings in it is read."""
    talk(engine, "in-1")
    assert await hass.config_entries.async_unload(entry.entry_id)
    (kept,) = hass_storage[KEY]["data"]["calls"]
    assert "recordings" not in kept
    assert "transcription" not in kept
    assert await hass.config_entries.async_setup(entry.entry_id)
    (logged,) = entry.runtime_data.log
    assert logged.recordings == ()
    assert logged.transcription is None


async def test_only_the_last_calls_wait_for_their_recording(
    hass: HomeAssistant, engine: FakeEngine, line: Line
) -> None:
    """The memory does not grow with the calls."""
    for at in range(150):
        miss(engine, f"in-{at}")
    assert len(line.log._over) == 100


async def test_removed_with_the_line(
    hass: HomeAssistant, engine: FakeEngine, line: Line, hass_storage: dict[str, Any]
) -> None:
    """Nothing of the log is left when the line is removed."""
    miss(engine, "in-1")
    await hass.config_entries.async_unload("line-1")
    assert KEY in hass_storage
    await hass.config_entries.async_remove("line-1")
    assert KEY not in hass_storage


@pytest.fixture
async def statistics(hass: HomeAssistant, entry: MockConfigEntry, line: Line) -> Line:
    """Switch the sensors on that are off by default."""
    registry = er.async_get(hass)
    off = [
        found.entity_id
        for found in er.async_entries_for_config_entry(registry, "line-1")
        if found.disabled_by
    ]
    assert off == [
        "sensor.home_calls_today",
        "sensor.home_talk_time_today",
        "sensor.home_sound_quality_of_the_last_call_mos",
    ]
    for entity_id in off:
        registry.async_update_entity(entity_id, disabled_by=None)
    assert await hass.config_entries.async_reload("line-1")
    running: Line = entry.runtime_data
    return running


async def test_statistics(
    hass: HomeAssistant, engine: FakeEngine, statistics: Line, freezer: FrozenDateTimeFactory
) -> None:
    """They count the day; deleting calls takes nothing back, midnight begins anew."""
    calls, talk_time = "sensor.home_calls_today", "sensor.home_talk_time_today"
    quality = "sensor.home_sound_quality_of_the_last_call_mos"
    assert state_of(hass, quality).state == "unknown"
    talk(engine, "in-1")
    miss(engine, "in-2")
    assert state_of(hass, calls).state == "2"
    assert state_of(hass, talk_time).state == "1.0"
    assert state_of(hass, quality).state == "4.2"
    await call(hass, "delete_calls", all=True)
    assert state_of(hass, calls).state == "2"
    began = datetime.fromisoformat(state_of(hass, calls).attributes["last_reset"])
    await pass_time(hass, freezer, days=1)
    assert state_of(hass, calls).state == "0"
    assert state_of(hass, talk_time).state == "0.0"
    reset = datetime.fromisoformat(state_of(hass, calls).attributes["last_reset"])
    assert reset - began == timedelta(days=1)
    miss(engine, "in-3")
    assert state_of(hass, calls).state == "1"

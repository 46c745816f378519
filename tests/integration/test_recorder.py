"""What calls leave in Home Assistant's database."""

import json
from datetime import timedelta
from typing import Any

import pytest
from freezegun.api import FrozenDateTimeFactory
from homeassistant.components.recorder import Recorder
from homeassistant.components.recorder.statistics import statistics_during_period
from homeassistant.core import HomeAssistant
from homeassistant.helpers import entity_registry as er
from homeassistant.helpers.recorder import session_scope
from homeassistant.util import dt as dt_util
from pytest_homeassistant_custom_component.common import MockConfigEntry
from pytest_homeassistant_custom_component.components.recorder.common import (
    async_wait_recording_done,
    do_adhoc_statistics,
)
from sqlalchemy import text

from custom_components.hikari_denwa.line import Line
from custom_components.hikari_denwa.telephony.calls import EndReason

from .fake_engine import FakeEngine, connected, ended, incoming, sounding

CALLS = 90
CALLERS = 15
ROWS_PER_CALL = 12
TABLES = ("states", "state_attributes", "events", "event_data")


@pytest.fixture
async def mock_recorder_before_hass(async_test_recorder: Any) -> None:
    """Have the recorder made before Home Assistant."""


async def count(hass: HomeAssistant, recorder: Recorder) -> int:
    """Return how many rows there are."""
    await async_wait_recording_done(hass)

    def rows() -> int:
        with session_scope(hass=hass, read_only=True) as session:
            return sum(
                session.execute(text(f"SELECT count(*) FROM {table}")).scalar_one()
                for table in TABLES
            )

    return await recorder.async_add_executor_job(rows)


async def call(engine: FakeEngine, line: Line, at: int) -> None:
    """Let a call happen: a third each is answered, missed, or placed here."""
    listener = engine.client.listener()
    number = f"031234{at % CALLERS:04}"
    if at % 3 == 2:
        placed = await line.async_dial(number)
        listener.call_event(connected(placed.id))
        listener.call_event(ended(placed.id, after=60.0 + at))
        return
    listener.call_event(incoming(f"in-{at}", number=number))
    if at % 3:
        listener.call_event(ended(f"in-{at}", EndReason.CALLER_GAVE_UP, after=18.0 + at))
        return
    await line.async_answer()
    listener.call_event(connected(f"in-{at}"))
    listener.call_event(sounding(f"in-{at}", mos=4.3))
    listener.call_event(ended(f"in-{at}", after=60.0 + at))


async def test_rows_per_call(
    recorder_mock: Recorder, hass: HomeAssistant, engine: FakeEngine, line: Line
) -> None:
    """A call costs the database a dozen rows at most, attributes of new callers and all."""
    before = await count(hass, recorder_mock)
    for at in range(CALLS):
        await call(engine, line, at)
    after = await count(hass, recorder_mock)
    assert 0 < (after - before) / CALLS <= ROWS_PER_CALL


async def test_noise_is_not_recorded(
    recorder_mock: Recorder, hass: HomeAssistant, engine: FakeEngine, line: Line
) -> None:
    """What differs from call to call is not in the history, so that calls share their rows."""
    for at in range(6):
        await call(engine, line, at)
    await async_wait_recording_done(hass)

    def recorded() -> set[str]:
        with session_scope(hass=hass, read_only=True) as session:
            found = session.execute(text("SELECT shared_attrs FROM state_attributes")).scalars()
            return {key for attributes in found for key in json.loads(attributes)}

    keys = await recorder_mock.async_add_executor_job(recorded)
    assert {"event_type", "who", "number", "reason"} <= keys
    assert not keys & {"call_id", "started", "since", "duration", "picture", "calls"}


async def test_long_term_statistics(
    recorder_mock: Recorder,
    hass: HomeAssistant,
    engine: FakeEngine,
    entry: MockConfigEntry,
    freezer: FrozenDateTimeFactory,
) -> None:
    """Calls of a day, minutes of talk and quality become long-term statistics."""
    freezer.move_to("2026-11-25T20:00:00+00:00")
    entry.add_to_hass(hass)
    assert await hass.config_entries.async_setup(entry.entry_id)
    registry = er.async_get(hass)
    for registered in er.async_entries_for_config_entry(registry, entry.entry_id):
        registry.async_update_entity(registered.entity_id, disabled_by=None)
    assert await hass.config_entries.async_reload(entry.entry_id)
    began = dt_util.utcnow()
    calls, minutes = "sensor.home_calls_today", "sensor.home_talk_time_today"
    quality = "sensor.home_sound_quality_of_the_last_call_mos"
    await call(engine, entry.runtime_data, 0)
    await async_wait_recording_done(hass)
    for _ in range(2):
        freezer.tick(timedelta(minutes=5))
        do_adhoc_statistics(hass, start=dt_util.utcnow() - timedelta(minutes=10))
        await async_wait_recording_done(hass)
    found: Any = await recorder_mock.async_add_executor_job(
        lambda: statistics_during_period(
            hass,
            began - timedelta(minutes=10),
            None,
            {calls, minutes, quality},
            "5minute",
            None,
            {"state", "sum", "mean"},
        )
    )
    assert found[calls][-1]["state"] == 1
    assert found[minutes][-1]["state"] == pytest.approx(0.92, abs=0.01)
    assert found[quality][-1]["mean"] == pytest.approx(4.3)

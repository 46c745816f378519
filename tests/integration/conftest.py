"""What the tests inside Home Assistant share."""

import os
from collections.abc import Callable, Iterator
from typing import Any
from unittest.mock import patch

import pytest
from homeassistant.core import Event, HomeAssistant, State, callback
from pytest_homeassistant_custom_component.common import MockConfigEntry

from custom_components.hikari_denwa.const import DOMAIN
from custom_components.hikari_denwa.line import Line
from custom_components.hikari_denwa.telephony.calls import Family
from custom_components.hikari_denwa.telephony.engine.pjsua2.launcher import Pjsua2Launcher
from custom_components.hikari_denwa.telephony.errors import TelephonyError
from tests.loopback import loopback

from .fake_engine import FakeEngine

__all__ = ["loopback"]

ENTRY_DATA: dict[str, Any] = {
    "gateway": "2001:db8::1",
    "extension": "3",
    "user_id": "0003",
    "password": "secret-word",
    "family": "automatic",
    "port": 5060,
}


def state_of(hass: HomeAssistant, entity_id: str) -> State:
    """Return the state of an entity that must have one."""
    state = hass.states.get(entity_id)
    assert state is not None, entity_id
    return state


@pytest.fixture(autouse=True)
def custom_integrations(enable_custom_integrations: None) -> None:
    """Let Home Assistant load the integration of this checkout."""


@pytest.fixture(autouse=True)
def ffmpeg() -> Iterator[None]:
    """Let Home Assistant believe in its ffmpeg without asking the program."""
    with patch("homeassistant.components.ffmpeg.FFVersion.get_version", return_value="7.1"):
        yield


@pytest.fixture
def engine() -> Iterator[FakeEngine]:
    """Put a fake in the place of the engine's client."""
    fake = FakeEngine()
    with patch("custom_components.hikari_denwa.engine.EngineClient", fake.make):
        yield fake


@pytest.fixture
async def families(
    request: pytest.FixtureRequest, loopback: None, monkeypatch: pytest.MonkeyPatch
) -> tuple[Family, ...]:
    """Have lines use the back end that was asked for; returns the families that it speaks."""
    if request.config.getoption("backend") == "native":
        return tuple(Family)
    interpreter = os.environ.get("HIKARI_PJSUA2_PYTHON")
    if not interpreter:
        pytest.skip("HIKARI_PJSUA2_PYTHON names no Python with pjsua2")
    launcher = Pjsua2Launcher(interpreter=interpreter)
    try:
        report = await launcher.probe()
    except TelephonyError as error:
        pytest.skip(f"the pjsua2 of {interpreter} cannot serve: {error}")
    monkeypatch.setattr("custom_components.hikari_denwa.engine.NATIVE", launcher)
    return report.families


@pytest.fixture
def entry() -> MockConfigEntry:
    """Return the entry of a line that is not set up."""
    return MockConfigEntry(
        domain=DOMAIN,
        title="Home",
        entry_id="line-1",
        data=ENTRY_DATA,
        options={"door_phones": ["1", "0451234567"]},
    )


@pytest.fixture
async def line(hass: HomeAssistant, engine: FakeEngine, entry: MockConfigEntry) -> Line:
    """Return a line that is set up and registered."""
    entry.add_to_hass(hass)
    assert await hass.config_entries.async_setup(entry.entry_id)
    await hass.async_block_till_done()
    running: Line = entry.runtime_data
    return running


@pytest.fixture
def changes(hass: HomeAssistant) -> Callable[[str], list[State]]:
    """Return how to collect the states that an entity goes through from now on."""

    def collect(entity_id: str) -> list[State]:
        states: list[State] = []

        @callback
        def changed(event: Event[Any]) -> None:
            if event.data["entity_id"] == entity_id and event.data["new_state"]:
                states.append(event.data["new_state"])

        hass.bus.async_listen("state_changed", changed)
        return states

    return collect

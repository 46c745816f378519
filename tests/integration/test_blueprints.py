"""The blueprints, run in Home Assistant."""

import asyncio
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from unittest.mock import patch

import pytest
from homeassistant.components.automation.config import AUTOMATION_BLUEPRINT_SCHEMA
from homeassistant.components.blueprint.models import Blueprint, DomainBlueprints
from homeassistant.core import HomeAssistant, ServiceCall, callback
from homeassistant.setup import async_setup_component
from homeassistant.util.yaml import load_yaml_dict
from pytest_homeassistant_custom_component.common import async_mock_service

from custom_components.hikari_denwa.line import Line

from .conftest import state_of
from .fake_engine import FakeEngine, connected, ended, incoming

FOLDER = Path(__file__).parents[2] / "blueprints" / "automation" / "hikari_denwa"
DOOR_PHONE = "door_phone_on_speakers.yaml"
SPEAKER = "media_player.hall"


@pytest.fixture
def blueprints() -> Iterator[None]:
    """Let Home Assistant find the blueprints of this checkout."""

    @callback
    def load(self: DomainBlueprints, path: str) -> Blueprint:
        return Blueprint(
            load_yaml_dict(str(FOLDER / path)),
            expected_domain=self.domain,
            path=path,
            schema=AUTOMATION_BLUEPRINT_SCHEMA,
        )

    with patch.object(DomainBlueprints, "_load_blueprint", load):
        yield


@pytest.fixture
async def door(hass: HomeAssistant, line: Line, blueprints: None) -> list[ServiceCall]:
    """Set the automation up; returns what the speaker is given."""
    hass.config.internal_url = "http://192.168.1.10:8123"
    hass.states.async_set(SPEAKER, "idle", {"supported_features": 512})
    played: list[ServiceCall] = async_mock_service(hass, "media_player", "play_media")
    use = {
        "path": DOOR_PHONE,
        "input": {
            "doorbell": "event.home_doorbell",
            "speakers": [SPEAKER],
            "answer_after": 0.1,
            "longest": 1,
        },
    }
    assert await async_setup_component(
        hass, "automation", {"automation": {"alias": "Door", "use_blueprint": use}}
    )
    await hass.async_block_till_done()
    return played


async def until(holds: Callable[[], bool]) -> None:
    """Wait until something holds."""
    async with asyncio.timeout(10):
        while not holds():
            await asyncio.sleep(0.01)


async def test_visitor_is_heard(
    hass: HomeAssistant, engine: FakeEngine, line: Line, door: list[ServiceCall]
) -> None:
    """The speaker starts while it rings, the call is answered, and hung up if nobody does."""
    engine.client.listener().call_event(incoming(number="1", internal=True))
    await until(lambda: engine.sent("answer") == [("in-1",)])
    (played,) = door
    assert played.data["entity_id"] == SPEAKER
    engine.client.listener().call_event(connected())
    await until(lambda: engine.sent("hang_up") == [("in-1",)])
    engine.client.listener().call_event(ended())
    assert [name for name, *_ in engine.commands] == ["answer", "hang_up"]


async def test_visitor_leaves(
    hass: HomeAssistant, engine: FakeEngine, line: Line, door: list[ServiceCall]
) -> None:
    """A call that is over is not hung up, and the next visitor is heard as well."""
    for number in range(2):
        call = f"in-{number}"
        engine.client.listener().call_event(incoming(call, number="1", internal=True))
        await until(partial(engine.has_sent, "answer", call))
        engine.client.listener().call_event(connected(call))
        engine.client.listener().call_event(ended(call))
        await until(lambda: state_of(hass, "automation.door").attributes["current"] == 0)
    assert engine.sent("answer") == [("in-0",), ("in-1",)]
    assert engine.sent("hang_up") == []
    assert len(door) == 2


async def test_other_callers_are_not_answered(
    hass: HomeAssistant, engine: FakeEngine, line: Line, door: list[ServiceCall]
) -> None:
    """The doorbell rings for door phones alone."""
    engine.client.listener().call_event(incoming())
    await hass.async_block_till_done()
    assert state_of(hass, "automation.door").attributes["current"] == 0
    assert door == []
    assert engine.sent("answer") == []

"""The conditions of automations: what a line is doing, and with whom."""

from typing import Any

import pytest
from homeassistant.core import HomeAssistant
from homeassistant.helpers.condition import (
    ConditionChecker,
    async_from_config,
    async_get_all_descriptions,
    async_validate_condition_config,
)
from homeassistant.setup import async_setup_component
from pytest_homeassistant_custom_component.common import MockConfigEntry

from custom_components.hikari_denwa.condition import CONDITIONS
from custom_components.hikari_denwa.line import Line
from custom_components.hikari_denwa.telephony.calls import CallerIdKind

from .automation import automate
from .conftest import ENTRY_DATA
from .fake_engine import FakeEngine, connected, ended, incoming


async def condition(hass: HomeAssistant, key: str, **options: Any) -> ConditionChecker:
    """Return a condition that is ready to be asked."""
    assert await async_setup_component(hass, "automation", {})
    config = {"condition": f"hikari_denwa.{key}", "options": options}
    checker: ConditionChecker = await async_from_config(
        hass, await async_validate_condition_config(hass, config)
    )
    return checker


async def test_states(hass: HomeAssistant, engine: FakeEngine, line: Line) -> None:
    """Ringing and talking are told apart, and neither is true of a line that is idle."""
    ringing, talking = [await condition(hass, key) for key in ("is_ringing", "is_in_call")]

    def now() -> tuple[bool | None, bool | None]:
        return ringing.async_check(), talking.async_check()

    listener = engine.client.listener()
    assert now() == (False, False)
    listener.call_event(incoming())
    assert now() == (True, False)
    await line.async_answer()
    assert now() == (False, True)
    listener.call_event(connected())
    assert now() == (False, True)
    listener.call_event(incoming("in-2", channel=2))
    assert now() == (True, True)
    listener.call_event(ended("in-2"))
    listener.call_event(ended())
    assert now() == (False, False)
    await line.async_dial("117")
    assert now() == (False, False)


async def test_line(hass: HomeAssistant, engine: FakeEngine, line: Line) -> None:
    """One line is meant, or any."""
    other = MockConfigEntry(
        domain="hikari_denwa", title="Office", entry_id="line-2", data=ENTRY_DATA
    )
    other.add_to_hass(hass)
    assert await hass.config_entries.async_setup(other.entry_id)
    engine.client.listener("line-2").call_event(incoming())
    for options, expected in (
        ({}, True),
        ({"config_entry_id": "line-1"}, False),
        ({"config_entry_id": ["line-1", "line-2"]}, True),
    ):
        assert (await condition(hass, "is_ringing", **options)).async_check() is expected
    assert await hass.config_entries.async_unload(other.entry_id)
    assert not (await condition(hass, "is_ringing")).async_check()


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({"caller": "03-1234-*"}, True),
        ({"caller": "Grand*"}, True),
        ({"caller": "045*"}, False),
        ({"caller_id": "number"}, True),
        ({"caller_id": "withheld"}, False),
        ({"caller": "Grand*", "config_entry_id": "line-1"}, True),
        ({"contact_group": "Family"}, False),
        ({"contact_group": [], "caller": []}, False),
        ({"contact_group": [], "caller": ["Grand*"]}, True),
    ],
)
async def test_caller(
    hass: HomeAssistant, engine: FakeEngine, line: Line, options: dict[str, Any], expected: bool
) -> None:
    """The other side of a call is looked at, and of no call that is over."""
    who = await condition(hass, "caller_is", **options)
    assert not who.async_check()
    engine.client.listener().call_event(incoming(display_name="Grandmother"))
    assert who.async_check() is expected
    engine.client.listener().call_event(ended())
    assert not who.async_check()


async def test_withheld(hass: HomeAssistant, engine: FakeEngine, line: Line) -> None:
    """A caller without a number is one, too."""
    who = await condition(hass, "caller_is", caller_id="withheld")
    engine.client.listener().call_event(incoming(number=None, kind=CallerIdKind.WITHHELD))
    assert who.async_check()


@pytest.mark.parametrize(
    ("key", "options"),
    [
        ("caller_is", {}),
        ("caller_is", {"config_entry_id": "line-1"}),
        ("is_ringing", {"config_entry_id": "gone"}),
        ("is_ringing", {"caller": "03*"}),
    ],
)
async def test_wrong_options(
    hass: HomeAssistant, line: Line, key: str, options: dict[str, Any]
) -> None:
    """What cannot be meant makes the automation unusable."""
    config = {"condition": f"hikari_denwa.{key}", "options": options}
    trigger = {"trigger": "hikari_denwa.call_received"}
    await automate(hass, trigger, conditions=[config], expect_valid=False)


async def test_descriptions(hass: HomeAssistant, line: Line) -> None:
    """The editor finds every condition, with the fields that the code takes and no other."""
    assert await async_setup_component(hass, "automation", {})
    described = await async_get_all_descriptions(hass)
    for key, cls in CONDITIONS.items():
        description = described[f"hikari_denwa.{key}"]
        assert description is not None, key
        assert set(description["fields"]) == {str(field) for field in cls.fields}

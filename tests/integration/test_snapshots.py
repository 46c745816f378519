"""Each platform as Home Assistant registers and shows it."""

import json
from typing import Any
from unittest.mock import PropertyMock, patch

import pytest
from freezegun.api import FrozenDateTimeFactory
from homeassistant.config_entries import ConfigSubentryDataWithId
from homeassistant.const import Platform
from homeassistant.core import HomeAssistant
from homeassistant.helpers import entity_registry as er
from homeassistant.setup import async_setup_component
from pytest_homeassistant_custom_component.common import MockConfigEntry
from syrupy.assertion import SnapshotAssertion

from custom_components.hikari_denwa.const import ASSIST_PLATFORM, PLATFORMS

from .conftest import home, state_of
from .fake_engine import FakeEngine
from .test_contacts import subentry


def shown(hass: HomeAssistant, registered: er.RegistryEntry) -> dict[str, Any]:
    """Return what a person, an automation or the recorder can notice of an entity."""
    state = state_of(hass, registered.entity_id)
    told = {
        "unique_id": registered.unique_id,
        "name": registered.original_name,
        "translation_key": registered.translation_key,
        "category": registered.entity_category,
        "device_class": registered.original_device_class,
        "capabilities": registered.capabilities,
        "subentry": registered.config_subentry_id,
        "state": state.state,
        "attributes": dict(state.attributes),
    }
    # Versions of Home Assistant differ in which of these words are enumerations.
    plain: dict[str, Any] = json.loads(json.dumps(told))
    return plain


@pytest.mark.parametrize("platform", PLATFORMS)
async def test_platform(
    hass: HomeAssistant,
    engine: FakeEngine,
    entry: MockConfigEntry,
    freezer: FrozenDateTimeFactory,
    snapshot: SnapshotAssertion,
    platform: Platform,
) -> None:
    """Names, classes, categories, identities and states are as they were, or it is noticed."""
    freezer.move_to("2026-11-25T12:00:00+00:00")
    contact = ConfigSubentryDataWithId(
        **subentry("Grandmother", "0312345678", picture="/local/grandma.jpg"),
        subentry_id="contact-1",
    )
    line = home(contact, **entry.options)
    line.add_to_hass(hass)
    enabled = "homeassistant.helpers.entity.Entity.entity_registry_enabled_default"
    with (
        patch("custom_components.hikari_denwa.line.PLATFORMS", (platform,)),
        patch(enabled, PropertyMock(return_value=True)),
    ):
        assert await hass.config_entries.async_setup("line-1")
        await hass.async_block_till_done()
        entities = er.async_entries_for_config_entry(er.async_get(hass), "line-1")
        assert {found.domain for found in entities} == {platform}
        for found in entities:
            assert shown(hass, found) == snapshot(name=found.entity_id)
        assert await hass.config_entries.async_unload("line-1")


async def test_assist_satellite(
    hass: HomeAssistant,
    engine: FakeEngine,
    entry: MockConfigEntry,
    freezer: FrozenDateTimeFactory,
    snapshot: SnapshotAssertion,
) -> None:
    """The platform of those who ask for Assist, which the others do not get."""
    freezer.move_to("2026-11-25T12:00:00+00:00")
    assert await async_setup_component(hass, "homeassistant", {})
    entry.add_to_hass(hass)
    hass.config_entries.async_update_entry(entry, options={"assist": True})
    with patch("custom_components.hikari_denwa.line.PLATFORMS", ()):
        assert await hass.config_entries.async_setup("line-1")
        await hass.async_block_till_done()
        (found,) = er.async_entries_for_config_entry(er.async_get(hass), "line-1")
        assert found.domain == ASSIST_PLATFORM
        assert shown(hass, found) == snapshot(name=found.entity_id)
        assert await hass.config_entries.async_unload("line-1")

"""Fixtures of the players suite: Home Assistant on loopback, with its real ffmpeg."""

from collections.abc import AsyncIterator
from typing import Any

import pytest
from homeassistant.core import HomeAssistant
from homeassistant.setup import async_setup_component
from pytest_homeassistant_custom_component.typing import ClientSessionGenerator

from custom_components.hikari_denwa.const import DOMAIN
from tests.loopback import loopback

from .listening_room import ListeningRoom, listening_room

__all__ = ["loopback"]


@pytest.fixture(autouse=True)
def custom_integrations(enable_custom_integrations: None) -> None:
    """Let Home Assistant load the integration of this checkout."""


@pytest.fixture
async def room(
    loopback: None, hass: HomeAssistant, hass_client_no_auth: ClientSessionGenerator
) -> AsyncIterator[ListeningRoom]:
    """Have a line, and a port that players reach."""
    # A server that runs takes no more addresses, so all that have some come first.
    for component in (DOMAIN, "media_player", "media_source"):
        assert await async_setup_component(hass, component, {})
    client: Any = await hass_client_no_auth()
    async with listening_room(hass, client.server.port) as running:
        yield running

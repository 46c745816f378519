"""The live call in the media browser."""

import pytest
from homeassistant.components.media_player import BrowseError
from homeassistant.components.media_source import (
    Unresolvable,
    async_browse_media,
    async_resolve_media,
)
from homeassistant.core import HomeAssistant
from homeassistant.helpers import entity_registry as er
from homeassistant.setup import async_setup_component

from custom_components.hikari_denwa.line import Line

from .fake_engine import FakeEngine, ended, incoming

ROOT = "media-source://hikari_denwa"


@pytest.fixture(autouse=True)
async def media_source(hass: HomeAssistant) -> None:
    """Set the media browser up."""
    assert await async_setup_component(hass, "media_source", {})


async def test_browse(hass: HomeAssistant, engine: FakeEngine, line: Line) -> None:
    """Every line is there; it can be played while it has a call, and says with whom."""
    item, _ = (await async_browse_media(hass, ROOT)).children or ()
    assert (item.title, item.can_play) == ("Home: Live call", False)
    engine.client.listener().call_event(incoming())
    item, _ = (await async_browse_media(hass, ROOT)).children or ()
    assert (item.title, item.can_play) == ("Home: Live call – 03-1234-5678", True)
    assert (await async_browse_media(hass, item.media_content_id)).title == item.title
    with pytest.raises(BrowseError):
        await async_browse_media(hass, f"{ROOT}/live/other")


async def test_resolve(hass: HomeAssistant, engine: FakeEngine, line: Line) -> None:
    """Each player gets its own format; without a call, or a line, there is nothing."""
    item = f"{ROOT}/live/{line.id}"
    with pytest.raises(Unresolvable) as none:
        await async_resolve_media(hass, item, None)
    assert none.value.translation_key == "call_unknown"
    engine.client.listener().call_event(incoming())
    browser = await async_resolve_media(hass, item, None)
    assert browser.mime_type == "audio/mpeg"
    assert browser.url.endswith(".mp3?.mp3")
    cast = er.async_get(hass).async_get_or_create("media_player", "cast", "1").entity_id
    resolved = await async_resolve_media(hass, item, cast)
    assert resolved.mime_type == "audio/wav"
    assert resolved.url.endswith(".48000x2.wav?.wav")
    engine.client.listener().call_event(ended())
    with pytest.raises(Unresolvable):
        await async_resolve_media(hass, item, cast)
    with pytest.raises(Unresolvable) as unknown:
        await async_resolve_media(hass, f"{ROOT}/live/other", None)
    assert unknown.value.translation_key == "line_not_found"

"""Media source: the live call of each line, for the media browser and for `play_media`."""

from typing import Final, override

from homeassistant.components.media_player import BrowseError, MediaClass, MediaType
from homeassistant.components.media_source import (
    BrowseMediaSource,
    MediaSource,
    MediaSourceItem,
    PlayMedia,
    Unresolvable,
)
from homeassistant.core import HomeAssistant
from homeassistant.helpers.translation import async_get_cached_translations

from .const import DOMAIN
from .http import live_streams
from .line import HikariConfigEntry, Line
from .players import playable_for

_NAME: Final = "Hikari Denwa"
_LIVE: Final = "live/"


async def async_get_media_source(hass: HomeAssistant) -> MediaSource:
    """Set up the media source."""
    return HikariMediaSource(hass)


class HikariMediaSource(MediaSource):
    """Offers each line's call that is going on."""

    name = _NAME

    def __init__(self, hass: HomeAssistant) -> None:
        """Keep where the lines are."""
        super().__init__(DOMAIN)
        self._hass = hass

    @override
    async def async_resolve_media(self, item: MediaSourceItem) -> PlayMedia:
        """Return the address of a line's call in the format of the player that asks."""
        line = self._line(item.identifier)
        if line is None:
            raise Unresolvable(translation_domain=DOMAIN, translation_key="line_not_found")
        if line.state.call is None:
            raise Unresolvable(translation_domain=DOMAIN, translation_key="call_unknown")
        playable = playable_for(
            self._hass, item.target_media_player, encodes=live_streams(self._hass).encodes
        )
        live_format = playable.live_format
        return PlayMedia(line.live_stream().address_of(live_format), live_format.media_type)

    @override
    async def async_browse_media(self, item: MediaSourceItem) -> BrowseMediaSource:
        """List the lines; one that has no call has nothing to play."""
        if item.identifier:
            if (line := self._line(item.identifier)) is None:
                raise BrowseError(translation_domain=DOMAIN, translation_key="line_not_found")
            return self._entry(line)
        entries: list[HikariConfigEntry] = self._hass.config_entries.async_loaded_entries(DOMAIN)
        return BrowseMediaSource(
            domain=DOMAIN,
            identifier=None,
            media_class=MediaClass.DIRECTORY,
            media_content_type=MediaType.MUSIC,
            title=_NAME,
            can_play=False,
            can_expand=True,
            children_media_class=MediaClass.MUSIC,
            children=[self._entry(entry.runtime_data) for entry in entries],
        )

    def _entry(self, line: Line) -> BrowseMediaSource:
        """Return what is shown of a line."""
        call = line.state.call
        words = async_get_cached_translations(
            self._hass, self._hass.config.language, "common", DOMAIN
        )
        live_call = words.get(f"component.{DOMAIN}.common.live_call", "Live call")
        title = f"{line.entry.title}: {live_call}"
        return BrowseMediaSource(
            domain=DOMAIN,
            identifier=f"{_LIVE}{line.id}",
            media_class=MediaClass.MUSIC,
            media_content_type=MediaType.MUSIC,
            title=title if call is None else f"{title} – {line.who(call)}",
            can_play=call is not None,
            can_expand=False,
        )

    def _line(self, identifier: str) -> Line | None:
        """Return the line that an identifier means, if it is there."""
        entries: list[HikariConfigEntry] = self._hass.config_entries.async_loaded_entries(DOMAIN)
        for entry in entries:
            if identifier == f"{_LIVE}{entry.entry_id}":
                return entry.runtime_data
        return None

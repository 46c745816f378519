"""Media source: the live call of each line and the recordings, for browsing and `play_media`."""

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
from .recordings import RecordingFolder
from .telephony.errors import RecordingError

_NAME: Final = "Hikari Denwa"
_LIVE: Final = "live/"
_RECORDINGS: Final = "recordings"


async def async_get_media_source(hass: HomeAssistant) -> MediaSource:
    """Set up the media source."""
    return HikariMediaSource(hass)


class HikariMediaSource(MediaSource):
    """Offers each line's call that is going on, and what was recorded."""

    name = _NAME

    def __init__(self, hass: HomeAssistant) -> None:
        """Keep where the lines are."""
        super().__init__(DOMAIN)
        self._hass = hass

    @override
    async def async_resolve_media(self, item: MediaSourceItem) -> PlayMedia:
        """Return the address of a line's call in the format of the player that asks."""
        if item.identifier.startswith(f"{_RECORDINGS}/"):
            return await self._recording(item.identifier.removeprefix(f"{_RECORDINGS}/"))
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
        if item.identifier == _RECORDINGS:
            return await self._recordings()
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
            children=[
                *(self._entry(entry.runtime_data) for entry in entries),
                self._recordings_folder(),
            ],
        )

    async def _recording(self, name: str) -> PlayMedia:
        """Return where a recording is."""
        folder = RecordingFolder(self._hass)
        try:
            recording = await self._hass.async_add_executor_job(folder.get, name)
        except RecordingError as error:
            raise Unresolvable(translation_domain=DOMAIN, translation_key=error.reason) from error
        return PlayMedia(
            folder.url_of(recording), recording.mime_type, path=folder.path / recording.name
        )

    async def _recordings(self) -> BrowseMediaSource:
        """List the recordings, the newest first."""
        try:
            recordings = await self._hass.async_add_executor_job(RecordingFolder(self._hass).all)
        except RecordingError as error:
            raise BrowseError(
                translation_domain=DOMAIN,
                translation_key=error.reason,
                translation_placeholders=error.placeholders,
            ) from error
        return self._recordings_folder(
            [
                BrowseMediaSource(
                    domain=DOMAIN,
                    identifier=f"{_RECORDINGS}/{recording.name}",
                    media_class=MediaClass.MUSIC,
                    media_content_type=recording.mime_type,
                    title=recording.title,
                    can_play=True,
                    can_expand=False,
                )
                for recording in recordings
            ]
        )

    def _recordings_folder(
        self, children: list[BrowseMediaSource] | None = None
    ) -> BrowseMediaSource:
        """Return what is shown of the recordings."""
        return BrowseMediaSource(
            domain=DOMAIN,
            identifier=_RECORDINGS,
            media_class=MediaClass.DIRECTORY,
            media_content_type=MediaType.MUSIC,
            title=self._word("recordings", "Recordings"),
            can_play=False,
            can_expand=True,
            children_media_class=MediaClass.MUSIC,
            children=children,
        )

    def _word(self, key: str, otherwise: str) -> str:
        """Return a word in the language of the home."""
        words = async_get_cached_translations(
            self._hass, self._hass.config.language, "common", DOMAIN
        )
        return words.get(f"component.{DOMAIN}.common.{key}", otherwise)

    def _entry(self, line: Line) -> BrowseMediaSource:
        """Return what is shown of a line."""
        call = line.state.call
        title = f"{line.entry.title}: {self._word('live_call', 'Live call')}"
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

"""A media player for each line: what it plays is heard by the other side of the call."""

from typing import Any, Final, override

from homeassistant.components import media_source
from homeassistant.components.media_player import (
    ATTR_MEDIA_ANNOUNCE,
    ATTR_MEDIA_ENQUEUE,
    ATTR_MEDIA_EXTRA,
    BrowseMedia,
    MediaPlayerDeviceClass,
    MediaPlayerEnqueue,
    MediaPlayerEntity,
    MediaPlayerEntityDescription,
    MediaPlayerEntityFeature,
    MediaPlayerState,
    MediaType,
)
from homeassistant.core import HomeAssistant
from homeassistant.helpers.entity_platform import AddConfigEntryEntitiesCallback

from .entity import HikariEntity
from .exceptions import translated_errors
from .line import HikariConfigEntry
from .playable import media_sound
from .playback import PlayerState

# What is played waits for the beginning of it, and stopping must not wait for that.
PARALLEL_UPDATES = 0

_CALL_SOUND = MediaPlayerEntityDescription(
    key="call_sound",
    translation_key="call_sound",
    device_class=MediaPlayerDeviceClass.SPEAKER,
)
_STATES: Final = {
    PlayerState.IDLE: MediaPlayerState.IDLE,
    PlayerState.PLAYING: MediaPlayerState.PLAYING,
    PlayerState.PAUSED: MediaPlayerState.PAUSED,
}
_AFTER_THE_REST = frozenset({MediaPlayerEnqueue.ADD, MediaPlayerEnqueue.NEXT})


async def async_setup_entry(
    _hass: HomeAssistant,
    entry: HikariConfigEntry,
    async_add_entities: AddConfigEntryEntitiesCallback,
) -> None:
    """Set up the media player platform."""
    async_add_entities([CallSoundPlayer(entry, _CALL_SOUND)])


class CallSoundPlayer(HikariEntity, MediaPlayerEntity):
    """Plays into the line's current call; idle while nothing is played, call or not."""

    _attr_media_content_type = MediaType.MUSIC
    _attr_volume_step = 0.1
    _attr_supported_features = (
        MediaPlayerEntityFeature.BROWSE_MEDIA
        | MediaPlayerEntityFeature.MEDIA_ANNOUNCE
        | MediaPlayerEntityFeature.MEDIA_ENQUEUE
        | MediaPlayerEntityFeature.NEXT_TRACK
        | MediaPlayerEntityFeature.PAUSE
        | MediaPlayerEntityFeature.PLAY
        | MediaPlayerEntityFeature.PLAY_MEDIA
        | MediaPlayerEntityFeature.STOP
        | MediaPlayerEntityFeature.VOLUME_MUTE
        | MediaPlayerEntityFeature.VOLUME_SET
        | MediaPlayerEntityFeature.VOLUME_STEP
    )

    @property
    @override
    def state(self) -> MediaPlayerState:
        """Return what it is doing."""
        player = self.line.player.running(self.line.state.call)
        return _STATES[player.state] if player else MediaPlayerState.IDLE

    @property
    @override
    def media_title(self) -> str | None:
        """Return what is being played."""
        player = self.line.player.running(self.line.state.call)
        return player.title if player else None

    @property
    @override
    def volume_level(self) -> float:
        """Return the volume; 1 is the sound as it is."""
        return self.line.player.volume

    @property
    @override
    def is_volume_muted(self) -> bool:
        """Tell whether silence takes the place of the sound."""
        return self.line.player.muted

    @override
    async def async_play_media(
        self, media_type: MediaType | str, media_id: str, **kwargs: Any
    ) -> None:
        """Play into the current call; returns when it begins, or will after something else."""
        title = (kwargs.get(ATTR_MEDIA_EXTRA) or {}).get("title")
        sound = media_sound(self.hass, media_id, player=self.entity_id, title=title)
        enqueue = kwargs.get(ATTR_MEDIA_ENQUEUE)
        with translated_errors():
            player = self.line.player.of(self.line.state.call)
            if kwargs.get(ATTR_MEDIA_ANNOUNCE):
                await player.play(sound, announcement=True).begun()
            elif enqueue in _AFTER_THE_REST and player.state is not PlayerState.IDLE:
                player.play(sound, first=enqueue is MediaPlayerEnqueue.NEXT)
            elif enqueue is MediaPlayerEnqueue.PLAY:
                playback = player.play(sound, first=True)
                player.skip()
                await playback.begun()
            else:
                await player.async_stop()
                await player.play(sound).begun()

    @override
    async def async_browse_media(
        self,
        media_content_type: MediaType | str | None = None,
        media_content_id: str | None = None,
    ) -> BrowseMedia:
        """Show the media sources; whatever has sound can be played."""
        return await media_source.async_browse_media(
            self.hass,
            media_content_id,
            content_filter=lambda item: item.media_content_type.startswith(("audio/", "video/")),
        )

    @override
    async def async_media_stop(self) -> None:
        """Play nothing more, and forget what waits."""
        if player := self.line.player.running(self.line.state.call):
            await player.async_stop()

    @override
    async def async_media_pause(self) -> None:
        """Keep silent for a while."""
        if player := self.line.player.running(self.line.state.call):
            player.pause(paused=True)

    @override
    async def async_media_play(self) -> None:
        """Go on."""
        if player := self.line.player.running(self.line.state.call):
            player.pause(paused=False)

    @override
    async def async_media_next_track(self) -> None:
        """Go on with what waits."""
        if player := self.line.player.running(self.line.state.call):
            player.skip()

    @override
    async def async_set_volume_level(self, volume: float) -> None:
        """Play louder or softer."""
        self.line.player.set_volume(volume)

    @override
    async def async_mute_volume(self, mute: bool) -> None:
        """Send silence in the place of the sound, or not any more."""
        self.line.player.set_volume(muted=mute)

"""What a media player is: which format it plays with the least delay, and how it is told."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from homeassistant.components.media_player import MediaPlayerEntityFeature, MediaType
from homeassistant.core import HomeAssistant, State
from homeassistant.helpers import entity_registry as er

from .telephony.audio.formats import MP3, STUDIO_WAV, WAV, Container, LiveFormat

_PLAYER_WAV: Final = LiveFormat(Container.WAV)
_ESPHOME: Final = "esphome"
_CAST: Final = "cast"
# They decode whatever comes, and wait for so many bytes: more of them come sooner.
_TAKE_ANY: Final = frozenset({"kodi", "vlc", "vlc_telnet"})
# aioesphomeapi's MediaPlayerFormatPurpose of what is no announcement.
_USUAL_PURPOSE: Final = 0
_ESPHOME_CONTAINERS: Final = {
    "wav": Container.WAV,
    "flac": Container.FLAC,
    "mp3": Container.MP3,
}


@dataclass(frozen=True, kw_only=True)
class Playable:
    """How a player is given a stream: the format, and what ``play_media`` is told besides."""

    live_format: LiveFormat
    media_type: str = MediaType.MUSIC
    extra: Mapping[str, Any] = field(default_factory=dict)


def playable_for(hass: HomeAssistant, entity_id: str | None, *, encodes: bool) -> Playable:
    """Return how a player is given a stream; None is a browser.

    Without ffmpeg everybody gets WAV: what a player cannot read it refuses, and says so.
    """
    entry = er.async_get(hass).async_get(entity_id) if entity_id else None
    platform = entry.platform if entry else None
    if entry is not None and platform == _ESPHOME:
        return _esphome(hass, entry, encodes=encodes)
    if platform == _CAST:
        return Playable(
            live_format=STUDIO_WAV,
            media_type=STUDIO_WAV.media_type,
            extra={"stream_type": "LIVE"},
        )
    if platform in _TAKE_ANY:
        return Playable(live_format=_PLAYER_WAV)
    return Playable(live_format=MP3 if encodes else WAV)


def plays_media(state: State) -> bool:
    """Tell whether a player can be given something to play."""
    return bool(supported(state) & MediaPlayerEntityFeature.PLAY_MEDIA)


def supported(state: State) -> MediaPlayerEntityFeature:
    """Return what a player can do."""
    return MediaPlayerEntityFeature(state.attributes.get("supported_features", 0))


def _esphome(hass: HomeAssistant, entry: er.RegistryEntry, *, encodes: bool) -> Playable:
    """Return the first format that the device says it plays, and pass the proxy by.

    Home Assistant would else have it converted once more, with a delay of its own. A device
    that says nothing is an old one, which reads MP3.
    """
    for wanted in _esphome_formats(hass, entry):
        if wanted.purpose != _USUAL_PURPOSE or wanted.sample_bytes not in {0, 2}:
            continue
        try:
            live_format = LiveFormat(
                Container(_ESPHOME_CONTAINERS[wanted.format]),
                wanted.sample_rate or _PLAYER_WAV.rate,
                wanted.num_channels or 1,
            )
        except KeyError, ValueError:
            continue
        if encodes or not live_format.encoded:
            return Playable(live_format=live_format, extra={"bypass_proxy": True})
    return Playable(live_format=MP3 if encodes else _PLAYER_WAV)


def _esphome_formats(hass: HomeAssistant, entry: er.RegistryEntry) -> list[Any]:
    """Return what an ESPHome player says it plays; this is not ESPHome's to promise, so it may go.

    ``MediaPlayerSupportedFormat`` of aioesphomeapi: format, sample_rate, num_channels, purpose,
    sample_bytes, where zero means any.
    """
    config_entry = hass.config_entries.async_get_entry(entry.config_entry_id or "")
    told = getattr(getattr(config_entry, "runtime_data", None), "media_player_formats", {})
    for player, formats in told.items():
        if getattr(player, "entity_id", None) == entry.entity_id:
            return list(formats)
    return []

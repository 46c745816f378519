"""Sounds that can be played into a call: media, addresses, speech and tones.

Whatever they are made of, they come out as frames of 20 ms of µ-law, at the level that
they have: full scale is full scale.
"""

import asyncio
import json
import logging
import re
from asyncio.subprocess import Process
from collections.abc import AsyncGenerator, AsyncIterable, Callable, Iterable, Mapping
from contextlib import aclosing, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from homeassistant.components import media_source, tts
from homeassistant.components.ffmpeg import get_ffmpeg_manager
from homeassistant.components.media_player import async_process_play_media_url
from homeassistant.components.tts.helper import get_engine_instance
from homeassistant.core import HomeAssistant
from homeassistant.exceptions import HomeAssistantError
from homeassistant.util.language import matches
from yarl import URL

from .telephony.audio.frames import FrameCutter
from .telephony.engine.protocol import FRAME_SECONDS
from .telephony.errors import (
    FfmpegMissingError,
    MediaUnreadableError,
    MediaUnsupportedError,
    SpeechEngineMissingError,
    SpeechFailedError,
)

_LOGGER = logging.getLogger(__name__)

PREFERRED_SPEECH: Final = {
    tts.ATTR_PREFERRED_FORMAT: "wav",
    tts.ATTR_PREFERRED_SAMPLE_RATE: 8000,
    tts.ATTR_PREFERRED_SAMPLE_CHANNELS: 1,
    tts.ATTR_PREFERRED_SAMPLE_BYTES: 2,
}
_SPEECH_PREFIX: Final = "media-source://tts/"
_SPEECH_OPTIONS: Final = "tts_options"
_SPEECH_SECONDS: Final = 60.0
_SCHEMES: Final = frozenset({"http", "https", "rtsp", "rtsps"})
_PROTOCOLS: Final = "crypto,data,hls,http,https,rtp,rtsp,rtsps,srtp,tcp,tls,udp"
_FIRST_SECONDS: Final = 20.0
_STALL_SECONDS: Final = 30.0
_READ_BYTES: Final = 1600
_LONGEST_PREPARED_SECONDS: Final = 300.0
_LONGEST_COMPLAINT: Final = 200
_QUERY: Final = re.compile(r"\?[^\s:]+")


@dataclass(frozen=True, kw_only=True)
class Sound:
    """Something that can be played, more than once; ``title`` is None for what is no event."""

    title: str | None
    frames: Callable[[], AsyncGenerator[bytes]]


def frames_sound(frames: Iterable[bytes], title: str | None = None) -> Sound:
    """Return a sound whose frames are there already."""
    kept = tuple(frames)

    async def play() -> AsyncGenerator[bytes]:
        for frame in kept:
            yield frame

    return Sound(title=title, frames=play)


def media_sound(
    hass: HomeAssistant, media: str, *, player: str | None = None, title: str | None = None
) -> Sound:
    """Return the sound of a media source id, a path of Home Assistant, or an address.

    Playing it raises MediaUnreadableError, MediaUnsupportedError, SpeechFailedError or
    FfmpegMissingError.
    """
    if media.startswith(_SPEECH_PREFIX):
        return _speech(hass, media, title or _said(media))
    return Sound(title=title or _name_of(media), frames=lambda: _media_frames(hass, media, player))


def speech_sound(
    hass: HomeAssistant,
    message: str,
    *,
    engine: str | None = None,
    language: str | None = None,
    options: Mapping[str, Any] | None = None,
) -> Sound:
    """Return a message as it is spoken by a text-to-speech engine, the default one if not named.

    ``language`` is a BCP 47 tag; an engine that has it for a region alone (ja-JP for ja) speaks
    that. Raises SpeechEngineMissingError if there is no engine, and SpeechFailedError if there
    is none of that name, or it does not know the language.
    """
    if engine is None and (engine := tts.async_default_engine(hass)) is None:
        raise SpeechEngineMissingError
    try:
        media = tts.generate_media_source_id(
            hass,
            message,
            engine=engine,
            language=_language_of(hass, engine, language),
            options=dict(options or {}),
        )
    except (HomeAssistantError, KeyError) as error:
        raise SpeechFailedError(detail=str(error) or type(error).__name__) from error
    return _speech(hass, media, message)


def _language_of(hass: HomeAssistant, engine: str, language: str | None) -> str | None:
    """Return a language as an engine calls it; as it is if the engine does not have it."""
    instance = get_engine_instance(hass, engine)
    supported = instance.supported_languages if instance else []
    if language is None or language in supported:
        return language
    return next(iter(matches(language, supported, country=hass.config.country)), language)


async def prepared(sound: Sound) -> Sound:
    """Return a sound that is decoded already, so that it begins at once, each time.

    Five minutes are the most that is kept.
    """
    frames: list[bytes] = []
    async with aclosing(sound.frames()) as source:
        async for frame in source:
            frames.append(frame)
            if len(frames) * FRAME_SECONDS >= _LONGEST_PREPARED_SECONDS:
                break
    return frames_sound(frames, sound.title)


def joined(sounds: Iterable[Sound], title: str | None) -> Sound:
    """Return sounds one after the other as one."""
    parts = tuple(sounds)

    async def play() -> AsyncGenerator[bytes]:
        for part in parts:
            async with aclosing(part.frames()) as frames:
                async for frame in frames:
                    yield frame

    return Sound(title=title, frames=play)


def _speech(hass: HomeAssistant, media: str, title: str) -> Sound:
    """Return what a media source id of text-to-speech says, asked for as calls need it."""

    async def play() -> AsyncGenerator[bytes]:
        try:
            async with asyncio.timeout(_SPEECH_SECONDS):
                extension, data = await tts.async_get_media_source_audio(
                    hass, _as_calls_need_it(media)
                )
        except TimeoutError:
            raise SpeechFailedError(detail="timeout") from None
        except (HomeAssistantError, ValueError, KeyError) as error:
            raise SpeechFailedError(detail=str(error) or type(error).__name__) from error
        _LOGGER.debug("Speech came as %s bytes of %s", len(data), extension)
        async with aclosing(_decoded(hass, ("-i", "pipe:0"), title, (data,))) as frames:
            async for frame in frames:
                yield frame

    return Sound(title=title, frames=play)


def _as_calls_need_it(media: str) -> str:
    """Ask for 8 kHz mono WAV unless another format is asked for, so that it is made only once."""
    url = URL(media)
    if "message" not in url.query:
        return media
    try:
        options = json.loads(url.query.get(_SPEECH_OPTIONS, "{}")) or {}
    except ValueError:
        return media
    others = {
        key: value
        for key, value in url.query.items()
        if _SPEECH_OPTIONS not in url.query and key not in {"message", "language", "cache"}
    }
    wanted = json.dumps({**PREFERRED_SPEECH, **others, **options}, separators=(",", ":"))
    return str(url.update_query({_SPEECH_OPTIONS: wanted}))


async def _media_frames(
    hass: HomeAssistant, media: str, player: str | None
) -> AsyncGenerator[bytes]:
    """Find out what a media id stands for, and decode it."""
    name = _name_of(media)
    path: Path | None = None
    if media_source.is_media_source_id(media):
        try:
            resolved = await media_source.async_resolve_media(hass, media, player)
        except HomeAssistantError as error:
            raise MediaUnreadableError(media=name, detail=str(error)) from error
        media, path = resolved.url, resolved.path
    if path is not None:
        source: tuple[str, ...] = ("-i", f"file:{path}")
    else:
        try:
            address = async_process_play_media_url(hass, media)
            scheme = URL(address).scheme
        except (ValueError, IndexError) as error:
            raise MediaUnsupportedError(media=name) from error
        if scheme not in _SCHEMES:
            raise MediaUnsupportedError(media=name)
        source = ("-protocol_whitelist", _PROTOCOLS, "-i", address)
    async with aclosing(_decoded(hass, source, name)) as frames:
        async for frame in frames:
            yield frame


async def _decoded(
    hass: HomeAssistant, source: tuple[str, ...], name: str, data: Iterable[bytes] | None = None
) -> AsyncGenerator[bytes]:
    """Decode by ffmpeg, as fast as it is asked for; ``data`` is what it reads from its input."""
    process = await _started(hass, source, reads=data is not None)
    if TYPE_CHECKING:
        assert process.stdout is not None
        assert process.stderr is not None
    complaint = asyncio.create_task(_complaint(process.stderr))
    helpers: list[asyncio.Task[Any]] = [complaint]
    if data is not None and process.stdin is not None:
        helpers.append(asyncio.create_task(_write(process.stdin, data)))
    framer, came = FrameCutter(), False
    try:
        while piece := await _read(process.stdout, _STALL_SECONDS if came else _FIRST_SECONDS):
            came = True
            for frame in framer.feed(piece):
                yield frame
        for frame in framer.end():
            yield frame
        if not came:
            detail = (await complaint).replace(source[-1], name) or "no sound in it"
            raise MediaUnreadableError(media=name, detail=_QUERY.sub("?…", detail))
    except TimeoutError:
        if not came:
            raise MediaUnreadableError(media=name, detail="timeout") from None
        _LOGGER.warning("Nothing more came of %s", name)
    finally:
        with suppress(ProcessLookupError):
            process.kill()
        for helper in helpers:
            helper.cancel()
        await asyncio.gather(*helpers, return_exceptions=True)
        await process.wait()


async def _started(hass: HomeAssistant, source: tuple[str, ...], *, reads: bool) -> Process:
    """Start ffmpeg, which gives 8 kHz mono µ-law; raises FfmpegMissingError."""
    try:
        return await asyncio.create_subprocess_exec(
            get_ffmpeg_manager(hass).binary,
            *("-nostdin", "-hide_banner", "-loglevel", "error"),
            *source,
            *("-vn", "-sn", "-dn", "-ac", "1", "-ar", "8000", "-f", "mulaw", "pipe:1"),
            stdin=asyncio.subprocess.PIPE if reads else asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )
    except OSError as error:
        raise FfmpegMissingError from error


async def _read(stream: asyncio.StreamReader, seconds: float) -> bytes:
    """Read some bytes; none at the end."""
    async with asyncio.timeout(seconds):
        return await stream.read(_READ_BYTES)


async def _write(stream: asyncio.StreamWriter, data: Iterable[bytes]) -> None:
    """Give a decoder what it reads; it may go before it has read all."""
    with suppress(ConnectionError):
        for piece in data:
            stream.write(piece)
            await stream.drain()
        stream.close()


async def _complaint(stream: AsyncIterable[bytes]) -> str:
    """Return the last thing that a decoder complained of."""
    last = ""
    async for line in stream:
        last = line.decode(errors="replace").strip() or last
    return last[:_LONGEST_COMPLAINT]


def _said(media: str) -> str:
    """Return what a media source id of text-to-speech says."""
    return URL(media).query.get("message", "")


def _name_of(media: str) -> str:
    """Return what a person calls a media id: no keys and no signatures are in it."""
    try:
        url = URL(media)
    except ValueError:
        return media
    return url.name or url.host or media

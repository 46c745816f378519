"""What somebody said in a recording, by the home's own speech-to-text."""

import asyncio
import logging
import wave
from collections.abc import AsyncGenerator
from pathlib import Path
from typing import Final

import audioop
from homeassistant.components import stt
from homeassistant.core import HomeAssistant
from homeassistant.util import language as language_util

from .telephony.audio.recording import far_side

_LOGGER = logging.getLogger(__name__)

_RATE: Final = 16_000
_PIECE_BYTES: Final = 4096
_SECONDS: Final = 120.0


async def transcribed(hass: HomeAssistant, engine: str, path: Path) -> str | None:
    """Return what the far side of a stereo WAV file says; None if that cannot be told."""
    try:
        entity = stt.async_get_speech_to_text_entity(hass, engine)
        if entity is None:
            _LOGGER.warning("There is no speech-to-text engine %s", engine)
            return None
        languages = language_util.matches(
            hass.config.language, entity.supported_languages, country=hass.config.country
        )
        metadata = stt.SpeechMetadata(
            language=languages[0] if languages else hass.config.language,
            format=stt.AudioFormats.WAV,
            codec=stt.AudioCodecs.PCM,
            bit_rate=stt.AudioBitRates.BITRATE_16,
            sample_rate=stt.AudioSampleRates.SAMPLERATE_16000,
            channel=stt.AudioChannels.CHANNEL_MONO,
        )
        if not entity.check_metadata(metadata):
            _LOGGER.warning("%s does not take the sound of a message", engine)
            return None
        sound = await hass.async_add_executor_job(_read, path)
        async with asyncio.timeout(_SECONDS):
            result = await entity.async_process_audio_stream(metadata, _pieces(sound))
    except Exception:
        # An engine may fail in any way of its own; the message is kept nevertheless.
        _LOGGER.exception("%s could not be transcribed", path.name)
        return None
    return result.text if result.result is stt.SpeechResultState.SUCCESS else None


def _read(path: Path) -> bytes:
    """Return the far side at the rate that engines want."""
    with wave.open(str(path), "rb") as file:
        sound = far_side(file.readframes(file.getnframes()))
        rate = file.getframerate()
    return audioop.ratecv(sound, 2, 1, rate, _RATE, None)[0]


async def _pieces(sound: bytes) -> AsyncGenerator[bytes]:
    """Give sound in pieces, as engines want it."""
    for start in range(0, len(sound), _PIECE_BYTES):
        yield sound[start : start + _PIECE_BYTES]

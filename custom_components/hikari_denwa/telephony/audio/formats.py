"""The forms in which a call's sound leaves: what a player can ask for by the end of an address."""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import StrEnum

from . import resample
from .g711 import SAMPLE_RATE
from .wav import linear16_header, ulaw_header

_NAME = re.compile(r"(?:(?P<rate>[1-9]\d{3,4})(?:x(?P<channels>[12]))?\.)?(?P<container>[a-z0-9]+)")
_FULL_RATE = 48000
_MOST_CHANNELS = 2
_END_BLOCK_BYTES = 4096


class Container(StrEnum):
    """What a stream is in; the value is how its address ends."""

    WAV = "wav"
    ULAW_WAV = "g711wav"
    ULAW = "ulaw"
    MP3 = "mp3"
    FLAC = "flac"
    AAC = "aac"
    OPUS = "opus"


_MEDIA_TYPES = {
    Container.WAV: "audio/wav",
    Container.ULAW_WAV: "audio/wav",
    # RFC 2046 §4.3: 8 kHz, one channel, µ-law, and no header.
    Container.ULAW: "audio/basic",
    Container.MP3: "audio/mpeg",
    Container.FLAC: "audio/flac",
    Container.AAC: "audio/aac",
    Container.OPUS: "audio/ogg",
}
_UNTOUCHED = frozenset({Container.ULAW_WAV, Container.ULAW})
# Those that a decoder may begin to read at any frame, and what rates they have.
_RATES = {
    Container.MP3: frozenset({44100, 48000}),
    Container.AAC: frozenset({16000, 24000, 32000, 44100, 48000}),
    Container.OPUS: frozenset({48000}),
}
_ENCODERS = {
    # Without the reservoir each frame stands for itself, and none waits for a later one.
    Container.MP3: (
        *("-c:a", "libmp3lame", "-b:a", "128k", "-reservoir", "0", "-compression_level", "7"),
        *("-write_xing", "0", "-id3v2_version", "0", "-f", "mp3"),
    ),
    Container.FLAC: (
        *("-c:a", "flac", "-compression_level", "0"),
        *("-metadata_header_padding", "0", "-f", "flac"),
    ),
    Container.AAC: ("-c:a", "aac", "-b:a", "96k", "-f", "adts"),
    Container.OPUS: (
        *("-c:a", "libopus", "-b:a", "48k", "-vbr", "off", "-application", "lowdelay"),
        *("-frame_duration", "20", "-page_duration", "20000", "-f", "ogg"),
    ),
}


@dataclass(frozen=True)
class LiveFormat:
    """A container with its rate in Hz and its channels."""

    container: Container
    rate: int = _FULL_RATE
    channels: int = 1

    def __post_init__(self) -> None:
        """Raise ValueError for what nobody can make."""
        rates = _RATES.get(self.container)
        fits = self.rate in rates if rates else resample.supports(self.rate)
        if self.container in _UNTOUCHED:
            fits = (self.rate, self.channels) == (SAMPLE_RATE, 1)
        if not fits or not 1 <= self.channels <= _MOST_CHANNELS:
            raise ValueError(f"no {self.container} of {self.rate} Hz × {self.channels}")

    @classmethod
    def named(cls, name: str) -> LiveFormat:
        """Return the format of a name such as ``mp3``, ``wav`` or ``48000x2.wav``.

        Raises ValueError for any other.
        """
        found = _NAME.fullmatch(name)
        if found is None:
            raise ValueError(f"no format is called {name}")
        container = Container(found["container"])
        rate = int(found["rate"] or _usual_rate(container))
        return cls(container, rate, int(found["channels"] or 1))

    @property
    def name(self) -> str:
        """Return the name that ``named`` reads."""
        if self == LiveFormat(self.container, _usual_rate(self.container)):
            return self.container.value
        channels = f"x{self.channels}" if self.channels > 1 else ""
        return f"{self.rate}{channels}.{self.container}"

    @property
    def media_type(self) -> str:
        """Return the MIME type."""
        return _MEDIA_TYPES[self.container]

    @property
    def encoded(self) -> bool:
        """Tell whether ffmpeg has to make it."""
        return self.container in _ENCODERS

    @property
    def header(self) -> bytes:
        """Return what stands before the sound of a format that needs no ffmpeg."""
        if self.container is Container.WAV:
            return linear16_header(channels=self.channels, sample_rate=self.rate)
        return ulaw_header() if self.container is Container.ULAW_WAV else b""

    @property
    def end_block(self) -> bytes:
        """Return silence of the size that the end of a WAV is filled up to.

        ffmpeg calls the last piece that it reads corrupt if it is not as long as it asked for,
        at most 4096 bytes.
        """
        if not self.header:
            return b""
        return (b"\0" if self.container is Container.WAV else b"\xff") * _END_BLOCK_BYTES

    def encoder_arguments(self) -> list[str]:
        """Return ffmpeg's arguments: linear 16 bit at our rate in, this format out, nothing held.

        It gets sound at the player's rate because it reads its input in pieces of so many
        samples, which last six times as long at 8 kHz.
        """
        return [
            *("-hide_banner", "-loglevel", "error", "-nostats"),
            *("-fflags", "nobuffer", "-probesize", "32", "-analyzeduration", "0"),
            *("-f", "s16le", "-ar", str(self.rate), "-ac", "1", "-i", "pipe:0"),
            *("-map_metadata", "-1", "-bitexact", "-ac", str(self.channels)),
            *_ENCODERS[self.container],
            *(("-frame_size", str(self.rate // 50)) if self.container is Container.FLAC else ()),
            *("-flush_packets", "1", "-max_delay", "0", "pipe:1"),
        ]


def _usual_rate(container: Container) -> int:
    """Return the rate of a container that nobody names one for: WAV has the call's own."""
    untouched = container is Container.WAV or container in _UNTOUCHED
    return SAMPLE_RATE if untouched else _FULL_RATE


WAV = LiveFormat.named("wav")
STUDIO_WAV = LiveFormat.named("48000x2.wav")
MP3 = LiveFormat.named("mp3")

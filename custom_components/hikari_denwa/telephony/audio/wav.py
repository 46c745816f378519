"""WAV headers, also for streams whose length nobody knows yet.

The size these tell is that of SoX for such streams, 2 GiB less a page: SoX and ffmpeg complain
of 0xFFFFFFFF, and others read zero as no sound at all.
"""

from __future__ import annotations

import struct

from .g711 import SAMPLE_RATE

_UNKNOWN = 0x7FFFF000
_PCM = 1
_MULAW = 7


def linear16_header(
    *, channels: int = 1, sample_rate: int = SAMPLE_RATE, sound_bytes: int = _UNKNOWN
) -> bytes:
    """Return the 44 bytes before linear 16 bit little-endian sound, endless if not sized."""
    width = 2 * channels
    fmt = struct.pack("<HHIIHH", _PCM, channels, sample_rate, sample_rate * width, width, 16)
    return _riff(_chunk(b"fmt ", fmt), sound_bytes)


def ulaw_header(*, channels: int = 1, sample_rate: int = SAMPLE_RATE) -> bytes:
    """Return the 58 bytes before endless µ-law sound (format 7)."""
    fmt = struct.pack(
        "<HHIIHHH", _MULAW, channels, sample_rate, sample_rate * channels, channels, 8, 0
    )
    # Every format but linear wants its number of samples as well.
    return _riff(_chunk(b"fmt ", fmt) + _chunk(b"fact", struct.pack("<I", _UNKNOWN)))


def _chunk(name: bytes, body: bytes) -> bytes:
    """Return a RIFF chunk."""
    return struct.pack("<4sI", name, len(body)) + body


def _riff(chunks: bytes, sound_bytes: int = _UNKNOWN) -> bytes:
    """Return everything up to the first sample."""
    return (
        struct.pack("<4sI4s", b"RIFF", sound_bytes + 4 + len(chunks) + 8, b"WAVE")
        + chunks
        + struct.pack("<4sI", b"data", sound_bytes)
    )

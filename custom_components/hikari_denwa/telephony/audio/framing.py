"""Takes encoded sound apart, so that a player can begin at any frame of a stream under way."""

from __future__ import annotations

import binascii
import struct
from abc import ABC, abstractmethod
from collections.abc import Callable

from .formats import Container

_MP3_BITRATES = (0, 32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320)
_MP3_RATES = (44100, 48000, 32000)
_MP3_HEAD = 4
_ADTS_HEAD = 7
_FLAC_MAGIC = b"fLaC"
_FLAC_LONGEST_HEAD = 16
_OGG_HEAD = struct.Struct("<4sBBqIIIB")
_OGG_CHECKSUM = slice(22, 26)
_OPUS_HEADS = 2
_CRC8_POLYNOMIAL = 0x07

Change = Callable[[bytes], bytes]


class Framer(ABC):
    """Gets an encoder's output as it comes, and gives whole frames.

    ``header`` is what a decoder has to have before any frame: None until it is known.
    """

    def __init__(self) -> None:
        """Begin with nothing."""
        self.header: bytes | None = b""
        self._buffer = b""

    def feed(self, data: bytes) -> list[bytes]:
        """Take more; returns the frames that are whole now."""
        self._buffer += data
        frames = []
        while (size := self._next()) and size <= len(self._buffer):
            frame, self._buffer = self._buffer[:size], self._buffer[size:]
            if self._is_sound(frame):
                frames.append(frame)
        return frames

    def rest(self) -> list[bytes]:
        """Return what becomes a frame when nothing follows; a frame cut short is none."""
        return []

    def joining(self) -> Change:
        """Return how the frames are changed for a listener that begins now."""
        return lambda frame: frame

    @abstractmethod
    def _next(self) -> int:
        """Return how many bytes the first frame of the buffer has; 0 if that is not known yet."""

    def _is_sound(self, frame: bytes) -> bool:
        """Tell whether a frame is to be given on."""
        del frame
        return True


class Mp3Framer(Framer):
    """MPEG-1 Layer III (ISO 11172-3 §2.4.1.3)."""

    def _next(self) -> int:
        """Read bit rate, rate and padding of the first frame."""
        if len(self._buffer) < _MP3_HEAD:
            return 0
        _, second, third = self._buffer[:3]
        if second & 0xFE != 0xFA or third >> 4 == 15 or third >> 2 & 3 == 3:
            raise ValueError("the encoder's output is no MP3")
        rate = _MP3_RATES[third >> 2 & 3]
        return 144_000 * _MP3_BITRATES[third >> 4] // rate + (third >> 1 & 1)


class AdtsFramer(Framer):
    """AAC in ADTS (ISO 13818-7 §6.2)."""

    def _next(self) -> int:
        """Read the length that the first frame tells."""
        if len(self._buffer) < _ADTS_HEAD:
            return 0
        if self._buffer[0] != 0xFF or self._buffer[1] & 0xF6 != 0xF0:
            raise ValueError("the encoder's output is no ADTS")
        return int.from_bytes(self._buffer[3:6]) >> 5 & 0x1FFF


class FlacFramer(Framer):
    """FLAC (RFC 9639): a frame ends where the header of the next one begins."""

    def __init__(self) -> None:
        """Wait for the metadata."""
        super().__init__()
        self.header = None
        self._number = 0

    def _next(self) -> int:
        """Take the metadata away, then look for the second header."""
        if self.header is None and not self._take_metadata():
            return 0
        place = 1
        while (place := self._buffer.find(b"\xff\xf8", place)) >= 0:
            if place + _FLAC_LONGEST_HEAD > len(self._buffer):
                return 0
            if _flac_number(self._buffer[place : place + _FLAC_LONGEST_HEAD]) == self._number + 1:
                self._number += 1
                return place
            place += 1
        return 0

    def rest(self) -> list[bytes]:
        """Return the last frame, which no header follows."""
        rest, self._buffer = self._buffer, b""
        return [rest] if rest and self.header is not None else []

    def _take_metadata(self) -> bool:
        """Keep what stands before the first frame, if all of it is there."""
        if not self._buffer.startswith(_FLAC_MAGIC[: len(self._buffer)]):
            raise ValueError("the encoder's output is no FLAC")
        place, last = len(_FLAC_MAGIC), False
        while not last:
            if place + 4 > len(self._buffer):
                return False
            last = bool(self._buffer[place] & 0x80)
            place += 4 + int.from_bytes(self._buffer[place + 1 : place + 4])
        if place > len(self._buffer):
            return False
        self.header, self._buffer = self._buffer[:place], self._buffer[place:]
        return True


class OpusFramer(Framer):
    """Opus in Ogg (RFC 3533, RFC 7845), each page numbered for its listener."""

    def __init__(self) -> None:
        """Wait for the two pages of headers."""
        super().__init__()
        self.header = None
        self._heads: list[bytes] = []
        self._position = 0

    def joining(self) -> Change:
        """Number the pages, and the samples, from where this listener begins."""
        began, pages = self._position, _OPUS_HEADS

        def renumbered(page: bytes) -> bytes:
            """Return a page as the next of this listener's stream."""
            nonlocal pages
            magic, version, flags, position, serial, _, _, count = _OGG_HEAD.unpack_from(page)
            head = _OGG_HEAD.pack(
                magic, version, flags, max(0, position - began), serial, pages, 0, count
            )
            pages += 1
            return _with_checksum(head + page[_OGG_HEAD.size :])

        return renumbered

    def _next(self) -> int:
        """Add the lengths of the first page's segments."""
        if len(self._buffer) < _OGG_HEAD.size:
            return 0
        if not self._buffer.startswith(b"OggS"):
            raise ValueError("the encoder's output is no Ogg")
        table = _OGG_HEAD.size + self._buffer[_OGG_HEAD.size - 1]
        if len(self._buffer) < table:
            return 0
        return table + sum(self._buffer[_OGG_HEAD.size : table])

    def _is_sound(self, frame: bytes) -> bool:
        """Keep the headers, and note how far the sound is."""
        if self.header is not None:
            self._position = _OGG_HEAD.unpack_from(frame)[3]
            return True
        self._heads.append(frame)
        if len(self._heads) == _OPUS_HEADS:
            self.header = b"".join(self._heads)
        return False


FRAMERS: dict[Container, type[Framer]] = {
    Container.MP3: Mp3Framer,
    Container.AAC: AdtsFramer,
    Container.FLAC: FlacFramer,
    Container.OPUS: OpusFramer,
}


def _flac_number(head: bytes) -> int | None:
    """Return the number of the frame whose header this begins with (§9.1), None if it does not."""
    number, size = _coded_number(head[4:])
    if number is None:
        return None
    size += 4 + {6: 1, 7: 2}.get(head[2] >> 4, 0) + {12: 1, 13: 2, 14: 2}.get(head[2] & 15, 0)
    return number if _crc8(head[:size]) == head[size] else None


def _coded_number(code: bytes) -> tuple[int | None, int]:
    """Read a number coded as UTF-8 codes characters (§9.1.5), up to 36 bits; and its length."""
    first = code[0]
    size = 8 - (first ^ 0xFF).bit_length()
    if size == 0:
        return first, 1
    if size == 1 or size > 7:
        return None, 0
    number = first & (0x7F >> size)
    for byte in code[1:size]:
        if byte & 0xC0 != 0x80:
            return None, 0
        number = number << 6 | byte & 0x3F
    return number, size


def _crc8(data: bytes) -> int:
    """Return the checksum of a FLAC frame's header (§9.1.8)."""
    value = 0
    for byte in data:
        value ^= byte
        for _ in range(8):
            value = (value << 1 ^ (_CRC8_POLYNOMIAL if value & 0x80 else 0)) & 0xFF
    return value


_REVERSED = bytes(int(f"{byte:08b}"[::-1], 2) for byte in range(256))


def _with_checksum(page: bytes) -> bytes:
    """Return an Ogg page with its checksum (RFC 3533 §6), whose field is zero.

    It is the usual CRC-32 with each byte's bits the other way round, and no inversion.
    """
    value = binascii.crc32(page.translate(_REVERSED), 0xFFFFFFFF) ^ 0xFFFFFFFF
    checksum = value.to_bytes(4, "little").translate(_REVERSED)
    return page[: _OGG_CHECKSUM.start] + checksum[::-1] + page[_OGG_CHECKSUM.stop :]

"""The framers: whole frames, however the encoder's output is cut."""

import binascii
import struct

import pytest

from custom_components.hikari_denwa.telephony.audio.formats import Container
from custom_components.hikari_denwa.telephony.audio.framing import (
    FRAMERS,
    _coded_number,
    _crc8,
    _with_checksum,
)

# 128 kbit/s, 48 kHz, one channel: 384 bytes.
MP3_FRAME = bytes.fromhex("fffb94c4") + bytes(380)
# 44.1 kHz with padding: 418 bytes.
MP3_PADDED = bytes.fromhex("fffb92c4") + bytes(414)


def adts(size: int) -> bytes:
    """Return an ADTS frame of a size."""
    head = bytearray.fromhex("fff14c400000fc")
    head[3:6] = (int.from_bytes(head[3:6]) | size << 5).to_bytes(3)
    return bytes(head) + b"\xff\xf1" * ((size - 7) // 2) + b"\0" * ((size - 7) % 2)


def flac(number: int, body: bytes) -> bytes:
    """Return a FLAC frame: block size in 16 bits, as 960 samples have it."""
    coded = chr(number).encode()
    head = b"\xff\xf8\x7a\x08" + coded + struct.pack(">H", 959)
    return head + bytes((_crc8(head),)) + body


def page(sequence: int, position: int, body: bytes) -> bytes:
    """Return an Ogg page."""
    head = struct.pack("<4sBBqIIIB", b"OggS", 0, 0, position, 77, sequence, 0, 1)
    return _with_checksum(head + bytes((len(body),)) + body)


FLAC_HEADER = b"fLaC" + b"\x00\x00\x00\x22" + bytes(34) + b"\x84\x00\x00\x04" + bytes(4)
OPUS_HEADER = page(0, 0, b"OpusHead") + page(1, 0, b"OpusTags")
STREAMS = {
    Container.MP3: (b"", [MP3_FRAME, MP3_PADDED, MP3_FRAME]),
    Container.AAC: (b"", [adts(200), adts(9), adts(1000)]),
    # The second one holds what looks like a header, of another number and of its own.
    Container.FLAC: (
        FLAC_HEADER,
        [flac(number, flac(number % 3, b"\xff\xf8") + bytes(20)) for number in range(200)],
    ),
    Container.OPUS: (
        OPUS_HEADER,
        [page(2 + number, 960 * (number + 1), bytes(100)) for number in range(4)],
    ),
}


@pytest.mark.parametrize("container", STREAMS)
@pytest.mark.parametrize("step", [1, 7, 333, 1_000_000])
def test_frames_are_whole(container: Container, step: int) -> None:
    """Frames and header come out as they were, whatever the pieces."""
    header, frames = STREAMS[container]
    framer = FRAMERS[container]()
    whole = header + b"".join(frames)
    found = []
    for start in range(0, len(whole), step):
        found += framer.feed(whole[start : start + step])
    found += framer.rest()
    assert framer.header == header
    assert found == frames


@pytest.mark.parametrize("container", STREAMS)
def test_what_is_something_else(container: Container) -> None:
    """An encoder that says something else is not passed on."""
    with pytest.raises(ValueError, match="no "):
        FRAMERS[container]().feed(b"Usage: another program" * 100)


def test_half_a_frame_is_dropped() -> None:
    """What is cut off at the end is no frame."""
    framer = FRAMERS[Container.MP3]()
    assert framer.feed(MP3_FRAME + MP3_FRAME[:100]) == [MP3_FRAME]
    assert framer.rest() == []


def test_ogg_checksum() -> None:
    """The checksum is that of RFC 3533: polynomial 04C11DB7, from zero, not inverted."""
    whole = page(5, 960, b"some sound")
    value = 0
    for byte in whole[:22] + bytes(4) + whole[26:]:
        value ^= byte << 24
        for _ in range(8):
            value = (value << 1 ^ (0x04C11DB7 if value & 0x80000000 else 0)) & 0xFFFFFFFF
    assert struct.unpack("<I", whole[22:26]) == (value,)
    assert binascii.crc32(whole)


def test_opus_listener_gets_a_stream_of_its_own() -> None:
    """One that joins later has pages without a gap, and a time that begins at zero."""
    framer = FRAMERS[Container.OPUS]()
    header, pages = STREAMS[Container.OPUS]
    framer.feed(header + b"".join(pages[:2]))
    change = framer.joining()
    joined = [change(item) for item in framer.feed(b"".join(pages[2:]))]
    heads = [struct.unpack_from("<4sBBqIII", item) for item in joined]
    assert [head[3] for head in heads] == [960, 1920]
    assert [head[5] for head in heads] == [2, 3]
    assert all(item == _with_checksum(item[:22] + bytes(4) + item[26:]) for item in joined)


@pytest.mark.parametrize("container", STREAMS)
def test_other_output_is_no_frame(container: Container) -> None:
    """An encoder that writes something else is found out at once."""
    with pytest.raises(ValueError, match="the encoder's output is no"):
        FRAMERS[container]().feed(b"RIFF" + bytes(60))


@pytest.mark.parametrize("code", [b"\x80", b"\xff", b"\xc2\x20", b"\xe0\x80\x00"])
def test_flac_numbers_that_are_none(code: bytes) -> None:
    """What looks like a header by its first bytes is none if its number is not coded as one."""
    assert _coded_number(code + bytes(8)) == (None, 0)

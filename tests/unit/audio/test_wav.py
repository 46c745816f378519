"""WAV headers for endless streams, read by another's reader where there is one."""

import io
import struct
import wave

import pytest

from custom_components.hikari_denwa.telephony.audio import wav


@pytest.mark.parametrize("channels", [1, 2])
def test_linear16(channels: int) -> None:
    """Python's own reader takes the header, and the samples follow it at once."""
    samples = struct.pack("<4h", 1, -2, 3, -4)
    stream = wav.linear16_header(channels=channels) + samples
    assert len(stream) - len(samples) == 44
    # A stream that ends must say its size to a reader of files.
    sized = stream[:4] + struct.pack("<I", len(stream) - 8) + stream[8:]
    with wave.open(io.BytesIO(sized)) as reader:
        assert reader.getnchannels() == channels
        assert reader.getframerate() == 8000
        assert reader.getsampwidth() == 2
        assert reader.readframes(4 // channels) == samples


def test_linear16_bytes() -> None:
    """The header is the canonical one, with sizes that say: without end."""
    assert wav.linear16_header() == bytes.fromhex(
        "52494646 24f0ff7f 57415645 666d7420 10000000 0100 0100 401f0000 803e0000 0200 1000"
        "64617461 00f0ff7f"
    )


def test_ulaw_bytes() -> None:
    """Format 7 has the size of its extension, and a fact chunk."""
    assert wav.ulaw_header() == bytes.fromhex(
        "52494646 32f0ff7f 57415645 666d7420 12000000 0700 0100 401f0000 401f0000 0100 0800 0000"
        "66616374 04000000 00f0ff7f 64617461 00f0ff7f"
    )

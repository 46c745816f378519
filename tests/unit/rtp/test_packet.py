"""RTP packets: what is written can be read, and nothing that is read does harm."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from custom_components.hikari_denwa.telephony.engine.native.rtp.packet import (
    RtpPacket,
    sequence_distance,
    timestamp_distance,
)

_PLAIN = bytes.fromhex("8000fffe 00000064 deadbeef") + b"sound"
_PACKETS = st.builds(
    RtpPacket,
    payload_type=st.one_of(st.integers(0, 63), st.integers(96, 127)),
    sequence=st.integers(0, 0xFFFF),
    timestamp=st.integers(0, 0xFFFFFFFF),
    ssrc=st.integers(0, 0xFFFFFFFF),
    payload=st.binary(max_size=400),
    marker=st.booleans(),
)


def test_layout() -> None:
    """The header is that of RFC 3550 §5.1."""
    packet = RtpPacket(
        payload_type=0, sequence=0xFFFE, timestamp=100, ssrc=0xDEADBEEF, payload=b"sound"
    )
    assert packet.encode() == _PLAIN
    assert RtpPacket.decode(_PLAIN) == packet


@given(_PACKETS)
def test_round_trip(packet: RtpPacket) -> None:
    """What is written is read back the same."""
    assert RtpPacket.decode(packet.encode()) == packet


@given(
    _PACKETS,
    st.lists(st.binary(min_size=4, max_size=4), max_size=15),
    st.one_of(st.none(), st.integers(0, 8)),
    st.integers(0, 12),
)
def test_extras_are_taken_off(
    packet: RtpPacket, sources: list[bytes], extension: int | None, padding: int
) -> None:
    """CSRC list, extension and padding leave the payload as it was (RFC 3550 §5.1, §5.3.1)."""
    plain = packet.encode()
    first = 0x80 | len(sources)
    body = b"".join(sources)
    if extension is not None:
        first |= 0x10
        body += b"\xbe\xde" + extension.to_bytes(2) + bytes(4 * extension)
    body += packet.payload
    if padding:
        first |= 0x20
        body += bytes(padding - 1) + bytes((padding,))
    assert RtpPacket.decode(bytes((first,)) + plain[1:12] + body) == packet


@pytest.mark.parametrize(
    "datagram",
    [
        b"",
        _PLAIN[:11],
        b"\x40" + _PLAIN[1:],
        b"\x00" + _PLAIN[1:],
        b"\x8f" + _PLAIN[1:],
        b"\x90" + _PLAIN[1:14],
        b"\x90" + _PLAIN[1:12] + b"\x00\x00\xff\xff",
        b"\xa0" + _PLAIN[1:12],
        b"\xa0" + _PLAIN[1:] + b"\x00",
        b"\xa0" + _PLAIN[1:] + b"\x07",
        b"\x80\xc8" + _PLAIN[2:],
        b"\x80\xc9" + _PLAIN[2:],
    ],
    ids=[
        "nothing",
        "short header",
        "version 1",
        "version 0",
        "CSRC list beyond the end",
        "extension header cut",
        "extension beyond the end",
        "padding without payload",
        "padding of 0",
        "padding beyond the payload",
        "RTCP sender report",
        "RTCP receiver report",
    ],
)
def test_malformed(datagram: bytes) -> None:
    """What is no RTP is None."""
    assert RtpPacket.decode(datagram) is None


@given(st.binary(max_size=64), st.sampled_from((0x80, 0x90, 0xA0, 0xB0, 0xBF, None)))
def test_anything(datagram: bytes, first: int | None) -> None:
    """Whatever comes is read or refused, and the payload is a part of it."""
    if first is not None:
        datagram = bytes((first,)) + datagram
    packet = RtpPacket.decode(datagram)
    assert packet is None or packet.payload in datagram[12:]


@given(st.integers(0, 0xFFFF), st.integers(-0x8000, 0x7FFF))
def test_sequence_distance(start: int, distance: int) -> None:
    """Sequence numbers are compared the short way around."""
    assert sequence_distance((start + distance) & 0xFFFF, start) == distance


@given(st.integers(0, 0xFFFFFFFF), st.integers(-0x80000000, 0x7FFFFFFF))
def test_timestamp_distance(start: int, distance: int) -> None:
    """Timestamps are compared the short way around."""
    assert timestamp_distance((start + distance) & 0xFFFFFFFF, start) == distance

"""RTCP packets: what is written can be read, and what does not add up is none."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from custom_components.hikari_denwa.telephony.engine.native.rtp.playout import Reception
from custom_components.hikari_denwa.telephony.engine.native.rtp.reports import Reports
from custom_components.hikari_denwa.telephony.engine.native.rtp.rtcp import (
    ControlPacket,
    ReportBlock,
    SenderInfo,
)

_WORDS = st.integers(0, 0xFFFFFFFF)
_BLOCKS = st.builds(
    ReportBlock,
    ssrc=_WORDS,
    fraction_lost=st.integers(0, 255),
    lost=st.integers(-0x800000, 0x7FFFFF),
    highest_sequence=_WORDS,
    jitter=_WORDS,
    last_report=_WORDS,
    since_last_report=_WORDS,
)
_SENDERS = st.builds(
    SenderInfo, ntp=st.integers(0, 2**64 - 1), timestamp=_WORDS, packets=_WORDS, octets=_WORDS
)
_RECEIVER_REPORT = bytes.fromhex("80c9000100000001")
_GOODBYE = bytes.fromhex("81cb000100000001")


@given(
    ssrc=_WORDS,
    sender=st.none() | _SENDERS,
    blocks=st.lists(_BLOCKS, max_size=3),
    cname=st.text("abc", max_size=20),
    gone=st.lists(_WORDS, max_size=2),
)
def test_written_and_read(
    ssrc: int,
    sender: SenderInfo | None,
    blocks: list[ReportBlock],
    cname: str,
    gone: list[int],
) -> None:
    """What is written is read the same; the name is not read."""
    packet = ControlPacket(ssrc=ssrc, sender=sender, blocks=tuple(blocks), gone=tuple(gone))
    written = ControlPacket(
        ssrc=ssrc, sender=sender, blocks=tuple(blocks), cname=cname, gone=tuple(gone)
    ).encode()
    assert len(written) % 4 == 0
    assert ControlPacket.decode(written) == packet


def test_bytes_of_a_sender_report() -> None:
    """The layout is that of RFC 3550 §6.4.1 and §6.5."""
    block = ReportBlock(
        ssrc=2, fraction_lost=3, lost=-1, highest_sequence=4, jitter=5, last_report=6
    )
    sender = SenderInfo(ntp=0x0102030405060708, timestamp=9, packets=10, octets=11)
    written = ControlPacket(ssrc=1, sender=sender, blocks=(block,), cname="ab").encode()
    assert written.hex() == (
        "81c8000c"
        "00000001"
        "0102030405060708"
        "00000009"
        "0000000a"
        "0000000b"
        "00000002"
        "03ffffff"
        "00000004"
        "00000005"
        "00000006"
        "00000000"
        "81ca0003"
        "00000001"
        "01026162"
        "00000000"
    )


@pytest.mark.parametrize(
    "datagram",
    [
        b"",
        b"\x80\xc9\x00",
        _RECEIVER_REPORT[:-1],
        _RECEIVER_REPORT + b"\x00",
        b"\x40" + _RECEIVER_REPORT[1:],
        b"\x81" + _RECEIVER_REPORT[1:],
        b"\x80\xc8" + _RECEIVER_REPORT[2:],
        _GOODBYE,
        _GOODBYE + _RECEIVER_REPORT,
        _RECEIVER_REPORT + bytes.fromhex("82cb000100000001"),
        bytes.fromhex("a0c900020000000100000004") + _RECEIVER_REPORT,
        bytes.fromhex("a0c900020000000100000003"),
        bytes.fromhex("a0c900020000000100000010"),
        bytes.fromhex("a0c900020000000100000000"),
        bytes.fromhex("80c90000"),
    ],
    ids=lambda datagram: datagram.hex() or "empty",
)
def test_not_a_report(datagram: bytes) -> None:
    """What RFC 3550 §A.2 does not let pass is nothing."""
    assert ControlPacket.decode(datagram) is None


def test_padding_and_unknown_kinds() -> None:
    """Padding at the end is taken off; packets of other kinds are passed over."""
    padded = bytes.fromhex("80c900010000000180cc0001aabbccdda1cb00020000000900000004")
    assert ControlPacket.decode(padded) == ControlPacket(ssrc=1, gone=(9,))


@given(st.binary(max_size=200))
def test_any_datagram(datagram: bytes) -> None:
    """Nothing raises."""
    ControlPacket.decode(datagram)
    ControlPacket.decode(_RECEIVER_REPORT + datagram)


def _reception(expected: int, received: int) -> Reception:
    """Return what a source looks like after so many packets."""
    return Reception(
        ssrc=9, highest_sequence=expected, expected=expected, received=received, jitter=8.5
    )


def _made(reports: Reports, packets: int, reception: Reception | None = None) -> ControlPacket:
    """Return a report, read again."""
    made = reports.make(1.0, timestamp=5, packets=packets, octets=0, reception=reception)
    packet = ControlPacket.decode(made)
    assert packet is not None
    return packet


def test_who_stops_to_send_is_a_receiver() -> None:
    """A sender report goes on for one interval after the last packet (RFC 3550 §6.4)."""
    reports = Reports(1)
    kinds = [_made(reports, packets).sender is not None for packets in (0, 5, 9, 9, 9, 10)]
    assert kinds == [False, True, True, True, False, True]


def test_loss_since_the_last_report() -> None:
    """The fraction is of the interval, the count of all; duplicates make none negative."""
    reports = Reports(1)
    receptions = [_reception(100, 90), _reception(200, 190), _reception(300, 240)]
    blocks = [_made(reports, 0, each).blocks[0] for each in receptions]
    assert [(block.fraction_lost, block.lost) for block in blocks] == [(25, 10), (0, 10), (128, 60)]
    (block,) = _made(reports, 0, _reception(310, 310)).blocks
    assert (block.fraction_lost, block.lost) == (0, 0)


def test_intervals() -> None:
    """Reports are 2 to 6.2 s apart, the first after half of that, and never in step."""
    waits = []
    for _ in range(300):
        reports = Reports(1)
        assert not reports.is_due(0.0)
        waits.append(reports._due or 0.0)
        reports.make(0.0, timestamp=0, packets=1, octets=160, reception=None)
        waits.append((reports._due or 0.0) / 2)
    assert 1.02 < min(waits) < max(waits) < 3.08
    assert max(waits) - min(waits) > 1


def test_impossible_round_trips() -> None:
    """A report whose times make no sense tells no round trip; our own reports tell nothing."""
    reports = Reports(1)
    for last, since in ((1, 0), (0, 5)):
        block = ReportBlock(
            ssrc=1,
            fraction_lost=0,
            lost=0,
            highest_sequence=0,
            jitter=0,
            last_report=last,
            since_last_report=since,
        )
        assert reports.take(ControlPacket(ssrc=9, blocks=(block,)).encode(), 0.0, 9)
    assert reports.statistics.round_trip is None
    assert not reports.take(ControlPacket(ssrc=1).encode(), 0.0, 9)


def test_reports_of_others_are_passed_over() -> None:
    """A compound packet is its first reporter's; a mixer may add reports of other sources."""
    block = ReportBlock(ssrc=9, fraction_lost=1, lost=2, highest_sequence=3, jitter=4)
    own = ControlPacket(ssrc=1, blocks=(block,))
    others = ControlPacket(ssrc=2, blocks=(block, block))
    assert ControlPacket.decode(own.encode() + others.encode()) == own
    assert ControlPacket.decode(own.encode() + own.encode()) == ControlPacket(
        ssrc=1, blocks=(block, block)
    )


@pytest.mark.parametrize("count", ["82cb000100000001", "81c9000100000001"])
def test_counts_that_are_not_there(count: str) -> None:
    """Who names two sources and holds one, or a report block and holds none, is not believed."""
    assert ControlPacket.decode(_RECEIVER_REPORT + bytes.fromhex(count)) is None

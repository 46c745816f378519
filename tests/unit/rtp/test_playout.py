"""The playout buffer: a frame every 20 ms, in order, whatever the network does."""

import math
import random
from array import array
from collections.abc import Container
from dataclasses import replace

import audioop
import pytest
from hypothesis import given
from hypothesis import strategies as st

from custom_components.hikari_denwa.telephony.audio.g711 import level, ulaw_to_linear
from custom_components.hikari_denwa.telephony.audio.g722 import G722Encoder
from custom_components.hikari_denwa.telephony.engine.native.rtp.packet import RtpPacket
from custom_components.hikari_denwa.telephony.engine.native.rtp.payload import PayloadFormat
from custom_components.hikari_denwa.telephony.engine.native.rtp.playout import PlayoutBuffer
from custom_components.hikari_denwa.telephony.engine.protocol import (
    SILENCE,
    SoundCodec,
    SoundFlag,
)

from .stream import Listener, Stream, frame, with_payload

_COMFORT_NOISE = 13
_G722 = PayloadFormat(send_type=9, receive_type=9, codec=SoundCodec.G722)
_TONE = array("h", (round(8000 * math.sin(math.pi * at / 8)) for at in range(160)))


def _played(listener: Listener) -> list[int]:
    """Return the frames that were heard as they came."""
    return [index for index in listener.indices if index is not None]


def test_perfect_network() -> None:
    """Nothing is made up; sound is heard 40 ms after it came, and 20 after two seconds."""
    listener, stream = Listener(), Stream()
    for index in range(200):
        listener.period(stream.packet(index))
    assert listener.indices == [None, None, *range(72), *range(73, 199)]
    assert listener.heard[0] == (SILENCE, SoundFlag.NONE)
    assert listener.concealed == 0
    statistics = listener.buffer.statistics
    assert (statistics.received, statistics.lost, statistics.adjusted) == (200, 0, 1)
    assert statistics.jitter_ms < 0.001


def test_silence_before_the_first_packet() -> None:
    """Without a packet there is silence, and no loss."""
    listener = Listener()
    listener.quiet(100)
    assert set(listener.heard) == {(SILENCE, SoundFlag.NONE)}
    assert listener.buffer.statistics.concealed == 0


@pytest.mark.parametrize(
    "stream",
    [Stream(first_sequence=0xFFF0), Stream(first_timestamp=0xFFFFFF00)],
    ids=["sequence", "timestamp"],
)
def test_wrap(stream: Stream) -> None:
    """Numbers that wrap are no event."""
    listener = Listener()
    for index in range(50):
        listener.period(stream.packet(index))
    assert _played(listener) == list(range(48))
    assert listener.buffer.statistics.restarted == 0


def test_reordered_and_duplicated() -> None:
    """Within the delay, packets come out in order, each once."""
    listener, stream = Listener(), Stream()
    for index in range(0, 60, 2):
        listener.period(stream.packet(index + 1), stream.packet(index), stream.packet(index))
        listener.period(stream.packet(index + 1))
    listener.quiet(1)
    assert _played(listener) == list(range(60))
    assert listener.concealed == 0
    statistics = listener.buffer.statistics
    assert (statistics.reordered, statistics.duplicated, statistics.lost) == (30, 60, 0)


def test_lost_frames_fade() -> None:
    """A lost frame is the last one again, softer and softer, then silence; each is flagged."""
    listener, stream = Listener(), Stream()
    tone = bytes((0x90, 0x10) * 80)
    for index in range(10):
        listener.period(with_payload(stream.packet(index), tone))
    listener.quiet(10)
    levels = [audioop.rms(audioop.ulaw2lin(payload, 2), 2) for payload, _ in listener.heard[11:]]
    assert listener.heard[11][1] is SoundFlag.NONE
    assert {flags for _, flags in listener.heard[12:]} == {SoundFlag.CONCEALED}
    assert levels[:5] == sorted(levels[:5], reverse=True)
    assert levels[0] > levels[1] > 0.8 * levels[0]
    assert levels[5:] == [0] * len(levels[5:])


def test_silence_again_after_a_second_without_packets() -> None:
    """A stream that has stopped is no loss any more, and its return is heard at once."""
    listener, stream = Listener(), Stream()
    for index in range(10):
        listener.period(stream.packet(index))
    listener.quiet(80)
    assert listener.heard[-1] == (SILENCE, SoundFlag.NONE)
    assert listener.concealed == 50
    listener.period(stream.packet(100))
    listener.period(stream.packet(101))
    listener.period(stream.packet(102))
    assert listener.indices[-1] == 100


def test_late_packet_is_dropped() -> None:
    """A packet whose time has passed is not heard, and the delay grows by a frame."""
    listener, stream = Listener(), Stream()
    for index in range(13):
        listener.period(*(stream.packet(index),) if index != 10 else ())
    listener.period(stream.packet(13), stream.packet(10))
    for index in range(14, 40):
        listener.period(stream.packet(index))
    assert 10 not in listener.indices
    assert _played(listener) == [index for index in range(37) if index != 10]
    statistics = listener.buffer.statistics
    assert (statistics.late, statistics.adjusted, statistics.lost) == (1, 1, 0)


def test_lasting_rise_of_the_delay() -> None:
    """When the network is slower from now on, sound is back within 100 ms of its arrival."""
    listener, stream = Listener(), Stream()
    for index in range(50):
        listener.period(stream.packet(index))
    listener.quiet(10)
    for index in range(50, 150):
        listener.period(stream.packet(index))
    assert set(range(56, 120)) <= set(_played(listener))


def test_fall_of_the_delay_is_followed() -> None:
    """Sound that comes 80 ms early all the time is delayed less, frame by frame."""
    listener, stream = Listener(), Stream()
    listener.period(*(stream.packet(index) for index in range(5)))
    for index in range(5, 600):
        listener.period(stream.packet(index))
    assert listener.buffer.delay <= 0.025
    assert listener.concealed == 0
    assert listener.buffer.statistics.adjusted > 0


def test_burst_after_a_stall_of_the_network() -> None:
    """Half a second at once does not stay as half a second of delay."""
    listener, stream = Listener(), Stream()
    listener.period(*(stream.packet(index) for index in range(25)))
    for index in range(25, 200):
        listener.period(stream.packet(index))
    assert listener.buffer.delay <= 0.065


@pytest.mark.parametrize("jump", [-100_000, -3_000, 3_000, 9_000, 10_000_000, 0x80000000])
def test_timestamp_jump(jump: int) -> None:
    """A source that jumps in time is heard on, at once."""
    listener, stream = Listener(), Stream()
    for index in range(100):
        packet = stream.packet(index)
        moved = (packet.timestamp + jump) & 0xFFFFFFFF
        listener.period(packet if index < 50 else replace(packet, timestamp=moved))
    assert set(range(56, 95)) <= set(_played(listener))
    assert listener.buffer.statistics.restarted == 1


def test_new_source() -> None:
    """Another SSRC takes over with its second packet, and its first is heard too."""
    listener, before, after = Listener(), Stream(ssrc=1), Stream(ssrc=2, first_sequence=9)
    for index in range(50):
        listener.period(before.packet(index))
    for index in range(1000, 1050):
        listener.period(after.packet(index))
    assert listener.indices[-48:] == list(range(1000, 1048))
    assert listener.buffer.statistics.restarted == 1


def test_stray_packet_changes_nothing() -> None:
    """One packet of another source, or far off in sequence, is as if it had not come."""
    listener, stream = Listener(), Stream()
    stray = replace(Stream(ssrc=2).packet(7), payload=b"\x00" * 160)
    far = replace(stream.packet(20_000), payload=b"\x00" * 160)
    for index in range(50):
        listener.period(stream.packet(index), *((stray, far) if index % 10 == 5 else ()))
    assert _played(listener) == list(range(48))
    assert listener.buffer.statistics.restarted == 0


def test_sequence_jump() -> None:
    """A source that starts its numbers anew is heard on."""
    listener, stream = Listener(), Stream()
    for index in range(100):
        packet = stream.packet(index)
        moved = (packet.sequence + 30_000) & 0xFFFF
        listener.period(packet if index < 50 else replace(packet, sequence=moved))
    assert set(range(50, 95)) <= set(_played(listener))


@pytest.mark.parametrize("milliseconds", [10, 30, 40, 60])
def test_other_packet_lengths(milliseconds: int) -> None:
    """Packets of other lengths are cut into frames of 20 ms."""
    listener, size = Listener(), 8 * milliseconds
    sound = b"".join(frame(index) for index in range(300))
    arrived = 0
    for period in range(200):
        due = []
        while (arrived + 1) * milliseconds <= (period + 1) * 20:
            packet = Stream().packet(arrived)
            payload = sound[arrived * size : (arrived + 1) * size]
            due.append(replace(packet, timestamp=1000 + arrived * size, payload=payload))
            arrived += 1
        listener.period(*due)
    played = _played(listener)
    assert len(played) > 190
    left_out = set(range(played[0], played[-1])) - set(played)
    assert played == sorted(set(played))
    assert len(left_out) == listener.buffer.statistics.adjusted <= 2
    assert listener.concealed == 0


def test_half_a_frame_lost() -> None:
    """Of a frame of which half is lost, the other half is heard."""
    listener, stream = Listener(), Stream()
    for index in range(20):
        halves = [
            replace(
                stream.packet(2 * index + half),
                timestamp=1000 + 160 * index + 80 * half,
                payload=bytes((0x20 + index,)) * 80,
            )
            for half in range(2)
        ]
        listener.period(*(halves[:1] if index == 10 else halves))
    payload, flags = listener.heard[12]
    assert flags is SoundFlag.CONCEALED
    assert payload[:80] == b"\x2a" * 80
    assert payload[80:] != b"\x2a" * 80


def test_comfort_noise() -> None:
    """Comfort noise is heard as soft noise until sound goes on, and is no loss (RFC 3389)."""
    listener, stream = Listener(), Stream()
    for index in range(10):
        listener.period(stream.packet(index))
    listener.period(with_payload(stream.packet(10), bytes((50,)), _COMFORT_NOISE))
    listener.quiet(20)
    noise = listener.heard[12:]
    assert all(flags is SoundFlag.NONE for _, flags in noise)
    levels = [audioop.rms(audioop.ulaw2lin(payload, 2), 2) for payload, _ in noise]
    assert 50 < min(levels) <= max(levels) < 200
    resumed = replace(stream.packet(31), sequence=stream.packet(11).sequence)
    listener.period(resumed)
    listener.quiet(2)
    assert listener.indices[-1] == 31
    listener.quiet(1)
    assert listener.heard[-1][1] is SoundFlag.CONCEALED


def test_pause_without_packets_is_no_loss() -> None:
    """A source that sends nothing in a pause, and numbers on, has lost nothing."""
    listener, stream = Listener(), Stream()
    for index in range(10):
        listener.period(stream.packet(index))
    listener.quiet(10)
    for index in range(20, 30):
        packet = replace(stream.packet(index), sequence=stream.packet(index - 10).sequence)
        listener.period(packet)
    assert _played(listener)[-8:] == list(range(20, 28))
    assert listener.buffer.statistics.lost == 0


def test_other_payload_types_are_counted_and_not_played() -> None:
    """What is no PCMU takes its place in the sequence only."""
    listener, stream = Listener(), Stream()
    for index in range(20):
        packet = stream.packet(index)
        listener.period(packet if index != 10 else with_payload(packet, b"x" * 160, 96))
    assert 10 not in listener.indices
    assert listener.buffer.statistics.lost == 0


def test_short_stall_of_our_own() -> None:
    """What arrived while we stood still for a second is all heard, and delays nothing."""
    listener, stream = Listener(), Stream()
    for index in range(20):
        listener.period(stream.packet(index))
    for index in range(20, 70):
        listener.buffer.put(stream.packet(index), 0.4)
    listener.quiet(50)
    for index in range(70, 100):
        listener.period(stream.packet(index))
    assert _played(listener) == list(range(98))


def test_long_stall_of_our_own() -> None:
    """After a longer one, sound goes on where the far side is, without added delay."""
    listener, stream = Listener(), Stream()
    for index in range(20):
        listener.period(stream.packet(index))
    for index in range(20, 120):
        listener.buffer.put(stream.packet(index), 0.4)
    listener.buffer.catch_up()
    for index in range(120, 160):
        listener.period(stream.packet(index))
    assert _played(listener)[18:] == list(range(117, 157))
    assert listener.concealed == 0


def test_reset() -> None:
    """After hold nothing old is heard, and the counts go on."""
    listener, stream = Listener(), Stream()
    for index in range(10):
        listener.period(stream.packet(index))
    listener.buffer.reset()
    listener.quiet(5)
    assert set(listener.heard[-5:]) == {(SILENCE, SoundFlag.NONE)}
    for index in range(100, 110):
        listener.period(stream.packet(index))
    assert _played(listener)[-8:] == list(range(100, 108))
    statistics = listener.buffer.statistics
    assert (statistics.received, statistics.lost) == (20, 0)


@given(
    arrivals=st.lists(st.tuples(st.integers(0, 12), st.integers(0, 3)), min_size=1, max_size=120),
    first_sequence=st.integers(0, 0xFFFF),
    first_timestamp=st.integers(0, 0xFFFFFFFF),
)
def test_any_order_loss_and_duplication(
    arrivals: list[tuple[int, int]], first_sequence: int, first_timestamp: int
) -> None:
    """Every 20 ms have a frame, and none is heard twice or early.

    Each packet is late by up to 12 periods, and comes 0 to 3 times.
    """
    stream = Stream(first_sequence=first_sequence, first_timestamp=first_timestamp)
    by_period: dict[int, list[int]] = {}
    for index, (delay, copies) in enumerate(arrivals):
        by_period.setdefault(index + delay, []).extend([index] * copies)
    listener = Listener()
    for period in range(len(arrivals) + 20):
        listener.period(*(stream.packet(index) for index in by_period.get(period, ())))
    played = _played(listener)
    assert len(listener.heard) == len(arrivals) + 20
    assert all(len(payload) == 160 for payload, _ in listener.heard)
    assert played == sorted(set(played))
    assert all(index <= period for period, index in enumerate(listener.indices) if index)
    statistics = listener.buffer.statistics
    distinct = {index for indices in by_period.values() for index in indices}
    assert statistics.received + statistics.duplicated == sum(copies for _, copies in arrivals)
    assert statistics.received == len(distinct)
    assert statistics.lost <= len(arrivals) - len(distinct)


@given(
    st.lists(
        st.tuples(
            st.integers(0, 0xFFFF),
            st.integers(0, 0xFFFFFFFF),
            st.integers(0, 1),
            st.sampled_from((0, 13, 96)),
            st.integers(0, 400),
            st.booleans(),
        ),
        max_size=60,
    )
)
def test_any_packets(packets: list[tuple[int, int, int, int, int, bool]]) -> None:
    """Packets that make no sense at all cost at most the sound."""
    buffer = PlayoutBuffer()
    for sequence, timestamp, ssrc, payload_type, size, takes in packets:
        packet = replace(
            with_payload(Stream(ssrc=ssrc).packet(0), b"\x11" * size, payload_type),
            sequence=sequence,
            timestamp=timestamp,
        )
        buffer.put(packet, 0.0)
        if takes:
            assert len(buffer.take()[0]) == 160
    assert buffer.delay < 2.1
    assert buffer.statistics.lost >= 0


def test_overlapping_packets_fill_no_memory() -> None:
    """A source that says one place again and again cannot make us keep it all."""
    listener, stream = Listener(), Stream()
    for index in range(2000):
        late_by_a_sample = replace(stream.packet(index), timestamp=1000 + index)
        listener.buffer.put(late_by_a_sample, 0.0)
    assert len(listener.buffer._chunks) <= 128
    listener.quiet(60)
    assert listener.buffer.delay == 0


@pytest.mark.parametrize("loss", [0.05, 0.2])
def test_random_loss(loss: float) -> None:
    """Exactly what the network lost is made up; the delay does not grow."""
    rng = random.Random(7)
    listener, stream, lost = Listener(), Stream(), 0
    for index in range(2000):
        gone = 5 < index < 1990 and rng.random() < loss
        lost += gone
        listener.period(*(() if gone else (stream.packet(index),)))
    assert listener.concealed == listener.buffer.statistics.lost == lost
    assert listener.buffer.delay <= 0.041


@pytest.mark.parametrize("ppm", [-300, 300])
def test_clock_skew(ppm: int) -> None:
    """A far clock that runs at another speed is followed for ten minutes, with bounded delay."""
    listener, stream, sent = Listener(), Stream(), 0
    deepest = 0.0
    for period in range(30_000):
        due = []
        while sent * 20 * (1 - ppm / 1e6) <= period * 20:
            due.append(stream.packet(sent))
            sent += 1
        listener.period(*due)
        deepest = max(deepest, listener.buffer.delay)
    assert deepest <= 0.085
    statistics = listener.buffer.statistics
    assert 5 <= statistics.adjusted <= 20
    assert statistics.restarted == 0
    assert listener.concealed <= 20


def _behind(
    delays: list[float],
    lost: Container[int] = (),
    *,
    follow: bool = False,
    takes_late: float = 0.0,
    first_take: float = 0.007,
) -> PlayoutBuffer:
    """Return a buffer that has played packets behind a network with these delays in seconds.

    ``follow`` its nudges or not; ``takes_late`` by how much at most a frame is taken late.
    """
    rng = random.Random(5)
    buffer, stream = PlayoutBuffer(), Stream()
    arrivals = sorted(
        (0.02 * index + delay, index) for index, delay in enumerate(delays) if index not in lost
    )
    due = first_take
    while due < 0.02 * len(delays):
        now = due + rng.uniform(0, takes_late)
        while arrivals and arrivals[0][0] <= now:
            at, index = arrivals.pop(0)
            buffer.put(stream.packet(index), at)
        buffer.take(due)
        due += 0.02 - (buffer.nudge() if follow else 0.0)
    return buffer


def test_hiccups_are_remembered() -> None:
    """A network that stalls for 100 ms every 2 s costs sound a few times, not every time."""
    delays = [max(0.0, 0.1 - 0.02 * (index % 100)) for index in range(6000)]
    statistics = _behind(delays).statistics
    assert statistics.concealed <= 10
    assert statistics.delay_ms <= 120


@pytest.mark.parametrize("phase", [0.0001, 0.005, 0.01, 0.015, 0.0199])
@pytest.mark.parametrize("follow", [False, True])
def test_delay_behind_a_steady_network(phase: float, *, follow: bool) -> None:
    """Whatever lies between both sides' clocks: 10 ms where nudges are followed, else to 32."""
    statistics = _behind([0.0] * 600, follow=follow, first_take=phase).statistics
    assert 8 <= statistics.delay_ms <= (13 if follow else 33)
    assert statistics.concealed == 0
    assert statistics.restarted == 0


@pytest.mark.parametrize("follow", [False, True])
@pytest.mark.parametrize("jitter", [0.002, 0.01, 0.03])
def test_delay_follows_the_jitter(jitter: float, *, follow: bool) -> None:
    """What a jitter asks for, and little more; nothing is made up."""
    rng = random.Random(11)
    delays = [rng.uniform(0, jitter) for _ in range(15_000)]
    statistics = _behind(delays, follow=follow).statistics
    assert statistics.concealed == 0
    assert statistics.delay_ms <= 1000 * 1.5 * jitter + (15 if follow else 35)


def test_late_takes_do_not_count_as_slack() -> None:
    """On a busy machine packets come before a late take, and yet not before their time."""
    statistics = _behind([0.0] * 6000, follow=True, takes_late=0.019).statistics
    assert 8 <= statistics.delay_ms <= 13
    rng = random.Random(3)
    unsteady = [rng.uniform(0, 0.02) for _ in range(6000)]
    late, on_time = (
        _behind(unsteady, follow=True, takes_late=takes_late).statistics
        for takes_late in (0.019, 0.0)
    )
    assert late.delay_ms >= on_time.delay_ms - 4
    assert late.concealed == on_time.concealed == 0


@pytest.mark.parametrize("ppm", [-100, 100])
def test_nudges_follow_a_skew(ppm: int) -> None:
    """A far clock at another speed is kept up with for twenty minutes, and not heard."""
    buffer, stream = PlayoutBuffer(), Stream()
    due, sent = 0.005, 0
    for take in range(60_000):
        while (at := sent * 0.02 * (1 - ppm / 1e6)) <= due:
            buffer.put(stream.packet(sent), at)
            sent += 1
        buffer.take(due)
        due += 0.02 - buffer.nudge()
        if take > 1000:
            assert 6 <= buffer.statistics.delay_ms <= 14
    assert buffer.statistics.adjusted <= 2
    assert buffer.statistics.concealed == 0


def test_two_who_nudge_do_not_run_away() -> None:
    """Where each step of ours draws the far side's packets forward, both stay within 200 ppm."""
    buffer, stream = PlayoutBuffer(), Stream()
    due, moved, sent, at = 0.005, 0.0, 0, 0.0
    for _ in range(60_000):
        while at <= due:
            buffer.put(stream.packet(sent), at)
            sent += 1
            at += 0.02
        buffer.take(due)
        nudge = buffer.nudge()
        assert abs(nudge) <= 0.0002
        moved += abs(nudge)
        due += 0.02 - nudge
        at -= nudge
    assert 0.1 < moved <= 0.04 + 0.0002 * 1200


def test_delay_shrinks_again() -> None:
    """A bad minute is forgotten in the next, ten seconds a frame."""
    rng = random.Random(2)
    bad = [rng.expovariate(50) for _ in range(1500)]
    waits = [_behind(bad + [0.0] * good).statistics.delay_ms for good in (0, 6000)]
    assert waits[0] > 80
    assert waits[1] < 70


def test_delay_at_five_per_cent_loss() -> None:
    """Loss alone makes the buffer no deeper than it begins."""
    rng = random.Random(3)
    lost = {index for index in range(3000) if rng.random() < 0.05}
    buffer = _behind([0.0] * 3000, lost)
    assert 10 <= buffer.statistics.delay_ms <= 30
    statistics = buffer.statistics
    assert statistics.concealed == statistics.lost
    assert statistics.gaps <= statistics.concealed
    assert statistics.played + statistics.concealed == pytest.approx(3000, abs=4)


def _g722_packets(count: int, stream: Stream) -> list[RtpPacket]:
    """Return a tone of 500 Hz as G.722."""
    encode = G722Encoder().encode
    return [
        with_payload(stream.packet(index), encode(_TONE.tobytes()), 9) for index in range(count)
    ]


def _levels(listener: Listener) -> list[float]:
    """Return the level of each frame that was heard."""
    return [level(ulaw_to_linear(payload)) for payload, _ in listener.heard]


def _g722_listener() -> Listener:
    """Return one who hears G.722."""
    listener = Listener()
    listener.buffer.use(_G722)
    return listener


def test_g722_is_decoded_in_the_order_of_playing() -> None:
    """Whatever the order of arrival, what is heard is the same."""
    straight, crossed = _g722_listener(), _g722_listener()
    packets = _g722_packets(60, Stream())
    for listener in (straight, crossed):
        listener.period(*packets[:2])
        listener.period()
    for first, second in zip(packets[2::2], packets[3::2], strict=True):
        straight.period(first, second)
        straight.period()
        crossed.period(second, first)
        crossed.period()
    assert crossed.heard[4:] == straight.heard[4:]
    assert crossed.concealed == 0
    assert _levels(straight)[20:] == pytest.approx([level(_TONE.tobytes())] * 40, abs=0.2)


def test_g722_with_losses() -> None:
    """Lost frames are made up, and the tone is back soon, neither louder nor weaker."""
    listener = _g722_listener()
    for index, packet in enumerate(_g722_packets(100, Stream())):
        listener.period(*([packet] if index not in {50, 51, 52} else []))
    assert listener.concealed == 3
    wanted = level(_TONE.tobytes())
    assert max(_levels(listener)) < wanted + 2.0
    assert _levels(listener)[60:] == pytest.approx([wanted] * 40, abs=0.3)


def test_another_codec_in_mid_stream() -> None:
    """What waits of another codec is not played as what it is not."""
    listener = _g722_listener()
    for packet in _g722_packets(50, Stream()):
        listener.period(packet)
    listener.buffer.use(PayloadFormat())
    for index in range(50, 60):
        listener.period(Stream().packet(index))
    assert _played(listener) == list(range(50, 58))
    assert [bool(flags) for _, flags in listener.heard[50:53]] == [True, True, False]


def test_another_source_has_another_decoder() -> None:
    """What a new source sends is heard as by one who has heard nothing before."""
    both, alone = _g722_listener(), _g722_listener()
    for packet in _g722_packets(33, Stream(ssrc=7)):
        both.period(packet)
    for packet in _g722_packets(30, Stream()):
        both.period(packet)
        alone.period(packet)
    assert [payload for payload, _ in both.heard[-20:]] == [
        payload for payload, _ in alone.heard[-20:]
    ]

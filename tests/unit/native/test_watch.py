"""A connected call is watched: how it sounds is told, and one that fell silent is ended."""

import pytest

from custom_components.hikari_denwa.telephony.calls import EndReason

from .bench import Bench, within
from .test_incoming import offer, reason, talking


@pytest.fixture
def bench() -> Bench:
    """Return a user agent in our hands."""
    return Bench()


async def test_quality_while_connected_and_at_the_end(bench: Bench) -> None:
    """Every ten seconds, and once more before the call is told to be over."""
    await talking(bench)
    bench.clock.advance(35)
    assert len(bench.qualities) == 3
    (session,) = bench.agent.sessions
    session.hang_up()
    assert [event.kind for event in bench.told.events[-2:]] == ["call_quality", "call_ended"]
    quality = bench.qualities[-1].quality
    assert (quality.packets_sent, quality.concealed_pct, quality.round_trip_ms) == (0, 0.0, None)
    bench.clock.advance(100)
    assert len(bench.qualities) == 4


async def test_silence_ends_a_call(bench: Bench) -> None:
    """After 30 s with nothing that should have come, BYE."""
    await talking(bench)
    bench.sent()
    sound = bench.sounds[0]
    bench.clock.advance(100)
    sound.silent_for = 29.9
    bench.clock.advance(2)
    assert bench.sent() == []
    sound.silent_for = 30.0
    bench.clock.advance(2)
    assert [getattr(each, "method", None) for each in bench.sent()] == ["BYE"]
    assert reason(bench) is EndReason.MEDIA_TIMEOUT


async def test_hold_is_no_silence(bench: Bench) -> None:
    """A far side that holds the call may be silent, and has 30 s anew after that."""
    answer = await talking(bench)
    sound = bench.sounds[0]
    bench.clock.advance(40)
    sound.silent_for = 40.0
    bench.receive(within(answer, "UPDATE", body=offer("sendonly")))
    bench.clock.advance(120)
    bench.receive(within(answer, "UPDATE", cseq=3, body=offer("sendrecv", version=3)))
    sound.silent_for = 200.0
    bench.clock.advance(27)
    assert bench.kinds[-1] != "call_ended"
    bench.clock.advance(6)
    assert reason(bench) is EndReason.MEDIA_TIMEOUT

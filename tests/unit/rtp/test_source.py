"""What goes out next: tones, queued sound, silence."""

import asyncio
import contextlib
from functools import partial

import pytest

from custom_components.hikari_denwa.telephony.audio.dtmf import digit_frames
from custom_components.hikari_denwa.telephony.engine.native.rtp.source import SoundSource
from custom_components.hikari_denwa.telephony.engine.protocol import SILENCE
from custom_components.hikari_denwa.telephony.errors import (
    CallNotConnectedError,
    DigitsInvalidError,
)

from .stream import frame, index_of


def _next(source: SoundSource, count: int, *, leaves: bool = True) -> list[int | None]:
    """Return which frames go out next; None is silence or tones."""
    return [index_of(source.next(leaves=leaves)[0]) for _ in range(count)]


def test_silence_at_first() -> None:
    """With nothing to say, silence goes out."""
    assert SoundSource().next(leaves=True) == (SILENCE, None)


def test_pre_roll() -> None:
    """Sound that trickles in starts after 60 ms, and then a frame may be 60 ms late."""
    source = SoundSource()
    out: list[int | None] = []
    for period in range(12):
        if period not in (6, 7):
            source.queue(frame(len(out)))
        if period == 8:
            source.queue(frame(100))
            source.queue(frame(101))
        out += _next(source, 1)
    assert out[:2] == [None, None]
    assert None not in out[2:]


def test_short_sound_is_not_kept_back() -> None:
    """A sound of one frame goes out after 60 ms though nothing follows."""
    source = SoundSource()
    source.queue(frame(1))
    assert _next(source, 5) == [None, None, None, 1, None]


def test_overrun_drops_the_oldest() -> None:
    """A second is kept; what is older goes, and is counted."""
    source = SoundSource()
    for index in range(70):
        source.queue(frame(index))
    assert source.dropped == 20
    assert _next(source, 51) == [*range(20, 70), None]


@pytest.mark.parametrize("size", [0, 159, 161, 320])
def test_frames_of_another_length(size: int) -> None:
    """Only 20 ms are a frame."""
    source = SoundSource()
    with pytest.raises(ValueError, match="160"):
        source.queue(bytes(size))
    assert source.next(leaves=True)[0] == SILENCE


async def test_tones_take_the_place_of_sound() -> None:
    """While tones go out the time of queued sound passes; then it is heard again."""
    source = SoundSource()
    for index in range(20):
        source.queue(frame(index))
    sending = asyncio.create_task(source.digits("1"))
    await asyncio.sleep(0)
    out = [source.next(leaves=True)[0] for _ in range(12)]
    await sending
    assert tuple(out[:10]) == digit_frames("1")
    assert [index_of(payload) for payload in out[10:]] == [10, 11]


async def test_tones_wait_while_nothing_leaves() -> None:
    """On hold tones are kept, and each wish to send some waits for its own."""
    source = SoundSource()
    first = asyncio.create_task(source.digits("1"))
    second = asyncio.create_task(source.digits("2"))
    await asyncio.sleep(0)
    assert [source.next(leaves=False)[0] for _ in range(5)] == [SILENCE] * 5
    out = [source.next(leaves=True)[0] for _ in range(10)]
    await asyncio.sleep(0)
    assert (first.done(), second.done()) == (True, False)
    out += [source.next(leaves=True)[0] for _ in range(10)]
    await second
    assert tuple(out) == digit_frames("1") + digit_frames("2")


async def test_cancelled_tones_stop() -> None:
    """Who stops waiting for tones stops the tones; the next ones go out."""
    source = SoundSource()
    first = asyncio.create_task(source.digits("123456"))
    second = asyncio.create_task(source.digits("7"))
    await asyncio.sleep(0)
    source.next(leaves=True)[0]
    first.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await first
    out = tuple(source.next(leaves=True)[0] for _ in range(10))
    await second
    assert out == digit_frames("7")


async def test_close_tells_who_waits() -> None:
    """Tones that will not go out any more are an error for who waits, then and later."""
    source = SoundSource()
    sending = asyncio.create_task(source.digits("1"))
    await asyncio.sleep(0)
    source.close()
    with pytest.raises(CallNotConnectedError):
        await sending
    with pytest.raises(CallNotConnectedError):
        await source.digits("1")


@pytest.mark.parametrize("digits", ["", "x", "12 3", "1２"])
async def test_no_digits(digits: str) -> None:
    """Only keypad digits can be sent, and nothing of what holds others is."""
    source = SoundSource()
    with pytest.raises(DigitsInvalidError):
        await source.digits(digits)
    assert source.next(leaves=True)[0] == SILENCE


def test_time_that_passes_over() -> None:
    """Queued sound is live: what was not asked for in its time is gone."""
    source = SoundSource()
    for index in range(20):
        source.queue(frame(index))
    source.pass_over(5)
    assert _next(source, 2) == [5, 6]


def test_tells_what_has_gone() -> None:
    """A frame that leaves the queue is told of: sent, passed over, or driven out; once."""
    source = SoundSource()
    gone: list[int] = []
    for index in range(52):
        source.queue(frame(index), partial(gone.append, index))
    assert gone == [0, 1]
    _next(source, 2)
    _next(source, 1, leaves=False)
    source.pass_over(1)
    assert gone == [0, 1, 2, 3, 4, 5]


def test_cleared_sound_is_forgotten() -> None:
    """What is cleared is neither heard nor told of; what comes then is held back anew."""
    source = SoundSource()
    gone: list[int] = []
    for index in range(10):
        source.queue(frame(index), partial(gone.append, index))
    source.clear()
    assert _next(source, 2) == [None, None]
    assert gone == []
    source.queue(frame(99))
    assert _next(source, 4) == [None, None, None, 99]

"""The live hub: every listener hears the call, and none disturbs another."""

import asyncio

import pytest

from custom_components.hikari_denwa.telephony.audio.live import LiveHub, LiveListener


def _frame(index: int) -> bytes:
    """Return a frame that tells which it is."""
    return index.to_bytes(2) * 80


async def _all(listener: LiveListener) -> list[int]:
    """Listen to the end."""
    return [int.from_bytes(payload[:2]) async for payload in listener]


async def test_every_listener_hears_all() -> None:
    """Listeners hear every frame from when they were opened, in order, and then the end."""
    hub = LiveHub()
    early = hub.listen()
    hub.publish(_frame(0))
    late = hub.listen()
    listening = [asyncio.create_task(_all(listener)) for listener in (early, late)]
    for index in range(1, 10):
        await asyncio.sleep(0)
        hub.publish(_frame(index))
    hub.close()
    assert await asyncio.gather(*listening) == [list(range(10)), list(range(1, 10))]
    assert hub.listener_count == 0


async def test_slow_listener_loses_its_own_oldest() -> None:
    """Who does not take frames loses the oldest, counted; others lose nothing."""
    hub = LiveHub()
    slow, quick = hub.listen(limit_frames=5), hub.listen()
    hearing = asyncio.create_task(_all(quick))
    for index in range(200):
        hub.publish(_frame(index))
        await asyncio.sleep(0)
    hub.close()
    assert await _all(slow) == list(range(195, 200))
    assert slow.dropped == 195
    assert await hearing == list(range(200))
    assert quick.dropped == 0


async def test_waits_for_the_first_frame() -> None:
    """A listener may be opened before the call has sound."""
    hub = LiveHub()
    hearing = asyncio.create_task(anext(hub.listen()))
    await asyncio.sleep(0)
    assert not hearing.done()
    hub.publish(_frame(7))
    assert await hearing == _frame(7)


async def test_closing_one_listener() -> None:
    """A listener that is closed hears what waited, then the end; the others go on."""
    hub = LiveHub()
    leaving, staying = hub.listen(), hub.listen()
    hub.publish(_frame(1))
    leaving.close()
    leaving.close()
    assert hub.listener_count == 1
    hub.publish(_frame(2))
    hub.close()
    assert await _all(leaving) == [1]
    assert await _all(staying) == [1, 2]


async def test_closing_ends_one_who_waits() -> None:
    """Closing the listener or the hub wakes who waits."""
    for close_hub in (True, False):
        hub = LiveHub()
        listener = hub.listen()
        hearing = asyncio.create_task(_all(listener))
        await asyncio.sleep(0)
        if close_hub:
            hub.close()
        else:
            listener.close()
        assert await hearing == []


async def test_cancelled_wait_loses_nothing() -> None:
    """Who gives up waiting can wait again and hears every frame."""
    hub = LiveHub()
    listener = hub.listen()
    waiting = asyncio.create_task(anext(listener))
    await asyncio.sleep(0)
    hub.publish(_frame(1))
    waiting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiting
    hub.publish(_frame(2))
    hub.close()
    assert await _all(listener) == [1, 2]


async def test_closed_hub() -> None:
    """Listening to a call that is over ends at once; publishing then does nothing."""
    hub = LiveHub()
    hub.close()
    hub.close()
    hub.publish(_frame(1))
    assert await _all(hub.listen()) == []


def test_a_listener_holds_something() -> None:
    """A limit below one frame is a mistake."""
    with pytest.raises(ValueError, match="0"):
        LiveHub().listen(limit_frames=0)

"""The clock of all sessions: absolute deadlines, catching up, no drift."""

import asyncio
import time
from collections.abc import Callable
from pathlib import Path
from typing import cast

import pytest

from custom_components.hikari_denwa.telephony.engine.native.rtp.pacing import Pacer


class _Handle:
    """A timer that can be cancelled."""

    cancelled = False

    def cancel(self) -> None:
        """Never fire."""
        self.cancelled = True


class _Loop:
    """A loop whose time the test moves; each timer fires as late as the test says."""

    def __init__(self) -> None:
        """Start at an odd time."""
        self.now = 12345.678
        self.failures: list[object] = []
        self._timer: tuple[float, Callable[[], None], _Handle] | None = None

    def time(self) -> float:
        """Return the time."""
        return self.now

    def call_at(self, when: float, callback: Callable[[], None]) -> _Handle:
        """Keep the one timer."""
        handle = _Handle()
        self._timer = when, callback, handle
        return handle

    def call_exception_handler(self, context: dict[str, object]) -> None:
        """Keep a failure."""
        self.failures.append(context["exception"])

    def fire(self, *, late: float = 0.0) -> bool:
        """Let the timer fire; False if there is none."""
        assert self._timer is not None
        when, callback, handle = self._timer
        if handle.cancelled:
            return False
        self.now = max(self.now, when) + late
        callback()
        return True


@pytest.fixture
def loop() -> _Loop:
    """Return a loop."""
    return _Loop()


@pytest.fixture
def pacer(loop: _Loop) -> Pacer:
    """Return a pacer on that loop."""
    return Pacer(cast("asyncio.AbstractEventLoop", loop), by_kernel=False)


def test_no_drift(loop: _Loop, pacer: Pacer) -> None:
    """Every timer 1 ms late for an hour: still 50 periods a second."""
    told: list[int] = []
    pacer.join(told.append)
    began = loop.now
    for _ in range(180_000):
        loop.fire(late=0.001)
    assert set(told) == {1}
    assert loop.now - began == pytest.approx(3600 - 0.02 + 0.001, abs=0.002)


def test_stall_is_caught_up(loop: _Loop, pacer: Pacer) -> None:
    """After a stall the periods that passed come due together, and then one by one again."""
    told: list[int] = []
    pacer.join(told.append)
    loop.fire()
    loop.fire(late=0.095)
    loop.fire()
    loop.fire()
    assert told == [1, 5, 1, 1]


def test_an_error_stops_nothing(loop: _Loop, pacer: Pacer) -> None:
    """Who is told may fail; the clock goes on, and so do the others."""
    failure = RuntimeError("no")
    told: list[int] = []

    def fail(due: int) -> None:
        """Fail."""
        del due
        raise failure

    pacer.join(fail)
    pacer.join(told.append)
    for _ in range(3):
        loop.fire()
    assert loop.failures == [failure] * 3
    assert told == [1, 1]


def test_leave(loop: _Loop, pacer: Pacer) -> None:
    """Who has left hears nothing; leaving without having joined, or twice, is fine."""
    told: list[int] = []
    pacer.leave(told.append)
    pacer.join(told.append)
    pacer.join(told.append)
    loop.fire()
    pacer.leave(told.append)
    pacer.leave(told.append)
    assert not loop.fire()
    assert told == [1]
    loop.now += 1
    pacer.join(told.append)
    loop.fire()
    assert told == [1, 1]


def test_leaving_while_it_is_told(loop: _Loop, pacer: Pacer) -> None:
    """The end of one call may be the end of another, and of the clock."""
    told: list[int] = []

    def leave(due: int) -> None:
        """Leave with the other."""
        del due
        pacer.leave(leave)
        pacer.leave(told.append)

    pacer.join(leave)
    pacer.join(told.append)
    loop.fire()
    assert told == []
    assert not loop.fire()


def test_one_beat_for_all(loop: _Loop, pacer: Pacer) -> None:
    """Who joins later is told with the others, and of its own periods alone."""
    first: list[int] = []
    second: list[int] = []
    third: list[int] = []
    pacer.join(first.append)
    loop.fire()
    loop.now += 0.005
    pacer.join(second.append)
    loop.fire()
    assert (first, second) == ([1, 1], [1])
    loop.now += 0.1
    pacer.join(third.append)
    loop.fire()
    assert (first[2:], second[1:], third) == ([5], [5], [])
    loop.fire()
    assert (first[3:], second[2:], third) == ([1], [1], [1])


def test_deadlines(loop: _Loop, pacer: Pacer) -> None:
    """A period's deadline is told, however late the period itself is."""
    began = loop.now
    pacer.join(lambda _: None)
    for late, deadline in ((0.003, 0.0), (0.019, 0.02), (0.045, 0.08), (0.0, 0.1)):
        loop.fire(late=late)
        assert pacer.deadline - began == pytest.approx(deadline)


@pytest.mark.parametrize("seconds", [0.0002, -0.0002, 0.03, -0.03])
def test_hastening(loop: _Loop, pacer: Pacer, seconds: float) -> None:
    """The clock moves once, and each period is still told once."""
    told: list[int] = []
    pacer.hasten(seconds)
    began = loop.now
    pacer.join(told.append)
    loop.fire()
    loop.fire()
    pacer.hasten(seconds)
    loop.fire()
    loop.fire()
    assert sum(told) == 4
    assert pacer.deadline == pytest.approx(began + 0.06 - seconds)
    pacer.hasten(0.0)
    loop.fire()
    assert sum(told) == 5
    assert loop.now == pytest.approx(began + 0.08 - seconds, abs=0.011)


def test_who_joins_a_clock_that_was_put_back(loop: _Loop, pacer: Pacer) -> None:
    """A period that begins a second time is not told a second time, nor to who joins in it."""
    first: list[int] = []
    second: list[int] = []
    hear_first = first.append
    pacer.join(hear_first)
    assert pacer.is_alone(hear_first)
    loop.fire()
    loop.fire()
    pacer.hasten(-0.001)
    pacer.join(second.append)
    assert not pacer.is_alone(hear_first)
    loop.fire()
    assert (first, second) == ([1, 1, 1], [1])


def _open_files() -> int:
    """Count the files that this process has open."""
    return len(list(Path("/proc/self/fd").iterdir()))


@pytest.mark.parametrize("by_kernel", [True, False])
async def test_on_a_real_loop(*, by_kernel: bool) -> None:
    """Periods come due with the clock, a stall among them; after the end nothing does."""
    told: list[int] = []
    loop = asyncio.get_running_loop()
    pacer = Pacer(loop, by_kernel=by_kernel)
    files = _open_files()
    began = loop.time()
    pacer.join(told.append)
    await asyncio.sleep(0.1)
    time.sleep(0.1)  # noqa: ASYNC251 - the stall
    pacer.hasten(0.005)
    await asyncio.sleep(0.1)
    passed = loop.time() - began
    async with asyncio.timeout(10):
        while sum(told) < int(passed / 0.02):  # noqa: ASYNC110 - it is the clock that is tested
            await asyncio.sleep(0.005)
    pacer.leave(told.append)
    count = sum(told)
    assert count <= (loop.time() - began + 0.005) / 0.02 + 1
    assert max(told) >= 5
    assert _open_files() == files
    await asyncio.sleep(0.05)
    assert sum(told) == count

"""The clock of a session: absolute deadlines, catching up, no drift."""

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
        self._timer: tuple[float, Callable[[], None], _Handle] | None = None

    def time(self) -> float:
        """Return the time."""
        return self.now

    def call_at(self, when: float, callback: Callable[[], None]) -> _Handle:
        """Keep the one timer."""
        handle = _Handle()
        self._timer = when, callback, handle
        return handle

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


def _pacer(loop: _Loop, told: Callable[[int], None]) -> Pacer:
    """Return a pacer on that loop."""
    return Pacer(cast("asyncio.AbstractEventLoop", loop), told, by_kernel=False)


def test_no_drift(loop: _Loop) -> None:
    """Every timer 1 ms late for an hour: still 50 periods a second."""
    told: list[int] = []
    _pacer(loop, told.append).start()
    began = loop.now
    for _ in range(180_000):
        loop.fire(late=0.001)
    assert set(told) == {1}
    assert loop.now - began == pytest.approx(3600 - 0.02 + 0.001, abs=0.002)


def test_stall_is_caught_up(loop: _Loop) -> None:
    """After a stall the periods that passed come due together, and then one by one again."""
    told: list[int] = []
    _pacer(loop, told.append).start()
    loop.fire()
    loop.fire(late=0.095)
    loop.fire()
    loop.fire()
    assert told == [1, 5, 1, 1]


def test_an_error_stops_nothing(loop: _Loop) -> None:
    """Who is told may fail; the clock goes on."""

    def fail(due: int) -> None:
        """Fail."""
        raise RuntimeError(str(due))

    _pacer(loop, fail).start()
    for _ in range(3):
        with pytest.raises(RuntimeError, match="1"):
            loop.fire()


def test_stop(loop: _Loop) -> None:
    """A clock that was stopped says nothing; stopping one that never ran is fine."""
    told: list[int] = []
    pacer = _pacer(loop, told.append)
    pacer.stop()
    pacer.start()
    loop.fire()
    pacer.stop()
    assert not loop.fire()
    assert told == [1]


def _open_files() -> int:
    """Count the files that this process has open."""
    return len(list(Path("/proc/self/fd").iterdir()))


@pytest.mark.parametrize("by_kernel", [True, False])
async def test_on_a_real_loop(*, by_kernel: bool) -> None:
    """Periods come due with the clock, a stall among them; after the end nothing does."""
    told: list[int] = []
    loop = asyncio.get_running_loop()
    pacer = Pacer(loop, told.append, by_kernel=by_kernel)
    files = _open_files()
    began = loop.time()
    pacer.start()
    pacer.start()
    await asyncio.sleep(0.1)
    time.sleep(0.1)  # noqa: ASYNC251 - the stall
    await asyncio.sleep(0.1)
    passed = loop.time() - began
    pacer.stop()
    count = sum(told)
    assert count == pytest.approx(passed / 0.02 + 1, abs=1.5)
    assert max(told) >= 5
    assert _open_files() == files
    await asyncio.sleep(0.05)
    assert sum(told) == count
    pacer.stop()

"""The clock of all sessions: 20 ms periods against absolute deadlines, so that nothing drifts."""

from __future__ import annotations

import asyncio
import os
import sys
import time
from collections.abc import Callable

from ...protocol import FRAME_SECONDS

# A timer that is exact must not find its period not yet begun: some 200 ns.
_ROUNDING = 1e-5


class Pacer:
    """Tells every 20 ms how many periods have come due: one, or more after a stall.

    A deadline is the start plus a whole number of periods; the lateness of one never adds to
    the next. On Linux the kernel's timer wakes the loop on time; the loop's own timers, which
    serve elsewhere, wake up to 1 ms late (epoll counts in milliseconds). All calls are told in
    one go, for waking costs more than what is done then; nothing runs while there is no call.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop, *, by_kernel: bool = True) -> None:
        """Begin with nobody to tell."""
        self._loop = loop
        self._by_kernel = by_kernel
        self._members: dict[Callable[[int], None], int] = {}
        self._origin = 0.0
        self._told = 0
        self._timer: asyncio.TimerHandle | None = None
        self._descriptor: int | None = None

    def join(self, on_due: Callable[[int], None]) -> None:
        """Tell this one, too, from its next period on; the first of all is due at once."""
        if on_due in self._members:
            return
        self._members[on_due] = max(self._told, self._passed()) if self._members else 0
        if len(self._members) == 1:
            self._start()

    def leave(self, on_due: Callable[[int], None]) -> None:
        """Tell this one nothing after this."""
        if self._members.pop(on_due, None) is not None and not self._members:
            self._stop()

    @property
    def deadline(self) -> float:
        """Return for which loop time the last period that was told was due, in seconds."""
        return self._origin + (self._told - 1) * FRAME_SECONDS

    def is_alone(self, on_due: Callable[[int], None]) -> bool:
        """Tell whether this one alone is told, so that the clock may keep to its wishes."""
        return self._members.keys() == {on_due}

    def hasten(self, seconds: float) -> None:
        """Have all periods to come begin so much sooner, or later if negative."""
        if not seconds or not self._members:
            return
        self._origin -= seconds
        following = self._origin + self._told * FRAME_SECONDS
        if self._descriptor is not None:
            _set_timer(self._descriptor, following)
        elif self._timer is not None:
            self._timer.cancel()
            self._timer = self._loop.call_at(following, self._wake)

    def _start(self) -> None:
        """Begin to count periods."""
        self._told = 0
        self._origin = self._loop.time()
        if self._by_kernel:
            self._descriptor = _kernel_timer(self._origin)
        if self._descriptor is None:
            self._timer = self._loop.call_at(self._origin, self._wake)
        else:
            self._loop.add_reader(self._descriptor, self._woken, self._descriptor)

    def _stop(self) -> None:
        """End."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if self._descriptor is not None:
            self._loop.remove_reader(self._descriptor)
            os.close(self._descriptor)
            self._descriptor = None

    def _wake(self) -> None:
        """Set the next deadline first: who is told may be the last to leave."""
        passed = self._passed()
        self._timer = self._loop.call_at(self._origin + passed * FRAME_SECONDS, self._wake)
        self._tell(passed)

    def _woken(self, descriptor: int) -> None:
        """Take the kernel's word that a period has passed."""
        try:
            os.read(descriptor, 8)
        except BlockingIOError:
            return
        self._tell(self._passed())

    def _passed(self) -> int:
        """Count the periods that have begun since the origin."""
        return int((self._loop.time() - self._origin) / FRAME_SECONDS + _ROUNDING) + 1

    def _tell(self, passed: int) -> None:
        """Tell each what has come due since it was told last; one's failure is not the others'."""
        self._told = max(self._told, passed)
        for on_due, told in tuple(self._members.items()):
            if on_due not in self._members or told >= passed:
                continue
            self._members[on_due] = passed
            try:
                on_due(passed - told)
            except Exception as error:  # noqa: BLE001 - told to the loop, as for a callback of its own
                self._loop.call_exception_handler(
                    {"message": "A period of sound failed", "exception": error}
                )


def _kernel_timer(origin: float) -> int | None:
    """Return a descriptor that is readable every 20 ms from a monotonic time on, if there are."""
    if sys.platform != "linux" or sys.version_info < (3, 13):
        return None
    try:
        descriptor = os.timerfd_create(time.CLOCK_MONOTONIC, flags=os.TFD_NONBLOCK | os.TFD_CLOEXEC)
    except OSError:
        return None
    _set_timer(descriptor, origin)
    return descriptor


def _set_timer(descriptor: int, first: float) -> None:
    """Have a kernel timer expire every 20 ms from a monotonic time on."""
    if sys.platform == "linux" and sys.version_info >= (3, 13):
        os.timerfd_settime(
            descriptor, flags=os.TFD_TIMER_ABSTIME, initial=first, interval=FRAME_SECONDS
        )

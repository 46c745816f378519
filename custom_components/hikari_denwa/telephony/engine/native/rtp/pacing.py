"""The clock of a session: 20 ms periods against absolute deadlines, so that nothing drifts."""

from __future__ import annotations

import asyncio
import os
import sys
import time
from collections.abc import Callable

from ...protocol import FRAME_SECONDS


class Pacer:
    """Tells every 20 ms how many periods have come due: one, or more after a stall.

    A deadline is the start plus a whole number of periods; the lateness of one never adds to
    the next. On Linux the kernel's timer wakes the loop on time; the loop's own timers, which
    serve elsewhere, wake up to 1 ms late (epoll counts in milliseconds).
    """

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        on_due: Callable[[int], None],
        *,
        by_kernel: bool = True,
    ) -> None:
        """Keep whom to tell, with the number of periods that are due."""
        self._loop = loop
        self._on_due = on_due
        self._by_kernel = by_kernel
        self._origin = 0.0
        self._told = 0
        self._started = False
        self._timer: asyncio.TimerHandle | None = None
        self._descriptor: int | None = None

    def start(self) -> None:
        """Begin; the first period is due at once."""
        if self._started:
            return
        self._started = True
        self._origin = self._loop.time()
        if self._by_kernel:
            self._descriptor = _kernel_timer(self._origin)
        if self._descriptor is None:
            self._timer = self._loop.call_at(self._origin, self._wake)
        else:
            self._loop.add_reader(self._descriptor, self._woken, self._descriptor)

    def stop(self) -> None:
        """End; nothing is told after this."""
        if self._timer is not None:
            self._timer.cancel()
        if self._descriptor is not None:
            self._loop.remove_reader(self._descriptor)
            os.close(self._descriptor)
            self._descriptor = None

    def _wake(self) -> None:
        """Set the next deadline first, so that an error in what is told stops nothing."""
        due = self._due()
        self._timer = self._loop.call_at(self._origin + self._told * FRAME_SECONDS, self._wake)
        self._on_due(due)

    def _woken(self, descriptor: int) -> None:
        """Take the kernel's word that a period has passed."""
        try:
            os.read(descriptor, 8)
        except BlockingIOError:
            return
        self._on_due(self._due())

    def _due(self) -> int:
        """Count the periods that have come due since the last time."""
        passed = int((self._loop.time() - self._origin) / FRAME_SECONDS) + 1
        due = max(1, passed - self._told)
        self._told += due
        return due


def _kernel_timer(origin: float) -> int | None:
    """Return a descriptor that is readable every 20 ms from a monotonic time on, if there are."""
    if sys.platform != "linux":
        return None
    try:
        descriptor = os.timerfd_create(time.CLOCK_MONOTONIC, flags=os.TFD_NONBLOCK | os.TFD_CLOEXEC)
    except OSError:
        return None
    os.timerfd_settime(
        descriptor, flags=os.TFD_TIMER_ABSTIME, initial=origin, interval=FRAME_SECONDS
    )
    return descriptor

"""The clock of a session: 20 ms periods against absolute deadlines, so that nothing drifts."""

import asyncio
from collections.abc import Callable

from ...protocol import FRAME_SECONDS


class Pacer:
    """Tells every 20 ms how many periods have come due: one, or more after a stall.

    A deadline is the start plus a whole number of periods. The loop's timer wakes up to
    1 ms late (epoll counts in milliseconds); the lateness of one period never adds to the next.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop, on_due: Callable[[int], None]) -> None:
        """Keep whom to tell, with the number of periods that are due."""
        self._loop = loop
        self._on_due = on_due
        self._origin = 0.0
        self._told = 0
        self._timer: asyncio.TimerHandle | None = None

    def start(self) -> None:
        """Begin; the first period is due at once."""
        if self._timer is None:
            self._origin = self._loop.time()
            self._timer = self._loop.call_at(self._origin, self._wake)

    def stop(self) -> None:
        """End; nothing is told after this."""
        if self._timer is not None:
            self._timer.cancel()

    def _wake(self) -> None:
        """Set the next deadline first, so that an error in what is told stops nothing."""
        passed = int((self._loop.time() - self._origin) / FRAME_SECONDS) + 1
        due = max(1, passed - self._told)
        self._told += due
        self._timer = self._loop.call_at(self._origin + self._told * FRAME_SECONDS, self._wake)
        self._on_due(due)

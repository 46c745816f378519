"""Takes no word from a test for which the machine did not run.

Sound is played on time or not at all, so tests of it need a machine that gives them a processor
when they ask. Where one stood still for longer than any home's does, a failure says nothing of the
code, and the test is played once more, twice at most. A failure with the machine at hand counts.
"""

import threading
from collections.abc import Callable
from time import monotonic
from typing import Self

import pytest
from _pytest.runner import runtestprotocol

MOST_AGAIN = 2
LONGEST_STANDSTILL = 0.04
PLAYED_AGAIN = "played_again"
_LOOK_EVERY = 0.005
_SHORT = 15


class Watch:
    """Measures for how long the process was not let run when it wanted to."""

    def __init__(self, clock: Callable[[], float] = monotonic) -> None:
        """Make ready; ``clock`` gives seconds."""
        self.longest = 0.0
        self._clock = clock
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._look, name="standstill", daemon=True)

    def __enter__(self) -> Self:
        """Begin."""
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        """End."""
        self._over.set()
        self._thread.join()

    @property
    def stood_still(self) -> bool:
        """Tell whether the machine kept the process waiting for too long."""
        return self.longest > LONGEST_STANDSTILL

    def _look(self) -> None:
        """Sleep for a moment, again and again, and note how much longer that took."""
        before = self._clock()
        while not self._over.wait(_LOOK_EVERY):
            now = self._clock()
            self.longest = max(self.longest, now - before - _LOOK_EVERY)
            before = now


def play(item: pytest.Item, following: pytest.Item | None) -> list[pytest.TestReport]:
    """Run a test as pytest does, and again where its failure says nothing; gives the reports."""
    again = 0
    while True:
        began = monotonic()
        with Watch() as watch:
            reports = runtestprotocol(item, nextitem=following, log=False)
        failed = any(report.failed for report in reports)
        # pytest-timeout's watch over a test begins once, and must not run out within.
        is_short = monotonic() - began < _SHORT
        if not (failed and watch.stood_still and is_short and again < MOST_AGAIN):
            break
        again += 1
    if again:
        reports[-1].user_properties.append((PLAYED_AGAIN, again))
    return reports

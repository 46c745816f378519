"""Time as the signalling sees it: an event loop in the engine, a fake in the tests."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol


class Timer(Protocol):
    """Something that will happen, unless it is cancelled."""

    def cancel(self) -> None:
        """Let it not happen; no effect when it has."""


class Clock(Protocol):
    """The part of an event loop that the signalling needs; times are in seconds."""

    def time(self) -> float:
        """Give the monotonic time."""

    def call_later(self, delay: float, callback: Callable[[], object], /) -> Timer:
        """Call back after a delay."""


@dataclass(frozen=True, kw_only=True)
class TimerValues:
    """The base values of the timers, in seconds (RFC 3261 §17, table 4)."""

    t1: float = 0.5
    t2: float = 4.0
    t4: float = 5.0

    @property
    def timeout(self) -> float:
        """Give 64*T1, the value of timers B, F, H, J, L and M."""
        return 64 * self.t1

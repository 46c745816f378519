"""Responses that are sent again until the far side confirms them (RFC 3261 §13.3.1.4, 3262 §3)."""

from __future__ import annotations

from collections.abc import Callable

from ...sip.clock import Clock, Timer, TimerValues


class Repetition:
    """Sends at once and again after T1, twice T1 and so on, until `stop` or for 64*T1."""

    def __init__(
        self,
        clock: Clock,
        values: TimerValues,
        *,
        send: Callable[[], None],
        give_up: Callable[[], None],
        longest_interval: float | None = None,
    ) -> None:
        """Send for the first time; intervals grow to `longest_interval` seconds, if it is given."""
        self._clock = clock
        self._send = send
        self._longest = longest_interval or values.timeout
        self._interval = values.t1
        self._again: Timer = clock.call_later(self._interval, self._resend)
        self._end: Timer = clock.call_later(values.timeout, give_up)
        send()

    def stop(self) -> None:
        """Stop: it is confirmed, or nothing matters any more."""
        self._again.cancel()
        self._end.cancel()

    def _resend(self) -> None:
        """Send once more."""
        self._interval = min(self._interval * 2, self._longest)
        self._again = self._clock.call_later(self._interval, self._resend)
        self._send()

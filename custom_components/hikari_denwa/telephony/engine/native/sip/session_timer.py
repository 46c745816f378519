"""Session timers (RFC 4028): who refreshes a session, and when it has expired."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from ...sip.clock import Clock, Timer
from ...sip.messages import Request, Response, SessionExpires

# §4, §7.1: what we ask for, and the least that we may be asked to take as callers.
ASKED_INTERVAL = 1800
SMALLEST_INTERVAL = 90
_LONGEST_INTERVAL = 7 * 86400
_EXPIRY_MARGIN = 32.0


@dataclass(frozen=True, kw_only=True)
class SessionInterval:
    """What both sides agreed on: seconds, and whether the refreshes are ours to send."""

    seconds: int
    we_refresh: bool


@dataclass(frozen=True, kw_only=True)
class TimerAnswer:
    """What a 2xx of ours says: its Session-Expires, and whether it has `Require: timer`."""

    interval: SessionInterval
    header: SessionExpires
    required: bool


def answer_timer(request: Request, current: SessionInterval | None = None) -> TimerAnswer | None:
    """Answer the Session-Expires of an INVITE or UPDATE (§9); None for no session timer.

    The refresher that the request names is kept; where it names none it is the caller, who is
    the gateway. A refresh that forgets the header goes on with the current interval.
    """
    supported = "timer" in (*request.supported, *request.require)
    asked = request.session_expires
    if asked is None and supported and current:
        asked = SessionExpires(current.seconds, "uas" if current.we_refresh else "uac")
    if asked is None or asked.seconds < 1:
        return None
    refresher = (asked.refresher or "uac") if supported else "uas"
    return TimerAnswer(
        interval=SessionInterval(
            seconds=min(asked.seconds, _LONGEST_INTERVAL), we_refresh=refresher == "uas"
        ),
        header=SessionExpires(asked.seconds, refresher),
        required=supported,
    )


def agreed_timer(response: Response) -> SessionInterval | None:
    """Read what a 2xx to a request of ours settled (§7.2); None for no session timer."""
    settled = response.session_expires
    if settled is None or settled.seconds < 1:
        return None
    return SessionInterval(
        seconds=min(settled.seconds, _LONGEST_INTERVAL), we_refresh=settled.refresher != "uas"
    )


class SessionTimer:
    """Calls for refreshes at half the interval, or for the end shortly before it is over."""

    def __init__(
        self, clock: Clock, *, refresh: Callable[[], None], expired: Callable[[], None]
    ) -> None:
        """Take what sends a refresh, and what ends the session."""
        self._clock = clock
        self._refresh = refresh
        self._expired = expired
        self._timers: list[Timer] = []
        self.interval: SessionInterval | None = None

    def restart(self, interval: SessionInterval | None) -> None:
        """Start anew, as every 2xx to an INVITE or UPDATE does; None for no timer (§10)."""
        self.stop()
        self.interval = interval
        if interval is None:
            return
        seconds = float(interval.seconds)
        margin = min(_EXPIRY_MARGIN, seconds / 3)
        self._timers.append(self._clock.call_later(seconds - margin, self._expired))
        if interval.we_refresh:
            self._timers.append(self._clock.call_later(seconds / 2, self._refresh))

    def retry_refresh(self, delay: float) -> None:
        """Call for the refresh once more after some seconds; the expiry stands."""
        self._timers.append(self._clock.call_later(delay, self._refresh))

    def stop(self) -> None:
        """Stop; the interval is kept."""
        for timer in self._timers:
            timer.cancel()
        self._timers.clear()

"""A connected call's sound, watched: how it is, and that it has not stopped for good."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from ..protocol import SoundQuality
from .clock import Clock, Timer

_TICK_SECONDS = 2.0
_TICKS_PER_QUALITY = 5
# Neither sound nor a report for so long: whoever was there has gone. Pauses of speech are sent
# as sound or comfort noise; no fact tells that gateways end such a call themselves (§8.1).
MEDIA_TIMEOUT_SECONDS = 30.0


class WatchedSound(Protocol):
    """The sound of a call as far as it is watched."""

    @property
    def held(self) -> bool:
        """Tell whether nothing is to be missed: the call is on hold."""

    @property
    def quality(self) -> SoundQuality:
        """Tell how it sounds so far."""

    @property
    def silent_for(self) -> float | None:
        """Tell for how many seconds nothing has come, None while nothing is to come."""


class SoundWatch:
    """Tells every ten seconds how a call sounds, and once that nothing comes any more.

    Nothing is missed while either side has the call on hold.
    """

    def __init__(
        self,
        clock: Clock,
        media: WatchedSound,
        *,
        on_quality: Callable[[SoundQuality], None],
        on_timeout: Callable[[], None],
    ) -> None:
        """Begin to watch."""
        self._clock = clock
        self._media = media
        self._on_quality = on_quality
        self._on_timeout = on_timeout
        self._ticks = 0
        self._resumed_at = clock.time()
        self._timer: Timer = clock.call_later(_TICK_SECONDS, self._tick)

    def stop(self) -> None:
        """Tell how it sounded, and nothing more."""
        self._timer.cancel()
        self._on_quality(self._media.quality)

    def _tick(self) -> None:
        """Look once."""
        self._timer = self._clock.call_later(_TICK_SECONDS, self._tick)
        self._ticks += 1
        if self._ticks % _TICKS_PER_QUALITY == 0:
            self._on_quality(self._media.quality)
        if self._media.held:
            self._resumed_at = self._clock.time()
        silent_for = self._media.silent_for
        if silent_for is None:
            return
        watched = self._clock.time() - self._resumed_at
        if min(silent_for, watched) >= MEDIA_TIMEOUT_SECONDS:
            self._on_timeout()

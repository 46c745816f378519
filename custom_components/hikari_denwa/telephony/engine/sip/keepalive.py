"""OPTIONS to the gateway, so that its reboot is noticed before somebody calls (facts §1.2)."""

from __future__ import annotations

from collections.abc import Callable

from .clock import Clock, Timer

# As often as Asterisk's qualify, which gateways are known to stand.
INTERVAL = 25.0
ANSWER_WITHIN = 4.0
# Units that never answer OPTIONS are asked by a REGISTER instead, and less often.
_SILENT_UNIT_INTERVAL = 60.0
_GIVEN_UP_AFTER = 3


class Keepalive:
    """Asks the gateway from time to time whether it is there, and acts when it may not be.

    Any final response means that it is. Silence of a gateway that has answered before calls
    for `verify`, which registers anew; silence of one that never did means nothing, so there
    `verify` is called at intervals.
    """

    def __init__(
        self,
        clock: Clock,
        *,
        ask: Callable[[], Callable[[], None]],
        address_is_ours: Callable[[], bool],
        verify: Callable[[], None],
    ) -> None:
        """Take what sends OPTIONS: `ask` gives what abandons it, and `answered` is told."""
        self._clock = clock
        self._send = ask
        self._address_is_ours = address_is_ours
        self._verify = verify
        self._timer: Timer | None = None
        self._abandon: Callable[[], None] | None = None
        self._answers = False
        self._silences = 0

    def start(self) -> None:
        """Ask from now on; anew if it is asking."""
        self.stop()
        silent_unit = not self._answers and self._silences >= _GIVEN_UP_AFTER
        if silent_unit:
            self._timer = self._clock.call_later(_SILENT_UNIT_INTERVAL, self._verify)
        else:
            self._timer = self._clock.call_later(INTERVAL, self._ask)

    def stop(self) -> None:
        """Ask no more."""
        if self._timer:
            self._timer.cancel()
            self._timer = None
        if self._abandon:
            abandon, self._abandon = self._abandon, None
            abandon()

    def answered(self) -> None:
        """Go on after a final response."""
        if self._abandon is None:
            return
        self._answers = True
        self._silences = 0
        self._abandon = None
        self.start()

    def failed(self) -> None:
        """Take an ICMP error for what it says."""
        if self._abandon is not None:
            self._abandon = None
            self._verify_now()

    def _ask(self) -> None:
        """Send OPTIONS, unless we have moved."""
        if not self._address_is_ours():
            self._verify_now()
            return
        self._timer = self._clock.call_later(ANSWER_WITHIN, self._silent)
        self._abandon = self._send()

    def _silent(self) -> None:
        """Take silence for a sign of trouble from those who were not silent before."""
        self._silences += 1
        if self._answers:
            self._verify_now()
        else:
            self.start()

    def _verify_now(self) -> None:
        """Stop asking, and let the registration find out; its success starts us anew."""
        self.stop()
        self._verify()

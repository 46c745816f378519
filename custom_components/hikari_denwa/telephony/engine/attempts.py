"""How often an address may be wrong: who guesses tokens has to wait."""

from __future__ import annotations

import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass

_FREE_ATTEMPTS = 5
_FIRST_PAUSE = 2.0
_LONGEST_PAUSE = 60.0
_MOST_ADDRESSES = 1000


@dataclass
class _Record:
    """How often an address was wrong, and until when it has to wait."""

    wrong: int = 0
    until: float = 0.0


class Attempts:
    """Keeps count of wrong tokens by address.

    Five are free; each one after them doubles the pause, from 2 s to a minute. Only a
    minute, so that nobody who shares the address (this machine, say) is shut out for long.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        """Begin with a clean slate."""
        self._clock = clock
        self._records: OrderedDict[str, _Record] = OrderedDict()

    def wait(self, address: str) -> float:
        """Return for how many seconds an address is not listened to."""
        record = self._records.get(address)
        return max(0.0, record.until - self._clock()) if record else 0.0

    def wrong(self, address: str) -> None:
        """Note a wrong token."""
        record = self._records.setdefault(address, _Record())
        self._records.move_to_end(address)
        record.wrong += 1
        if (beyond := record.wrong - _FREE_ATTEMPTS) >= 0:
            pause = min(_FIRST_PAUSE * 2**beyond, _LONGEST_PAUSE) if beyond < 10 else _LONGEST_PAUSE
            record.until = self._clock() + pause
        if len(self._records) > _MOST_ADDRESSES:
            self._records.popitem(last=False)

    def right(self, address: str) -> None:
        """Forget what an address did before it knew the token."""
        self._records.pop(address, None)

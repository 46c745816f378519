"""A call from one registered extension to another, through the gateway."""

import asyncio
from collections.abc import Iterator
from dataclasses import dataclass

from .call import Call, CallEnd, CallEndedError
from .incoming import IncomingCall
from .outgoing import OutgoingCall
from .recording import Recording
from .sources import SILENT_FRAME, Listener

UNANSWERED = 480
RING_LIMIT_SECONDS = 180.0


@dataclass(frozen=True)
class Relay:
    """What the other leg hears."""

    recording: Recording

    def frames(self, heard: Listener) -> Iterator[bytes | None]:
        """Yield the other leg's sound, and silence until there is some."""
        del heard
        while True:
            yield self.recording.next_heard() or SILENT_FRAME


async def bridge(caller: OutgoingCall, callee: IncomingCall) -> None:
    """Carry ringing, answer, sound and end from one leg to the other."""
    watch = asyncio.ensure_future(_end_with(caller, callee))
    try:
        await callee.ringing(RING_LIMIT_SECONDS)
        await caller.tell_ringing()
        await callee.answered(RING_LIMIT_SECONDS)
        await caller.accept(Relay(callee.received))
        await caller.answered()
        callee.play(Relay(caller.received))
        await callee.ended(None)
        await caller.hang_up()
    except CallEndedError, TimeoutError:
        _refuse(caller, callee.end)
    finally:
        watch.cancel()


def _refuse(caller: OutgoingCall, end: CallEnd | None) -> None:
    """Tell the caller why the other extension did not answer."""
    status = end.status if end else 0
    caller.refuse(status if status >= 400 and status != 408 else UNANSWERED)


async def _end_with(first: Call, second: Call) -> None:
    """Hang up the second call when the first ends."""
    await first.ended(None)
    await second.hang_up()

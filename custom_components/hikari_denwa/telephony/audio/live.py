"""The live hub: the sound of one call to any number of listeners, each at its own pace."""

from __future__ import annotations

import asyncio
from collections import deque
from typing import Self

_LIMIT_FRAMES = 50


class LiveListener:
    """An async iterator of 20 ms frames of µ-law, in order, from when it was opened.

    One task may iterate. What a listener is too slow to take is dropped, oldest first,
    and counted in ``dropped``; nobody else notices. Iteration ends when the hub or the
    listener is closed, after what still waited.
    """

    def __init__(self, hub: LiveHub, limit_frames: int) -> None:
        """Belong to a hub; ``LiveHub.listen`` makes listeners."""
        self.dropped = 0
        self._hub = hub
        self._frames: deque[bytes] = deque()
        self._limit = limit_frames
        self._ended = False
        self._waiter: asyncio.Future[None] | None = None

    def __aiter__(self) -> Self:
        """Return itself."""
        return self

    async def __anext__(self) -> bytes:
        """Wait for the next frame (160 bytes)."""
        while not self._frames:
            if self._ended:
                raise StopAsyncIteration
            self._waiter = asyncio.get_running_loop().create_future()
            try:
                await self._waiter
            finally:
                self._waiter = None
        return self._frames.popleft()

    def close(self) -> None:
        """Take no more frames; once is enough."""
        self._hub.forget(self)
        self.end()

    def push(self, payload: bytes) -> None:
        """Take a frame from the hub."""
        if len(self._frames) >= self._limit:
            self._frames.popleft()
            self.dropped += 1
        self._frames.append(payload)
        self._wake()

    def end(self) -> None:
        """Be told by the hub that nothing follows."""
        self._ended = True
        self._wake()

    def _wake(self) -> None:
        """Let the one who iterates go on."""
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)


class LiveHub:
    """Fans the frames of one call out; for the event loop's thread, and never waiting."""

    def __init__(self) -> None:
        """Start without listeners, before or after the first frame."""
        self._listeners: set[LiveListener] = set()
        self._closed = False

    @property
    def listener_count(self) -> int:
        """Return how many listen now."""
        return len(self._listeners)

    def publish(self, payload: bytes) -> None:
        """Give a frame (160 bytes of µ-law) to every listener."""
        for listener in self._listeners:
            listener.push(payload)

    def listen(self, *, limit_frames: int = _LIMIT_FRAMES) -> LiveListener:
        """Return a new listener that holds back at most so many frames of 20 ms.

        That of a closed hub ends at once. Raises ValueError for a limit below one.
        """
        if limit_frames < 1:
            raise ValueError(f"a listener holds at least one frame, not {limit_frames}")
        listener = LiveListener(self, limit_frames)
        if self._closed:
            listener.end()
        else:
            self._listeners.add(listener)
        return listener

    def forget(self, listener: LiveListener) -> None:
        """Give a listener nothing more."""
        self._listeners.discard(listener)

    def close(self) -> None:
        """End every listener once it has taken what waits for it; once is enough."""
        self._closed = True
        for listener in self._listeners:
            listener.end()
        self._listeners.clear()

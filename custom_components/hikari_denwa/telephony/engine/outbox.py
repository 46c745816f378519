"""What waits to be sent over a WebSocket: messages always, sound while there is room."""

from __future__ import annotations

import asyncio
import logging
import struct
from collections import deque
from typing import Protocol

from .protocol import SOUND_MESSAGE_BYTES, Message, SoundFrame, encode
from .tasks import start_now

_LOGGER = logging.getLogger(__name__)
_MOST_TEXTS = 10_000
_MOST_FRAMES = 500
# RFC 6455 §5.2: a whole binary message, unmasked, whose length is in the 16 bits that follow.
_SOUND_FRAME_HEADER = struct.pack("!BBH", 0x82, 126, SOUND_MESSAGE_BYTES)


class Sender(Protocol):
    """The side of aiohttp's WebSockets that the outbox needs."""

    @property
    def closed(self) -> bool:
        """Tell whether the WebSocket is being closed, or is."""

    async def send_str(self, data: str) -> None:
        """Send a text message; waits while the connection is full."""

    async def send_bytes(self, data: bytes) -> None:
        """Send a binary message; waits while the connection is full."""


class Outbox:
    """Sends in order, at once when the connection takes it, and never makes the caller wait.

    Messages go before sound. When the other side does not read, the oldest sound is dropped
    (10 s are kept) and messages are kept; past 10,000 of them the outbox is ``broken``.

    A server's sound goes straight into the transport while nothing waits there: a task and two
    coroutines for every 20 ms are a fifteenth of what a call costs.
    """

    def __init__(self, sender: Sender, transport: asyncio.WriteTransport | None = None) -> None:
        """Begin empty. ``transport`` is what an uncompressed server's ``sender`` writes to."""
        self._sender = sender
        self._transport = transport
        self._texts: deque[str] = deque()
        self._frames: deque[bytes] = deque(maxlen=_MOST_FRAMES)
        self._task: asyncio.Task[None] | None = None
        self.broken = asyncio.Event()

    def post(self, message: Message) -> None:
        """Send a message."""
        if self.broken.is_set():
            return
        self._texts.append(encode(message))
        if len(self._texts) > _MOST_TEXTS:
            _LOGGER.error("The other side has not read %s messages; giving up on it", _MOST_TEXTS)
            self._break()
            return
        self._hurry()

    def post_sound(self, frame: SoundFrame) -> None:
        """Send 20 ms of sound, or drop the oldest that waits."""
        if self.broken.is_set():
            return
        message = frame.encode()
        if self._transport is not None and self._is_free(self._transport):
            self._transport.write(_SOUND_FRAME_HEADER + message)
            return
        self._frames.append(message)
        self._hurry()

    async def drained(self) -> None:
        """Wait until everything posted so far has been handed to the connection."""
        if self._task:
            await asyncio.wait({self._task})

    async def close(self) -> None:
        """Send nothing more."""
        self._break()
        if self._task:
            self._task.cancel()
            await asyncio.wait({self._task})

    def _break(self) -> None:
        """Forget what waits."""
        self.broken.set()
        self._texts.clear()
        self._frames.clear()

    def _is_free(self, transport: asyncio.WriteTransport) -> bool:
        """Tell whether a whole frame can be written now, without getting before another."""
        if self._is_sending or self._sender.closed or transport.is_closing():
            return False
        return not transport.get_write_buffer_size()

    @property
    def _is_sending(self) -> bool:
        """Tell whether something waits until the connection takes it."""
        return self._task is not None and not self._task.done()

    def _hurry(self) -> None:
        """Send now, in this very call as far as the connection takes it."""
        if self._is_sending:
            return
        self._task = start_now(self._send())

    async def _send(self) -> None:
        """Send until nothing waits; whoever reads the connection learns that it broke."""
        try:
            while self._texts or self._frames:
                if self._texts:
                    await self._sender.send_str(self._texts.popleft())
                else:
                    await self._sender.send_bytes(self._frames.popleft())
        except ConnectionError:
            self._break()

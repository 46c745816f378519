"""One conversation with an engine, from its hello until the connection breaks."""

from __future__ import annotations

import asyncio
import itertools
import logging
from collections.abc import Callable
from contextlib import suppress
from typing import Protocol, TypeVar

import aiohttp

from ..errors import (
    EngineError,
    EngineForeignError,
    EngineLostError,
    EngineSilentError,
    EngineStartError,
    EngineUnreachableError,
    ProtocolError,
)
from .child import RunningEngine
from .outbox import Outbox
from .protocol import (
    Command,
    Dialled,
    Event,
    Failure,
    HangUp,
    Hello,
    Reply,
    SoundFrame,
    Welcome,
    decode,
)
from .remote import certificate_error

_LOGGER = logging.getLogger(__name__)
_R = TypeVar("_R", bound=Reply)
_T = TypeVar("_T")
_PING_SECONDS = 5.0
_SILENT_PINGS = 2
_LARGEST_MESSAGE = 1_048_576
_CLOSE_SECONDS = 1.0


class Hearer(Protocol):
    """Who is told what the engine says, on the loop, as it is read."""

    def engine_event(self, event: Event) -> None:
        """Hear an event."""

    def engine_sound(self, frame: SoundFrame) -> None:
        """Hear 20 ms of sound."""


class Conversation:
    """Commands and their replies, events and sound over one connection.

    A reply reaches who waits for it before anything that the engine sent after it is
    read. An engine that answers no ping for some 10 s in which we could read is killed.
    """

    def __init__(
        self, engine: RunningEngine, socket: aiohttp.ClientWebSocketResponse, hearer: Hearer
    ) -> None:
        """Take a connection over; ``open`` makes one."""
        self.engine = engine
        self.welcome: Welcome
        self._socket = socket
        self._outbox = Outbox(socket)
        self._hearer = hearer
        self._numbers = itertools.count(1)
        self._pending: dict[int, asyncio.Future[Reply]] = {}
        self._heard = 0
        self._broken = False
        self._tasks: list[asyncio.Task[None]] = []

    @classmethod
    async def open(cls, engine: RunningEngine, hearer: Hearer) -> Conversation:
        """Connect and greet. Raises the EngineError that tells why that cannot be."""
        try:
            socket = await engine.session.ws_connect(
                engine.url,
                autoping=False,
                max_msg_size=_LARGEST_MESSAGE,
                timeout=aiohttp.ClientWSTimeout(ws_close=_CLOSE_SECONDS),
            )
        except (aiohttp.ClientError, OSError) as error:
            raise _not_connected(engine, error) from error
        conversation = cls(engine, socket, hearer)
        conversation._tasks.append(asyncio.create_task(conversation._read(), name="engine"))
        try:
            hello = Hello(id=conversation.next_id(), token=engine.token)
            welcome = await conversation.begin(hello)
        except EngineLostError as error:
            await conversation.close()
            raise EngineStartError(detail="it hung up at once") from error
        except BaseException:
            await conversation.close()
            raise
        if not isinstance(welcome, Welcome):
            await conversation.close()
            raise EngineStartError(detail="it did not welcome us")
        conversation.welcome = welcome
        conversation._tasks.append(asyncio.create_task(conversation._watch(), name="engine watch"))
        return conversation

    def next_id(self) -> int:
        """Return a number that no command of this conversation has had."""
        return next(self._numbers)

    def begin(self, command: Command) -> asyncio.Future[Reply]:
        """Send a command now; the future has its reply or raises its failure."""
        future: asyncio.Future[Reply] = asyncio.get_running_loop().create_future()
        if self._broken:
            future.set_exception(EngineLostError())
            return future
        self._pending[command.id] = future
        self._outbox.post(command)
        return future

    async def ask(self, kind: type[_R], command: Command, *, time_limit: float) -> _R:
        """Send a command and return its reply. Raises its failure, or EngineSilentError."""
        try:
            async with asyncio.timeout(time_limit):
                reply = await self.begin(command)
        except TimeoutError:
            raise EngineSilentError from None
        finally:
            self._pending.pop(command.id, None)
        if not isinstance(reply, kind):
            raise ProtocolError(detail=f"{reply.kind} in answer to {command.kind}")
        return reply

    def play(self, frame: SoundFrame) -> None:
        """Send sound to be played into a call."""
        self._outbox.post_sound(frame)

    async def ended(self) -> None:
        """Wait until the connection breaks."""
        await asyncio.wait({self._tasks[0]})

    async def close(self) -> None:
        """End the conversation; the engine itself stays."""
        self._break()
        for task in self._tasks:
            task.cancel()
        await asyncio.wait(self._tasks)
        await self._outbox.close()
        await self._socket.close()

    async def _read(self) -> None:
        """Read until the connection breaks."""
        try:
            while True:
                message = await self._socket.receive()
                self._heard += 1
                if message.type is aiohttp.WSMsgType.TEXT:
                    await self._take(message.data)
                elif message.type is aiohttp.WSMsgType.BINARY:
                    self._take_sound(message.data)
                elif message.type is aiohttp.WSMsgType.PING:
                    await self._socket.pong(message.data)
                elif message.type is not aiohttp.WSMsgType.PONG:
                    return
        except ConnectionError:
            return
        finally:
            self._break()

    async def _take(self, text: str) -> None:
        """Take a reply or an event."""
        try:
            message = decode(text)
        except ProtocolError as error:
            _LOGGER.warning("The engine said what cannot be understood: %s", error)
            return
        if isinstance(message, Reply):
            self._settle(message)
            # Who waits for the reply goes on before the events that follow it are told.
            await asyncio.sleep(0)
        elif isinstance(message, Event):
            self._guard(self._hearer.engine_event, message)

    def _take_sound(self, data: bytes) -> None:
        """Take 20 ms of sound."""
        try:
            frame = SoundFrame.decode(data)
        except ProtocolError as error:
            _LOGGER.warning("The engine sent sound that cannot be understood: %s", error)
            return
        self._guard(self._hearer.engine_sound, frame)

    def _guard(self, hear: Callable[[_T], None], message: _T) -> None:
        """Tell the hearer, whose failure must not end the conversation."""
        try:
            hear(message)
        except Exception:
            _LOGGER.exception("What the engine said could not be handled")

    def _settle(self, reply: Reply) -> None:
        """Give a reply to who waits for it; a call that nobody waits for any more is hung up."""
        future = self._pending.pop(reply.id, None)
        if future is None or future.done():
            if isinstance(reply, Dialled):
                self._outbox.post(HangUp(id=self.next_id(), call=reply.call))
            return
        if isinstance(reply, Failure):
            future.set_exception(reply.error())
        else:
            future.set_result(reply)

    def _break(self) -> None:
        """Fail every command that waits."""
        self._broken = True
        for future in self._pending.values():
            if not future.done():
                future.set_exception(EngineLostError())
        self._pending.clear()

    async def _watch(self) -> None:
        """Kill an engine that hangs.

        Counted in pings, not in seconds: while our own event loop is blocked neither side
        is at fault.
        """
        silent = 0
        while silent < _SILENT_PINGS:
            heard = self._heard
            with suppress(ConnectionError, TimeoutError):
                async with asyncio.timeout(_PING_SECONDS):
                    await self._socket.ping()
            await asyncio.sleep(_PING_SECONDS)
            silent = silent + 1 if self._heard == heard else 0
        _LOGGER.error("The engine does not answer any more")
        self.engine.kill()
        self._break()
        self._tasks[0].cancel()


def _not_connected(engine: RunningEngine, error: Exception) -> EngineError:
    """Return why an engine was not reached, as its owner has to know it."""
    if engine.pid is not None:
        return EngineStartError(detail=str(error))
    if told := certificate_error(engine.url, error):
        return told
    if isinstance(error, aiohttp.ClientResponseError):
        return EngineForeignError(url=engine.url)
    return EngineUnreachableError(url=engine.url)

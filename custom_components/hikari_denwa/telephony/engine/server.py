"""The engine's side of the protocol: a WebSocket that one client at a time talks to."""

from __future__ import annotations

import asyncio
import hmac
import json
import logging
import math
import os
from contextlib import suppress
from dataclasses import dataclass, field

from aiohttp import WSMessage, WSMsgType, web

from ..errors import (
    EngineError,
    EngineLockedError,
    EngineTokenError,
    EngineVersionError,
    ProtocolError,
    TelephonyError,
)
from .attempts import Attempts
from .commands import Engine, MakeBackend
from .lines import Timing
from .outbox import Outbox
from .protocol import (
    VERSION,
    Command,
    Event,
    Failure,
    Hello,
    Shutdown,
    SoundFrame,
    Welcome,
    decode,
)
from .tasks import start_now

_LOGGER = logging.getLogger(__name__)
_HELLO_SECONDS = 10.0
_LARGEST_MESSAGE = 65_536
_WRITE_BUFFER = 16_384
_MOST_STRANGERS = 32


@dataclass(kw_only=True)
class _Client:
    """Who is connected: the socket, what waits to be sent, and the commands under way."""

    socket: web.WebSocketResponse
    outbox: Outbox
    commands: set[asyncio.Task[None]] = field(default_factory=set)


class Server:
    """Serves one client; the newest takes the place of the one before.

    When a client goes, its lines are removed. ``stop`` is set when the engine is to end:
    after ``linger`` seconds without a client (None: never), and on ``Shutdown`` if the client
    owns the engine; else that removes its lines alone.
    """

    def __init__(
        self,
        make_backend: MakeBackend,
        *,
        token: str | None = None,
        linger: float | None = None,
        heartbeat: float | None = None,
        owned: bool = True,
        timing: Timing | None = None,
    ) -> None:
        """Keep the terms; a ``token`` is asked of every client."""
        self.stop = asyncio.Event()
        self.engine = Engine(
            make_backend, emit=self._emit, emit_sound=self._emit_sound, timing=timing
        )
        self._token = token
        self._linger = linger
        self._heartbeat = heartbeat
        self._owned = owned
        self._client: _Client | None = None
        self._attempts = Attempts()
        self._strangers = 0
        self._seat = asyncio.Lock()
        self._leaving: asyncio.TimerHandle | None = None
        app = web.Application()
        app.router.add_get("/", self._converse)
        app.router.add_get("/health", _tell_health)
        self.runner = web.AppRunner(app, access_log=None, shutdown_timeout=1.0)

    async def start(self) -> None:
        """Make ready; sites on ``runner`` can be started then."""
        await self.engine.start()
        await self.runner.setup()
        self._wait_for_client()

    async def close(self) -> None:
        """Un-register everything, tell the client what there is to tell, and close."""
        if self._leaving:
            self._leaving.cancel()
        await self.engine.close()
        # The client may go while its last messages are being written.
        if client := self._client:
            await client.outbox.drained()
            await client.socket.close()
        await self.runner.cleanup()

    async def _converse(self, request: web.Request) -> web.WebSocketResponse:
        """Talk with a client until it goes."""
        if self._strangers >= _MOST_STRANGERS:
            raise web.HTTPServiceUnavailable
        socket = web.WebSocketResponse(
            compress=False,
            heartbeat=self._heartbeat,
            max_msg_size=_LARGEST_MESSAGE,
            timeout=1.0,
            writer_limit=_WRITE_BUFFER,
        )
        await socket.prepare(request)
        if request.transport:
            request.transport.set_write_buffer_limits(high=_WRITE_BUFFER)
        outbox = Outbox(socket, request.transport)
        self._strangers += 1
        try:
            hello = await self._greeting(socket, outbox, request.remote or "")
        finally:
            self._strangers -= 1
        if hello is None:
            await outbox.drained()
            await socket.close()
            return socket
        if self._client:
            await self._client.socket.close()
        async with self._seat:
            await self._serve(_Client(socket=socket, outbox=outbox), hello)
        return socket

    async def _greeting(
        self, socket: web.WebSocketResponse, outbox: Outbox, address: str
    ) -> Hello | None:
        """Return the client's ``Hello`` if it may come in, and tell it if it may not."""
        try:
            async with asyncio.timeout(_HELLO_SECONDS):
                hello = decode(await socket.receive_str())
        except (TimeoutError, TypeError, ProtocolError):
            return None
        if not isinstance(hello, Hello):
            _LOGGER.warning("A client did not begin with a hello")
            return None
        if refusal := self._refusal(hello, address):
            outbox.post(Failure.of(hello.id, refusal))
            return None
        return hello

    def _refusal(self, hello: Hello, address: str) -> EngineError | None:
        """Return why a client may not come in, and log it as a sentence for who runs the engine."""
        if wait := math.ceil(self._attempts.wait(address)):
            return EngineLockedError(seconds=str(wait))
        if self._token and not _same(self._token, hello.token or ""):
            self._attempts.wrong(address)
            _LOGGER.warning("A client at %s was refused: its token is not ours", address)
            return EngineTokenError()
        self._attempts.right(address)
        if hello.version != VERSION:
            _LOGGER.warning(
                "A client at %s was refused: it speaks version %s of the protocol and this engine"
                " version %s; update the older one of the two, the integration or the engine",
                address,
                hello.version,
                VERSION,
            )
            return EngineVersionError(ours=str(hello.version), theirs=str(VERSION))
        return None

    async def _serve(self, client: _Client, hello: Hello) -> None:
        """Welcome a client and do what it asks until it goes; then remove its lines."""
        self._client = client
        if self._leaving:
            self._leaving.cancel()
        client.outbox.post(
            Welcome(
                id=hello.id,
                version=VERSION,
                backend=self.engine.backend.name,
                families=self.engine.backend.families,
                pid=os.getpid(),
            )
        )
        breaking = asyncio.create_task(self._close_when_broken(client))
        try:
            async for message in client.socket:
                self._take(client, message)
        finally:
            breaking.cancel()
            self._client = None
            await client.outbox.close()
            for task in client.commands:
                task.cancel()
            if not self.stop.is_set():
                await self.engine.release()
                self._wait_for_client()

    def _take(self, client: _Client, message: WSMessage) -> None:
        """Take one message; commands run beside each other from here on."""
        if message.type is WSMsgType.BINARY:
            self.engine.play(message.data)
            return
        if message.type is not WSMsgType.TEXT:
            return
        try:
            command = decode(message.data)
            if not isinstance(command, Command):
                raise ProtocolError(detail=f"no command: {command.kind}")  # noqa: TRY301 - one way out
        except ProtocolError as error:
            self._refuse(client, message.data, error)
            return
        task = start_now(self._carry_out(client, command))
        if not task.done():
            client.commands.add(task)
            task.add_done_callback(client.commands.discard)

    async def _carry_out(self, client: _Client, command: Command) -> None:
        """Carry a command out and send the reply."""
        reply = await self.engine.carry_out(command)
        client.outbox.post(reply)
        if isinstance(command, Shutdown) and self._owned:
            await client.outbox.drained()
            self.stop.set()

    def _refuse(self, client: _Client, text: str, error: TelephonyError) -> None:
        """Answer what is no command, if its number can be read."""
        _LOGGER.warning("A message that cannot be understood: %s", error)
        with suppress(ValueError, KeyError, TypeError):
            number = json.loads(text)["id"]
            if type(number) is int:
                client.outbox.post(Failure.of(number, error))

    async def _close_when_broken(self, client: _Client) -> None:
        """Close the connection of a client that has stopped reading."""
        await client.outbox.broken.wait()
        await client.socket.close()

    def _wait_for_client(self) -> None:
        """End the engine if nobody comes in time."""
        if self._linger is not None:
            loop = asyncio.get_running_loop()
            self._leaving = loop.call_later(self._linger, self.stop.set)

    def _emit(self, event: Event) -> None:
        """Tell the client an event."""
        if self._client:
            self._client.outbox.post(event)

    def _emit_sound(self, frame: SoundFrame) -> None:
        """Send the client sound."""
        if self._client:
            self._client.outbox.post_sound(frame)


def _same(token: str, other: str) -> bool:
    """Compare tokens in a time that tells nothing about them."""
    return hmac.compare_digest(token.encode(), other.encode())


async def _tell_health(_request: web.Request) -> web.Response:
    """Tell a watchdog that the loop runs; nothing that is not known anyway."""
    return web.json_response({"status": "ok"})

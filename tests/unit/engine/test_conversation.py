"""What a client makes of an engine that says what it should not."""

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable

import aiohttp
import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from custom_components.hikari_denwa.telephony.calls import Family
from custom_components.hikari_denwa.telephony.engine.conversation import Conversation
from custom_components.hikari_denwa.telephony.engine.protocol import (
    VERSION,
    Event,
    FetchTrace,
    Result,
    SoundDirection,
    SoundFrame,
    Traced,
    Welcome,
    encode,
)
from custom_components.hikari_denwa.telephony.errors import (
    EngineLostError,
    EngineSilentError,
    EngineStartError,
    ProtocolError,
)

pytestmark = pytest.mark.usefixtures("loopback")
WELCOME = encode(Welcome(id=1, version=VERSION, backend="odd", families=(Family.IPV6,), pid=1))
FRAME = SoundFrame(direction=SoundDirection.FAR, channel=1, number=1, payload=bytes(160))
Says = Callable[[web.WebSocketResponse], Awaitable[None]]


class Reached:
    """An engine that runs, as a conversation takes it."""

    def __init__(self, session: aiohttp.ClientSession, url: str) -> None:
        """Take where it is."""
        self.pid: int | None = None
        self.token: str | None = None
        self.session, self.url = session, url

    def kill(self) -> None:
        """Leave it."""

    async def close(self) -> None:
        """Leave it."""


class Deaf:
    """Fails at everything that it hears."""

    def __init__(self) -> None:
        """Begin with nothing heard."""
        self.events: list[Event] = []
        self.frames: list[SoundFrame] = []

    def engine_event(self, event: Event) -> None:
        """Hear, and fail."""
        self.events.append(event)
        raise RuntimeError("no ear")

    def engine_sound(self, frame: SoundFrame) -> None:
        """Hear, and fail."""
        self.frames.append(frame)
        raise RuntimeError("no ear")


@pytest.fixture
async def meet() -> AsyncIterator[Callable[[Says], Awaitable[Conversation]]]:
    """Return how to talk with an engine that greets and then says what a test wants."""
    servers: list[TestServer] = []
    session = aiohttp.ClientSession()

    async def begin(says: Says) -> Conversation:
        async def serve(request: web.Request) -> web.WebSocketResponse:
            socket = web.WebSocketResponse()
            await socket.prepare(request)
            await socket.receive()
            await says(socket)
            return socket

        app = web.Application()
        app.router.add_get("/", serve)
        server = TestServer(app, host="127.0.0.1")
        await server.start_server()
        servers.append(server)
        return await Conversation.open(Reached(session, str(server.make_url("/"))), DEAF)

    yield begin
    await session.close()
    for server in servers:
        await server.close()


DEAF = Deaf()


async def test_engine_that_hangs_up_at_the_greeting(
    meet: Callable[[Says], Awaitable[Conversation]],
) -> None:
    """It does not serve, and that is said."""

    async def says(socket: web.WebSocketResponse) -> None:
        await socket.close()

    with pytest.raises(EngineStartError, match="hung up at once"):
        await meet(says)


async def test_engine_that_does_not_welcome(
    meet: Callable[[Says], Awaitable[Conversation]],
) -> None:
    """Another answer to the greeting is none."""

    async def says(socket: web.WebSocketResponse) -> None:
        await socket.send_str(encode(Result(id=1)))
        await socket.receive()

    with pytest.raises(EngineStartError, match="did not welcome us"):
        await meet(says)


async def test_nonsense_and_failures_end_nothing(
    meet: Callable[[Says], Awaitable[Conversation]], caplog: pytest.LogCaptureFixture
) -> None:
    """What cannot be understood is logged, a hearer that fails as well; the next command works."""

    async def says(socket: web.WebSocketResponse) -> None:
        await socket.send_str(WELCOME)
        await socket.send_str("{")
        await socket.send_bytes(b"?")
        await socket.send_bytes(FRAME.encode())
        await socket.pong(b"unasked")
        await socket.send_str(encode(Result(id=999)))
        asked = json.loads((await socket.receive()).data)
        await socket.send_str(encode(Traced(id=asked["id"], messages=())))
        await socket.receive()
        await socket.send_str(encode(Result(id=asked["id"] + 1)))
        await socket.receive()
        await socket.receive()

    DEAF.frames.clear()
    conversation = await meet(says)
    command = FetchTrace(id=conversation.next_id(), line="a")
    assert (await conversation.ask(Traced, command, time_limit=5)).messages == ()
    assert [frame.payload for frame in DEAF.frames] == [FRAME.payload]
    assert "what cannot be understood" in caplog.text
    assert "sound that cannot be understood" in caplog.text
    assert "could not be handled" in caplog.text
    command = FetchTrace(id=conversation.next_id(), line="a")
    with pytest.raises(ProtocolError, match="result in answer to fetch_trace"):
        await conversation.ask(Traced, command, time_limit=5)
    command = FetchTrace(id=conversation.next_id(), line="a")
    with pytest.raises(EngineSilentError):
        await conversation.ask(Traced, command, time_limit=0.05)
    await conversation.close()
    with pytest.raises(EngineLostError):
        await conversation.begin(FetchTrace(id=conversation.next_id(), line="a"))
    assert not [task for task in asyncio.all_tasks() if task.get_name().startswith("engine")]

"""The engine's side of the WebSocket: who may come in, and what is understood."""

import asyncio
import json
import os
import signal
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from aiohttp import web

from custom_components.hikari_denwa.telephony.engine import outbox as outbox_module
from custom_components.hikari_denwa.telephony.engine import process, server
from custom_components.hikari_denwa.telephony.engine.protocol import (
    SILENCE,
    Failure,
    SoundDirection,
    SoundFrame,
)
from custom_components.hikari_denwa.telephony.engine.server import Server

from .scripted_backend import ScriptedBackend

TOKEN = "a-token-that-is-long"
CONFIG = {"gateway": "2001:db8::1", "extension": "3", "user_id": "0003", "password": "p"}

pytestmark = pytest.mark.usefixtures("loopback")

type Connect = Callable[[], Awaitable[Client]]


class Client:
    """A client that speaks raw JSON."""

    def __init__(self, socket: aiohttp.ClientWebSocketResponse) -> None:
        """Take the socket."""
        self.socket = socket

    async def say(self, kind: str, command_id: int, /, **values: object) -> None:
        """Send a command."""
        await self.socket.send_json({"type": kind, "id": command_id, **values})

    async def hear(self) -> dict[str, Any]:
        """Return the next message."""
        message: dict[str, Any] = await self.socket.receive_json(timeout=5)
        return message

    async def hear_of(self, kind: str) -> dict[str, Any]:
        """Return the next message of a kind."""
        while (message := await self.hear())["type"] != kind:
            pass
        return message

    async def greet(self, **values: object) -> dict[str, Any]:
        """Say hello and return the answer."""
        await self.say("hello", 1, **({"version": 1, "token": TOKEN} | values))
        return await self.hear()

    async def closed(self) -> bool:
        """Return whether the server hangs up."""
        message = await self.socket.receive(timeout=5)
        return message.type in {aiohttp.WSMsgType.CLOSE, aiohttp.WSMsgType.CLOSED}


@pytest.fixture
async def served(loopback: None) -> AsyncIterator[tuple[Server, Connect]]:
    """Serve on TCP with a token, and connect clients to it."""
    del loopback
    engine = Server(ScriptedBackend, token=TOKEN, linger=None)
    await engine.start()
    await web.TCPSite(engine.runner, "127.0.0.1", 0).start()
    port = engine.runner.addresses[0][1]
    async with AsyncExitStack() as stack:
        session = await stack.enter_async_context(aiohttp.ClientSession())

        async def connect() -> Client:
            socket = await session.ws_connect(f"http://127.0.0.1:{port}/")
            stack.push_async_callback(socket.close)
            return Client(socket)

        yield engine, connect
        await engine.close()


async def test_welcome(served: tuple[Server, Connect]) -> None:
    """Version and token right: the welcome tells the back end, its families and the process."""
    client = await served[1]()
    assert await client.greet(unknown="a later member") == {
        "type": "welcome",
        "id": 1,
        "version": 1,
        "backend": "scripted",
        "families": ["ipv6", "ipv4"],
        "pid": os.getpid(),
    }


@pytest.mark.parametrize(
    ("values", "reason"),
    [
        ({"version": 2}, "engine_version"),
        ({"token": "another"}, "engine_token"),
        ({"token": None}, "engine_token"),
    ],
)
async def test_refusals(
    served: tuple[Server, Connect], values: dict[str, object], reason: str
) -> None:
    """A wrong version and a wrong token are told, and the connection ends."""
    client = await served[1]()
    answer = await client.greet(**values)
    assert (answer["type"], answer["reason"]) == ("failure", reason)
    assert await client.closed()


@pytest.mark.parametrize("first", ['{"type":"shutdown","id":1}', "[]", "nonsense", b"\0\1"])
async def test_who_does_not_greet_is_not_heard(
    served: tuple[Server, Connect], first: str | bytes
) -> None:
    """Anything but a hello ends the connection and does nothing."""
    client = await served[1]()
    await (client.socket.send_str if isinstance(first, str) else client.socket.send_bytes)(first)  # type: ignore[arg-type]
    assert await client.closed()
    assert not served[0].stop.is_set()


async def test_who_says_nothing_is_sent_away(
    served: tuple[Server, Connect], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A connection without a hello does not stay."""
    monkeypatch.setattr(server, "_HELLO_SECONDS", 0.05)
    client = await served[1]()
    assert await client.closed()


async def test_what_cannot_be_understood_changes_nothing(served: tuple[Server, Connect]) -> None:
    """Malformed and unknown commands fail by their number, if they have one; the rest goes on."""
    client = await served[1]()
    await client.greet()
    for text in ("nonsense", "[]", '{"id": "7"}', '{"type": "answer"}', "null", '{"id": true}'):
        await client.socket.send_str(text)
    await client.socket.send_bytes(b"not sound")
    await client.socket.send_bytes(b"\x09" + bytes(15) + SILENCE)
    for number, kind in enumerate(("unheard_of", "welcome", "answer", "hello"), start=10):
        await client.say(kind, number)
        answer = await client.hear()
        assert (answer["type"], answer["id"], answer["reason"]) == ("failure", number, "protocol")
    await client.say("answer", 20, call="c99")
    assert (await client.hear())["reason"] == "call_unknown"


async def test_newest_client_takes_the_place(served: tuple[Server, Connect]) -> None:
    """The one before is sent away and its lines are gone before the new one is welcomed."""
    first = await served[1]()
    await first.greet()
    await first.say("add_line", 2, line="a", config=CONFIG)
    await first.hear_of("result")
    second = await served[1]()
    assert (await second.greet())["type"] == "welcome"
    while not await first.closed():
        pass
    await second.say("dial", 2, line="a", number="117")
    assert (await second.hear())["reason"] == "line_unknown"


async def test_lines_go_with_their_client(served: tuple[Server, Connect]) -> None:
    """A client that hangs up takes its lines with it, and the next one begins afresh."""
    first = await served[1]()
    await first.greet()
    await first.say("add_line", 2, line="a", config=CONFIG)
    await first.hear_of("result")
    await first.socket.close()
    second = await served[1]()
    await second.greet()
    await second.say("remove_line", 2, line="a")
    assert (await second.hear())["reason"] == "line_unknown"
    assert not served[0].stop.is_set()


async def test_shutdown_is_answered_and_ends(served: tuple[Server, Connect]) -> None:
    """The reply comes before the end, and lines are un-registered before the reply."""
    client = await served[1]()
    await client.greet()
    await client.say("add_line", 2, line="a", config=CONFIG)
    await client.hear_of("result")
    await client.say("shutdown", 3)
    kinds = [(await client.hear())["type"] for _ in range(3)]
    assert kinds[-1] == "result"
    async with asyncio.timeout(5):
        await served[0].stop.wait()


async def test_nobody_comes() -> None:
    """Without a client the engine ends by itself, and one that comes in time keeps it."""
    engine = Server(ScriptedBackend, linger=0.05)
    await engine.start()
    async with asyncio.timeout(5):
        await engine.stop.wait()
    await engine.close()


class _Slow:
    """A connection that takes nothing until it is told to."""

    def __init__(self) -> None:
        """Begin with the gate shut."""
        self.closed = False
        self.gate = asyncio.Event()
        self.sent: list[str | bytes] = []

    async def send_str(self, data: str) -> None:
        """Wait, then take it."""
        await self.gate.wait()
        self.sent.append(data)

    async def send_bytes(self, data: bytes) -> None:
        """Wait, then take it."""
        await self.gate.wait()
        self.sent.append(data)


async def test_slow_reader_loses_old_sound_and_no_message() -> None:
    """The oldest frames are dropped, messages are all kept and go first."""
    slow = _Slow()
    outbox = outbox_module.Outbox(slow)
    outbox.post(_message(0))
    for number in range(outbox_module._MOST_FRAMES + 20):
        outbox.post_sound(_frame(number))
    outbox.post(_message(1))
    slow.gate.set()
    await outbox.drained()
    texts = [json.loads(item)["id"] for item in slow.sent if isinstance(item, str)]
    numbers = [int.from_bytes(item[4:8]) for item in slow.sent if isinstance(item, bytes)]
    assert texts == [0, 1]
    assert isinstance(slow.sent[1], str)
    assert numbers == list(range(20, outbox_module._MOST_FRAMES + 20))
    await outbox.close()


async def test_reader_that_never_reads_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    """Past a bound the outbox is broken, holds nothing, and takes nothing."""
    monkeypatch.setattr(outbox_module, "_MOST_TEXTS", 5)
    slow = _Slow()
    outbox = outbox_module.Outbox(slow)
    for number in range(20):
        outbox.post(_message(number))
    assert outbox.broken.is_set()
    outbox.post_sound(_frame(1))
    slow.gate.set()
    await outbox.drained()
    assert len(slow.sent) == 1
    await outbox.close()


class _Pipe(asyncio.WriteTransport):
    """The transport beneath a connection, and what was written past the connection."""

    def __init__(self) -> None:
        """Begin with nothing waiting."""
        super().__init__()
        self.waiting = 0
        self.closing = False
        self.written: list[bytes] = []

    def write(self, data: bytes | bytearray | memoryview) -> None:
        """Take it."""
        self.written.append(bytes(data))

    def get_write_buffer_size(self) -> int:
        """Tell what waits, in bytes."""
        return self.waiting

    def is_closing(self) -> bool:
        """Tell whether it is closing."""
        return self.closing


async def test_sound_is_one_whole_unmasked_frame_of_the_transport() -> None:
    """While nothing waits, sound needs no task: header as of RFC 6455, then the message."""
    slow, pipe = _Slow(), _Pipe()
    outbox = outbox_module.Outbox(slow, pipe)
    outbox.post_sound(_frame(7))
    message = _frame(7).encode()
    assert pipe.written == [bytes((0x82, 126)) + len(message).to_bytes(2) + message]
    await outbox.close()


async def test_sound_never_overtakes_what_waits() -> None:
    """A message under way, bytes in the transport: sound queues behind them."""
    slow, pipe = _Slow(), _Pipe()
    outbox = outbox_module.Outbox(slow, pipe)
    outbox.post(_message(0))
    outbox.post_sound(_frame(1))
    slow.gate.set()
    await outbox.drained()
    pipe.waiting = 1
    outbox.post_sound(_frame(2))
    await outbox.drained()
    assert [type(item) for item in slow.sent] == [str, bytes, bytes]
    assert not pipe.written
    await outbox.close()


@pytest.mark.parametrize("closes", ["sender", "transport"])
async def test_no_sound_follows_a_close_frame(closes: str) -> None:
    """Once the connection closes, only it knows what may still be written (RFC 6455 §5.5.1)."""
    slow, pipe = _Slow(), _Pipe()
    slow.closed, pipe.closing = closes == "sender", closes == "transport"
    outbox = outbox_module.Outbox(slow, pipe)
    outbox.post_sound(_frame(1))
    assert not pipe.written
    await outbox.close()


def _message(number: int) -> Failure:
    """Return some message."""
    return Failure(id=number, reason="engine", placeholders={})


def _frame(number: int) -> SoundFrame:
    """Return some sound."""
    return SoundFrame(direction=SoundDirection.FAR, channel=1, number=number, payload=SILENCE)


async def test_engine_listens_on_tcp_with_a_token(tmp_path: Path) -> None:
    """Started as an app starts it: TCP, token file, no parent to watch, ended by SIGTERM."""
    token = tmp_path / "token"
    token.write_text(f"{TOKEN}\n")
    script = Path(process.__file__).with_name("__main__.py")
    engine = await asyncio.create_subprocess_exec(
        sys.executable,
        "-P",
        str(script),
        "--listen",
        "127.0.0.1:0",
        "--token-file",
        str(token),
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
    )
    assert engine.stdout
    ready, address = (await engine.stdout.readline()).decode().split()
    assert ready == "ready"
    async with aiohttp.ClientSession() as session:
        async with session.ws_connect(f"http://{address}/") as socket:
            assert (await Client(socket).greet(token="no"))["reason"] == "engine_token"
        async with session.ws_connect(f"http://{address}/") as socket:
            assert (await Client(socket).greet())["backend"] == "native"
    engine.send_signal(signal.SIGTERM)
    assert await asyncio.wait_for(engine.wait(), 10) == 0


async def test_without_a_token_only_this_machine_may_connect() -> None:
    """An open port on another address is refused before it opens."""
    script = Path(process.__file__).with_name("__main__.py")
    engine = await asyncio.create_subprocess_exec(
        sys.executable,
        "-P",
        str(script),
        "--listen",
        "0.0.0.0:0",
        stdin=asyncio.subprocess.DEVNULL,
        stderr=asyncio.subprocess.PIPE,
    )
    _, log = await engine.communicate()
    assert engine.returncode == 1
    assert b"loopback" in log

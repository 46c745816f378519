"""The simulated home gateway in a process of its own, and how the demo talks to it.

``python -m scripts.demonstration.gateway`` takes one JSON object a line on standard input,
``{"id": number, "do": name, …}``, answers each with ``{"id": number, "result": …}`` or
``{"id": number, "error": sentence}`` as soon as it is done, and tells what happens
meanwhile as ``{"event": kind, …}``. It ends when the pipe is closed.
"""

import asyncio
import contextlib
import json
import signal
import sys
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any, Self

from scripts.environment import ROOT
from tests.home_gateway import GatewayConfig, HomeGateway, Tone
from tests.home_gateway.call import Call
from tests.home_gateway.command import CommandError, Console
from tests.home_gateway.config import Withheld
from tests.home_gateway.exchange import Event
from tests.home_gateway.incoming import IncomingCall
from tests.home_gateway.transport import Stamp

EXTENSION = "3"
USER_ID = "0003"
PASSWORD = "secret-3"
CLOSE_SECONDS = 10.0


class GatewayError(Exception):
    """The gateway could not do what it was asked; the message says why."""


class GatewayProcess:
    """Carries out what comes in on the pipe, several things at once."""

    def __init__(self, gateway: HomeGateway) -> None:
        """Keep the gateway and listen to what happens in it."""
        self._gateway = gateway
        self._console = Console(gateway)
        self._tasks: set[asyncio.Task[None]] = set()
        gateway.events.append(self._on_event)

    async def serve(self) -> None:
        """Take requests until the pipe is closed."""
        reader = asyncio.StreamReader()
        await asyncio.get_running_loop().connect_read_pipe(
            lambda: asyncio.StreamReaderProtocol(reader), sys.stdin
        )
        async for line in reader:
            task = asyncio.create_task(self._carry_out(json.loads(line)))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)
        for task in tuple(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _carry_out(self, request: dict[str, Any]) -> None:
        """Do one thing and answer."""
        number, name = request.pop("id"), request.pop("do")
        actions: dict[str, Callable[..., Awaitable[Any]]] = {
            "where": self.where,
            "registered": self.registered,
            "unregistered": self.unregistered,
            "ring": self.ring,
            "next_call": self.next_call,
            "state": self.state,
            "heard": self.heard,
            "play": self.play,
            "hang_up": self.hang_up,
            "violations": self.violations,
            "type": self.type,
        }
        try:
            _tell({"id": number, "result": await actions[name](**request)})
        except Exception as error:  # noqa: BLE001 - told to the other side, which shows it
            sentence = str(error) if isinstance(error, GatewayError) else repr(error)
            _tell({"id": number, "error": sentence})

    async def where(self) -> dict[str, Any]:
        """Return the ports."""
        return {"port": self._gateway.port_v6}

    async def registered(self, time_limit: float) -> dict[str, Any]:
        """Wait for the extension's registration; returns the binding."""
        binding = await self._gateway.registered(EXTENSION, within=time_limit)
        return {
            "contact": binding.contact,
            "family": binding.family,
            "expires": binding.expires,
            "registers": len(self._gateway.registers),
        }

    async def unregistered(self, time_limit: float) -> None:
        """Wait until the extension has no binding left."""
        await self._gateway.unregistered(EXTENSION, within=time_limit)

    async def ring(self, caller: str, tone: float, *, withheld: bool = False) -> dict[str, Any]:
        """Ring the extension; returns the call's number and when its INVITE was sent."""
        call = await self._gateway.ring(
            EXTENSION,
            caller=Withheld.ANONYMOUS if withheld else caller,
            media=Tone(tone),
        )
        return {"call": call.number, **_moments(call)}

    async def next_call(self, after: int, time_limit: float) -> dict[str, Any]:
        """Wait for the client's call number ``after`` + 1."""
        call = await self._gateway.next_call(after=after, within=time_limit)
        return {"call": call.number, "number": call.dialled, "family": call.family}

    async def state(self, call: int, state: str, time_limit: float) -> dict[str, Any]:
        """Wait until a call rings, talks or has ended."""
        found = self._call(call)
        if state == "ended":
            end = await found.ended(time_limit)
            return {"by": end.by, "how": end.how, "status": end.status, **_moments(found)}
        await (found.ringing(time_limit) if state == "ringing" else found.answered(time_limit))
        return {"family": found.family, **_moments(found)}

    async def heard(self, call: int, since: float) -> dict[str, Any]:
        """Return what came from the client since a monotonic moment."""
        recording = self._call(call).received
        return {
            "families": sorted({packet.peer.family for packet in recording.between(since)}),
            "packets_per_second": recording.packets_per_second(since),
            "widest_gap_ms": recording.widest_gap_ms(since),
            "digits": recording.detected_digits(since),
        }

    async def play(self, call: int, tone: float) -> None:
        """Say a tone into a call."""
        self._call(call).play(Tone(tone))

    async def hang_up(self, call: int) -> None:
        """End a call as the far side."""
        await self._call(call).hang_up()

    async def violations(self) -> list[str]:
        """Return what the client broke."""
        return [str(violation) for violation in self._gateway.violations]

    async def type(self, line: str) -> str:
        """Carry out a line that a person typed; returns what to show."""
        try:
            result = await self._console.do(line)
        except CommandError as error:
            raise GatewayError(str(error)) from error
        if isinstance(result, str):
            return result
        rows = result if isinstance(result, list) else [result]
        return "\n".join("  ".join(f"{key} {value}" for key, value in row.items()) for row in rows)

    def _call(self, number: int) -> Call:
        """Find a call."""
        for call in self._gateway.calls:
            if call.number == number:
                return call
        raise GatewayError(f"there is no call {number}")

    def _on_event(self, event: Event) -> None:
        """Tell what happened."""
        _tell({"event": event.kind, **event.detail})


def _tell(message: dict[str, Any]) -> None:
    """Write one line."""
    sys.stdout.write(json.dumps(message, default=str) + "\n")
    sys.stdout.flush()


def _moments(call: Call) -> dict[str, float | None]:
    """Return when things of a call were on the wire, in monotonic seconds."""
    moments = call.moments
    stamps: dict[str, Stamp | None] = {
        "invite": moments.invite,
        "ringing": moments.ringing,
        "answered": moments.answered,
    }
    if isinstance(call, IncomingCall) and moments.trying:
        stamps["trying"] = moments.trying
    return {name: stamp.monotonic if stamp else None for name, stamp in stamps.items()}


@dataclass(frozen=True, kw_only=True)
class GatewayEvent:
    """Something that happened at the gateway."""

    kind: str
    detail: dict[str, Any]


class Gateway:
    """The gateway's process: ``async with Gateway() as gateway``.

    Methods raise GatewayError with what the process said if it could not do it.
    """

    def __init__(self, on_event: Callable[[GatewayEvent], None] | None = None) -> None:
        """Keep who is told what happens."""
        self._on_event = on_event
        self._process: asyncio.subprocess.Process
        self._reader: asyncio.Task[None]
        self._answers: dict[int, asyncio.Future[Any]] = {}
        self._last_id = 0
        self.port = 0

    async def __aenter__(self) -> Self:
        """Start the process and learn its port."""
        self._process = await asyncio.create_subprocess_exec(
            sys.executable,
            "-m",
            "scripts.demonstration.gateway",
            cwd=ROOT,
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            start_new_session=True,
        )
        self._reader = asyncio.create_task(self._read())
        self.port = (await self.ask("where"))["port"]
        return self

    async def __aexit__(self, *_: object) -> None:
        """Close the pipe, which ends the process."""
        assert self._process.stdin is not None
        self._process.stdin.close()
        try:
            async with asyncio.timeout(CLOSE_SECONDS):
                await self._process.wait()
        except TimeoutError:
            self._process.kill()
            await self._process.wait()
        self._reader.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await self._reader

    @property
    def pid(self) -> int:
        """Return the process id."""
        return self._process.pid

    async def ask(self, action: str, /, **arguments: Any) -> Any:
        """Send a request and return its result."""
        assert self._process.stdin is not None
        if self._reader.done():
            raise GatewayError("the gateway is gone")
        self._last_id += 1
        answer: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        self._answers[self._last_id] = answer
        request = {"id": self._last_id, "do": action, **arguments}
        self._process.stdin.write(json.dumps(request).encode() + b"\n")
        await self._process.stdin.drain()
        return await answer

    async def _read(self) -> None:
        """Take answers and events until the process ends."""
        assert self._process.stdout is not None
        async for line in self._process.stdout:
            message = json.loads(line)
            if "event" in message:
                if self._on_event:
                    self._on_event(GatewayEvent(kind=message.pop("event"), detail=message))
                continue
            answer = self._answers.pop(message["id"])
            if answer.done():
                continue
            if "error" in message:
                answer.set_exception(GatewayError(message["error"]))
            else:
                answer.set_result(message["result"])
        for waiting in self._answers.values():
            if not waiting.done():
                waiting.set_exception(GatewayError("the gateway is gone"))


async def main() -> None:
    """Run a gateway and serve the pipe."""
    # The terminal's Ctrl-C is for the demo, which closes the pipe.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    async with HomeGateway(GatewayConfig()) as gateway:
        await GatewayProcess(gateway).serve()


if __name__ == "__main__":
    asyncio.run(main())

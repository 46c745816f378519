"""The far end of a measurement: the simulated gateway, in a process of its own.

``python -m scripts.benchmarks.far_end`` takes one JSON object a line on its standard
input, ``{"do": name, …}``, and answers each with one line on its standard output. ``FarEnd``
is the other end of that pipe.
"""

import asyncio
import itertools
import json
import math
import sys
import time
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import asdict, replace
from typing import Any, Self

import audioop

from scripts.benchmarks.figures import percentile
from scripts.environment import ROOT
from tests.home_gateway import GatewayConfig, HomeGateway, IncomingCall, Slot, Tone
from tests.home_gateway.likeness import compare, spoken
from tests.home_gateway.recording import Recording, parse_rtp
from tests.home_gateway.sources import Silence
from tests.home_gateway.tones import RATE
from tests.home_gateway.transport import Peer, Stamp, UdpSocket

EXTENSION = "3"
USER_ID = "0003"
PASSWORD = "secret-3"
CALLER = "0312345678"
BUFFER_MS = 60.0
FRAME_SECONDS = 0.02
FRAME_BYTES = 160
NUMBERS = 100
"""How many µ-law values a numbered frame may have: 0 to 99 are all loud."""
BURST_FRAMES = 5
BURST_PERIOD_FRAMES = 20
CROWD = tuple(str(number) for number in range(10, 60))
"""Extensions for many calls at once."""
ANSWER_SECONDS = 120.0


# 1 kHz fills a frame with whole waves.
_BURST_FRAME = b"".join(
    round(16000 * math.sin(math.tau * index / 8)).to_bytes(2, "little", signed=True)
    for index in range(FRAME_BYTES)
)


class FarEndError(Exception):
    """The far end could not do what it was asked; the message says why."""


class FarEndProcess:
    """Carries out what comes in on the pipe."""

    def __init__(self, gateway: HomeGateway) -> None:
        """Keep the gateway that runs."""
        self._gateway = gateway
        self._call: IncomingCall | None = None
        self._crowd: list[IncomingCall] = []
        self._numbered = Numbered()
        self._bursts = Bursts()
        self._sink = Recording()
        self._sink_socket = UdpSocket("::1", 0, self._take)
        self._echo_socket = UdpSocket("::1", 0, self._echo)

    async def serve(self) -> None:
        """Carry out one request after the other until the pipe is closed."""
        loop = asyncio.get_running_loop()
        reader = asyncio.StreamReader()
        await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)
        actions: dict[str, Callable[..., Awaitable[dict[str, Any]]]] = {
            "where": self.where,
            "registered": self.registered,
            "first_invite": self.first_invite,
            "second_invite": self.second_invite,
            "ring": self.ring,
            "begin_call": self.begin_call,
            "answered": self.answered,
            "listen": self.listen,
            "heard_sentence": self.heard_sentence,
            "end_call": self.end_call,
            "forget_call": self.forget_call,
            "begin_crowd": self.begin_crowd,
            "end_crowd": self.end_crowd,
            "say_numbers": self.say_numbers,
            "numbers_said": self.numbers_said,
            "say_bursts": self.say_bursts,
            "bursts_said": self.bursts_said,
        }
        async for line in reader:
            request = json.loads(line)
            try:
                answer = await actions[request.pop("do")](**request)
            except Exception as error:  # noqa: BLE001 - told to the other side, which ends the run
                answer = {"error": f"{type(error).__name__}: {error}"}
            print(json.dumps(answer), flush=True)
        self._sink_socket.close()
        self._echo_socket.close()

    async def where(self) -> dict[str, Any]:
        """Return the ports: the gateway's, one for RTP from elsewhere, one that echoes."""
        return {
            "port": self._gateway.port_v6,
            "sink": self._sink_socket.port,
            "echo": self._echo_socket.port,
        }

    async def registered(self, since: float, time_limit: float) -> dict[str, Any]:
        """Wait for a registration that was taken after a monotonic moment."""
        async with asyncio.timeout(time_limit):
            while True:
                for seen in self._gateway.registers:
                    if seen.status == 200 and seen.expires != 0 and seen.stamp.monotonic > since:
                        return {"at": seen.stamp.monotonic}
                await asyncio.sleep(0.005)

    async def first_invite(self, since: float) -> dict[str, Any]:
        """Wait for the first INVITE after a monotonic moment; returns when it came."""
        return {"at": await self._seen("in", "INVITE ", since)}

    async def second_invite(self, since: float) -> dict[str, Any]:
        """Wait for a 488 and the INVITE that follows it; returns when both were on the wire."""
        refused = await self._seen("out", "SIP/2.0 488 ", since)
        return {"refused": refused, "at": await self._seen("in", "INVITE ", refused)}

    async def _seen(self, direction: str, start: str, since: float) -> float:
        """Wait for the first message of a kind after a moment; returns when it was on the wire."""
        async with asyncio.timeout(ANSWER_SECONDS):
            while True:
                for seen in self._gateway.trace:
                    fits = seen.direction == direction and seen.text.startswith(start)
                    if fits and seen.time > since:
                        return seen.time
                await asyncio.sleep(0.002)

    async def ring(self, hold: float, caller: str = CALLER) -> dict[str, Any]:
        """Ring for some seconds and give up; returns when the INVITE went and the 180 came."""
        call = await self._gateway.ring(EXTENSION, caller=caller)
        await call.ringing(10)
        await asyncio.sleep(hold)
        await call.cancel()
        await call.ended(10)
        return _moments(call)

    async def begin_call(self, caller: str = CALLER) -> dict[str, Any]:
        """Ring, and leave it to the other side to answer."""
        self._call = await self._gateway.ring(EXTENSION, caller=caller)
        await self._call.ringing(10)
        return _moments(self._call)

    async def answered(self) -> dict[str, Any]:
        """Wait until the other side has answered; silence is said then."""
        call = self._running()
        await call.answered(ANSWER_SECONDS)
        call.play(Silence())
        return {}

    async def heard_sentence(self, seconds: float) -> dict[str, Any]:
        """Return how much of a sentence of so many seconds has arrived."""
        return asdict(compare(spoken(RATE, seconds), self._running().received.pcm()))

    async def listen(self, settle: float, seconds: float) -> dict[str, Any]:
        """Measure what the call and the sink receive in the same span of time."""
        call = self._running()
        await call.answered(ANSWER_SECONDS)
        call.play(Tone(440))
        since = time.monotonic() + settle
        await asyncio.sleep(settle + seconds + 0.1)
        until = since + seconds
        return {
            "engine": measures(call.received, since, until),
            "in_process": measures(self._sink, since, until),
        }

    def _running(self) -> IncomingCall:
        """Return the call."""
        if self._call is None:
            raise FarEndError("there is no call")
        return self._call

    async def end_call(self) -> dict[str, Any]:
        """Hang up, if there still is a call."""
        call, self._call = self._call, None
        if call is not None and not call.is_over:
            await call.hang_up()
        return {}

    async def forget_call(self) -> dict[str, Any]:
        """Drop a call whose other side is gone; a BYE would wait for its answer in vain."""
        call, self._call = self._call, None
        if call is not None:
            call.forget()
        return {}

    async def begin_crowd(self, calls: int) -> dict[str, Any]:
        """Ring so many extensions at once, and wait until each call is answered."""
        for extension in CROWD[:calls]:
            self._crowd.append(await self._gateway.ring(extension, caller=CALLER))
        for call in self._crowd:
            await call.answered(ANSWER_SECONDS)
            call.play(Tone(440))
        return {}

    async def end_crowd(self) -> dict[str, Any]:
        """Hang up all those calls."""
        crowd, self._crowd = self._crowd, []
        await asyncio.gather(*(call.hang_up() for call in crowd if not call.is_over))
        return {}

    async def say_numbers(self, **faults: float) -> dict[str, Any]:
        """Say numbered frames into the call, with faults of the network on their way."""
        if self._call is None:
            raise FarEndError("there is no call")
        await self._call.answered(ANSWER_SECONDS)
        if self._call.media:
            self._call.media.impair(**faults)
        self._numbered.said.clear()
        self._call.play(self._numbered)
        return {}

    async def numbers_said(self) -> dict[str, Any]:
        """Return when each numbered frame was said, in Unix time."""
        return {"said": self._numbered.said}

    async def say_bursts(self) -> dict[str, Any]:
        """Say bursts of a tone with silence between them."""
        if self._call is None:
            raise FarEndError("there is no call")
        await self._call.answered(ANSWER_SECONDS)
        self._bursts.said.clear()
        self._call.play(self._bursts)
        return {}

    async def bursts_said(self) -> dict[str, Any]:
        """Return when the first frame of each burst was said, in Unix time."""
        return {"said": self._bursts.said}

    def _echo(self, data: bytes, peer: Peer, _stamp: Stamp) -> None:
        """Send back what comes."""
        self._echo_socket.send(data, peer)

    def _take(self, data: bytes, peer: Peer, stamp: Stamp) -> None:
        """Record what comes to the sink."""
        if packet := parse_rtp(data, peer, stamp):
            self._sink.add(packet)


class Numbered:
    """Frames that differ from their neighbours, so that one can be told from the other.

    Each is all of one value, of which there are ``NUMBERS``, none of them soft.
    """

    def __init__(self) -> None:
        """Begin with nothing said."""
        self.said: list[float] = []

    def frames(self, heard: object) -> Iterator[bytes | None]:
        """Yield frames for ever, and note when."""
        del heard
        for number in itertools.cycle(range(NUMBERS)):
            self.said.append(time.time())
            yield audioop.ulaw2lin(bytes((number,)) * FRAME_BYTES, 2)


class Bursts:
    """A tone for 100 ms, then silence, again and again."""

    def __init__(self) -> None:
        """Begin with nothing said."""
        self.said: list[float] = []

    def frames(self, heard: object) -> Iterator[bytes | None]:
        """Yield frames for ever, and note when a burst begins."""
        del heard
        for number in itertools.count():
            if number % BURST_PERIOD_FRAMES == 0:
                self.said.append(time.time())
            loud = number % BURST_PERIOD_FRAMES < BURST_FRAMES
            yield _BURST_FRAME if loud else bytes(2 * FRAME_BYTES)


def _moments(call: IncomingCall) -> dict[str, Any]:
    """Return the wire times of a call that rang."""
    invite, ringing = call.moments.invite, call.moments.ringing
    if invite is None or ringing is None:
        raise FarEndError("the call did not ring")
    return {
        "invite": invite.monotonic,
        "invite_wall": invite.wall,
        "ringing": ringing.monotonic,
    }


def measures(recording: Recording, since: float, until: float) -> dict[str, Any]:
    """Return what a listener would notice in a stream between two monotonic moments.

    The shortfall counts against the whole span, so that a stream that ends early is short.
    """
    gaps = recording.gaps_ms(since, until)
    packets = len(recording.between(since, until))
    return {
        "packets": packets,
        "gap_p50": percentile(gaps, 0.5) if gaps else 0.0,
        "gap_p99": percentile(gaps, 0.99) if gaps else 0.0,
        "gap_max": max(gaps, default=0.0),
        "short_pct": max(0.0, 100 * (1 - packets * FRAME_SECONDS / (until - since))),
        "holes_pct": recording.holes_pct(BUFFER_MS, since, until),
    }


class FarEnd:
    """The far end's process: ``async with FarEnd() as far_end``; each method is one request.

    Raises FarEndError with what the process said if it could not do it.
    """

    def __init__(self) -> None:
        """Make ready; nothing is started yet."""
        self._process: asyncio.subprocess.Process
        self.port = 0
        self.sink = 0
        self.echo = 0

    async def __aenter__(self) -> Self:
        """Start the process and learn its ports."""
        self._process = await asyncio.create_subprocess_exec(
            sys.executable,
            "-m",
            "scripts.benchmarks.far_end",
            cwd=ROOT,
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
        )
        ports = await self.ask("where")
        self.port, self.sink, self.echo = ports["port"], ports["sink"], ports["echo"]
        return self

    async def __aexit__(self, *_: object) -> None:
        """Close the pipe, which ends the process."""
        assert self._process.stdin is not None
        self._process.stdin.close()
        try:
            async with asyncio.timeout(10):
                await self._process.wait()
        except TimeoutError:
            self._process.kill()
            await self._process.wait()

    async def ask(self, action: str, /, **arguments: float | str) -> dict[str, Any]:
        """Send a request and return its answer."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(json.dumps({"do": action, **arguments}).encode() + b"\n")
        await self._process.stdin.drain()
        line = await self._process.stdout.readline()
        if not line:
            raise FarEndError("the far end is gone")
        answer: dict[str, Any] = json.loads(line)
        if "error" in answer:
            raise FarEndError(f"{action}: {answer['error']}")
        return answer


def _config() -> GatewayConfig:
    """Make a gateway with a crowd of extensions more than a home has."""
    usual = GatewayConfig()
    crowd = (
        Slot(number=number, user_id=f"00{number}", password=f"secret-{number}") for number in CROWD
    )
    return replace(
        usual,
        slots=(*usual.slots, *crowd),
        calls=replace(usual.calls, max_outside_calls=len(CROWD)),
    )


async def main() -> None:
    """Serve the pipe."""
    async with HomeGateway(_config()) as gateway:
        await FarEndProcess(gateway).serve()


if __name__ == "__main__":
    asyncio.run(main())

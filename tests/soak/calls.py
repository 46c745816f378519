"""Calls in a row, of all kinds, on several lines of one real engine against one gateway."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field, replace

from custom_components.hikari_denwa.telephony.calls import EndReason
from custom_components.hikari_denwa.telephony.engine.child import ChildLauncher
from custom_components.hikari_denwa.telephony.engine.client import EngineClient
from custom_components.hikari_denwa.telephony.engine.protocol import (
    FRAME_BYTES,
    SILENCE,
    CallConnected,
    CallEnded,
    CallIncoming,
    CallProgress,
    LineConfig,
    RegistrationState,
)
from tests.conformance.stage import Line
from tests.home_gateway.callees import answers
from tests.home_gateway.config import CallConfig, GatewayConfig
from tests.home_gateway.gateway import HomeGateway
from tests.home_gateway.incoming import IncomingCall

from .process import Holdings

EXTENSIONS = ("3", "4", "5", "6", "7")
LONGEST_CALL = 30.0
"""Seconds after which a call that has not gone its way is a fault."""

_TALK = 0.06
# A callee may hang up only when the ACK is there (RFC 3261 §15), which a busy machine delays.
_CALLEE_TALKS = 0.25
_ANSWERS = "0451110100"
_ANSWERS_AND_HANGS_UP = "0451110101"
_RINGS_FOREVER = "0451110487"
_BUSY = "0451110486"


@dataclass(kw_only=True)
class Soak:
    """What came of a run.

    ``growth`` and ``memory`` (every hundred calls) are in bytes; ``faults`` are calls that did
    not go their way, ``violations`` what the gateway found to blame.
    """

    calls: int = 0
    seconds: float = 0.0
    growth: int = 0
    before: Holdings
    after: Holdings
    faults: list[str] = field(default_factory=list)
    violations: list[str] = field(default_factory=list)
    memory: list[int] = field(default_factory=list)


async def soak(
    calls: int, *, warm_up: int = 0, per_second: float = 40.0, backend: str = "native"
) -> Soak:
    """Make so many calls after those that warm up, from whose end on the memory counts.

    An engine keeps what it has answered for 32 s (RFC 3261 and RFC 6026, timers H, J, L and M): its
    memory is flat only when that much time has passed, and only while calls come at an even rate.
    """
    config = GatewayConfig(calls=replace(CallConfig(), max_outside_calls=len(EXTENSIONS)))
    async with HomeGateway(config) as gateway:
        gateway.callees[_ANSWERS] = answers(0.02)
        gateway.callees[_ANSWERS_AND_HANGS_UP] = answers(0.02, talks_for=_CALLEE_TALKS)
        client = EngineClient(ChildLauncher(backend=backend))
        await client.start()
        try:
            pace = len(EXTENSIONS) / per_second
            return await _Run(gateway, client, calls, warm_up, pace).run()
        finally:
            await client.close()


class _Run:
    """One run."""

    def __init__(
        self, gateway: HomeGateway, client: EngineClient, calls: int, warm_up: int, pace: float
    ) -> None:
        """Take both sides, how many calls are to be made, and the seconds for one on a line."""
        self._gateway = gateway
        self._client = client
        self._wanted = calls + warm_up
        self._warm_up = warm_up
        self._pace = pace
        self._made = 0
        self._over = 0
        self._settled = 0
        self._memory: list[int] = []
        self._faults: list[str] = []
        self._lines = {extension: Line(LONGEST_CALL) for extension in EXTENSIONS}
        self._kinds: tuple[Callable[[str, Line], Awaitable[None]], ...] = (
            self._incoming_they_hang_up,
            self._outgoing_we_hang_up,
            self._incoming_we_hang_up,
            self._outgoing_they_hang_up,
            self._incoming_cancelled,
            self._outgoing_cancelled,
            self._incoming_rejected,
            self._outgoing_busy,
        )

    async def run(self) -> Soak:
        """Register the lines, make the calls, look at what is left."""
        for extension, line in self._lines.items():
            config = LineConfig(
                gateway="::1",
                port=self._gateway.port_v6,
                extension=extension,
                user_id=f"000{extension}",
                password=f"secret-{extension}",
            )
            await self._client.add_line(extension, config, line)
            await line.registration(RegistrationState.REGISTERED)
        before = self._look()
        began = time.monotonic()
        async with asyncio.TaskGroup() as group:
            for extension in EXTENSIONS:
                group.create_task(self._keep_calling(extension))
        seconds = time.monotonic() - began
        after = self._look()
        return Soak(
            calls=self._over,
            seconds=seconds,
            growth=after.resident - (self._settled or before.resident),
            before=before,
            after=after,
            faults=self._faults,
            violations=[str(each) for each in self._gateway.violations],
            memory=self._memory,
        )

    async def _keep_calling(self, extension: str) -> None:
        """Make one call after the other on one line."""
        line = self._lines[extension]
        due = time.monotonic()
        while self._made < self._wanted:
            kind = self._kinds[self._made % len(self._kinds)]
            self._made += 1
            due = max(due + self._pace, time.monotonic() - self._pace)
            await asyncio.sleep(due - time.monotonic())
            try:
                await kind(extension, line)
            except (TimeoutError, AssertionError) as error:
                told = [type(event).__name__ for event in line.events]
                self._faults.append(f"{kind.__name__}: {error!r} after {told}")
            line.events.clear()
            line.frames.clear()
            self._count()

    def _count(self) -> None:
        """Count a call that is over; now and then look at the engine and tidy the gateway up."""
        self._over += 1
        if self._over == self._warm_up:
            self._settled = self._look().resident
        if self._over % 100 == 0:
            self._memory.append(self._look().resident)
            self._gateway.calls[:] = [each for each in self._gateway.calls if not each.is_over]

    def _look(self) -> Holdings:
        """Look at the engine."""
        assert self._client.pid is not None
        return Holdings.of(self._client.pid)

    async def _ring(self, extension: str, line: Line) -> tuple[IncomingCall, CallIncoming]:
        """Let the gateway ring a line."""
        call = await self._gateway.ring(extension)
        incoming = await line.event(CallIncoming)
        await call.ringing(LONGEST_CALL)
        return call, incoming

    async def _answered(self, extension: str, line: Line) -> tuple[IncomingCall, CallIncoming]:
        """Let the gateway ring a line, answer, and listen and talk for a moment."""
        call, incoming = await self._ring(extension, line)
        await self._client.answer(incoming.call)
        await line.event(CallConnected)
        await self._client.stream_sound(incoming.call, enabled=True)
        self._client.play(incoming.channel, bytes(FRAME_BYTES))
        await asyncio.sleep(_TALK)
        return call, incoming

    async def _incoming_they_hang_up(self, extension: str, line: Line) -> None:
        """Answer; the caller hangs up, heard by then: else it is a gateway that refuses."""
        call, incoming = await self._answered(extension, line)
        await line.until(lambda: any(frame.payload != SILENCE for frame in line.frames))
        await call.hang_up()
        await _ended(line, incoming.call, EndReason.HUNG_UP_THERE)

    async def _incoming_we_hang_up(self, extension: str, line: Line) -> None:
        """Answer, and hang up."""
        _, incoming = await self._answered(extension, line)
        await self._client.hang_up(incoming.call)
        await _ended(line, incoming.call, EndReason.HUNG_UP_HERE)

    async def _incoming_cancelled(self, extension: str, line: Line) -> None:
        """Let it ring until the caller gives up."""
        call, incoming = await self._ring(extension, line)
        await call.cancel()
        await _ended(line, incoming.call, EndReason.CALLER_GAVE_UP)

    async def _incoming_rejected(self, extension: str, line: Line) -> None:
        """Reject."""
        _, incoming = await self._ring(extension, line)
        await self._client.reject(incoming.call)
        await _ended(line, incoming.call, EndReason.REJECTED_HERE)

    async def _outgoing_we_hang_up(self, extension: str, line: Line) -> None:
        """Dial, talk, and hang up."""
        dialled = await self._client.dial(extension, _ANSWERS)
        await line.event(CallConnected)
        await asyncio.sleep(_TALK)
        await self._client.hang_up(dialled.call)
        await _ended(line, dialled.call, EndReason.HUNG_UP_HERE)

    async def _outgoing_they_hang_up(self, extension: str, line: Line) -> None:
        """Dial, talk; the callee hangs up."""
        dialled = await self._client.dial(extension, _ANSWERS_AND_HANGS_UP)
        await line.event(CallConnected)
        await _ended(line, dialled.call, EndReason.HUNG_UP_THERE)

    async def _outgoing_cancelled(self, extension: str, line: Line) -> None:
        """Dial, and give up while it rings."""
        dialled = await self._client.dial(extension, _RINGS_FOREVER)
        await line.event(CallProgress)
        await self._client.hang_up(dialled.call)
        await _ended(line, dialled.call, EndReason.CANCELLED_HERE)

    async def _outgoing_busy(self, extension: str, line: Line) -> None:
        """Dial somebody who talks already."""
        dialled = await self._client.dial(extension, _BUSY)
        await _ended(line, dialled.call, EndReason.BUSY)


async def _ended(line: Line, call: str, reason: EndReason) -> None:
    """Wait for the end of a call and see that it has its reason."""
    event = await line.event(CallEnded, call=call)
    assert event.ending.reason is reason, event.ending

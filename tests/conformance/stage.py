"""The stage on which scenarios play: a real engine, a line of it, and a simulated gateway."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

from custom_components.hikari_denwa.telephony.calls import EndReason
from custom_components.hikari_denwa.telephony.engine.client import EngineClient
from custom_components.hikari_denwa.telephony.engine.protocol import (
    CallConnected,
    CallEnded,
    CallEvent,
    CallIncoming,
    CallQuality,
    Dialled,
    LineConfig,
    PathsChanged,
    RegistrationChanged,
    RegistrationState,
    SoundFrame,
)
from custom_components.hikari_denwa.telephony.paths import Paths
from tests.home_gateway.call import Call
from tests.home_gateway.config import Family, GatewayConfig
from tests.home_gateway.gateway import HomeGateway
from tests.home_gateway.incoming import IncomingCall
from tests.home_gateway.outgoing import OutgoingCall

PATIENCE_SECONDS = 12.0
MOMENT_SECONDS = 0.25
BOTH = (Family.V6, Family.V4)
ADDRESSES = {Family.V6: "::1", Family.V4: "127.0.0.1"}


@dataclass(frozen=True)
class Scenario:
    """Something that a back end must do, and the RFC section or fact that says so."""

    run: Callable[[Stage], Awaitable[None]]
    source: str
    config: GatewayConfig
    registers: bool = True
    assumption: bool = False
    patience: float = PATIENCE_SECONDS
    families: tuple[Family, ...] = BOTH
    alone: bool = False
    moves: bool = False

    @property
    def name(self) -> str:
        """Its name, which is its function's."""
        return self.run.__name__


SCENARIOS: list[Scenario] = []


async def eventually(holds: Callable[[], bool], within: float = PATIENCE_SECONDS) -> None:
    """Wait until something holds that nobody tells of, as what packets say. Raises TimeoutError."""
    async with asyncio.timeout(within):
        while not holds():  # noqa: ASYNC110 - there is no event for it
            await asyncio.sleep(0.02)


def scenario(
    source: str,
    config: GatewayConfig | None = None,
    *,
    registers: bool = True,
    assumption: bool = False,
    patience: float = PATIENCE_SECONDS,
    families: tuple[Family, ...] = BOTH,
    alone: bool = False,
    moves: bool = False,
) -> Callable[[Callable[[Stage], Awaitable[None]]], Callable[[Stage], Awaitable[None]]]:
    """Make a function a scenario; unless told otherwise its line is registered when it begins.

    ``alone`` gives it an engine of its own, which it may end; ``moves`` tells that the line
    moves to the other family, which not every back end has.
    """

    def add(run: Callable[[Stage], Awaitable[None]]) -> Callable[[Stage], Awaitable[None]]:
        SCENARIOS.append(
            Scenario(
                run=run,
                source=source,
                config=config or GatewayConfig(),
                registers=registers,
                assumption=assumption,
                patience=patience,
                families=families,
                alone=alone,
                moves=moves,
            )
        )
        return run

    return add


class Line:
    """A line listener that remembers what it is told and lets a scenario wait for it."""

    def __init__(self, patience: float = PATIENCE_SECONDS) -> None:
        """Begin with nothing."""
        self.registrations: list[RegistrationChanged] = []
        self.events: list[CallEvent] = []
        self.frames: list[SoundFrame] = []
        self.paths: list[Paths] = []
        self.losses = 0
        self._patience = patience
        self._told = asyncio.Event()

    def registration_changed(self, event: RegistrationChanged) -> None:
        """Remember it."""
        self.registrations.append(event)
        self._told.set()

    def call_event(self, event: CallEvent) -> None:
        """Remember it."""
        self.events.append(event)
        self._told.set()

    def sound(self, frame: SoundFrame) -> None:
        """Remember it."""
        self.frames.append(frame)
        self._told.set()

    def paths_changed(self, event: PathsChanged) -> None:
        """Remember the paths."""
        self.paths.append(event.paths)
        self._told.set()

    def engine_lost(self) -> None:
        """Count it."""
        self.losses += 1
        self._told.set()

    async def until(self, holds: Callable[[], bool]) -> None:
        """Wait until something holds that a message brings about. Raises TimeoutError."""
        async with asyncio.timeout(self._patience):
            while not holds():
                self._told.clear()
                await self._told.wait()

    async def registration(self, state: RegistrationState, after: int = 0) -> RegistrationChanged:
        """Wait for the registration to have a state, from a position on."""

        def found() -> list[RegistrationChanged]:
            return [event for event in self.registrations[after:] if event.state is state]

        await self.until(lambda: bool(found()))
        return found()[0]

    async def event[E: CallEvent](self, kind: type[E], *, call: str | None = None) -> E:
        """Wait for the first event of a kind, of one call if given."""

        def found() -> list[E]:
            return [
                event
                for event in self.events
                if isinstance(event, kind) and call in {None, event.call}
            ]

        await self.until(lambda: bool(found()))
        return found()[0]

    def of_call(self, call: str) -> list[type[CallEvent]]:
        """Return the kinds of a call's events, in order; how it sounds may be told at any time."""
        return [
            type(event)
            for event in self.events
            if event.call == call and not isinstance(event, CallQuality)
        ]


@dataclass
class Stage:
    """A gateway, an engine, and one line (extension 3) between them over one family."""

    gateway: HomeGateway
    client: EngineClient
    family: Family
    line: Line = field(default_factory=Line)

    @property
    def is_v6(self) -> bool:
        """Whether the leg is IPv6."""
        return self.family is Family.V6

    @property
    def bound(self) -> list[Family]:
        """The families over which the gateway can make the line ring now."""
        return [binding.family for binding in self.gateway.bindings("3")]

    def config(
        self, extension: str = "3", *, password: str | None = None, user_id: str | None = None
    ) -> LineConfig:
        """Return the configuration of an extension, right unless told otherwise."""
        return LineConfig(
            gateway=ADDRESSES[self.family],
            port=self.gateway.port(self.family),
            extension=extension,
            user_id=user_id or f"000{extension}",
            password=password or f"secret-{extension}",
        )

    async def add(self, config: LineConfig | None = None) -> None:
        """Add the line."""
        await self.client.add_line("line", config or self.config(), self.line)

    async def register(self, config: LineConfig | None = None) -> RegistrationChanged:
        """Add the line and wait until it is registered."""
        await self.add(config)
        return await self.line.registration(RegistrationState.REGISTERED)

    async def called(self, **ring: object) -> tuple[IncomingCall, CallIncoming]:
        """Let the gateway call the line; return the call at both ends once it rings."""
        known = len([event for event in self.line.events if isinstance(event, CallIncoming)])
        call = await self.gateway.ring("3", **ring)  # type: ignore[arg-type]
        await call.ringing()

        def incoming() -> list[CallIncoming]:
            return [event for event in self.line.events if isinstance(event, CallIncoming)]

        await self.line.until(lambda: len(incoming()) > known)
        return call, incoming()[-1]

    async def talking(self, **ring: object) -> tuple[IncomingCall, CallIncoming]:
        """Let the gateway call the line, and answer."""
        call, incoming = await self.called(**ring)
        await self.client.answer(incoming.call)
        await call.answered()
        await self.line.event(CallConnected, call=incoming.call)
        return call, incoming

    async def dial(self, number: str) -> tuple[OutgoingCall, Dialled]:
        """Dial a number that the gateway puts through; return the call at both ends."""
        known = len(self.gateway.placed)
        dialled = await self.client.dial("line", number)
        return await self.gateway.next_call(after=known), dialled

    async def connected(self, number: str) -> tuple[OutgoingCall, Dialled]:
        """Dial a number whose callee answers, and wait for that."""
        call, dialled = await self.dial(number)
        await self.line.event(CallConnected, call=dialled.call)
        await call.answered()
        return call, dialled

    async def hung_up_there(self, call: Call, name: str) -> None:
        """Let the far side hang up after a moment of sound, and see that it is told so."""
        await asyncio.sleep(MOMENT_SECONDS)
        await call.hang_up()
        await self.ended_with(name, EndReason.HUNG_UP_THERE)

    async def ended(self, call: str) -> CallEnded:
        """Wait for the end of a call."""
        return await self.line.event(CallEnded, call=call)

    async def ended_with(self, call: str, reason: EndReason) -> CallEnded:
        """Wait for the end of a call and see that it has a reason."""
        event = await self.ended(call)
        assert event.ending.reason is reason, event.ending
        assert self.line.of_call(call)[-1] is CallEnded
        return event

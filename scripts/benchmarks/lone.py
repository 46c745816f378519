"""What is measured without Home Assistant: an engine, its lines, and the far end."""

import asyncio
import contextlib
import sys
import time
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, field

from custom_components.hikari_denwa.telephony.calls import Family
from custom_components.hikari_denwa.telephony.engine.child import ChildLauncher
from custom_components.hikari_denwa.telephony.engine.client import EngineClient
from custom_components.hikari_denwa.telephony.engine.protocol import (
    CallConnected,
    CallEvent,
    CallIncoming,
    LineConfig,
    PathsChanged,
    RegistrationChanged,
    RegistrationState,
    SoundDirection,
    SoundFrame,
)
from scripts.benchmarks.far_end import FarEnd
from scripts.benchmarks.rig import RigError
from scripts.environment import pjsua2_interpreter

_REGISTERED_WITHIN = 30.0


def backends() -> list[str]:
    """Name the back ends that can be measured here."""
    return ["native", *(["pjsua2"] if pjsua2_interpreter() else [])]


def _launcher(backend: str) -> ChildLauncher:
    """Return what starts an engine with a back end."""
    other = pjsua2_interpreter() if backend == "pjsua2" else None
    return ChildLauncher(backend=backend, interpreter=str(other or sys.executable))


@dataclass
class Ears:
    """A line that answers every call, and keeps the far side's sound with its time of arrival."""

    client: EngineClient
    streams: bool
    keeps: bool = False
    heard: list[tuple[float, SoundFrame]] = field(default_factory=list)
    registered: asyncio.Event = field(default_factory=asyncio.Event)
    connected: asyncio.Event = field(default_factory=asyncio.Event)
    _answers: set[asyncio.Task[None]] = field(default_factory=set)

    def registration_changed(self, event: RegistrationChanged) -> None:
        """Note that the line stands."""
        if event.state is RegistrationState.REGISTERED:
            self.registered.set()

    def call_event(self, event: CallEvent) -> None:
        """Answer, and listen once it is answered."""
        if isinstance(event, CallIncoming):
            self._do(event.call)
        elif isinstance(event, CallConnected):
            self.connected.set()

    def sound(self, frame: SoundFrame) -> None:
        """Keep what the far side says."""
        if self.keeps and frame.direction is SoundDirection.FAR:
            self.heard.append((time.time(), frame))

    def paths_changed(self, event: PathsChanged) -> None:
        """Pass over paths."""

    def engine_lost(self) -> None:
        """Go on: the measurement will run out of time."""

    def _do(self, call: str) -> None:
        """Answer a call and have its sound sent."""
        answering = asyncio.create_task(self._answer(call))
        self._answers.add(answering)
        answering.add_done_callback(self._answers.discard)

    async def _answer(self, call: str) -> None:
        """Answer."""
        await self.client.answer(call)
        if self.streams:
            await self.client.stream_sound(call, enabled=True)


@dataclass(frozen=True, kw_only=True)
class Lone:
    """An engine with registered lines, and the far end."""

    client: EngineClient
    far_end: FarEnd
    ears: dict[str, Ears]

    @property
    def pid(self) -> int:
        """Return the engine's process."""
        if self.client.pid is None:
            raise RigError("the engine is gone")
        return self.client.pid


@contextlib.asynccontextmanager
async def lone(
    backend: str, extensions: Sequence[str], *, streams: bool = True
) -> AsyncIterator[Lone]:
    """Start an engine and the far end, and register a line for each extension."""
    async with FarEnd() as gateway:
        client = EngineClient(_launcher(backend))
        welcome = await client.start()
        address = "::1" if Family.IPV6 in welcome.families else "127.0.0.1"
        try:
            ears = {extension: Ears(client, streams) for extension in extensions}
            for extension, line in ears.items():
                config = LineConfig(
                    gateway=address,
                    port=gateway.port,
                    extension=extension,
                    user_id=extension.zfill(2).rjust(4, "0"),
                    password=f"secret-{extension}",
                )
                await client.add_line(extension, config, line)
            async with asyncio.timeout(_REGISTERED_WITHIN):
                for line in ears.values():
                    await line.registered.wait()
            yield Lone(client=client, far_end=gateway, ears=ears)
        finally:
            await client.close()

"""The engine as Home Assistant has it: a process of its own, asked through its client."""

import asyncio
from contextlib import suppress
from typing import Self

from custom_components.hikari_denwa.telephony.engine.client import EngineClient
from custom_components.hikari_denwa.telephony.engine.protocol import (
    CallConnected,
    CallEvent,
    CallIncoming,
    Dialled,
    Event,
    LineConfig,
    PathsChanged,
    RegistrationChanged,
    RegistrationState,
    SoundDirection,
    SoundFrame,
)

from . import sound
from .kamailio import Extension
from .processes import PeerError

LINE = "desk"


class Desk:
    """One line of a running engine, with all that it told; ``async with Desk() as desk``.

    As a listener it hears the far side's sound into ``heard`` (µ-law, in order). The engine is
    its own, unless it is given one that runs.
    """

    def __init__(self, engine: EngineClient | None = None) -> None:
        """Begin without a line."""
        self.client = engine or EngineClient()
        self._own = engine is None
        self.events: list[Event] = []
        self.heard: list[SoundFrame] = []
        self._seen = 0
        self._arrived = asyncio.Event()
        self._voice: asyncio.Task[None] | None = None

    async def __aenter__(self) -> Self:
        """Start the engine, if it does not run."""
        if self._own:
            await self.client.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        """End the engine, or take the line from it; both un-register."""
        await self.hush()
        if self._own:
            await self.client.close()
        else:
            await self.client.remove_line(LINE)

    async def register(
        self, address: str, port: int, extension: Extension, *, time_limit: float = 10.0
    ) -> RegistrationChanged:
        """Add the line and wait until it is registered; raises PeerError if it fails."""
        config = LineConfig(
            gateway=address,
            port=port,
            extension=extension.number,
            user_id=extension.user_id,
            password=extension.password,
        )
        await self.client.add_line(LINE, config, self)
        while True:
            change = await self.event(RegistrationChanged, time_limit)
            if change.state is RegistrationState.REGISTERED:
                return change
            if change.state is not RegistrationState.REGISTERING:
                raise PeerError(f"the engine is not registered: {change}")

    async def dial(self, number: str) -> Dialled:
        """Place a call."""
        return await self.client.dial(LINE, number)

    async def answer(self) -> CallIncoming:
        """Wait for a call, answer it, and wait until it is connected."""
        incoming = await self.event(CallIncoming)
        await self.client.answer(incoming.call)
        await self.event(CallConnected)
        return incoming

    async def talk(self, call: str, channel: int, frequency: float, seconds: float) -> None:
        """Say a tone into a call for some seconds, and hear what the other side says."""
        await self.client.stream_sound(call, enabled=True)
        self._voice = asyncio.create_task(self._say(channel, frequency))
        await asyncio.sleep(seconds)

    async def hush(self) -> None:
        """Say nothing any more."""
        if self._voice is not None:
            self._voice.cancel()
            with suppress(asyncio.CancelledError):
                await self._voice
            self._voice = None

    def heard_samples(self) -> list[int]:
        """Return what the other side said, as samples."""
        return sound.from_ulaw(b"".join(frame.payload for frame in self.heard))

    async def event[T: Event](self, kind: type[T], time_limit: float = 10.0) -> T:
        """Wait for the next event of a kind, passing over others."""
        try:
            async with asyncio.timeout(time_limit):
                while True:
                    while self._seen < len(self.events):
                        event = self.events[self._seen]
                        self._seen += 1
                        if isinstance(event, kind):
                            return event
                    self._arrived.clear()
                    await self._arrived.wait()
        except TimeoutError as error:
            raise PeerError(f"no {kind.__name__}, only {self.events}") from error

    def told[T: Event](self, kind: type[T]) -> list[T]:
        """Return every event of a kind so far."""
        return [event for event in self.events if isinstance(event, kind)]

    def registration_changed(self, event: RegistrationChanged) -> None:
        """Take an event."""
        self._take(event)

    def call_event(self, event: CallEvent) -> None:
        """Take an event."""
        self._take(event)

    def sound(self, frame: SoundFrame) -> None:
        """Keep what the far side says."""
        if frame.direction is SoundDirection.FAR:
            self.heard.append(frame)

    def paths_changed(self, event: PathsChanged) -> None:
        """Take an event."""
        self._take(event)

    def engine_lost(self) -> None:
        """Note nothing: what a test waits for then does not come."""

    def _take(self, event: Event) -> None:
        """Keep an event and wake who waits for it."""
        self.events.append(event)
        self._arrived.set()

    async def _say(self, channel: int, frequency: float) -> None:
        """Queue a tone, 20 ms every 20 ms."""
        loop = asyncio.get_running_loop()
        frames = sound.ulaw_frames(sound.tone(frequency, 1))
        begin = loop.time()
        number = 0
        while True:
            self.client.play(channel, frames[number % len(frames)])
            number += 1
            await asyncio.sleep(begin + number * 0.02 - loop.time())

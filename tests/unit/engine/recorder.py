"""A line listener that remembers what it was told, for tests to wait on."""

import asyncio
from collections.abc import Callable

from custom_components.hikari_denwa.telephony.engine.protocol import (
    CallEvent,
    Event,
    LineConfig,
    PathsChanged,
    RegistrationChanged,
    RegistrationState,
    SoundFrame,
)

PATIENCE_SECONDS = 15.0


def line_config(**changes: object) -> LineConfig:
    """Return a configuration that the scripted back end takes."""
    values: dict[str, object] = {
        "gateway": "2001:db8::1",
        "extension": "3",
        "user_id": "0003",
        "password": "secret-word",
    }
    return LineConfig(**(values | changes))  # type: ignore[arg-type]


class Recorder:
    """Remembers the events and the sound of a line."""

    def __init__(self) -> None:
        """Begin with nothing."""
        self.events: list[Event] = []
        self.frames: list[SoundFrame] = []
        self.paths: list[PathsChanged] = []
        self.losses = 0
        self._changed = asyncio.Event()

    def registration_changed(self, event: RegistrationChanged) -> None:
        """Remember an event."""
        self._add(event)

    def paths_changed(self, event: PathsChanged) -> None:
        """Remember paths, apart from the events, which tests count."""
        self.paths.append(event)
        self._changed.set()

    def call_event(self, event: CallEvent) -> None:
        """Remember an event."""
        self._add(event)

    def sound(self, frame: SoundFrame) -> None:
        """Remember a frame."""
        self.frames.append(frame)
        self._changed.set()

    def engine_lost(self) -> None:
        """Count a loss."""
        self.losses += 1
        self._changed.set()

    async def until(self, holds: Callable[[Recorder], bool]) -> None:
        """Wait until something holds; fails after some time."""
        async with asyncio.timeout(PATIENCE_SECONDS):
            while not holds(self):
                self._changed.clear()
                await self._changed.wait()

    async def event[E: Event](self, kind: type[E], after: int = 0) -> E:
        """Wait for the first event of a kind, from a position on, and return it."""

        def found() -> list[E]:
            return [event for event in self.events[after:] if isinstance(event, kind)]

        await self.until(lambda _: bool(found()))
        return found()[0]

    async def registered(self, after: int = 0) -> RegistrationChanged:
        """Wait until the line is registered."""
        return await self.registration(RegistrationState.REGISTERED, after)

    async def registration(self, state: RegistrationState, after: int = 0) -> RegistrationChanged:
        """Wait until the line's registration has a state."""

        def found() -> list[RegistrationChanged]:
            return [
                event
                for event in self.events[after:]
                if isinstance(event, RegistrationChanged) and event.state is state
            ]

        await self.until(lambda _: bool(found()))
        return found()[0]

    def _add(self, event: Event) -> None:
        """Remember an event and wake who waits."""
        self.events.append(event)
        self._changed.set()

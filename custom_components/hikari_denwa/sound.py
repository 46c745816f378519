"""The sound of a call: who in Home Assistant takes it, and what the engine is asked for."""

from collections.abc import Callable, Coroutine
from typing import Any, Protocol

from homeassistant.core import CALLBACK_TYPE, callback

from .telephony.engine.protocol import SoundDirection, SoundFrame

type Hear = Callable[[SoundFrame], None]
type Spawn = Callable[[Coroutine[Any, Any, None]], object]


class SoundSwitch(Protocol):
    """Has the engine send a call's sound, or not any more; with ours if ``near``."""

    def __call__(self, *, enabled: bool, near: bool) -> Coroutine[Any, Any, None]:
        """Switch; raises nothing."""
        ...


class CallSound:
    """Passes one call's frames to all who take them, and has no more sent than they want."""

    def __init__(self, switch: SoundSwitch, spawn: Spawn) -> None:
        """Begin with nobody; ``spawn`` runs what asks the engine."""
        self._switch = switch
        self._spawn = spawn
        self._takers: dict[object, tuple[Hear, bool]] = {}
        self._asked: tuple[bool, bool] = (False, False)
        self._asking = False

    @callback
    def take(self, hear: Hear, *, near: bool = False) -> CALLBACK_TYPE:
        """Give the far side's frames to a taker, and ours if ``near``; returns how to end that."""
        key = object()
        self._takers[key] = hear, near
        self._changed()

        @callback
        def end() -> None:
            if self._takers.pop(key, None):
                self._changed()

        return end

    @callback
    def frame(self, frame: SoundFrame) -> None:
        """Pass 20 ms on."""
        for hear, near in tuple(self._takers.values()):
            if near or frame.direction is SoundDirection.FAR:
                hear(frame)

    @callback
    def renew(self) -> None:
        """Ask the engine again: what it was told before the call was connected may be lost."""
        if self._takers:
            self._asked = (False, False)
            self._changed()

    @callback
    def close(self) -> None:
        """Forget who takes it: the call is over, and the engine knows."""
        self._takers.clear()
        self._asked = (False, False)

    def _wanted(self) -> tuple[bool, bool]:
        """Return whether sound is wanted, and ours."""
        return bool(self._takers), any(near for _, near in self._takers.values())

    def _changed(self) -> None:
        """Ask the engine for what is wanted now, one question at a time."""
        if not self._asking and self._wanted() != self._asked:
            self._asking = True
            self._spawn(self._ask())

    async def _ask(self) -> None:
        """Ask until the engine has been asked for what is wanted."""
        try:
            while (wanted := self._wanted()) != self._asked:
                self._asked = wanted
                enabled, near = wanted
                await self._switch(enabled=enabled, near=near)
        finally:
            self._asking = False

"""The answering machine: takes calls that nobody takes, greets, and keeps what is said."""

import asyncio
import logging
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from homeassistant.core import CALLBACK_TYPE, HassJob, HomeAssistant, callback
from homeassistant.exceptions import TemplateError
from homeassistant.helpers.event import async_call_later

from .caller_words import CallerWords, caller_words
from .calls import Call, CallEventType, CallUpdate
from .const import (
    CONF_ANSWERING_AFTER,
    CONF_ANSWERING_GREETING,
    CONF_ANSWERING_MACHINE,
    CONF_ANSWERING_SECONDS,
    DOMAIN,
)
from .playable import Sound
from .recorder import notice_tone
from .recordings import RecordingKind
from .speaking import Keys, hang_up
from .telephony.calls import CallState
from .telephony.errors import CallNotConnectedError, TelephonyError

if TYPE_CHECKING:
    from .line import Line

_LOGGER = logging.getLogger(__name__)

DEFAULT_AFTER: Final = 20
DEFAULT_SECONDS: Final = 120
_CONNECT_SECONDS: Final = 35.0


@dataclass(frozen=True, kw_only=True)
class AnsweringRules:
    """When the machine answers, what it says, and how long one may speak; in seconds."""

    after: float = DEFAULT_AFTER
    greeting: str = ""
    longest: float = DEFAULT_SECONDS

    @classmethod
    def of(cls, options: Mapping[str, Any]) -> AnsweringRules:
        """Return the rules of a config entry's options."""
        return cls(
            after=options.get(CONF_ANSWERING_AFTER, DEFAULT_AFTER),
            greeting=options.get(CONF_ANSWERING_GREETING, ""),
            longest=options.get(CONF_ANSWERING_SECONDS, DEFAULT_SECONDS),
        )


class AnsweringMachine:
    """Waits beside each call that rings; whatever else happens to the call ends the waiting."""

    def __init__(self, hass: HomeAssistant, line: Line) -> None:
        """Take no call yet."""
        self._hass = hass
        self._line = line
        self._rules = AnsweringRules.of(line.entry.options)
        self._waiting: dict[str, CALLBACK_TYPE] = {}
        self._taken: set[str] = set()

    @property
    def enabled(self) -> bool:
        """Tell whether it is switched on."""
        return bool(self._line.entry.options.get(CONF_ANSWERING_MACHINE, False))

    def has_taken(self, call: Call) -> bool:
        """Tell whether it serves a call, and so records what is said."""
        return call.id in self._taken

    @callback
    def call_updated(self, update: CallUpdate) -> None:
        """Begin to wait when a call rings, and stop when it does not any more."""
        call = update.call
        if update.type is CallEventType.INCOMING:
            if not self.enabled:
                return

            @callback
            def take(_now: object) -> None:
                self._waiting.pop(call.id, None)
                self._line.entry.async_create_background_task(
                    self._hass, self._serve(call), f"{DOMAIN} answering machine"
                )

            job = HassJob(take, cancel_on_shutdown=True)
            self._waiting[call.id] = async_call_later(self._hass, self._rules.after, job)
        elif stop := self._waiting.pop(call.id, None):
            stop()

    @callback
    def close(self) -> None:
        """Wait for no call any more."""
        for stop in self._waiting.values():
            stop()
        self._waiting.clear()

    async def _serve(self, call: Call) -> None:
        """Take a call that nobody took."""
        if self._line.latest(call).state is CallState.RINGING and self.enabled:
            await self.async_take(call)

    async def async_take(self, call: Call) -> None:
        """Take a call to its end; whatever goes wrong, it does not stay open."""
        greeting = await self._greeting(call)
        current = self._line.latest(call)
        if current.state is not CallState.RINGING or current.answered:
            # Somebody was faster than the words were ready.
            return
        self._taken.add(call.id)
        try:
            with Keys(self._line, call) as keys:
                await self._line.async_pick_up(call)
                call = await self._line.async_connected(call, _CONNECT_SECONDS)
                player = self._line.player.of(call)
                for sound in (greeting, notice_tone()):
                    if sound is not None:
                        await player.play(sound, announcement=True).finished()
                await self._line.recorder.async_start(
                    self._line.latest(call), notice=False, kind=RecordingKind.MESSAGE
                )
                async with asyncio.timeout(self._rules.longest):
                    while True:
                        await keys.next(self._rules.longest)
        except CallNotConnectedError, TimeoutError:
            pass
        except TelephonyError as error:
            _LOGGER.warning("The answering machine cannot go on with %s: %s", call.id, error)
        finally:
            self._taken.discard(call.id)
            await asyncio.shield(hang_up(self._line, call))

    async def _greeting(self, call: Call) -> Sound | None:
        """Return what the caller hears before the tone; None if it cannot be said."""
        words = CallerWords(written=self._rules.greeting, usual="answering_greeting")
        try:
            return await caller_words(self._line, call, words)
        except (TemplateError, TelephonyError) as error:
            _LOGGER.warning("The answering machine has no greeting but the tone: %s", error)
            return None

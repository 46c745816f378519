"""Answering by itself what rings, after some seconds, while that is switched on."""

from collections.abc import Awaitable, Callable
from typing import Final

from homeassistant.core import CALLBACK_TYPE, HassJob, HomeAssistant, callback
from homeassistant.helpers.event import async_call_later

from .calls import CallEventType, CallUpdate

DEFAULT_AUTO_ANSWER_AFTER: Final = 3

type Answer = Callable[[str], Awaitable[None]]
type Delay = Callable[[], float | None]


class AutoAnswer:
    """Waits beside each call that rings; whatever else happens to the call ends the waiting."""

    def __init__(self, hass: HomeAssistant, delay: Delay, answer: Answer) -> None:
        """Keep how long to wait (None: not at all) and how to answer."""
        self._hass = hass
        self._delay = delay
        self._answer = answer
        self._waiting: dict[str, CALLBACK_TYPE] = {}

    @callback
    def call_updated(self, update: CallUpdate) -> None:
        """Begin to wait when a call rings, and stop when it does not any more."""
        call = update.call.id
        if update.type is CallEventType.INCOMING:
            if (delay := self._delay()) is not None:

                async def answer(_now: object) -> None:
                    self._waiting.pop(call, None)
                    await self._answer(call)

                job = HassJob(answer, cancel_on_shutdown=True)
                self._waiting[call] = async_call_later(self._hass, delay, job)
        elif stop := self._waiting.pop(call, None):
            stop()

"""Sits inside the Home Assistant that is measured: blocks its loop, stamps, sends RTP.

The actions are for ``scripts/bench`` alone: ``block`` stops the event loop for 300 ms of each
second; ``watch`` begins to measure how long the loop is held, and ``watched`` returns the longest;
``stamps`` returns when this process had read each incoming call from the engine; ``send`` runs
the integration's own RTP sender inside this event loop.
"""

import select
import time
from typing import Any

from homeassistant.core import HomeAssistant, ServiceCall, SupportsResponse
from homeassistant.helpers.typing import ConfigType

from custom_components.hikari_denwa.line import Line
from custom_components.hikari_denwa.telephony.engine.native.rtp.session import RtpSession
from custom_components.hikari_denwa.telephony.engine.protocol import CallEvent, CallIncoming

DOMAIN = "bench_loop"
PERIOD_SECONDS = 1.0
BLOCKED_SECONDS = 0.3
WATCH_SECONDS = 0.001


class LoopBlocker:
    """Blocks the loop for 300 ms of each second while it is on."""

    def __init__(self, hass: HomeAssistant) -> None:
        """Begin switched off."""
        self._loop = hass.loop
        self._on = False
        self._next = 0.0

    def switch(self, *, on: bool) -> None:
        """Begin or stop blocking."""
        if on and not self._on:
            self._next = self._loop.time()
            self._loop.call_soon(self._block)
        self._on = on

    def _block(self) -> None:
        """Block, and come back at the next whole second since the start."""
        if not self._on:
            return
        # Home Assistant refuses time.sleep in its event loop.
        select.select([], [], [], BLOCKED_SECONDS)
        self._next += PERIOD_SECONDS
        self._loop.call_at(self._next, self._block)


class LoopWatch:
    """Looks every millisecond how late the loop is, which is how long something held it."""

    def __init__(self, hass: HomeAssistant) -> None:
        """Begin switched off."""
        self._loop = hass.loop
        self._on = False
        self._due = 0.0
        self._worst = 0.0

    def start(self) -> None:
        """Begin anew."""
        self._worst, self._on = 0.0, True
        self._expect()

    def stop(self) -> float:
        """End, and return the longest time in seconds."""
        self._on = False
        return self._worst

    def _expect(self) -> None:
        """Wait a millisecond."""
        self._due = self._loop.time() + WATCH_SECONDS
        self._loop.call_at(self._due, self._look)

    def _look(self) -> None:
        """See how much longer it was."""
        self._worst = max(self._worst, self._loop.time() - self._due)
        if self._on:
            self._expect()


class Stamps:
    """Notes when an incoming call was read from the engine, in Unix time."""

    def __init__(self) -> None:
        """Begin with none, and listen in on every line."""
        self.taken: list[dict[str, float]] = []
        original = Line.call_event

        def stamped(line: Line, event: CallEvent) -> None:
            if isinstance(event, CallIncoming):
                self.taken.append({"engine": event.at, "home_assistant": time.time()})
            original(line, event)

        Line.call_event = stamped  # type: ignore[assignment,method-assign]


async def async_setup(hass: HomeAssistant, _config: ConfigType) -> bool:
    """Register the actions."""
    blocker = LoopBlocker(hass)
    stamps = Stamps()
    loop_watch = LoopWatch(hass)
    sessions: list[RtpSession] = []

    async def block(call: ServiceCall) -> None:
        blocker.switch(on=call.data["on"])

    async def watch(_call: ServiceCall) -> None:
        loop_watch.start()

    async def watched(_call: ServiceCall) -> dict[str, Any]:
        return {"held": loop_watch.stop()}

    async def take_stamps(_call: ServiceCall) -> dict[str, Any]:
        taken, stamps.taken = stamps.taken, []
        return {"taken": taken}

    async def send(call: ServiceCall) -> None:
        while sessions:
            sessions.pop().close()
        if port := call.data.get("port"):
            session = await RtpSession.open("::1", on_frame=_ignore, on_digit=_ignore)
            session.set_remote("::1", port)
            session.start()
            sessions.append(session)

    hass.services.async_register(DOMAIN, "block", block)
    hass.services.async_register(
        DOMAIN, "stamps", take_stamps, supports_response=SupportsResponse.ONLY
    )
    hass.services.async_register(DOMAIN, "send", send)
    hass.services.async_register(DOMAIN, "watch", watch)
    hass.services.async_register(
        DOMAIN, "watched", watched, supports_response=SupportsResponse.ONLY
    )
    return True


def _ignore(_told: object) -> None:
    """Take what a session tells and do nothing."""

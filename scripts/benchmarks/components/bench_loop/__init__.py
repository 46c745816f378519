"""Sits inside the Home Assistant that is measured: blocks its loop, stamps, sends RTP.

The actions are for ``scripts/bench`` alone: ``block`` stops the event loop for 300 ms of each
second; ``stamps`` returns when this process had read each incoming call from the
engine; ``send`` runs the integration's own RTP sender inside this event loop; ``watch_loop``
notes how long the integration holds the loop at a time, by asyncio's debug mode, and apart from
that how long Python's collector does; ``time_loop`` measures how late the loop is, whoever holds
it.
"""

import asyncio
import gc
import logging
import select
import time
from collections import deque
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
NOTICED_SECONDS = 0.001
OURS = "hikari_denwa"
LAST_RUNS = 64


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


class LoopClock:
    """Looks every millisecond how late the loop is, which is how long something held it."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        """Begin switched off."""
        self._loop = loop
        self._on = False
        self._due = 0.0
        self._worst = 0.0

    def begin(self) -> None:
        """Measure from now on."""
        self._worst, self._on = 0.0, True
        self._expect()

    def end(self) -> dict[str, Any]:
        """Stop, and return the longest time in seconds."""
        self._on = False
        return {"seconds": self._worst}

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


class CollectorWatch:
    """Notes when Python's collector runs.

    It stops the process for the objects of all of Home Assistant, in the step of whoever makes
    one too many.
    """

    def __init__(self) -> None:
        """Begin switched off."""
        self.longest = 0.0
        self._runs: deque[tuple[float, float]] = deque(maxlen=LAST_RUNS)
        self._began = 0.0

    def begin(self) -> None:
        """Watch from now on."""
        self.longest = 0.0
        self._runs.clear()
        gc.callbacks.append(self._note)

    def end(self) -> None:
        """Stop."""
        gc.callbacks.remove(self._note)

    def within(self, seconds: float) -> float:
        """Return for how long it ran in the last so many seconds."""
        since = time.monotonic() - seconds
        return sum(took for began, took in self._runs if began >= since)

    def _note(self, phase: str, _info: dict[str, int]) -> None:
        """Take the beginning of a run, or its end."""
        now = time.monotonic()
        if phase == "start":
            self._began = now
            return
        self._runs.append((self._began, now - self._began))
        self.longest = max(self.longest, now - self._began)


class LoopWatch(logging.Handler):
    """Takes what asyncio tells in debug mode of steps that took long, and keeps ours.

    What the collector took of a step is not the step's.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        """Begin switched off."""
        super().__init__()
        self._loop = loop
        self._collector = CollectorWatch()
        self._taken: list[tuple[float, str]] = []

    def begin(self) -> None:
        """Watch from now on."""
        self._taken.clear()
        self._collector.begin()
        self._loop.set_debug(True)
        self._loop.slow_callback_duration = NOTICED_SECONDS
        logging.getLogger("asyncio").addHandler(self)

    def end(self) -> dict[str, Any]:
        """Stop, and return what was taken, the longest first."""
        logging.getLogger("asyncio").removeHandler(self)
        self._loop.set_debug(False)
        self._collector.end()
        taken = sorted(self._taken, reverse=True)
        return {
            "seconds": [seconds for seconds, _ in taken],
            "what": [what for _, what in taken],
            "collector": self._collector.longest,
        }

    def emit(self, record: logging.LogRecord) -> None:
        """Take a record: what was executed, and the seconds."""
        if isinstance(record.args, tuple) and len(record.args) == 2 and OURS in str(record.args[0]):
            what, seconds = str(record.args[0]), float(str(record.args[1]))
            self._taken.append((seconds - self._collector.within(seconds), what))


async def async_setup(hass: HomeAssistant, _config: ConfigType) -> bool:
    """Register the actions."""
    blocker = LoopBlocker(hass)
    stamps = Stamps()
    watch = LoopWatch(hass.loop)
    clock = LoopClock(hass.loop)
    sessions: list[RtpSession] = []

    async def block(call: ServiceCall) -> None:
        blocker.switch(on=call.data["on"])

    async def take_stamps(_call: ServiceCall) -> dict[str, Any]:
        taken, stamps.taken = stamps.taken, []
        return {"taken": taken}

    async def watch_loop(call: ServiceCall) -> dict[str, Any]:
        if not call.data["on"]:
            return watch.end()
        watch.begin()
        return {}

    async def time_loop(call: ServiceCall) -> dict[str, Any]:
        if not call.data["on"]:
            return clock.end()
        clock.begin()
        return {}

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
    hass.services.async_register(
        DOMAIN, "watch_loop", watch_loop, supports_response=SupportsResponse.OPTIONAL
    )
    hass.services.async_register(
        DOMAIN, "time_loop", time_loop, supports_response=SupportsResponse.OPTIONAL
    )
    return True


def _ignore(_told: object) -> None:
    """Take what a session tells and do nothing."""

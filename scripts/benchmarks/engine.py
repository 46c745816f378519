"""The engine process: how fast it comes back, what it weighs, how fast it registers."""

import asyncio
import os
import signal
import statistics
import time
from pathlib import Path

from custom_components.hikari_denwa.telephony.engine.client import EngineClient
from custom_components.hikari_denwa.telephony.engine.protocol import (
    CallEvent,
    LineConfig,
    PathsChanged,
    RegistrationChanged,
    RegistrationState,
    SoundFrame,
)
from scripts.benchmarks import far_end
from scripts.benchmarks.far_end import FarEnd
from scripts.benchmarks.figures import Figure, rounded, spread
from scripts.benchmarks.rig import Rig, RigError

KILLS = 3
REGISTRATIONS = 20
_CALL_SECONDS = 2.0
_REST_SECONDS = 3.0


async def measure_memory(rig: Rig) -> list[Figure]:
    """Read what the engine occupies with one registered line and no call."""
    await asyncio.sleep(_REST_SECONDS)
    status = await asyncio.to_thread(Path(f"/proc/{rig.engine_pid()}/status").read_text)
    kibibytes = next(int(line.split()[1]) for line in status.splitlines() if "VmRSS:" in line)
    return [
        Figure(
            name="engine_rss_mib",
            value=rounded(kibibytes / 1024),
            unit="MiB",
            context="VmRSS, one registered line",
        )
    ]


async def measure_restart(rig: Rig) -> list[Figure]:
    """Kill the engine in a call and wait for its line at the gateway."""
    samples = []
    for _ in range(KILLS):
        await rig.call()
        await asyncio.sleep(_CALL_SECONDS)
        pid = rig.engine_pid()
        killed = time.monotonic()
        os.kill(pid, signal.SIGKILL)
        back = await rig.far_end.ask("registered", since=killed, time_limit=60.0)
        samples.append(back["at"] - killed)
        await rig.far_end.ask("forget_call")
        # A reload brings an engine without a history of crashes, whose back-off starts anew.
        reloaded = time.monotonic()
        await rig.client.post(f"/api/config/config_entries/entry/{rig.entry_id}/reload", {})
        await rig.far_end.ask("registered", since=reloaded, time_limit=30.0)
        await asyncio.sleep(_REST_SECONDS)
    return [
        Figure(
            name="engine_restart_s",
            value=rounded(statistics.median(samples)),
            unit="s",
            context=f"killed in a call; {spread(samples)}",
        )
    ]


class _Outcomes:
    """Takes what the engine tells of one line."""

    def __init__(self) -> None:
        """Begin with nothing told."""
        self.registering = 0.0
        self.registered: asyncio.Future[float] = asyncio.get_running_loop().create_future()

    def registration_changed(self, event: RegistrationChanged) -> None:
        """Note when the registration began and when it stood."""
        if event.state is RegistrationState.REGISTERING:
            self.registering = event.at
        elif not self.registered.done():
            if event.state is RegistrationState.REGISTERED:
                self.registered.set_result(event.at - self.registering)
            else:
                self.registered.set_exception(RigError(f"not registered: {event.reason}"))

    def call_event(self, event: CallEvent) -> None:
        """Pass over calls."""

    def sound(self, frame: SoundFrame) -> None:
        """Pass over sound."""

    def paths_changed(self, event: PathsChanged) -> None:
        """Pass over paths."""

    def engine_lost(self) -> None:
        """Pass over the end."""


async def measure_registration() -> list[Figure]:
    """Register over and over with an engine alone: REGISTER, 401, REGISTER, 200."""
    samples = []
    async with FarEnd() as gateway:
        client = EngineClient()
        await client.start()
        try:
            for number in range(REGISTRATIONS):
                outcomes = _Outcomes()
                config = LineConfig(
                    gateway="::1",
                    port=gateway.port,
                    extension=far_end.EXTENSION,
                    user_id=far_end.USER_ID,
                    password=far_end.PASSWORD,
                )
                await client.add_line(f"bench-{number}", config, outcomes)
                async with asyncio.timeout(10):
                    samples.append(1000 * await outcomes.registered)
                await client.remove_line(f"bench-{number}")
        finally:
            await client.close()
    return [
        Figure(
            name="register_ms",
            value=rounded(statistics.median(samples)),
            unit="ms",
            context=f"with the challenge; {spread(samples)}",
        )
    ]

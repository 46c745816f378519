"""What calls cost: processor, memory, and how evenly packets leave while others work."""

import asyncio
import contextlib
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

from scripts.benchmarks.far_end import CROWD, EXTENSION
from scripts.benchmarks.figures import Figure, Value, rounded
from scripts.benchmarks.lone import backends, lone
from scripts.benchmarks.rig import RigError

CALLS = (1, 10, 50)
CPU_SECONDS = 12.0
INTERVAL_SECONDS = 30.0
_SETTLE_SECONDS = 3.0
# As an ordinary process, also where the measurement has a better class (chrt).
_BUSY = """
import os
os.sched_setscheduler(0, os.SCHED_OTHER, os.sched_param(0))
while True:
    pass
"""


async def measure_cost() -> list[Figure]:
    """Read what the engine's process uses in calls whose sound somebody listens to."""
    share: dict[str, Value] = {}
    memory: dict[str, Value] = {}
    for backend in backends():
        by_calls: dict[str, Value] = {}
        by_calls_memory: dict[str, Value] = {}
        for calls in CALLS:
            used, resident = await _cost(backend, calls)
            by_calls[str(calls)] = rounded(used)
            by_calls_memory[str(calls)] = rounded(resident)
        share[backend], memory[backend] = by_calls, by_calls_memory
    context = f"{CPU_SECONDS:.0f} s, sound both ways, streamed over the engine's WebSocket"
    return [
        Figure(name="cpu_pct", value=share, unit="% core", context=context),
        Figure(name="rss_mib", value=memory, unit="MiB", context="VmRSS, as many lines as calls"),
    ]


async def _cost(backend: str, calls: int) -> tuple[float, float]:
    """Return the share of a core in per cent and the memory in MiB of so many calls."""
    async with lone(backend, CROWD[:calls]) as stage:
        await stage.far_end.ask("begin_crowd", calls=calls)
        await asyncio.sleep(_SETTLE_SECONDS)
        began, used = time.monotonic(), processor_seconds(stage.pid)
        await asyncio.sleep(CPU_SECONDS)
        spent = processor_seconds(stage.pid) - used
        share = 100 * spent / (time.monotonic() - began)
        resident = _resident_mib(stage.pid)
        await stage.far_end.ask("end_crowd")
    return share, resident


async def measure_intervals() -> list[Figure]:
    """Measure the times between packets of one call while every other core is busy."""
    found: dict[str, Value] = {}
    for backend in backends():
        async with lone(backend, [EXTENSION]) as stage:
            await stage.far_end.ask("begin_call")
            with _others_busy():
                heard = await stage.far_end.ask(
                    "listen", settle=_SETTLE_SECONDS, seconds=INTERVAL_SECONDS
                )
            await stage.far_end.ask("end_call")
        if not heard["engine"]["packets"]:
            raise RigError("nothing was heard")
        figures = heard["engine"]
        found[backend] = {
            "p50": rounded(figures["gap_p50"]),
            "p99": rounded(figures["gap_p99"]),
            "max": rounded(figures["gap_max"]),
        }
    busy = (os.cpu_count() or 1) - 1
    context = f"{INTERVAL_SECONDS:.0f} s of one call, {busy} of {busy + 1} cores kept busy"
    return [Figure(name="packet_interval_ms", value=found, unit="ms", context=context)]


@contextlib.contextmanager
def _others_busy() -> Iterator[None]:
    """Keep all cores but one busy."""
    running = [
        subprocess.Popen([sys.executable, "-c", _BUSY]) for _ in range((os.cpu_count() or 1) - 1)
    ]
    try:
        yield
    finally:
        for process in running:
            process.kill()
            process.wait()


def processor_seconds(pid: int) -> float:
    """Return the time that a process has used so far."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def _resident_mib(pid: int) -> float:
    """Return the resident memory of a process."""
    status = Path(f"/proc/{pid}/status").read_text()
    return next(int(line.split()[1]) for line in status.splitlines() if "VmRSS:" in line) / 1024

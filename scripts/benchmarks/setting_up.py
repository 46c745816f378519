"""How long it takes until a call that we place is connected, by each back end."""

import asyncio
import time

from scripts.benchmarks.far_end import ANSWERS_AT_ONCE, EXTENSION
from scripts.benchmarks.figures import Figure, Value, middle_and_tail, spread
from scripts.benchmarks.lone import Lone, backends, lone

CALLS = 150
WARM_UPS = 5
_PATIENCE_SECONDS = 10.0
_REST_SECONDS = 0.1


async def measure() -> list[Figure]:
    """Place calls one after the other to somebody who answers at once."""
    found: dict[str, Value] = {}
    contexts = []
    for backend in backends():
        async with lone(backend, [EXTENSION], streams=False) as stage:
            samples = [await _place(stage) for _ in range(WARM_UPS + CALLS)][WARM_UPS:]
        found[backend] = middle_and_tail(samples)
        contexts.append(f"{backend}: {spread(samples)}")
    context = "from the command to CallConnected, challenge included; " + "; ".join(contexts)
    return [Figure(name="call_setup_ms", value=found, unit="ms", context=context)]


async def _place(stage: Lone) -> float:
    """Place a call, hang up, and return the milliseconds until it was connected."""
    ears = stage.ears[EXTENSION]
    ears.connected.clear()
    began = time.perf_counter()
    dialled = await stage.client.dial(EXTENSION, ANSWERS_AT_ONCE)
    async with asyncio.timeout(_PATIENCE_SECONDS):
        await ears.connected.wait()
    took = time.perf_counter() - began
    await stage.client.hang_up(dialled.call)
    await asyncio.sleep(_REST_SECONDS)
    return 1000 * took

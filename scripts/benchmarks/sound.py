"""A call's sound while Home Assistant's event loop is blocked, beside a sender inside that loop."""

import asyncio
import contextlib
from typing import Any

from scripts.benchmarks.figures import Figure, rounded
from scripts.benchmarks.rig import Rig, RigError

SECONDS = 60.0
SETTLE_SECONDS = 2.0
WHOLE_RATE = 50


async def measure(rig: Rig) -> list[Figure]:
    """Talk for a minute; a player listens to the call's live stream meanwhile."""
    await rig.call()
    listened = await rig.client.action("listen")
    await rig.perform("send", port=rig.far_end.sink)
    player = asyncio.create_task(_drain(rig, listened["url"]))
    try:
        async with rig.blocked_loop():
            heard = await rig.far_end.ask("listen", settle=SETTLE_SECONDS, seconds=SECONDS)
    finally:
        player.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await player
        await rig.perform("send")
        await rig.far_end.ask("end_call")
    if not heard["engine"]["packets"] or not heard["in_process"]["packets"]:
        raise RigError(f"nothing was heard: {heard}")
    return [*_figures(heard["engine"], ""), *_figures(heard["in_process"], "_in_process")]


def _figures(heard: dict[str, Any], suffix: str) -> list[Figure]:
    """Return the three figures of one stream."""
    rate = heard["packets"] / SECONDS
    context = f"{heard['packets']} packets in {SECONDS:.0f} s, {rate:.2f}/s of {WHOLE_RATE}"
    return [
        Figure(
            name=f"rtp_gap_ms_blocked_loop{suffix}",
            value={"p99": rounded(heard["gap_p99"]), "max": rounded(heard["gap_max"])},
            unit="ms",
            context=context,
        ),
        Figure(
            name=f"rtp_short_pct_blocked_loop{suffix}",
            value=rounded(heard["short_pct"]),
            unit="%",
            context=context,
        ),
        Figure(
            name=f"rtp_holes_pct_blocked_loop{suffix}",
            value=rounded(heard["holes_pct"]),
            unit="%",
            context="a listener with a buffer of 60 ms",
        ),
    ]


async def _drain(rig: Rig, url: str) -> None:
    """Play the live stream, as far as bytes go."""
    async with rig.client.get(url) as response:
        async for _ in response.content.iter_any():
            pass

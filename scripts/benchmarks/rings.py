"""From the INVITE datagram to the state that a client of Home Assistant sees, and to the 180."""

import asyncio
import random
import time
from datetime import datetime
from typing import Any

from scripts.benchmarks.figures import Figure, middle_and_tail, spread
from scripts.benchmarks.rig import Rig, RigError
from tests.home_gateway import Family
from tests.home_gateway.transport import Peer, Stamp, UdpSocket

RINGS = 250
WARM_UP_RINGS = 15
BLOCKED_RINGS = 200
_HOLD_SECONDS = 0.06
_HOPS = ("gateway_to_engine", "engine_to_home_assistant", "to_state", "state_to_client")


class Watch:
    """Notes when the WebSocket client got each incoming call of the event entity."""

    def __init__(self, entity_id: str) -> None:
        """Watch one entity."""
        self.seen: list[tuple[float, float]] = []
        self._entity_id = entity_id

    def __call__(self, event: dict[str, Any], at: float) -> None:
        """Take a state_changed event."""
        data = event["data"]
        if data["entity_id"] != self._entity_id or data["new_state"] is None:
            return
        if data["new_state"]["attributes"].get("event_type") == "incoming":
            written = datetime.fromisoformat(data["new_state"]["last_updated"]).timestamp()
            self.seen.append((written, at))


class Ruler:
    """Measures a bare datagram to the far end and back: what this machine itself needs now."""

    def __init__(self, port: int) -> None:
        """Keep the port that echoes."""
        self.samples: list[float] = []
        self._port = port
        self._came: asyncio.Future[float]

    async def measure(self) -> None:
        """Take one sample, in milliseconds."""
        loop = asyncio.get_running_loop()
        self._came = loop.create_future()
        bound = UdpSocket("::1", 0, self._take)
        try:
            began = time.monotonic()
            bound.send(b"ping", Peer(Family.V6, "::1", self._port))
            async with asyncio.timeout(5):
                self.samples.append(1000 * (await self._came - began))
        finally:
            bound.close()

    def _take(self, _data: bytes, _peer: Peer, stamp: Stamp) -> None:
        """Note the echo's arrival."""
        if not self._came.done():
            self._came.set_result(stamp.monotonic)


async def measure(rig: Rig) -> list[Figure]:
    """Ring some hundred times; Home Assistant is otherwise idle."""
    watch = Watch(rig.entities["event.call"])
    await rig.client.subscribe(watch, "subscribe_events", event_type="state_changed")
    await _ring(rig, WARM_UP_RINGS, Ruler(rig.far_end.echo))
    watch.seen.clear()
    await rig.stamps()
    ruler = Ruler(rig.far_end.echo)
    rung = await _ring(rig, RINGS, ruler)
    stamps = await rig.stamps()
    if not len(rung) == len(watch.seen) == len(stamps):
        raise RigError(f"{len(rung)} rings gave {len(stamps)} calls and {len(watch.seen)} events")
    wall_offset = time.time() - time.monotonic()
    hops: dict[str, list[float]] = {hop: [] for hop in _HOPS}
    whole: list[float] = []
    for ring, stamp, (written, seen) in zip(rung, stamps, watch.seen, strict=True):
        moments = (
            ring["invite_wall"],
            stamp["engine"],
            stamp["home_assistant"],
            written,
            seen + wall_offset,
        )
        for hop, before, after in zip(_HOPS, moments, moments[1:], strict=False):
            hops[hop].append(1000 * (after - before))
        whole.append(1000 * (seen - ring["invite"]))
    to_180 = [1000 * (ring["ringing"] - ring["invite"]) for ring in rung]
    return [
        Figure(
            name="ring_to_event_ms",
            value={
                **middle_and_tail(whole),
                "hops": {hop: middle_and_tail(samples)["p50"] for hop, samples in hops.items()},
            },
            unit="ms",
            context=f"{spread(whole)}; {_bare(ruler)}",
        ),
        Figure(
            name="invite_to_180_ms",
            value=middle_and_tail(to_180),
            unit="ms",
            context=f"{spread(to_180)}; {_bare(ruler)}",
        ),
    ]


async def measure_blocked(rig: Rig) -> list[Figure]:
    """Ring while the loop is blocked, at moments spread over the blocking's second."""
    async with rig.blocked_loop():
        ruler = Ruler(rig.far_end.echo)
        rung = await _ring(rig, BLOCKED_RINGS, ruler)
    to_180 = [1000 * (ring["ringing"] - ring["invite"]) for ring in rung]
    return [
        Figure(
            name="invite_to_180_ms_blocked_loop",
            value=middle_and_tail(to_180),
            unit="ms",
            context=f"{spread(to_180)}; {_bare(ruler)}",
        )
    ]


async def _ring(rig: Rig, times: int, ruler: Ruler) -> list[dict[str, Any]]:
    """Ring one call after the other, with pauses of no fixed length between."""
    rung = []
    for _ in range(times):
        rung.append(await rig.far_end.ask("ring", hold=_HOLD_SECONDS))
        await _pause()
        await ruler.measure()
        await _pause()
    return rung


async def _pause() -> None:
    """Let everything sleep, as it does before a real call."""
    await asyncio.sleep(random.uniform(0.02, 0.07))


def _bare(ruler: Ruler) -> str:
    """Tell what a bare round trip took meanwhile."""
    taken = middle_and_tail(ruler.samples)
    return f"a bare datagram and its echo: p50 {taken['p50']}, p99 {taken['p99']} ms"

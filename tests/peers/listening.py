"""What a listener hears behind a bad network: figures for tests and for tables.

``await listen(folder, address, NETWORKS)`` gives them in calls of Kamailio and baresip to an
engine in another network namespace; ``table(…)`` writes them in Markdown.
"""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from custom_components.hikari_denwa.telephony.engine.protocol import (
    SILENCE,
    CallConnected,
    CallEnded,
    CallQuality,
    SoundFlag,
    SoundFrame,
)

from . import sound
from .baresip import Baresip
from .desk import Desk
from .kamailio import ENGINE, PHONE, Kamailio
from .network import FAR, Impairment, Network

FAR_TONE = 1000
NETWORKS: Mapping[str, Impairment] = {
    "clean": Impairment(),
    "delay 20 ms": Impairment(delay=0.02),
    "delay 200 ms": Impairment(delay=0.2),
    "jitter 30 ms": Impairment(delay=0.02, jitter=0.03),
    "loss 1 %": Impairment(loss=0.01),
    "loss 5 %": Impairment(loss=0.05),
    "loss 20 %": Impairment(loss=0.2),
    "reordering 10 %": Impairment(delay=0.02, reordered=0.1),
    "duplication 10 %": Impairment(duplicated=0.1),
}
# The playout buffer finds its depth.
_SETTLE_SECONDS = 1.0
# Lost signalling comes again after 0.5, 1.5, 3.5, 7.5, 11.5 … seconds (RFC 3261 §17.1).
PATIENCE = 32.0


@dataclass(frozen=True, kw_only=True)
class Listened:
    """Shares in percent of what was played: nothing at all, made up, and the far side's tone.

    ``delay_ms`` is how long packets wait in the playout buffer.
    """

    gap_pct: float
    concealed_pct: float
    tone_pct: float
    delay_ms: float


@dataclass(frozen=True, kw_only=True)
class Ends:
    """Both ends of a network, and the way between them."""

    network: Network
    kamailio: Kamailio
    phone: Baresip
    desk: Desk


@contextlib.asynccontextmanager
async def ends(folder: Path, family: int) -> AsyncIterator[Ends]:
    """Start a registrar and a phone on one side, an engine on the other; family is 6 or 4."""
    async with Network() as network, contextlib.AsyncExitStack() as stack:
        with network.far():
            kamailio = await stack.enter_async_context(Kamailio(folder / "kamailio", FAR[family]))
            phone = await stack.enter_async_context(
                Baresip(folder / "phone", kamailio, PHONE, frequency=FAR_TONE)
            )
        with network.near():
            desk = await stack.enter_async_context(Desk())
        yield Ends(network=network, kamailio=kamailio, phone=phone, desk=desk)
        # Goodbyes are no part of what is measured.
        network.impairment = Impairment()


async def register(both: Ends) -> None:
    """Register the engine."""
    await both.desk.register(both.kamailio.address, both.kamailio.port, ENGINE, time_limit=PATIENCE)


async def call(both: Ends) -> str:
    """Call the phone, which answers; return the call."""
    dialled = await both.desk.dial(PHONE.number)
    await both.phone.event("CALL_INCOMING", PATIENCE)
    await both.phone.accept()
    await both.desk.event(CallConnected, PATIENCE)
    return dialled.call


async def listen(
    folder: Path, family: int, networks: Mapping[str, Impairment], *, seconds: float = 2.0
) -> dict[str, Listened]:
    """Listen to the phone's tone in a call through each network; family is 6 or 4."""
    async with ends(folder, family) as both:
        await register(both)
        return {
            name: await _listen(both, impairment, seconds) for name, impairment in networks.items()
        }


async def _listen(both: Ends, impairment: Impairment, seconds: float) -> Listened:
    """Listen in one call, whose signalling is spared."""
    desk = both.desk
    name = await call(both)
    both.network.impairment = impairment
    desk.heard.clear()
    await desk.client.stream_sound(name, enabled=True)
    await asyncio.sleep(_SETTLE_SECONDS)
    begin = len(desk.heard)
    await asyncio.sleep(seconds)
    frames = desk.heard[begin:]
    both.network.impairment = Impairment()
    await desk.client.hang_up(name)
    await desk.event(CallEnded)
    return judge(frames, desk.told(CallQuality)[-1].quality.playout_delay_ms)


def judge(frames: Sequence[SoundFrame], delay_ms: float) -> Listened:
    """Measure what was played; raises ValueError where there is nothing."""
    if not frames:
        raise ValueError("nothing was heard")
    expected = frames[-1].number - frames[0].number + 1
    silent = sum(frame.payload == SILENCE for frame in frames)
    made_up = sum(bool(frame.flags & SoundFlag.CONCEALED) for frame in frames)
    samples = sound.from_ulaw(b"".join(frame.payload for frame in frames))
    return Listened(
        gap_pct=100 * (expected - len(frames) + silent) / expected,
        concealed_pct=100 * made_up / len(frames),
        tone_pct=100 * sound.tone_share(samples, FAR_TONE),
        delay_ms=delay_ms,
    )


def table(found: Mapping[str, Listened]) -> str:
    """Return the figures as a Markdown table."""
    lines = ["| network | gap % | concealed % | tone % | wait ms |", "|---|---|---|---|---|"]
    for name, heard in found.items():
        lines.append(
            f"| {name} | {heard.gap_pct:.1f} | {heard.concealed_pct:.1f} "
            f"| {heard.tone_pct:.0f} | {heard.delay_ms:.0f} |"
        )
    return "\n".join(lines)

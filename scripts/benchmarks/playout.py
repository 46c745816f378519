"""What a listener hears of the far side, and how late, with and without lost packets."""

import asyncio
import bisect
import statistics

from custom_components.hikari_denwa.telephony.engine.protocol import SILENCE, SoundFrame
from scripts.benchmarks.far_end import EXTENSION, FRAME_SECONDS, NUMBERS
from scripts.benchmarks.figures import Figure, middle_and_tail, percentile, rounded, spread
from scripts.benchmarks.lone import lone
from scripts.benchmarks.rig import RigError

LOSS = 0.05
SECONDS = 30.0
_SETTLE_SECONDS = 3.0

type Heard = list[tuple[float, SoundFrame]]


async def measure_loss() -> list[Figure]:
    """Lose every twentieth packet at random, and look at what is played."""
    heard, said = await _listen(LOSS)
    numbers = [frame.number for _, frame in heard]
    expected = max(numbers) - min(numbers) + 1
    silent = sum(1 for _, frame in heard if frame.payload == SILENCE)
    gaps = 100 * (expected - len(set(numbers)) + silent) / expected
    delays = [1000 * (frame.played_at / 1e6 - at) for _, frame, at in _matched(heard, said)]
    context = f"5 % of the packets lost at random, {len(heard)} frames played"
    return [
        Figure(name="playout_gap_pct_at_loss_5", value=rounded(gaps), unit="%", context=context),
        Figure(
            name="playout_delay_ms_at_loss_5",
            value=rounded(statistics.median(delays)),
            unit="ms",
            context=(
                f"from the packet sent to its playout; p99 {percentile(delays, 0.99):.1f}, "
                f"{spread(delays)}"
            ),
        ),
    ]


async def measure_latency() -> list[Figure]:
    """Measure from a frame said at the gateway to its sound message at the engine's client."""
    heard, said = await _listen(0.0)
    delays = [1000 * (arrived - at) for arrived, _, at in _matched(heard, said)]
    return [
        Figure(
            name="mouth_to_websocket_ms",
            value=middle_and_tail(delays),
            unit="ms",
            context=f"from the packet sent to the sound message read; {spread(delays)}",
        )
    ]


async def _listen(loss: float) -> tuple[Heard, list[float]]:
    """Return what is heard of numbered frames, and when each of them was said."""
    async with lone("native", [EXTENSION]) as stage:
        ears = stage.ears[EXTENSION]
        await stage.far_end.ask("begin_call")
        await stage.far_end.ask("say_numbers", loss=loss)
        await asyncio.sleep(_SETTLE_SECONDS)
        ears.keeps = True
        await asyncio.sleep(SECONDS)
        ears.keeps = False
        said: list[float] = (await stage.far_end.ask("numbers_said"))["said"]
        await stage.far_end.ask("end_call")
    if len(ears.heard) < SECONDS / FRAME_SECONDS / 2:
        raise RigError(f"only {len(ears.heard)} frames were heard")
    return ears.heard, said


def _matched(heard: Heard, said: list[float]) -> list[tuple[float, SoundFrame, float]]:
    """Pair the frames that came through whole with the moment in which they were said."""
    found = []
    for arrived, frame in heard:
        value = frame.payload[0]
        if value >= NUMBERS or frame.payload.count(value) != len(frame.payload):
            continue
        latest = bisect.bisect_right(said, frame.played_at / 1e6) - 1
        number = latest - (latest - value) % NUMBERS
        if number >= 0:
            found.append((arrived, frame, said[number]))
    return found

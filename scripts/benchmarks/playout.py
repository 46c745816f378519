"""What a listener hears of the far side, and how late, with and without lost packets."""

import asyncio
import bisect
import statistics
from dataclasses import dataclass

from custom_components.hikari_denwa.telephony.engine.protocol import SILENCE, SoundFlag, SoundFrame
from scripts.benchmarks.far_end import EXTENSION, FRAME_SECONDS, NUMBERS
from scripts.benchmarks.figures import Figure, Value, middle_and_tail, percentile, rounded, spread
from scripts.benchmarks.lone import lone
from scripts.benchmarks.rig import RigError

SECONDS = 30.0
NETWORK_SECONDS = 12.0
NETWORKS: dict[str, dict[str, float]] = {
    "loss_1": {"loss": 0.01},
    "loss_5": {"loss": 0.05},
    "loss_10": {"loss": 0.1},
    "loss_20": {"loss": 0.2},
    "jitter_30_ms": {"jitter": 0.03},
    "reordering_10": {"reordering": 0.1},
    "duplication_10": {"duplication": 0.1},
}
"""What the way from the gateway does to packets: shares from 0 to 1, seconds."""
_SETTLE_SECONDS = 3.0

type Listened = list[tuple[float, SoundFrame]]


@dataclass(frozen=True, kw_only=True)
class Heard:
    """The far side's frames with their time of arrival, and when each number was said."""

    frames: Listened
    said: list[float]

    def gap_pct(self) -> float:
        """Return the share of the time in which nothing was played at all."""
        numbers = [frame.number for _, frame in self.frames]
        expected = max(numbers) - min(numbers) + 1
        silent = sum(1 for _, frame in self.frames if frame.payload == SILENCE)
        return 100 * (expected - len(set(numbers)) + silent) / expected

    def concealed_pct(self) -> float:
        """Return the share of frames that were made up."""
        made_up = sum(1 for _, frame in self.frames if frame.flags & SoundFlag.CONCEALED)
        return 100 * made_up / len(self.frames)

    def delays_ms(self) -> list[float]:
        """Return the times from a frame said to its playout."""
        return [1000 * (frame.played_at / 1e6 - at) for _, frame, at in _matched(self)]

    def latencies_ms(self) -> list[float]:
        """Return the times from a frame said to its message at the engine's client."""
        return [1000 * (arrived - at) for arrived, _, at in _matched(self)]


async def measure_loss() -> list[Figure]:
    """Lose every twentieth packet at random, and look at what is played."""
    heard = await _listen(SECONDS, {"loss": 0.05})
    delays = heard.delays_ms()
    context = f"5 % of the packets lost at random, {len(heard.frames)} frames played"
    return [
        Figure(
            name="playout_gap_pct_at_loss_5",
            value=rounded(heard.gap_pct()),
            unit="%",
            context=context,
        ),
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


async def measure_networks() -> list[Figure]:
    """Look at what is played behind networks that lose, delay, reorder and double packets."""
    found: dict[str, Value] = {}
    for name, faults in NETWORKS.items():
        heard = await _listen(NETWORK_SECONDS, faults)
        found[name] = {
            "gap_pct": rounded(heard.gap_pct()),
            "concealed_pct": rounded(heard.concealed_pct()),
            "delay_ms": rounded(statistics.median(heard.delays_ms())),
        }
    context = f"{NETWORK_SECONDS:.0f} s each; delay: the median"
    return [Figure(name="playout_by_network", value=found, unit="", context=context)]


async def measure_latency() -> list[Figure]:
    """Measure from a frame said at the gateway to its sound message at the engine's client."""
    delays = (await _listen(SECONDS, {})).latencies_ms()
    return [
        Figure(
            name="mouth_to_websocket_ms",
            value=middle_and_tail(delays),
            unit="ms",
            context=f"from the packet sent to the sound message read; {spread(delays)}",
        )
    ]


async def _listen(seconds: float, faults: dict[str, float]) -> Heard:
    """Return what is heard of numbered frames."""
    async with lone("native", [EXTENSION]) as stage:
        ears = stage.ears[EXTENSION]
        await stage.far_end.ask("begin_call")
        await stage.far_end.ask("say_numbers", **faults)
        await asyncio.sleep(_SETTLE_SECONDS)
        ears.keeps = True
        await asyncio.sleep(seconds)
        ears.keeps = False
        said: list[float] = (await stage.far_end.ask("numbers_said"))["said"]
        await stage.far_end.ask("end_call")
    if len(ears.heard) < seconds / FRAME_SECONDS / 2:
        raise RigError(f"only {len(ears.heard)} frames were heard")
    return Heard(frames=ears.heard, said=said)


def _matched(heard: Heard) -> list[tuple[float, SoundFrame, float]]:
    """Pair the frames that came through whole with the moment in which they were said."""
    found = []
    said = heard.said
    for arrived, frame in heard.frames:
        value = frame.payload[0]
        if value >= NUMBERS or frame.payload.count(value) != len(frame.payload):
            continue
        latest = bisect.bisect_right(said, frame.played_at / 1e6) - 1
        number = latest - (latest - value) % NUMBERS
        if number >= 0:
            found.append((arrived, frame, said[number]))
    return found

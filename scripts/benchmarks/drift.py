"""How far a live stream is from its call after an hour, in simulated time."""

import random
from collections.abc import Iterator

from custom_components.hikari_denwa.telephony.audio.timeline import FRAME_SECONDS, Timeline
from scripts.benchmarks.figures import Figure

SKEWS = (-1e-4, 0.0, 1e-4)
HOUR_FRAMES = 180_000
_STALLS = 0.001
_LOSSES = 0.002
_HOLD = (1000.0, 1090.0)


async def measure() -> list[Figure]:
    """Simulate an hour with clocks that are 100 ppm apart, either way."""
    worst = max(drift_frames(skew) for skew in SKEWS)
    return [
        Figure(
            name="stream_drift_frames_per_hour",
            value=worst,
            unit="frames",
            context="simulated: ±100 ppm, stalls of up to 0.8 s, lost frames, a hold of 90 s",
        )
    ]


def drift_frames(skew: float) -> int:
    """Return the most frames by which an hour's stream was ever longer or shorter than its call."""
    timeline = Timeline(0.0)
    now, worst = 0.0, 0
    for number, arrives in _an_hour(skew, random.Random(7)):
        while (due := timeline.next_fill()) < arrives:
            now = max(now, due)
            timeline.fill(now)
        if timeline.take(number, arrives) is not None:
            worst = max(worst, abs(timeline.passed - (number + 1)))
    return worst


def _an_hour(skew: float, dice: random.Random) -> Iterator[tuple[int, float]]:
    """Yield number and time of arrival of the frames of an hour, as our clock has it.

    Some come in bursts after a stall of the one who reads, some never, and there is a hold.
    """
    stalled_until = 0.0
    for number in range(HOUR_FRAMES):
        said = number * FRAME_SECONDS / (1 + skew)
        if dice.random() < _STALLS:
            stalled_until = said + dice.uniform(0.05, 0.8)
        lost = dice.random() < _LOSSES
        if not lost and not _HOLD[0] < said < _HOLD[1]:
            yield number, max(said, stalled_until)

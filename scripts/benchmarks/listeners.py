"""What listeners on a call's live stream hear, how late, and what many of them cost."""

import array
import asyncio
import bisect
import contextlib
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass, field

from scripts.benchmarks.figures import Figure, Value, middle_and_tail, rounded, spread
from scripts.benchmarks.load import processor_seconds
from scripts.benchmarks.rig import Rig, RigError

SECONDS = 60.0
CROWD = 50
CROWD_SECONDS = 20.0
SETTLE_SECONDS = 3.0
FORMS = ("wav", "mp3")
_WAV_HEADER = 44
_LOUD = 3000
# A burst lasts 100 ms and the next begins 300 ms after its end.
_QUIET_SECONDS = 0.2
_LONGEST_DELAY = 0.39


@dataclass
class Player:
    """Takes a stream as it comes, with the time at which each byte was there."""

    data: bytearray = field(default_factory=bytearray)
    ends: list[int] = field(default_factory=list)
    times: list[float] = field(default_factory=list)

    async def play(self, rig: Rig, url: str, *, keeps: bool = True) -> None:
        """Read until the end."""
        async with rig.client.get(url) as response:
            async for piece in response.content.iter_any():
                if keeps:
                    self.data += piece
                    self.ends.append(len(self.data))
                    self.times.append(time.time())

    def there(self, position: int) -> float:
        """Return when the byte at a position was there."""
        return self.times[min(bisect.bisect_right(self.ends, position), len(self.times) - 1)]


async def measure_latency(rig: Rig) -> list[Figure]:
    """Say bursts of a tone, and look when their first sample is in the bytes of a stream."""
    await rig.call()
    players = {form: Player() for form in FORMS}
    async with _listening(rig, players):
        await asyncio.sleep(SETTLE_SECONDS)
        await rig.far_end.ask("say_bursts")
        await asyncio.sleep(SECONDS)
        said: list[float] = (await rig.far_end.ask("bursts_said"))["said"]
        await rig.far_end.ask("end_call")
    value: dict[str, Value] = {}
    contexts = []
    for form, player in players.items():
        heard = await (_in_wav(player) if form == "wav" else _in_mp3(player))
        delays = [1000 * delay for delay in _delays(said, heard)]
        if len(delays) < len(said) // 2:
            raise RigError(f"of {len(said)} bursts {len(delays)} were heard in {form}")
        value[form] = dict(middle_and_tail(delays))
        contexts.append(f"{form}: {spread(delays)}")
    return [
        Figure(name="rtp_to_http_ms", value=value, unit="ms", context="; ".join(contexts)),
    ]


async def measure_crowd(rig: Rig) -> list[Figure]:
    """Listen fifty times to one call, in two formats, and see what that costs Home Assistant."""
    assert rig.home_assistant.process is not None
    pid = rig.home_assistant.process.pid
    await rig.call()
    players = [Player() for _ in range(CROWD)]
    urls = [await _url(rig, FORMS[number % len(FORMS)]) for number in range(CROWD)]
    tasks = [
        asyncio.create_task(player.play(rig, url, keeps=False))
        for player, url in zip(players, urls, strict=True)
    ]
    try:
        await asyncio.sleep(SETTLE_SECONDS)
        await rig.ask("time_loop", on=True)
        began, used = time.monotonic(), processor_seconds(pid)
        await asyncio.sleep(CROWD_SECONDS)
        spent = processor_seconds(pid) - used
        share = 100 * spent / (time.monotonic() - began)
        held: float = (await rig.ask("time_loop", on=False))["seconds"]
        if any(task.done() for task in tasks):
            raise RigError("a listener went away")
    finally:
        await rig.far_end.ask("end_call")
        await asyncio.wait(tasks)
    return [
        Figure(
            name="listeners_50",
            value={"loop_block_ms_max": rounded(1000 * held), "cpu_pct": rounded(share)},
            unit="",
            context=f"{CROWD_SECONDS:.0f} s, half WAV and half MP3; Home Assistant's own process",
        )
    ]


@contextlib.asynccontextmanager
async def _listening(rig: Rig, players: dict[str, Player]) -> AsyncIterator[None]:
    """Have players listen until the call is over."""
    tasks = [
        asyncio.create_task(player.play(rig, await _url(rig, form)))
        for form, player in players.items()
    ]
    try:
        yield
    finally:
        await asyncio.wait(tasks, timeout=10)
        for task in tasks:
            task.cancel()


async def _url(rig: Rig, form: str) -> str:
    """Return the address of the call's stream in a format."""
    response = await rig.client.action("listen", format=form, while_ringing="silence")
    return str(response["url"])


async def _in_wav(player: Player) -> list[float]:
    """Return when the first sample of each burst was there."""
    samples = array.array("h", bytes(player.data[_WAV_HEADER:])[: len(player.data) // 2 * 2 - 44])
    onsets = _onsets(samples, 8000)
    return [player.there(_WAV_HEADER + 2 * onset) for onset in onsets]


async def _in_mp3(player: Player) -> list[float]:
    """Return when the frame was there whose decoding gives the first sample of each burst."""
    decoder = await asyncio.create_subprocess_exec(
        *("ffmpeg", "-loglevel", "error", "-f", "mp3", "-i", "pipe:0", "-f", "s16le", "pipe:1"),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
    )
    decoded, _ = await decoder.communicate(bytes(player.data))
    samples = array.array("h", decoded)
    # 128 kbit/s at 48 kHz: frames of 384 bytes and 1152 samples.
    return [player.there(onset // 1152 * 384 + 383) for onset in _onsets(samples, 48000)]


def _onsets(samples: array.array[int], rate: int) -> list[int]:
    """Return where bursts begin: the first loud sample after a time without one."""
    found, last = [], -rate
    for index, value in enumerate(samples):
        if abs(value) > _LOUD:
            if index - last > _QUIET_SECONDS * rate:
                found.append(index)
            last = index
    return found


def _delays(said: list[float], heard: list[float]) -> list[float]:
    """Return how long after it was said each burst was there."""
    delays = []
    for at in heard:
        latest = bisect.bisect_right(said, at) - 1
        if latest >= 0 and at - said[latest] < _LONGEST_DELAY:
            delays.append(at - said[latest])
    return delays

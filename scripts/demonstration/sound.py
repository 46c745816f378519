"""Listen to a live stream as a media player does, and find a tone in it."""

import array
import asyncio
import math
import struct
import sys
import time
from dataclasses import dataclass

from scripts.home_assistant import Client

HEADER_BYTES = 44
SAMPLE_BYTES = 2


class SoundError(Exception):
    """The stream is not what a player can play; the message says why."""


@dataclass(frozen=True, kw_only=True)
class Heard:
    """What a player got: its format, after how many seconds sound began, and the samples."""

    content_type: str
    rate: int
    first_byte_s: float
    samples: array.array[int]

    def share_of(self, frequency: float) -> float:
        """Return which share of the sound's power a frequency has, from 0 to 1 (Goertzel)."""
        power = sum(sample * sample for sample in self.samples)
        if not power:
            return 0.0
        step = 2 * math.cos(2 * math.pi * frequency / self.rate)
        before = last = 0.0
        for sample in self.samples:
            before, last = last, sample + step * last - before
        found = before * before + last * last - step * before * last
        return 2 * found / (len(self.samples) * power)


async def listen(client: Client, url: str, *, skip_s: float = 0.5, seconds: float = 1.0) -> Heard:
    """Play a stream for a while without logging in; raises SoundError if it is no such WAV."""
    began = time.monotonic()
    async with asyncio.timeout(10 + skip_s + seconds), client.get(url) as response:
        if response.status != 200:
            raise SoundError(f"the stream answers {response.status}")
        header = await response.content.readexactly(HEADER_BYTES)
        first = time.monotonic() - began
        if header[:4] != b"RIFF" or header[8:12] != b"WAVE":
            raise SoundError(f"the stream begins with {header[:12]!r}")
        channels, rate = struct.unpack_from("<HI", header, 22)
        if channels != 1:
            raise SoundError(f"the stream has {channels} channels")
        await response.content.readexactly(int(skip_s * rate) * SAMPLE_BYTES)
        data = await response.content.readexactly(int(seconds * rate) * SAMPLE_BYTES)
        content_type = response.headers["Content-Type"]
    samples = array.array("h", data)
    if sys.byteorder == "big":
        samples.byteswap()
    return Heard(content_type=content_type, rate=rate, first_byte_s=first, samples=samples)


async def status_of(client: Client, url: str) -> int:
    """Return the HTTP status that a player gets at an address."""
    async with asyncio.timeout(10), client.get(url) as response:
        return response.status

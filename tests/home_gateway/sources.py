"""What the gateway's side says into a call: each source yields 20 ms frames of 16-bit samples."""

import math
import random
import wave
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import audioop

from .tones import (
    DTMF,
    FRAME_SAMPLES,
    RATE,
    amplitude,
    dtmf_pcm,
    mean_square,
    pack,
    power_to_dbm0,
    sines,
)

SILENT_FRAME = bytes(2 * FRAME_SAMPLES)
RINGBACK_HERTZ = 400
RINGBACK_MODULATION_HERTZ = 16
RINGBACK_ON_FRAMES = 50
RINGBACK_OFF_FRAMES = 100


class Listener(Protocol):
    """Where an echo takes what it repeats."""

    def next_heard(self) -> bytes | None:
        """Return the next 20 ms that came from the client, if there are any."""
        ...


class Source(Protocol):
    """A sound: frames of 160 samples; None is a frame that is not sent at all."""

    def frames(self, heard: Listener) -> Iterator[bytes | None]:
        """Begin from the start; when the frames end, silence is sent."""
        ...


@dataclass(frozen=True)
class Silence:
    """Packets that hold silence."""

    def frames(self, heard: Listener) -> Iterator[bytes | None]:
        """Yield silence for ever."""
        del heard
        while True:
            yield SILENT_FRAME


@dataclass(frozen=True)
class Nothing:
    """No packets at all: RTP stops, and the gateway does not hang up for it [A]."""

    def frames(self, heard: Listener) -> Iterator[bytes | None]:
        """Yield no frame for ever."""
        del heard
        while True:
            yield None


@dataclass(frozen=True)
class Tone:
    """A sine in Hz at a level in dBm0."""

    frequency: float = 1000.0
    level_dbm0: float = -13.0

    def frames(self, heard: Listener) -> Iterator[bytes | None]:
        """Yield the tone for ever, without a jump between frames."""
        del heard
        parts = ((self.frequency, amplitude(self.level_dbm0)),)
        start = 0
        while True:
            yield pack(sines(parts, start, FRAME_SAMPLES))
            start = (start + FRAME_SAMPLES) % (RATE * 1000)


@dataclass(frozen=True)
class Ringback:
    """The Japanese ringing tone: 400 Hz with 16 Hz amplitude modulation, 1 s on, 2 s off."""

    level_dbm0: float = -16.0

    def frames(self, heard: Listener) -> Iterator[bytes | None]:
        """Yield the cadence for ever."""
        del heard
        peak = amplitude(self.level_dbm0)
        second = [
            peak
            * math.sin(2 * math.pi * RINGBACK_HERTZ * n / RATE)
            * (0.5 + 0.5 * math.sin(2 * math.pi * RINGBACK_MODULATION_HERTZ * n / RATE))
            for n in range(RATE)
        ]
        starts = range(0, RATE, FRAME_SAMPLES)
        sounding = [pack(second[start : start + FRAME_SAMPLES]) for start in starts]
        while True:
            yield from sounding
            for _ in range(RINGBACK_OFF_FRAMES):
                yield SILENT_FRAME


@dataclass(frozen=True)
class Noise:
    """White noise at a level in dBm0."""

    level_dbm0: float = -30.0
    seed: int = 1

    def frames(self, heard: Listener) -> Iterator[bytes | None]:
        """Yield noise for ever."""
        del heard
        dice = random.Random(self.seed)
        # Even distribution up to a peak has a third of the square of the peak as its power.
        peak = amplitude(self.level_dbm0) * math.sqrt(1.5)
        while True:
            yield pack([dice.uniform(-peak, peak) for _ in range(FRAME_SAMPLES)])


@dataclass(frozen=True)
class Digits:
    """In-band DTMF; the level is that of each tone of the pair, in dBm0."""

    digits: str
    level_dbm0: float = -10.0
    twist_db: float = 0.0
    tone_ms: int = 100
    gap_ms: int = 100

    def __post_init__(self) -> None:
        """Refuse what no keypad has; raises ValueError."""
        if unknown := set(self.digits) - set(DTMF):
            raise ValueError(f"no such keys: {sorted(unknown)}")

    def frames(self, heard: Listener) -> Iterator[bytes | None]:
        """Yield the tones once."""
        del heard
        yield from dtmf_pcm(
            self.digits,
            level_dbm0=self.level_dbm0,
            twist_db=self.twist_db,
            tone_ms=self.tone_ms,
            gap_ms=self.gap_ms,
        )


@dataclass(frozen=True)
class Wav:
    """A wav file with 16-bit samples, mixed to one channel and brought to 8 kHz."""

    path: Path
    repeat: bool = False

    def frames(self, heard: Listener) -> Iterator[bytes | None]:
        """Yield the file once or for ever; raises OSError and wave.Error."""
        del heard
        pcm = self._samples()
        while True:
            for start in range(0, len(pcm), 2 * FRAME_SAMPLES):
                yield pcm[start : start + 2 * FRAME_SAMPLES].ljust(2 * FRAME_SAMPLES, b"\0")
            if not self.repeat:
                return

    def _samples(self) -> bytes:
        """Read the file as 8 kHz mono."""
        with wave.open(str(self.path), "rb") as file:
            if file.getsampwidth() != 2:
                raise wave.Error("only 16-bit samples")
            pcm = file.readframes(file.getnframes())
            channels, rate = file.getnchannels(), file.getframerate()
        if channels == 2:
            pcm = audioop.tomono(pcm, 2, 0.5, 0.5)
        if rate != RATE:
            pcm, _ = audioop.ratecv(pcm, 2, 1, rate, RATE, None)
        return pcm


@dataclass(frozen=True)
class Echo:
    """What the client says, back to it."""

    def frames(self, heard: Listener) -> Iterator[bytes | None]:
        """Yield what was heard, and silence until something is."""
        while True:
            yield heard.next_heard() or SILENT_FRAME


def level_dbm0(pcm: bytes) -> float:
    """Return the level of samples in dBm0, with -100 for silence."""
    return power_to_dbm0(mean_square(pcm))

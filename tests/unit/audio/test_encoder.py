"""A live encoder that is there, is not, complains, writes nonsense, hangs, or ends by itself."""

import asyncio
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from custom_components.hikari_denwa.telephony.audio import encoder as encoder_module
from custom_components.hikari_denwa.telephony.audio.encoder import Encoder
from custom_components.hikari_denwa.telephony.audio.formats import LiveFormat
from custom_components.hikari_denwa.telephony.errors import (
    EncoderFailedError,
    FfmpegMissingError,
)

from .test_framing import MP3_FRAME

MP3 = LiveFormat.named("mp3")
# Gives one frame for each 320 bytes, as long as there is something to encode.
WORKS = f"""
while sys.stdin.buffer.read(320):
    sys.stdout.buffer.write(bytes.fromhex({MP3_FRAME.hex()!r}))
    sys.stdout.buffer.flush()
"""
COMPLAINS = "sys.stderr.write('no such codec'); sys.exit(1)"
NONSENSE = "sys.stdout.buffer.write(b'RIFF' + bytes(60)); sys.stdout.flush(); sys.stdin.read()"
HANGS = "import time; time.sleep(600)"


class Ear:
    """Hears what an encoder gives."""

    def __init__(self) -> None:
        """Begin with nothing heard."""
        self.frames: list[bytes] = []
        self.ended = 0

    def end(self) -> None:
        """Hear the end."""
        self.ended += 1


@pytest.fixture
def ear() -> Ear:
    """Return who hears."""
    return Ear()


@pytest.fixture
def make(tmp_path: Path, ear: Ear) -> Callable[[str], Encoder]:
    """Return how to make an encoder whose program does what a test wants."""

    def made(does: str) -> Encoder:
        program = tmp_path / "encoder"
        program.write_text(f"#!{sys.executable} -IS\nimport sys\n{does}\n")
        program.chmod(0o755)
        return Encoder(str(program), MP3, on_frame=ear.frames.append, on_end=ear.end)

    return made


async def test_frames_come_until_the_end(make: Callable[[str], Encoder], ear: Ear) -> None:
    """What was fed is encoded before the process ends; what is fed later goes nowhere."""
    encoder = make(WORKS)
    encoder.feed(bytes(320))
    await encoder.close()
    await encoder.start()
    assert encoder.running
    encoder.feed(bytes(320))
    await encoder.ready()
    encoder.feed(bytes(640))
    await encoder.close()
    await encoder.close()
    assert ear.frames == [MP3_FRAME] * 3
    assert ear.ended == 1
    assert not encoder.running
    encoder.feed(bytes(320))
    assert encoder.dropped == 0


async def test_program_that_is_not_there(ear: Ear) -> None:
    """It has a sentence of its own."""
    encoder = Encoder("/nowhere/ffmpeg", MP3, on_frame=ear.frames.append, on_end=ear.end)
    with pytest.raises(FfmpegMissingError):
        await encoder.start()
    await encoder.close()


@pytest.mark.parametrize(
    ("does", "said"), [(COMPLAINS, "no such codec"), (NONSENSE, "is given up")]
)
async def test_encoder_that_makes_nothing(
    make: Callable[[str], Encoder], ear: Ear, caplog: pytest.LogCaptureFixture, does: str, said: str
) -> None:
    """Who waits for it is told, and the log has the reason."""
    encoder = make(does)
    await encoder.start()
    with pytest.raises(EncoderFailedError):
        await encoder.ready()
    await encoder.close()
    assert ear.frames == []
    assert ear.ended == 1
    assert said in caplog.text


async def test_encoder_that_hangs(
    make: Callable[[str], Encoder], ear: Ear, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What it does not take is dropped, so that the memory stays; its end is not waited for."""
    monkeypatch.setattr(encoder_module, "_END_SECONDS", 0.05)
    encoder = make(HANGS)
    await encoder.start()
    for _ in range(100):
        encoder.feed(bytes(16_000))
    assert encoder.dropped > 0
    process = encoder._process
    assert process is not None
    await encoder.close()
    assert process.returncode is not None
    assert ear.ended == 1
    assert not [task for task in asyncio.all_tasks() if task.get_name() == "live encoder"]

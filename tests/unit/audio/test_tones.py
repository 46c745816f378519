"""The tones of a Japanese network, and how sound is cut into frames."""

import itertools
from collections.abc import Callable, Iterator

import audioop
import pytest

from custom_components.hikari_denwa.telephony.audio import g711, tones


def _levels(frames: Iterator[bytes], seconds: float) -> list[float]:
    """Return the level of each frame."""
    taken = list(itertools.islice(frames, round(50 * seconds)))
    assert {len(frame) for frame in taken} == {160}
    return [g711.level(g711.ulaw_to_linear(frame)) for frame in taken]


def test_dial_tone() -> None:
    """400 Hz that never stops, without a seam between frames."""
    sound = b"".join(itertools.islice(tones.dial_tone(), 100))
    assert sound == sound[:20] * 800
    assert g711.level(g711.ulaw_to_linear(sound)) == pytest.approx(-13, abs=0.2)


def test_busy_tone() -> None:
    """Half a second on, half a second off."""
    levels = _levels(tones.busy_tone(), 3)
    assert [level > -20 for level in levels] == ([True] * 25 + [False] * 25) * 3


def test_ringback_tone() -> None:
    """One second on, two off, and within the second sixteen beats."""
    assert [level > -60 for level in _levels(tones.ringback_tone(), 6)] == (
        [True] * 50 + [False] * 100
    ) * 2
    sound = g711.ulaw_to_linear(b"".join(itertools.islice(tones.ringback_tone(), 50)))
    slices = [audioop.rms(sound[start : start + 160], 2) for start in range(0, 16000, 160)]
    half = max(slices) / 2
    beats = sum(a < half <= b for a, b in itertools.pairwise(slices))
    assert beats in (15, 16)


@pytest.mark.parametrize("tone", [tones.dial_tone, tones.ringback_tone, tones.busy_tone])
def test_each_listener_has_its_own(tone: Callable[[], Iterator[bytes]]) -> None:
    """Every call of a tone starts it anew."""
    first = tone()
    start = [next(first) for _ in range(5)]
    second = tone()
    assert [next(second) for _ in range(5)] == start


def test_sines_are_limited_and_soft_at_the_ends() -> None:
    """A sum beyond the scale is cut, not wrapped; ends do not click."""
    sound = memoryview(tones.sines(((1000, 3), (1400, 3)), 0.1)).cast("h")
    assert max(sound) == 32767
    assert min(sound) == -32768
    assert max(abs(sample) for sample in (*sound[:3], *sound[-3:])) < 6000


def test_frames_are_filled() -> None:
    """The last frame is filled with silence."""
    frames = tones.frames(tones.sines(((400, -10),), 0.03))
    assert len(frames) == 2
    assert frames[1][80:] == b"\xff" * 80
    assert tones.frames(b"") == ()

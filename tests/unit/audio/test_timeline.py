"""The timeline: as long as its call, whatever the clocks are, and never without sound."""

import pytest

from custom_components.hikari_denwa.telephony.audio.timeline import (
    FRAME_SECONDS,
    PATIENCE_SECONDS,
    Timeline,
)
from scripts.benchmarks.drift import drift_frames


def test_rings_in_our_time() -> None:
    """While nothing comes, our clock counts the frames, and none is put in twice."""
    timeline = Timeline(100.0)
    assert timeline.fill(100.0) == 1
    assert timeline.fill(100.0) == 0
    assert timeline.next_fill() == pytest.approx(100.0 + FRAME_SECONDS)
    assert timeline.fill(101.0) == 50
    assert timeline.passed == 51


def test_frames_are_passed_on_once() -> None:
    """What comes in order is passed on as it comes, the first with whatever number."""
    timeline = Timeline(0.0)
    assert [timeline.take(number, 0.02 * number) for number in range(700, 710)] == [0] * 10
    assert timeline.take(705, 0.3) is None
    assert timeline.take(713, 0.4) == 3
    assert timeline.passed == 14


def test_silence_after_patience_and_what_comes_too_late() -> None:
    """A pause is filled after half a second, all at once; late frames do not make it later."""
    timeline = Timeline(0.0)
    timeline.take(0, 0.0)
    assert timeline.fill(PATIENCE_SECONDS - 0.01) == 0
    assert timeline.next_fill() == PATIENCE_SECONDS
    assert timeline.fill(PATIENCE_SECONDS) == 25
    assert [timeline.take(number, 0.51) for number in (1, 25, 26)] == [None, None, 0]


def test_another_numbering_begins_anew() -> None:
    """Numbers far from the last ones are those of another beginning, not a gap to fill."""
    timeline = Timeline(0.0)
    timeline.take(5, 0.0)
    assert timeline.take(100_000, 0.02) == 0
    assert timeline.take(100_001, 0.04) == 0
    assert timeline.take(3, 0.06) == 0


@pytest.mark.parametrize("skew", [-1e-4, 0.0, 1e-4])
def test_an_hour_drifts_by_no_frame(skew: float) -> None:
    """A stream keeps the call's time though the clocks are 100 ppm apart: 18 frames an hour."""
    assert drift_frames(skew) <= 1

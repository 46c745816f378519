"""Packet loss concealment: voiced sound goes on at its pitch, without a click, and fades."""

import itertools
import math
import random
from array import array

import audioop
import pytest
from hypothesis import given
from hypothesis import strategies as st

from custom_components.hikari_denwa.telephony.engine.native.rtp.concealment import Concealment


def _sound(hertz: float, frames: int, peak: int = 8000) -> array[int]:
    """Return a voice-like sound: a pitch with four harmonics."""
    return array(
        "h",
        (
            int(
                sum(
                    peak / order * math.sin(2 * math.pi * order * hertz * n / 8000 + order)
                    for order in range(1, 6)
                )
                / 2
            )
            for n in range(160 * frames)
        ),
    )


def _heard(sound: array[int], lost: set[int]) -> array[int]:
    """Return what is heard of a sound of which these frames are lost."""
    concealment, heard = Concealment(), array("h")
    coded = audioop.lin2ulaw(sound.tobytes(), 2)
    for index in range(len(coded) // 160):
        frame = coded[160 * index : 160 * (index + 1)]
        out = concealment.missing(160) if index in lost else concealment.good(frame)
        assert len(out) == 160
        heard.frombytes(audioop.ulaw2lin(out, 2))
    return heard


def _steepest(sound: array[int]) -> int:
    """Return the largest step between neighbouring samples."""
    return max(abs(later - earlier) for earlier, later in itertools.pairwise(sound))


@pytest.mark.parametrize("hertz", [70, 100, 125, 160, 195, 250])
def test_voiced_sound_goes_on(hertz: float) -> None:
    """One lost frame of a voice is hardly to be told from what was lost."""
    sound = _sound(hertz, 40)
    gap = slice(20 * 160, 21 * 160)
    heard = _heard(sound, {20})
    error = array("h", (a - b for a, b in zip(heard[gap], sound[gap], strict=True)))
    assert audioop.rms(error.tobytes(), 2) < 0.5 * audioop.rms(sound[gap].tobytes(), 2)


@pytest.mark.parametrize("hertz", [70, 100, 137, 195, 250, 420])
@pytest.mark.parametrize("length", [1, 2, 3, 5, 8])
def test_no_clicks(hertz: float, length: int) -> None:
    """Where a gap begins and ends, the sound makes no step that it would not make by itself."""
    sound = _sound(hertz, 40)
    heard = _heard(sound, set(range(20, 20 + length)))
    assert _steepest(heard) <= 1.5 * _steepest(sound)


@pytest.mark.parametrize("hertz", [20, 30, 45])
def test_no_click_where_nothing_repeats(hertz: float) -> None:
    """A sound without a pitch to be found is left without a step, too."""
    sound = _sound(hertz, 40)
    heard = _heard(sound, {20})
    assert _steepest(heard[3100:3240]) <= 3 * _steepest(sound)


def test_long_gaps_fade() -> None:
    """Full for 10 ms, then down to nothing at 60 ms; what came is untouched after 10 ms."""
    sound = _sound(100, 40)
    heard = _heard(sound, set(range(20, 26)))
    levels = [audioop.rms(heard[80 * n : 80 * (n + 1)].tobytes(), 2) for n in range(38, 54)]
    assert levels[2] > 0.9 * levels[1]
    assert levels[2:8] == sorted(levels[2:8], reverse=True)
    assert levels[8:14] == [0] * 6
    coded = audioop.ulaw2lin(audioop.lin2ulaw(sound.tobytes(), 2), 2)
    assert heard[26 * 160 + 80 :].tobytes() == coded[2 * (26 * 160 + 80) :]


def test_good_frames_are_untouched() -> None:
    """Without loss every octet is as it came."""
    concealment, rng = Concealment(), random.Random(1)
    for _ in range(20):
        frame = rng.randbytes(160)
        assert concealment.good(frame) == frame


@given(st.lists(st.tuples(st.booleans(), st.integers(1, 160), st.integers(0, 255)), max_size=30))
def test_any_pieces(pieces: list[tuple[bool, int, int]]) -> None:
    """Whatever is lost, of whatever sound, as many samples come out as should."""
    concealment = Concealment()
    for lost, length, octet in pieces:
        sound = random.Random(octet).randbytes(length) if octet % 2 else bytes((octet,)) * length
        out = concealment.missing(length) if lost else concealment.good(sound)
        assert len(out) == length

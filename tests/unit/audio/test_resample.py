"""The resampler: a tone stays what it is, and brings no other with it."""

import array
import math

import audioop
import pytest

from custom_components.hikari_denwa.telephony.audio.resample import Resampler
from custom_components.hikari_denwa.telephony.audio.tones import sines

PIECE = 320
LEVEL = -6.0


def share(sound: bytes, hertz: float, rate: int) -> float:
    """Return the share of the energy that a pitch has."""
    samples = array.array("h", sound)
    turn = 2 * math.pi * hertz / rate
    real = sum(value * math.cos(turn * index) for index, value in enumerate(samples))
    imaginary = sum(value * math.sin(turn * index) for index, value in enumerate(samples))
    energy = sum(value * value for value in samples)
    return 2 * (real * real + imaginary * imaginary) / len(samples) / energy


def resampled(sound: bytes, rate: int) -> bytes:
    """Bring sound to a rate, 20 ms at a time."""
    resampler = Resampler(rate)
    return b"".join(
        resampler.feed(sound[start : start + PIECE]) for start in range(0, len(sound), PIECE)
    )


@pytest.mark.parametrize("rate", [8000, 16000, 24000, 32000, 44100, 48000])
@pytest.mark.parametrize("hertz", [300, 1000, 3400])
def test_tone_stays_alone(rate: int, hertz: int) -> None:
    """Pitch and level stay, and nothing else is heard: 40 dB below at the very edge."""
    made = resampled(sines(((hertz, LEVEL),), 0.4), rate)
    assert len(made) == pytest.approx(0.4 * rate * 2, abs=4)
    middle = made[len(made) // 4 * 2 // 2 * 2 : len(made) // 4 * 3 // 2 * 2]
    assert share(middle, hertz, rate) > 0.9999 if hertz < 3400 else 0.999
    whole = sines(((hertz, LEVEL),), 0.4)
    before = audioop.rms(whole[len(whole) // 4 * 2 // 2 * 2 : len(whole) // 4 * 3 // 2 * 2], 2)
    assert audioop.rms(middle, 2) == pytest.approx(before, rel=0.03)


def test_pieces_have_no_seams() -> None:
    """It does not matter how sound is cut."""
    sound = sines(((1000, LEVEL),), 0.1)
    assert resampled(sound, 48000) == Resampler(48000).feed(sound)


@pytest.mark.parametrize("rate", [7999, 48001, 96000])
def test_rates_beyond_its_reach(rate: int) -> None:
    """A rate that it cannot make is refused."""
    with pytest.raises(ValueError, match=str(rate)):
        Resampler(rate)

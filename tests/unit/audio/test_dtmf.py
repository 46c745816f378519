"""Keypad tones: made as ITU-T Q.23 has them, recognised within the limits of ITU-T Q.24."""

import math
import random

import audioop
import pytest
from hypothesis import given
from hypothesis import strategies as st

from custom_components.hikari_denwa.telephony.audio.dtmf import DtmfDetector, digit_frames
from custom_components.hikari_denwa.telephony.errors import DigitsInvalidError

from .sounds import PITCHES, detect, frames, key, noise, pause, tones

_KEYS = "".join(PITCHES)
_SILENCE = b"\xff" * 160


def _hear(payloads: list[bytes] | tuple[bytes, ...]) -> str:
    """Return the digits that a new detector hears in frames."""
    detector = DtmfDetector()
    heard = [detector.feed(payload) for payload in payloads]
    return "".join(digit for digit in heard if digit)


def _shifted(digit: str, offset: int, milliseconds: float) -> str:
    """Return what is heard of a digit that begins so many samples after a frame does."""
    return detect([0.0] * offset + key(digit, milliseconds))


@pytest.mark.parametrize("offset", range(0, 160, 16))
@pytest.mark.parametrize("digit", _KEYS)
def test_forty_milliseconds_are_heard(digit: str, offset: int) -> None:
    """Every digit of 40 ms is heard once, wherever it begins."""
    assert _shifted(digit, offset, 40) == digit


@pytest.mark.parametrize("milliseconds", [10, 20, 23])
@pytest.mark.parametrize("digit", _KEYS)
def test_twenty_three_milliseconds_are_not(digit: str, milliseconds: float) -> None:
    """A digit of 23 ms or less is none."""
    assert {_shifted(digit, offset, milliseconds) for offset in range(0, 160, 16)} == {""}


@pytest.mark.parametrize(
    "levels",
    [(0, 0), (-3, -3), (-24, -24), (-25, -25), (-10, -6), (-6, -14), (-24, -20)],
    ids=str,
)
@pytest.mark.parametrize("snr", [None, 23, 15])
def test_levels_and_twist(levels: tuple[float, float], snr: float | None) -> None:
    """0 to -25 dBm0 a tone are heard, the high one up to 4 dB above or 8 dB below, in noise too."""
    for digit in _KEYS:
        sound = pause(40) + key(digit, 40, levels=levels) + pause(40)
        if snr is not None:
            sound = noise(sound, min(levels) - snr)
        assert detect(sound) == digit


@pytest.mark.parametrize("levels", [(-45, -45), (-10, -2), (-2, -14), (-10, -60), (-60, -10)])
def test_beyond_levels_and_twist(levels: tuple[float, float]) -> None:
    """Tones that are too weak, or far from equal, are no digit."""
    assert {detect(key(digit, 100, levels=levels)) for digit in _KEYS} == {""}


@pytest.mark.parametrize("shifts", [(1.5, 1.5), (-1.5, -1.5), (1.5, -1.5), (-1.5, 1.5)])
@pytest.mark.parametrize("digit", _KEYS)
def test_pitch_within_tolerance(digit: str, shifts: tuple[float, float]) -> None:
    """Pitches 1.5 % beside are heard."""
    assert detect(pause(7) + key(digit, 40, shifts=shifts)) == digit


@pytest.mark.parametrize("shifts", [(3.5, 0), (-3.5, 0), (0, 3.5), (0, -3.5), (5, 5), (-5, -5)])
@pytest.mark.parametrize("digit", _KEYS)
def test_pitch_beyond_tolerance(digit: str, shifts: tuple[float, float]) -> None:
    """Pitches 3.5 % beside are not."""
    assert detect(key(digit, 100, shifts=shifts)) == ""


@pytest.mark.parametrize("milliseconds", [30, 40, 60, 500])
def test_pause_between_digits(milliseconds: float) -> None:
    """After 30 ms of pause the same digit counts anew."""
    sound = key("5", 60) + pause(milliseconds) + key("5", 60) + pause(milliseconds) + key("6", 60)
    assert detect(sound) == "556"


@pytest.mark.parametrize("offset", range(0, 160, 8))
def test_fastest_dialling(offset: int) -> None:
    """Digits of 40 ms with pauses of 40 ms are each heard, wherever frames begin."""
    sound = [0.0] * offset
    for digit in "5550":
        sound += key(digit, 40) + pause(40)
    assert detect(sound) == "5550"


@pytest.mark.parametrize("milliseconds", [2, 5, 10])
def test_interruption_within_a_digit(milliseconds: float) -> None:
    """A digit that breaks off for up to 10 ms is one."""
    assert detect(key("5", 60) + pause(milliseconds) + key("5", 60)) == "5"


def test_told_while_it_sounds() -> None:
    """A digit is told no later than 60 ms after its tone began, and once though it lasts."""
    detector = DtmfDetector()
    heard = [detector.feed(payload) for payload in frames(key("8", 2000))]
    assert heard.index("8") <= 2
    assert heard.count(None) == len(heard) - 1


def test_lost_frames_within_a_digit() -> None:
    """Frames that were made up neither end a digit nor make two of it."""
    detector = DtmfDetector()
    heard = []
    for index, payload in enumerate(frames(key("9", 400))):
        lost = index in (4, 5, 11)
        heard.append(detector.feed(_SILENCE if lost else payload, concealed=lost))
    assert [digit for digit in heard if digit] == ["9"]


@pytest.mark.parametrize(
    "components",
    [
        [(400, -10)],
        [(400, -10), (384, -16), (416, -16)],
        [(697, -10)],
        [(1209, -10)],
        [(350, -10), (440, -10)],
        [(480, -10), (620, -10)],
        [(1300, -10), (2100, -10)],
        [(2100, -10)],
        [(1000, 0)],
        [(697, -10), (1209, -10), (440, -10)],
        [(770, -10), (1336, -10), (2672, -14), (1540, -14)],
        [(697, -10), (770, -10)],
        [(1209, -10), (1336, -10)],
        [(697, -10), (1209, -10), (1477, -10)],
        [(440, -12), (554.37, -12), (659.26, -12), (880, -15), (1318.5, -16)],
        [(698.46, -10), (1046.5, -10)],
        [(783.99, -10), (1174.66, -10)],
        [(739.99, -10), (1244.5, -10)],
    ],
    ids=str,
)
def test_other_tones(components: list[tuple[float, float]]) -> None:
    """Network tones, fax, single keypad tones, three of them, chords: no digits."""
    assert detect(tones(components, 1000)) == ""


def test_noise() -> None:
    """Ten seconds of noise, soft or loud, hold no digit."""
    for level in (-50, -30, -10, 3):
        assert detect(noise(pause(10_000), level)) == ""


def test_voice_like_sound() -> None:
    """Gliding harmonics under wandering formants, a minute of them, hold no digit."""
    rng, sound = random.Random(3), []
    for _ in range(300):
        pitch, glide = rng.uniform(80, 300), rng.uniform(-0.2, 0.2)
        formants = [rng.uniform(300, 900), rng.uniform(900, 2300), rng.uniform(2300, 3400)]
        gains = [
            sum(math.exp(-(((order * pitch - formant) / 200) ** 2)) for formant in formants)
            for order in range(1, int(3600 / pitch) + 1)
        ]
        loud = [(order, 6000 * gain) for order, gain in enumerate(gains, 1) if gain > 0.02]
        turns = 0.0
        for n in range(1600):
            turns += 2 * math.pi * pitch * (1 + glide * n / 1600) / 8000
            sound.append(sum(gain * math.sin(order * turns) for order, gain in loud))
    assert detect(noise(sound, -40)) == ""


def test_digit_over_soft_speech_like_noise() -> None:
    """A digit is heard over noise 12 dB below it."""
    for seed, digit in enumerate(_KEYS):
        assert detect(noise(pause(40) + key(digit, 60) + pause(40), -22, seed)) == digit


@given(st.lists(st.binary(min_size=160, max_size=160), max_size=20))
def test_any_frames(payloads: list[bytes]) -> None:
    """Whatever comes, the detector goes on, and hears a digit afterwards."""
    detector = DtmfDetector()
    for payload in payloads:
        detector.feed(payload)
    for _ in range(3):
        detector.feed(_SILENCE)
    heard = [detector.feed(payload) for payload in frames(key("4", 80))]
    assert "4" in heard


@given(st.text(alphabet=_KEYS, min_size=1, max_size=12))
def test_made_and_heard(digits: str) -> None:
    """What is made is heard, each digit once, at its own times."""
    assert _hear(digit_frames(digits)) == digits
    assert len(digit_frames(digits)) == 10 * len(digits)


@pytest.mark.parametrize(("on_ms", "off_ms"), [(40, 40), (50, 50), (70, 65), (200, 30)])
def test_other_times(on_ms: int, off_ms: int) -> None:
    """Tones and pauses may be shorter or longer."""
    made = digit_frames("1170#", on_ms=on_ms, off_ms=off_ms)
    assert len(made) == math.ceil(5 * (on_ms + off_ms) / 20)
    assert _hear((*made, _SILENCE)) == "1170#"


@pytest.mark.parametrize("digit", _KEYS)
def test_made_tones(digit: str) -> None:
    """Each tone has the level we mean, within ITU-T Q.23's 1.8 % of pitch, and ends softly."""
    sound = audioop.ulaw2lin(b"".join(digit_frames(digit)[:5]), 2)
    middle = sound[320:1280]
    for hertz, dbm0 in zip(PITCHES[digit], (-8, -6), strict=True):
        cosine, sine = (
            sum(
                wave(2 * math.pi * hertz * n / 8000) * sample
                for n, sample in enumerate(memoryview(middle).cast("h"))
            )
            / 240
            for wave in (math.cos, math.sin)
        )
        measured = 20 * math.log10(math.hypot(cosine, sine) / 32636) + 3.17
        assert measured == pytest.approx(dbm0, abs=0.5)
    assert audioop.max(sound[:6], 2) < 2000
    assert audioop.max(sound[-6:], 2) < 2000
    assert audioop.max(sound, 2) < 32000


@pytest.mark.parametrize("digits", ["", "E", "1 2", "1-2", "１", "p", "1\n"])
def test_not_digits(digits: str) -> None:
    """Only the keys of a keypad have tones; small letters are taken as large."""
    with pytest.raises(DigitsInvalidError):
        digit_frames(digits)
    assert digit_frames("a") == digit_frames("A")

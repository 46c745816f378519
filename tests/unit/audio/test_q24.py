"""The keypad detector against ITU-T Q.24, annex A: the columns of NTT and of AT&T.

Levels are in dBm0 a tone, differences are of the high tone to the low one. Where both have a
limit, a digit is heard up to the wider and not beyond the other's limit of non-operation.
"""

import pytest

from .sounds import PITCHES, detect, key, noise, pause

_KEYS = "".join(PITCHES)
_BOTH_WAYS = [(1, 1), (-1, -1), (1, -1), (-1, 1)]


@pytest.mark.parametrize(
    "levels",
    [
        *((level, level) for level in (0, -3, -10, -20, -24, -25)),
        *((-10 - twist, -10) for twist in (5, -5)),
        *((-19 - twist, -19) for twist in (5, -5)),
        *((low, low + 4) for low in (-4, -15, -25)),
        *((low, low - 8) for low in (0, -8, -17)),
    ],
    ids=str,
)
def test_levels(levels: tuple[float, float]) -> None:
    """NTT: -3 to -24, 5 dB apart; AT&T: 0 to -25, the high one 4 dB above to 8 dB below."""
    heard = {digit: detect(pause(33) + key(digit, 40, levels=levels)) for digit in _KEYS}
    assert heard == {digit: digit for digit in _KEYS}


@pytest.mark.parametrize("level", [-29, -35, -45, -55])
def test_too_soft(level: float) -> None:
    """NTT: none at -29 or below (AT&T: -55)."""
    assert {detect(key(digit, 200, levels=(level, level))) for digit in _KEYS} == {""}


@pytest.mark.parametrize("ways", _BOTH_WAYS)
@pytest.mark.parametrize("per_cent", [1.5, 1.8])
@pytest.mark.parametrize("levels", [(-3, -3), (-24, -24)])
def test_pitch(levels: tuple[float, float], per_cent: float, ways: tuple[int, int]) -> None:
    """NTT: within 1.8 %; AT&T: within 1.5 %."""
    shifts = (per_cent * ways[0], per_cent * ways[1])
    for digit in _KEYS:
        assert detect(pause(21) + key(digit, 40, levels=levels, shifts=shifts)) == digit


@pytest.mark.parametrize("shift", [3.0, -3.0, 3.5, -3.5])
def test_wrong_pitch(shift: float) -> None:
    """NTT: none from 3.0 % on (AT&T: 3.5 %), whichever tone it is."""
    for digit in _KEYS:
        for shifts in ((shift, 0), (0, shift), (shift, shift)):
            assert detect(key(digit, 100, shifts=shifts)) == ""


@pytest.mark.parametrize("milliseconds", [5, 15, 20, 23, 24])
def test_too_short(milliseconds: float) -> None:
    """NTT: none up to 24 ms (AT&T: 23 ms)."""
    for digit in _KEYS:
        for offset in range(0, 20, 4):
            assert detect(pause(offset) + key(digit, milliseconds) + pause(60)) == ""


@pytest.mark.parametrize(("press", "rest"), [(40, 30), (50, 43), (40, 53), (60, 60), (90, 30)])
def test_pauses(press: float, rest: float) -> None:
    """NTT: a pause of 30 ms parts digits, one in 120 ms; AT&T: 40 ms, one in 93 ms."""
    sound = pause(13)
    for digit in "1144770":
        sound += key(digit, press) + pause(rest)
    assert detect(sound) == "1144770"


@pytest.mark.parametrize("milliseconds", [1, 5, 10])
def test_interruption(milliseconds: float) -> None:
    """Both: a digit that breaks off for 10 ms is one."""
    for digit in _KEYS:
        assert detect(key(digit, 50) + pause(milliseconds) + key(digit, 50)) == digit


@pytest.mark.parametrize("delay", [5, 10, 15, 20])
def test_echo(delay: int) -> None:
    """AT&T: echoes that come up to 20 ms later, 10 dB down, neither hide nor double a digit."""
    for digit in _KEYS:
        direct = key(digit, 50) + pause(70)
        late = pause(delay) + direct
        assert detect([a + 0.316 * b for a, b in zip(direct, late, strict=False)]) == digit


def test_noise_below() -> None:
    """Digits at the lower limit are heard over noise 15 dB below them."""
    for seed, digit in enumerate(_KEYS):
        sound = pause(40) + key(digit, 40, levels=(-24, -24)) + pause(40)
        assert detect(noise(sound, -24 - 15, seed)) == digit

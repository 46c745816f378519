"""G.711: conversions and levels."""

import array
import math

import pytest

from custom_components.hikari_denwa.telephony.audio import g711


def _sine(peak: float, hertz: float = 1000.0) -> bytes:
    """Return a tenth of a second of a sine as linear 16 bit."""
    return array.array(
        "h", (round(peak * math.sin(2 * math.pi * hertz * n / 8000)) for n in range(800))
    ).tobytes()


def test_known_codes() -> None:
    """The codes of silence and of both ends are those of ITU-T G.711."""
    assert array.array("h", g711.ulaw_to_linear(b"\xff\x7f\x00\x80")).tolist() == [
        0,
        0,
        -32124,
        32124,
    ]
    assert array.array("h", g711.alaw_to_linear(b"\xd5\x55\xaa\x2a")).tolist() == [
        8,
        -8,
        32256,
        -32256,
    ]
    assert g711.linear_to_ulaw(bytes(4)) == b"\xff\xff"
    assert g711.linear_to_alaw(bytes(4)) == b"\xd5\xd5"


def test_every_code_survives() -> None:
    """Every code comes back from linear as itself (µ-law has two codes for zero)."""
    codes = bytes(code for code in range(256) if code != 0x7F)
    assert g711.linear_to_ulaw(g711.ulaw_to_linear(codes)) == codes
    every = bytes(range(256))
    assert g711.linear_to_alaw(g711.alaw_to_linear(every)) == every


def test_between_the_laws() -> None:
    """A sine stays one through both laws."""
    sound = _sine(8000)
    there = g711.ulaw_to_alaw(g711.linear_to_ulaw(sound))
    back = g711.ulaw_to_linear(g711.alaw_to_ulaw(there))
    assert g711.level(back) == pytest.approx(g711.level(sound), abs=0.1)


@pytest.mark.parametrize("dbm0", [-40.0, -20.0, -6.0, 0.0, 3.0])
def test_level(dbm0: float) -> None:
    """A sine of a level is measured to have it, also after µ-law."""
    sound = _sine(g711.peak_of(dbm0))
    assert g711.level(sound) == pytest.approx(dbm0, abs=0.1)
    coded = g711.ulaw_to_linear(g711.linear_to_ulaw(sound))
    assert g711.level(coded) == pytest.approx(dbm0, abs=0.3)


def test_reference_sequence() -> None:
    """The eight codes that G.711 (table 5) calls a sine of 1 kHz at 0 dBm0 are just that."""
    sequence = bytes((0x1E, 0x0B, 0x0B, 0x1E, 0x9E, 0x8B, 0x8B, 0x9E))
    assert g711.level(g711.ulaw_to_linear(sequence * 20)) == pytest.approx(0.0, abs=0.05)


def test_level_of_silence() -> None:
    """Digital silence has no level."""
    assert g711.level(bytes(320)) == -math.inf

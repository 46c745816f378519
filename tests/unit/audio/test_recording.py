"""Both sides of a call in one file."""

import wave
from pathlib import Path

import audioop
import pytest

from custom_components.hikari_denwa.telephony.audio.recording import (
    StereoMixer,
    StereoWav,
    far_side,
)

QUIET, LOUD = b"\xff" * 160, b"\x80" * 160


def sides(sound: bytes) -> tuple[bytes, bytes]:
    """Return both channels."""
    return audioop.tomono(sound, 2, 1, 0), audioop.tomono(sound, 2, 0, 1)


def peak(sound: bytes) -> int:
    """Return the loudest sample."""
    return audioop.max(sound, 2)


def test_sides_lie_beside_each_other() -> None:
    """The far side is left, ours right, period by period."""
    mixer = StereoMixer()
    sound = mixer.far(7, LOUD) + mixer.near(7, QUIET)
    sound += mixer.far(8, QUIET) + mixer.near(8, LOUD) + mixer.end()
    left, right = sides(sound)
    assert len(left) == len(right) == 640
    assert [peak(left[:320]), peak(left[320:])] == [32124, 0]
    assert [peak(right[:320]), peak(right[320:])] == [0, 32124]
    assert far_side(sound) == left


def test_what_is_missing_is_silence() -> None:
    """One side alone, and frames that never came, keep their time."""
    mixer = StereoMixer()
    sound = mixer.near(1, LOUD) + mixer.far(4, LOUD) + mixer.end()
    left, right = sides(sound)
    assert len(left) == 4 * 320
    assert [peak(right[at : at + 320]) for at in range(0, 1280, 320)] == [32124, 0, 0, 0]
    assert [peak(left[at : at + 320]) for at in range(0, 1280, 320)] == [0, 0, 0, 32124]


@pytest.mark.parametrize("number", [0, 100_000])
def test_a_jump_is_no_hole(number: int) -> None:
    """Numbers that begin anew, or are far away, make no hours of silence."""
    mixer = StereoMixer()
    sound = mixer.far(50, LOUD) + mixer.far(number, LOUD) + mixer.end()
    assert len(sound) == 2 * 640


def test_nothing() -> None:
    """Without a frame there is no sound."""
    assert StereoMixer().end() == b""


def test_file_is_whole_at_any_moment(tmp_path: Path) -> None:
    """After each write the file can be played, whatever happens then."""
    path = tmp_path / "call.wav"
    file = StereoWav(path)
    for written in range(1, 4):
        file.write(bytes(640 * 50))
        with wave.open(str(path), "rb") as reader:
            assert (reader.getnchannels(), reader.getframerate()) == (2, 8000)
            assert reader.getnframes() == 8000 * written
        assert file.seconds == written
    file.close()
    file.close()
    with pytest.raises(FileExistsError):
        StereoWav(path)

"""G.722's lower sub-band, against ffmpeg's whole codec: bit by bit, and by ear."""

import hashlib
import math
import random
import shutil
import subprocess
from array import array
from collections.abc import Iterable, Sequence

import audioop
import pytest

from custom_components.hikari_denwa.telephony.audio import g711
from custom_components.hikari_denwa.telephony.audio.g722 import G722Decoder, G722Encoder

_FFMPEG = shutil.which("ffmpeg")
needs_ffmpeg = pytest.mark.skipif(_FFMPEG is None, reason="ffmpeg is not on PATH")

# ITU-T G.722 table 11, which is symmetric.
_HALF = (3, -11, -11, 53, 12, -156, 32, 362, -210, -805, 951, 3876)
_QMF = (*_HALF, *reversed(_HALF))
# What ffmpeg 5.1.9 makes of the sounds below.
_CODES = (
    "fadbeed0e0c4c4e0e3f9eafbf6dac8d3f9fbd1ccd6d5d8d7"
    "dad8fbf7dfdcffd2d7d4d9dad7d0d9cadeeef4f6efd7d8d8"
)
_CODES_SHA256 = "19d5c3cc70e1f5608dd21fe3cf5a5103882c797916207fac12600d48e31f98ab"
_SOUND = (-5132, 1242, 1875, -4346, -10956, -10727, 4568, 24289, 20595, 338, 3835, 26360)
_SOUND_SHA256 = "54cebf2580eee6c32701a12031ffa470ba5475760d062ef818599af9634e3604"


def _ffmpeg(data: bytes, *, encode: bool) -> bytes:
    """Encode 16-bit sound of 16 kHz to G.722, or decode that."""
    assert _FFMPEG is not None
    linear = ["-f", "s16le", "-ar", "16000", "-ac", "1"]
    wide = ["-f", "g722"]
    taken, given = (linear, wide) if encode else (wide, linear)
    command = [_FFMPEG, "-v", "error", *taken, "-i", "pipe:0", *given, "pipe:1"]
    return subprocess.run(command, input=data, stdout=subprocess.PIPE, check=True).stdout


def _murmur(samples: int, peak: int = 9000) -> array[int]:
    """Return noise that swells and fades and has more of the low pitches, as speech has."""
    rng = random.Random(722)
    sound, last = array("h"), 0
    for at in range(samples):
        last = (7 * last + 3 * rng.randrange(-peak, peak)) // 8
        loudness = 50 + abs(at % 8000 - 4000)
        sound.append(max(-32768, min(32767, last * loudness // 4050)))
    return sound


def _sine(hertz: float, rate: int, samples: int, peak: float = 8000.0) -> array[int]:
    """Return a sine."""
    step = 2 * math.pi * hertz / rate
    return array("h", (round(peak * math.sin(step * at)) for at in range(samples)))


def _lower_band(sound: Iterable[int]) -> array[int]:
    """Return what the transmit QMF (§3.1) lets through to the lower band, at full scale."""
    padded = [0] * 22 + list(sound)
    return array(
        "h",
        (
            2 * (sum(h * x for h, x in zip(_QMF, padded[at : at + 24], strict=True)) >> 14)
            for at in range(0, len(padded) - 22, 2)
        ),
    )


def _whole_band(lower: Sequence[int]) -> array[int]:
    """Return what the receive QMF (§4.4) makes of a lower band at full scale, the upper silent."""
    halves = [0] * 11 + [sample >> 1 for sample in lower]
    sound = array("h")
    for at in range(len(halves) - 11):
        recent = halves[at : at + 12]
        for phase in (1, 0):
            made = sum(h * x for h, x in zip(_QMF[phase::2], recent, strict=True)) >> 11
            sound.append(max(-32768, min(32767, made)))
    return sound


def _decoded(octets: bytes) -> array[int]:
    """Decode with a new decoder."""
    return array("h", G722Decoder().decode(octets))


def _level(sound: Sequence[int]) -> float:
    """Return the level of linear sound in dBm0."""
    return g711.level(array("h", sound).tobytes())


def _share(sound: Sequence[int], hertz: float, rate: int) -> float:
    """Return how much of a sound's energy is at a pitch, from 0 to 1."""
    step = 2 * math.pi * hertz / rate
    along = sum(x * math.cos(step * at) for at, x in enumerate(sound))
    across = sum(x * math.sin(step * at) for at, x in enumerate(sound))
    return 2 * (along**2 + across**2) / (len(sound) * sum(x * x for x in sound))


def _upper_silent(codes: Iterable[int]) -> bytes:
    """Return octets of these lower codes with the upper band's code for zero."""
    return bytes(0xC0 | code & 0x3F for code in codes)


def test_encodes_as_ffmpeg_did() -> None:
    """The codes of the lower band are those of the whole codec, bit by bit."""
    made = G722Encoder().encode(_lower_band(_murmur(8000)).tobytes())
    assert made[:48].hex() == _CODES
    assert hashlib.sha256(made).hexdigest() == _CODES_SHA256


def test_decodes_as_ffmpeg_did() -> None:
    """Whatever codes come, sound is the whole codec's, bit by bit; overload included."""
    wild = _upper_silent(random.Random(9).randbytes(4000))
    made = _whole_band(_decoded(wild))
    assert tuple(made[1000:1012]) == _SOUND
    assert hashlib.sha256(made.tobytes()).hexdigest() == _SOUND_SHA256


@needs_ffmpeg
def test_encodes_as_ffmpeg_does() -> None:
    """Five seconds of murmur give the codes that ffmpeg gives."""
    sound = _murmur(16000 * 5)
    theirs = _upper_silent(_ffmpeg(sound.tobytes(), encode=True))
    assert G722Encoder().encode(_lower_band(sound).tobytes()) == theirs


@needs_ffmpeg
def test_decodes_as_ffmpeg_does() -> None:
    """Our own octets, and any others, sound here as they do there."""
    for octets in (
        G722Encoder().encode(_murmur(40000).tobytes()),
        _upper_silent(random.Random(9).randbytes(40000)),
    ):
        theirs = array("h", _ffmpeg(octets, encode=False))
        assert _whole_band(_decoded(octets)) == theirs


@needs_ffmpeg
@pytest.mark.parametrize("hertz", [300, 400, 1000, 3000, 3400])
def test_tones_of_ffmpeg(hertz: int) -> None:
    """A tone that ffmpeg encodes at 16 kHz is heard here at its pitch and level."""
    sound = _sine(hertz, 16000, 16000)
    heard = _decoded(_ffmpeg(sound.tobytes(), encode=True))
    assert len(heard) == 8000
    assert _share(heard[800:], hertz, 8000) > 0.99
    assert _level(heard[800:]) == pytest.approx(_level(sound), abs=0.5)


@needs_ffmpeg
@pytest.mark.parametrize("hertz", [300, 400, 1000, 3000, 3400])
def test_tones_for_ffmpeg(hertz: int) -> None:
    """A tone that we encode at 8 kHz is heard by ffmpeg at its pitch and level."""
    sound = _sine(hertz, 8000, 8000)
    heard = array("h", _ffmpeg(G722Encoder().encode(sound.tobytes()), encode=False))
    assert len(heard) == 16000
    # Near the edge of the bands the receive QMF leaves some of the mirror image, at 8000 - hertz.
    assert _share(heard[1600:], hertz, 16000) > (0.9 if hertz > 3000 else 0.99)
    assert _level(heard[1600:]) == pytest.approx(_level(sound), abs=0.5)


@pytest.mark.parametrize("hertz", [300, 400, 1000, 3000, 3400])
def test_level_of_a_whole_codec(hertz: int) -> None:
    """The QMF of the other side takes and adds less than a decibel in the telephone's band."""
    sound = _sine(hertz, 16000, 8000)
    heard = _decoded(G722Encoder().encode(_lower_band(sound).tobytes()))
    assert _level(heard[800:]) == pytest.approx(_level(sound), abs=1.0)
    back = _whole_band(_decoded(G722Encoder().encode(_sine(hertz, 8000, 4000).tobytes())))
    assert _level(back[800:]) == pytest.approx(_level(sound), abs=1.0)


def test_streams_frame_by_frame() -> None:
    """Frames of 20 ms, 160 octets each, give what all at once gives."""
    sound = _murmur(3200).tobytes()
    whole = G722Encoder().encode(sound)
    encoder, decoder = G722Encoder(), G722Decoder()
    frames = [encoder.encode(sound[at : at + 320]) for at in range(0, len(sound), 320)]
    assert {len(frame) for frame in frames} == {160}
    assert b"".join(frames) == whole
    assert b"".join(map(decoder.decode, frames)) == G722Decoder().decode(whole)


def test_silence_is_silent() -> None:
    """Silence is sent with a silent upper band, and heard as next to nothing."""
    octets = G722Encoder().encode(bytes(3200))
    assert {octet >> 6 for octet in octets} == {3}
    assert max(map(abs, _decoded(octets))) <= 8
    after = G722Encoder().encode(_murmur(8000).tobytes() + bytes(16000))
    assert max(map(abs, _decoded(after)[-4000:])) <= 8


def test_minutes_of_murmur() -> None:
    """Two minutes keep their signal-to-noise ratio, and their loudness, to the end."""
    sound = _murmur(8000 * 10)
    encoder, decoder = G722Encoder(), G722Decoder()
    for _ in range(12):
        heard = decoder.decode(encoder.encode(sound.tobytes()))
        noise = audioop.add(heard, audioop.mul(sound.tobytes(), 2, -1), 2)
        assert g711.level(heard) == pytest.approx(_level(sound), abs=0.2)
        assert g711.level(noise) < _level(sound) - 15.0


@pytest.mark.parametrize("sound", [[32767, -32768], [32767], [-32768], [-32768] * 7 + [32767] * 7])
def test_overload(sound: list[int]) -> None:
    """The loudest sounds are limited, not wrapped, and end when they end."""
    encoder, decoder = G722Encoder(), G722Decoder()
    loud = array("h", sound * (8000 // len(sound)))
    heard = array("h", decoder.decode(encoder.encode(loud.tobytes())))
    assert min(heard) >= -32768
    assert max(heard) <= 32766
    quiet = array("h", decoder.decode(encoder.encode(bytes(16000))))
    assert max(map(abs, quiet[-160:])) <= 8


@pytest.mark.parametrize("lost", [1, 5, 50])
def test_comes_back_after_a_loss(lost: int) -> None:
    """200 ms after lost frames a decoder hears what one hears that lost none."""
    sound = _sine(700, 8000, 32000, peak=5000).tobytes()
    octets = G722Encoder().encode(sound)
    gap = 8000 + 160 * lost
    decoder = G722Decoder()
    decoder.decode(octets[:8000])
    after = array("h", decoder.decode(octets[gap:]))
    whole = _decoded(octets)[gap:]
    off = array("h", (a - b for a, b in zip(after[1600:8000], whole[1600:8000], strict=True)))
    assert _level(off) < _level(whole) - 25.0


def test_late_joiner_after_a_reset() -> None:
    """A new decoder in the middle of a stream finds its level within 200 ms."""
    octets = G722Encoder().encode(_sine(1000, 8000, 16000).tobytes())
    heard = _decoded(octets[4000:])
    assert _level(heard[1600:]) == pytest.approx(_level(_sine(1000, 8000, 16000)), abs=0.5)
    assert max(map(abs, heard)) < 16000

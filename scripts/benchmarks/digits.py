"""The keypad detector: what it hears at the limits of ITU-T Q.24, and what it hears in speech."""

import asyncio
import itertools
import os
import random
import shutil
import subprocess
import wave
from collections.abc import Iterator
from io import BytesIO

import audioop

from custom_components.hikari_denwa.telephony.audio.dtmf import DtmfDetector
from scripts.benchmarks.figures import Figure, rounded
from tests.unit.audio.sounds import PITCHES, detect, key, noise, pause

SPEECH_SECONDS = 3600.0
_RATE = 8000
_FRAME = 160
# Both tones in dBm0, low and high: the range of Q.24, equal and with its twist both ways.
_LEVELS = ((-3.0, -3.0), (-24.0, -24.0), (-10.0, -6.0), (-24.0, -20.0), (-6.0, -11.0))
_SHIFTS = ((0.0, 0.0), (1.5, 1.5), (-1.5, -1.5), (1.5, -1.5))
_OFFSETS = (0, 53, 107)
_SIGNAL_TO_NOISE_DB = (None, 15.0)
_PRESS_MS = 40
# RMS of speech on a line, about -19 dBm0, and half and twice as loud.
_SPEECH_RMS = (1250, 2500, 5000)
_VOICES = {"en": ("en", "en-us+f3", "en-gb+m5", "en+f4"), "ja": ("ja", "ja+f2", "ja+m3", "ja+f5")}
_WORDS = {
    "en": """
        hello this is about the water heater in your kitchen could you please call me back when
        you are home because somebody has to open door number nine seven three zero two eight
        five six four one thank you very much see soon meeting tomorrow morning evening weather
        mother father grandmother school teacher doctor hospital delivery package parcel cheap
        electricity internet contract yes no maybe sorry wrong really wonderful beautiful whistle
        money bank account card insurance family holiday winter summer train station eight ticket
        """,
    "ja": """
        もしもし はい こんにちは おせわに なっております あしたの ごご さんじに うかがいます
        でんわ ばんごうを おしえて ください いち に さん よん ご ろく なな はち きゅう ぜろ
        おかあさん おとうさん げんき ですか びょういん がっこう せんせい たくはいびんです
        おにもつを おとどけに まいりました るすばん でんき すいどう ガス りょうきん けいやく
        インターネット ひかり ちゅうごく しゅっちょう きっぷ ちいさい きいろい すいか いいえ
        ありがとう ございました しつれい いたします またね ぴーという おとのあとに
        """,
}


async def measure() -> list[Figure]:
    """Press every key at every limit, then listen to an hour of speech."""
    pressed, heard = await asyncio.to_thread(_press_all)
    hits = Figure(
        name="dtmf_hit_pct",
        value=rounded(100 * heard / pressed),
        unit="%",
        context=f"{heard} of {pressed}: 40 ms, levels, twist, pitch and noise of Q.24",
    )
    if not shutil.which("espeak-ng") and not await asyncio.to_thread(_install):
        why = "no espeak-ng to make speech with (apt-get install espeak-ng)"
        return [hits, Figure(name="dtmf_false_per_hour", value=None, unit="", context=why)]
    digits, seconds = await asyncio.to_thread(_listen_to_speech)
    return [
        hits,
        Figure(
            name="dtmf_false_per_hour",
            value=rounded(len(digits) * 3600 / seconds),
            unit="",
            context=f"{digits or 'nothing'} in {seconds:.0f} s of Japanese and English (espeak-ng)",
        ),
    ]


def _press_all() -> tuple[int, int]:
    """Press keys; returns how often, and how often just that key was heard."""
    pressed = heard = 0
    cases = itertools.product(PITCHES, _LEVELS, _SHIFTS, _OFFSETS, _SIGNAL_TO_NOISE_DB)
    for digit, levels, shifts, offset, ratio in cases:
        sound = pause(offset / 8) + key(digit, _PRESS_MS, levels=levels, shifts=shifts)
        if ratio is not None:
            sound = noise([*pause(40), *sound, *pause(40)], min(levels) - ratio, seed=pressed)
        pressed += 1
        heard += detect(sound) == digit
    return pressed, heard


def _listen_to_speech() -> tuple[str, float]:
    """Return the digits that are heard in speech, and how many seconds it lasted."""
    detector = DtmfDetector()
    digits, seconds = "", 0.0
    for sound in _speech():
        payload = audioop.lin2ulaw(sound, 2)
        for start in range(0, len(payload) - _FRAME + 1, _FRAME):
            digits += detector.feed(payload[start : start + _FRAME]) or ""
        seconds += len(payload) / _RATE
        if seconds >= SPEECH_SECONDS:
            break
    return digits, seconds


def _speech() -> Iterator[bytes]:
    """Make speech without end, a paragraph after the other: languages, voices, levels in turn."""
    dice = random.Random(1)
    for number in itertools.count():
        language = ("ja", "en")[number % 2]
        words = " ".join(dice.choices(_WORDS[language].split(), k=60))
        level = _SPEECH_RMS[number // 2 % len(_SPEECH_RMS)]
        yield _spoken(words, dice.choice(_VOICES[language]), dice.randrange(20, 90), level)


def _spoken(words: str, voice: str, pitch: int, level: int) -> bytes:
    """Return a text as 16 bit at 8 kHz, of a level (RMS)."""
    command = ("espeak-ng", "-v", voice, "-p", str(pitch), "--stdin", "--stdout")
    made = subprocess.run(command, input=words.encode(), capture_output=True, check=True).stdout
    with wave.open(BytesIO(made)) as file:
        rate, sound = file.getframerate(), file.readframes(file.getnframes())
    narrow, _ = audioop.ratecv(sound, 2, 1, rate, _RATE, None)
    return audioop.mul(narrow, 2, level / max(1, audioop.rms(narrow, 2)))


def _install() -> bool:
    """Install espeak-ng where that is allowed; tells whether it is there."""
    if os.geteuid() != 0 or not shutil.which("apt-get"):
        return False
    command = ("apt-get", "install", "--yes", "--no-install-recommends", "espeak-ng")
    env = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    done = subprocess.run(command, env=env, check=False, capture_output=True)
    return done.returncode == 0 and shutil.which("espeak-ng") is not None

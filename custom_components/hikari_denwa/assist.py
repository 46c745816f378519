"""Assist over the phone: who may talk to it, in whose name, and what it hears."""

import asyncio
import hmac
from collections.abc import AsyncGenerator, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import audioop
from homeassistant.config_entries import ConfigEntry
from homeassistant.const import Platform
from homeassistant.core import Context, HomeAssistant, callback
from homeassistant.helpers import entity_registry as er
from homeassistant.helpers.translation import async_get_cached_translations

from .calls import Call
from .const import (
    ASSIST_PLATFORM,
    CONF_ASSIST,
    CONF_ASSIST_CALLERS,
    CONF_ASSIST_NUMBER,
    CONF_ASSIST_PIN,
    DOMAIN,
)
from .playable import Sound, frames_sound
from .speaking import AnswerResult, Question, Words, ask
from .telephony.audio.g711 import SAMPLE_RATE, ulaw_to_linear
from .telephony.audio.tones import frames, silence, sines
from .telephony.engine.protocol import SoundFrame
from .telephony.errors import SpeechFailedError

if TYPE_CHECKING:
    from .line import Line

CALLER_NUMBER: Final = "number"
CALLER_PERSON: Final = "person"
PIN_TRIES: Final = 3
PIN_SECONDS: Final = 10.0
LONGEST_PIN: Final = 16
_STT_RATE: Final = 16_000
# Longer than any command; the pipeline finds the end of one by itself.
_LONGEST_COMMAND_SECONDS: Final = 30.0
_MOST_WAITING_FRAMES: Final = 500
_WORDS: Final = f"component.{DOMAIN}.common."
_ENTITIES: Final = (
    (ASSIST_PLATFORM, "_assist"),
    (Platform.SELECT, "-pipeline"),
    (Platform.SELECT, "-vad_sensitivity"),
)


@dataclass(frozen=True, kw_only=True)
class AssistRules:
    """Who may talk to Assist by telephone, and whom it calls.

    ``callers`` are numbers in digits, each with the person whose user acts, if there is one.
    """

    callers: Mapping[str, str | None]
    pin: str
    number: str

    @classmethod
    def of(cls, options: Mapping[str, Any]) -> AssistRules:
        """Return the rules of a config entry's options."""
        callers = options.get(CONF_ASSIST_CALLERS, ()) if options.get(CONF_ASSIST) else ()
        return cls(
            callers={caller[CALLER_NUMBER]: caller.get(CALLER_PERSON) for caller in callers},
            pin=options.get(CONF_ASSIST_PIN, ""),
            number=options.get(CONF_ASSIST_NUMBER, ""),
        )

    def serves(self, call: Call) -> bool:
        """Tell whether a caller is one who may talk; one from outside needs a PIN to give."""
        return call.number in self.callers and bool(self.pin or call.internal)

    def wants_pin(self, call: Call) -> bool:
        """Tell whether a caller has to prove who it is: a number from outside can be forged."""
        return not call.internal

    def context(self, hass: HomeAssistant, number: str | None) -> Context:
        """Return in whose name is done what a caller asks for."""
        person = self.callers.get(number or "")
        state = hass.states.get(person) if person else None
        return Context(user_id=state.attributes.get("user_id") if state else None)


@callback
def forget_entities(hass: HomeAssistant, entry: ConfigEntry) -> None:
    """Forget the entities of a line where Assist is switched off; their names come back with it."""
    registry = er.async_get(hass)
    for domain, end in _ENTITIES:
        if entity_id := registry.async_get_entity_id(domain, DOMAIN, f"{entry.entry_id}{end}"):
            registry.async_remove(entity_id)


async def knows_the_pin(line: Line, pin: str) -> bool:
    """Ask the caller for the PIN, a few times; raises CallNotConnectedError."""
    words = Words(message=word(line.hass, "assist_pin"))
    question = Question(words=words, most_digits=LONGEST_PIN, first_seconds=PIN_SECONDS, tries=1)
    for _ in range(PIN_TRIES):
        try:
            answer = await ask(line, question)
        except SpeechFailedError:
            # Without a voice the caller hears nothing, and who knows the PIN knows what to do.
            question = Question(
                words=Words(), most_digits=LONGEST_PIN, first_seconds=PIN_SECONDS, tries=1
            )
            continue
        if answer.result is AnswerResult.HUNG_UP:
            return False
        if hmac.compare_digest(answer.digits, pin):
            return True
    return False


def word(hass: HomeAssistant, key: str) -> str:
    """Return words for a caller, in the language of the home."""
    words = async_get_cached_translations(hass, hass.config.language, "common", DOMAIN)
    return words.get(f"{_WORDS}{key}", "")


def listening_tone() -> Sound:
    """Return the tone that says: speak now."""
    return frames_sound(frames(sines(((880.0, -15.0),), 0.12) + sines(((1175.0, -15.0),), 0.15)))


def error_tone() -> Sound:
    """Return the tone that says: that did not work."""
    return frames_sound(frames(sines(((400.0, -15.0),), 0.25) + silence(0.1)))


class FarVoice:
    """What the far side says, as speech-to-text wants it: linear 16 bit at 16 kHz."""

    def __init__(self) -> None:
        """Begin with nothing heard."""
        self._heard: asyncio.Queue[bytes] = asyncio.Queue(_MOST_WAITING_FRAMES)

    @contextmanager
    def of(self, line: Line, call: Call) -> Iterator[FarVoice]:
        """Hear the far side of a call for the time of a block."""
        stop = line.call_sound(call).take(self._take)
        try:
            yield self
        finally:
            stop()

    async def command(self) -> AsyncGenerator[bytes]:
        """Give what is said from now on, while the call brings sound."""
        while not self._heard.empty():
            self._heard.get_nowait()
        state = None
        loop = asyncio.get_running_loop()
        end = loop.time() + _LONGEST_COMMAND_SECONDS
        while loop.time() < end:
            try:
                async with asyncio.timeout_at(end):
                    payload = await self._heard.get()
            except TimeoutError:
                return
            sound, state = audioop.ratecv(
                ulaw_to_linear(payload), 2, 1, SAMPLE_RATE, _STT_RATE, state
            )
            yield sound

    def _take(self, frame: SoundFrame) -> None:
        """Take 20 ms; what nobody asks for goes."""
        if self._heard.full():
            self._heard.get_nowait()
        self._heard.put_nowait(frame.payload)

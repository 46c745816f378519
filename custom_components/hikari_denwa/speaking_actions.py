"""The actions that say something: the fields that describe it, and what they answer."""

import re
from typing import TYPE_CHECKING, Any, Final

from homeassistant.core import ServiceCall
from homeassistant.exceptions import HomeAssistantError, ServiceValidationError
from homeassistant.helpers import config_validation as cv

from .const import DOMAIN
from .exceptions import translated_errors
from .line import Line
from .speaking import DialTerms, Errand, Question, Words, ask, run_errand

if TYPE_CHECKING:
    # From 2026.11 on this is what Home Assistant gives out as voluptuous.
    import probatio as vol
else:
    import voluptuous as vol

ATTR_CHOICES: Final = "choices"
ATTR_CONFIRM: Final = "confirm"
ATTR_DIGIT_SECONDS: Final = "digit_seconds"
ATTR_ENGINE: Final = "tts_engine"
ATTR_HANG_UP: Final = "hang_up"
ATTR_LANGUAGE: Final = "language"
ATTR_MAX_DIGITS: Final = "max_digits"
ATTR_MEDIA: Final = "media"
ATTR_MEDIA_CONTENT_ID: Final = "media_content_id"
ATTR_MESSAGE: Final = "message"
ATTR_NEXT_SECONDS: Final = "next_digit_seconds"
ATTR_OPTIONS: Final = "options"
ATTR_REPEAT: Final = "repeat"
ATTR_RETRIES: Final = "retries"
ATTR_RING_SECONDS: Final = "ring_seconds"
ATTR_ROUNDS: Final = "rounds"
ATTR_WRONG_MESSAGE: Final = "wrong_message"
MOST_NUMBERS: Final = 20


def keypad(value: Any) -> str:
    """Return the keys of a field; YAML reads 1 as a number."""
    text = str(value).strip().upper()
    if isinstance(value, bool) or not re.fullmatch(r"[0-9*#A-D]{1,32}", text):
        raise vol.Invalid("keys are 0-9, *, # and A-D")
    return text


def _media(value: Any) -> str:
    """Return the id of media, as written or as the media selector gives it."""
    if isinstance(value, dict):
        value = value.get(ATTR_MEDIA_CONTENT_ID)
    return cv.string(value)


def _whole(least: int, most: int) -> Any:
    """Return the validator of a whole number in bounds."""
    return vol.All(vol.Coerce(int), vol.Range(min=least, max=most))


def _seconds(least: float, most: float) -> Any:
    """Return the validator of a time in bounds."""
    return vol.All(vol.Coerce(float), vol.Range(min=least, max=most))


WORDS_FIELDS: Final = {
    vol.Optional(ATTR_MESSAGE): cv.string,
    vol.Optional(ATTR_MEDIA): _media,
    vol.Optional(ATTR_ENGINE): cv.string,
    vol.Optional(ATTR_LANGUAGE): cv.string,
    vol.Optional(ATTR_OPTIONS, default=dict): dict,
}
ERRAND_FIELDS: Final = {
    **WORDS_FIELDS,
    vol.Optional(ATTR_REPEAT, default=1): _whole(1, 10),
    vol.Optional(ATTR_CONFIRM): keypad,
    vol.Optional(ATTR_DIGIT_SECONDS, default=10): _seconds(1, 60),
    vol.Optional(ATTR_RING_SECONDS, default=45): _seconds(5, 180),
    vol.Optional(ATTR_ROUNDS, default=1): _whole(1, 5),
    vol.Optional(ATTR_HANG_UP, default=True): cv.boolean,
}
ASK_FIELDS: Final = {
    **WORDS_FIELDS,
    vol.Optional(ATTR_MAX_DIGITS): _whole(1, 32),
    vol.Optional(ATTR_CHOICES, default=list): vol.All(cv.ensure_list, [keypad]),
    vol.Optional(ATTR_DIGIT_SECONDS, default=10): _seconds(1, 60),
    vol.Optional(ATTR_NEXT_SECONDS, default=4): _seconds(1, 60),
    vol.Optional(ATTR_RETRIES, default=2): _whole(0, 10),
    vol.Optional(ATTR_WRONG_MESSAGE): cv.string,
}


def has_words(call: ServiceCall) -> bool:
    """Tell whether something is to be said."""
    return bool(call.data.get(ATTR_MESSAGE) or call.data.get(ATTR_MEDIA))


async def call_and_say(
    call: ServiceCall, line: Line, numbers: list[str], terms: DialTerms
) -> dict[str, Any]:
    """Call and say; that nobody was reached is an error, unless the response is asked for."""
    errand = Errand(
        numbers=tuple(numbers),
        words=_words(call),
        repeat=call.data[ATTR_REPEAT],
        confirm=call.data.get(ATTR_CONFIRM),
        digit_seconds=call.data[ATTR_DIGIT_SECONDS],
        ring_seconds=call.data[ATTR_RING_SECONDS],
        rounds=call.data[ATTR_ROUNDS],
        hang_up=call.data[ATTR_HANG_UP],
        terms=terms,
    )
    with translated_errors():
        report = await run_errand(line, errand)
    if not report.done and not call.return_response:
        raise HomeAssistantError(
            translation_domain=DOMAIN,
            translation_key="nobody_confirmed" if errand.confirm else "nobody_reached",
            translation_placeholders={"numbers": ", ".join(numbers)},
        )
    return report.described()


async def ask_caller(call: ServiceCall, line: Line) -> dict[str, Any]:
    """Ask, and return the keys."""
    choices = tuple(call.data[ATTR_CHOICES])
    longest = max(map(len, choices), default=1)
    question = Question(
        words=_words(call),
        most_digits=call.data.get(ATTR_MAX_DIGITS, longest),
        choices=choices,
        first_seconds=call.data[ATTR_DIGIT_SECONDS],
        next_seconds=call.data[ATTR_NEXT_SECONDS],
        tries=call.data[ATTR_RETRIES] + 1,
        wrong=_words(call, ATTR_WRONG_MESSAGE),
    )
    with translated_errors():
        answer = await ask(line, question)
    return {
        "result": answer.result.value,
        "digits": answer.digits or None,
        "tries": answer.tries,
    }


def check_numbers(call: ServiceCall, numbers: list[str]) -> None:
    """See that there is something to say to more than one; raises ServiceValidationError."""
    if not numbers or len(numbers) > MOST_NUMBERS:
        raise ServiceValidationError(
            translation_domain=DOMAIN,
            translation_key="numbers_count",
            translation_placeholders={"most": str(MOST_NUMBERS)},
        )
    if not has_words(call) and (len(numbers) > 1 or ATTR_CONFIRM in call.data):
        raise ServiceValidationError(
            translation_domain=DOMAIN, translation_key="numbers_need_words"
        )


def _words(call: ServiceCall, message: str = ATTR_MESSAGE) -> Words:
    """Return what is to be said; the wrong message has no media before it."""
    return Words(
        message=call.data.get(message),
        media=call.data.get(ATTR_MEDIA) if message == ATTR_MESSAGE else None,
        engine=call.data.get(ATTR_ENGINE),
        language=call.data.get(ATTR_LANGUAGE),
        options=call.data[ATTR_OPTIONS],
    )

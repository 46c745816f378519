"""Call and say, and ask: what people at the far end hear, and what they press."""

import asyncio
import logging
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING, Any, Final, Self

from homeassistant.core import HomeAssistant

from .calls import Call, CallEventType, CallUpdate
from .const import DOMAIN
from .playable import Sound, frames_sound, joined, media_sound, prepared, speech_sound
from .playback import CallPlayer, Playback, PlaybackEnd
from .telephony.audio.tones import frames, silence, sines
from .telephony.calls import CallState, EndReason
from .telephony.errors import (
    CallNotConnectedError,
    EngineError,
    LineBusyError,
    LineNotRegisteredError,
    NumberEmergencyError,
    SoundError,
    TelephonyError,
)
from .telephony.numbers import format_number, is_emergency, normalize

if TYPE_CHECKING:
    from .line import Line

_LOGGER = logging.getLogger(__name__)

ROUND_PAUSE_SECONDS: Final = 30.0
OWN_FAULT_PAUSE_SECONDS: Final = 10.0
_OWN_FAULT_TRIES: Final = 3
_OWN_FAULTS: Final = (EngineError, LineBusyError, LineNotRegisteredError)
# The gateway answers a CANCEL within a transaction's 32 s.
_CANCEL_SECONDS: Final = 35.0
_BETWEEN_SECONDS: Final = 1.0
_TITLE_PAUSE_SECONDS: Final = 0.5
_MOST_KEYS: Final = 64
_ALERT: Final = ((1000.0, -13.0),)
TERMINATOR: Final = "#"


@dataclass(frozen=True, kw_only=True)
class Words:
    """What is to be said: media, a title and a message, one after the other."""

    message: str | None = None
    title: str | None = None
    media: str | None = None
    engine: str | None = None
    language: str | None = None
    options: Mapping[str, Any] = field(default_factory=dict)

    def sound(self, hass: HomeAssistant) -> Sound | None:
        """Return it as a sound; raises SpeechFailedError."""
        sounds = []
        if self.media:
            sounds.append(media_sound(hass, self.media))
        if self.title:
            sounds.append(self._spoken(hass, self.title))
        if self.title and self.message:
            sounds.append(frames_sound(frames(silence(_TITLE_PAUSE_SECONDS))))
        if self.message:
            sounds.append(self._spoken(hass, self.message))
        return joined(sounds, sounds[-1].title) if sounds else None

    def _spoken(self, hass: HomeAssistant, text: str) -> Sound:
        """Return a text as it is spoken; raises SpeechFailedError."""
        return speech_sound(
            hass, text, engine=self.engine, language=self.language, options=self.options
        )


@dataclass(frozen=True, kw_only=True)
class DialTerms:
    """Who asks for a call, and whether it may be tried with 186; see ``Line.async_dial``."""

    person: bool = False
    show_number: bool = False


@dataclass(frozen=True, kw_only=True)
class Errand:
    """Whom to call with what, and when that is done. Times in seconds.

    The numbers are tried in order, ``rounds`` times, until somebody presses the keys of
    ``confirm``, or hears the words to the end if no keys are asked for.
    """

    numbers: tuple[str, ...]
    words: Words
    repeat: int = 1
    confirm: str | None = None
    digit_seconds: float = 10.0
    ring_seconds: float = 45.0
    rounds: int = 1
    hang_up: bool = True
    terms: DialTerms = DialTerms()


class AttemptResult(StrEnum):
    """What became of one call of an errand.

    ``said``: the words were heard to their end. ``unconfirmed``: they were, or the call ended
    before, and the keys were not pressed. ``hung_up``: the call ended before the end of the words.
    ``failed``: nobody answered; the reason tells why.
    """

    CONFIRMED = "confirmed"
    SAID = "said"
    UNCONFIRMED = "unconfirmed"
    HUNG_UP = "hung_up"
    FAILED = "failed"


_DONE: Final = frozenset({AttemptResult.CONFIRMED, AttemptResult.SAID})


@dataclass(frozen=True, kw_only=True)
class Attempt:
    """One call of an errand; ``reason`` is that of its end, or of ``error``: why there was none."""

    number: str
    result: AttemptResult
    digits: str = ""
    reason: str | None = None
    call: Call | None = None
    error: TelephonyError | None = None

    def described(self) -> dict[str, Any]:
        """Return what a response tells of it."""
        call = self.call
        return {
            "number": self.number,
            "formatted_number": format_number(self.number),
            "call_id": call.id if call else None,
            "result": self.result.value,
            "digits": self.digits or None,
            "reason": self.reason,
            "status": call.ending.status if call and call.ending else None,
            "answered": bool(call and call.connected),
            "duration": round(call.duration, 1) if call else 0.0,
        }


@dataclass(frozen=True, kw_only=True)
class Report:
    """How an errand came out; ``speech_error`` tells why tones took the place of the words."""

    attempts: tuple[Attempt, ...]
    speech_error: TelephonyError | None = None

    @property
    def last(self) -> Attempt:
        """Return the attempt that ended the errand."""
        return self.attempts[-1]

    @property
    def done(self) -> bool:
        """Tell whether somebody confirmed, or heard everything."""
        return self.last.result in _DONE

    def described(self) -> dict[str, Any]:
        """Return what a response tells of it."""
        answered = next((each for each in reversed(self.attempts) if _answered(each)), None)
        by = self.last if self.done else answered
        return {
            "result": (by or self.last).result.value,
            "answered_by": by.number if by else None,
            "digits": (by.digits or None) if by else None,
            "attempts": [attempt.described() for attempt in self.attempts],
            "speech_error": self.speech_error.reason if self.speech_error else None,
        }


class Keys:
    """The keys that the far side of a call presses, from the beginning of a block to its end."""

    def __init__(self, line: Line, call: Call) -> None:
        """Begin with none."""
        self._line = line
        self._call = call
        self._pressed: asyncio.Queue[str | None] = asyncio.Queue()
        self._unsubscribe: Callable[[], None] | None = None

    def __enter__(self) -> Self:
        """Begin to listen."""
        self._unsubscribe = self._line.follow(self._call, self._updated)
        return self

    def __exit__(self, *_error: object) -> None:
        """Listen no more."""
        if self._unsubscribe:
            self._unsubscribe()

    async def next(self, seconds: float) -> str | None:
        """Return the next key, or None if none is pressed in time.

        Raises CallNotConnectedError when the call is over.
        """
        if self._line.latest(self._call).state is CallState.ENDED and self._pressed.empty():
            raise CallNotConnectedError
        try:
            async with asyncio.timeout(seconds):
                key = await self._pressed.get()
        except TimeoutError:
            return None
        if key is None:
            raise CallNotConnectedError
        return key

    async def next_during(self, playback: Playback) -> str | None:
        """Return a key that is pressed while something is played, or None when it is at its end.

        Raises CallNotConnectedError when the call is over, and what made the playing fail.
        """
        pressed = asyncio.ensure_future(self._pressed.get())
        try:
            either: set[asyncio.Future[Any]] = {pressed, playback.ended}
            await asyncio.wait(either, return_when=asyncio.FIRST_COMPLETED)
            if pressed.done():
                if (key := pressed.result()) is None:
                    raise CallNotConnectedError
                return key
        finally:
            pressed.cancel()
        if await playback.finished() is PlaybackEnd.CALL_ENDED:
            raise CallNotConnectedError
        return None

    def _updated(self, update: CallUpdate) -> None:
        """Take what happened to the call."""
        if update.type is CallEventType.DTMF:
            self._pressed.put_nowait(update.digit)
        elif update.call.state is CallState.ENDED:
            self._pressed.put_nowait(None)


async def run_errand(line: Line, errand: Errand) -> Report:
    """Call and say, number after number.

    Raises NumberInvalidError and NumberEmergencyError before anybody is called, and
    SoundErrors unless keys are asked for: who has to be reached is called nevertheless, and hears
    tones.
    """
    numbers = [_allowed(number) for number in errand.numbers]
    sound, speech_error = await _words(line, errand)
    attempts: list[Attempt] = []
    for round_number in range(errand.rounds):
        if round_number:
            await asyncio.sleep(ROUND_PAUSE_SECONDS)
        for number in numbers:
            attempts.append(await _attempt(line, errand, number, sound))
            report = Report(attempts=tuple(attempts), speech_error=speech_error)
            if report.done:
                return report
    return report


def _allowed(number: str) -> str:
    """Return the digits of a number that an errand may call."""
    digits = normalize(number)
    if is_emergency(digits):
        raise NumberEmergencyError(number=number)
    return digits


async def _words(line: Line, errand: Errand) -> tuple[Sound, TelephonyError | None]:
    """Return what is said, ready to be said at once."""
    try:
        sound = errand.words.sound(line.hass)
        if sound is not None:
            return await prepared(sound), None
    except SoundError as error:
        if errand.confirm is None:
            raise
        _LOGGER.warning("The words of a call cannot be said, so it has tones: %s", error)
        return alert_sound(), error
    return alert_sound(), None


def alert_sound() -> Sound:
    """Return three tones that make one listen up."""
    tone = sines(_ALERT, 0.3) + silence(0.2)
    return frames_sound(frames(tone * 3), None)


async def _attempt(line: Line, errand: Errand, number: str, sound: Sound) -> Attempt:
    """Call a number and say the words; a fault of our own side is tried again a few times."""
    for tries_left in reversed(range(_OWN_FAULT_TRIES)):
        try:
            call = await _dial(line, errand, number)
        except TelephonyError as error:
            if isinstance(error, _OWN_FAULTS) and tries_left:
                await asyncio.sleep(OWN_FAULT_PAUSE_SECONDS)
                continue
            return Attempt(
                number=number, result=AttemptResult.FAILED, reason=error.reason, error=error
            )
        break
    finished = False
    try:
        with Keys(line, call) as keys:
            call = await line.async_outcome(call, errand.ring_seconds)
            if call.state is CallState.TALKING:
                result, digits = await _deliver(line, errand, call, sound, keys)
                finished = not errand.hang_up and result in _DONE
            else:
                result, digits = AttemptResult.FAILED, ""
    finally:
        if not finished:
            await asyncio.shield(hang_up(line, call))
    call = line.latest(call)
    reason = call.ending.reason.value if call.ending else None
    if result is AttemptResult.FAILED and reason == EndReason.CANCELLED_HERE:
        reason = EndReason.NO_ANSWER.value
    return Attempt(number=number, result=result, digits=digits, reason=reason, call=call)


async def _dial(line: Line, errand: Errand, number: str) -> Call:
    """Place a call; who is stopped meanwhile has it hung up as soon as it is there."""
    terms = errand.terms
    dialling = line.entry.async_create_task(
        line.hass,
        line.async_dial(number, person=terms.person, show_number=terms.show_number),
        f"{DOMAIN} call and say",
    )

    def forget(task: asyncio.Task[Call]) -> None:
        if not task.cancelled() and task.exception() is None:
            line.entry.async_create_task(line.hass, hang_up(line, task.result()))

    try:
        return await asyncio.shield(dialling)
    except asyncio.CancelledError:
        dialling.add_done_callback(forget)
        raise


async def hang_up(line: Line, call: Call) -> None:
    """Hang up, if the call still is, and wait until it is over."""
    with Keys(line, call) as keys, suppress(TelephonyError, TimeoutError):
        if line.latest(call).state is not CallState.ENDED:
            await line.async_hang_up(call)
        async with asyncio.timeout(_CANCEL_SECONDS):
            while True:
                await keys.next(_CANCEL_SECONDS)


async def _deliver(
    line: Line, errand: Errand, call: Call, sound: Sound, keys: Keys
) -> tuple[AttemptResult, str]:
    """Say the words as often as wanted, or until the keys are pressed."""
    pressed = ""
    said = False
    try:
        player = line.player.of(call)
        for turn in range(errand.repeat):
            playback = player.play(sound, announcement=True)
            while (key := await keys.next_during(playback)) is not None:
                pressed += key
                if _confirms(errand, pressed):
                    player.skip(playback)
                    return AttemptResult.CONFIRMED, pressed
            said = True
            if errand.confirm is None and turn == errand.repeat - 1:
                break
            patience = _BETWEEN_SECONDS if errand.confirm is None else errand.digit_seconds
            while len(pressed) < _MOST_KEYS and (key := await keys.next(patience)) is not None:
                pressed += key
                if _confirms(errand, pressed):
                    return AttemptResult.CONFIRMED, pressed
    except CallNotConnectedError:
        if not said:
            return AttemptResult.HUNG_UP, pressed
    return AttemptResult.SAID if errand.confirm is None else AttemptResult.UNCONFIRMED, pressed


def _confirms(errand: Errand, pressed: str) -> bool:
    """Tell whether the keys that were asked for have been pressed."""
    return errand.confirm is not None and pressed.endswith(errand.confirm)


@dataclass(frozen=True, kw_only=True)
class Question:
    """What is asked in a call, and which keys can be an answer. Times in seconds.

    Of ``choices`` one has to be pressed; without them up to ``most_digits`` keys are. The last key
    may be ``TERMINATOR``, which is no part of the answer unless a choice has it.
    """

    words: Words
    most_digits: int = 1
    choices: tuple[str, ...] = ()
    first_seconds: float = 10.0
    next_seconds: float = 4.0
    tries: int = 3
    wrong: Words = Words()

    def is_whole(self, pressed: str) -> bool:
        """Tell whether no further key can belong to the answer."""
        if not self.choices:
            return len(pressed) >= self.most_digits
        return not any(choice.startswith(pressed) and choice != pressed for choice in self.choices)

    def ends_with(self, key: str) -> bool:
        """Tell whether a key ends the answer without being part of it."""
        return key == TERMINATOR and not any(TERMINATOR in choice for choice in self.choices)

    def is_answer(self, pressed: str) -> bool:
        """Tell whether these keys are an answer."""
        return bool(pressed) and (not self.choices or pressed in self.choices)


class AnswerResult(StrEnum):
    """How a question came out."""

    ANSWERED = "answered"
    WRONG = "wrong"
    TIMEOUT = "timeout"
    HUNG_UP = "hung_up"


@dataclass(frozen=True, kw_only=True)
class Answer:
    """What was pressed in answer to a question, at the last of so many tries."""

    result: AnswerResult
    digits: str
    tries: int


async def ask(line: Line, question: Question) -> Answer:
    """Ask the other side of the current call; keys may be pressed before all is said.

    Raises CallNotConnectedError if there is no call, and SoundErrors.
    """
    if (call := line.state.call) is None:
        raise CallNotConnectedError
    line.player.of(call)
    sounds = [await _ready(line.hass, words) for words in (question.words, question.wrong)]
    return await put(line, call, question, *sounds)


async def put(
    line: Line, call: Call, question: Question, words: Sound | None, wrong: Sound | None
) -> Answer:
    """Put a question whose words are ready; raises CallNotConnectedError if there is no sound."""
    player = line.player.of(call)
    result, digits, tries = AnswerResult.TIMEOUT, "", 0
    with Keys(line, call) as keys:
        try:
            for tries in range(1, question.tries + 1):
                digits = await _one_try(player, question, words, keys)
                if question.is_answer(digits):
                    return Answer(result=AnswerResult.ANSWERED, digits=digits, tries=tries)
                result = AnswerResult.WRONG if digits else AnswerResult.TIMEOUT
                if digits and wrong is not None:
                    await player.play(wrong, announcement=True).finished()
        except CallNotConnectedError:
            result = AnswerResult.HUNG_UP
    return Answer(result=result, digits=digits, tries=tries)


async def _ready(hass: HomeAssistant, words: Words) -> Sound | None:
    """Return words as a sound that begins at once, if there are any."""
    sound = words.sound(hass)
    return await prepared(sound) if sound is not None else None


async def _one_try(player: CallPlayer, question: Question, words: Sound | None, keys: Keys) -> str:
    """Ask once, and return the keys that were pressed."""
    pressed = ""
    key: str | None = None
    if words is not None:
        playback = player.play(words, announcement=True)
        if (key := await keys.next_during(playback)) is not None:
            player.skip(playback)
    if key is None:
        key = await keys.next(question.first_seconds)
    while key is not None and not question.ends_with(key):
        pressed += key
        if question.is_whole(pressed):
            break
        key = await keys.next(question.next_seconds)
    return pressed


def _answered(attempt: Attempt) -> bool:
    """Tell whether somebody, or a machine, answered."""
    return attempt.call is not None and attempt.call.connected is not None

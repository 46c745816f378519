"""Serves blocked callers who are answered: says so, has the machine take them, or challenges."""

import asyncio
import logging
from collections.abc import AsyncGenerator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from homeassistant.core import HomeAssistant, callback
from homeassistant.exceptions import TemplateError
from homeassistant.helpers import issue_registry as ir

from .caller_words import CallerWords, caller_words
from .calls import Call
from .const import (
    CONF_CHALLENGE_KEY,
    CONF_CHALLENGE_MESSAGE,
    CONF_CHALLENGE_SECONDS,
    CONF_SAY_MESSAGE,
    DOMAIN,
)
from .playable import Sound
from .screening import Treatment
from .sentences import error_in_words
from .speaking import AnswerResult, Question, Words, hang_up, put
from .telephony.audio.tones import ringback_tone
from .telephony.calls import CallState
from .telephony.errors import (
    CallNotConnectedError,
    CallUnknownError,
    SpeechFailedError,
    TelephonyError,
)

if TYPE_CHECKING:
    from .line import Line

_LOGGER = logging.getLogger(__name__)

CHALLENGE_KEYS: Final = "0123456789*#"
DEFAULT_CHALLENGE_KEY: Final = "3"
DEFAULT_CHALLENGE_SECONDS: Final = 10
# After that a caller may as well hear the engaged tone: nobody answers without knowing why.
_WORDS_SECONDS: Final = 15.0
_CONNECT_SECONDS: Final = 35.0
_LONGEST_WORDS_SECONDS: Final = 180.0
_TRIES: Final = 2
# Longer than most people let it ring, shorter than a caller pays for in vain.
RING_SECONDS: Final = 90.0
_MAKE_WAY_SECONDS: Final = 3.0


@dataclass(frozen=True, kw_only=True)
class DoorkeeperRules:
    """What callers hear, and the key that lets them through; time in seconds."""

    say: str = ""
    challenge: str = ""
    key: str = DEFAULT_CHALLENGE_KEY
    seconds: float = DEFAULT_CHALLENGE_SECONDS

    @classmethod
    def of(cls, options: Mapping[str, Any]) -> DoorkeeperRules:
        """Return the rules of a config entry's options."""
        return cls(
            say=options.get(CONF_SAY_MESSAGE, ""),
            challenge=options.get(CONF_CHALLENGE_MESSAGE, ""),
            key=options.get(CONF_CHALLENGE_KEY, DEFAULT_CHALLENGE_KEY),
            seconds=options.get(CONF_CHALLENGE_SECONDS, DEFAULT_CHALLENGE_SECONDS),
        )

    def words(self, treatment: Treatment) -> tuple[CallerWords, ...]:
        """Return what is said to a caller, the words of leave after those of the challenge."""
        if treatment is Treatment.SAY:
            return (CallerWords(written=self.say, usual="say_message"),)
        key = {"key": self.key}
        return (
            CallerWords(written=self.challenge, usual="challenge_message", values=key),
            CallerWords(written="", usual="challenge_failed"),
        )


class Doorkeeper:
    """Takes calls of a line that are kept away, one task each; no entity knows of them."""

    def __init__(self, hass: HomeAssistant, line: Line) -> None:
        """Keep what it works with."""
        self._hass = hass
        self._line = line

    @callback
    def serve(self, call: Call) -> None:
        """Begin with a call that was just kept away."""
        self._line.entry.async_create_background_task(
            self._hass, self._serve(call), f"{DOMAIN} doorkeeper"
        )

    async def async_make_way(self, wanted: Call | None = None) -> None:
        """End what is served but the call that is wanted: somebody of the home needs the line."""
        for call in self._line.served:
            if wanted is None or call.id != wanted.id:
                # The other side may go first; either way the line is free then.
                with suppress(TelephonyError):
                    await self._line.client.hang_up(call.id)
                await self._line.async_ended(call, _MAKE_WAY_SECONDS)

    @callback
    def close(self) -> None:
        """Show no problem of a line that is not there any more."""
        ir.async_delete_issue(self._hass, DOMAIN, self._issue_id)

    @property
    def _issue_id(self) -> str:
        """Return the name of the line's issue."""
        return f"no_words_{self._line.id}"

    async def _serve(self, call: Call) -> None:
        """Serve a caller to the end."""
        treatment = call.screening.treatment
        if treatment is Treatment.ANSWERING_MACHINE:
            await self._line.answering.async_take(call)
            return
        rules = DoorkeeperRules.of(self._line.entry.options)
        if (sounds := await self._sounds(call, rules)) is None:
            self._line.turn_away(call)
        elif treatment is Treatment.SAY:
            await self._say(call, *sounds)
        else:
            await self._challenge(call, rules, *sounds)

    async def _sounds(self, call: Call, rules: DoorkeeperRules) -> tuple[Sound, ...] | None:
        """Return what the caller will hear, or None, and tell the owner, if that cannot be said."""
        try:
            async with asyncio.timeout(_WORDS_SECONDS):
                sounds = [
                    await caller_words(self._line, call, words)
                    for words in rules.words(call.screening.treatment)
                ]
        except (TemplateError, TelephonyError) as error:
            self._tell_problem(error)
            return None
        except TimeoutError:
            self._tell_problem(SpeechFailedError(detail="timeout"))
            return None
        except Exception as error:
            _LOGGER.exception("The words for a blocked caller cannot be made")
            self._tell_problem(SpeechFailedError(detail=type(error).__name__))
            return None
        ir.async_delete_issue(self._hass, DOMAIN, self._issue_id)
        return tuple(sounds)

    async def _say(self, call: Call, words: Sound) -> None:
        """Answer, say it, and hang up."""
        try:
            call = await self._answered(call)
            async with asyncio.timeout(_LONGEST_WORDS_SECONDS):
                await self._line.player.of(call).play(words, announcement=True).finished()
        except CallNotConnectedError, TimeoutError:
            pass
        except TelephonyError as error:
            _LOGGER.warning("Blocked call %s cannot be told anything: %s", call.id, error)
        finally:
            await asyncio.shield(hang_up(self._line, call))

    async def _challenge(
        self, call: Call, rules: DoorkeeperRules, words: Sound, leave: Sound
    ) -> None:
        """Answer, ask for the key, and let the call ring if it is pressed."""
        question = Question(
            words=Words(),
            choices=(rules.key,),
            first_seconds=rules.seconds,
            tries=_TRIES,
        )
        at_home = False
        try:
            call = await self._answered(call)
            player = self._line.player.of(call)
            async with asyncio.timeout(_LONGEST_WORDS_SECONDS):
                answer = await put(self._line, call, question, words, None)
                if answer.result is not AnswerResult.ANSWERED:
                    if answer.result is not AnswerResult.HUNG_UP:
                        await player.play(leave, announcement=True).finished()
                    return
            player.play(_ring_tone())
            self._line.admit(call)
            at_home = await self._line.async_picked_up(call, RING_SECONDS)
        except CallNotConnectedError, TimeoutError:
            pass
        except TelephonyError as error:
            _LOGGER.warning("Blocked call %s cannot be challenged: %s", call.id, error)
        finally:
            if not at_home:
                await asyncio.shield(hang_up(self._line, call))

    async def _answered(self, call: Call) -> Call:
        """Answer a call that is kept away; returns it when sound flows."""
        if self._line.latest(call).state is not CallState.RINGING:
            raise CallNotConnectedError
        try:
            await self._line.client.answer(call.id)
        except CallUnknownError:
            # The caller gave up, or another phone of the home was faster.
            raise CallNotConnectedError from None
        return await self._line.async_connected(call, _CONNECT_SECONDS)

    def _tell_problem(self, error: Exception) -> None:
        """Tell the owner that blocked callers are rejected instead, and why."""
        _LOGGER.warning(
            "A blocked caller of %s is rejected, because nothing can be said: %s",
            self._line.entry.title,
            error,
        )
        ir.async_create_issue(
            self._hass,
            DOMAIN,
            self._issue_id,
            is_fixable=False,
            severity=ir.IssueSeverity.WARNING,
            translation_key="no_words",
            translation_placeholders={
                "line": self._line.entry.title,
                "problem": (
                    error_in_words(self._hass, error)
                    if isinstance(error, TelephonyError)
                    else str(error)
                ),
            },
        )


def _ring_tone() -> Sound:
    """Return what a caller hears while the home rings, without an end."""

    async def play() -> AsyncGenerator[bytes]:
        for frame in ringback_tone():
            yield frame

    return Sound(title=None, frames=play)

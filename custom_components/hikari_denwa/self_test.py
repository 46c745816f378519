"""The self-test: is the line registered, does a call come about, is anything heard?

It places a call, which may cost money, so it never runs by itself, nor from an automation.
"""

import asyncio
import dataclasses
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Final

from homeassistant.components import persistent_notification
from homeassistant.core import Context, HomeAssistant, callback
from homeassistant.exceptions import ServiceValidationError

from .calls import Call, CallUpdate
from .const import DOMAIN
from .dialling import async_is_person
from .line import Line
from .sentences import error_in_words, reason_in_words, sentence
from .support import described_finding
from .telephony.audio.g711 import level, ulaw_to_linear
from .telephony.engine.protocol import FRAME_SECONDS, SoundFrame
from .telephony.errors import CallUnknownError, TelephonyError
from .telephony.numbers import format_number, is_emergency, normalize

TIME_SIGNAL: Final = "117"
"""NTT's time signal, which answers at once and speaks without end. A call costs a few yen."""

_ANSWER_SECONDS: Final = 30.0
_LISTEN_SECONDS: Final = 8.0
_END_SECONDS: Final = 5.0
# A voice is some -20 dBm0; what a quiet line gives is below -50.
_AUDIBLE_DBM0: Final = -45.0
_ENOUGH_FRAMES: Final = round(1.0 / FRAME_SECONDS)


class SelfTestResult(StrEnum):
    """What the self-test found; each has a sentence in the translations."""

    OK = "ok"
    NOT_REGISTERED = "not_registered"
    NOT_PLACED = "not_placed"
    NOT_CONNECTED = "not_connected"
    NO_ANSWER = "no_answer"
    NO_SOUND = "no_sound"
    SILENCE = "silence"


@dataclass(frozen=True, kw_only=True)
class Heard:
    """What was heard: frames of 20 ms, those of them with a sound, and the loudest in dBm0."""

    frames: int = 0
    audible_frames: int = 0
    loudest: float | None = None


@dataclass(frozen=True, kw_only=True)
class SelfTestReport:
    """What the self-test found, and what it rests on."""

    result: SelfTestResult
    number: str
    call: Call | None = None
    heard: Heard | None = None
    error: TelephonyError | None = None


async def async_self_test(line: Line, number: str, context: Context | None) -> SelfTestReport:
    """Test a line with a call to a number or an extension.

    Raises NumberInvalidError, and ServiceValidationError if nobody asked for it, if the number is
    an emergency number, or if there is a call.
    """
    digits = normalize(number)
    if not await async_is_person(line.hass, context):
        raise _refused("self_test_not_asked")
    if is_emergency(digits):
        raise _refused("self_test_emergency", number=number)
    if line.calls:
        raise _refused("self_test_busy")
    if not line.state.registered:
        return SelfTestReport(
            result=SelfTestResult.NOT_REGISTERED, number=digits, error=line.state.error
        )
    try:
        return await _with_a_call(line, digits)
    except TelephonyError as error:
        return SelfTestReport(result=SelfTestResult.NOT_PLACED, number=digits, error=error)


async def _with_a_call(line: Line, digits: str) -> SelfTestReport:
    """Place the call, listen, hang up, and tell what came of it."""
    heard: Heard | None = None
    async with _call(line, digits) as follow:
        call = await line.async_outcome(follow.call, _ANSWER_SECONDS)
        if call.ending is None and call.connected:
            heard = await _listen(line, follow)
    call = follow.call
    if heard is None:
        no_answer = call.ending is None or follow.hung_up
        result = SelfTestResult.NO_ANSWER if no_answer else SelfTestResult.NOT_CONNECTED
    elif heard.audible_frames:
        result = SelfTestResult.OK
    else:
        received = call.quality.packets_received if call.quality else heard.frames
        result = SelfTestResult.SILENCE if received else SelfTestResult.NO_SOUND
    return SelfTestReport(result=result, number=digits, call=call, heard=heard)


class _Followed:
    """A call of the self-test as it is now."""

    def __init__(self, call: Call) -> None:
        """Take the call as it was placed."""
        self.call = call
        self.hung_up = False
        self.over = asyncio.Event()

    @callback
    def updated(self, update: CallUpdate) -> None:
        """Take what happened to it."""
        if update.call.id == self.call.id:
            self.call = update.call
            if update.call.ending:
                self.over.set()


@asynccontextmanager
async def _call(line: Line, digits: str) -> AsyncIterator[_Followed]:
    """Have a call for the time of a block; it is always hung up, whatever happens."""
    follow = _Followed(await line.async_dial(digits, person=True))
    if follow.call.ending:
        follow.over.set()
    unsubscribe = line.subscribe_calls(follow.updated)
    try:
        yield follow
    finally:
        try:
            if not follow.over.is_set():
                follow.hung_up = True
                with suppress(TelephonyError):
                    await asyncio.shield(line.client.hang_up(follow.call.id))
                with suppress(TimeoutError):
                    async with asyncio.timeout(_END_SECONDS):
                        await follow.over.wait()
        finally:
            unsubscribe()


async def _listen(line: Line, follow: _Followed) -> Heard:
    """Listen until a second of sound was heard, the call is over, or the time is up."""
    heard = Heard()
    enough = asyncio.Event()

    @callback
    def hear(frame: SoundFrame) -> None:
        nonlocal heard
        if enough.is_set():
            return
        heard = _with(heard, level(ulaw_to_linear(frame.payload)))
        if heard.audible_frames >= _ENOUGH_FRAMES:
            enough.set()

    with suppress(CallUnknownError):
        stop = line.call_sound(follow.call).take(hear)
        ends = [asyncio.ensure_future(event.wait()) for event in (enough, follow.over)]
        try:
            await asyncio.wait(ends, timeout=_LISTEN_SECONDS, return_when=asyncio.FIRST_COMPLETED)
        finally:
            stop()
            for end in ends:
                end.cancel()
    return heard


def _with(heard: Heard, loudness: float) -> Heard:
    """Return what was heard after a frame more."""
    audible = loudness > _AUDIBLE_DBM0
    return Heard(
        frames=heard.frames + 1,
        audible_frames=heard.audible_frames + audible,
        loudest=max(heard.loudest or loudness, loudness) if audible else heard.loudest,
    )


def report_in_words(hass: HomeAssistant, line: Line, report: SelfTestReport) -> str:
    """Return what the self-test found, as a sentence that says what to do."""
    family = line.state.family
    ending = report.call.ending if report.call else None
    if report.error:
        reason = error_in_words(hass, report.error)
    else:
        reason = reason_in_words(hass, ending.reason) if ending else ""
    return sentence(
        hass,
        f"self_test_{report.result}",
        number=format_number(report.number),
        family={"ipv6": "IPv6", "ipv4": "IPv4"}.get(family or "", "-"),
        reason=reason,
    ).strip()


def described_report(hass: HomeAssistant, line: Line, report: SelfTestReport) -> dict[str, Any]:
    """Return what the self-test found, for a response."""
    call = report.call
    ending = call.ending if call else None
    answered = (call.connected - call.started).total_seconds() if call and call.connected else None
    return {
        "result": report.result.value,
        "sentence": report_in_words(hass, line, report),
        "number": report.number,
        "registered": line.state.registered,
        "family": line.state.family.value if line.state.family else None,
        "answered_after": None if answered is None else round(max(0.0, answered), 1),
        "sound": dataclasses.asdict(report.heard) if report.heard else None,
        "reason": report.error.reason if report.error else ending.reason.value if ending else None,
        "status": ending.status if ending else None,
        "quality": dataclasses.asdict(call.quality) if call and call.quality else None,
        "finding": described_finding(hass, line),
    }


async def async_self_test_and_notify(line: Line, context: Context | None) -> None:
    """Test a line with the time signal, and tell what was found in a notification."""
    report = await async_self_test(line, TIME_SIGNAL, context)
    persistent_notification.async_create(
        line.hass,
        report_in_words(line.hass, line, report),
        title=sentence(line.hass, "self_test_title", line=line.entry.title),
        notification_id=f"{DOMAIN}_self_test_{line.id}",
    )


def _refused(key: str, **placeholders: str) -> ServiceValidationError:
    """Return why there is no self-test now."""
    return ServiceValidationError(
        translation_domain=DOMAIN, translation_key=key, translation_placeholders=placeholders
    )

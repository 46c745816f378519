"""The actions: what automations and people ask of a line."""

from collections.abc import Mapping
from enum import StrEnum
from typing import TYPE_CHECKING, Any, Final

from homeassistant.const import ATTR_CONFIG_ENTRY_ID
from homeassistant.core import (
    HomeAssistant,
    ServiceCall,
    ServiceResponse,
    SupportsResponse,
    callback,
)
from homeassistant.exceptions import HomeAssistantError
from homeassistant.helpers import config_validation as cv

from .address_book import address_book
from .block_actions import BLOCK_FIELDS, UNBLOCK_FIELDS, block_number, unblock_number
from .call_log import forget_recordings
from .call_log_actions import (
    DELETE_FIELDS,
    GET_FIELDS,
    SEEN_FIELDS,
    delete_calls,
    get_calls,
    mark_calls_seen,
)
from .calls import Call
from .const import DOMAIN
from .contact_actions import (
    ATTR_CONTENT,
    ATTR_FORMAT,
    EXPORT_FIELDS,
    IMPORT_FIELDS,
    export_contacts,
    import_contacts,
)
from .contacts import CONF_DIAL_BUTTON, CONF_GROUP
from .dialling import async_is_person
from .exceptions import call_failed, translated_errors, wrong_input
from .line import REJECT_STATUS, HikariConfigEntry, Line
from .listening import (
    CallSelection,
    StandingWish,
    Wish,
    WishedCalls,
    check_players,
    filter_numbers,
)
from .recordings import Recording, RecordingFolder
from .self_test import TIME_SIGNAL, SelfTestResult, async_self_test, described_report
from .speaking import DialTerms
from .speaking_actions import (
    ASK_FIELDS,
    ERRAND_FIELDS,
    ask_caller,
    call_and_say,
    check_numbers,
    has_words,
)
from .support import async_trace_text, described_finding, signed_trace_path
from .telephony.audio.broadcast import Filler
from .telephony.audio.formats import LiveFormat
from .telephony.calls import CallState
from .telephony.errors import CallUnknownError, NumberInvalidError
from .telephony.numbers import normalize
from .verdicts import async_described

if TYPE_CHECKING:
    # From 2026.11 on this is what Home Assistant gives out as voluptuous.
    import probatio as vol
else:
    import voluptuous as vol

ATTR_BOTH_SIDES: Final = "both_sides"
ATTR_DIGITS: Final = "digits"
ATTR_DIRECTION: Final = "direction"
ATTR_DOOR_PHONES_ONLY: Final = "door_phones_only"
ATTR_EVERY_CALL: Final = "every_call"
ATTR_MEDIA_PLAYER: Final = "media_player"
ATTR_NOTICE: Final = "notice"
ATTR_NUMBER: Final = "number"
ATTR_NUMBERS: Final = "numbers"
ATTR_RECORDING: Final = "recording"
ATTR_SHOW_NUMBER: Final = "show_number"
ATTR_STATUS: Final = "status"
ATTR_THIS_CALL_ONLY: Final = "this_call_only"
ATTR_VOLUME_LEVEL: Final = "volume_level"
ATTR_WAIT_FOR_ANSWER: Final = "wait_for_answer"
ATTR_WHILE_RINGING: Final = "while_ringing"

# RFC 3261 lets a proxy give up a ringing call after three minutes (§16.6, timer C).
_ANSWER_SECONDS: Final = 185.0


class Action(StrEnum):
    """Names of the actions."""

    DIAL = "dial"
    CHECK_NUMBER = "check_number"
    FORGET_EXPERIENCE = "forget_experience"
    ANSWER = "answer"
    REJECT = "reject"
    HANG_UP = "hang_up"
    HOLD = "hold"
    RESUME = "resume"
    SEND_DTMF = "send_dtmf"
    LISTEN = "listen"
    ASK = "ask"
    START_RECORDING = "start_recording"
    STOP_RECORDING = "stop_recording"
    DELETE_RECORDING = "delete_recording"
    STOP_LISTENING = "stop_listening"
    IMPORT_CONTACTS = "import_contacts"
    EXPORT_CONTACTS = "export_contacts"
    GET_CALLS = "get_calls"
    DELETE_CALLS = "delete_calls"
    MARK_CALLS_SEEN = "mark_calls_seen"
    SELF_TEST = "self_test"
    GET_TRACE = "get_trace"
    BLOCK_NUMBER = "block_number"
    UNBLOCK_NUMBER = "unblock_number"


class DialResult(StrEnum):
    """How far a call placed by ``dial`` came."""

    DIALING = "dialing"
    CONNECTED = "connected"
    FAILED = "failed"


def _format_name(value: Any) -> str:
    """Accept the name of a format that a live stream has."""
    try:
        return LiveFormat.named(cv.string(value)).name
    except ValueError as error:
        raise vol.Invalid(str(error)) from error


_LINE: Final = {vol.Optional(ATTR_CONFIG_ENTRY_ID): cv.string}
_PLAYERS: Final = {
    vol.Optional(ATTR_MEDIA_PLAYER, default=list): cv.entities_domain("media_player")
}
_SCHEMAS: Final = {
    Action.DIAL: vol.Schema(
        {
            **_LINE,
            vol.Required(ATTR_NUMBER): vol.All(cv.ensure_list, [vol.Any(str, int)]),
            vol.Optional(ATTR_WAIT_FOR_ANSWER, default=False): cv.boolean,
            vol.Optional(ATTR_SHOW_NUMBER, default=False): cv.boolean,
            **ERRAND_FIELDS,
        }
    ),
    Action.CHECK_NUMBER: vol.Schema(
        {
            **_LINE,
            vol.Required(ATTR_NUMBER): vol.Any(str, int),
            vol.Optional(ATTR_SHOW_NUMBER, default=False): cv.boolean,
        }
    ),
    Action.FORGET_EXPERIENCE: vol.Schema({**_LINE, vol.Optional(ATTR_NUMBER): vol.Any(str, int)}),
    Action.ANSWER: vol.Schema(_LINE),
    Action.REJECT: vol.Schema(
        {
            **_LINE,
            vol.Optional(ATTR_STATUS, default=REJECT_STATUS): vol.All(
                vol.Coerce(int), vol.Range(min=400, max=699)
            ),
        }
    ),
    Action.HANG_UP: vol.Schema(_LINE),
    Action.HOLD: vol.Schema(_LINE),
    Action.RESUME: vol.Schema(_LINE),
    Action.SEND_DTMF: vol.Schema({**_LINE, vol.Required(ATTR_DIGITS): cv.string}),
    Action.LISTEN: vol.Schema(
        {
            **_LINE,
            **_PLAYERS,
            vol.Optional(ATTR_BOTH_SIDES, default=False): cv.boolean,
            vol.Optional(ATTR_WHILE_RINGING, default=Filler.COMFORT_NOISE): vol.Coerce(Filler),
            vol.Optional(ATTR_VOLUME_LEVEL): cv.small_float,
            vol.Optional(ATTR_FORMAT): _format_name,
            vol.Optional(ATTR_EVERY_CALL, default=False): cv.boolean,
            vol.Optional(ATTR_DIRECTION): vol.Coerce(CallSelection),
            vol.Optional(ATTR_NUMBERS): vol.All(cv.ensure_list, [vol.Any(str, int)]),
            vol.Optional(ATTR_DOOR_PHONES_ONLY): cv.boolean,
        }
    ),
    Action.STOP_LISTENING: vol.Schema(
        {
            **_LINE,
            **_PLAYERS,
            vol.Optional(ATTR_THIS_CALL_ONLY, default=False): cv.boolean,
        }
    ),
    Action.ASK: vol.Schema({**_LINE, **ASK_FIELDS}),
    Action.START_RECORDING: vol.Schema({**_LINE, vol.Optional(ATTR_NOTICE): cv.boolean}),
    Action.STOP_RECORDING: vol.Schema(_LINE),
    Action.DELETE_RECORDING: vol.Schema({vol.Required(ATTR_RECORDING): cv.string}),
    Action.IMPORT_CONTACTS: vol.Schema({**_LINE, **IMPORT_FIELDS}),
    Action.EXPORT_CONTACTS: vol.Schema(EXPORT_FIELDS),
    Action.GET_CALLS: vol.Schema({**_LINE, **GET_FIELDS}),
    Action.DELETE_CALLS: vol.Schema({**_LINE, **DELETE_FIELDS}),
    Action.MARK_CALLS_SEEN: vol.Schema({**_LINE, **SEEN_FIELDS}),
    Action.SELF_TEST: vol.Schema(
        {**_LINE, vol.Optional(ATTR_NUMBER, default=TIME_SIGNAL): vol.Any(str, int)}
    ),
    Action.GET_TRACE: vol.Schema(_LINE),
    Action.BLOCK_NUMBER: vol.Schema({**_LINE, **BLOCK_FIELDS}),
    Action.UNBLOCK_NUMBER: vol.Schema({**_LINE, **UNBLOCK_FIELDS}),
}
_FILTERS: Final = (ATTR_DIRECTION, ATTR_NUMBERS, ATTR_DOOR_PHONES_ONLY)
# These tell something and do nothing else.
_RESPONSE_ONLY: Final = frozenset(
    {Action.CHECK_NUMBER, Action.EXPORT_CONTACTS, Action.GET_CALLS, Action.GET_TRACE}
)


@callback
def async_setup_actions(hass: HomeAssistant) -> None:
    """Register the actions; they serve every line."""
    handlers = {
        Action.DIAL: _dial,
        Action.CHECK_NUMBER: _check_number,
        Action.FORGET_EXPERIENCE: _forget_experience,
        Action.ANSWER: _answer,
        Action.REJECT: _reject,
        Action.HANG_UP: _hang_up,
        Action.HOLD: _hold,
        Action.RESUME: _resume,
        Action.SEND_DTMF: _send_dtmf,
        Action.LISTEN: _listen,
        Action.ASK: _ask,
        Action.START_RECORDING: _start_recording,
        Action.STOP_RECORDING: _stop_recording,
        Action.DELETE_RECORDING: _delete_recording,
        Action.STOP_LISTENING: _stop_listening,
        Action.IMPORT_CONTACTS: _import_contacts,
        Action.EXPORT_CONTACTS: _export_contacts,
        Action.GET_CALLS: _get_calls,
        Action.DELETE_CALLS: _delete_calls,
        Action.MARK_CALLS_SEEN: _mark_calls_seen,
        Action.SELF_TEST: _self_test,
        Action.GET_TRACE: _get_trace,
        Action.BLOCK_NUMBER: _block_number,
        Action.UNBLOCK_NUMBER: _unblock_number,
    }
    for action, handler in handlers.items():
        hass.services.async_register(
            DOMAIN,
            action,
            handler,
            schema=_SCHEMAS[action],
            supports_response=(
                SupportsResponse.ONLY if action in _RESPONSE_ONLY else SupportsResponse.OPTIONAL
            ),
        )


async def _dial(call: ServiceCall) -> ServiceResponse:
    """Place a call, and wait for its outcome if that is wanted; or call and say.

    A call that fails is an error, unless the response is asked for: then it tells why.
    """
    line = _line(call)
    numbers = [_number_of(call.hass, number) for number in call.data[ATTR_NUMBER]]
    check_numbers(call, numbers)
    person = await async_is_person(call.hass, call.context)
    show_number: bool = call.data[ATTR_SHOW_NUMBER]
    if has_words(call):
        return await call_and_say(
            call, line, numbers, DialTerms(person=person, show_number=show_number)
        )
    (number,) = numbers
    judged = line.dialler.verdict(number, person=person, show_number=show_number)
    with translated_errors():
        placed = await line.async_dial(number, person=person, show_number=show_number)
        if call.data[ATTR_WAIT_FOR_ANSWER]:
            placed = await line.async_outcome(placed, _ANSWER_SECONDS)
    ending = placed.ending
    if ending and not placed.connected and not call.return_response:
        raise call_failed(ending.reason, placed.formatted_number or number)
    return {
        **_described(placed),
        "family": placed.family.value,
        "result": _dial_result(placed).value,
        "reason": ending.reason.value if ending else None,
        "status": ending.status if ending else None,
        "phrase": ending.phrase if ending else None,
        "warning": ending.warning if ending else None,
        "attempts": [attempt.shown() for attempt in placed.attempts],
        "verdict": await async_described(call.hass, judged),
    }


async def _check_number(call: ServiceCall) -> ServiceResponse:
    """Tell how a call would fare; nothing is sent to anybody."""
    line = _line(call)
    judged = line.dialler.verdict(
        _number_of(call.hass, call.data[ATTR_NUMBER]),
        person=await async_is_person(call.hass, call.context),
        show_number=call.data[ATTR_SHOW_NUMBER],
    )
    return await async_described(call.hass, judged)


async def _forget_experience(call: ServiceCall) -> ServiceResponse:
    """Forget what calls to one number taught, or to all."""
    number = call.data.get(ATTR_NUMBER)
    written = None if number is None else _as_written(number)
    return {"forgotten": _line(call).dialler.forget(written)}


async def _answer(call: ServiceCall) -> ServiceResponse:
    """Answer the call that rings."""
    with translated_errors():
        return _described(await _line(call).async_answer())


async def _reject(call: ServiceCall) -> ServiceResponse:
    """Turn the call that rings away."""
    with translated_errors():
        return _described(await _line(call).async_reject(call.data[ATTR_STATUS]))


async def _hang_up(call: ServiceCall) -> ServiceResponse:
    """End the call."""
    with translated_errors():
        return _described(await _line(call).async_hang_up())


async def _hold(call: ServiceCall) -> ServiceResponse:
    """Put the call on hold."""
    with translated_errors():
        return _described(await _line(call).async_hold(held=True))


async def _resume(call: ServiceCall) -> ServiceResponse:
    """Take the call back from hold."""
    with translated_errors():
        return _described(await _line(call).async_hold(held=False))


async def _send_dtmf(call: ServiceCall) -> ServiceResponse:
    """Send keypad tones into the call."""
    with translated_errors():
        sent = await _line(call).async_send_dtmf(call.data[ATTR_DIGITS])
    return {**_described(sent), "digits": call.data[ATTR_DIGITS]}


async def _listen(call: ServiceCall) -> ServiceResponse:
    """Play the current call on media players, or every call that is to come as well.

    The response has the address of the current call's stream; None where there is no call and
    none is needed.
    """
    line = _line(call)
    data = call.data
    players = tuple(data[ATTR_MEDIA_PLAYER])
    check_players(call.hass, players)
    wish = Wish(
        players=players,
        both_sides=data[ATTR_BOTH_SIDES],
        while_ringing=data[ATTR_WHILE_RINGING],
        volume=data.get(ATTR_VOLUME_LEVEL),
        format_name=data.get(ATTR_FORMAT),
    )
    current = line.state.call
    with translated_errors():
        if calls := _calls_to_come(data):
            if not players:
                raise wrong_input("every_call_needs_players")
            await line.listening.async_stand(StandingWish(wish=wish, calls=calls))
            if current and not calls.matches(current, door_phone=line.is_door_phone(current)):
                current = None
        elif current is None:
            raise CallUnknownError
        started = current and await line.listening.async_play(wish, current, call.context)
    return {
        "url": started.url if started else None,
        "path": started.path if started else None,
        "media_players": list(players),
        "formats": dict(started.formats) if started else {},
    }


def _calls_to_come(data: Mapping[str, Any]) -> WishedCalls | None:
    """Return which calls besides this one are meant; raises NumberInvalidError."""
    if not data[ATTR_EVERY_CALL]:
        if any(name in data for name in _FILTERS):
            raise wrong_input("filter_without_every_call")
        return None
    numbers = [_as_written(number) for number in data.get(ATTR_NUMBERS, ())]
    return WishedCalls(
        direction=data.get(ATTR_DIRECTION, CallSelection.BOTH),
        numbers=filter_numbers(numbers),
        door_phones=data.get(ATTR_DOOR_PHONES_ONLY, False),
    )


async def _stop_listening(call: ServiceCall) -> ServiceResponse:
    """Bring players back to what they were, and let no other call start them."""
    listening = _line(call).listening
    players = call.data[ATTR_MEDIA_PLAYER] or None
    forgotten = [] if call.data[ATTR_THIS_CALL_ONLY] else await listening.async_forget(players)
    stopped = await listening.async_end(players)
    return {"media_players": [*stopped], "every_call": [*forgotten]}


async def _ask(call: ServiceCall) -> ServiceResponse:
    """Ask the other side of the call for keys."""
    return await ask_caller(call, _line(call))


async def _start_recording(call: ServiceCall) -> ServiceResponse:
    """Record the call."""
    line = _line(call)
    with translated_errors():
        recording = await line.recorder.async_start(
            line.state.call, notice=call.data.get(ATTR_NOTICE)
        )
    return recording.described()


async def _stop_recording(call: ServiceCall) -> ServiceResponse:
    """Record no more."""
    line = _line(call)
    with translated_errors():
        recording = await line.recorder.async_stop(line.state.call)
    return recording.described()


async def _delete_recording(call: ServiceCall) -> ServiceResponse:
    """Delete a recording."""
    folder = RecordingFolder(call.hass)

    def delete() -> Recording:
        recording = folder.get(call.data[ATTR_RECORDING].rpartition("/")[2])
        folder.delete(recording)
        return recording

    with translated_errors():
        recording = await call.hass.async_add_executor_job(delete)
    forget_recordings(call.hass, [recording])
    return recording.described()


async def _import_contacts(call: ServiceCall) -> ServiceResponse:
    """Take contacts into the line."""
    return await import_contacts(
        call.hass,
        _line(call).entry,
        call.data[ATTR_CONTENT],
        dial_buttons=call.data[CONF_DIAL_BUTTON],
    )


async def _export_contacts(call: ServiceCall) -> ServiceResponse:
    """Return the home's contacts."""
    return await export_contacts(call.hass, call.data[ATTR_FORMAT], call.data.get(CONF_GROUP))


async def _get_calls(call: ServiceCall) -> ServiceResponse:
    """Return calls of the log."""
    return get_calls(call.hass, _lines(call), call.data)


async def _delete_calls(call: ServiceCall) -> ServiceResponse:
    """Delete calls of the log."""
    return delete_calls(call.hass, _lines(call), call.data)


async def _mark_calls_seen(call: ServiceCall) -> ServiceResponse:
    """Note that missed calls were seen."""
    return mark_calls_seen(call.hass, _lines(call), call.data)


async def _self_test(call: ServiceCall) -> ServiceResponse:
    """Test a line with a call; what is found is an error, unless the response is asked for."""
    line = _line(call)
    number = _as_written(call.data[ATTR_NUMBER])
    with translated_errors():
        report = await async_self_test(line, number, call.context)
    found = described_report(call.hass, line, report)
    if report.result is not SelfTestResult.OK and not call.return_response:
        raise HomeAssistantError(
            translation_domain=DOMAIN,
            translation_key="self_test_failed",
            translation_placeholders={"found": found["sentence"]},
        )
    return found


async def _get_trace(call: ServiceCall) -> ServiceResponse:
    """Return the last SIP messages of a line, and what they show."""
    line = _line(call)
    return {
        "finding": described_finding(call.hass, line),
        "trace": await async_trace_text(call.hass, line.entry),
        "path": signed_trace_path(call.hass, line.entry),
    }


async def _block_number(call: ServiceCall) -> ServiceResponse:
    """Block a number from now on, or that of the last caller."""
    number = call.data.get(ATTR_NUMBER)
    return block_number(_line(call), None if number is None else _as_written(number))


async def _unblock_number(call: ServiceCall) -> ServiceResponse:
    """Block a number no more."""
    return unblock_number(_line(call), _as_written(call.data[ATTR_NUMBER]))


def _as_written(number: str | int) -> str:
    """Return the number as a person wrote it.

    YAML reads 0312345670 without quotes as an octal number, and the call would reach a
    stranger. What cannot come of that passes: extensions, special numbers, 184 and 186.
    """
    text = str(number)
    if isinstance(number, int) and len(text) > 3 and not text.startswith(("184", "186")):
        raise wrong_input("number_unquoted")
    return text


def _number_of(hass: HomeAssistant, written: str | int) -> str:
    """Return a number as it was written, or that of a contact who is named."""
    text = _as_written(written)
    try:
        normalize(text)
    except NumberInvalidError:
        numbers = {contact.number_to_dial for contact in address_book(hass).named(text)} - {None}
        if len(numbers) > 1:
            raise wrong_input("contact_ambiguous", name=text) from None
        return next(iter(numbers), None) or text
    return text


def _line(call: ServiceCall) -> Line:
    """Return the line that is meant."""
    return find_line(call.hass, call.data.get(ATTR_CONFIG_ENTRY_ID))


def find_line(hass: HomeAssistant, entry_id: str | None) -> Line:
    """Return a line; it need not be named if there is only one. Raises ServiceValidationError."""
    entries: list[HikariConfigEntry] = hass.config_entries.async_loaded_entries(DOMAIN)
    if entry_id is None:
        if not entries:
            raise wrong_input("no_line")
        if len(entries) > 1:
            raise wrong_input("line_ambiguous")
        return entries[0].runtime_data
    for entry in entries:
        if entry.entry_id == entry_id:
            return entry.runtime_data
    named = hass.config_entries.async_get_entry(entry_id)
    if named is None or named.domain != DOMAIN:
        raise wrong_input("line_not_found")
    raise wrong_input("line_not_loaded", line=named.title)


def _lines(call: ServiceCall) -> list[HikariConfigEntry]:
    """Return the line that is named, or all."""
    if ATTR_CONFIG_ENTRY_ID in call.data:
        return [_line(call).entry]
    entries: list[HikariConfigEntry] = call.hass.config_entries.async_loaded_entries(DOMAIN)
    if not entries:
        raise wrong_input("no_line")
    return entries


def _described(call: Call) -> dict[str, Any]:
    """Return what every response tells of the call."""
    return {
        "call_id": call.id,
        "direction": call.direction.value,
        "number": call.number,
        "formatted_number": call.formatted_number,
    }


def _dial_result(call: Call) -> DialResult:
    """Return how far a call came."""
    if call.connected:
        return DialResult.CONNECTED
    return DialResult.FAILED if call.state is CallState.ENDED else DialResult.DIALING

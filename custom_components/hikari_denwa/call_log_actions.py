"""What the actions for the call log do."""

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any, Final

from homeassistant.core import HomeAssistant, callback
from homeassistant.exceptions import ServiceValidationError
from homeassistant.helpers import config_validation as cv
from homeassistant.util import dt as dt_util

from .address_book import address_book
from .call_log import LogFilter, LoggedCall
from .calls import CallOutcome
from .const import DOMAIN
from .contacts import NumberSet, number_or_pattern
from .exceptions import translated_errors
from .line import HikariConfigEntry, Line
from .telephony.calls import CallDirection

if TYPE_CHECKING:
    # From 2026.11 on this is what Home Assistant gives out as voluptuous.
    import probatio as vol
else:
    import voluptuous as vol

ATTR_ALL: Final = "all"
ATTR_CALL_IDS: Final = "call_ids"
ATTR_CONTACT: Final = "contact"
ATTR_DIRECTION: Final = "direction"
ATTR_LIMIT: Final = "limit"
ATTR_MARK_SEEN: Final = "mark_seen"
ATTR_NUMBER: Final = "number"
ATTR_OUTCOME: Final = "outcome"
ATTR_SINCE: Final = "since"
ATTR_UNSEEN: Final = "unseen"
ATTR_UNTIL: Final = "until"

_DEFAULT_LIMIT: Final = 50
_FILTER_FIELDS: Final = {
    vol.Optional(ATTR_CALL_IDS): vol.All(cv.ensure_list, [cv.string]),
    vol.Optional(ATTR_DIRECTION): vol.Coerce(CallDirection),
    vol.Optional(ATTR_OUTCOME): vol.All(cv.ensure_list, [vol.Coerce(CallOutcome)]),
    vol.Optional(ATTR_NUMBER): vol.All(cv.ensure_list, [cv.string]),
    vol.Optional(ATTR_CONTACT): cv.string,
    vol.Optional(ATTR_SINCE): cv.datetime,
    vol.Optional(ATTR_UNTIL): cv.datetime,
    vol.Optional(ATTR_UNSEEN, default=False): cv.boolean,
}
GET_FIELDS: Final = {
    **_FILTER_FIELDS,
    vol.Optional(ATTR_LIMIT, default=_DEFAULT_LIMIT): vol.All(
        vol.Coerce(int), vol.Range(min=1, max=10_000)
    ),
    vol.Optional(ATTR_MARK_SEEN, default=False): cv.boolean,
}
DELETE_FIELDS: Final = {**_FILTER_FIELDS, vol.Optional(ATTR_ALL, default=False): cv.boolean}
SEEN_FIELDS: Final = _FILTER_FIELDS


@callback
def get_calls(
    hass: HomeAssistant, entries: Iterable[HikariConfigEntry], data: Mapping[str, Any]
) -> dict[str, Any]:
    """Return calls of lines, the latest first; those that are returned may be marked as seen."""
    wanted = _filter(hass, data)
    found = [
        (call, entry.runtime_data)
        for entry in entries
        for call in entry.runtime_data.log.find(wanted)
    ]
    found.sort(key=lambda item: item[0].started, reverse=True)
    shown = found[: data[ATTR_LIMIT]]
    response = {"total": len(found), "calls": [_described(call, line) for call, line in shown]}
    if data[ATTR_MARK_SEEN]:
        seen = LogFilter(ids=frozenset(call.id for call, _ in shown))
        for line in {line.id: line for _, line in shown}.values():
            line.log.mark_seen(seen)
    return response


@callback
def delete_calls(
    hass: HomeAssistant, entries: Iterable[HikariConfigEntry], data: Mapping[str, Any]
) -> dict[str, Any]:
    """Delete calls from the logs of lines; all of them only if that is said."""
    wanted = _filter(hass, data)
    if wanted == LogFilter() and not data[ATTR_ALL]:
        raise ServiceValidationError(translation_domain=DOMAIN, translation_key="no_call_chosen")
    return {"deleted": sum(entry.runtime_data.log.delete(wanted) for entry in entries)}


@callback
def mark_calls_seen(
    hass: HomeAssistant, entries: Iterable[HikariConfigEntry], data: Mapping[str, Any]
) -> dict[str, Any]:
    """Note that missed calls of lines were seen."""
    wanted = _filter(hass, data)
    return {"marked": sum(entry.runtime_data.log.mark_seen(wanted) for entry in entries)}


def _filter(hass: HomeAssistant, data: Mapping[str, Any]) -> LogFilter:
    """Return which calls are meant. A contact is one by its numbers, or by its name at the time."""
    numbers: NumberSet | None = None
    with translated_errors():
        written = [number_or_pattern(number) for number in data.get(ATTR_NUMBER, ())]
    name = data.get(ATTR_CONTACT)
    if name is not None:
        for contact in address_book(hass).contacts:
            if contact.name.casefold() == name.casefold():
                written += contact.numbers
    if written:
        numbers = NumberSet(written)
    return LogFilter(
        ids=frozenset(data[ATTR_CALL_IDS]) if ATTR_CALL_IDS in data else None,
        direction=data.get(ATTR_DIRECTION),
        outcomes=frozenset(data[ATTR_OUTCOME]) if ATTR_OUTCOME in data else None,
        numbers=numbers,
        name=name,
        since=dt_util.as_utc(data[ATTR_SINCE]) if ATTR_SINCE in data else None,
        until=dt_util.as_utc(data[ATTR_UNTIL]) if ATTR_UNTIL in data else None,
        unseen=data[ATTR_UNSEEN],
    )


def _described(call: LoggedCall, line: Line) -> dict[str, Any]:
    """Return a call as the response tells it; what is not known is left out."""
    return {
        **call.data,
        "config_entry_id": line.id,
        "line": line.entry.title,
        "who": line.who(call),
        **({"formatted_number": call.formatted_number} if call.number else {}),
        "rang": round(call.rang, 1),
        "duration": round(call.duration, 1),
    }

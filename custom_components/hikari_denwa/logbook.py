"""The calls of a line as sentences in the logbook."""

from collections.abc import Callable, Mapping
from typing import Any

from homeassistant.components.logbook import (
    LOGBOOK_ENTRY_ENTITY_ID,
    LOGBOOK_ENTRY_ICON,
    LOGBOOK_ENTRY_MESSAGE,
    LOGBOOK_ENTRY_NAME,
)
from homeassistant.const import ATTR_ENTITY_ID
from homeassistant.core import Event, HomeAssistant, callback

from .call_updates import EVENT_CALL, EVENT_MESSAGE
from .calls import CallOutcome
from .const import DOMAIN
from .sentences import duration_in_words, reason_in_words, sentence
from .telephony.calls import CallDirection

_ICONS = {
    CallOutcome.ANSWERED: "mdi:phone-check",
    CallOutcome.ANSWERED_ELSEWHERE: "mdi:phone-forward",
    CallOutcome.MISSED: "mdi:phone-missed",
    CallOutcome.REJECTED: "mdi:phone-remove",
    CallOutcome.BLOCKED: "mdi:phone-cancel",
    CallOutcome.GIVEN_UP: "mdi:phone-hangup",
    CallOutcome.FAILED: "mdi:phone-alert",
}
_MESSAGE_ICON = "mdi:voicemail"


@callback
def async_describe_events(
    hass: HomeAssistant,
    async_describe_event: Callable[
        [str, str, Callable[[Event[dict[str, Any]]], dict[str, Any]]], None
    ],
) -> None:
    """Describe the event that ends every call, and that of a message."""

    def described(data: Mapping[str, Any], message: str, icon: str) -> dict[str, Any]:
        """Return an entry in the logbook of the line."""
        return {
            LOGBOOK_ENTRY_NAME: data["line"],
            LOGBOOK_ENTRY_MESSAGE: message,
            LOGBOOK_ENTRY_ICON: icon,
            LOGBOOK_ENTRY_ENTITY_ID: data.get(ATTR_ENTITY_ID),
        }

    @callback
    def describe_call(event: Event[dict[str, Any]]) -> dict[str, Any]:
        """Tell a call in a sentence."""
        data = event.data
        return described(data, call_in_words(hass, data), _ICONS[CallOutcome(data["outcome"])])

    @callback
    def describe_message(event: Event[dict[str, Any]]) -> dict[str, Any]:
        """Tell a message in a sentence."""
        return described(event.data, message_in_words(hass, event.data), _MESSAGE_ICON)

    async_describe_event(DOMAIN, EVENT_CALL, describe_call)
    async_describe_event(DOMAIN, EVENT_MESSAGE, describe_message)


def call_in_words(hass: HomeAssistant, data: Mapping[str, Any]) -> str:
    """Return a call that is over as a sentence: who, what became of it, how long it took."""
    outcome = CallOutcome(data["outcome"])
    seconds = data["duration"] if outcome is CallOutcome.ANSWERED else data["waited"]
    return sentence(
        hass,
        f"call_{CallDirection(data['direction'])}_{outcome}",
        who=_who(hass, data),
        duration=duration_in_words(hass, seconds),
        reason=reason_in_words(hass, data.get("reason", "")),
    )


def message_in_words(hass: HomeAssistant, data: Mapping[str, Any]) -> str:
    """Return a message on the answering machine as a sentence, with what was said if known."""
    words = data.get("transcription")
    key = "message_with_words" if words else "message_left"
    return sentence(hass, key, who=_who(hass, data), words=words or "")


def _who(hass: HomeAssistant, data: Mapping[str, Any]) -> str:
    """Return the other side: a name with its number, or what there is."""
    who, number = str(data["who"]), data.get("formatted_number")
    if not number or number == who:
        return who
    return sentence(hass, "who_with_number", who=who, number=number)

"""What happens to the calls of every line, told to who belongs to none: triggers, the logbook."""

from typing import Any, Final

from homeassistant.components.event import DOMAIN as EVENT_DOMAIN
from homeassistant.const import ATTR_CONFIG_ENTRY_ID, ATTR_DEVICE_ID, ATTR_ENTITY_ID
from homeassistant.core import HomeAssistant, callback
from homeassistant.helpers import entity_registry as er
from homeassistant.helpers.dispatcher import async_dispatcher_send
from homeassistant.util.signal_type import SignalType

from .calls import ASIDE, CallEventType, CallOutcome, CallUpdate
from .const import DOMAIN
from .line import Line

EVENT_CALL: Final = f"{DOMAIN}_call"
EVENT_MESSAGE: Final = f"{DOMAIN}_message"
SIGNAL_CALL: Final[SignalType[Line, CallUpdate]] = SignalType(f"{DOMAIN}_call")


def outcome_of(update: CallUpdate) -> CallOutcome | None:
    """Return what became of a call, or None while it goes on, or if that has been told.

    Of a blocked call nothing is told but that it was blocked.
    """
    if update.type is CallEventType.BLOCKED:
        return CallOutcome.BLOCKED
    if update.type in ASIDE:
        return None
    outcome = update.call.outcome
    return None if outcome is CallOutcome.RUNNING else outcome


def described(line: Line, update: CallUpdate) -> dict[str, Any]:
    """Return what an automation is told: the line, what happened, and all that is known of it.

    Of a call that is over also its outcome, and how many seconds it rang (``waited``).
    """
    told: dict[str, Any] = {
        ATTR_CONFIG_ENTRY_ID: line.entry.entry_id,
        "line": line.entry.title,
        "event": update.type.value,
        **update.attributes(),
    }
    if outcome := outcome_of(update):
        call = update.call
        until = call.answered or call.ended or call.started
        told["outcome"] = outcome.value
        told["waited"] = max(0.0, round((until - call.started).total_seconds(), 1))
    return told


@callback
def async_tell_calls(hass: HomeAssistant, line: Line) -> None:
    """Tell what happens to a line's calls, as long as the line lives.

    By SIGNAL_CALL, by EVENT_CALL on the bus when a call is over, and by EVENT_MESSAGE when its
    caller has left a message. All a moment later than the line's entities, so that an automation
    finds their new states.
    """

    @callback
    def tell(update: CallUpdate) -> None:
        hass.loop.call_soon(_tell, hass, line, update)

    line.subscribe_calls(tell)


@callback
def _tell(hass: HomeAssistant, line: Line, update: CallUpdate) -> None:
    """Tell something that happened to a call."""
    async_dispatcher_send(hass, SIGNAL_CALL, line, update)
    if outcome_of(update):
        hass.bus.async_fire(EVENT_CALL, {**described(line, update), **_places(hass, line)})
    elif update.type is CallEventType.MESSAGE:
        hass.bus.async_fire(EVENT_MESSAGE, {**described(line, update), **_places(hass, line)})


@callback
def _places(hass: HomeAssistant, line: Line) -> dict[str, str]:
    """Return the entity and the device in whose logbooks a call of the line belongs."""
    registry = er.async_get(hass)
    entity_id = registry.async_get_entity_id(EVENT_DOMAIN, DOMAIN, f"{line.entry.entry_id}_call")
    if entity_id is None or (entity := registry.async_get(entity_id)) is None:
        return {}
    places = {ATTR_ENTITY_ID: entity_id, ATTR_DEVICE_ID: entity.device_id}
    return {key: place for key, place in places.items() if place}

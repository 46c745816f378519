"""Events of a line: what happens to its calls, and who is at the door."""

from abc import abstractmethod
from typing import override

from homeassistant.components.event import (
    DoorbellEventType,
    EventDeviceClass,
    EventEntity,
    EventEntityDescription,
)
from homeassistant.core import HomeAssistant, callback
from homeassistant.helpers.entity_platform import AddConfigEntryEntitiesCallback

from .calls import CallEventType, CallUpdate
from .entity import StandingEntity
from .line import HikariConfigEntry

PARALLEL_UPDATES = 0

_CALL = EventEntityDescription(
    key="call",
    translation_key="call",
    event_types=[event.value for event in CallEventType],
)
_DOORBELL = EventEntityDescription(
    key="doorbell",
    translation_key="doorbell",
    device_class=EventDeviceClass.DOORBELL,
    event_types=[DoorbellEventType.RING],
)


async def async_setup_entry(
    _hass: HomeAssistant,
    entry: HikariConfigEntry,
    async_add_entities: AddConfigEntryEntitiesCallback,
) -> None:
    """Set up the event platform."""
    async_add_entities([CallEvent(entry, _CALL), DoorbellEvent(entry, _DOORBELL)])


class LineEvent(StandingEntity, EventEntity):
    """An event entity of a line.

    It stays available while the line is down: the end of a call that was lost has to be
    seen, and an event that comes back from "unavailable" looks like a new one.
    """

    # What differs from call to call, or can be had from the number; the call log keeps it.
    _unrecorded_attributes = frozenset(
        {
            "attempts",
            "call_id",
            "duration",
            "formatted_number",
            "language",
            "phrase",
            "picture",
            "reading",
            "ring_rule",
            "started",
        }
    )

    @override
    async def async_added_to_hass(self) -> None:
        """Begin to follow the line's calls."""
        self.async_on_remove(self.line.subscribe_calls(self.async_call_updated, hurry=True))

    @callback
    @abstractmethod
    def async_call_updated(self, update: CallUpdate) -> None:
        """Take what happened to a call."""


class CallEvent(LineEvent):
    """Everything that happens to a line's calls; see CallEventType for when each fires."""

    @callback
    @override
    def async_call_updated(self, update: CallUpdate) -> None:
        """Show what happened to a call."""
        self._trigger_event(update.type, dict(update.attributes()))
        self.async_write_ha_state()


class DoorbellEvent(LineEvent):
    """Rings when a caller that the owner named as a door phone calls."""

    @callback
    @override
    def async_call_updated(self, update: CallUpdate) -> None:
        """Ring if a door phone began to call."""
        if update.type is CallEventType.INCOMING and self.line.is_door_phone(update.call):
            self._trigger_event(DoorbellEventType.RING, dict(update.attributes()))
            self.async_write_ha_state()

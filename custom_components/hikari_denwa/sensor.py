"""The call state of a line."""

from enum import StrEnum
from typing import Any, override

from homeassistant.components.sensor import (
    SensorDeviceClass,
    SensorEntity,
    SensorEntityDescription,
)
from homeassistant.core import HomeAssistant
from homeassistant.helpers.entity_platform import AddConfigEntryEntitiesCallback

from .entity import HikariEntity
from .line import HikariConfigEntry
from .telephony.calls import CallState

PARALLEL_UPDATES = 0


class CallSensorState(StrEnum):
    """What a line is doing."""

    IDLE = "idle"
    RINGING = "ringing"
    DIALING = "dialing"
    TALKING = "talking"


_STATES = {
    CallState.RINGING: CallSensorState.RINGING,
    CallState.DIALING: CallSensorState.DIALING,
    CallState.TALKING: CallSensorState.TALKING,
    CallState.ENDED: CallSensorState.IDLE,
}
_CALL_STATE = SensorEntityDescription(
    key="call_state",
    translation_key="call_state",
    device_class=SensorDeviceClass.ENUM,
    options=[state.value for state in CallSensorState],
)


async def async_setup_entry(
    _hass: HomeAssistant,
    entry: HikariConfigEntry,
    async_add_entities: AddConfigEntryEntitiesCallback,
) -> None:
    """Set up the sensor platform."""
    async_add_entities([CallStateSensor(entry, _CALL_STATE)])


class CallStateSensor(HikariEntity, SensorEntity):
    """Idle, ringing, dialing or talking; with whom, which way, since when."""

    # The event entity has them in its history.
    _unrecorded_attributes = frozenset(
        {
            "call_id",
            "caller_id",
            "formatted_number",
            "group",
            "held",
            "holding",
            "name",
            "number",
            "picture",
            "since",
        }
    )

    @property
    @override
    def native_value(self) -> str:
        """Return what the line is doing."""
        call = self.line.state.call
        return _STATES[call.state] if call else CallSensorState.IDLE

    @property
    @override
    def extra_state_attributes(self) -> dict[str, Any]:
        """Return who is on the other side of the current call."""
        if (call := self.line.state.call) is None:
            return {}
        shown = {
            "who": self.line.who(call),
            "direction": call.direction.value,
            "since": call.since.isoformat(),
            "caller_id": call.caller_id.value,
            "number": call.number,
            "formatted_number": call.formatted_number,
            "name": call.name,
            "group": call.contact.group if call.contact else None,
            "picture": call.contact.picture if call.contact else None,
            "held": call.held,
            "holding": call.holding,
            "call_id": call.id,
        }
        return {key: value for key, value in shown.items() if value is not None}

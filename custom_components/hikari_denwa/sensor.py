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
from .telephony.compatibility import Outlook, Verdict
from .verdicts import described

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


_OUTLOOK = SensorEntityDescription(
    key="outlook",
    translation_key="outlook",
    device_class=SensorDeviceClass.ENUM,
    options=[outlook.value for outlook in Outlook],
)


async def async_setup_entry(
    _hass: HomeAssistant,
    entry: HikariConfigEntry,
    async_add_entities: AddConfigEntryEntitiesCallback,
) -> None:
    """Set up the sensor platform."""
    async_add_entities([CallStateSensor(entry, _CALL_STATE), OutlookSensor(entry, _OUTLOOK)])


class CallStateSensor(HikariEntity, SensorEntity):
    """Idle, ringing, dialing or talking; with whom, which way, since when."""

    _unrecorded_attributes = frozenset({"call_id", "held", "holding"})

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
            "held": call.held,
            "holding": call.holding,
            "call_id": call.id,
        }
        return {key: value for key, value in shown.items() if value is not None}


class OutlookSensor(HikariEntity, SensorEntity):
    """How a call to the number that was entered would fare; unknown while there is none."""

    _unrecorded_attributes = frozenset({"reasons", "cures"})

    @property
    @override
    def native_value(self) -> str | None:
        """Return the outlook."""
        verdict = self._verdict()
        return verdict.outlook.value if verdict else None

    @property
    @override
    def extra_state_attributes(self) -> dict[str, Any]:
        """Return the whole verdict, its sentences in Home Assistant's language."""
        verdict = self._verdict()
        if verdict is None:
            return {}
        told = described(self.hass, verdict)
        told["reasons"] = [reason["text"] for reason in told["reasons"]]
        told["cures"] = [cure["text"] for cure in told["cures"]]
        del told["outlook"]
        return {key: value for key, value in told.items() if value is not None}

    @override
    async def async_added_to_hass(self) -> None:
        """Follow what calls teach, too."""
        await super().async_added_to_hass()
        self.async_on_remove(self.line.dialler.subscribe(self.async_write_ha_state))

    def _verdict(self) -> Verdict | None:
        """Return the verdict on the number that was entered; a person is taken to ask."""
        number = self.line.number_to_dial
        return self.line.dialler.verdict(number, person=True) if number else None
